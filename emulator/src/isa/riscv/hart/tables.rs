//! What cached translations depend on: the entries of page tables that were walked for them.
//!
//! A store to such an entry drops what was cached through it, before the next instruction. Stores
//! to other entries of the same page, which are most while a guest builds its tables, drop nothing;
//! and only where a fetch went through the entry do blocks and jumps have to be found anew.

use std::ops::RangeInclusive;

use super::Hart;
use crate::{
    isa::riscv::access::Kind,
    memory::{GuestMemory, PAGE_BYTES},
};

/// What the entries of a page used as a page table map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TableUse {
    /// First virtual address that the table maps.
    base: u64,
    /// log2 of the bytes that one entry maps.
    shift: u32,
    /// It is used in several places: a store to one of the entries in use drops everything.
    ambiguous: bool,
    /// The entries that something cached depends on, one bit each.
    used: [u64; TABLE_WORDS],
    /// Those of them that a fetch went through.
    fetched: [u64; TABLE_WORDS],
}

/// Words of a bit for each entry of a page table.
const TABLE_WORDS: usize = 8;

impl Hart {
    /// Entries of a page table were written: drops what depends on them. Most are new, and nothing
    /// does.
    pub(super) fn follow_table(
        &mut self,
        memory: &GuestMemory,
        page: usize,
        entries: RangeInclusive<u64>,
    ) {
        let Some(table) = self.tables.get_mut(&page) else { return };
        let (base, shift, ambiguous) = (table.base, table.shift, table.ambiguous);
        let mut dropped = Vec::new();
        for entry in entries {
            let (word, bit) = ((entry / 64) as usize % TABLE_WORDS, 1 << (entry % 64));
            if table.used[word] & bit != 0 {
                table.used[word] &= !bit;
                dropped.push((entry, table.fetched[word] & bit != 0));
                table.fetched[word] &= !bit;
            }
        }
        if ambiguous && !dropped.is_empty() {
            return self.flush_paged_translations(memory);
        }
        if table.used == [0; TABLE_WORDS] {
            self.tables.remove(&page);
            memory.remove_table_user(page);
        }
        for (entry, fetched) in dropped {
            self.fetch_generation += u64::from(fetched);
            self.tlb.flush_range(base.wrapping_add(entry << shift), 1 << shift);
        }
    }

    /// Notes that the TLB depends on the table that holds the entry at physical `entry`, each of
    /// whose entries maps `1 << shift` bytes, for virtual `addr`.
    pub(super) fn depend_on(
        &mut self,
        memory: &GuestMemory,
        entry: u64,
        addr: u64,
        shift: u32,
        kind: Kind,
    ) {
        let Some(page) = memory.page_of(entry) else { return };
        let base = addr & !((1_u64 << (shift + 9)) - 1);
        let table = self.tables.entry(page).or_insert_with(|| {
            memory.add_table_user(page);
            let (used, fetched) = ([0; TABLE_WORDS], [0; TABLE_WORDS]);
            TableUse { base, shift, ambiguous: false, used, fetched }
        });
        table.ambiguous |= (table.base, table.shift) != (base, shift);
        let number = entry % PAGE_BYTES / 8;
        let (word, bit) = ((number / 64) as usize, 1 << (number % 64));
        table.used[word] |= bit;
        if kind == Kind::Fetch {
            table.fetched[word] |= bit;
        }
    }
}
