//! The table of encodings (RISC-V Unprivileged ISA 20240411, "RV32/64G Instruction Set Listings").

use std::fmt;

use super::super::disassemble::INTEGER_NAMES;
use super::{DYNAMIC, FloatInstruction, Operation, Precision};

/// One row: the name without its format, the operation, the fixed bits, and which fields are
/// operands.
type Row = (&'static str, Operation, u32, Fields);

/// Which fields of the word are operands rather than fixed bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fields {
    /// rd, rs1, rs2, rounding mode.
    TwoRounded,
    /// rd, rs1, rs2.
    Two,
    /// rd, rs1, rounding mode.
    OneRounded,
    /// rd, rs1.
    One,
    /// rd, rs1, rs2, rs3, rounding mode.
    Three,
}

impl Fields {
    /// The bits that must equal the row's; the format is looked at beforehand.
    const fn mask(self) -> u32 {
        match self {
            Self::TwoRounded => 0xf800_007f,
            Self::Two => 0xf800_707f,
            Self::OneRounded => 0xfff0_007f & !FORMAT,
            Self::One => 0xfff0_707f & !FORMAT,
            Self::Three => 0x0000_007f,
        }
    }

    const fn rounds(self) -> bool {
        matches!(self, Self::TwoRounded | Self::OneRounded | Self::Three)
    }
}

/// The format field.
const FORMAT: u32 = 3 << 25;

/// Computations, which exist in single and double precision.
const COMPUTE: &[Row] = &[
    ("fmadd", Operation::MulAdd, 0x43, Fields::Three),
    ("fmsub", Operation::MulSub, 0x47, Fields::Three),
    ("fnmsub", Operation::NegMulSub, 0x4b, Fields::Three),
    ("fnmadd", Operation::NegMulAdd, 0x4f, Fields::Three),
    ("fadd", Operation::Add, 0x0000_0053, Fields::TwoRounded),
    ("fsub", Operation::Sub, 0x0800_0053, Fields::TwoRounded),
    ("fmul", Operation::Mul, 0x1000_0053, Fields::TwoRounded),
    ("fdiv", Operation::Div, 0x1800_0053, Fields::TwoRounded),
    ("fsqrt", Operation::Sqrt, 0x5800_0053, Fields::OneRounded),
    ("fsgnj", Operation::SignCopy, 0x2000_0053, Fields::Two),
    ("fsgnjn", Operation::SignNegate, 0x2000_1053, Fields::Two),
    ("fsgnjx", Operation::SignXor, 0x2000_2053, Fields::Two),
    ("fmin", Operation::Min, 0x2800_0053, Fields::Two),
    ("fmax", Operation::Max, 0x2800_1053, Fields::Two),
    ("fle", Operation::LessOrEqual, 0xa000_0053, Fields::Two),
    ("flt", Operation::Less, 0xa000_1053, Fields::Two),
    ("feq", Operation::Equal, 0xa000_2053, Fields::Two),
    ("fclass", Operation::Class, 0xe000_1053, Fields::One),
    ("fcvt.w", Operation::ToI32, 0xc000_0053, Fields::OneRounded),
    ("fcvt.wu", Operation::ToU32, 0xc010_0053, Fields::OneRounded),
    ("fcvt.l", Operation::ToI64, 0xc020_0053, Fields::OneRounded),
    ("fcvt.lu", Operation::ToU64, 0xc030_0053, Fields::OneRounded),
    ("fcvt", Operation::FromI32, 0xd000_0053, Fields::OneRounded),
    ("fcvt", Operation::FromU32, 0xd010_0053, Fields::OneRounded),
    ("fcvt", Operation::FromI64, 0xd020_0053, Fields::OneRounded),
    ("fcvt", Operation::FromU64, 0xd030_0053, Fields::OneRounded),
];

/// Moves of bits and conversions between formats, which half precision (Zfhmin) has too.
const MOVE: &[Row] = &[
    ("fmv.x", Operation::MoveToInteger, 0xe000_0053, Fields::One),
    ("fmv", Operation::MoveFromInteger, 0xf000_0053, Fields::One),
    ("fcvt", Operation::FromSingle, 0x4000_0053, Fields::OneRounded),
    ("fcvt", Operation::FromDouble, 0x4010_0053, Fields::OneRounded),
    ("fcvt", Operation::FromHalf, 0x4020_0053, Fields::OneRounded),
];

/// Decodes one 32-bit instruction; `None` when it is none of F, D and Zfhmin, or reserved.
#[must_use]
pub fn decode(word: u32) -> Option<FloatInstruction> {
    match word & 0x7f {
        0x07 | 0x27 => return access(word),
        0x43 | 0x47 | 0x4b | 0x4f | 0x53 => {}
        _ => return None,
    }
    let precision = match word >> 25 & 3 {
        0 => Precision::Single,
        1 => Precision::Double,
        2 => Precision::Half,
        _ => return None,
    };
    let tables: &[&[Row]] = if precision == Precision::Half { &[MOVE] } else { &[COMPUTE, MOVE] };
    let mut rows = tables.iter().copied().flatten();
    let (_, operation, _, fields) =
        rows.find(|(_, _, bits, fields)| (word ^ bits) & fields.mask() == 0)?;
    let to_itself = matches!(
        (operation, precision),
        (Operation::FromSingle, Precision::Single)
            | (Operation::FromDouble, Precision::Double)
            | (Operation::FromHalf, Precision::Half)
    );
    let rounding = if fields.rounds() { field(word, 12) & 7 } else { 0 };
    if to_itself || matches!(rounding, 5 | 6) {
        return None;
    }
    Some(FloatInstruction {
        operation: *operation,
        precision,
        rounding,
        rd: field(word, 7),
        rs1: field(word, 15),
        rs2: field(word, 20),
        rs3: field(word, 27),
        offset: 0,
    })
}

/// Five bits.
const fn field(word: u32, low: u32) -> u8 {
    (word >> low & 0x1f) as u8
}

/// `flh flw fld fsh fsw fsd`.
#[expect(clippy::cast_possible_truncation, reason = "twelve bits")]
fn access(word: u32) -> Option<FloatInstruction> {
    let precision = match word >> 12 & 7 {
        1 => Precision::Half,
        2 => Precision::Single,
        3 => Precision::Double,
        _ => return None,
    };
    let upper = word.cast_signed() >> 20;
    let (operation, offset) = if word & 0x20 == 0 {
        (Operation::Load, upper)
    } else {
        (Operation::Store, upper & !0x1f | i32::from(field(word, 7)))
    };
    Some(FloatInstruction {
        operation,
        precision,
        rounding: 0,
        rd: if operation == Operation::Load { field(word, 7) } else { 0 },
        rs1: field(word, 15),
        rs2: if operation == Operation::Store { field(word, 20) } else { 0 },
        rs3: 0,
        offset: offset as i16,
    })
}

/// ABI names (psABI, 1.2).
const FLOAT_NAMES: [&str; 32] = [
    "ft0", "ft1", "ft2", "ft3", "ft4", "ft5", "ft6", "ft7", "fs0", "fs1", "fa0", "fa1", "fa2",
    "fa3", "fa4", "fa5", "fa6", "fa7", "fs2", "fs3", "fs4", "fs5", "fs6", "fs7", "fs8", "fs9",
    "fs10", "fs11", "ft8", "ft9", "ft10", "ft11",
];

impl FloatInstruction {
    /// The mnemonic as assemblers write it.
    fn mnemonic(&self) -> String {
        let letter = match self.precision {
            Precision::Half => "h",
            Precision::Single => "s",
            Precision::Double => "d",
        };
        let bits = if self.precision == Precision::Single { "w" } else { letter };
        let from = match self.operation {
            Operation::Load => return format!("fl{bits}"),
            Operation::Store => return format!("fs{bits}"),
            Operation::MoveToInteger => return format!("fmv.x.{bits}"),
            Operation::MoveFromInteger => return format!("fmv.{bits}.x"),
            Operation::FromI32 => ".w",
            Operation::FromU32 => ".wu",
            Operation::FromI64 => ".l",
            Operation::FromU64 => ".lu",
            Operation::FromHalf => ".h",
            Operation::FromSingle => ".s",
            Operation::FromDouble => ".d",
            _ => "",
        };
        let (name, ..) = self.row();
        format!("{name}.{letter}{from}")
    }

    fn row(&self) -> &'static Row {
        let mut rows = COMPUTE.iter().chain(MOVE);
        rows.find(|row| row.1 == self.operation).expect("loads and stores apart, all have a row")
    }
}

impl fmt::Display for FloatInstruction {
    /// As the GNU disassembler writes it, without aliases; a dynamic rounding mode is not written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let integer = |number: u8| INTEGER_NAMES[usize::from(number)];
        let float = |number: u8| FLOAT_NAMES[usize::from(number)];
        let offset = self.offset;
        write!(f, "{}", self.mnemonic())?;
        match self.operation {
            Operation::Load => {
                return write!(f, " {},{offset}({})", float(self.rd), integer(self.rs1));
            }
            Operation::Store => {
                return write!(f, " {},{offset}({})", float(self.rs2), integer(self.rs1));
            }
            _ => {}
        }
        let fields = self.row().3;
        let rd = if self.operation.writes_integer() { integer(self.rd) } else { float(self.rd) };
        let rs1 = if self.operation.reads_integer() { integer(self.rs1) } else { float(self.rs1) };
        write!(f, " {rd},{rs1}")?;
        if matches!(fields, Fields::Two | Fields::TwoRounded | Fields::Three) {
            write!(f, ",{}", float(self.rs2))?;
        }
        if fields == Fields::Three {
            write!(f, ",{}", float(self.rs3))?;
        }
        let exact = matches!(
            (self.operation, self.precision),
            (Operation::FromI32 | Operation::FromU32 | Operation::FromSingle, Precision::Double)
                | (Operation::FromHalf, _)
        );
        if fields.rounds() && self.rounding != DYNAMIC && !(exact && self.rounding == 0) {
            let mode = ["rne", "rtz", "rdn", "rup", "rmm"][usize::from(self.rounding)];
            write!(f, ",{mode}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_disassemble_as_the_gnu_tools_write_them() {
        for (word, text) in [
            (0x00c5_f553, "fadd.s fa0,fa1,fa2"),
            (0x02c5_8553, "fadd.d fa0,fa1,fa2,rne"),
            (0x6ac5_9543, "fmadd.d fa0,fa1,fa2,fa3,rtz"),
            (0x22c5_8553, "fsgnj.d fa0,fa1,fa2"),
            (0xc205_9553, "fcvt.w.d a0,fa1,rtz"),
            (0xd225_7553, "fcvt.d.l fa0,a0"),
            (0xd205_0553, "fcvt.d.w fa0,a0"),
            (0x4205_8553, "fcvt.d.s fa0,fa1"),
            (0x4015_f553, "fcvt.s.d fa0,fa1"),
            (0x4425_f553, "(none)"),
            (0x4405_f553, "fcvt.h.s fa0,fa1"),
            (0xe405_8553, "fmv.x.h a0,fa1"),
            (0xe005_8553, "fmv.x.w a0,fa1"),
            (0xf205_0553, "fmv.d.x fa0,a0"),
            (0x0085_2507, "flw fa0,8(a0)"),
            (0xfea5_3c27, "fsd fa0,-8(a0)"),
            (0x00c5_d553, "(none)"),
            (0x04c5_f553, "(none)"),
        ] {
            let found = decode(word).map_or("(none)".to_owned(), |insn| insn.to_string());
            assert_eq!(found, text, "{word:#010x}");
        }
    }
}
