//! How translated code finds its way: linked exits, the table of computed jumps, and keys that keep
//! code from running where it was not made for.

use vmstate::property::Random;

use super::{
    bench::{Pair, RAM},
    case::{csrr, csrrw},
    config,
    program::{b, i, j, r},
};
use emulator::{
    isa::riscv::{Features, csr::number as n},
    translate::{Compilation, EngineConfig},
};

fn place(image: &mut Vec<u8>, offset: usize, words: &[u32]) {
    image.resize(image.len().max(offset + 4 * words.len()), 0);
    for (word, place) in words.iter().zip(image[offset..].chunks_exact_mut(4)) {
        place.copy_from_slice(&word.to_le_bytes());
    }
}

#[test]
fn a_linked_exit_goes_on_without_the_dispatcher_until_its_target_is_gone() {
    // Two pages that jump to each other: addi x10 (or x11), 1.
    let mut image = Vec::new();
    place(&mut image, 0, &[i(0x13, 10, 0, 10, 1), j(0, 0x1000 - 4)]);
    place(&mut image, 0x1000, &[i(0x13, 11, 0, 11, 1), j(0, -0x1000 - 4)]);
    let mut pair = Pair::new(&image, config(Compilation::AtOnce));
    let entries_of = |pair: &mut Pair, steps: u64| {
        let before = pair.stats().entries;
        assert_eq!(pair.run(steps), steps);
        pair.stats().entries - before
    };
    pair.run(1_000);
    let entries = entries_of(&mut pair, 40_000);
    assert!(entries <= 3, "{entries} entries for 20,000 linked jumps");
    // The second page does something else from now on: addi x12, x12, 1.
    let rewritten = i(0x13, 12, 0, 12, 1);
    let before = pair.interpreted().state.x[11];
    pair.write(0x1000, &rewritten.to_le_bytes());
    pair.run(1_000);
    let state = &pair.interpreted().state;
    assert!(state.x[11] <= before + 1 && state.x[12] >= 249, "{:?}", state.x);
    assert_eq!(pair.stats().invalidated, 1);
    let entries = entries_of(&mut pair, 40_000);
    assert!(entries <= 3, "{entries} entries after the link was made anew");
}

/// A loop that calls one target after the other through a table of addresses; target `k` is at
/// `distance * (k + 1)` and adds 1 to x10 + k.
fn callers(targets: u32, distance: usize) -> Vec<u8> {
    const TABLE: u64 = 0x200;
    let mut image = Vec::new();
    place(
        &mut image,
        0,
        &[
            // x5 = the table, x6 = its end: prepared. x7 = the next entry.
            i(0x13, 7, 0, 5, 0),
            i(0x03, 28, 3, 7, 0),
            i(0x67, 1, 0, 28, 0),
            i(0x13, 7, 0, 7, 8),
            b(1, 7, 6, -12),
            j(0, -20),
        ],
    );
    for target in 0..targets {
        let at = distance * (target as usize + 1);
        place(&mut image, at, &[i(0x13, 10 + target, 0, 10 + target, 1), i(0x67, 0, 0, 1, 0)]);
        let address = RAM + at as u64;
        image[TABLE as usize + 8 * target as usize..][..8].copy_from_slice(&address.to_le_bytes());
    }
    image
}

fn called(targets: u32, distance: usize, config: EngineConfig) -> Pair {
    let mut pair = Pair::new(&callers(targets, distance), config);
    pair.prepare(|hart| {
        hart.state.x[5] = RAM + 0x200;
        hart.state.x[6] = RAM + 0x200 + 8 * u64::from(targets);
    });
    pair
}

#[test]
fn computed_jumps_with_changing_targets_find_them_without_the_dispatcher() {
    let mut pair = called(8, 0x1040, config(Compilation::AtOnce));
    pair.run(2_000);
    let before = pair.stats().entries;
    assert_eq!(pair.run(60_000), 60_000);
    let entries = pair.stats().entries - before;
    assert!(entries <= 16, "{entries} entries for 20,000 computed jumps");
    let counts = &pair.interpreted().state.x[10..18];
    assert!(counts.iter().all(|count| count.abs_diff(counts[0]) <= 1), "{counts:?}");
}

#[test]
fn computed_jumps_whose_targets_displace_each_other_still_find_them() {
    // Targets 8 KiB apart share one entry of the table.
    let mut pair = called(8, 0x2000, config(Compilation::AtOnce));
    let mut random = Random::new(3);
    for _ in 0..100 {
        pair.run(1 + random.below(700));
    }
    let before = (pair.stats().entries, pair.stats().translated_steps);
    pair.run(6_000);
    let after = (pair.stats().entries, pair.stats().translated_steps);
    assert!(after.0 - before.0 > 500, "each call displaces the last one: {}", pair.stats());
    assert!(after.1 - before.1 > 4_000, "and is translated all the same: {}", pair.stats());
}

#[test]
fn targets_that_were_evicted_or_rewritten_are_not_jumped_to() {
    let small = EngineConfig {
        threshold: 1,
        compilation: Compilation::AtOnce,
        code_segments: 2,
        segment_bytes: 1 << 12,
    };
    let mut pair = called(16, 0x1040, small);
    let mut random = Random::new(5);
    for round in 0..200 {
        pair.run(1 + random.below(900));
        let target = random.below(16);
        match round % 4 {
            // The target counts by more from now on.
            0 => {
                let register = 10 + target as u32;
                let word = i(0x13, register, 0, register, 1 + random.below(9) as i32);
                pair.write(0x1040 * (target + 1), &word.to_le_bytes());
            }
            1 => pair.flush_tlb(),
            _ => {}
        }
    }
    let stats = pair.stats();
    assert!(stats.evicted > 10 && stats.invalidated > 10, "{stats}");
    assert!(stats.translated_steps > 10_000, "{stats}");
}

/// What the same code, twenty loads in a loop and a call, is run under in turns.
struct Turns {
    name: &'static str,
    /// The register that the handler changes by exclusive or, and with what.
    csr: u16,
    flip: u64,
    privilege: u8,
    mstatus: u64,
    satp: u64,
    /// Entries of page tables by offset.
    tables: &'static [(u64, u64)],
    /// Whether the loads fault in one of the two.
    faults: bool,
}

/// Where data is, as the code sees it.
const DATA: u64 = 0x4000_0000;
/// The two pages behind it.
const ONE: u64 = 0x1_0000;
const OTHER: u64 = 0x1_1000;
const ROOTS: [u64; 2] = [0x2000, 0x5000];

const fn table(offset: u64) -> u64 {
    (RAM + offset) >> 12 << 10 | 1
}

const fn leaf(offset: u64, bits: u64) -> u64 {
    (RAM + offset) >> 12 << 10 | 0xcf | bits
}

const fn satp(root: usize) -> u64 {
    8 << 60 | (RAM + ROOTS[root]) >> 12
}

const USER: u64 = 0x10;

/// Each root maps RAM to itself by a superpage, and DATA through two tables of its own.
const TWO_SPACES: &[(u64, u64)] = &[
    (ROOTS[0] + 16, leaf(0, 0)),
    (ROOTS[0] + 8, table(0x3000)),
    (0x3000, table(0x4000)),
    (0x4000, leaf(ONE, 0)),
    (ROOTS[1] + 16, leaf(0, 0)),
    (ROOTS[1] + 8, table(0x6000)),
    (0x6000, table(0x7000)),
    (0x7000, leaf(OTHER, 0)),
];
const USERS_PAGE: &[(u64, u64)] = &[
    (ROOTS[0] + 16, leaf(0, 0)),
    (ROOTS[0] + 8, table(0x3000)),
    (0x3000, table(0x4000)),
    (0x4000, leaf(ONE, USER)),
];

const MPP: u64 = 3 << 11;
const SUM: u64 = 1 << 18;
const FS: u64 = 3 << 13;

const TURNS: [Turns; 4] = [
    Turns {
        name: "M and U, which may not read the page",
        csr: n::MSTATUS,
        flip: MPP,
        privilege: 3,
        mstatus: FS,
        satp: 0,
        tables: &[],
        faults: true,
    },
    Turns {
        name: "two address spaces",
        csr: n::SATP,
        flip: satp(0) ^ satp(1),
        privilege: 1,
        mstatus: FS,
        satp: satp(0),
        tables: TWO_SPACES,
        faults: false,
    },
    Turns {
        name: "S with SUM and without",
        csr: n::MSTATUS,
        flip: SUM,
        privilege: 1,
        mstatus: FS,
        satp: satp(0),
        tables: USERS_PAGE,
        faults: true,
    },
    Turns {
        name: "floating point off and on",
        csr: n::MSTATUS,
        flip: FS,
        privilege: 3,
        mstatus: FS,
        satp: 0,
        tables: &[],
        faults: true,
    },
];

/// The loop at 0 and the handler at 0x100, which counts in x29 the traps that are no calls, changes
/// the register and begins the loop anew.
fn turning(turns: &Turns) -> Vec<u8> {
    let mut image = vec![0; 0x2_0000];
    let body = [
        i(0x13, 5, 0, 0, 0),
        i(0x03, 6, 3, 7, 0),
        // fld f1, 0(x7); fadd.d f2, f2, f1
        i(0x07, 1, 3, 7, 0),
        r(0x53, 2, 7, 2, 1, 1),
        r(0x33, 20, 0, 20, 6, 0),
        i(0x13, 5, 0, 5, 1),
        b(4, 5, 8, -20),
        0x73,
    ];
    place(&mut image, 0, &body);
    // x30 = 1 for what is no call: causes 8 to 11 are.
    let handler = [
        csrr(30, n::MCAUSE),
        i(0x13, 30, 0, 30, -8),
        i(0x13, 30, 3, 30, 4),
        i(0x13, 30, 4, 30, 1),
        r(0x33, 29, 0, 29, 30, 0),
        csrr(30, turns.csr),
        r(0x33, 30, 4, 30, 27, 0),
        csrrw(0, turns.csr, 30),
        csrrw(0, n::MEPC, 26),
        0x3020_0073,
    ];
    place(&mut image, 0x100, &handler);
    for (offset, entry) in turns.tables {
        image[*offset as usize..][..8].copy_from_slice(&entry.to_le_bytes());
    }
    // Floating-point numbers that as integers show which page was read how often.
    for (offset, word) in [(ONE, 1_u64), (OTHER, 1 << 32)] {
        image[offset as usize..][..8].copy_from_slice(&word.to_le_bytes());
    }
    image
}

#[test]
fn code_runs_only_where_it_was_made_for() {
    for turns in &TURNS {
        let image = turning(turns);
        let mut pair = Pair::with(Features::all(), &image, config(Compilation::AtOnce));
        pair.prepare(|hart| {
            let state = &mut hart.state;
            state.mtvec = RAM + 0x100;
            state.mstatus = turns.mstatus | u64::from(turns.privilege) << 11;
            state.privilege = turns.privilege;
            state.satp = turns.satp;
            // The page at ONE is the machine's alone while nothing is translated; all else is free.
            let machines_own = if turns.satp == 0 { 0x18 } else { 0x1f };
            state.pmp.configure(0, machines_own);
            state.pmp.set_address(0, (RAM + ONE) >> 2 | 0x1ff);
            state.pmp.configure(1, 0x1f);
            state.pmp.set_address(1, u64::MAX >> 10);
            state.x[7] = if turns.satp == 0 { RAM + ONE } else { DATA };
            state.x[8] = 20;
            state.x[26] = RAM;
            state.x[27] = turns.flip;
        });
        let mut random = Random::new(1);
        for _ in 0..200 {
            pair.run(1 + random.below(300));
        }
        // And without a cut: all that is between is up to the engines.
        pair.run(100_000);
        let state = &pair.interpreted().state;
        let (one, other) = (state.x[20] & 0xffff_ffff, state.x[20] >> 32);
        assert!(one > 1_000, "{}: {one} reads", turns.name);
        if turns.faults {
            assert!(state.x[29] > 500 && other == 0, "{}: {} faults", turns.name, state.x[29]);
        } else {
            assert!(state.x[29] == 0 && other.abs_diff(one) <= 20, "{}: {other}", turns.name);
        }
        let stats = pair.stats();
        assert!(stats.translated_steps > stats.interpreted_steps, "{}: {stats}", turns.name);
    }
}
