//! Where a run is cut into slices cannot be seen: whatever raises, enables or moves an interrupt or a
//! deadline takes effect with the next instruction, on both engines, in runs that are never cut and in
//! runs that are cut anywhere.
//!
//! The reference is the interpreter, asked for one step at a time: there every interrupt is looked for
//! between any two instructions. `SLICES_SEED=N` replays a random guest that failed.

mod cases;
mod moves;

use emulator::{
    clock::Position,
    door::{Door, PowerOn},
    isa::riscv::csr::number as n,
    machine::{
        Image, Machine, Stop,
        board::{Config, Engine},
    },
    translate::Compilation,
};
use machines::riscv64_virt::map::{CLINT, PLIC, RAM, ROM, RTC, UART, UART_SOURCE};
use vmstate::property::Random;

use super::{
    code::{self, Change, Code, ECALL, MRET, SRET, WFI, pick},
    digest::{differences, digest},
    guests::machine,
};

const MTIMECMP: u64 = CLINT + 0x4000;
const MTIME: u64 = CLINT + 0xbff8;
const PRIORITY: u64 = PLIC + 4 * UART_SOURCE as u64;
/// Of the hart's two contexts: M, then S.
const ENABLE: [u64; 2] = [PLIC + 0x2000, PLIC + 0x2080];
const THRESHOLD: [u64; 2] = [PLIC + 0x20_0000, PLIC + 0x20_1000];
const CLAIM: [u64; 2] = [PLIC + 0x20_0004, PLIC + 0x20_1004];
/// The serial port's interrupt enables; 2 is "the transmitter is empty", which it is.
const IER: u64 = UART + 1;

/// Bits of `mip`, `mie`.
const SSI: u64 = 1 << 1;
const MSI: u64 = 1 << 3;
const STI: u64 = 1 << 5;
const MTI: u64 = 1 << 7;
const SEI: u64 = 1 << 9;
const MEI: u64 = 1 << 11;
/// Bits of `mstatus`.
const SIE: u64 = 1 << 1;
const MIE: u64 = 1 << 3;
const SPIE: u64 = 1 << 5;
const MPIE: u64 = 1 << 7;
const MPP: u64 = 3 << 11;
/// `menvcfg.STCE`.
const STCE: u64 = 1 << 63;

/// Nobody outside.
struct Nobody;

impl Door for Nobody {
    fn power_on(&mut self) -> PowerOn {
        PowerOn::default()
    }
}

/// How a run is cut, in steps.
type Cut<'a> = &'a mut dyn FnMut() -> u64;

/// Runs `image` for `steps` on one engine.
fn run(image: &[u8], engine: Engine, steps: u64, cut: Cut<'_>) -> Machine {
    let rom = code::words(|code| code.li(5, RAM).jump_to(5));
    let mut machine = machine(&Config {
        memory_bytes: 16 << 20,
        engine,
        jit_threshold: Some(2),
        compilation: Compilation::AtOnce,
        cpu: Some("max".to_owned()),
        images: Some(vec![Image::new("rom", ROM, rom), Image::new("code", RAM, image)]),
        ..Config::default()
    });
    machine.power_on(&mut Nobody);
    while machine.position().steps < steps {
        let until = Position {
            steps: steps.min(machine.position().steps.saturating_add(cut().max(1))),
            ..Position::default()
        };
        match machine.run(&mut Nobody, until) {
            Stop::Until => {}
            // It waits for what will not come.
            Stop::Left => break,
            other => panic!("{other:?} at {:?}", machine.position()),
        }
    }
    machine
}

/// Runs `image` in every way and compares. Gives the machine that was never cut.
fn check(name: &str, image: &[u8], steps: u64, seed: u64) -> Machine {
    let reference = digest(&run(image, Engine::Interpreter, steps, &mut || 1));
    let mut random = Random::new(seed);
    let mut whole = None;
    for engine in [Engine::Interpreter, Engine::Jit] {
        let uncut = run(image, engine, steps, &mut || u64::MAX);
        let found = differences(&reference, &digest(&uncut));
        assert!(found.is_empty(), "{name}, {engine:?} uncut: {found:?}");
        whole = Some(uncut);
        for longest in [4, 50, 1_000] {
            let cut = &mut || 1 + random.below(longest);
            let found = differences(&reference, &digest(&run(image, engine, steps, cut)));
            assert!(found.is_empty(), "{name}, {engine:?} cut after up to {longest}: {found:?}");
        }
    }
    whole.expect("two engines ran")
}

const M: u64 = 3;
const S: u64 = 1;
/// The timer of M is pending.
fn due(code: &mut Code) {
    code.store_at(MTIMECMP, 8, 0);
}

fn csr(code: &mut Code, change: Change, csr: u16, value: u64) {
    code.csr_to(change, csr, value);
}

/// x6 (in guests) = `time` and so many ticks.
fn soon(code: &mut Code, ticks: i64) {
    let register = code.scratch[1];
    code.csr_read(register, n::TIME).addi(register, register, ticks);
}

/// The one instruction, with what is in that register.
fn change(code: &mut Code, change: Change, number: u16) {
    code.csr(change, number, code.scratch[1]);
}

/// The supervisor has a timer of its own, which is his.
fn sstc(code: &mut Code) {
    csr(code, Change::Set, n::MENVCFG, STCE);
    csr(code, Change::Set, n::MIDELEG, STI);
}

/// The serial port's interrupt reaches both contexts, but for what `without` names.
fn plic(code: &mut Code, without: &str) {
    for (name, addr, bytes, value) in [
        ("priority", PRIORITY, 4, 1),
        ("enable", ENABLE[0], 4, 1 << UART_SOURCE),
        ("enable", ENABLE[1], 4, 1 << UART_SOURCE),
        ("port", IER, 1, 2),
    ] {
        if name != without {
            code.store_at(addr, bytes, value);
        }
    }
    if without == "threshold" {
        code.store_at(THRESHOLD[0], 4, 1);
    }
    csr(code, Change::Set, n::MIE, MEI | SEI);
    csr(code, Change::Set, n::MIDELEG, SEI);
}

fn enable_machine(code: &mut Code) {
    csr(code, Change::Set, n::MSTATUS, MIE);
}

/// The timer of M interrupts when it is due.
fn machine_timer(code: &mut Code) {
    csr(code, Change::Set, n::MIE, MTI);
    enable_machine(code);
}

/// One act of a random guest, in whatever mode it happens to be.
fn act(random: &mut Random, code: &mut Code) {
    const MASKS: [u64; 8] = [SSI, STI, SEI, MSI, MTI, MEI, SSI | STI | SEI, MSI | MTI | MEI];
    let kind = pick(random, &[Change::Set, Change::Set, Change::Clear]);
    let ticks = random.below(8).cast_signed() - 1;
    match random.below(20) {
        0..3 => {
            code.turns(1 + random.below(60));
        }
        3 => {
            for _ in 0..random.below(20) {
                code.addi(10, 10, 1).word(0x00a5_c5b3);
            }
        }
        4 => {
            code.csr_to(kind, pick(random, &[n::MIE, n::SIE]), pick(random, &MASKS));
        }
        5 => {
            code.csr_to(kind, pick(random, &[n::MIP, n::SIP]), pick(random, &MASKS));
        }
        6 => {
            let bits = pick(random, &[MIE, SIE, MIE | SIE, MPIE, SPIE]);
            code.csr_to(kind, pick(random, &[n::MSTATUS, n::SSTATUS]), bits);
        }
        7 => {
            code.csr_to(kind, n::MIDELEG, pick(random, &MASKS));
        }
        8 => {
            code.csr_to(kind, n::MENVCFG, STCE);
        }
        9..11 => {
            soon(code, ticks);
            change(code, Change::Write, n::STIMECMP);
        }
        11..13 => {
            soon(code, ticks);
            code.addi(11, 6, 0).li(5, MTIMECMP).store(8, 11);
        }
        13..17 => device(random, code),
        17 => {
            code.word(ECALL);
        }
        18 => {
            let (epc, word) = pick(random, &[(n::MEPC, MRET), (n::SEPC, SRET)]);
            code.address(6, 16).csr(Change::Write, epc, 6).word(word);
        }
        _ if random.below(4) == 0 => {
            code.word(WFI);
        }
        _ => {
            code.csr_read(13, pick(random, &[n::TIME, n::CYCLE, n::INSTRET, n::SIP]));
        }
    }
}

/// A write that moves a line, or a read that does.
fn device(random: &mut Random, code: &mut Code) {
    match random.below(4) {
        0 => {
            code.store_at(CLINT, 4, random.below(2));
        }
        1 => {
            let context = pick(random, &[0, 1]);
            let (addr, value) = pick(
                random,
                &[
                    (ENABLE[context], 1 << UART_SOURCE),
                    (ENABLE[context], 0),
                    (THRESHOLD[context], 0),
                    (THRESHOLD[context], 1),
                    (PRIORITY, 1),
                    (PRIORITY, 2),
                ],
            );
            code.store_at(addr, 4, value);
        }
        2 => {
            let claim = pick(random, &CLAIM);
            code.li(5, claim).load(4, 12);
            if random.below(2) == 0 {
                code.store(4, 12);
            }
        }
        _ => {
            code.store_at(pick(random, &[IER, UART]), 1, pick(random, &[0, 2]));
        }
    }
}

/// Makes what interrupts quiet for a while: both timers, software's bits, the serial port.
fn quieten(code: &mut Code, claim: u64) {
    let [base, value] = code.scratch;
    soon(code, 3);
    code.li(base, MTIMECMP).store(8, value);
    soon(code, 5);
    change(code, Change::Write, n::STIMECMP);
    code.store_at(CLINT, 4, 0);
    code.li(base, UART + 2).load(1, value);
    code.li(base, claim).load(4, value).store(4, value);
}

/// Exceptions are stepped over; calls lead into a mode that the counter chooses.
fn machine_handler(code: &mut Code) {
    code.scratch = [28, 29];
    code.csr_read(31, n::MCAUSE).unless_negative(31, |code| {
        code.csr_read(30, n::MEPC).addi(30, 30, 4).csr(Change::Write, n::MEPC, 30);
        code.csr_to(Change::Clear, n::MSTATUS, MPP).csr_read(30, n::MCYCLE);
        // andi x30, x30, 3; slli x30, x30, 11
        code.word(0x003f_7f13).word(0x00bf_1f13).csr(Change::Set, n::MSTATUS, 30).word(MRET);
    });
    csr(code, Change::Clear, n::MIP, SSI | STI | SEI);
    quieten(code, CLAIM[0]);
    code.word(MRET);
}

/// Only interrupts are delegated. What is not the supervisor's is stepped over in M.
fn supervisor_handler(code: &mut Code) {
    code.scratch = [26, 27];
    csr(code, Change::Clear, n::SIP, SSI);
    quieten(code, CLAIM[1]);
    code.word(SRET);
}

#[test]
fn random_guests_that_live_on_interrupts_are_the_same_however_they_are_cut() {
    let given = std::env::var("SLICES_SEED").ok().and_then(|seed| seed.parse().ok());
    let seeds = given.map_or(0..8, |seed: u64| seed..seed + 1);
    let mut interrupts = 0;
    for seed in seeds {
        let mut random = Random::new(seed);
        let mut code = Code::new();
        code.prologue();
        plic(&mut code, "");
        csr(&mut code, Change::Set, n::MENVCFG, STCE);
        csr(&mut code, Change::Write, n::MIDELEG, random.next() & 0x222);
        csr(&mut code, Change::Write, n::MIE, 0xaaa);
        let start = code.here();
        while code.here() < 0x3000 {
            act(&mut random, &mut code);
        }
        let back = start.cast_signed() - code.here().cast_signed();
        code.jump(back);
        let image = code.with_handlers(machine_handler, supervisor_handler);
        let machine = check(&format!("SLICES_SEED={seed}"), &image, 12_000, seed);
        interrupts += machine.harts()[0].inspect().traps().interrupts;
    }
    assert!(given.is_some() || interrupts > 500, "only {interrupts} interrupts");
}
