//! Encodings of RISC-V instructions, written from the manual and sharing nothing with the emulator.

/// An instruction whose operands are registers and immediates: name, fixed bits, operands.
///
/// One letter an operand: `x` integer and `f` floating destination, `a` `b` `c` the sources, `r` a
/// rounding mode, `i` a 12-bit immediate, `6` `5` a shift amount, `u` a 20-bit immediate.
pub(crate) type Op = (&'static str, u32, &'static str);

/// Instructions that neither touch memory nor jump.
pub(crate) const PLAIN: &[Op] = &[
    // RV64I
    ("add", 0x33, "xab"),
    ("sub", 0x4000_0033, "xab"),
    ("sll", 0x1033, "xab"),
    ("slt", 0x2033, "xab"),
    ("sltu", 0x3033, "xab"),
    ("xor", 0x4033, "xab"),
    ("srl", 0x5033, "xab"),
    ("sra", 0x4000_5033, "xab"),
    ("or", 0x6033, "xab"),
    ("and", 0x7033, "xab"),
    ("addw", 0x3b, "xab"),
    ("subw", 0x4000_003b, "xab"),
    ("sllw", 0x103b, "xab"),
    ("srlw", 0x503b, "xab"),
    ("sraw", 0x4000_503b, "xab"),
    ("addi", 0x13, "xai"),
    ("slti", 0x2013, "xai"),
    ("sltiu", 0x3013, "xai"),
    ("xori", 0x4013, "xai"),
    ("ori", 0x6013, "xai"),
    ("andi", 0x7013, "xai"),
    ("addiw", 0x1b, "xai"),
    ("slli", 0x1013, "xa6"),
    ("srli", 0x5013, "xa6"),
    ("srai", 0x4000_5013, "xa6"),
    ("slliw", 0x101b, "xa5"),
    ("srliw", 0x501b, "xa5"),
    ("sraiw", 0x4000_501b, "xa5"),
    ("lui", 0x37, "xu"),
    ("auipc", 0x17, "xu"),
    ("fence", 0x0ff0_000f, ""),
    ("fence.i", 0x100f, ""),
    // M
    ("mul", 0x0200_0033, "xab"),
    ("mulh", 0x0200_1033, "xab"),
    ("mulhsu", 0x0200_2033, "xab"),
    ("mulhu", 0x0200_3033, "xab"),
    ("div", 0x0200_4033, "xab"),
    ("divu", 0x0200_5033, "xab"),
    ("rem", 0x0200_6033, "xab"),
    ("remu", 0x0200_7033, "xab"),
    ("mulw", 0x0200_003b, "xab"),
    ("divw", 0x0200_403b, "xab"),
    ("divuw", 0x0200_503b, "xab"),
    ("remw", 0x0200_603b, "xab"),
    ("remuw", 0x0200_703b, "xab"),
    // Zba
    ("sh1add", 0x2000_2033, "xab"),
    ("sh2add", 0x2000_4033, "xab"),
    ("sh3add", 0x2000_6033, "xab"),
    ("add.uw", 0x0800_003b, "xab"),
    ("sh1add.uw", 0x2000_203b, "xab"),
    ("sh2add.uw", 0x2000_403b, "xab"),
    ("sh3add.uw", 0x2000_603b, "xab"),
    ("slli.uw", 0x0800_101b, "xa6"),
    // Zbb
    ("andn", 0x4000_7033, "xab"),
    ("orn", 0x4000_6033, "xab"),
    ("xnor", 0x4000_4033, "xab"),
    ("min", 0x0a00_4033, "xab"),
    ("minu", 0x0a00_5033, "xab"),
    ("max", 0x0a00_6033, "xab"),
    ("maxu", 0x0a00_7033, "xab"),
    ("rol", 0x6000_1033, "xab"),
    ("ror", 0x6000_5033, "xab"),
    ("rolw", 0x6000_103b, "xab"),
    ("rorw", 0x6000_503b, "xab"),
    ("rori", 0x6000_5013, "xa6"),
    ("roriw", 0x6000_501b, "xa5"),
    ("clz", 0x6000_1013, "xa"),
    ("ctz", 0x6010_1013, "xa"),
    ("cpop", 0x6020_1013, "xa"),
    ("sext.b", 0x6040_1013, "xa"),
    ("sext.h", 0x6050_1013, "xa"),
    ("clzw", 0x6000_101b, "xa"),
    ("ctzw", 0x6010_101b, "xa"),
    ("cpopw", 0x6020_101b, "xa"),
    ("zext.h", 0x0800_403b, "xa"),
    ("rev8", 0x6b80_5013, "xa"),
    ("orc.b", 0x2870_5013, "xa"),
    // Zbs
    ("bclr", 0x4800_1033, "xab"),
    ("bext", 0x4800_5033, "xab"),
    ("binv", 0x6800_1033, "xab"),
    ("bset", 0x2800_1033, "xab"),
    ("bclri", 0x4800_1013, "xa6"),
    ("bexti", 0x4800_5013, "xa6"),
    ("binvi", 0x6800_1013, "xa6"),
    ("bseti", 0x2800_1013, "xa6"),
    // Zicond
    ("czero.eqz", 0x0e00_5033, "xab"),
    ("czero.nez", 0x0e00_7033, "xab"),
    // Zicsr on the floating-point CSRs. An arbitrary frm would make dynamic rounding illegal.
    ("csrrw fflags", 0x0010_1073, "xa"),
    ("csrrs fflags", 0x0010_2073, "xa"),
    ("csrrc fflags", 0x0010_3073, "xa"),
    ("csrrsi fflags", 0x0010_6073, "xa"),
    ("csrrci fflags", 0x0010_7073, "xa"),
    ("csrrwi frm, rup", 0x0021_d073, "x"),
    ("csrrwi frm, rne", 0x0020_5073, "x"),
    ("csrr fcsr", 0x0030_2073, "x"),
];

/// Floating-point instructions that touch no memory.
pub(crate) const FLOAT: &[Op] = &[
    // F
    ("fmadd.s", 0x43, "fabcr"),
    ("fmsub.s", 0x47, "fabcr"),
    ("fnmsub.s", 0x4b, "fabcr"),
    ("fnmadd.s", 0x4f, "fabcr"),
    ("fadd.s", 0x53, "fabr"),
    ("fsub.s", 0x0800_0053, "fabr"),
    ("fmul.s", 0x1000_0053, "fabr"),
    ("fdiv.s", 0x1800_0053, "fabr"),
    ("fsqrt.s", 0x5800_0053, "far"),
    ("fsgnj.s", 0x2000_0053, "fab"),
    ("fsgnjn.s", 0x2000_1053, "fab"),
    ("fsgnjx.s", 0x2000_2053, "fab"),
    ("fmin.s", 0x2800_0053, "fab"),
    ("fmax.s", 0x2800_1053, "fab"),
    ("fcvt.w.s", 0xc000_0053, "xar"),
    ("fcvt.wu.s", 0xc010_0053, "xar"),
    ("fcvt.l.s", 0xc020_0053, "xar"),
    ("fcvt.lu.s", 0xc030_0053, "xar"),
    ("fmv.x.w", 0xe000_0053, "xa"),
    ("fclass.s", 0xe000_1053, "xa"),
    ("fle.s", 0xa000_0053, "xab"),
    ("flt.s", 0xa000_1053, "xab"),
    ("feq.s", 0xa000_2053, "xab"),
    ("fcvt.s.w", 0xd000_0053, "far"),
    ("fcvt.s.wu", 0xd010_0053, "far"),
    ("fcvt.s.l", 0xd020_0053, "far"),
    ("fcvt.s.lu", 0xd030_0053, "far"),
    ("fmv.w.x", 0xf000_0053, "fa"),
    // D
    ("fmadd.d", 0x0200_0043, "fabcr"),
    ("fmsub.d", 0x0200_0047, "fabcr"),
    ("fnmsub.d", 0x0200_004b, "fabcr"),
    ("fnmadd.d", 0x0200_004f, "fabcr"),
    ("fadd.d", 0x0200_0053, "fabr"),
    ("fsub.d", 0x0a00_0053, "fabr"),
    ("fmul.d", 0x1200_0053, "fabr"),
    ("fdiv.d", 0x1a00_0053, "fabr"),
    ("fsqrt.d", 0x5a00_0053, "far"),
    ("fsgnj.d", 0x2200_0053, "fab"),
    ("fsgnjn.d", 0x2200_1053, "fab"),
    ("fsgnjx.d", 0x2200_2053, "fab"),
    ("fmin.d", 0x2a00_0053, "fab"),
    ("fmax.d", 0x2a00_1053, "fab"),
    ("fcvt.w.d", 0xc200_0053, "xar"),
    ("fcvt.wu.d", 0xc210_0053, "xar"),
    ("fcvt.l.d", 0xc220_0053, "xar"),
    ("fcvt.lu.d", 0xc230_0053, "xar"),
    ("fmv.x.d", 0xe200_0053, "xa"),
    ("fclass.d", 0xe200_1053, "xa"),
    ("fle.d", 0xa200_0053, "xab"),
    ("flt.d", 0xa200_1053, "xab"),
    ("feq.d", 0xa200_2053, "xab"),
    ("fcvt.d.w", 0xd200_0053, "far"),
    ("fcvt.d.wu", 0xd210_0053, "far"),
    ("fcvt.d.l", 0xd220_0053, "far"),
    ("fcvt.d.lu", 0xd230_0053, "far"),
    ("fmv.d.x", 0xf200_0053, "fa"),
    ("fcvt.s.d", 0x4010_0053, "far"),
    ("fcvt.d.s", 0x4200_0053, "far"),
    // Zfhmin
    ("fcvt.s.h", 0x4020_0053, "far"),
    ("fcvt.h.s", 0x4400_0053, "far"),
    ("fcvt.d.h", 0x4220_0053, "far"),
    ("fcvt.h.d", 0x4410_0053, "far"),
    ("fmv.x.h", 0xe400_0053, "xa"),
    ("fmv.h.x", 0xf400_0053, "fa"),
];

/// Loads: name, fixed bits, whether the destination is an integer register, width in bytes.
pub(crate) const LOADS: &[(&str, u32, bool, u32)] = &[
    ("lb", 0x03, true, 1),
    ("lh", 0x1003, true, 2),
    ("lw", 0x2003, true, 4),
    ("ld", 0x3003, true, 8),
    ("lbu", 0x4003, true, 1),
    ("lhu", 0x5003, true, 2),
    ("lwu", 0x6003, true, 4),
    ("flh", 0x1007, false, 2),
    ("flw", 0x2007, false, 4),
    ("fld", 0x3007, false, 8),
];

/// Stores: name, fixed bits, width in bytes.
pub(crate) const STORES: &[(&str, u32, u32)] = &[
    ("sb", 0x23, 1),
    ("sh", 0x1023, 2),
    ("sw", 0x2023, 4),
    ("sd", 0x3023, 8),
    ("fsh", 0x1027, 2),
    ("fsw", 0x2027, 4),
    ("fsd", 0x3027, 8),
];

/// Atomic read-modify-write operations: name and fixed bits of the 32-bit form.
pub(crate) const AMOS: &[(&str, u32)] = &[
    ("amoadd", 0x202f),
    ("amoswap", 0x0800_202f),
    ("amoxor", 0x2000_202f),
    ("amoor", 0x4000_202f),
    ("amoand", 0x6000_202f),
    ("amomin", 0x8000_202f),
    ("amomax", 0xa000_202f),
    ("amominu", 0xc000_202f),
    ("amomaxu", 0xe000_202f),
];

/// `lr.w` and `sc.w`; bit 12 makes either the 64-bit form.
pub(crate) const LR: u32 = 0x1000_202f;
pub(crate) const SC: u32 = 0x1800_202f;

/// Control registers: with the register or the number in rs1's place.
pub(crate) const CONTROLS: &[(&str, u32)] = &[
    ("csrrw", 0x1073),
    ("csrrs", 0x2073),
    ("csrrc", 0x3073),
    ("csrrwi", 0x5073),
    ("csrrsi", 0x6073),
    ("csrrci", 0x7073),
];

/// Fences of address translation.
pub(crate) const FENCES: &[(&str, u32)] = &[
    ("sfence.vma", 0x1200_0073),
    ("sinval.vma", 0x1600_0073),
    ("sfence.w.inval", 0x1800_0073),
    ("sfence.inval.ir", 0x1810_0073),
];

/// Cache-block operations on the block at rs1, and prefetches.
pub(crate) const CACHE: &[(&str, u32)] = &[
    ("cbo.inval", 0x200f),
    ("cbo.clean", 0x0010_200f),
    ("cbo.flush", 0x0020_200f),
    ("cbo.zero", 0x0040_200f),
    ("prefetch.i", 0x6013),
    ("prefetch.r", 0x0010_6013),
    ("prefetch.w", 0x0030_6013),
];

/// Conditional branches.
pub(crate) const BRANCHES: &[(&str, u32)] = &[
    ("beq", 0x63),
    ("bne", 0x1063),
    ("blt", 0x4063),
    ("bge", 0x5063),
    ("bltu", 0x6063),
    ("bgeu", 0x7063),
];

/// The rd field.
pub(crate) const fn rd(register: u32) -> u32 {
    register << 7
}

/// The rs1 field.
pub(crate) const fn rs1(register: u32) -> u32 {
    register << 15
}

/// The rs2 field.
pub(crate) const fn rs2(register: u32) -> u32 {
    register << 20
}

/// The immediate of an I-type instruction.
pub(crate) const fn imm_i(value: i32) -> u32 {
    (value as u32) << 20
}

/// The immediate of a store.
pub(crate) const fn imm_s(value: i32) -> u32 {
    let value = value as u32;
    (value >> 5 & 0x7f) << 25 | (value & 0x1f) << 7
}

/// The offset of a conditional branch.
pub(crate) const fn imm_b(offset: i32) -> u32 {
    let value = offset as u32;
    (value >> 12 & 1) << 31
        | (value >> 5 & 0x3f) << 25
        | (value >> 1 & 0xf) << 8
        | (value >> 11 & 1) << 7
}

/// The offset of `jal`.
pub(crate) const fn imm_j(offset: i32) -> u32 {
    let value = offset as u32;
    (value >> 20 & 1) << 31
        | (value >> 1 & 0x3ff) << 21
        | (value >> 11 & 1) << 20
        | (value >> 12 & 0xff) << 12
}

/// Moves the bit `from` of `value` to the bit `to`.
pub(crate) const fn bit(value: u32, from: u32, to: u32) -> u32 {
    (value >> from & 1) << to
}
