//! The hart as the machine and a debugger see it.

use std::collections::BTreeSet;

use vmstate::Instance;

use super::csr::{self, number};
use super::disassemble::disassemble;
use super::hart::{Configuration, Hart};
use super::state::{Privilege, State, status};
use crate::{
    clock::Clock,
    memory::GuestMemory,
    vcpu::{
        Architecture, Disassembly, Feature, Inspect, Register, RegisterKind, Slice, SliceEnd,
        Surroundings, Traps, Vcpu,
    },
};

impl Vcpu for Hart {
    fn run(&mut self, budget: u64, around: &mut Surroundings<'_>) -> Slice {
        self.begin_slice();
        if budget == 0 {
            return Slice { steps: 0, end: SliceEnd::Budget };
        }
        if self.sample_interrupts(around.clock).is_none() {
            return Slice { steps: 0, end: SliceEnd::Idle };
        }
        let sampled = self.slice_steps();
        let slice = self.interpret(budget - sampled, around);
        let steps = slice.steps + sampled;
        if steps == 0 {
            self.took_nothing();
        }
        Slice { steps, end: slice.end }
    }

    fn set_line(&mut self, line: u32, level: bool) {
        let bit = 1 << (line & 63);
        if level {
            self.state.lines |= bit;
        } else {
            self.state.lines &= !bit;
        }
    }

    fn lose_reservation(&mut self) {
        self.state.lose_reservation();
    }

    fn deadline_ns(&self, clock: &Clock) -> Option<u64> {
        self.timer_ns(clock)
    }

    fn is_idle(&self, clock: &Clock) -> bool {
        self.is_waiting(clock)
    }

    fn reset(&mut self) {
        self.reset_state();
    }

    fn instance(&self) -> &dyn Instance {
        self
    }

    fn instance_mut(&mut self) -> &mut dyn Instance {
        self
    }

    fn transcript(&self) -> u64 {
        self.state.trap_hash
    }

    fn inspect(&self) -> &dyn Inspect {
        self
    }

    fn inspect_mut(&mut self) -> &mut dyn Inspect {
        self
    }
}

const fn integer(name: &'static str) -> Register {
    Register { name, bits: 64, kind: RegisterKind::Integer }
}

const fn pointer(name: &'static str) -> Register {
    Register { name, bits: 64, kind: RegisterKind::DataPointer }
}

const fn code(name: &'static str) -> Register {
    Register { name, bits: 64, kind: RegisterKind::CodePointer }
}

/// Integer registers and the program counter, as GDB orders them.
const GENERAL: [Register; 33] = [
    integer("zero"),
    code("ra"),
    pointer("sp"),
    pointer("gp"),
    pointer("tp"),
    integer("t0"),
    integer("t1"),
    integer("t2"),
    pointer("fp"),
    integer("s1"),
    integer("a0"),
    integer("a1"),
    integer("a2"),
    integer("a3"),
    integer("a4"),
    integer("a5"),
    integer("a6"),
    integer("a7"),
    integer("s2"),
    integer("s3"),
    integer("s4"),
    integer("s5"),
    integer("s6"),
    integer("s7"),
    integer("s8"),
    integer("s9"),
    integer("s10"),
    integer("s11"),
    integer("t3"),
    integer("t4"),
    integer("t5"),
    integer("t6"),
    code("pc"),
];

/// Number of `pc`.
const PC: usize = 32;
/// Number of the first floating-point register.
const FLOATS: usize = 33;
/// Number of the first control register.
const CONTROL: usize = FLOATS + FLOAT_NAMES.len();

const FLOAT_NAMES: [&str; 32] = [
    "ft0", "ft1", "ft2", "ft3", "ft4", "ft5", "ft6", "ft7", "fs0", "fs1", "fa0", "fa1", "fa2",
    "fa3", "fa4", "fa5", "fa6", "fa7", "fs2", "fs3", "fs4", "fs5", "fs6", "fs7", "fs8", "fs9",
    "fs10", "fs11", "ft8", "ft9", "ft10", "ft11",
];

const FLOAT: [Register; 32] = {
    let mut registers = [integer(""); 32];
    let mut number = 0;
    while number < 32 {
        let name = FLOAT_NAMES[number];
        registers[number] = Register { name, bits: 64, kind: RegisterKind::Float };
        number += 1;
    }
    registers
};

/// Control registers by name and number, in GDB's feature for them.
const CONTROL_NUMBERS: [(&str, u16); 31] = [
    ("fflags", number::FFLAGS),
    ("frm", number::FRM),
    ("fcsr", number::FCSR),
    ("sstatus", number::SSTATUS),
    ("sie", number::SIE),
    ("stvec", number::STVEC),
    ("scounteren", number::SCOUNTEREN),
    ("sscratch", number::SSCRATCH),
    ("sepc", number::SEPC),
    ("scause", number::SCAUSE),
    ("stval", number::STVAL),
    ("sip", number::SIP),
    ("satp", number::SATP),
    ("mstatus", number::MSTATUS),
    ("misa", number::MISA),
    ("medeleg", number::MEDELEG),
    ("mideleg", number::MIDELEG),
    ("mie", number::MIE),
    ("mtvec", number::MTVEC),
    ("mcounteren", number::MCOUNTEREN),
    ("menvcfg", number::MENVCFG),
    ("mcountinhibit", number::MCOUNTINHIBIT),
    ("mscratch", number::MSCRATCH),
    ("mepc", number::MEPC),
    ("mcause", number::MCAUSE),
    ("mtval", number::MTVAL),
    ("mip", number::MIP),
    ("mcycle", number::MCYCLE),
    ("minstret", number::MINSTRET),
    ("time", number::TIME),
    ("mhartid", number::MHARTID),
];

const CONTROL_REGISTERS: [Register; CONTROL_NUMBERS.len()] = {
    let mut registers = [integer(""); CONTROL_NUMBERS.len()];
    let mut index = 0;
    while index < registers.len() {
        registers[index] = integer(CONTROL_NUMBERS[index].0);
        index += 1;
    }
    registers
};

/// Number of the privilege, which GDB keeps in a feature of its own.
const PRIVILEGE: usize = CONTROL + CONTROL_NUMBERS.len();

static ARCHITECTURE: Architecture = Architecture {
    gdb_name: "riscv:rv64",
    gdb_steps_past_watched: true,
    features: &[
        Feature { name: "org.gnu.gdb.riscv.cpu", registers: &GENERAL },
        Feature { name: "org.gnu.gdb.riscv.fpu", registers: &FLOAT },
        Feature { name: "org.gnu.gdb.riscv.csr", registers: &CONTROL_REGISTERS },
        Feature { name: "org.gnu.gdb.riscv.virtual", registers: &[integer("priv")] },
    ],
    pc: PC,
    sp: 2,
    little_endian: true,
};

impl Hart {
    /// What the control registers depend on, with every right.
    fn debugger_context(&self, clock: &Clock) -> csr::Context {
        let Configuration { features, hart, tick_ns, .. } = *self.configuration();
        csr::Context { features, hart, time: clock.ticks(tick_ns) }
    }

    /// The state as machine mode with floating point on would see it.
    fn with_all_rights(&self) -> State {
        let mut state = self.state.clone();
        state.privilege = Privilege::Machine as u8;
        state
    }
}

impl Inspect for Hart {
    fn architecture(&self) -> &'static Architecture {
        &ARCHITECTURE
    }

    fn read_register(&self, number: usize, clock: &Clock) -> Option<u128> {
        let value = match number {
            0..PC => self.state.x[number],
            PC => self.state.pc,
            FLOATS..CONTROL => self.state.f[number - FLOATS],
            CONTROL..PRIVILEGE => match CONTROL_NUMBERS[number - CONTROL].1 {
                number::FFLAGS => u64::from(self.state.fflags),
                number::FRM => u64::from(self.state.frm),
                number::FCSR => u64::from(self.state.frm) << 5 | u64::from(self.state.fflags),
                register => {
                    let context = self.debugger_context(clock);
                    csr::read(&self.with_all_rights(), &context, register, false).ok()?
                }
            },
            PRIVILEGE => u64::from(self.state.privilege),
            _ => return None,
        };
        Some(u128::from(value))
    }

    fn write_register(&mut self, number: usize, value: u128, clock: &Clock) -> bool {
        let value = value as u64;
        match number {
            1..PC => self.state.x[number] = value,
            PC => self.state.pc = value & !1,
            FLOATS..CONTROL => self.state.f[number - FLOATS] = value,
            CONTROL..PRIVILEGE => {
                let register = CONTROL_NUMBERS[number - CONTROL].1;
                let context = self.debugger_context(clock);
                // Those of floating point are there for a debugger when they are off for the guest.
                let is_float = matches!(register, number::FFLAGS..=number::FCSR);
                let rights = self.with_all_rights();
                if !is_float && csr::read(&rights, &context, register, true).is_err() {
                    return false;
                }
                let floats_are_off = self.state.mstatus & status::FS == 0;
                let before = (self.state.mcycle, self.state.minstret);
                csr::write(&mut self.state, &context, register, value);
                if is_float && floats_are_off {
                    self.state.mstatus &= !status::FS;
                }
                match register {
                    number::MCYCLE => self.state.mcycle = value,
                    number::MINSTRET => self.state.minstret = value,
                    _ => (self.state.mcycle, self.state.minstret) = before,
                }
                self.state_replaced();
            }
            _ => return false,
        }
        true
    }

    fn pc(&self) -> u64 {
        self.state.pc
    }

    fn mode(&self) -> &'static str {
        match Privilege::from_bits(u64::from(self.state.privilege)) {
            Privilege::User => "user",
            Privilege::Supervisor => "supervisor",
            Privilege::Machine => "machine",
        }
    }

    fn traps(&self) -> Traps {
        self.traps
    }

    fn translate(&self, memory: &GuestMemory, addr: u64) -> Option<u64> {
        self.translate_for_debugger(memory, addr)
    }

    fn set_breakpoints(&mut self, addrs: &BTreeSet<u64>) {
        self.breakpoints.set(addrs);
    }

    fn heed_breakpoints(&mut self, heeded: bool) {
        self.breakpoints.heed(heeded);
    }

    fn note_executed(&mut self, on: bool) {
        self.executed.set(on);
    }

    fn executed_pages(&self) -> Option<&BTreeSet<u64>> {
        self.executed.pages()
    }

    fn disassemble(&self, bytes: &[u8], addr: u64) -> Option<Disassembly> {
        let (text, bytes) = disassemble(bytes, self.configuration().features, addr)?;
        Some(Disassembly { text, bytes })
    }
}
