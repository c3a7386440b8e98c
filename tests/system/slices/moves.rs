//! Writes that move a timer or a line of a device.

use emulator::isa::riscv::csr::number as n;

use super::{
    super::code::{Change, Code, WFI},
    cases::{Case, Device, Later, Never, Now, Register, Soon, Word, Write, case, nothing},
    *,
};

/// The supervisor's timer interrupts when it is due.
fn enabled(c: &mut Code) {
    sstc(c);
    csr(c, Change::Set, n::MIE, STI);
    csr(c, Change::Set, n::MSTATUS, SIE);
}

/// `stimecmp`, so many ticks from now.
fn compare_soon(c: &mut Code, ticks: i64) {
    soon(c, ticks);
    change(c, Change::Write, n::STIMECMP);
}

/// `mtimecmp` is x10, so many ticks from now, and x5 its address.
fn machine_soon(c: &mut Code, ticks: i64) {
    soon(c, ticks);
    c.addi(10, 6, 0).li(5, MTIMECMP);
}

pub(super) const TIMERS: &[Case] = &[
    case(
        "stimecmp to the past",
        S,
        enabled,
        nothing,
        Register(Change::Write, n::STIMECMP, 0),
        Now(5),
    ),
    case("stimecmp to what comes", S, enabled, nothing, Soon(3), Later(5)),
    case("stimecmp away", S, enabled, |c| compare_soon(c, 2), Soon(9), Later(5)),
    case(
        "sie.STIE before it comes",
        S,
        |c| {
            sstc(c);
            csr(c, Change::Set, n::MSTATUS, SIE);
        },
        |c| compare_soon(c, 4),
        Register(Change::Set, n::SIE, STI),
        Later(5),
    ),
    case(
        "mie.STIE before it comes",
        M,
        |c| csr(c, Change::Set, n::MENVCFG, STCE),
        |c| {
            enable_machine(c);
            compare_soon(c, 4);
        },
        Register(Change::Set, n::MIE, STI),
        Later(5),
    ),
    case(
        "menvcfg.STCE behind its time",
        M,
        |c| csr(c, Change::Set, n::MIE, STI),
        |c| {
            enable_machine(c);
            csr(c, Change::Write, n::STIMECMP, 0);
        },
        Register(Change::Set, n::MENVCFG, STCE),
        Now(5),
    ),
    case(
        "menvcfg.STCE before its time",
        M,
        |c| csr(c, Change::Set, n::MIE, STI),
        |c| {
            enable_machine(c);
            compare_soon(c, 4);
        },
        Register(Change::Set, n::MENVCFG, STCE),
        Later(5),
    ),
    case("wfi until stimecmp", S, enabled, |c| compare_soon(c, 50), Word(WFI), Now(5)),
    case("mtimecmp to the past", M, machine_timer, nothing, Device(8, MTIMECMP, 0), Now(7)),
    case(
        "mtimecmp to what comes",
        M,
        machine_timer,
        |c| machine_soon(c, 3),
        Write::Code(|c| {
            c.store(8, 10);
        }),
        Later(7),
    ),
    case(
        "mie.MTIE before it comes",
        M,
        enable_machine,
        |c| {
            machine_soon(c, 4);
            c.store(8, 10);
        },
        Register(Change::Set, n::MIE, MTI),
        Later(7),
    ),
    case(
        "msip",
        M,
        |c| csr(c, Change::Set, n::MIE, MSI),
        enable_machine,
        Device(4, CLINT, 1),
        Now(3),
    ),
    case(
        "mtime ahead of mtimecmp",
        M,
        |c| {
            c.store_at(MTIMECMP, 8, 1 << 20);
        },
        machine_timer,
        Device(8, MTIME, 1 << 21),
        Now(7),
    ),
    case(
        "mtime close to stimecmp",
        M,
        |c| {
            csr(c, Change::Set, n::MENVCFG, STCE);
            csr(c, Change::Set, n::MIE, STI);
            csr(c, Change::Write, n::STIMECMP, 1 << 20);
        },
        enable_machine,
        Device(8, MTIME, (1 << 20) - 3),
        Later(5),
    ),
    case(
        "mtime back",
        M,
        |c| {
            c.store_at(MTIMECMP, 8, 12);
        },
        machine_timer,
        Device(8, MTIME, 0),
        Later(7),
    ),
];

/// The port's interrupt is in service; nothing is enabled in the hart.
fn served(c: &mut Code) {
    plic(c, "");
    csr(c, Change::Clear, n::MIE, MEI | SEI);
    c.li(5, CLAIM[0]).load(4, 10);
}

/// The clock's interrupt alone reaches M; its alarm wants only its low half.
fn alarm(c: &mut Code) {
    plic(c, "");
    c.store_at(IER, 1, 0).store_at(ENABLE[0], 4, 1 << 11).store_at(PLIC + 4 * 11, 4, 1);
    c.store_at(RTC + 0x10, 4, 1).store_at(RTC + 0xc, 4, 0);
}

pub(super) const CONTROLLERS: &[Case] = &[
    case("the port's enable", M, |c| plic(c, "port"), enable_machine, Device(1, IER, 2), Now(11)),
    case("a priority", M, |c| plic(c, "priority"), enable_machine, Device(4, PRIORITY, 1), Now(11)),
    case(
        "an enable",
        M,
        |c| plic(c, "enable"),
        enable_machine,
        Device(4, ENABLE[0], 1 << UART_SOURCE),
        Now(11),
    ),
    case(
        "a threshold",
        M,
        |c| plic(c, "threshold"),
        enable_machine,
        Device(4, THRESHOLD[0], 0),
        Now(11),
    ),
    case(
        "an enable for S",
        S,
        |c| {
            plic(c, "enable");
            csr(c, Change::Set, n::MSTATUS, SIE);
        },
        nothing,
        Device(4, ENABLE[1], 1 << UART_SOURCE),
        Now(9),
    ),
    case(
        "a claim",
        M,
        |c| plic(c, ""),
        |c| {
            c.li(5, CLAIM[0]);
        },
        Write::Code(|c| {
            c.load(4, 10);
        }),
        Never,
    ),
    case(
        "a completion",
        M,
        served,
        |c| {
            csr(c, Change::Set, n::MIE, MEI);
            enable_machine(c);
        },
        Device(4, CLAIM[0], UART_SOURCE as u64),
        Now(11),
    ),
    case(
        "a byte sent",
        M,
        |c| {
            plic(c, "");
            csr(c, Change::Clear, n::MIE, SEI);
        },
        |c| {
            // Looking why it interrupts acknowledges it, a byte raises it again.
            c.li(5, UART + 2).load(1, 10);
            c.li(5, CLAIM[0]).load(4, 10).store(4, 10);
            enable_machine(c);
        },
        Device(1, UART, 0x21),
        Now(11),
    ),
    case("the clock's alarm in the past", M, alarm, enable_machine, Device(4, RTC + 8, 0), Now(11)),
    case(
        "the clock's alarm to come",
        M,
        alarm,
        enable_machine,
        Device(4, RTC + 8, 1_500),
        Later(11),
    ),
];
