//! A decoded instruction, and the table of all of them.
//!
//! The table in [`super::table`] is the only list of instructions: decoding, dispatch in both
//! engines, disassembly and the tests iterate it.

use super::float::FloatInstruction;
use super::table::Id;

/// Operand format: where the fields are, and how operands are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// rd, rs1, rs2.
    R,
    /// rd, rs1.
    Unary,
    /// rd, rs1, 12-bit immediate.
    I,
    /// rd, immediate(rs1).
    Load,
    /// rd, rs1, 6-bit amount.
    Shift,
    /// rd, rs1, 5-bit amount.
    ShiftW,
    /// rs2, immediate(rs1).
    S,
    /// rs1, rs2, target.
    B,
    /// rd, upper 20 bits.
    U,
    /// rd, target.
    J,
    /// rd, csr, rs1.
    Csr,
    /// rd, csr, 5-bit immediate.
    CsrImmediate,
    /// rd, (rs1), with acquire and release bits.
    LoadReserved,
    /// rd, rs2, (rs1), with acquire and release bits.
    Amo,
    /// (rs1).
    Address,
    /// rs1, rs2.
    Two,
    /// offset(rs1), low five bits zero.
    Prefetch,
    /// Predecessor and successor sets.
    Fence,
    /// Nothing.
    None,
}

/// Operands; what a format does not have is zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Operands {
    /// Destination.
    pub rd: u8,
    /// First source.
    pub rs1: u8,
    /// Second source.
    pub rs2: u8,
    /// Immediate, sign-extended; a CSR number for CSR instructions; of atomics, acquire in bit 1 and
    /// release in bit 0; of fences, all above bit 19.
    pub imm: i32,
}

impl Operands {
    /// The same, with register numbers that the compiler can see to be in range.
    #[inline(always)]
    pub(super) const fn masked(&self) -> Self {
        Self { rd: self.rd & 31, rs1: self.rs1 & 31, rs2: self.rs2 & 31, imm: self.imm }
    }
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Body {
    /// An instruction of the table.
    Table(Id, Operands),
    /// A floating-point instruction.
    Float(FloatInstruction),
    /// No instruction that this processor has; the bits, for `tval`.
    Illegal(u32),
}

/// A decoded instruction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Instruction {
    /// What to do.
    pub body: Body,
    /// 2 or 4.
    pub length: u8,
}

const fn sign(value: u32, bits: u32) -> i32 {
    ((value << (32 - bits)).cast_signed()) >> (32 - bits)
}

impl Format {
    /// Cuts the operands out of an instruction word.
    #[must_use]
    pub fn operands(self, word: u32) -> Operands {
        let rd = (word >> 7 & 31) as u8;
        let rs1 = (word >> 15 & 31) as u8;
        let rs2 = (word >> 20 & 31) as u8;
        let none = Operands::default();
        match self {
            Self::R => Operands { rd, rs1, rs2, imm: 0 },
            Self::Unary => Operands { rd, rs1, ..none },
            Self::Amo => Operands { rd, rs1, rs2, imm: (word >> 25 & 3).cast_signed() },
            Self::LoadReserved => Operands { rd, rs1, imm: (word >> 25 & 3).cast_signed(), ..none },
            Self::Fence => Operands { imm: (word >> 20).cast_signed(), ..none },
            Self::I | Self::Load => Operands { rd, rs1, imm: sign(word >> 20, 12), ..none },
            Self::Shift => Operands { rd, rs1, imm: (word >> 20 & 63).cast_signed(), ..none },
            Self::ShiftW => Operands { rd, rs1, imm: (word >> 20 & 31).cast_signed(), ..none },
            Self::S => {
                let imm = sign((word >> 25) << 5 | (word >> 7 & 31), 12);
                Operands { rs1, rs2, imm, ..none }
            }
            Self::B => {
                let high = (word >> 31) << 12 | (word >> 7 & 1) << 11;
                let low = (word >> 25 & 0x3f) << 5 | (word >> 8 & 0xf) << 1;
                Operands { rs1, rs2, imm: sign(high | low, 13), ..none }
            }
            Self::U => Operands { rd, imm: (word & 0xffff_f000).cast_signed(), ..none },
            Self::J => {
                let high = (word >> 31) << 20 | (word >> 12 & 0xff) << 12;
                let low = (word >> 20 & 1) << 11 | (word >> 21 & 0x3ff) << 1;
                Operands { rd, imm: sign(high | low, 21), ..none }
            }
            Self::Csr | Self::CsrImmediate => {
                Operands { rd, rs1, imm: (word >> 20).cast_signed(), ..none }
            }
            Self::Address => Operands { rs1, ..none },
            Self::Prefetch => Operands { rs1, imm: sign(word >> 20 & 0xfe0, 12), ..none },
            Self::Two => Operands { rs1, rs2, ..none },
            Self::None => none,
        }
    }
}
