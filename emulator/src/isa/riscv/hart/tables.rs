//! What cached translations depend on: the entries of page tables that were walked for them.
//!
//! A store to such an entry drops what was cached through it, before the next instruction. Stores
//! to other entries of the same page, which are most while a guest builds its tables, drop nothing;
//! and only where something executable is mapped through the entry do blocks and jumps have to be found
//! anew.
//!
//! A switch to another root table is a store to all entries of the root at once, and handled as one:
//! what both roots' entries say alike stays. A kernel gives the same entries for itself to every
//! process, so that it keeps what is cached for it, exactly and whatever it calls global.

use std::ops::RangeInclusive;

use super::{super::mmu, Hart, levels_of, root_of};
use crate::{
    isa::riscv::state::Privilege,
    memory::{GuestMemory, PAGE_BYTES, PAGE_SHIFT},
    tlb,
};

/// What the entries of a page used as a page table map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TableUse {
    /// First virtual address that the table maps, as many bits of it as are translated.
    base: u64,
    /// log2 of the bytes that one entry maps.
    shift: u32,
    /// It is used in several places: a store to one of the entries in use drops everything.
    ambiguous: bool,
    /// The entries that something cached depends on.
    used: Entries,
    /// Those of them that map something executable: for supervisor and machine, and for user.
    executable: [Entries; 2],
}

/// log2 of the entries of a page table.
const INDEX_BITS: u32 = 9;

/// A set of entries of a page table, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Entries([u64; 1 << INDEX_BITS >> 6]);

impl Entries {
    fn contains(&self, entry: u64) -> bool {
        let entry = entry % (1 << INDEX_BITS);
        self.0[(entry / 64) as usize] >> (entry % 64) & 1 != 0
    }

    fn insert(&mut self, entry: u64) {
        let entry = entry % (1 << INDEX_BITS);
        self.0[(entry / 64) as usize] |= 1 << (entry % 64);
    }

    fn remove(&mut self, entry: u64) {
        let entry = entry % (1 << INDEX_BITS);
        self.0[(entry / 64) as usize] &= !(1 << (entry % 64));
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        (0..1 << INDEX_BITS).filter(|entry| self.contains(*entry))
    }
}

impl TableUse {
    /// Nothing depends on the entry any more.
    fn forget(&mut self, entry: u64) {
        self.used.remove(entry);
        for entries in &mut self.executable {
            entries.remove(entry);
        }
    }
}

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
        let used = table.used;
        for entry in entries.filter(|entry| used.contains(*entry)) {
            dropped.push((entry, table.executable.map(|entries| entries.contains(entry))));
            table.forget(entry);
        }
        if ambiguous && !dropped.is_empty() {
            return self.flush_paged_translations(memory);
        }
        if table.used.is_empty() {
            self.tables.remove(&page);
            memory.remove_table_user(page);
        }
        for (entry, executable) in dropped {
            self.fetches_changed(executable);
            let addr = self.sign_extended(base.wrapping_add(entry << shift));
            self.tlb.flush_range(addr, 1 << shift);
        }
    }

    /// `satp` is no longer what it was.
    pub(in crate::isa::riscv) fn switch_space(&mut self, memory: &GuestMemory, left_satp: u64) {
        let satp = self.state.satp;
        let levels = levels_of(satp);
        // Changes not yet followed may be to these very tables.
        let is_current = memory.change_count() == self.seen_changes;
        if levels == 0 || levels != levels_of(left_satp) || !is_current {
            return self.flush_paged_translations(memory);
        }
        let (left, entered) = (root_of(left_satp) << PAGE_SHIFT, root_of(satp) << PAGE_SHIFT);
        let (Some(from), Some(to)) = (memory.page_of(left), memory.page_of(entered)) else {
            return self.flush_paged_translations(memory);
        };
        let is_ambiguous = || self.tables.values().any(|table| table.ambiguous);
        if from == to || !self.tables.contains_key(&from) {
            // The same root, or nothing is cached that went through the one left.
        } else if self.tables.contains_key(&to) || is_ambiguous() {
            self.flush_paged_translations(memory);
        } else {
            self.switch_root(memory, (from, left), (to, entered));
        }
    }

    /// Keeps what went through entries that both roots (page and address) have alike.
    fn switch_root(&mut self, memory: &GuestMemory, from: (usize, u64), to: (usize, u64)) {
        let Some(mut root) = self.tables.remove(&from.0) else { return };
        memory.remove_table_user(from.0);
        let pmp = &self.state.pmp;
        let read = |table: u64, entry: u64| mmu::read_entry(memory, pmp, table + entry * 8);
        let mut dropped = Entries::default();
        for entry in root.used.iter() {
            let is_alike = read(from.1, entry).is_ok_and(|old| read(to.1, entry) == Ok(old));
            if !is_alike {
                dropped.insert(entry);
            }
        }
        let mut executable = [false; 2];
        for entry in dropped.iter() {
            for (any, entries) in executable.iter_mut().zip(&root.executable) {
                *any |= entries.contains(entry);
            }
            root.forget(entry);
        }
        if !root.used.is_empty() {
            memory.add_table_user(to.0);
            self.tables.insert(to.0, root);
        }
        if dropped.is_empty() {
            return;
        }
        self.fetches_changed(executable);
        let is_dropped = |addr: u64| dropped.contains(addr >> root.shift);
        self.tables.retain(|page, table| {
            let goes = table.shift < root.shift && is_dropped(table.base);
            if goes {
                memory.remove_table_user(*page);
            }
            !goes
        });
        self.tlb.flush_where(1..tlb::CONTEXTS, is_dropped);
    }

    /// Fetches may mean something else: of supervisor and machine, of user.
    fn fetches_changed(&mut self, changed: [bool; 2]) {
        for (generation, changed) in self.fetch_generations.iter_mut().zip(changed) {
            *generation += u64::from(changed);
        }
    }

    /// A virtual address from its translated bits.
    fn sign_extended(&self, addr: u64) -> u64 {
        let spare = u64::BITS - self.translated_bits();
        ((addr << spare).cast_signed() >> spare).cast_unsigned()
    }

    /// Bits of a virtual address that are translated, the offset in the page included.
    fn translated_bits(&self) -> u32 {
        PAGE_SHIFT + INDEX_BITS * levels_of(self.state.satp)
    }

    /// Notes that the TLB depends on the table that holds the entry at physical `entry`, each of
    /// whose entries maps `1 << shift` bytes, for virtual `addr`; and with which privilege what is
    /// there may be executed, if it may.
    pub(super) fn depend_on(
        &mut self,
        memory: &GuestMemory,
        entry: u64,
        addr: u64,
        shift: u32,
        executable: Option<Privilege>,
    ) {
        let Some(page) = memory.page_of(entry) else { return };
        let translated = addr & ((1 << self.translated_bits()) - 1);
        let base = translated & !((1_u64 << (shift + INDEX_BITS)) - 1);
        let table = self.tables.entry(page).or_insert_with(|| {
            memory.add_table_user(page);
            let (used, executable) = (Entries::default(), [Entries::default(); 2]);
            TableUse { base, shift, ambiguous: false, used, executable }
        });
        table.ambiguous |= (table.base, table.shift) != (base, shift);
        let number = entry % PAGE_BYTES / 8;
        table.used.insert(number);
        if let Some(privilege) = executable {
            table.executable[usize::from(privilege == Privilege::User)].insert(number);
        }
    }
}

#[cfg(test)]
mod tests;
