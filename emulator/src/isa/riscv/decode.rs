//! From bytes to instructions.

use std::sync::LazyLock;

use super::compressed;
use super::features::Features;
use super::float::{self, FloatInstruction, Operation, Precision};
use super::instruction::{Body, Instruction};
use super::table::{Id, PATTERNS, Pattern};
use crate::isa::emit::Flow;

/// Patterns by major opcode (bits 6 to 2), in the order of the table.
static BY_OPCODE: LazyLock<[Vec<&Pattern>; 32]> = LazyLock::new(|| {
    std::array::from_fn(|opcode| {
        PATTERNS.iter().filter(|pattern| (pattern.bits >> 2 & 31) as usize == opcode).collect()
    })
});

/// Decodes the instruction that `bytes` begin with; `None` when it is cut off.
#[must_use]
pub fn decode(bytes: &[u8], features: Features) -> Option<Instruction> {
    let half = u16::from_le_bytes(*bytes.first_chunk()?);
    if half & 3 == 3 {
        let word = u32::from_le_bytes(*bytes.first_chunk()?);
        return Some(Instruction { body: body_of(word, word, 4, features), length: 4 });
    }
    let expanded = compressed::expand(half).filter(|_| features.contains(Features::C));
    let body = match expanded {
        Some(word) => body_of(word, u32::from(half), 2, features),
        None => Body::Illegal(u32::from(half)),
    };
    Some(Instruction { body, length: 2 })
}

fn body_of(word: u32, raw: u32, length: u8, features: Features) -> Body {
    let lines = &BY_OPCODE[(word >> 2 & 31) as usize];
    let found =
        lines.iter().find(|line| word & line.mask == line.bits && features.contains(line.needs));
    let Some(line) = found else {
        let float = float::decode(word).filter(|float| features.contains(needs_of(float)));
        return float.map_or(Body::Illegal(raw), Body::Float);
    };
    let mut operands = line.format.operands(word);
    if matches!(line.id, Id::Jal | Id::Jalr) {
        operands.rs2 = length;
    }
    Body::Table(line.id, operands)
}

/// What a floating-point instruction needs.
fn needs_of(instruction: &FloatInstruction) -> Features {
    match (instruction.precision, instruction.operation) {
        (Precision::Half, _) | (_, Operation::FromHalf) => Features::ZFHMIN,
        (Precision::Double, _) | (_, Operation::FromDouble) => Features::D,
        (Precision::Single, _) => Features::F,
    }
}

impl Instruction {
    /// The line of the table that it is from.
    #[must_use]
    pub fn pattern(&self) -> Option<&'static Pattern> {
        match self.body {
            Body::Table(id, _) => Some(&PATTERNS[id as usize]),
            _ => None,
        }
    }

    /// Where control goes after it, at virtual `pc`.
    #[must_use]
    pub fn flow(&self, pc: u64) -> Flow {
        let Body::Table(id, operands) = self.body else {
            return if matches!(self.body, Body::Float(_)) { Flow::Next } else { Flow::Interpret };
        };
        let target = pc.wrapping_add_signed(i64::from(operands.imm));
        match id {
            Id::Jal => Flow::Jump { target, call: operands.rd != 0 },
            Id::Jalr => Flow::Indirect,
            Id::Beq | Id::Bne | Id::Blt | Id::Bge | Id::Bltu | Id::Bgeu => {
                Flow::Branch { taken: target }
            }
            _ if PATTERNS[id as usize].exact => Flow::Interpret,
            _ => Flow::Next,
        }
    }
}
