//! Writes that let an interrupt through, one at a time, and how each is shown to matter at once.

use emulator::{isa::riscv::csr::number as n, machine::Machine};

use super::{
    super::code::{Change, Code, MRET, RAM, SRET},
    *,
};

/// A write that should matter at once.
pub(super) struct Case {
    name: &'static str,
    /// The mode that it is done in, as `mstatus.MPP` encodes it.
    mode: u64,
    /// What comes before, in M and then in the mode.
    before: fn(&mut Code),
    within: fn(&mut Code),
    write: Write,
    expected: Expected,
}

/// The write: its last instruction is what counts.
pub(super) enum Write {
    /// A control register, changed by a constant.
    Register(Change, u16, u64),
    /// `stimecmp`, so many ticks from now.
    Soon(i64),
    /// So many bytes of a device: the address, and what is written there.
    Device(u32, u64, u64),
    /// An instruction without operands.
    Word(u32),
    /// Any other.
    Code(fn(&mut Code)),
}
pub(super) use Write::{Device, Register, Soon, Word};

impl Write {
    fn emit(&self, code: &mut Code) {
        match *self {
            Self::Register(change, number, value) => csr(code, change, number, value),
            Self::Soon(ticks) => {
                soon(code, ticks);
                change(code, Change::Write, n::STIMECMP);
            }
            Self::Device(bytes, addr, value) => {
                code.store_at(addr, bytes, value);
            }
            Self::Word(word) => {
                code.word(word);
            }
            Self::Code(emit) => emit(code),
        }
    }
}

/// What follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// This interrupt, in front of the next instruction.
    Now(u64),
    /// This one, later.
    Later(u64),
    /// None.
    Never,
}
pub(super) use Expected::{Later, Never, Now};

pub(super) const fn case(
    name: &'static str,
    mode: u64,
    before: fn(&mut Code),
    within: fn(&mut Code),
    write: Write,
    expected: Expected,
) -> Case {
    Case { name, mode, before, within, write, expected }
}

/// Nothing comes before.
pub(super) fn nothing(_: &mut Code) {}

/// S's software interrupt, set in `registers`.
fn software(c: &mut Code, registers: &[u16]) {
    registers.iter().for_each(|register| csr(c, Change::Set, *register, SSI));
}

/// S's software interrupt is its own, enabled and pending: only its mode or `sstatus.SIE` holds it.
fn software_due(c: &mut Code) {
    software(c, &[n::MIDELEG, n::MIE, n::MIP]);
}

/// `xepc` leads behind the return that follows.
fn returns(c: &mut Code, epc: u16) {
    c.address(6, 16).csr(Change::Write, epc, 6);
}

/// Cases by where the interrupt comes from.
const REGISTERS: &[Case] = &[
    case("mie", M, due, enable_machine, Register(Change::Set, n::MIE, MTI), Now(7)),
    case(
        "mip.SSIP",
        M,
        |c| csr(c, Change::Set, n::MIE, SSI),
        enable_machine,
        Register(Change::Set, n::MIP, SSI),
        Now(1),
    ),
    case(
        "mip.STIP",
        M,
        |c| csr(c, Change::Set, n::MIE, STI),
        enable_machine,
        Register(Change::Set, n::MIP, STI),
        Now(5),
    ),
    case(
        "mip.SEIP",
        M,
        |c| csr(c, Change::Set, n::MIE, SEI),
        enable_machine,
        Register(Change::Write, n::MIP, SEI),
        Now(9),
    ),
    case(
        "mideleg",
        M,
        software_due,
        enable_machine,
        Register(Change::Clear, n::MIDELEG, SSI),
        Now(1),
    ),
    case(
        "mstatus.MIE",
        M,
        due,
        |c| csr(c, Change::Set, n::MIE, MTI),
        Register(Change::Set, n::MSTATUS, MIE),
        Now(7),
    ),
    case(
        "mret to M",
        M,
        due,
        |c| {
            csr(c, Change::Set, n::MIE, MTI);
            csr(c, Change::Set, n::MSTATUS, MPIE | MPP);
            returns(c, n::MEPC);
        },
        Word(MRET),
        Now(7),
    ),
    case(
        "mret to S",
        M,
        due,
        |c| {
            csr(c, Change::Set, n::MIE, MTI);
            csr(c, Change::Clear, n::MSTATUS, MPP);
            csr(c, Change::Set, n::MSTATUS, S << 11);
            returns(c, n::MEPC);
        },
        Word(MRET),
        Now(7),
    ),
    case("sret to U", S, software_due, |c| returns(c, n::SEPC), Word(SRET), Now(1)),
    case(
        "sret to S",
        S,
        |c| {
            software_due(c);
            csr(c, Change::Set, n::MSTATUS, SPIE | 1 << 8);
        },
        |c| returns(c, n::SEPC),
        Word(SRET),
        Now(1),
    ),
    case("sstatus.SIE", S, software_due, nothing, Register(Change::Set, n::SSTATUS, SIE), Now(1)),
    case(
        "sie",
        S,
        |c| {
            software(c, &[n::MIDELEG, n::MIP]);
            csr(c, Change::Set, n::MSTATUS, SIE);
        },
        nothing,
        Register(Change::Write, n::SIE, SSI),
        Now(1),
    ),
    case(
        "sip.SSIP",
        S,
        |c| {
            software(c, &[n::MIDELEG, n::MIE]);
            csr(c, Change::Set, n::MSTATUS, SIE);
        },
        nothing,
        Register(Change::Set, n::SIP, SSI),
        Now(1),
    ),
];

/// The guest of a case, and the address behind the write.
fn guest(case: &Case) -> (Vec<u8>, u64) {
    let mut code = Code::new();
    code.prologue();
    (case.before)(&mut code);
    if case.mode != M {
        code.enter(case.mode);
    }
    (case.within)(&mut code);
    case.write.emit(&mut code);
    let behind = RAM + code.here();
    code.turns(400).jump(0);
    // Where the trap came from and when, then nothing any more.
    let handler = |epc, cause| {
        move |code: &mut Code| {
            code.csr_read(20, epc).csr_read(21, cause).csr_read(22, n::CYCLE);
            code.csr_read(23, n::TIME).jump(0);
        }
    };
    let image = code.with_handlers(handler(n::MEPC, n::MCAUSE), handler(n::SEPC, n::SCAUSE));
    (image, behind)
}

fn register(machine: &Machine, number: usize) -> u64 {
    let value = machine.harts()[0].inspect().read_register(number, machine.clock());
    u64::try_from(value.expect("it has one")).expect("64 bits")
}

fn check_cases(cases: &[Case]) {
    for case in cases {
        let (image, behind) = guest(case);
        let machine = check(case.name, &image, 2_000, 1);
        let (epc, cause) = (register(&machine, 20), register(&machine, 21));
        match case.expected {
            Now(number) => {
                assert_eq!((cause, epc), (1 << 63 | number, behind), "{}: {cause:#x}", case.name);
            }
            Later(number) => {
                assert_eq!(cause, 1 << 63 | number, "{}: {cause:#x}", case.name);
                assert!(epc >= behind, "{}: {epc:#x}, not behind {behind:#x}", case.name);
            }
            Never => assert_eq!((cause, epc), (0, 0), "{}", case.name),
        }
    }
}

#[test]
fn a_register_that_lets_an_interrupt_through_ends_the_slice() {
    check_cases(REGISTERS);
}

#[test]
fn whatever_moves_a_timer_ends_the_slice() {
    check_cases(moves::TIMERS);
}

#[test]
fn whatever_moves_a_line_of_a_device_ends_the_slice() {
    check_cases(moves::CONTROLLERS);
}
