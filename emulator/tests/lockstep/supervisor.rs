//! Random programs in S and U on page tables that they rewrite themselves, under interrupts.
//!
//! Three levels that fight: a handler in M that repairs just enough for the game to go on, a handler
//! in S, and random code that stores into its own page tables, switches roots, enables interrupts,
//! waits, and jumps between privileges. Both engines must agree after every slice on everything.

use vmstate::property::Random;

use super::{
    PROGRAMS,
    bench::{DEVICE, Pair, RAM},
    case::{csrr, csrrw},
    config,
    program::{i, instruction, j, r, s},
    seeds,
};
use emulator::{
    isa::riscv::{Features, Hart, csr::number},
    translate::Compilation,
};

const SUPERVISOR: u64 = 0x400;
const CONSTANTS: u64 = 0x700;
const ENTRY: u64 = 0x1000;
const ROOT: u64 = 0x1_0000;
const MIDDLE: u64 = 0x1_1000;
const LOWEST: u64 = 0x1_2000;
/// A second root, which maps less.
const OTHER_ROOT: u64 = 0x1_3000;
/// Random data, of which [`DATA_VIRTUAL`] is an alias.
const DATA: u64 = 0x2_0000;

const CODE_VIRTUAL: u64 = 0;
const DATA_VIRTUAL: u64 = 0x1_0000;
const TABLE_VIRTUAL: u64 = 0x2_0000;
const DEVICE_VIRTUAL: u64 = 0x2_8000;

const LEAF: u64 = 0xcf;
const USER: u64 = 0x10;

fn entry(physical: u64, bits: u64) -> u64 {
    physical >> 12 << 10 | bits
}

/// The constants of the M handler: satp, entries of the tables, registers of the game.
fn constants(random: &mut Random) -> Vec<u64> {
    let data = RAM + DATA;
    let bits = |random: &mut Random| LEAF & !(random.next() & random.next() & 0xce) | USER;
    vec![
        8 << 60 | (RAM + ROOT) >> 12,
        // Entries that the code stores over others: x12 and x13.
        entry(data, bits(random)),
        entry(data + 0x1000, bits(random)),
        // What the handler repairs: root, middle, the code's first two pages.
        entry(RAM + MIDDLE, 1),
        entry(0x8000_0000, LEAF),
        entry(RAM + LOWEST, 1),
        entry(RAM + ENTRY, LEAF | USER),
        entry(RAM + ENTRY + 0x1000, LEAF | USER),
        8 << 60 | (RAM + OTHER_ROOT) >> 12,
    ]
}

/// Repairs roots and the code's pages, gives the game its registers, and returns to S or U somewhere
/// in the code.
fn machine_handler() -> Vec<u32> {
    let ld = |rd, offset: u64| i(0x03, rd, 3, 30, offset as i32);
    let sd = |base, source, offset: u64| s(3, base, source, offset as i32);
    // x30 = RAM + CONSTANTS
    let mut words = vec![0x17 | 30 << 7, i(0x13, 30, 0, 30, CONSTANTS as i32)];
    words.extend([ld(31, 0), csrrw(0, number::SATP, 31), ld(12, 8), ld(13, 16)]);
    // x29 = RAM + ROOT
    words.extend([0x17 | 29 << 7 | ROOT as u32, i(0x13, 29, 0, 29, -(words.len() as i32 * 4))]);
    words.extend([ld(31, 24), sd(29, 31, 0), ld(31, 32), sd(29, 31, 16)]);
    let middle = 0x37 | 28 << 7 | (MIDDLE - ROOT) as u32;
    words.extend([middle, r(0x33, 29, 0, 29, 28, 0), ld(31, 40), sd(29, 31, 0)]);
    words.extend([r(0x33, 29, 0, 29, 28, 0), ld(31, 48), sd(29, 31, 0), ld(31, 56), sd(29, 31, 8)]);
    // The alias of the table, the data and the code.
    words.extend([0x37 | 11 << 7 | TABLE_VIRTUAL as u32, 0x37 | 8 << 7 | DATA_VIRTUAL as u32]);
    words.extend([i(0x13, 9, 0, 0, 0), 0x37 | 10 << 7 | DEVICE_VIRTUAL as u32]);
    // mepc = (mcause & 31) * 8, in U at 0 and in S at the physical address of the same code.
    words.extend([csrr(31, number::MCAUSE), i(0x13, 31, 7, 31, 31), i(0x13, 31, 1, 31, 3)]);
    words.push(csrrw(0, number::MEPC, 31));
    // MPP: U, or S when the counter is odd.
    words.extend([csrr(29, number::MCYCLE), i(0x13, 29, 7, 29, 1), i(0x13, 28, 1, 29, 11)]);
    words.extend([
        // li x27, 3 << 11; clear, then set
        0x37 | 27 << 7 | 0x2000,
        i(0x1b, 27, 0, 27, -0x800),
        0x3073 | u32::from(number::MSTATUS) << 20 | 27 << 15,
        0x2073 | u32::from(number::MSTATUS) << 20 | 28 << 15,
        // In S: mepc += RAM + ENTRY
        i(0x63, 0, 0, 29, 0) | 20 << 7,
    ]);
    let skip = words.len();
    words.extend([i(0x13, 31, 0, 31, 0), i(0x13, 28, 0, 30, 0x7ff), i(0x13, 28, 0, 28, 0x101)]);
    words.extend([r(0x33, 31, 0, 31, 28, 0), csrrw(0, number::MEPC, 31), 0x3020_0073]);
    // beq x29, x0 over what S needs.
    words[skip - 1] = super::program::b(0, 29, 0, 4 * 6);
    assert!(words.len() * 4 <= SUPERVISOR as usize, "{} words", words.len());
    words
}

/// sepc = (scause & 31) * 8 in the code as U sees it; sret.
fn supervisor_handler() -> Vec<u32> {
    vec![
        csrr(30, number::SCAUSE),
        i(0x13, 30, 7, 30, 31),
        i(0x13, 30, 1, 30, 3),
        csrrw(0, number::SEPC, 30),
        // csrci sstatus, SPP is bit 8: clear it through x31.
        i(0x13, 31, 0, 0, 0x100),
        0x3073 | u32::from(number::SSTATUS) << 20 | 31 << 15,
        0x1020_0073,
    ]
}

/// An instruction of the privileged game.
fn privileged(random: &mut Random) -> u32 {
    const REGISTERS: [u16; 14] = [
        number::SSTATUS,
        number::SIE,
        number::SIP,
        number::SSCRATCH,
        number::SEPC,
        number::STVAL,
        number::SCAUSE,
        number::STIMECMP,
        number::CYCLE,
        number::INSTRET,
        number::TIME,
        number::FCSR,
        number::SENVCFG,
        number::SATP,
    ];
    let any = 14 + random.below(14) as u32;
    let table_entry = (random.below(48) * 8) as i32;
    match random.below(16) {
        // Stores of sound, random and empty entries into the live table.
        0 => s(3, 11, 12, table_entry),
        1 => s(3, 11, 13, table_entry),
        2 => s(3, 11, any, table_entry),
        3 => s(3, 11, 0, table_entry),
        4 => s(0, 11, any, table_entry),
        5 => i(0x03, any, 3, 11, table_entry),
        6 => i(0x03, any, 3, 8, (random.below(4) * 0x800) as i32 - 0x800),
        7 => 0x1200_0073,
        8 => 0x1020_0073,
        9 if random.below(4) == 0 => 0x1050_0073,
        10 => 0x73,
        11 => 0x0015_a00f | (8 << 15),
        _ => {
            let csr = REGISTERS[random.below(14) as usize];
            let function = 1 + random.below(3) as u32;
            // x0 only reads, unless it writes zero.
            let source = if random.below(3) == 0 { 0 } else { any };
            0x73 | function << 12 | any << 7 | source << 15 | u32::from(csr) << 20
        }
    }
}

fn image(random: &mut Random) -> Vec<u8> {
    let length = 600 + random.below(1200);
    let mut image = vec![0_u8; 0x4_0000];
    let mut put = |offset: u64, words: &[u32]| {
        let at = offset as usize;
        for (word, place) in words.iter().zip(image[at..].chunks_exact_mut(4)) {
            place.copy_from_slice(&word.to_le_bytes());
        }
    };
    put(0, &machine_handler());
    put(SUPERVISOR, &supervisor_handler());
    let mut code: Vec<u32> = (0..length)
        .map(|at| match random.below(4) {
            0 => privileged(random),
            _ => instruction(random, at, length),
        })
        .collect();
    code.push(j(0, -4 * (length as i32).min(1000)));
    put(ENTRY, &code);
    let mut word = |offset: u64, value: u64| {
        image[offset as usize..][..8].copy_from_slice(&value.to_le_bytes());
    };
    let constants = constants(random);
    for (at, value) in (CONSTANTS..).step_by(8).zip(&constants) {
        word(at, *value);
    }
    word(ROOT, constants[3]);
    word(ROOT + 16, constants[4]);
    word(OTHER_ROOT, constants[3]);
    word(MIDDLE, constants[5]);
    for page in 0..8 {
        word(LOWEST + page * 8, entry(RAM + ENTRY + page * 0x1000, LEAF | USER));
        let data = RAM + DATA + page % 4 * 0x1000;
        let bits = LEAF & !(random.next() & random.next() & 0xc0) | USER;
        word(LOWEST + (DATA_VIRTUAL / 0x1000 + page) * 8, entry(data, bits));
        word(LOWEST + (DATA_VIRTUAL / 0x1000 - 1 - page) * 8, entry(data, bits));
    }
    word(LOWEST + (TABLE_VIRTUAL / 0x1000) * 8, entry(RAM + LOWEST, LEAF | USER));
    word(LOWEST + (DEVICE_VIRTUAL / 0x1000) * 8, entry(DEVICE, LEAF | USER));
    for at in (DATA..DATA + 0x4000).step_by(8) {
        word(at, random.next());
    }
    image
}

fn prepare(hart: &mut Hart, choices: u64) {
    let state = &mut hart.state;
    state.pc = CODE_VIRTUAL;
    state.privilege = 0;
    state.mtvec = RAM;
    state.stvec = (RAM + SUPERVISOR) | (choices & 1);
    state.satp = 8 << 60 | (RAM + ROOT) >> 12;
    state.mstatus = 3 << 13 | (choices >> 1 & 3) << 18;
    // Faults of fetches go to M, which repairs what they need.
    state.medeleg = 0xb3ff & !(1 << 12 | 1 << 1);
    state.mideleg = 0x222;
    state.mie = 0xaaa;
    state.mcounteren = 7;
    state.scounteren = 7;
    state.menvcfg = (choices & 8) << 58 | (choices & 16) << 58 | (choices & 32) << 58 | 0xf0;
    state.senvcfg = 0xf0;
    state.pmp.configure(0, 0x1f);
    state.pmp.set_address(0, u64::MAX >> 10);
    state.x[8] = DATA_VIRTUAL;
    state.x[10] = DEVICE_VIRTUAL;
    state.x[11] = TABLE_VIRTUAL;
}

/// Plays the game from every seed, doing `disturb` between slices.
fn play(
    compilation: Compilation,
    salt: u64,
    longest: u64,
    mut disturb: impl FnMut(&mut Pair, &mut Random),
) {
    let (mut translated, mut traps) = (0, 0);
    for seed in seeds() {
        eprintln!("LOCKSTEP_SEED={seed}");
        let mut random = Random::new(seed.wrapping_mul(0x1_0001).wrapping_add(salt));
        let image = image(&mut random);
        let mut pair = Pair::with(Features::all(), &image, config(compilation));
        let choices = random.next();
        pair.prepare(|hart| prepare(hart, choices));
        let mut idle = 0;
        for _ in 0..500 {
            if random.below(4) == 0 {
                let line = [1, 3, 5, 7, 9, 11][random.below(6) as usize];
                pair.set_line(line, random.below(3) == 0);
            }
            disturb(&mut pair, &mut random);
            if pair.run(1 + random.below(longest)) == 0 {
                idle += 1;
                if idle > 3 {
                    pair.set_line(7, true);
                    idle = 0;
                }
            }
        }
        translated += pair.translated_steps();
        traps += pair.interpreted().state.mcycle - pair.interpreted().state.minstret;
    }
    // One program alone may spend its time in traps, or without any.
    let enough = seeds().len() < PROGRAMS || (translated > 2_000 && traps > 1_000);
    assert!(enough, "only {translated} steps ran translated, and {traps} traps were taken");
}

#[test]
fn supervisors_on_their_own_page_tables_run_alike() {
    play(Compilation::AtOnce, 21, 300, |_, _| {});
}

#[test]
fn supervisors_with_tiny_budgets_run_alike() {
    play(Compilation::AtOnce, 22, 9, |_, _| {});
}

#[test]
fn supervisors_with_delayed_compilation_run_alike() {
    play(Compilation::Delayed { dispatches: 29 }, 23, 300, |_, _| {});
}

#[test]
fn flushes_and_saves_are_invisible_to_supervisors() {
    play(Compilation::AtOnce, 24, 200, |pair, random| match random.below(12) {
        0 => pair.flush_code(),
        1 => pair.flush_tlb(),
        2 => pair.exchange_state(),
        _ => {}
    });
}
