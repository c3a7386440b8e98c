//! Page tables by hand: one leaf at a time, every rule of the walk beside what it answers.

use super::*;

const RAM: u64 = 0x8000_0000;
const ROOT: u64 = RAM;
const MIDDLE: u64 = RAM + 0x1000;
const LOWEST: u64 = RAM + 0x2000;

const SV39: Paging = Paging {
    levels: 3,
    root: ROOT >> PAGE_SHIFT,
    user: false,
    sum: false,
    mxr: false,
    adue: false,
    pbmte: false,
};
const USER_MODE: Paging = Paging { user: true, ..SV39 };

/// RAM of 64 KiB and protection that allows everything.
fn setup() -> (GuestMemory, Pmp) {
    let memory = GuestMemory::at(RAM, 0x1_0000).expect("the host has 64 KiB");
    let mut pmp = Pmp::default();
    pmp.set_address(0, u64::MAX);
    pmp.configure(0, 0x1f);
    (memory, pmp)
}

fn entry(page: u64, bits: u64) -> u64 {
    ((page >> PAGE_SHIFT) << NUMBER_SHIFT) | bits
}

fn put(memory: &GuestMemory, address: u64, entry: u64) {
    memory.write(address, &entry.to_le_bytes()).expect("inside RAM");
}

/// Maps virtual page 0x4000_5000 (root index 1, middle 0, lowest 5) by a leaf with these bits.
fn map(memory: &GuestMemory, leaf: u64) {
    put(memory, ROOT + 8, entry(MIDDLE, VALID));
    put(memory, MIDDLE, entry(LOWEST, VALID));
    put(memory, LOWEST + 5 * 8, leaf);
}

const VIRTUAL: u64 = 0x4000_5123;
const TARGET: u64 = RAM + 0x7000;
const ALL: u64 = VALID | READ | WRITE | EXECUTE | ACCESSED | DIRTY;

fn ask(leaf: u64, paging: Paging, kind: Kind) -> Result<Mapping, Fault> {
    let (memory, pmp) = setup();
    map(&memory, leaf);
    walk(&memory, &pmp, &paging, VIRTUAL, kind, |_| ())
}

#[test]
fn permissions_follow_privilege_sum_and_mxr() {
    use Kind::{Fetch, Load, Store};
    let sum = Paging { sum: true, ..SV39 };
    let mxr = Paging { mxr: true, ..SV39 };
    let execute_only = VALID | EXECUTE | ACCESSED | DIRTY;
    let read_only = VALID | READ | ACCESSED | DIRTY;
    for (bits, paging, kind, allowed) in [
        (ALL, SV39, Load, true),
        (ALL, SV39, Store, true),
        (ALL, SV39, Fetch, true),
        (ALL, USER_MODE, Load, false),
        (ALL | USER, USER_MODE, Load, true),
        (ALL | USER, USER_MODE, Fetch, true),
        (ALL | USER, SV39, Load, false),
        (ALL | USER, sum, Load, true),
        (ALL | USER, sum, Store, true),
        (ALL | USER, sum, Fetch, false),
        (read_only, SV39, Store, false),
        (read_only, SV39, Fetch, false),
        (execute_only, SV39, Load, false),
        (execute_only, mxr, Load, true),
        (execute_only, mxr, Store, false),
        (execute_only | USER, mxr, Load, false),
    ] {
        let answer = ask(entry(TARGET, bits), paging, kind);
        let expected = if allowed { Ok(TARGET) } else { Err(Fault::Page) };
        assert_eq!(answer.map(|m| m.page), expected, "bits {bits:#x}, {paging:?}, {kind:?}");
    }
}

#[test]
fn what_is_invalid_or_reserved_faults() {
    let svpbmt = Paging { pbmte: true, ..SV39 };
    for (bits, paging, allowed) in [
        (ALL & !VALID, SV39, false),
        (ALL & !READ, SV39, false),
        (ALL | (1 << 54), SV39, false),
        (ALL | (1 << 60), SV39, false),
        (ALL | (1 << 63), svpbmt, false),
        (ALL | (1 << 61), SV39, false),
        (ALL | (1 << 61), svpbmt, true),
        (ALL | (2 << 61), svpbmt, true),
        (ALL | (3 << 61), svpbmt, false),
        // A pointer where a leaf has to be.
        (VALID, SV39, false),
    ] {
        let answer = ask(entry(TARGET, bits), paging, Kind::Load);
        assert_eq!(answer.is_ok(), allowed, "bits {bits:#x}, pbmte {}", paging.pbmte);
    }
}

#[test]
fn without_svadu_unset_accessed_and_dirty_bits_fault() {
    for (bits, kind, expected) in [
        (ALL & !ACCESSED, Kind::Load, Err(Fault::Page)),
        (ALL & !DIRTY, Kind::Load, Ok(Rights::READ | Rights::EXECUTE)),
        (ALL & !DIRTY, Kind::Store, Err(Fault::Page)),
        (ALL, Kind::Load, Ok(Rights::all())),
    ] {
        let answer = ask(entry(TARGET, bits), SV39, kind).map(|mapping| mapping.rights);
        assert_eq!(answer, expected, "bits {bits:#x}, {kind:?}");
    }
}

#[test]
fn svadu_sets_exactly_the_bits_that_the_access_needs() {
    let adue = Paging { adue: true, ..SV39 };
    let clean = ALL & !(ACCESSED | DIRTY);
    for (bits, kind, after) in [
        (clean, Kind::Load, clean | ACCESSED),
        (clean, Kind::Store, ALL),
        (clean & !WRITE, Kind::Store, clean & !WRITE),
        (clean | DIRTY, Kind::Fetch, ALL),
    ] {
        let (memory, pmp) = setup();
        map(&memory, entry(TARGET, bits));
        let answer = walk(&memory, &pmp, &adue, VIRTUAL, kind, |_| ());
        assert_eq!(answer.is_ok(), after & ACCESSED != 0, "bits {bits:#x}, {kind:?}");
        let found = memory.read_u64(LOWEST + 5 * 8).expect("inside RAM");
        assert_eq!(found, entry(TARGET, after), "bits {bits:#x}, {kind:?}");
    }
}

#[test]
fn superpages_map_their_own_size_and_must_be_aligned() {
    for (level, page, address, expected) in [
        (2, RAM, 0x4012_3456, Ok(RAM + 0x12_3000)),
        (2, RAM + 0x1000, 0x4012_3456, Err(Fault::Page)),
        (2, RAM + 0x20_0000, 0x4012_3456, Err(Fault::Page)),
        (1, RAM + 0x20_0000, 0x4000_5123, Ok(RAM + 0x20_5000)),
        (1, RAM + 0x1000, 0x4000_5123, Err(Fault::Page)),
    ] {
        let (memory, pmp) = setup();
        if level == 1 {
            put(&memory, ROOT + 8, entry(MIDDLE, VALID));
            put(&memory, MIDDLE, entry(page, ALL));
        } else {
            put(&memory, ROOT + 8, entry(page, ALL));
        }
        let answer = walk(&memory, &pmp, &SV39, address, Kind::Load, |_| ());
        assert_eq!(answer.map(|m| m.page), expected, "level {level}, page {page:#x}");
    }
}

#[test]
fn addresses_must_be_sign_extended() {
    let sv48 = Paging { levels: 4, ..SV39 };
    for (paging, address, allowed) in [
        (SV39, 0x0000_003f_ffff_f000, true),
        (SV39, 0x0000_0040_0000_0000, false),
        (SV39, 0xffff_ffc0_0000_0000, true),
        (SV39, 0xffff_ffbf_ffff_f000, false),
        (sv48, 0x0000_7fff_ffff_f000, true),
        (sv48, 0x0000_8000_0000_0000, false),
        (sv48, 0xffff_8000_0000_0000, true),
    ] {
        let (memory, pmp) = setup();
        // Every index of the root is a leaf over the lowest gigabytes.
        for index in 0..512 {
            put(&memory, ROOT + index * 8, entry(0, ALL));
        }
        let answer = walk(&memory, &pmp, &paging, address, Kind::Load, |_| ());
        assert_eq!(answer.is_ok(), allowed, "{} levels, {address:#x}", paging.levels);
    }
}

#[test]
fn a_table_outside_ram_or_protected_is_an_access_fault() {
    let (memory, pmp) = setup();
    put(&memory, ROOT + 8, entry(0x1000_0000, VALID));
    let answer = walk(&memory, &pmp, &SV39, VIRTUAL, Kind::Store, |_| ());
    assert_eq!(answer, Err(Fault::Access));

    let (memory, mut pmp) = setup();
    map(&memory, entry(TARGET, ALL));
    pmp.set_address(0, MIDDLE >> 2);
    pmp.configure(0, 0x10);
    pmp.set_address(1, u64::MAX);
    pmp.configure(1, 0x1f);
    let answer = walk(&memory, &pmp, &SV39, VIRTUAL, Kind::Load, |_| ());
    assert_eq!(answer, Err(Fault::Access));
}

#[test]
fn every_table_entry_read_is_named_in_order() {
    let (memory, pmp) = setup();
    map(&memory, entry(TARGET, ALL));
    let mut tables = Vec::new();
    let answer = walk(&memory, &pmp, &SV39, VIRTUAL, Kind::Load, |entry| tables.push(entry));
    assert_eq!(answer.map(|mapping| mapping.page), Ok(TARGET));
    assert_eq!(tables, [ROOT + 8, MIDDLE, LOWEST + 5 * 8]);
}

#[test]
fn without_paging_every_page_maps_to_itself() {
    let (memory, pmp) = setup();
    let bare = Paging::default();
    let answer = walk(&memory, &pmp, &bare, 0x1234_5678, Kind::Fetch, |_| ());
    assert_eq!(answer, Ok(Mapping { page: 0x1234_5000, rights: Rights::all() }));
}
