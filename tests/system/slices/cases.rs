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
    /// One instruction.
    write: fn(&mut Code),
    expected: Expected,
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
    write: fn(&mut Code),
    expected: Expected,
) -> Case {
    Case { name, mode, before, within, write, expected }
}

/// Cases by where the interrupt comes from.
const REGISTERS: &[Case] = &[
    case(
        "mie",
        M,
        due,
        |c| {
            enable_machine(c);
            c.li(6, MTI);
        },
        |c| change(c, Change::Set, n::MIE),
        Now(7),
    ),
    case(
        "mip.SSIP",
        M,
        |c| csr(c, Change::Set, n::MIE, SSI),
        |c| {
            enable_machine(c);
            c.li(6, SSI);
        },
        |c| change(c, Change::Set, n::MIP),
        Now(1),
    ),
    case(
        "mip.STIP",
        M,
        |c| csr(c, Change::Set, n::MIE, STI),
        |c| {
            enable_machine(c);
            c.li(6, STI);
        },
        |c| change(c, Change::Set, n::MIP),
        Now(5),
    ),
    case(
        "mip.SEIP",
        M,
        |c| csr(c, Change::Set, n::MIE, SEI),
        |c| {
            enable_machine(c);
            c.li(6, SEI);
        },
        |c| change(c, Change::Write, n::MIP),
        Now(9),
    ),
    case(
        "mideleg",
        M,
        |c| {
            for register in [n::MIDELEG, n::MIE, n::MIP] {
                csr(c, Change::Set, register, SSI);
            }
        },
        |c| {
            enable_machine(c);
            c.li(6, SSI);
        },
        |c| change(c, Change::Clear, n::MIDELEG),
        Now(1),
    ),
    case(
        "mstatus.MIE",
        M,
        due,
        |c| {
            csr(c, Change::Set, n::MIE, MTI);
            c.li(6, MIE);
        },
        |c| change(c, Change::Set, n::MSTATUS),
        Now(7),
    ),
    case(
        "mret to M",
        M,
        due,
        |c| {
            csr(c, Change::Set, n::MIE, MTI);
            csr(c, Change::Set, n::MSTATUS, MPIE | MPP);
            c.address(6, 16).csr(Change::Write, n::MEPC, 6);
        },
        |c| {
            c.word(MRET);
        },
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
            c.address(6, 16).csr(Change::Write, n::MEPC, 6);
        },
        |c| {
            c.word(MRET);
        },
        Now(7),
    ),
    case(
        "sret to U",
        S,
        |c| {
            for register in [n::MIDELEG, n::MIE, n::MIP] {
                csr(c, Change::Set, register, SSI);
            }
        },
        |c| {
            c.address(6, 16).csr(Change::Write, n::SEPC, 6);
        },
        |c| {
            c.word(SRET);
        },
        Now(1),
    ),
    case(
        "sret to S",
        S,
        |c| {
            for register in [n::MIDELEG, n::MIE, n::MIP] {
                csr(c, Change::Set, register, SSI);
            }
            csr(c, Change::Set, n::MSTATUS, SPIE | 1 << 8);
        },
        |c| {
            c.address(6, 16).csr(Change::Write, n::SEPC, 6);
        },
        |c| {
            c.word(SRET);
        },
        Now(1),
    ),
    case(
        "sstatus.SIE",
        S,
        |c| {
            for register in [n::MIDELEG, n::MIE, n::MIP] {
                csr(c, Change::Set, register, SSI);
            }
        },
        |c| {
            c.li(6, SIE);
        },
        |c| change(c, Change::Set, n::SSTATUS),
        Now(1),
    ),
    case(
        "sie",
        S,
        |c| {
            for register in [n::MIDELEG, n::MIP] {
                csr(c, Change::Set, register, SSI);
            }
            csr(c, Change::Set, n::MSTATUS, SIE);
        },
        |c| {
            c.li(6, SSI);
        },
        |c| change(c, Change::Write, n::SIE),
        Now(1),
    ),
    case(
        "sip.SSIP",
        S,
        |c| {
            for register in [n::MIDELEG, n::MIE] {
                csr(c, Change::Set, register, SSI);
            }
            csr(c, Change::Set, n::MSTATUS, SIE);
        },
        |c| {
            c.li(6, SSI);
        },
        |c| change(c, Change::Set, n::SIP),
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
    (case.write)(&mut code);
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
