//! Programs to run: random ones, and a few for one purpose each.

use vmstate::property::Random;

use super::bench::{DEVICE, RAM};
use emulator::isa::riscv::Hart;

/// Where random code begins: behind the trap handler.
pub(crate) const ENTRY: u64 = 0x100;
/// Where data is.
const DATA: u64 = 0x10_0000;

/// A program's image.
pub(crate) struct Program {
    pub(crate) bytes: Vec<u8>,
    data: u64,
}

pub(crate) fn r(opcode: u32, rd: u32, f3: u32, rs1: u32, rs2: u32, f7: u32) -> u32 {
    opcode | rd << 7 | f3 << 12 | rs1 << 15 | rs2 << 20 | f7 << 25
}

pub(crate) fn i(opcode: u32, rd: u32, f3: u32, rs1: u32, imm: i32) -> u32 {
    opcode | rd << 7 | f3 << 12 | rs1 << 15 | (imm.cast_unsigned() & 0xfff) << 20
}

pub(crate) fn s(f3: u32, rs1: u32, rs2: u32, imm: i32) -> u32 {
    let imm = imm.cast_unsigned();
    0x23 | (imm & 31) << 7 | f3 << 12 | rs1 << 15 | rs2 << 20 | (imm >> 5 & 0x7f) << 25
}

pub(crate) fn b(f3: u32, rs1: u32, rs2: u32, offset: i32) -> u32 {
    let o = offset.cast_unsigned();
    let low = (o >> 11 & 1) << 7 | (o >> 1 & 15) << 8;
    let high = (o >> 5 & 0x3f) << 25 | (o >> 12 & 1) << 31;
    0x63 | low | f3 << 12 | rs1 << 15 | rs2 << 20 | high
}

pub(crate) fn j(rd: u32, offset: i32) -> u32 {
    let o = offset.cast_unsigned();
    let high = (o >> 12 & 0xff) << 12 | (o >> 11 & 1) << 20 | (o >> 1 & 0x3ff) << 21;
    0x6f | rd << 7 | high | (o >> 20 & 1) << 31
}

/// lui and addi that make a 32-bit constant below 2^31.
fn constant(rd: u32, value: u32) -> [u32; 2] {
    let high = value.wrapping_add(0x800) & 0xffff_f000;
    let low = value.wrapping_sub(high).cast_signed();
    [0x37 | rd << 7 | high, i(0x1b, rd, 0, rd, low)]
}

/// Registers: x8 points at data, x9 at code, x10 at the device; programs leave them alone.
fn register(random: &mut Random) -> u32 {
    loop {
        let register = random.below(32) as u32;
        if !(8..=10).contains(&register) {
            return register;
        }
    }
}

fn branch_offset(random: &mut Random, at: u64, length: u64) -> i32 {
    let target = random.below(length);
    let far = (target as i64 - at as i64) * 4;
    far.clamp(-4000, 4000) as i32 & !3
}

/// One random instruction at word `at` of `length`.
pub(crate) fn instruction(random: &mut Random, at: u64, length: u64) -> u32 {
    let (rd, rs1, rs2) = (register(random), register(random), register(random));
    let imm = random.below(4096) as i32 - 2048;
    let f3 = random.below(8) as u32;
    match random.below(40) {
        0..6 => {
            let f7 =
                [0, 0x20, 1, 0x05, 0x10, 0x30, 0x24, 0x34, 0x14, 0x04][random.below(10) as usize];
            r(0x33, rd, f3, rs1, rs2, f7)
        }
        6..9 => r(0x3b, rd, f3, rs1, rs2, [0, 0x20, 1, 4, 0x10][random.below(5) as usize]),
        9..14 => i(0x13, rd, f3, rs1, imm),
        14 => i(0x1b, rd, f3, rs1, imm),
        15 => 0x37 | rd << 7 | (random.next() as u32 & 0xffff_f000),
        16 => 0x17 | rd << 7 | (random.next() as u32 & 0x0000_f000),
        17..21 => i(0x03, rd, f3 % 7, 8, imm),
        21..24 => s(f3 % 4, 8, rs2, imm),
        24 => i(0x03, rd, f3 % 7, 10, random.below(256) as i32 & !7),
        25 => s(f3 % 4, 10, rs2, random.below(256) as i32 & !7),
        26..29 => b(
            [0, 1, 4, 5, 6, 7][random.below(6) as usize],
            rs1,
            rs2,
            branch_offset(random, at, length),
        ),
        29 => j(if random.below(2) == 0 { 0 } else { 1 }, branch_offset(random, at, length)),
        30 => i(0x67, rd, 0, 9, (random.below(500) * 4) as i32),
        // Atomics on aligned data.
        31 => r(
            0x2f,
            rd,
            2 + f3 % 2,
            8,
            rs2,
            [0, 1, 4, 8, 12, 16, 20, 24, 28, 2, 3][random.below(11) as usize] << 2,
        ),
        // Floating point: loads, stores, arithmetic, conversions, compares.
        32 => i(0x07, rd, 2 + f3 % 2, 8, imm & !7),
        33 => s(2 + f3 % 2, 8, rs2, imm & !7) | 4,
        34..36 => {
            let f7 =
                [0, 4, 8, 12, 0x2c, 0x10, 0x14, 0x50, 0x60, 0x68, 0x20][random.below(11) as usize];
            let mode = if random.below(2) == 0 { 7 } else { f3 % 5 };
            r(
                0x53,
                rd,
                mode,
                rs1,
                rs2 & if f7 >= 0x20 { 3 } else { 31 },
                f7 | random.below(2) as u32,
            )
        }
        36 => r(
            [0x43, 0x47, 0x4b, 0x4f][f3 as usize % 4],
            rd,
            7,
            rs1,
            rs2,
            random.next() as u32 & 0x7d,
        ),
        // Counters, flags and rounding mode.
        37 => {
            i(0x73, rd, 2, 0, [0xc00, 0xc01, 0xc02, 0x001, 0x002, 0x003][random.below(6) as usize])
        }
        38 => i(0x73, rd, 1 + f3 % 3, rs1, [0x001, 0x002, 0x003][random.below(3) as usize]),
        // Sometimes a store into code, sometimes anything at all.
        _ => match random.below(3) {
            0 => s(2, 9, 31, (random.below(400) * 4) as i32),
            1 => random.next() as u32,
            _ => 0x0000_100f,
        },
    }
}

impl Program {
    fn of(words: &[u32]) -> Self {
        let bytes = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        Self { bytes, data: DATA }
    }

    /// Random code in two pages, random data, and a handler that returns to the start.
    pub(crate) fn random(random: &mut Random) -> Self {
        let length = 100 + random.below(1200);
        let mut words = vec![0x13; ENTRY as usize / 4];
        // mepc = entry + (mcause & 31) * 8; mret.
        let handler = [
            i(0x73, 30, 2, 0, 0x342),
            i(0x13, 30, 7, 30, 31),
            i(0x13, 30, 1, 30, 3),
            r(0x33, 30, 0, 30, 9, 0),
            i(0x73, 0, 1, 30, 0x341),
            0x3020_0073,
        ];
        words[..handler.len()].copy_from_slice(&handler);
        words.extend((0..length).map(|at| instruction(random, at, length)));
        words.push(j(0, -4 * (length as i32).min(1000)));
        let mut program = Self::of(&words);
        program.bytes.resize((DATA - 0x1000) as usize, 0);
        program.bytes.extend((0..0x400).flat_map(|_| {
            // Some of it floating point of ordinary size.
            let bits = random.next();
            let bits = if bits & 3 == 0 { bits } else { (bits >> 12) | 0x3ff0_0000_0000_0000 };
            bits.to_le_bytes()
        }));
        program
    }

    /// Registers and modes before the first instruction.
    pub(crate) fn prepare(&self, hart: &mut Hart) {
        hart.state.pc = RAM + if self.data == DATA { ENTRY } else { 0 };
        hart.state.mtvec = RAM;
        hart.state.x[8] = RAM + self.data;
        hart.state.x[9] = RAM + ENTRY;
        hart.state.x[10] = DEVICE;
        // Floating point is on and dirty.
        hart.state.mstatus |= 3 << 13;
    }

    /// Adds up what it reads from a device and writes the sum back, with work between.
    pub(crate) fn device_loop() -> Self {
        let mut words = constant(10, DEVICE as u32).to_vec();
        words.extend([
            i(0x13, 5, 0, 5, 1),
            r(0x33, 6, 0, 6, 5, 0),
            i(0x03, 7, 3, 10, 16),
            r(0x33, 6, 4, 6, 7, 0),
            i(0x13, 28, 7, 6, 3),
            b(1, 28, 0, 8),
            s(3, 10, 6, 8),
            i(0x13, 29, 0, 29, 1),
            j(0, -32),
        ]);
        Self::of(&words)
    }

    /// A loop whose body adds a constant to x10, and changes that constant every time around.
    pub(crate) fn self_modifying() -> Self {
        // x5 = address of the word to patch, x6 = "addi x10, x10, 0", x7 = 1 << 20.
        Self::of(&[
            0x17 | 5 << 7,
            i(0x03, 6, 2, 5, 36),
            i(0x13, 7, 0, 0, 1),
            i(0x13, 7, 1, 7, 20),
            // loop:
            r(0x33, 6, 0, 6, 7, 0),
            s(2, 5, 6, 36),
            0x0000_100f,
            i(0x13, 11, 0, 11, 1),
            i(0x13, 12, 0, 12, 1),
            i(0x13, 10, 0, 10, 1),
            j(0, -24),
        ])
    }

    /// A loop of floating point that changes the rounding mode every time around, to modes that do
    /// not exist too, and at times switches floating point off; the trap handler at its end repairs
    /// both and counts in x29.
    pub(crate) fn changing_modes() -> Self {
        Self::of(&[
            r(0x53, 1, 7, 1, 2, 0x01),
            r(0x53, 3, 7, 1, 4, 0x0d),
            i(0x13, 5, 0, 5, 1),
            i(0x13, 6, 7, 5, 7),
            i(0x73, 0, 1, 6, 2),
            i(0x13, 7, 7, 5, 15),
            b(1, 7, 0, 8),
            i(0x73, 0, 3, 28, 0x300),
            j(0, -32),
            // The handler.
            i(0x13, 29, 0, 29, 1),
            i(0x73, 0, 5, 0, 2),
            i(0x73, 0, 2, 28, 0x300),
            0x3020_0073,
        ])
    }

    /// For [`Program::changing_modes`].
    pub(crate) fn prepare_modes(hart: &mut Hart) {
        hart.state.mtvec = RAM + 36;
        hart.state.mstatus |= 3 << 13;
        hart.state.x[28] = 3 << 13;
        hart.state.f[2] = 0.1_f64.to_bits();
        hart.state.f[4] = 3.0_f64.to_bits();
    }

    /// Eighty pages, each with a loop of its own, called in turn for ever.
    pub(crate) fn many_pages() -> Self {
        let mut words = Vec::new();
        for page in 0..80 {
            words.resize(page * 1024, 0x13);
            words.push(i(0x13, 5, 0, 0, 12));
            for filler in 0..40 {
                words.push(r(0x33, 11 + filler % 8, 0, 11 + filler % 7, 5, 0));
            }
            words.push(i(0x13, 5, 0, 5, -1));
            words.push(b(1, 5, 0, -4 * 41));
            let back = if page == 79 { -79 * 4096 } else { 4096 };
            words.push(j(0, back - 4 * 43));
        }
        Self::of(&words)
    }

    /// Supervisor code that reads one virtual address in a loop while it rewrites the page table
    /// entry behind it, without any fence. Counts what it finds in x20 and x21.
    pub(crate) fn remapping() -> Self {
        let mut program = Self::of(&[
            // x5: the address read; x6: its page table entry's address; x7, x28: the two entries.
            i(0x03, 11, 3, 5, 0),
            i(0x03, 12, 3, 5, 8),
            i(0x13, 13, 0, 0, 1),
            b(0, 11, 13, 12),
            i(0x13, 21, 0, 21, 1),
            j(0, 8),
            i(0x13, 20, 0, 20, 1),
            i(0x13, 14, 0, 14, 1),
            i(0x13, 15, 7, 14, 7),
            b(1, 15, 0, -36),
            // Every eighth time: exchange the entries.
            s(3, 6, 7, 0),
            r(0x33, 16, 0, 7, 0, 0),
            r(0x33, 7, 0, 28, 0, 0),
            r(0x33, 28, 0, 16, 0, 0),
            j(0, -56),
        ]);
        program.bytes.resize(0x20_0000, 0);
        let mut word = |offset: usize, value: u64| {
            program.bytes[offset..offset + 8].copy_from_slice(&value.to_le_bytes());
        };
        let table = |offset: u64| (RAM + offset) >> 12 << 10 | 1;
        let leaf = |offset: u64| (RAM + offset) >> 12 << 10 | 0xcf;
        // Root at 0x1000: gigapage of RAM onto itself; 0x4000_0000 through two tables.
        word(0x1000 + 2 * 8, leaf(0));
        word(0x1000 + 8, table(0x2000));
        word(0x2000, table(0x3000));
        word(0x3000, leaf(0x10000));
        word(0x1_0000, 1);
        word(0x1_1000, 2);
        program.data = 0;
        program
    }
}

impl Program {
    /// Supervisor mode with every address mapped to itself, for any program: a root table of
    /// gigapages at `root` inside RAM, which the caller writes.
    pub(crate) fn prepare_identity(hart: &mut Hart, root: u64) -> [u64; 3] {
        let leaf = |base: u64| base >> 12 << 10 | 0xcf;
        hart.state.privilege = 1;
        hart.state.satp = 8 << 60 | (RAM + root) >> 12;
        hart.state.pmp.configure(0, 0x1f);
        hart.state.pmp.set_address(0, u64::MAX >> 10);
        [leaf(0), 0, leaf(RAM)]
    }

    /// For [`Program::remapping`]: supervisor mode, paging on.
    pub(crate) fn prepare_paging(hart: &mut Hart) {
        let leaf = |offset: u64| (RAM + offset) >> 12 << 10 | 0xcf;
        hart.state.pc = RAM;
        hart.state.privilege = 1;
        hart.state.satp = 8 << 60 | (RAM + 0x1000) >> 12;
        hart.state.pmp.configure(0, 0x1f);
        hart.state.pmp.set_address(0, u64::MAX >> 10);
        hart.state.x[5] = 0x4000_0000;
        hart.state.x[6] = RAM + 0x3000;
        hart.state.x[7] = leaf(0x11000);
        hart.state.x[28] = leaf(0x10000);
    }
}
