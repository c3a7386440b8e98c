//! Address spaces for blocks: page tables with random rights, bits that are not set yet, and mistakes.
//!
//! A space maps scratch memory and code onto themselves by pages of 4 KiB, and scratch memory once
//! more at [`ALIAS`] above by larger ones. Half of the spaces are for supervisor mode and half for user
//! mode: each has code that its mode can run. The tables count as changed memory, so accessed and
//! dirty bits are compared, too.

use super::{generate::Mode, random::Random};

/// Distance from an address to where larger pages map it.
pub(crate) const ALIAS: u64 = 0x4000_0000;
/// Spaces of a program.
pub(crate) const SPACES: usize = 8;
/// What the 4 KiB pages of a space reach from the program's base.
const REACH: u64 = 16 << 20;
const MEGAPAGE: u64 = 2 << 20;
const PAGE: u64 = 0x1000;

/// Pages of tables of one space: Sv48's root, Sv39's root, one table of megapages each for the
/// program and its alias, the lowest tables.
const TABLES: u64 = 4 + REACH / MEGAPAGE;
/// Bytes of all spaces.
pub(crate) const BYTES: u64 = SPACES as u64 * TABLES * PAGE;

const VALID: u64 = 1;
const READ: u64 = 2;
const WRITE: u64 = 4;
const EXECUTE: u64 = 8;
const USER: u64 = 0x10;
const GLOBAL: u64 = 0x20;
const ACCESSED: u64 = 0x40;
const DIRTY: u64 = 0x80;

/// The parts of a program that are mapped.
#[derive(Clone, Copy)]
pub(crate) struct Extent {
    pub(crate) base: u64,
    /// Where scratch memory, these tables and code begin.
    pub(crate) scratch: u64,
    pub(crate) tables: u64,
    pub(crate) code: u64,
}

/// The mode that a space is for.
pub(crate) fn mode(space: usize) -> Mode {
    if space < SPACES / 2 { Mode::Supervisor } else { Mode::User }
}

/// `satp` of a space; every third has four levels.
pub(crate) fn satp(space: usize, extent: Extent) -> u64 {
    let first = extent.tables + space as u64 * TABLES * PAGE;
    if space % 3 == 2 { 9 << 60 | first >> 12 } else { 8 << 60 | (first + PAGE) >> 12 }
}

fn entry(address: u64, bits: u64) -> u64 {
    address >> 12 << 10 | bits
}

/// Rights of data: mostly all that the mode needs.
fn data(random: &mut Random, user: bool) -> u64 {
    let mut bits = VALID | READ | WRITE | ACCESSED | DIRTY | if user { USER } else { 0 };
    for (bit, times) in [(VALID, 32), (READ, 12), (WRITE, 6), (ACCESSED, 8), (DIRTY, 6), (USER, 10)]
    {
        if random.once_in(times) {
            bits ^= bit;
        }
    }
    for (bit, times) in [
        (EXECUTE, 4),
        (GLOBAL, 4),
        // For software: ignored.
        (1 << 8, 4),
        // Memory types, the last of which is reserved; then other reserved bits.
        (1 << 61, 16),
        (1 << 62, 16),
        (1 << 63, 64),
        (1 << 54, 64),
    ] {
        if random.once_in(times) {
            bits |= bit;
        }
    }
    bits
}

/// Rights of code, rarely wrong.
fn code(random: &mut Random, user: bool) -> u64 {
    let mut bits = VALID | READ | EXECUTE | ACCESSED | if user { USER } else { 0 };
    for bit in [READ, EXECUTE, ACCESSED, USER] {
        if random.once_in(40) {
            bits ^= bit;
        }
    }
    bits
}

/// The tables of one space, as doublewords from the first.
fn tables(random: &mut Random, space: usize, extent: Extent) -> Vec<u64> {
    let first = extent.tables + space as u64 * TABLES * PAGE;
    let table = |number: u64| first + number * PAGE;
    let user = mode(space) == Mode::User;
    let mut words = vec![0; (TABLES * PAGE / 8) as usize];
    let mut set = |number: u64, index: u64, value: u64| {
        words[(number * PAGE / 8 + index) as usize] = value;
    };
    set(0, 0, entry(table(1), VALID));
    set(1, extent.base >> 30, entry(table(2), VALID));
    // Larger pages: one gigapage, or megapages, some of them not aligned.
    if space.is_multiple_of(2) {
        set(1, (extent.base + ALIAS) >> 30, entry(extent.base, data(random, user)));
    } else {
        set(1, (extent.base + ALIAS) >> 30, entry(table(3), VALID));
        for index in 0..REACH / MEGAPAGE {
            let misaligned = if random.once_in(16) { PAGE } else { 0 };
            let address = extent.base + index * MEGAPAGE + misaligned;
            set(3, index, entry(address, data(random, user)));
        }
    }
    for index in 0..REACH / MEGAPAGE {
        set(2, index, entry(table(4 + index), VALID));
    }
    for page in 0..REACH / PAGE {
        let address = extent.base + page * PAGE;
        let bits = match address {
            _ if address >= extent.code => code(random, user),
            _ if address >= extent.tables || address < extent.scratch => 0,
            _ => data(random, user),
        };
        set(4 + page / 512, page % 512, entry(address, bits));
    }
    words
}

/// The tables of all spaces.
pub(crate) fn all(random: &mut Random, extent: Extent) -> Vec<u64> {
    (0..SPACES).flat_map(|space| tables(random, space, extent)).collect()
}

/// Panics unless code up to `end` is mapped.
pub(crate) fn check(extent: Extent, end: u64) {
    assert!(end <= extent.base + REACH, "code ends at {end:#x}, which no space maps");
}
