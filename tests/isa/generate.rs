//! Random blocks of instructions that end in a trap.
//!
//! A block begins by pointing a few registers into its own window of scratch memory; those are only
//! ever read afterwards, so that every access stays inside. Branches and jumps go forward over whole
//! items; loops count a register down that nothing inside writes.

use super::{
    compressed::{self as c, Shape},
    encode::{
        AMOS, BRANCHES, CACHE, CONTROLS, FENCES, FLOAT, LOADS, LR, Op, PLAIN, SC, STORES, imm_b,
        imm_i, imm_j, imm_s, rd, rs1, rs2,
    },
    random::Random,
    spaces,
};

/// Bytes of scratch memory on either side of a block's pointers that it may touch.
pub(crate) const REACH: i32 = 256;

/// The mode that a block runs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Machine,
    Supervisor,
    User,
}

/// What a block runs under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Under {
    pub(crate) mode: Mode,
    /// The number of its address space; `None` for physical addresses.
    pub(crate) space: Option<usize>,
    /// SUM and MXR of `mstatus`.
    pub(crate) status: u64,
}

impl Under {
    /// A mode without address translation.
    pub(crate) const fn physical(mode: Mode) -> Self {
        Self { mode, space: None, status: 0 }
    }

    /// Anything but machine mode when `lower`.
    pub(crate) fn random(random: &mut Random, lower: bool) -> Self {
        if random.once_in(3) {
            let space = random.below(spaces::SPACES as u32) as usize;
            let status = u64::from(random.below(4)) << 18;
            Self { mode: spaces::mode(space), space: Some(space), status }
        } else if lower || random.once_in(3) {
            Self::physical(Mode::User)
        } else {
            Self::physical(Mode::Machine)
        }
    }
}

/// A block of code.
pub(crate) struct Block {
    pub(crate) under: Under,
    pub(crate) code: Vec<u8>,
    /// Where in `code` it is entered.
    pub(crate) entry: u64,
    /// The offset and name of each instruction.
    pub(crate) listing: Vec<(usize, String)>,
}

/// Makes one block.
pub(crate) struct Generator<'a> {
    random: &'a mut Random,
    code: Vec<u8>,
    listing: Vec<(usize, String)>,
    /// Registers that nothing may write now, as a mask.
    held: u32,
    /// Any register, one of x8 to x15, and one that may be sp.
    pointers: [u32; 3],
    depth: u32,
    /// What would be illegal in user mode is drawn as often as anything.
    privileged: bool,
}

impl<'a> Generator<'a> {
    /// A block at `address` of about `items` items with its window centred at `window`.
    pub(crate) fn block(random: &'a mut Random, address: u64, window: u64, items: u32) -> Block {
        let under = Under::random(random, false);
        let window = window + alias(random, under);
        let mut new = Self::new(random);
        new.privileged = under.mode != Mode::User;
        new.set_pointers(address, window);
        new.items(items);
        new.end(under.mode);
        Block { under, code: new.code, entry: 0, listing: new.listing }
    }

    /// A block of arbitrary bits that is no machine's, without anything that jumps.
    pub(crate) fn noise(random: &'a mut Random, address: u64, window: u64, items: u32) -> Block {
        // A supervisor's random bits would change the rules that the other blocks rely on.
        let mut under = Under::random(random, true);
        if under.mode == Mode::Supervisor {
            under.mode = Mode::User;
            under.space = under.space.map(|space| space + spaces::SPACES / 2);
        }
        let window = window + alias(random, under);
        let mut new = Self::new(random);
        new.set_pointers(address, window);
        for _ in 0..items {
            new.arbitrary();
        }
        new.emit(0x73, "ecall");
        Block { under, code: new.code, entry: 0, listing: new.listing }
    }

    fn new(random: &'a mut Random) -> Self {
        Self {
            random,
            code: vec![],
            listing: vec![],
            held: 0,
            pointers: [0; 3],
            depth: 0,
            privileged: false,
        }
    }

    fn emit(&mut self, word: u32, name: &str) {
        self.listing.push((self.code.len(), format!("{word:08x} {name}")));
        self.code.extend(word.to_le_bytes());
    }

    fn emit_short(&mut self, half: u16, name: &str) {
        self.listing.push((self.code.len(), format!("{half:04x} {name}")));
        self.code.extend(half.to_le_bytes());
    }

    /// Reserves room for an instruction whose target is not known yet; gives its offset.
    fn reserve(&mut self, bytes: usize) -> usize {
        let at = self.code.len();
        self.listing.push((at, String::new()));
        self.code.resize(at + bytes, 0);
        at
    }

    fn patch(&mut self, at: usize, bytes: &[u8], name: &str) {
        self.code[at..at + bytes.len()].copy_from_slice(bytes);
        let line = self.listing.iter_mut().find(|(offset, _)| *offset == at).expect("reserved");
        let digits: String = bytes.iter().rev().map(|byte| format!("{byte:02x}")).collect();
        line.1 = format!("{digits} {name}");
    }

    fn register(&mut self) -> u32 {
        self.random.below(32)
    }

    /// A register that may be written.
    fn target(&mut self, low: u32, high: u32) -> u32 {
        loop {
            let register = low + self.random.below(high - low + 1);
            if self.held & 1 << register == 0 {
                return register;
            }
        }
    }

    fn set_pointers(&mut self, address: u64, window: u64) {
        let any = 1 + self.random.below(31);
        let prime = 8 + self.random.below(8);
        let stack = if self.random.once_in(2) { 2 } else { 1 + self.random.below(31) };
        self.pointers = [any, prime, stack];
        for register in self.pointers {
            let aligned = 64 * i64::from(self.random.within(-1, 1));
            let from = address as i64 + self.code.len() as i64;
            let offset = window as i64 + aligned - from;
            let upper = (offset + 0x800) >> 12;
            self.emit(0x17 | rd(register) | (upper as u32) << 12, "auipc pointer");
            let low = (offset - (upper << 12)) as i32;
            self.emit(0x13 | rd(register) | rs1(register) | imm_i(low), "addi pointer");
            self.held |= 1 << register;
        }
    }

    /// One of the pointers, and an offset from it at which `width` bytes are inside the window.
    fn place(&mut self, width: u32) -> (u32, i32) {
        let pointer = *self.random.pick(&self.pointers);
        let reach = REACH - 64;
        let offset = match self.random.below(3) {
            0 => self.random.within(-reach, reach - width as i32),
            1 => self.random.within(-8, 8),
            _ => self.random.within(-16, 15) * width as i32,
        };
        (pointer, offset)
    }

    fn items(&mut self, count: u32) {
        for _ in 0..count {
            self.item();
        }
    }

    fn item(&mut self) {
        match self.random.below(100) {
            0..30 => {
                let op = *self.random.pick(PLAIN);
                self.operation(op);
            }
            30..55 => {
                let op = *self.random.pick(FLOAT);
                self.operation(op);
            }
            55..68 => self.short(),
            68..70 => self.system(),
            70..80 => self.memory(),
            80..86 => self.short_memory(),
            86..89 => self.atomic(),
            89..91 => self.reserved_pair(),
            91..92 => self.cache_block(),
            92..96 => self.skip(),
            96..98 => self.jump(),
            _ if self.depth < 2 => self.cycle(),
            _ => self.short(),
        }
    }

    fn operation(&mut self, (name, base, operands): Op) {
        let word = self.operands(base, operands);
        self.emit(word, name);
    }

    fn operands(&mut self, base: u32, operands: &str) -> u32 {
        operands.chars().fold(base, |word, operand| {
            word | match operand {
                'x' => rd(self.target(0, 31)),
                'f' => rd(self.register()),
                'a' => rs1(self.register()),
                'b' => rs2(self.register()),
                'c' => self.register() << 27,
                'r' => self.random.pick(&[0, 1, 2, 3, 4, 7, 7, 7]) << 12,
                'i' => imm_i(self.random.within(-2048, 2047)),
                '6' => self.random.below(64) << 20,
                '5' => self.random.below(32) << 20,
                'u' => self.random.below(1 << 20) << 12,
                _ => unreachable!("the tables use no other letter"),
            }
        })
    }

    fn short(&mut self) {
        if self.held & 1 << 2 == 0 && self.random.once_in(20) {
            let value = 16 * [-32, -1, 1, 7, 31][self.random.below(5) as usize];
            return self.emit_short(0x6101 | c::imm_add_stack(value), "c.addi16sp");
        }
        let (name, base, shape) = *self.random.pick(c::PLAIN);
        let any = self.random.below(64);
        let nonzero = 1 + self.random.below(63);
        let operands = match shape {
            Shape::PrimePair => c::high(self.target(8, 15)) | c::low(8 + self.random.below(8)),
            Shape::PrimeShift => c::high(self.target(8, 15)) | c::imm_ci(nonzero),
            Shape::PrimeImmediate => c::high(self.target(8, 15)) | c::imm_ci(any),
            Shape::Immediate => (self.target(1, 31) << 7) as u16 | c::imm_ci(any),
            Shape::Shift => (self.target(1, 31) << 7) as u16 | c::imm_ci(nonzero),
            Shape::Upper => (self.target(3, 31) << 7) as u16 | c::imm_ci(nonzero),
            Shape::Pair => (self.target(1, 31) << 7 | (1 + self.random.below(31)) << 2) as u16,
            Shape::FromStack => {
                c::low(self.target(8, 15)) | c::imm_from_stack(4 + 4 * self.random.below(255))
            }
        };
        self.emit_short(base | operands, name);
    }

    fn memory(&mut self) {
        if self.random.once_in(2) {
            let (name, base, integer, width) = *self.random.pick(LOADS);
            let (pointer, offset) = self.place(width);
            let destination = if integer { self.target(0, 31) } else { self.register() };
            self.emit(base | rd(destination) | rs1(pointer) | imm_i(offset), name);
        } else {
            let (name, base, width) = *self.random.pick(STORES);
            let (pointer, offset) = self.place(width);
            let source = self.register();
            self.emit(base | rs2(source) | rs1(pointer) | imm_s(offset), name);
        }
    }

    fn short_memory(&mut self) {
        let stack = self.pointers.contains(&2);
        match self.random.below(if stack { 4 } else { 2 }) {
            0 | 1 => {
                let (name, base, width, integer) = *self.random.pick(c::PRIME_MEMORY);
                // The immediate reaches 31 widths.
                let offset = width * self.random.below(((REACH as u32 - 64) / width).min(32));
                let register = if integer { self.target(8, 15) } else { 8 + self.random.below(8) };
                let prime = self.pointers[1];
                let operands = c::high(prime) | c::low(register) | c::imm_prime(offset, width);
                self.emit_short(base | operands, name);
            }
            2 => {
                let (name, base, width, integer) = *self.random.pick(c::STACK_LOADS);
                let offset = width * self.random.below((REACH as u32 - 64) / width);
                let register = if integer { self.target(1, 31) } else { self.register() };
                let operands = (register << 7) as u16 | c::imm_stack_load(offset, width);
                self.emit_short(base | operands, name);
            }
            _ => {
                let (name, base, width) = *self.random.pick(c::STACK_STORES);
                let offset = width * self.random.below((REACH as u32 - 64) / width);
                let operands = (self.register() << 2) as u16 | c::imm_stack_store(offset, width);
                self.emit_short(base | operands, name);
            }
        }
    }

    /// Acquire and release bits, and bit 12 for the 64-bit form.
    fn ordering_and_width(&mut self) -> u32 {
        self.random.below(4) << 25 | self.random.below(2) << 12
    }

    fn atomic(&mut self) {
        let (name, base) = *self.random.pick(AMOS);
        let pointer = *self.random.pick(&self.pointers);
        let operands = rd(self.target(0, 31)) | rs2(self.register()) | self.ordering_and_width();
        self.emit(base | operands | rs1(pointer), name);
    }

    /// A load-reserved with its store-conditional close behind, and sometimes a second one that
    /// must fail.
    fn reserved_pair(&mut self) {
        let pointer = *self.random.pick(&self.pointers);
        let form = self.ordering_and_width();
        let destination = self.target(0, 31);
        self.emit(LR | form | rd(destination) | rs1(pointer), "lr");
        self.short();
        for _ in 0..1 + self.random.below(2) {
            let operands = rd(self.target(0, 31)) | rs2(self.register());
            self.emit(SC | form | operands | rs1(pointer), "sc");
        }
    }

    /// A control register that nothing else relies on, or a fence of translations. (Waiting would
    /// never end here, and returns end blocks.)
    fn system(&mut self) {
        let legal = self.privileged || self.random.once_in(12);
        if legal && self.random.once_in(4) {
            let (name, base) = *self.random.pick(FENCES);
            let operands = match name {
                "sfence.vma" | "sinval.vma" => rs1(self.register()) | rs2(self.register()),
                _ => 0,
            };
            return self.emit(base | operands, name);
        }
        let (name, base) = *self.random.pick(CONTROLS);
        // fflags, frm, fcsr; sscratch, sepc, scause, stval.
        let all = [1, 2, 3, 0x140, 0x141, 0x142, 0x143];
        let register = *self.random.pick(if legal { &all[..] } else { &all[..3] });
        let operands = rd(self.target(0, 31)) | rs1(self.register());
        self.emit(base | operands | register << 20, name);
    }

    fn cache_block(&mut self) {
        let (name, base) = *self.random.pick(CACHE);
        let pointer = *self.random.pick(&self.pointers);
        self.emit(base | rs1(pointer), name);
    }

    /// A conditional branch over a few items.
    fn skip(&mut self) {
        let count = 1 + self.random.below(4);
        if self.random.once_in(3) {
            let register = 8 + self.random.below(8);
            let (base, name) = *self.random.pick(&[(0xc001, "c.beqz"), (0xe001, "c.bnez")]);
            let at = self.reserve(2);
            self.items(count);
            let offset = (self.code.len() - at) as i32;
            if offset < 256 {
                let half = base | c::high(register) | c::imm_branch(offset);
                self.patch(at, &half.to_le_bytes(), name);
            } else {
                self.patch(at, &1_u16.to_le_bytes(), "c.nop");
            }
            return;
        }
        let (name, base) = *self.random.pick(BRANCHES);
        let operands = rs1(self.register()) | rs2(self.register());
        let at = self.reserve(4);
        self.items(count);
        let word = base | operands | imm_b((self.code.len() - at) as i32);
        self.patch(at, &word.to_le_bytes(), name);
    }

    /// An unconditional jump over a few items, direct or through a register.
    fn jump(&mut self) {
        let link = self.target(0, 31);
        if self.random.once_in(3) {
            let at = self.reserve(2);
            self.items(2);
            let half = 0xa001 | c::imm_jump((self.code.len() - at) as i32);
            self.patch(at, &half.to_le_bytes(), "c.j");
            return;
        }
        if self.random.once_in(2) {
            let at = self.reserve(4);
            self.items(2);
            let word = 0x6f | rd(link) | imm_j((self.code.len() - at) as i32);
            self.patch(at, &word.to_le_bytes(), "jal");
            return;
        }
        let through = self.target(1, 31);
        let from = self.code.len();
        self.emit(0x17 | rd(through), "auipc target");
        if self.random.once_in(2) {
            let at = self.reserve(4);
            self.items(1);
            let offset = (self.code.len() - from) as i32;
            let word = 0x67 | rd(link) | rs1(through) | imm_i(offset);
            self.patch(at, &word.to_le_bytes(), "jalr");
            return;
        }
        let at = self.reserve(4);
        // c.jalr writes x1.
        let (base, name) = if self.held & 2 == 0 { (0x9002, "c.jalr") } else { (0x8002, "c.jr") };
        self.emit_short(base | (through << 7) as u16, name);
        self.items(1);
        let offset = (self.code.len() - from) as i32;
        let word = 0x13 | rd(through) | rs1(through) | imm_i(offset);
        self.patch(at, &word.to_le_bytes(), "addi target");
    }

    /// A loop of a few rounds.
    fn cycle(&mut self) {
        let counter = self.target(1, 31);
        let rounds = self.random.within(1, 5);
        self.emit(0x13 | rd(counter) | imm_i(rounds), "li counter");
        self.held |= 1 << counter;
        self.depth += 1;
        let start = self.code.len();
        let count = 1 + self.random.below(5);
        self.items(count);
        self.emit(0x13 | rd(counter) | rs1(counter) | imm_i(-1), "addi counter");
        let back = start as i32 - self.code.len() as i32;
        self.emit(0x1063 | rs1(counter) | imm_b(back), "bnez counter");
        self.depth -= 1;
        self.held &= !(1 << counter);
    }

    /// The trap that ends the block.
    fn end(&mut self, mode: Mode) {
        let through = self.target(1, 31);
        let choices = match mode {
            Mode::Machine => 5,
            Mode::Supervisor => 7,
            Mode::User => 8,
        };
        match self.random.below(choices) {
            0 => self.emit(0x73, "ecall"),
            1 => self.emit(0x0010_0073, "ebreak"),
            2 => self.emit_short(0x9002, "c.ebreak"),
            3 => self.emit_short(0, "illegal"),
            4 => {
                self.emit(0x37 | rd(through) | 0x7000_0000, "lui nowhere");
                let (name, word) = *self.random.pick(&[
                    ("ld from nowhere", 0x3003),
                    ("sw to nowhere", 0x2023),
                    ("jalr to nowhere", 0x67),
                    ("lr from nowhere", 0x1000_302f),
                    ("amoadd nowhere", 0x302f),
                ]);
                self.emit(word | rs1(through), name);
            }
            5 => self.emit(0x3000_2073 | rd(through), "csrr mstatus"),
            6 => self.emit(0x3020_0073, "mret"),
            _ => self.emit(0xc000_2073 | rd(through), "rdcycle"),
        }
    }

    /// Bits that may mean anything but a jump.
    fn arbitrary(&mut self) {
        let bits = self.random.bits() as u32;
        if self.random.once_in(3) {
            let half = bits as u16;
            let (quadrant, function) = (half & 3, half >> 13);
            let jumps = (quadrant == 1 && function >= 5)
                || (quadrant == 2 && function == 4 && half >> 2 & 0x1f == 0);
            if quadrant != 3 && !jumps {
                self.emit_short(half, "arbitrary");
            }
            return;
        }
        let word = if self.random.once_in(3) {
            bits | 3
        } else {
            let table = if self.random.once_in(2) { PLAIN } else { FLOAT };
            let (_, base, operands) = *self.random.pick(table);
            let word = self.operands(base, operands);
            word ^ 1 << (2 + self.random.below(30))
        };
        // Nor atomics: the manual leaves open which exception a misaligned one raises.
        if !matches!(word & 0x7f, 0x2f | 0x63 | 0x67 | 0x6f) {
            self.emit(word, "arbitrary");
        }
    }
}

/// How far above itself a block sees its window: some of those with a space use its larger pages.
fn alias(random: &mut Random, under: Under) -> u64 {
    if under.space.is_some() && random.once_in(3) { spaces::ALIAS } else { 0 }
}

/// An instruction with random operands.
pub(crate) fn filled(random: &mut Random, (_, base, operands): Op) -> u32 {
    Generator::new(random).operands(base, operands)
}

/// The names of all instructions that blocks are made of.
pub(crate) fn names() -> Vec<&'static str> {
    let operations = PLAIN.iter().chain(FLOAT).map(|op| op.0);
    let memory = LOADS.iter().map(|op| op.0).chain(STORES.iter().map(|op| op.0));
    let others = [AMOS, CACHE, BRANCHES, CONTROLS, FENCES].into_iter().flatten().map(|op| op.0);
    let short = c::PLAIN.iter().map(|op| op.0);
    let short_memory = c::PRIME_MEMORY.iter().map(|op| op.0);
    let stack = c::STACK_LOADS.iter().map(|op| op.0).chain(c::STACK_STORES.iter().map(|op| op.0));
    let more = ["lr", "sc", "jal", "jalr", "c.j", "c.jr", "c.jalr", "c.beqz", "c.bnez"];
    let more = more.into_iter().chain(["c.addi16sp", "ecall", "ebreak", "c.ebreak"]);
    operations
        .chain(memory)
        .chain(others)
        .chain(short)
        .chain(short_memory)
        .chain(stack)
        .chain(more)
        .collect()
}
