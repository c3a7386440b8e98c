//! Instructions as text, as the usual assemblers write them without pseudo-instructions.

use super::instruction::{Body, Format, Instruction};

/// The calling convention's names of the integer registers.
pub const INTEGER_NAMES: [&str; 32] = [
    "zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1", "a0", "a1", "a2", "a3", "a4",
    "a5", "a6", "a7", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4",
    "t5", "t6",
];

impl Instruction {
    /// The text of the instruction at virtual `addr`; `None` for what is no instruction.
    #[must_use]
    pub fn disassemble(&self, addr: u64) -> Option<String> {
        let (pattern, o) = match &self.body {
            Body::Illegal(_) => return None,
            Body::Float(float) => return Some(float.to_string()),
            Body::Table(_, operands) => (self.pattern()?, operands),
        };
        let x = |register: u8| INTEGER_NAMES[usize::from(register)];
        let (rd, rs1, rs2, imm) = (x(o.rd), x(o.rs1), x(o.rs2 & 31), o.imm);
        let target = addr.wrapping_add_signed(i64::from(imm));
        let operands = match pattern.format {
            Format::R => format!("{rd}, {rs1}, {rs2}"),
            Format::Unary => format!("{rd}, {rs1}"),
            Format::I | Format::Shift | Format::ShiftW => format!("{rd}, {rs1}, {imm}"),
            Format::Load => format!("{rd}, {imm}({rs1})"),
            Format::S => format!("{rs2}, {imm}({rs1})"),
            Format::B => format!("{rs1}, {rs2}, {target:#x}"),
            Format::U => format!("{rd}, {:#x}", imm.cast_unsigned() >> 12),
            Format::J => format!("{rd}, {target:#x}"),
            Format::Csr => format!("{rd}, {imm:#x}, {rs1}"),
            Format::CsrImmediate => format!("{rd}, {imm:#x}, {}", o.rs1),
            Format::LoadReserved => format!("{rd}, ({rs1})"),
            Format::Amo => format!("{rd}, {rs2}, ({rs1})"),
            Format::Address => format!("({rs1})"),
            Format::Two => format!("{rs1}, {rs2}"),
            Format::Prefetch => format!("{imm}({rs1})"),
            Format::None => return Some(pattern.mnemonic.to_owned()),
        };
        Some(format!("{} {operands}", pattern.mnemonic))
    }
}
