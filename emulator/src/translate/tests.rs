//! A second architecture, as small as can be: big-endian, without floating point, with registers and
//! instructions of its own. What the translator makes of it is compared with its interpreter.

use std::mem::offset_of;

use super::{Compilation, Engine, EngineConfig};
use crate::{
    bus::{EmptyBus, Width},
    clock::Clock,
    frame::Frame,
    isa::{
        emit::{Access, Binary, Condition, Emitter, Flow, Register, Unary},
        guest::{Decoded, FloatMode, Guest, Layout},
    },
    memory::{GuestMemory, PAGE_BYTES},
    tlb::{self, Tlb},
    vcpu::{Breakpoints, ExecutedPages, Slice, SliceEnd, Surroundings},
};

/// An instruction: four bytes in memory, operation, two registers, a signed number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Instruction {
    operation: u8,
    a: Register,
    b: Register,
    number: i8,
}

/// a = b + number
const ADD: u8 = 0x10;
/// a = (a rotated by 7) ^ b
const MIX: u8 = 0x11;
/// a = memory at b + number; the low bits are the width, bit 2 extends the sign.
const LOAD: u8 = 0x20;
/// Stores a there.
const STORE: u8 = 0x30;
/// To pc + 4 * number when a is not b.
const UNLESS_EQUAL: u8 = 0x40;

const WIDTHS: [Width; 4] = [Width::Byte, Width::Half, Width::Word, Width::Double];

impl Instruction {
    fn of(bytes: [u8; 4]) -> Self {
        let [operation, a, b, number] = bytes;
        Self { operation, a: a & 7, b: b & 7, number: number.cast_signed() }
    }

    fn access(self) -> Access {
        let width = WIDTHS[usize::from(self.operation & 3)];
        let access = Access { big_endian: true, ..Access::new(width) };
        if self.operation & 4 != 0 { access.signed() } else { access }
    }

    fn target(self, pc: u64) -> u64 {
        pc.wrapping_add_signed(4 * i64::from(self.number))
    }

    fn run<E: Emitter>(self, pc: u64, e: &mut E) -> Result<(), E::Stop> {
        let number = e.constant(i64::from(self.number).cast_unsigned());
        let (a, b) = (e.get(self.a), e.get(self.b));
        match self.operation & 0xf8 {
            LOAD => {
                let addr = e.binary(Binary::Add, b, number);
                let value = e.load(addr, self.access())?;
                e.set(self.a, value);
            }
            STORE => {
                let addr = e.binary(Binary::Add, b, number);
                e.store(addr, self.access(), a)?;
            }
            UNLESS_EQUAL => {
                let different = e.compare(Condition::NotEqual, a, b);
                e.branch(different, self.target(pc));
            }
            _ if self.operation == MIX => {
                let amount = e.constant(7);
                let turned = e.binary(Binary::RotateLeft, a, amount);
                let value = e.binary(Binary::Xor, turned, b);
                e.set(self.a, value);
            }
            _ => {
                let value = e.binary(Binary::Add, b, number);
                e.set(self.a, value);
            }
        }
        Ok(())
    }
}

/// The processor.
#[repr(C)]
struct Toy {
    pc: u64,
    registers: [u64; 8],
    frame: Frame,
    tlb: Tlb,
    breakpoints: Breakpoints,
    executed: ExecutedPages,
    seen_changes: u64,
    steps: u64,
}

/// Its interpreter: numbers, and memory as it is.
struct Plain<'a> {
    toy: &'a mut Toy,
    memory: &'a GuestMemory,
    jump: Option<u64>,
}

impl Emitter for Plain<'_> {
    type Value = u64;
    type Bool = bool;
    type Stop = ();

    fn constant(&mut self, value: u64) -> u64 {
        value
    }
    fn get(&mut self, register: Register) -> u64 {
        self.toy.registers[usize::from(register)]
    }
    fn set(&mut self, register: Register, value: u64) {
        self.toy.registers[usize::from(register)] = value;
    }
    fn binary(&mut self, operation: Binary, a: u64, b: u64) -> u64 {
        operation.eval(a, b)
    }
    fn unary(&mut self, operation: Unary, a: u64) -> u64 {
        operation.eval(a)
    }
    fn compare(&mut self, condition: Condition, a: u64, b: u64) -> bool {
        condition.eval(a, b)
    }
    fn select(&mut self, condition: bool, a: u64, b: u64) -> u64 {
        if condition { a } else { b }
    }
    fn bit(&mut self, condition: bool) -> u64 {
        condition.into()
    }
    fn load(&mut self, addr: u64, access: Access) -> Result<u64, ()> {
        // Not by way of `Access::extend`: this is what it is compared with.
        let mut bytes = [0; 8];
        let width = usize::try_from(access.width.bytes()).expect("at most eight");
        self.memory.read(addr, &mut bytes[8 - width..]).map_err(|_| ())?;
        let value = u64::from_be_bytes(bytes);
        let unused = 64 - 8 * width;
        let extended = ((value << unused).cast_signed() >> unused).cast_unsigned();
        Ok(if access.signed { extended } else { value })
    }
    fn store(&mut self, addr: u64, access: Access, value: u64) -> Result<(), ()> {
        let width = usize::try_from(access.width.bytes()).expect("at most eight");
        self.memory.store(addr, &value.to_be_bytes()[8 - width..]).map_err(|_| ())
    }
    fn call(&mut self, _: u32, _: [u64; 3]) -> u64 {
        unreachable!("no instruction calls")
    }
    fn jump(&mut self, target: u64) {
        self.jump = Some(target);
    }
    fn jump_to(&mut self, target: u64) {
        self.jump = Some(target);
    }
    fn branch(&mut self, condition: bool, taken: u64) {
        self.jump = condition.then_some(taken);
    }
}

impl Toy {
    fn new() -> Box<Self> {
        Box::new(Self {
            pc: BASE,
            registers: [0, BASE + DATA, 3, 5, 7, 11, 13, 1 << 40],
            frame: Frame::default(),
            tlb: Tlb::default(),
            breakpoints: Breakpoints::default(),
            executed: ExecutedPages::default(),
            seen_changes: 0,
            steps: 0,
        })
    }

    /// One instruction; whether it was a branch.
    fn step(&mut self, memory: &GuestMemory) -> bool {
        let pc = self.pc;
        let mut bytes = [0; 4];
        memory.read(pc, &mut bytes).expect("it stays in its code");
        let instruction = Instruction::of(bytes);
        let mut plain = Plain { toy: self, memory, jump: None };
        instruction.run(pc, &mut plain).expect("it stays in memory");
        let next = plain.jump.unwrap_or(pc + 4);
        self.pc = next;
        self.steps += 1;
        instruction.operation & 0xf8 == UNLESS_EQUAL
    }

    fn offset_of_register(register: Register) -> usize {
        offset_of!(Self, registers) + 8 * usize::from(register)
    }
}

impl Guest for Toy {
    type Instruction = Instruction;

    const LAYOUT: Layout = Layout {
        pc: offset_of!(Self, pc),
        frame: offset_of!(Self, frame),
        tlb: offset_of!(Self, tlb),
        register: Self::offset_of_register,
        zero: None,
        float_registers: (8, 8),
    };

    fn frame(&mut self) -> &mut Frame {
        &mut self.frame
    }
    fn pc(&self) -> u64 {
        self.pc
    }
    fn mode(&self) -> u64 {
        0
    }
    fn float_mode(_: u64) -> FloatMode {
        FloatMode::default()
    }
    fn tlb_context(_: u64) -> usize {
        0
    }
    fn is_unpaged(_: u64) -> bool {
        true
    }
    fn fetch_generation(&self, _: u64) -> u64 {
        0
    }
    fn code_page(&mut self, memory: &GuestMemory, pc: u64) -> Option<usize> {
        memory.page_of(pc)
    }
    fn was_entered(&self, _: usize, _: usize) -> bool {
        true
    }
    fn decode(bytes: &[u8], pc: u64, _: u64) -> Option<Decoded<Instruction>> {
        let instruction = Instruction::of(*bytes.first_chunk()?);
        let flow = match instruction.operation & 0xf8 {
            UNLESS_EQUAL => Flow::Branch { taken: instruction.target(pc) },
            _ => Flow::Next,
        };
        Some(Decoded { instruction, length: 4, flow })
    }
    fn emit<E: Emitter>(instruction: &Instruction, pc: u64, e: &mut E) -> Result<(), E::Stop> {
        instruction.run(pc, e)
    }
    fn slow_load(&mut self, memory: &GuestMemory, addr: u64, access: Access) -> Option<u64> {
        let page = memory.page_of(addr)?;
        if addr % PAGE_BYTES + access.width.bytes() > PAGE_BYTES {
            return None;
        }
        self.tlb.fill(0, addr, memory, page, (true, true, true));
        let raw = self.tlb.load(memory, 0, tlb::Kind::Read, addr, access.width)?;
        Some(access.extend(raw))
    }
    fn slow_store(&mut self, memory: &GuestMemory, addr: u64, access: Access, value: u64) -> bool {
        let Some(page) = memory.page_of(addr) else { return false };
        if addr % PAGE_BYTES + access.width.bytes() > PAGE_BYTES || !memory.make_writable(page) {
            return false;
        }
        self.tlb.fill(0, addr, memory, page, (true, true, true));
        self.tlb.store(memory, 0, addr, access.width, access.swapped(value))
    }
    fn call(&mut self, _: u32, _: [u64; 3]) -> u64 {
        unreachable!("no instruction calls")
    }
    fn protection_generation(&self) -> u64 {
        0
    }
    fn synchronize(&mut self, memory: &GuestMemory) -> Option<SliceEnd> {
        if self.seen_changes != memory.change_count() {
            self.seen_changes = memory.change_count();
            self.tlb.flush();
        }
        None
    }
    fn count(&mut self, steps: u64) {
        self.steps += steps;
    }
    fn begin(&mut self, _: u64, _: &mut Surroundings<'_>) -> Slice {
        Slice { steps: 0, end: SliceEnd::Budget }
    }
    fn took_nothing(&mut self) {}

    fn breakpoints(&self) -> &Breakpoints {
        &self.breakpoints
    }
    fn executed(&mut self) -> &mut ExecutedPages {
        &mut self.executed
    }
    fn interpret(&mut self, budget: u64, around: &mut Surroundings<'_>) -> Slice {
        self.interpret_until(budget, around, |_| false)
    }
    fn interpret_until(
        &mut self,
        budget: u64,
        around: &mut Surroundings<'_>,
        mut watch: impl FnMut(u64) -> bool,
    ) -> Slice {
        let mut steps = 0;
        while steps < budget {
            let branched = self.step(around.memory);
            steps += 1;
            if branched && watch(self.pc) {
                break;
            }
        }
        Slice { steps, end: SliceEnd::Budget }
    }
}

const BASE: u64 = 0x1_0000;
const DATA: u64 = 0x2000;

/// Loads and stores of every width and sign in a loop that ends never.
fn program() -> Vec<u8> {
    let mut code = Vec::new();
    let mut put =
        |operation, a, b, number: i8| code.extend([operation, a, b, number.cast_unsigned()]);
    for width in 0..4 {
        put(LOAD + width, 2, 1, 8 * width.cast_signed());
        put(LOAD + 4 + width, 3, 1, 8 * width.cast_signed() + 1);
        put(MIX, 4, 2, 0);
        put(MIX, 4, 3, 0);
        put(STORE + width, 4, 1, 40 - 7 * width.cast_signed());
        put(MIX, 5, 4, 0);
        put(ADD, 5, 5, -3);
    }
    // x6 counts; x7 is out of its reach.
    put(ADD, 6, 6, 1);
    put(UNLESS_EQUAL, 6, 7, -29);
    code
}

fn memory() -> GuestMemory {
    let memory = GuestMemory::at(BASE, 0x4000).expect("four pages");
    memory.write(BASE, &program()).expect("it fits");
    let data: Vec<u8> = (0..64_u8).map(|byte| byte.wrapping_mul(91) ^ 0xa5).collect();
    memory.write(BASE + DATA, &data).expect("it fits");
    memory
}

#[test]
fn a_big_endian_architecture_runs_alike_on_both_engines() {
    let (one, other) = (memory(), memory());
    let (mut interpreted, mut translated) = (Toy::new(), Toy::new());
    let config =
        EngineConfig { threshold: 1, compilation: Compilation::AtOnce, ..EngineConfig::default() };
    let mut engine = Engine::<Toy>::new(config).expect("this host can be translated for");
    let clock = Clock::new(1000);
    for budget in (1..60).chain([997, 10_000]) {
        let mut bus = EmptyBus;
        let mut around = Surroundings { memory: &one, bus: &mut bus, clock: &clock };
        interpreted.interpret(budget, &mut around);
        let mut around = Surroundings { memory: &other, bus: &mut bus, clock: &clock };
        let slice = engine.run(&mut translated, budget, &mut around);
        assert_eq!(slice, Slice { steps: budget, end: SliceEnd::Budget });
        assert_eq!(translated.pc, interpreted.pc, "after {budget} more");
        assert_eq!(translated.registers, interpreted.registers, "after {budget} more");
        assert_eq!(translated.steps, interpreted.steps);
        for addr in (BASE + DATA..BASE + DATA + 64).step_by(8) {
            assert_eq!(other.read_u64(addr), one.read_u64(addr), "{addr:#x} after {budget} more");
        }
    }
    let stats = engine.stats();
    assert!(stats.translated_steps > 10_000, "{stats}");
}
