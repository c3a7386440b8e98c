//! Compressed instructions (the C extension): each is a 32-bit instruction written shorter.
//!
//! Source: RISC-V Unprivileged ISA 20240411, chapter "C". [`expand`] gives the word that the 16
//! bits stand for, so that everything behind the decoder knows one form only. One line of
//! [`TABLE`] is one instruction, the first match counts (reserved encodings stand first).

/// Which operands of the 32-bit instruction are written behind the short mnemonic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// All, as behind the long one.
    Whole,
    /// rd and the immediate.
    Immediate,
    /// rd and the amount of a shift.
    Amount,
    /// rd and the upper immediate.
    Upper,
    /// rd and rs2.
    Second,
    /// The target.
    Target,
    /// rs1 and the target.
    Branch,
    /// rs1.
    Base,
    /// None.
    Nothing,
}

/// One compressed instruction.
struct Line {
    mask: u16,
    bits: u16,
    mnemonic: &'static str,
    operands: Written,
    /// The word, or `None` for a reserved encoding.
    expand: fn(u32) -> Option<u32>,
}

const fn field(c: u32, low: u32, bits: u32) -> u32 {
    c >> low & ((1 << bits) - 1)
}

/// rd/rs1 in bits 11 to 7.
const fn rd(c: u32) -> u32 {
    field(c, 7, 5)
}

/// rs2 in bits 6 to 2.
const fn rs2(c: u32) -> u32 {
    field(c, 2, 5)
}

/// rd'/rs2' in bits 4 to 2: x8 to x15.
const fn low(c: u32) -> u32 {
    8 + field(c, 2, 3)
}

/// rs1'/rd' in bits 9 to 7.
const fn high(c: u32) -> u32 {
    8 + field(c, 7, 3)
}

/// The 6-bit signed immediate, as 32 bits.
const fn imm6(c: u32) -> u32 {
    let raw = field(c, 12, 1) << 5 | field(c, 2, 5);
    ((raw << 26).cast_signed() >> 26).cast_unsigned()
}

/// The 6-bit shift amount.
const fn amount(c: u32) -> u32 {
    field(c, 12, 1) << 5 | field(c, 2, 5)
}

const fn i(opcode: u32, funct3: u32, rd: u32, rs1: u32, imm: u32) -> Option<u32> {
    Some(opcode | rd << 7 | funct3 << 12 | rs1 << 15 | (imm & 0xfff) << 20)
}

const fn r(opcode: u32, funct3: u32, funct7: u32, rd: u32, rs1: u32, rs2: u32) -> Option<u32> {
    Some(opcode | rd << 7 | funct3 << 12 | rs1 << 15 | rs2 << 20 | funct7 << 25)
}

const fn s(opcode: u32, funct3: u32, rs1: u32, rs2: u32, imm: u32) -> Option<u32> {
    Some(opcode | (imm & 31) << 7 | funct3 << 12 | rs1 << 15 | rs2 << 20 | (imm >> 5 & 0x7f) << 25)
}

/// Offset of c.lw and c.sw.
const fn offset_word(c: u32) -> u32 {
    field(c, 10, 3) << 3 | field(c, 6, 1) << 2 | field(c, 5, 1) << 6
}

/// Offset of c.ld, c.sd, c.fld and c.fsd.
const fn offset_double(c: u32) -> u32 {
    field(c, 10, 3) << 3 | field(c, 5, 2) << 6
}

/// Offset of c.lwsp.
const fn stack_word(c: u32) -> u32 {
    field(c, 12, 1) << 5 | field(c, 4, 3) << 2 | field(c, 2, 2) << 6
}

/// Offset of c.ldsp and c.fldsp.
const fn stack_double(c: u32) -> u32 {
    field(c, 12, 1) << 5 | field(c, 5, 2) << 3 | field(c, 2, 3) << 6
}

/// Offset of c.swsp.
const fn store_word(c: u32) -> u32 {
    field(c, 9, 4) << 2 | field(c, 7, 2) << 6
}

/// Offset of c.sdsp and c.fsdsp.
const fn store_double(c: u32) -> u32 {
    field(c, 10, 3) << 3 | field(c, 7, 3) << 6
}

const fn jump(c: u32) -> Option<u32> {
    let target = field(c, 3, 3) << 1
        | field(c, 11, 1) << 4
        | field(c, 2, 1) << 5
        | field(c, 7, 1) << 6
        | field(c, 6, 1) << 7
        | field(c, 9, 2) << 8
        | field(c, 8, 1) << 10
        | field(c, 12, 1) << 11;
    let t = ((target << 20).cast_signed() >> 20).cast_unsigned();
    let high = (t >> 20 & 1) << 31 | (t >> 12 & 0xff) << 12;
    let low = (t >> 11 & 1) << 20 | (t >> 1 & 0x3ff) << 21;
    Some(0x6f | high | low)
}

const fn branch(c: u32, funct3: u32) -> Option<u32> {
    let target = field(c, 3, 2) << 1
        | field(c, 10, 2) << 3
        | field(c, 2, 1) << 5
        | field(c, 5, 2) << 6
        | field(c, 12, 1) << 8;
    let t = ((target << 23).cast_signed() >> 23).cast_unsigned();
    let high = (t >> 12 & 1) << 31 | (t >> 5 & 0x3f) << 25;
    let low = (t >> 1 & 0xf) << 8 | (t >> 11 & 1) << 7;
    Some(0x63 | high | low | funct3 << 12 | (8 + field(c, 7, 3)) << 15)
}

const fn add_to_stack_pointer(c: u32) -> Option<u32> {
    let raw = field(c, 6, 1) << 4
        | field(c, 2, 1) << 5
        | field(c, 5, 1) << 6
        | field(c, 3, 2) << 7
        | field(c, 12, 1) << 9;
    let imm = ((raw << 22).cast_signed() >> 22).cast_unsigned();
    i(0x13, 0, 2, 2, imm)
}

const fn stack_address(c: u32) -> Option<u32> {
    let imm =
        field(c, 11, 2) << 4 | field(c, 7, 4) << 6 | field(c, 6, 1) << 2 | field(c, 5, 1) << 3;
    i(0x13, 0, low(c), 2, imm)
}

const fn register_pair(c: u32, opcode: u32, funct3: u32, funct7: u32) -> Option<u32> {
    r(opcode, funct3, funct7, high(c), high(c), low(c))
}

const fn line(
    mask: u16,
    bits: u16,
    mnemonic: &'static str,
    operands: Written,
    expand: fn(u32) -> Option<u32>,
) -> Line {
    Line { mask, bits, mnemonic, operands, expand }
}

/// An encoding that stands for nothing, and why.
const fn reserved(mask: u16, bits: u16, why: &'static str) -> Line {
    line(mask, bits, why, Written::Nothing, |_| None)
}

/// Mask and match of the 16 bits, how it is written, and the 32-bit instruction.
const TABLE: &[Line] = &[
    // Quadrant 0
    reserved(0xffe3, 0x0000, "c.addi4spn of 0"),
    line(0xe003, 0x0000, "c.addi4spn", Written::Whole, stack_address),
    line(0xe003, 0x2000, "c.fld", Written::Whole, |c| {
        i(0x07, 3, low(c), high(c), offset_double(c))
    }),
    line(0xe003, 0x4000, "c.lw", Written::Whole, |c| i(0x03, 2, low(c), high(c), offset_word(c))),
    line(0xe003, 0x6000, "c.ld", Written::Whole, |c| i(0x03, 3, low(c), high(c), offset_double(c))),
    line(0xe003, 0xa000, "c.fsd", Written::Whole, |c| {
        s(0x27, 3, high(c), low(c), offset_double(c))
    }),
    line(0xe003, 0xc000, "c.sw", Written::Whole, |c| s(0x23, 2, high(c), low(c), offset_word(c))),
    line(0xe003, 0xe000, "c.sd", Written::Whole, |c| s(0x23, 3, high(c), low(c), offset_double(c))),
    // Quadrant 1
    line(0xe003, 0x0001, "c.addi", Written::Immediate, |c| i(0x13, 0, rd(c), rd(c), imm6(c))),
    reserved(0xef83, 0x2001, "c.addiw of x0"),
    line(0xe003, 0x2001, "c.addiw", Written::Immediate, |c| i(0x1b, 0, rd(c), rd(c), imm6(c))),
    line(0xe003, 0x4001, "c.li", Written::Immediate, |c| i(0x13, 0, rd(c), 0, imm6(c))),
    reserved(0xf07f, 0x6001, "c.lui, c.addi16sp of 0"),
    line(0xef83, 0x6101, "c.addi16sp", Written::Immediate, add_to_stack_pointer),
    line(0xe003, 0x6001, "c.lui", Written::Upper, |c| Some(0x37 | rd(c) << 7 | imm6(c) << 12)),
    line(0xec03, 0x8001, "c.srli", Written::Amount, |c| i(0x13, 5, high(c), high(c), amount(c))),
    line(0xec03, 0x8401, "c.srai", Written::Amount, |c| {
        i(0x13, 5, high(c), high(c), 0x400 | amount(c))
    }),
    line(0xec03, 0x8801, "c.andi", Written::Immediate, |c| i(0x13, 7, high(c), high(c), imm6(c))),
    line(0xfc63, 0x8c01, "c.sub", Written::Second, |c| register_pair(c, 0x33, 0, 0x20)),
    line(0xfc63, 0x8c21, "c.xor", Written::Second, |c| register_pair(c, 0x33, 4, 0)),
    line(0xfc63, 0x8c41, "c.or", Written::Second, |c| register_pair(c, 0x33, 6, 0)),
    line(0xfc63, 0x8c61, "c.and", Written::Second, |c| register_pair(c, 0x33, 7, 0)),
    line(0xfc63, 0x9c01, "c.subw", Written::Second, |c| register_pair(c, 0x3b, 0, 0x20)),
    line(0xfc63, 0x9c21, "c.addw", Written::Second, |c| register_pair(c, 0x3b, 0, 0)),
    line(0xe003, 0xa001, "c.j", Written::Target, jump),
    line(0xe003, 0xc001, "c.beqz", Written::Branch, |c| branch(c, 0)),
    line(0xe003, 0xe001, "c.bnez", Written::Branch, |c| branch(c, 1)),
    // Quadrant 2
    line(0xe003, 0x0002, "c.slli", Written::Amount, |c| i(0x13, 1, rd(c), rd(c), amount(c))),
    line(0xe003, 0x2002, "c.fldsp", Written::Whole, |c| i(0x07, 3, rd(c), 2, stack_double(c))),
    reserved(0xef83, 0x4002, "c.lwsp to x0"),
    line(0xe003, 0x4002, "c.lwsp", Written::Whole, |c| i(0x03, 2, rd(c), 2, stack_word(c))),
    reserved(0xef83, 0x6002, "c.ldsp to x0"),
    line(0xe003, 0x6002, "c.ldsp", Written::Whole, |c| i(0x03, 3, rd(c), 2, stack_double(c))),
    reserved(0xffff, 0x8002, "c.jr of x0"),
    line(0xf07f, 0x8002, "c.jr", Written::Base, |c| i(0x67, 0, 0, rd(c), 0)),
    line(0xf003, 0x8002, "c.mv", Written::Second, |c| r(0x33, 0, 0, rd(c), 0, rs2(c))),
    line(0xffff, 0x9002, "c.ebreak", Written::Nothing, |_| Some(0x0010_0073)),
    line(0xf07f, 0x9002, "c.jalr", Written::Base, |c| i(0x67, 0, 1, rd(c), 0)),
    line(0xf003, 0x9002, "c.add", Written::Second, |c| r(0x33, 0, 0, rd(c), rd(c), rs2(c))),
    line(0xe003, 0xa002, "c.fsdsp", Written::Whole, |c| s(0x27, 3, 2, rs2(c), store_double(c))),
    line(0xe003, 0xc002, "c.swsp", Written::Whole, |c| s(0x23, 2, 2, rs2(c), store_word(c))),
    line(0xe003, 0xe002, "c.sdsp", Written::Whole, |c| s(0x23, 3, 2, rs2(c), store_double(c))),
];

/// The 32-bit instruction that `c` stands for, or `None` when it stands for none.
#[must_use]
pub fn expand(c: u16) -> Option<u32> {
    let line = TABLE.iter().find(|line| c & line.mask == line.bits)?;
    (line.expand)(u32::from(c))
}

/// The mnemonic of `c`, and which operands of [`expand`] go with it.
#[must_use]
pub fn mnemonic(c: u16) -> Option<(&'static str, Written)> {
    let line = TABLE.iter().find(|line| c & line.mask == line.bits)?;
    (line.expand)(u32::from(c)).map(|_| (line.mnemonic, line.operands))
}
