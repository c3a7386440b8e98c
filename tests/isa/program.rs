//! A bare-metal program that runs blocks one after another and notes what each leaves behind.
//!
//! Layout from 0x8000_0000: driver, `tohost`, one record a block, one window of scratch memory a
//! block, page tables, blocks, states.
//! The driver enters a block by `mret` with every register from a state; whatever trap the block
//! ends in comes back to the driver, which writes all registers and the trap's CSRs to the record.
//! `mscratch` holds the record meanwhile, so the block has all registers for itself. Physical memory
//! protection keeps a block in user mode to its scratch memory (all rights) and the code (no write).

use super::{
    encode::{imm_b, imm_i, imm_j, imm_s, rd, rs1, rs2},
    generate::{Block, Generator, Mode, REACH},
    random::Random,
    spaces::{self, Extent},
};

/// Where the program is loaded and entered.
pub(crate) const BASE: u64 = 0x8000_0000;
/// The doubleword that ends the run when it is not zero.
pub(crate) const TOHOST: u64 = BASE + 0x1000;
/// The first record.
pub(crate) const RECORDS: u64 = BASE + 0x2000;

/// Doublewords of a record: block, mstatus, state, satp; then what the block left.
const RECORD: u64 = 72;
/// What a block leaves: x0 to x31, f0 to f31, and these.
const RESULT: u64 = 4;
const FCSR: u64 = RESULT + 64;
const LAST_NAMES: [&str; 4] = ["fcsr", "mcause", "mepc", "mtval"];
/// Instructions of the driver around a block, and the trap that ends it.
pub(crate) const DRIVER_STEPS: u64 = 76 + 76 + 1;
/// Bytes of a window.
const WINDOW: u64 = 2 * REACH as u64;

/// What a block finds in the registers.
#[derive(Clone)]
pub(crate) struct State {
    pub(crate) x: [u64; 32],
    pub(crate) f: [u64; 32],
    pub(crate) fcsr: u64,
}

impl State {
    pub(crate) fn random(random: &mut Random) -> Self {
        Self {
            x: std::array::from_fn(|_| random_integer(random)),
            f: std::array::from_fn(|_| random_float(random)),
            fcsr: u64::from(random.below(5) << 5 | random.below(32)),
        }
    }
}

/// Doublewords of a state: f0 to f31, fcsr, x0 to x31.
const STATE: u64 = 65;

/// What a block left: registers and the CSRs of the trap that ended it.
pub(crate) struct Outcome<'a>(&'a [u64]);

impl Outcome<'_> {
    pub(crate) fn x(&self, number: usize) -> u64 {
        self.0[RESULT as usize + number]
    }

    pub(crate) fn f(&self, number: usize) -> u64 {
        self.0[RESULT as usize + 32 + number]
    }

    /// fcsr, mcause, mepc, mtval.
    pub(crate) fn csrs(&self) -> [u64; 4] {
        *self.0[FCSR as usize..].first_chunk().expect("the end of a record")
    }
}

/// A program with its parts.
pub(crate) struct Program {
    pub(crate) image: Vec<u8>,
    blocks: Vec<Block>,
    addresses: Vec<u64>,
    extent: Extent,
}

impl Program {
    /// The random program of a seed. Every eighth block is arbitrary bits.
    pub(crate) fn random(seed: u64, count: u64) -> Self {
        let mut random = Random::new(seed);
        let make = |index: u64, address: u64, window: u64| {
            let items = 8 + random.below(60);
            let block = if index % 8 == 7 {
                Generator::noise(&mut random, address, window, items)
            } else {
                Generator::block(&mut random, address, window, items)
            };
            let memory = (0..WINDOW / 8).map(|_| random.bits()).collect();
            (block, State::random(&mut random), memory)
        };
        let tables = Random::new(!seed);
        Self::with_spaces(count, Some(tables), make)
    }

    /// A program of blocks that all use physical addresses.
    pub(crate) fn new(
        count: u64,
        make: impl FnMut(u64, u64, u64) -> (Block, State, Vec<u64>),
    ) -> Self {
        Self::with_spaces(count, None, make)
    }

    /// A program of `count` blocks. `make(index, address, window)` gives a block for that address,
    /// its state, and the memory around `window`, from [`REACH`] bytes before it.
    fn with_spaces(
        count: u64,
        tables: Option<Random>,
        mut make: impl FnMut(u64, u64, u64) -> (Block, State, Vec<u64>),
    ) -> Self {
        let align = |address: u64| (address + 0xfff) & !0xfff;
        let scratch = align(RECORDS + (count + 1) * RECORD * 8);
        let tables_at = align(scratch + (count + 1) * WINDOW);
        let code = tables_at + tables.as_ref().map_or(0, |_| spaces::BYTES);
        let extent = Extent { base: BASE, scratch, tables: tables_at, code };
        let mut new = Self { image: vec![], blocks: vec![], addresses: vec![], extent };
        let mut at = code;
        let mut states = vec![];
        for index in 0..count {
            let window = new.window(index);
            let (block, state, memory) = make(index, at, window);
            new.put(at, &block.code);
            for (word, value) in memory.iter().enumerate() {
                new.put(window - REACH as u64 + word as u64 * 8, &value.to_le_bytes());
            }
            new.addresses.push(at);
            at += (block.code.len() as u64 + 7) & !7;
            new.blocks.push(block);
            states.push(state);
        }
        let states_at = align(at);
        // Accessed and dirty bits are set by the processor in one half of all programs.
        let mut updates = false;
        if let Some(mut random) = tables {
            spaces::check(extent, states_at);
            updates = random.once_in(2);
            for (word, value) in spaces::all(&mut random, extent).into_iter().enumerate() {
                new.put(tables_at + word as u64 * 8, &value.to_le_bytes());
            }
        }
        for (index, state) in states.iter().enumerate() {
            new.enter(index, state, states_at + index as u64 * STATE * 8);
        }
        new.put(BASE, &driver([scratch, code, states_at], updates));
        new
    }

    /// Writes a block's record and state.
    fn enter(&mut self, index: usize, state: &State, state_at: u64) {
        const FLOATING_POINT_DIRTY: u64 = 0x6000;
        let under = self.blocks[index].under;
        let previously = match under.mode {
            Mode::Machine => 0x1800,
            Mode::Supervisor => 0x800,
            Mode::User => 0,
        };
        let mstatus = FLOATING_POINT_DIRTY | previously | under.status;
        let satp = under.space.map_or(0, |space| spaces::satp(space, self.extent));
        let record = [self.entry(index), mstatus, state_at, satp];
        for (field, value) in record.into_iter().enumerate() {
            let at = RECORDS + (index as u64 * RECORD + field as u64) * 8;
            self.put(at, &value.to_le_bytes());
        }
        let values = state.f.iter().chain([&state.fcsr]).chain(&state.x);
        for (field, value) in values.enumerate() {
            self.put(state_at + field as u64 * 8, &value.to_le_bytes());
        }
    }

    /// Whether an instruction of this name is in some block.
    pub(crate) fn mentions(&self, name: &str) -> bool {
        let mut lines = self.blocks.iter().flat_map(|block| &block.listing);
        lines.any(|(_, text)| text.split_once(' ').is_some_and(|(_, of)| of.trim() == name))
    }

    /// What block `index` left in the memory of [`Self::changed`].
    pub(crate) fn outcome<'a>(&self, memory: &'a [u64], index: usize) -> Outcome<'a> {
        Outcome(&memory[index * RECORD as usize..][..RECORD as usize])
    }

    /// The address at which block `index` is entered.
    pub(crate) fn entry(&self, index: usize) -> u64 {
        self.addresses[index] + self.blocks[index].entry
    }

    /// The window of block `index` in the memory of [`Self::changed`].
    pub(crate) fn memory<'a>(&self, memory: &'a [u64], index: usize) -> &'a [u64] {
        let start = (self.window(index as u64) - REACH as u64 - RECORDS) / 8;
        &memory[start as usize..][..(WINDOW / 8) as usize]
    }

    /// The middle of a block's window. Every eighth window straddles two pages.
    pub(crate) fn window(&self, index: u64) -> u64 {
        self.extent.scratch + WINDOW * (index + 1)
    }

    fn put(&mut self, address: u64, bytes: &[u8]) {
        let at = (address - BASE) as usize;
        if self.image.len() < at + bytes.len() {
            self.image.resize(at + bytes.len(), 0);
        }
        self.image[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// The addresses of what a run changes: records, scratch memory and page tables.
    pub(crate) fn changed(&self) -> std::ops::Range<u64> {
        RECORDS..self.extent.code
    }

    /// Compares what two runs left in [`Self::changed`] and describes the first few differences.
    pub(crate) fn differences(&self, ours: &[u64], theirs: &[u64]) -> Vec<String> {
        assert_eq!(ours.len(), theirs.len(), "both cover the same memory");
        let different = ours.iter().zip(theirs).enumerate().filter(|(_, (a, b))| a != b);
        let mut last = None;
        let mut found = vec![];
        for (index, (a, b)) in different {
            let address = RECORDS + index as u64 * 8;
            if address >= self.extent.tables {
                found.push(format!("the page table at {address:#x} is {a:#x}, expected {b:#x}"));
                continue;
            }
            let (block, what) = self.describe(address);
            if last != Some(block) {
                if found.len() > 40 {
                    break;
                }
                found.push(self.listing(block));
                last = Some(block);
            }
            found.push(format!("block {block}: {what} is {a:#x}, expected {b:#x}"));
        }
        found
    }

    /// The block that an address belongs to and what it holds.
    fn describe(&self, address: u64) -> (u64, String) {
        if address >= self.extent.scratch {
            let block = (address + REACH as u64 - self.extent.scratch) / WINDOW - 1;
            return (block, format!("scratch memory at {address:#x}"));
        }
        let field = (address - RECORDS) / 8;
        let name = match field % RECORD {
            at @ RESULT..36 => format!("x{}", at - RESULT),
            at @ 36..FCSR => format!("f{}", at - 36),
            at @ FCSR.. => LAST_NAMES[(at - FCSR) as usize].to_owned(),
            at => format!("input {at}"),
        };
        (field / RECORD, name)
    }

    fn listing(&self, index: u64) -> String {
        let block = &self.blocks[index as usize];
        let address = self.addresses[index as usize];
        let lines: Vec<_> = block
            .listing
            .iter()
            .map(|(offset, text)| format!("  {:x}: {text}", address + *offset as u64))
            .collect();
        format!("block {index}, {:?}:\n{}", block.under, lines.join("\n"))
    }
}

/// A register value: anything, small, a single bit or a limit of some width.
fn random_integer(random: &mut Random) -> u64 {
    let bits = random.bits();
    match random.below(6) {
        0 => u64::from(random.below(16)).wrapping_sub(8),
        1 => 1 << (bits & 63),
        2 => (1_u64 << (bits & 63)).wrapping_neg(),
        3 => *random.pick(&[0, u64::MAX, i64::MAX as u64, 1 << 63, 0x7fff_ffff, 0x8000_0000]),
        4 => i64::from(bits as i32) as u64,
        _ => bits,
    }
}

/// A floating-point register: numbers of each format, properly boxed or not.
fn random_float(random: &mut Random) -> u64 {
    let (width, fraction) = *random.pick(&[(64, 52), (32, 23), (32, 23), (16, 10)]);
    let special = (1_u64 << (width - fraction - 1)) - 1;
    let exponent = match random.below(8) {
        0 => 0,
        1 => special,
        2..6 => special / 2 + u64::from(random.below(12)) - 6,
        _ => random.bits() & special,
    };
    let low = match random.below(4) {
        0 => 0,
        1 => 1 << random.below(fraction),
        _ => random.bits() & ((1 << fraction) - 1),
    };
    let sign = u64::from(random.below(2)) << (width - 1);
    let value = sign | exponent << fraction | low;
    if width == 64 || random.once_in(16) { value } else { value | u64::MAX << width }
}

const MSTATUS: u32 = 0x300;

/// Code of the driver under construction.
struct Driver(Vec<u8>);

impl Driver {
    fn emit(&mut self, word: u32) {
        self.0.extend(word.to_le_bytes());
    }

    fn here(&self) -> i32 {
        self.0.len() as i32
    }

    /// Loads `address` into a register.
    fn address(&mut self, register: u32, address: u64) {
        let offset = address as i64 - BASE as i64 - i64::from(self.here());
        let upper = (offset + 0x800) >> 12;
        self.emit(0x17 | rd(register) | (upper as u32) << 12);
        self.emit(0x13 | rd(register) | rs1(register) | imm_i((offset - (upper << 12)) as i32));
    }

    fn load(&mut self, register: u32, base: u32, doubleword: u64) {
        self.emit(0x3003 | rd(register) | rs1(base) | imm_i(doubleword as i32 * 8));
    }

    fn store(&mut self, register: u32, base: u32, doubleword: u64) {
        self.emit(0x3023 | rs2(register) | rs1(base) | imm_s(doubleword as i32 * 8));
    }

    fn write_csr(&mut self, csr: u32, register: u32) {
        self.emit(0x1073 | csr << 20 | rs1(register));
    }

    fn read_csr(&mut self, register: u32, csr: u32) {
        self.emit(0x2073 | csr << 20 | rd(register));
    }

    /// Cache-block operations and floating point everywhere, counters nowhere below machine mode;
    /// user mode may use what ends at the first boundary not at all, then read, write and execute,
    /// then read and execute.
    fn set_up(&mut self, boundaries: [u64; 3], updates: bool) {
        self.emit(0x13 | rd(1) | imm_i(0xf0));
        self.write_csr(0x10a, 1);
        // Memory types always, accessed and dirty bits as wanted: bits 62 and 61.
        self.emit(0x13 | rd(2) | imm_i(2 | i32::from(updates)));
        self.emit(0x1013 | rd(2) | rs1(2) | imm_i(61));
        self.emit(0x6033 | rd(1) | rs1(1) | rs2(2));
        self.write_csr(0x30a, 1);
        self.write_csr(0x306, 0);
        for (region, end) in boundaries.into_iter().enumerate() {
            self.address(1, end);
            self.emit(0x5013 | rd(1) | rs1(1) | 2 << 20);
            self.write_csr(0x3b0 + region as u32, 1);
        }
        // pmpcfg0 = 0x0d0f08
        self.emit(0x37 | rd(1) | 0x000d_1000);
        self.emit(0x13 | rd(1) | rs1(1) | imm_i(-0x0f8));
        self.write_csr(0x3a0, 1);
        self.emit(0x37 | rd(1) | 0x6000);
        self.write_csr(MSTATUS, 1);
    }
}

/// The driver: set-up, `enter`, `leave`, the end.
fn driver(boundaries: [u64; 3], updates: bool) -> Vec<u8> {
    const MTVEC: u32 = 0x305;
    const MSCRATCH: u32 = 0x340;
    const MEPC: u32 = 0x341;
    const SATP: u32 = 0x180;
    let mut d = Driver(vec![]);
    d.set_up(boundaries, updates);
    let vector = d.here();
    d.address(1, BASE);
    d.write_csr(MTVEC, 1);
    d.address(31, RECORDS);
    let enter = d.here();
    d.write_csr(MSCRATCH, 31);
    d.load(1, 31, 0);
    let to_finish = d.here();
    d.emit(0);
    d.write_csr(MEPC, 1);
    d.load(1, 31, 1);
    d.write_csr(MSTATUS, 1);
    d.load(1, 31, 3);
    d.write_csr(SATP, 1);
    d.load(30, 31, 2);
    for f in 0..32 {
        d.emit(0x3007 | rd(f) | rs1(30) | imm_i(f as i32 * 8));
    }
    d.load(1, 30, 32);
    d.write_csr(3, 1);
    for x in (1..30).chain([31, 30]) {
        d.load(x, 30, 33 + u64::from(x));
    }
    d.emit(0x3020_0073);
    let leave = d.here();
    d.emit(0x1073 | MSCRATCH << 20 | rd(31) | rs1(31));
    for x in 1..31 {
        d.store(x, 31, RESULT + u64::from(x));
    }
    d.read_csr(1, MSCRATCH);
    d.store(1, 31, RESULT + 31);
    for f in 0..32_u32 {
        let doubleword = RESULT + 32 + u64::from(f);
        d.emit(0x3027 | rs2(f) | rs1(31) | imm_s(doubleword as i32 * 8));
    }
    for (field, csr) in [3, 0x342, MEPC, 0x343].into_iter().enumerate() {
        d.read_csr(1, csr);
        d.store(1, 31, FCSR + field as u64);
    }
    d.emit(0x13 | rd(31) | rs1(31) | imm_i(RECORD as i32 * 8));
    let back = enter - d.here();
    d.emit(0x6f | imm_j(back));
    let finish = d.here();
    d.address(2, TOHOST);
    d.emit(0x13 | rd(1) | imm_i(1));
    d.store(1, 2, 0);
    d.emit(0x6f);
    let branch = 0x63 | rs1(1) | imm_b(finish - to_finish);
    d.0[to_finish as usize..][..4].copy_from_slice(&branch.to_le_bytes());
    let mut rest = Driver(d.0[..vector as usize].to_vec());
    rest.address(1, BASE + leave as u64);
    d.0[vector as usize..][..8].copy_from_slice(&rest.0[vector as usize..]);
    assert!(d.0.len() < 0x1000, "the driver fits its page");
    d.0
}
