//! Encodings of the C extension (RV64C with D), from the manual's chapter on it.

use super::encode::bit;

/// What the generator has to know of a compressed instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `rd' (op)= rs2'` on x8 to x15.
    PrimePair,
    /// `rd' (op)= immediate`, six bits that are not zero.
    PrimeShift,
    /// `rd' &= immediate`, any six bits.
    PrimeImmediate,
    /// `rd (op)= immediate`, any six bits; `rd` not x0.
    Immediate,
    /// As above with six bits that are not zero.
    Shift,
    /// `c.lui`: `rd` neither x0 nor x2, bits not zero.
    Upper,
    /// `rd (op)= rs2`, neither x0.
    Pair,
    /// `rd' = sp + immediate`.
    FromStack,
}

/// Instructions that neither touch memory nor jump: name, fixed bits, shape.
pub(crate) const PLAIN: &[(&str, u16, Shape)] = &[
    ("c.sub", 0x8c01, Shape::PrimePair),
    ("c.xor", 0x8c21, Shape::PrimePair),
    ("c.or", 0x8c41, Shape::PrimePair),
    ("c.and", 0x8c61, Shape::PrimePair),
    ("c.subw", 0x9c01, Shape::PrimePair),
    ("c.addw", 0x9c21, Shape::PrimePair),
    ("c.srli", 0x8001, Shape::PrimeShift),
    ("c.srai", 0x8401, Shape::PrimeShift),
    ("c.andi", 0x8801, Shape::PrimeImmediate),
    ("c.addi", 0x0001, Shape::Immediate),
    ("c.addiw", 0x2001, Shape::Immediate),
    ("c.li", 0x4001, Shape::Immediate),
    ("c.slli", 0x0002, Shape::Shift),
    ("c.lui", 0x6001, Shape::Upper),
    ("c.mv", 0x8002, Shape::Pair),
    ("c.add", 0x9002, Shape::Pair),
    ("c.addi4spn", 0x0000, Shape::FromStack),
];

/// Loads and stores relative to x8 to x15: name, fixed bits, width in bytes, integer destination.
pub(crate) const PRIME_MEMORY: &[(&str, u16, u32, bool)] = &[
    ("c.fld", 0x2000, 8, false),
    ("c.lw", 0x4000, 4, true),
    ("c.ld", 0x6000, 8, true),
    ("c.fsd", 0xa000, 8, false),
    ("c.sw", 0xc000, 4, false),
    ("c.sd", 0xe000, 8, false),
];

/// Loads relative to sp: name, fixed bits, width in bytes, integer destination.
pub(crate) const STACK_LOADS: &[(&str, u16, u32, bool)] =
    &[("c.fldsp", 0x2002, 8, false), ("c.lwsp", 0x4002, 4, true), ("c.ldsp", 0x6002, 8, true)];

/// Stores relative to sp: name, fixed bits, width in bytes.
pub(crate) const STACK_STORES: &[(&str, u16, u32)] =
    &[("c.fsdsp", 0xa002, 8), ("c.swsp", 0xc002, 4), ("c.sdsp", 0xe002, 8)];

/// A register of x8 to x15 in the field at bit 7 (also `rs1'`).
pub(crate) const fn high(register: u32) -> u16 {
    ((register - 8) << 7) as u16
}

/// A register of x8 to x15 in the field at bit 2.
pub(crate) const fn low(register: u32) -> u16 {
    ((register - 8) << 2) as u16
}

/// The six-bit immediate of the CI format.
pub(crate) const fn imm_ci(value: u32) -> u16 {
    ((value & 0x1f) << 2 | bit(value, 5, 12)) as u16
}

/// The offset of `c.lw` and the like, a multiple of the width up to 31 of them.
pub(crate) const fn imm_prime(offset: u32, width: u32) -> u16 {
    let middle = (offset >> 3 & 7) << 10;
    let rest =
        if width == 4 { bit(offset, 2, 6) | bit(offset, 6, 5) } else { (offset >> 6 & 3) << 5 };
    (middle | rest) as u16
}

/// The offset of `c.lwsp` and the like.
pub(crate) const fn imm_stack_load(offset: u32, width: u32) -> u16 {
    let rest = if width == 4 {
        (offset >> 2 & 7) << 4 | (offset >> 6 & 3) << 2
    } else {
        (offset >> 3 & 3) << 5 | (offset >> 6 & 7) << 2
    };
    (rest | bit(offset, 5, 12)) as u16
}

/// The offset of `c.swsp` and the like.
pub(crate) const fn imm_stack_store(offset: u32, width: u32) -> u16 {
    let rest = if width == 4 {
        (offset >> 2 & 0xf) << 9 | (offset >> 6 & 3) << 7
    } else {
        (offset >> 3 & 7) << 10 | (offset >> 6 & 7) << 7
    };
    rest as u16
}

/// The immediate of `c.addi4spn`: a multiple of four, not zero, below 1,024.
pub(crate) const fn imm_from_stack(value: u32) -> u16 {
    ((value >> 4 & 3) << 11 | (value >> 6 & 0xf) << 7 | bit(value, 2, 6) | bit(value, 3, 5)) as u16
}

/// The immediate of `c.addi16sp`: a multiple of 16, not zero, from -512 to 496.
pub(crate) const fn imm_add_stack(value: i32) -> u16 {
    let value = value as u32;
    (bit(value, 9, 12)
        | bit(value, 4, 6)
        | bit(value, 6, 5)
        | (value >> 7 & 3) << 3
        | bit(value, 5, 2)) as u16
}

/// The offset of `c.j`.
pub(crate) const fn imm_jump(offset: i32) -> u16 {
    let value = offset as u32;
    (bit(value, 11, 12)
        | bit(value, 4, 11)
        | (value >> 8 & 3) << 9
        | bit(value, 10, 8)
        | bit(value, 6, 7)
        | bit(value, 7, 6)
        | (value >> 1 & 7) << 3
        | bit(value, 5, 2)) as u16
}

/// The offset of `c.beqz` and `c.bnez`.
pub(crate) const fn imm_branch(offset: i32) -> u16 {
    let value = offset as u32;
    (bit(value, 8, 12)
        | (value >> 3 & 3) << 10
        | (value >> 6 & 3) << 5
        | (value >> 1 & 3) << 3
        | bit(value, 5, 2)) as u16
}
