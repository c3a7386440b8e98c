//! Writes that move a timer or a line of a device.

use emulator::isa::riscv::csr::number as n;

use super::{
    super::code::{Change, Code, WFI},
    cases::{Case, Later, Never, Now, case},
    *,
};

/// The supervisor's timer interrupts when it is due.
fn enabled(c: &mut Code) {
    sstc(c);
    csr(c, Change::Set, n::MIE, STI);
    csr(c, Change::Set, n::MSTATUS, SIE);
}

pub(super) const TIMERS: &[Case] = &[
    case(
        "stimecmp to the past",
        S,
        enabled,
        |c| {
            c.li(6, 0);
        },
        |c| change(c, Change::Write, n::STIMECMP),
        Now(5),
    ),
    case(
        "stimecmp to what comes",
        S,
        enabled,
        |c| soon(c, 3),
        |c| change(c, Change::Write, n::STIMECMP),
        Later(5),
    ),
    case(
        "stimecmp away",
        S,
        enabled,
        |c| {
            soon(c, 2);
            change(c, Change::Write, n::STIMECMP);
            soon(c, 9);
        },
        |c| change(c, Change::Write, n::STIMECMP),
        Later(5),
    ),
    case(
        "sie.STIE before it comes",
        S,
        |c| {
            sstc(c);
            csr(c, Change::Set, n::MSTATUS, SIE);
        },
        |c| {
            soon(c, 4);
            change(c, Change::Write, n::STIMECMP);
            c.li(6, STI);
        },
        |c| change(c, Change::Set, n::SIE),
        Later(5),
    ),
    case(
        "mie.STIE before it comes",
        M,
        |c| csr(c, Change::Set, n::MENVCFG, STCE),
        |c| {
            enable_machine(c);
            soon(c, 4);
            change(c, Change::Write, n::STIMECMP);
            c.li(6, STI);
        },
        |c| change(c, Change::Set, n::MIE),
        Later(5),
    ),
    case(
        "menvcfg.STCE behind its time",
        M,
        |c| csr(c, Change::Set, n::MIE, STI),
        |c| {
            enable_machine(c);
            csr(c, Change::Write, n::STIMECMP, 0);
            c.li(6, STCE);
        },
        |c| change(c, Change::Set, n::MENVCFG),
        Now(5),
    ),
    case(
        "menvcfg.STCE before its time",
        M,
        |c| csr(c, Change::Set, n::MIE, STI),
        |c| {
            enable_machine(c);
            soon(c, 4);
            change(c, Change::Write, n::STIMECMP);
            c.li(6, STCE);
        },
        |c| change(c, Change::Set, n::MENVCFG),
        Later(5),
    ),
    case(
        "wfi until stimecmp",
        S,
        enabled,
        |c| {
            soon(c, 50);
            change(c, Change::Write, n::STIMECMP);
        },
        |c| {
            c.word(WFI);
        },
        Now(5),
    ),
    case(
        "mtimecmp to the past",
        M,
        machine_timer,
        |c| ready(c, MTIMECMP, 0),
        |c| {
            c.store(8, 6);
        },
        Now(7),
    ),
    case(
        "mtimecmp to what comes",
        M,
        machine_timer,
        |c| {
            soon(c, 3);
            c.addi(10, 6, 0).li(5, MTIMECMP);
        },
        |c| {
            c.store(8, 10);
        },
        Later(7),
    ),
    case(
        "mie.MTIE before it comes",
        M,
        enable_machine,
        |c| {
            soon(c, 4);
            c.addi(10, 6, 0).li(5, MTIMECMP).store(8, 10).li(6, MTI);
        },
        |c| change(c, Change::Set, n::MIE),
        Later(7),
    ),
    case(
        "msip",
        M,
        |c| csr(c, Change::Set, n::MIE, MSI),
        |c| {
            enable_machine(c);
            ready(c, CLINT, 1);
        },
        |c| {
            c.store(4, 6);
        },
        Now(3),
    ),
    case(
        "mtime ahead of mtimecmp",
        M,
        |c| {
            c.store_at(MTIMECMP, 8, 1 << 20);
        },
        |c| {
            machine_timer(c);
            ready(c, MTIME, 1 << 21);
        },
        |c| {
            c.store(8, 6);
        },
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
        |c| {
            enable_machine(c);
            ready(c, MTIME, (1 << 20) - 3);
        },
        |c| {
            c.store(8, 6);
        },
        Later(5),
    ),
    case(
        "mtime back",
        M,
        |c| {
            c.store_at(MTIMECMP, 8, 12);
        },
        |c| {
            machine_timer(c);
            ready(c, MTIME, 0);
        },
        |c| {
            c.store(8, 6);
        },
        Later(7),
    ),
];

/// The port's interrupt is in service; nothing is enabled in the hart.
fn served(c: &mut Code) {
    plic(c, "");
    csr(c, Change::Clear, n::MIE, MEI | SEI);
    c.li(5, CLAIM[0]).load(4, 10);
}

pub(super) const CONTROLLERS: &[Case] = &[
    case(
        "the port's enable",
        M,
        |c| plic(c, "port"),
        |c| {
            enable_machine(c);
            ready(c, IER, 2);
        },
        |c| {
            c.store(1, 6);
        },
        Now(11),
    ),
    case(
        "a priority",
        M,
        |c| plic(c, "priority"),
        |c| {
            enable_machine(c);
            ready(c, PRIORITY, 1);
        },
        |c| {
            c.store(4, 6);
        },
        Now(11),
    ),
    case(
        "an enable",
        M,
        |c| plic(c, "enable"),
        |c| {
            enable_machine(c);
            ready(c, ENABLE[0], 1 << UART_SOURCE);
        },
        |c| {
            c.store(4, 6);
        },
        Now(11),
    ),
    case(
        "a threshold",
        M,
        |c| plic(c, "threshold"),
        |c| {
            enable_machine(c);
            ready(c, THRESHOLD[0], 0);
        },
        |c| {
            c.store(4, 6);
        },
        Now(11),
    ),
    case(
        "an enable for S",
        S,
        |c| {
            plic(c, "enable");
            csr(c, Change::Set, n::MSTATUS, SIE);
        },
        |c| ready(c, ENABLE[1], 1 << UART_SOURCE),
        |c| {
            c.store(4, 6);
        },
        Now(9),
    ),
    case(
        "a claim",
        M,
        |c| plic(c, ""),
        |c| {
            c.li(5, CLAIM[0]);
        },
        |c| {
            c.load(4, 10);
        },
        Never,
    ),
    case(
        "a completion",
        M,
        served,
        |c| {
            csr(c, Change::Set, n::MIE, MEI);
            enable_machine(c);
            ready(c, CLAIM[0], u64::from(UART_SOURCE));
        },
        |c| {
            c.store(4, 6);
        },
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
            ready(c, UART, 0x21);
        },
        |c| {
            c.store(1, 6);
        },
        Now(11),
    ),
    case(
        "the clock's alarm in the past",
        M,
        |c| {
            plic(c, "");
            c.store_at(IER, 1, 0).store_at(ENABLE[0], 4, 1 << 11).store_at(PLIC + 4 * 11, 4, 1);
            c.store_at(RTC + 0x10, 4, 1).store_at(RTC + 0xc, 4, 0);
        },
        |c| {
            enable_machine(c);
            ready(c, RTC + 8, 0);
        },
        |c| {
            c.store(4, 6);
        },
        Now(11),
    ),
    case(
        "the clock's alarm to come",
        M,
        |c| {
            plic(c, "");
            c.store_at(IER, 1, 0).store_at(ENABLE[0], 4, 1 << 11).store_at(PLIC + 4 * 11, 4, 1);
            c.store_at(RTC + 0x10, 4, 1).store_at(RTC + 0xc, 4, 0);
        },
        |c| {
            enable_machine(c);
            ready(c, RTC + 8, 1_500);
        },
        |c| {
            c.store(4, 6);
        },
        Later(11),
    ),
];
