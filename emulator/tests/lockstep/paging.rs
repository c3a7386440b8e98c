//! Page tables as a hart meets them: one access after the other, each with its exact fault.
//!
//! Virtual address space of every case: the gigabyte of RAM onto itself for S, the code a second time
//! at [`USER_CODE`] for U, and one page at [`PAGE`], whose entry the case chooses.

use std::cell::Cell;

use super::{
    bench::RAM,
    case::{BREAKPOINT, CODE, Case, Outcome},
};
use emulator::isa::riscv::{Features, Hart};

const ROOT: u64 = 0x1_0000;
const MIDDLE: u64 = 0x1_1000;
const LOWEST: u64 = 0x1_2000;
/// Root of Sv48, above [`ROOT`].
const TOP: u64 = 0x1_3000;
/// The page that [`PAGE`] maps, as the offset in RAM.
const TARGET: u64 = 0x2_0000;

const USER_CODE: u64 = 0x4000_0000;
const PAGE: u64 = 0x4000_5000;
const ENTRY: u64 = LOWEST + 5 * 8;

const V: u64 = 1;
const R: u64 = 1 << 1;
const W: u64 = 1 << 2;
const X: u64 = 1 << 3;
const U: u64 = 1 << 4;
const A: u64 = 1 << 6;
const D: u64 = 1 << 7;
const ALL: u64 = V | R | W | X | A | D;

const SUM: u64 = 1 << 18;
const MXR: u64 = 1 << 19;
const MPRV: u64 = 1 << 17;
const ADUE: u64 = 1 << 61;
const PBMTE: u64 = 1 << 62;

/// Causes.
const FETCH_ACCESS: u64 = 1;
const LOAD_ACCESS: u64 = 5;
const STORE_ACCESS: u64 = 7;
const FETCH: u64 = 12;
const LOAD: u64 = 13;
const STORE: u64 = 15;
/// No fault: the `ebreak` behind it.
const DONE: u64 = BREAKPOINT;

/// ld a0, 0(a1); sd a2, 0(a1); jalr x0, 0(a1); amoadd.d a0, a2, (a1)
const READS: u32 = 0x0005_b503;
const WRITES: u32 = 0x00c5_b023;
const JUMPS: u32 = 0x0005_8067;
const ADDS: u32 = 0x00c5_b52f;

fn entry(offset: u64, bits: u64) -> u64 {
    (RAM + offset) >> 12 << 10 | bits
}

/// The tables of a case, with what the entry of [`PAGE`] holds last.
fn tables(leaf: u64) -> Vec<(u64, u64)> {
    vec![
        (ROOT + 2 * 8, 0x8000_0000 >> 12 << 10 | ALL),
        (ROOT + 8, entry(MIDDLE, V)),
        (MIDDLE, entry(LOWEST, V)),
        (LOWEST, entry(CODE, V | R | X | U | A)),
        (TOP, entry(ROOT, V)),
        (TARGET, 0x0010_0073),
        (TARGET + 0xff8, 0x55),
        (ENTRY, leaf),
    ]
}

fn page(bits: u64) -> u64 {
    entry(TARGET, bits)
}

/// Supervisor or user mode with Sv39, at the code.
fn paged(hart: &mut Hart, privilege: u8) {
    hart.state.privilege = privilege;
    hart.state.satp = 8 << 60 | (RAM + ROOT) >> 12;
    hart.state.x[11] = PAGE;
    hart.state.x[12] = 7;
    if privilege == 0 {
        hart.state.pc = USER_CODE;
    }
}

fn run(word: u32, words: &[(u64, u64)], prepare: impl Fn(&mut Hart)) -> Outcome {
    Case { features: Features::all(), code: &[word], words }.run(prepare)
}

/// One access in S, U or M with these status bits, and what it must give.
fn check(
    (privilege, status, bits, word): (u8, u64, u64, u32),
    (cause, after): (u64, u64),
    menvcfg: u64,
) {
    let left = run(word, &tables(page(bits)), |hart| {
        paged(hart, privilege);
        hart.state.mstatus |= status;
        hart.state.menvcfg = menvcfg;
    });
    let case = format!("privilege {privilege}, status {status:#x}, entry {bits:#x}, {word:#x}");
    assert_eq!(left.cause, cause, "{case}: {left:x?}");
    if cause == DONE {
        let at_target = word == JUMPS && left.tval == PAGE;
        assert!(at_target || word != JUMPS, "{case}: {left:x?}");
    } else {
        assert_eq!(left.tval, PAGE, "{case}");
    }
    assert_eq!(*left.words.last().expect("the entry"), page(after), "{case}: the entry");
}

#[test]
fn permissions_follow_privilege_sum_mxr_and_mprv() {
    const M_AS_S: u64 = MPRV | 1 << 11;
    const M_AS_U: u64 = MPRV;
    let read_only = V | R | A | D;
    let execute_only = V | X | A | D;
    for (privilege, status, bits, word, cause) in [
        (1, 0, ALL, READS, DONE),
        (1, 0, ALL, WRITES, DONE),
        (1, 0, ALL, JUMPS, DONE),
        (1, 0, ALL, ADDS, DONE),
        (1, 0, read_only, READS, DONE),
        (1, 0, read_only, WRITES, STORE),
        (1, 0, read_only, ADDS, STORE),
        (1, 0, read_only, JUMPS, FETCH),
        (1, 0, execute_only, READS, LOAD),
        (1, MXR, execute_only, READS, DONE),
        (1, MXR, execute_only, WRITES, STORE),
        (1, 0, execute_only, JUMPS, DONE),
        // Pages of the user, from S.
        (1, 0, ALL | U, READS, LOAD),
        (1, 0, ALL | U, WRITES, STORE),
        (1, SUM, ALL | U, READS, DONE),
        (1, SUM, ALL | U, WRITES, DONE),
        (1, SUM, ALL | U, JUMPS, FETCH),
        (1, MXR, execute_only | U, READS, LOAD),
        (1, MXR | SUM, execute_only | U, READS, DONE),
        // From U.
        (0, 0, ALL | U, READS, DONE),
        (0, 0, ALL | U, WRITES, DONE),
        (0, 0, ALL | U, JUMPS, DONE),
        (0, 0, ALL, READS, LOAD),
        (0, SUM, ALL, READS, LOAD),
        (0, 0, ALL, WRITES, STORE),
        (0, 0, ALL, JUMPS, FETCH),
        (0, 0, ALL, ADDS, STORE),
        (0, MXR, execute_only | U, READS, DONE),
        // Machine mode in another's place: data alone.
        (3, M_AS_S, ALL, READS, DONE),
        (3, M_AS_S, ALL | U, READS, LOAD),
        (3, M_AS_S | SUM, ALL | U, WRITES, DONE),
        (3, M_AS_S, execute_only, READS, LOAD),
        (3, M_AS_S | MXR, execute_only, READS, DONE),
        (3, M_AS_U, ALL | U, WRITES, DONE),
        (3, M_AS_U, ALL, WRITES, STORE),
        (3, M_AS_S, ALL, JUMPS, FETCH_ACCESS),
    ] {
        check((privilege, status, bits, word), (cause, bits), 0);
    }
}

#[test]
fn without_svadu_unset_bits_fault_and_with_it_they_are_set() {
    let clean = V | R | W | X;
    for (bits, word, cause, after) in [
        (clean, READS, LOAD, clean | A),
        (clean, WRITES, STORE, clean | A | D),
        (clean, ADDS, STORE, clean | A | D),
        (clean, JUMPS, FETCH, clean | A),
        (clean | A, READS, DONE, clean | A),
        (clean | A, WRITES, STORE, clean | A | D),
        (clean | D, READS, LOAD, clean | A | D),
        (clean | D, WRITES, STORE, clean | A | D),
    ] {
        check((1, 0, bits, word), (cause, bits), 0);
        check((1, 0, bits, word), (DONE, after), ADUE);
    }
    // What is not permitted sets nothing.
    check((1, 0, V | R, WRITES), (STORE, V | R), ADUE);
    check((0, 0, clean, READS), (LOAD, clean), ADUE);
}

#[test]
fn reserved_bits_and_memory_types_fault() {
    for (bits, menvcfg, cause) in [
        (ALL & !V, 0, LOAD),
        (ALL & !R, 0, LOAD),
        (V | W | A | D, 0, LOAD),
        (V | A, 0, LOAD),
        (V, 0, LOAD),
        (ALL | 1 << 54, PBMTE, LOAD),
        (ALL | 1 << 60, PBMTE, LOAD),
        (ALL | 1 << 63, PBMTE, LOAD),
        (ALL | 1 << 61, 0, LOAD),
        (ALL | 2 << 61, 0, LOAD),
        (ALL | 1 << 61, PBMTE, DONE),
        (ALL | 2 << 61, PBMTE, DONE),
        (ALL | 3 << 61, PBMTE, LOAD),
        // Software's own bits mean nothing.
        (ALL | 3 << 8, 0, DONE),
        (ALL | 1 << 5, 0, DONE),
    ] {
        check((1, 0, bits, READS), (cause, bits), menvcfg);
    }
    for reserved in [A, D, U, 1 << 54, 1 << 61, 2 << 61, 1 << 63] {
        let mut words = tables(page(ALL));
        words[2].1 |= reserved;
        let left = run(READS, &words, |hart| {
            paged(hart, 1);
            hart.state.menvcfg = PBMTE;
        });
        assert_eq!((left.cause, left.tval), (LOAD, PAGE), "a pointer with {reserved:#x}");
    }
}

#[test]
fn superpages_map_their_own_size_and_must_be_aligned() {
    // (which entry, what it holds, address read) => cause, value
    let (root, middle) = (ROOT + 8, MIDDLE);
    for (place, holds, addr, cause, value) in [
        (root, entry(0, ALL), USER_CODE + TARGET + 0xff8, DONE, 0x55),
        (root, entry(0, ALL), USER_CODE + 0x8_0000, DONE, 0),
        (root, entry(0x1000, ALL), USER_CODE + TARGET, LOAD, 0),
        (root, entry(0x20_0000, ALL), USER_CODE, LOAD, 0),
        (middle, entry(0, ALL), USER_CODE + TARGET + 0xff8, DONE, 0x55),
        (middle, entry(0x20_0000, ALL), USER_CODE + 0x1000, DONE, 0),
        (middle, entry(0x1000, ALL), USER_CODE + TARGET, LOAD, 0),
    ] {
        let mut words = tables(page(ALL));
        words.retain(|(offset, _)| *offset != place);
        words.push((place, holds));
        let left = run(READS, &words, |hart| {
            paged(hart, 1);
            hart.state.x[11] = addr;
        });
        assert_eq!(left.cause, cause, "{holds:#x} read at {addr:#x}: {left:x?}");
        if cause == DONE {
            assert_eq!(left.x[10], value, "{holds:#x} read at {addr:#x}");
        } else {
            assert_eq!(left.tval, addr);
        }
    }
}

#[test]
fn addresses_are_sign_extended_and_four_levels_reach_further() {
    let sv48 = 9 << 60 | (RAM + TOP) >> 12;
    let sv39 = 8 << 60 | (RAM + ROOT) >> 12;
    for (satp, addr, cause) in [
        (sv39, PAGE, DONE),
        (sv48, PAGE, DONE),
        (sv39, 0x40_0000_0000, LOAD),
        (sv39, PAGE | 1 << 39, LOAD),
        (sv39, PAGE | 1 << 63, LOAD),
        (sv48, PAGE | 1 << 48, LOAD),
        // Canonical, and nothing mapped.
        (sv48, PAGE | 1 << 39, LOAD),
        (sv39, 0xffff_ffc0_0000_0000, LOAD),
    ] {
        for word in [READS, WRITES, JUMPS, ADDS] {
            let left = run(word, &tables(page(ALL)), |hart| {
                paged(hart, 1);
                hart.state.satp = satp;
                hart.state.x[11] = addr;
            });
            let cause = match (cause, word) {
                (DONE, _) => DONE,
                (_, READS) => LOAD,
                (_, JUMPS) => FETCH,
                _ => STORE,
            };
            assert_eq!(left.cause, cause, "{satp:#x}, {addr:#x}, {word:#x}: {left:x?}");
            if cause != DONE {
                assert_eq!(left.tval, addr, "{satp:#x}, {word:#x}");
            }
        }
    }
}

#[test]
fn a_table_that_is_no_memory_or_is_protected_is_an_access_fault() {
    let accesses =
        [(READS, LOAD_ACCESS), (WRITES, STORE_ACCESS), (JUMPS, FETCH_ACCESS), (ADDS, STORE_ACCESS)];
    for (word, cause) in accesses {
        let mut words = tables(page(ALL));
        words[2].1 = 0x1000_0000 >> 12 << 10 | V;
        let left = run(word, &words, |hart| paged(hart, 1));
        assert_eq!((left.cause, left.tval), (cause, PAGE), "no memory, {word:#x}");
        // The lowest table, and then the page itself, is taken away by an entry before all others.
        for place in [LOWEST, TARGET] {
            let left = run(word, &tables(page(ALL)), |hart| {
                paged(hart, 1);
                hart.state.pmp.configure(1, 0x1f);
                hart.state.pmp.set_address(1, u64::MAX >> 10);
                hart.state.pmp.configure(0, 0x18);
                hart.state.pmp.set_address(0, (RAM + place) >> 2 | 0x1ff);
            });
            assert_eq!((left.cause, left.tval), (cause, PAGE), "{place:#x}, {word:#x}");
        }
    }
}

#[test]
fn setting_a_bit_in_a_protected_table_is_an_access_fault() {
    let left = run(READS, &tables(page(V | R)), |hart| {
        paged(hart, 1);
        hart.state.menvcfg = ADUE;
        hart.state.pmp.configure(1, 0x1f);
        hart.state.pmp.set_address(1, u64::MAX >> 10);
        hart.state.pmp.configure(0, 0x19);
        hart.state.pmp.set_address(0, (RAM + LOWEST) >> 2 | 0x1ff);
    });
    assert_eq!((left.cause, left.tval), (LOAD_ACCESS, PAGE));
    assert_eq!(*left.words.last().expect("the entry"), page(V | R));
}

#[test]
fn an_access_across_pages_faults_at_the_page_that_refuses_and_does_nothing() {
    let next = PAGE + 0x1000;
    for (word, cause) in [(READS, LOAD), (WRITES, STORE)] {
        for (first, second, tval) in
            [(page(ALL), 0, next), (0, page(ALL), PAGE + 0xffc), (0, 0, PAGE + 0xffc)]
        {
            let mut words = tables(first);
            words.push((ENTRY + 8, second));
            let left = run(word, &words, |hart| {
                paged(hart, 1);
                hart.state.x[11] = PAGE + 0xffc;
            });
            assert_eq!((left.cause, left.tval), (cause, tval), "{word:#x}: {left:x?}");
            assert_eq!(left.words, words.iter().map(|(_, word)| *word).collect::<Vec<_>>());
        }
    }
    // Both there: the doubleword lies on two pages that are no neighbours.
    let mut words = tables(page(ALL));
    words.extend([(ENTRY + 8, entry(0x4_0000, ALL)), (0x4_0000, 0x1122_3344_5566_7788)]);
    let across = |word| {
        run(word, &words, |hart| {
            paged(hart, 1);
            hart.state.x[11] = PAGE + 0xffc;
            hart.state.x[12] = 0xaaaa_aaaa_bbbb_bbbb;
        })
    };
    assert_eq!(across(READS).x[10], 0x5566_7788_0000_0000);
    let left = across(WRITES);
    assert_eq!((left.words[6], left.words[9]), (0xbbbb_bbbb_0000_0055, 0x1122_3344_aaaa_aaaa));
}

#[test]
fn an_instruction_across_pages_faults_at_its_second_half() {
    // The last half-word of the page begins a 32-bit instruction.
    for (second, cause, tval) in [
        (page(ALL), DONE, PAGE),
        (0, FETCH, PAGE + 0x1000),
        (page(V | R | A), FETCH, PAGE + 0x1000),
    ] {
        let mut words = tables(entry(0x4_0000, ALL));
        // lui a3, 0 in two halves, then the ebreak of the target page.
        words.extend([(0x4_0ff8, 0x06b7 << 48), (ENTRY + 8, second)]);
        words[5].1 = 0x0010_0073_0000;
        let left = run(JUMPS, &words, |hart| {
            paged(hart, 1);
            hart.state.x[11] = PAGE + 0xffe;
        });
        let tval = if cause == DONE { PAGE + 0x1002 } else { tval };
        let epc = if cause == DONE { PAGE + 0x1002 } else { PAGE + 0xffe };
        assert_eq!((left.cause, left.tval, left.epc), (cause, tval, epc), "{second:#x}");
    }
}

#[test]
fn protection_that_ends_inside_a_page_of_code_ends_there_for_fetches() {
    // U may execute the code up to `boundary` bytes into its page, in straight-line code.
    const NOP: u32 = 0x13;
    for boundary in [4, 8, 12, 40, 44, 100] {
        let left = Case { features: Features::all(), code: &[NOP; 40], words: &[] }.run(|hart| {
            hart.state.privilege = 0;
            hart.state.pmp.configure(0, 0x08 | 4);
            hart.state.pmp.set_address(0, (RAM + CODE + boundary) >> 2);
            hart.state.pmp.configure(1, 0);
        });
        let at = RAM + CODE + boundary;
        assert_eq!((left.cause, left.tval, left.epc), (FETCH_ACCESS, at, at), "{boundary}");
    }
    // A boundary in the middle of an instruction: its second half is what faults.
    // c.nop; nop; the boundary lies 4 bytes in.
    let left = Case { features: Features::all(), code: &[0x0013_0001, NOP << 16], words: &[] }.run(
        |hart| {
            hart.state.privilege = 0;
            hart.state.pmp.configure(0, 0x08 | 4);
            hart.state.pmp.set_address(0, (RAM + CODE + 4) >> 2);
        },
    );
    let at = RAM + CODE;
    assert_eq!((left.cause, left.tval, left.epc), (FETCH_ACCESS, at + 4, at + 2));
}

#[test]
fn a_changed_entry_counts_from_the_next_access_on_whatever_was_cached() {
    // The same code, the same registers; before each round the entry is another one.
    let entries = [page(ALL), entry(0x4_0000, ALL), page(ALL), entry(0x4_0000, ALL)];
    let round = Cell::new(0);
    let case = Case { features: Features::all(), code: &[READS], words: &tables(page(ALL)) };
    let left = case.run_with(
        |hart| paged(hart, 1),
        |pair| {
            let now = round.get();
            round.set(now + 1);
            pair.write(0x4_0000, &0x0010_0073_u64.to_le_bytes());
            pair.write(ENTRY, &entries[now % entries.len()].to_le_bytes());
            // What is read there is the same: only the mapping changes.
            pair.write(ENTRY, &page(ALL).to_le_bytes());
        },
    );
    assert_eq!((left.cause, left.x[10]), (DONE, 0x0010_0073));
}

#[test]
fn an_entry_that_the_code_itself_changes_counts_for_its_next_instruction() {
    // ld a0, 0(a1); sd a2, 0(a3); ld a4, 0(a1): the store takes the page away, without any fence.
    let code = [READS, 0x00c6_b023, 0x0005_b703];
    for (entry_after, cause) in [(0, LOAD), (page(V | W | X | A | D), LOAD), (page(ALL), DONE)] {
        let case = Case { features: Features::all(), code: &code, words: &tables(page(ALL)) };
        let left = case.run(|hart| {
            paged(hart, 1);
            hart.state.x[12] = entry_after;
            hart.state.x[13] = RAM + ENTRY;
        });
        assert_eq!((left.cause, left.x[10]), (cause, 0x0010_0073), "{entry_after:#x}");
        if cause == LOAD {
            assert_eq!((left.tval, left.epc), (PAGE, RAM + CODE + 8), "{entry_after:#x}");
        }
    }
}

#[test]
fn a_changed_root_or_status_counts_for_the_next_instruction() {
    use super::case::csrrw;
    use emulator::isa::riscv::csr::number;
    // ld; csrw satp, a2 to a root without the page (but with the code); ld
    let mut words = tables(page(ALL));
    words.push((0x1_4000 + 2 * 8, 0x8000_0000 >> 12 << 10 | ALL));
    let code = [READS, csrrw(0, number::SATP, 12), 0x0005_b703];
    let left = Case { features: Features::all(), code: &code, words: &words }.run(|hart| {
        paged(hart, 1);
        hart.state.x[12] = 8 << 60 | (RAM + 0x1_4000) >> 12;
    });
    assert_eq!((left.cause, left.tval, left.epc), (LOAD, PAGE, RAM + CODE + 8));
    // ld from a page of the user with SUM; csrc sstatus, a2; ld
    let clear = 0x3073 | u32::from(number::SSTATUS) << 20 | 12 << 15;
    let code = [READS, clear, 0x0005_b703];
    let words = tables(page(ALL | U));
    let left = Case { features: Features::all(), code: &code, words: &words }.run(|hart| {
        paged(hart, 1);
        hart.state.mstatus |= SUM;
        hart.state.x[12] = SUM;
    });
    assert_eq!((left.cause, left.tval, left.epc), (LOAD, PAGE, RAM + CODE + 8));
}
