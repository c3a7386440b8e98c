//! Instructions as text: what `objdump -M no-aliases` of the GNU tools writes.
//!
//! Without aliases, because then a mnemonic is a line of the table and no instruction has two names.
//! Targets are written as addresses with `0x`.

use std::fmt::Write;

use super::{
    compressed::{self, Written},
    csr,
    decode::decode,
    features::Features,
    instruction::{Body, Format, Instruction, Operands},
};

/// The calling convention's names of the integer registers (psABI, 1.1).
pub const INTEGER_NAMES: [&str; 32] = [
    "zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1", "a0", "a1", "a2", "a3", "a4",
    "a5", "a6", "a7", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4",
    "t5", "t6",
];

/// The text of the instruction at virtual `addr` that `bytes` begin with, and its length; `None` for
/// what is no instruction, or cut off.
#[must_use]
pub fn disassemble(bytes: &[u8], features: Features, addr: u64) -> Option<(String, usize)> {
    let instruction = decode(bytes, features)?;
    let whole = instruction.text(addr)?;
    let length = usize::from(instruction.length);
    let half = u16::from_le_bytes(*bytes.first_chunk()?);
    let Some((mnemonic, written)) = compressed::mnemonic(half).filter(|_| length == 2) else {
        return Some((whole, length));
    };
    let o = match instruction.body {
        Body::Table(_, operands) => operands,
        _ => Operands::default(),
    };
    let (rd, rs1, rs2) = (x(o.rd), x(o.rs1), x(o.rs2));
    let target = addr.wrapping_add_signed(i64::from(o.imm));
    let operands = match written {
        Written::Whole => whole.split_once(' ').map(|(_, operands)| operands.to_owned())?,
        Written::Immediate => format!("{rd},{}", o.imm),
        // A hint that RV128 has another use for.
        Written::Amount if o.imm == 0 => return Some((format!("{mnemonic}64 {rd}"), length)),
        Written::Amount => format!("{rd},{:#x}", o.imm),
        Written::Upper => format!("{rd},{:#x}", upper(o.imm)),
        Written::Second => format!("{rd},{rs2}"),
        Written::Target => format!("{target:#x}"),
        Written::Branch => format!("{rs1},{target:#x}"),
        Written::Base => rs1.to_owned(),
        Written::Nothing => return Some((mnemonic.to_owned(), length)),
    };
    Some((format!("{mnemonic} {operands}"), length))
}

fn x(register: u8) -> &'static str {
    INTEGER_NAMES[usize::from(register & 31)]
}

/// The upper immediate as written: 20 bits.
fn upper(imm: i32) -> u32 {
    imm.cast_unsigned() >> 12
}

/// What a fence orders: input, output, reads, writes.
fn order_set(bits: i32) -> String {
    let letters = [(8, 'i'), (4, 'o'), (2, 'r'), (1, 'w')];
    let set: String =
        letters.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, letter)| letter).collect();
    if set.is_empty() { "unknown".to_owned() } else { set }
}

/// `fence`'s operands.
fn fence(imm: i32) -> String {
    format!("{},{}", order_set(imm >> 4), order_set(imm))
}

/// A CSR by name, or by number.
fn csr_name(number: i32) -> String {
    csr::name((number & 0xfff) as u16).unwrap_or_else(|| format!("{number:#x}"))
}

impl Instruction {
    /// The text of the 32-bit instruction at virtual `addr`.
    fn text(&self, addr: u64) -> Option<String> {
        const FENCE_TSO: i32 = 0x833;
        let (pattern, o) = match &self.body {
            Body::Illegal(_) => return None,
            Body::Float(float) => return Some(float.to_string()),
            Body::Table(_, operands) => (self.pattern()?, operands),
        };
        let mut text = pattern.mnemonic.to_owned();
        let (rd, rs1, rs2, imm) = (x(o.rd), x(o.rs1), x(o.rs2), o.imm);
        let target = addr.wrapping_add_signed(i64::from(imm));
        let operands = match pattern.format {
            Format::R => format!("{rd},{rs1},{rs2}"),
            Format::Unary => format!("{rd},{rs1}"),
            Format::I => format!("{rd},{rs1},{imm}"),
            Format::Shift | Format::ShiftW => format!("{rd},{rs1},{imm:#x}"),
            Format::Load => format!("{rd},{imm}({rs1})"),
            Format::S => format!("{rs2},{imm}({rs1})"),
            Format::B => format!("{rs1},{rs2},{target:#x}"),
            Format::U => format!("{rd},{:#x}", upper(imm)),
            Format::J => format!("{rd},{target:#x}"),
            Format::Csr => format!("{rd},{},{rs1}", csr_name(imm)),
            Format::CsrImmediate => format!("{rd},{},{}", csr_name(imm), o.rs1),
            Format::LoadReserved | Format::Amo => {
                text.push_str(["", ".rl", ".aq", ".aqrl"][(imm & 3) as usize]);
                let second =
                    if pattern.format == Format::Amo { format!(",{rs2}") } else { String::new() };
                format!("{rd}{second},({rs1})")
            }
            Format::Address => format!("({rs1})"),
            Format::Two => format!("{rs1},{rs2}"),
            Format::Prefetch => format!("{imm}({rs1})"),
            Format::Fence if imm == FENCE_TSO => return Some("fence.tso".to_owned()),
            Format::Fence => fence(imm),
            Format::None => return Some(text),
        };
        let written = write!(text, " {operands}");
        assert!(written.is_ok(), "a string takes any text");
        Some(text)
    }
}
