//! A small assembler for guests that are written here, and random guests that live on interrupts.

use emulator::isa::riscv::csr::number as n;
use vmstate::property::Random;

/// One of `things`.
pub(crate) fn pick<T: Copy>(random: &mut Random, things: &[T]) -> T {
    things[random.index(things.len())]
}

/// `csrrw`, `csrrs`, `csrrc`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    Write = 1,
    Set = 2,
    Clear = 3,
}

/// Code in the making.
pub(crate) struct Code {
    words: Vec<u32>,
    /// The registers that it uses for addresses and for values.
    pub(crate) scratch: [u32; 2],
}

/// The bytes of what `write` writes.
pub(crate) fn words(write: impl FnOnce(&mut Code) -> &mut Code) -> Vec<u8> {
    let mut code = Code::new();
    write(&mut code);
    code.bytes()
}

fn immediate(value: i64) -> u32 {
    u32::try_from(value & 0xfff).expect("twelve bits") << 20
}

impl Code {
    pub(crate) fn new() -> Self {
        Self { words: Vec::new(), scratch: [5, 6] }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// Offset of the next instruction.
    pub(crate) fn here(&self) -> u64 {
        4 * self.words.len() as u64
    }

    pub(crate) fn word(&mut self, word: u32) -> &mut Self {
        self.words.push(word);
        self
    }

    pub(crate) fn addi(&mut self, rd: u32, rs1: u32, value: i64) -> &mut Self {
        self.word(0x13 | rd << 7 | rs1 << 15 | immediate(value))
    }

    fn shift_left(&mut self, rd: u32, amount: i64) -> &mut Self {
        self.word(0x1013 | rd << 7 | rd << 15 | immediate(amount))
    }

    /// Any constant, eleven bits after eleven.
    pub(crate) fn li(&mut self, rd: u32, value: u64) -> &mut Self {
        let part = |shift: u32| (value >> shift & 0x7ff).cast_signed();
        let first = (0..=5).rev().find(|part| value >> (11 * part) != 0).unwrap_or(0);
        self.addi(rd, 0, part(11 * first));
        for shift in (0..first).rev().map(|part| 11 * part) {
            self.shift_left(rd, 11).addi(rd, rd, part(shift));
        }
        self
    }

    /// rd = the address `ahead` bytes behind this point.
    pub(crate) fn address(&mut self, rd: u32, ahead: i64) -> &mut Self {
        self.word(0x17 | rd << 7).addi(rd, rd, ahead)
    }

    pub(crate) fn csr(&mut self, change: Change, csr: u16, rs1: u32) -> &mut Self {
        self.word(0x73 | (change as u32) << 12 | rs1 << 15 | u32::from(csr) << 20)
    }

    /// The same with a constant.
    pub(crate) fn csr_to(&mut self, change: Change, csr: u16, value: u64) -> &mut Self {
        let register = self.scratch[1];
        self.li(register, value).csr(change, csr, register)
    }

    pub(crate) fn csr_read(&mut self, rd: u32, csr: u16) -> &mut Self {
        self.word(0x2073 | rd << 7 | u32::from(csr) << 20)
    }

    /// Stores `rs2` of 8, 4 or 1 bytes where the first scratch register points.
    pub(crate) fn store(&mut self, bytes: u32, rs2: u32) -> &mut Self {
        self.word(0x23 | self.scratch[0] << 15 | bytes.trailing_zeros() << 12 | rs2 << 20)
    }

    /// rd = the 8, 4 or 1 bytes there.
    pub(crate) fn load(&mut self, bytes: u32, rd: u32) -> &mut Self {
        self.word(0x03 | self.scratch[0] << 15 | bytes.trailing_zeros() << 12 | rd << 7)
    }

    pub(crate) fn store_at(&mut self, addr: u64, bytes: u32, value: u64) -> &mut Self {
        let [base, register] = self.scratch;
        self.li(base, addr).li(register, value).store(bytes, register)
    }

    /// Runs `skipped` unless `rs1` is negative.
    pub(crate) fn unless_negative(
        &mut self,
        rs1: u32,
        skipped: impl FnOnce(&mut Self),
    ) -> &mut Self {
        let at = self.words.len();
        skipped(self.word(0));
        let offset = u32::try_from(4 * (self.words.len() - at)).expect("a few instructions");
        assert!(offset < 2048, "a short way");
        let low = (offset >> 1 & 15) << 8 | (offset >> 11 & 1) << 7;
        self.words[at] = 0x4063 | rs1 << 15 | low | (offset >> 5 & 0x3f) << 25;
        self
    }

    pub(crate) fn jump_to(&mut self, rs1: u32) -> &mut Self {
        self.word(0x67 | rs1 << 15)
    }

    /// A jump over so many bytes, up to 1 MiB.
    pub(crate) fn jump(&mut self, offset: i64) -> &mut Self {
        let o = u32::try_from(offset & 0x1f_ffff).expect("21 bits");
        let high = (o >> 12 & 0xff) << 12 | (o >> 11 & 1) << 20 | (o >> 1 & 0x3ff) << 21;
        self.word(0x6f | high | (o >> 20 & 1) << 31)
    }

    /// `count` turns of nothing, in x7.
    pub(crate) fn turns(&mut self, count: u64) -> &mut Self {
        // addi x7, x7, -1; bnez x7, -4
        self.li(7, count).addi(7, 7, -1).word(0xfe03_9ee3)
    }

    fn pad_to(&mut self, offset: u64) {
        assert!(self.here() <= offset, "{:#x} bytes of code before {offset:#x}", self.here());
        while self.here() < offset {
            self.word(0x13);
        }
    }

    /// Everything permitted to everyone, and the handlers.
    pub(crate) fn prologue(&mut self) -> &mut Self {
        for (csr, value) in [
            (n::PMPADDR0, u64::MAX >> 10),
            (n::PMPCFG0, 0x1f),
            (n::MTVEC, RAM + MACHINE_HANDLER),
            (n::STVEC, RAM + SUPERVISOR_HANDLER),
            (n::MCOUNTEREN, 7),
            (n::STIMECMP, u64::MAX),
        ] {
            self.csr_to(Change::Write, csr, value);
        }
        self
    }

    /// Goes on in another mode (as `mstatus.MPP` encodes it) behind this point, interrupts of M off.
    pub(crate) fn enter(&mut self, mode: u64) -> &mut Self {
        self.csr_to(Change::Clear, n::MSTATUS, 3 << 11 | 1 << 7);
        self.csr_to(Change::Set, n::MSTATUS, mode << 11);
        self.address(6, 16).csr(Change::Write, n::MEPC, 6).word(MRET)
    }

    /// Places both handlers behind the code.
    pub(crate) fn with_handlers(
        mut self,
        machine: impl FnOnce(&mut Self),
        supervisor: impl FnOnce(&mut Self),
    ) -> Vec<u8> {
        self.pad_to(MACHINE_HANDLER);
        machine(&mut self);
        self.pad_to(SUPERVISOR_HANDLER);
        supervisor(&mut self);
        self.bytes()
    }
}

pub(crate) const RAM: u64 = machines::riscv64_virt::map::RAM;
/// Offsets of the handlers in RAM.
const MACHINE_HANDLER: u64 = 0x8000;
const SUPERVISOR_HANDLER: u64 = 0xc000;

pub(crate) const MRET: u32 = 0x3020_0073;
pub(crate) const SRET: u32 = 0x1020_0073;
pub(crate) const WFI: u32 = 0x1050_0073;
pub(crate) const ECALL: u32 = 0x73;
