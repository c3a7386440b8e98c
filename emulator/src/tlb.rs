//! The soft TLB: from virtual addresses straight to host memory.
//!
//! Problem: every load and store goes through it, from the interpreter and from translated code,
//! and what it holds must never show to the guest.
//!
//! Strategy: a direct-mapped table for each *context* (privilege and what else changes
//! permissions), of 32-byte entries with a tag for each kind of access. A hit is one compare of
//! `(addr + bytes - 1) & PAGE_MASK` with the tag (the tag of the first byte's entry: an access that
//! crosses into the next page misses). The host address is `addr + addend`. Page bits above the
//! index are folded into it, so that streams a power of two apart do not evict each other.
//!
//! Invariants: an entry exists only for RAM; a read tag only where reads have no side effect (the
//! accessed bit is set, no watchpoint); a write tag only where the page is fast-writable in
//! [`GuestMemory`], and the PTE dirty. The table is coherent with page
//! tables: whoever writes one hears of it through the change log. So eviction and flushes are
//! invisible, and it is not saved.

#![expect(unsafe_code, reason = "reads and writes guest RAM through the host addresses it holds")]
#![expect(
    clippy::cast_possible_truncation,
    clippy::multiple_unsafe_ops_per_block,
    reason = "values are cut to the width of the access; one argument covers every width"
)]

use std::{ops::Range, ptr};

use crate::bus::Width;
use crate::memory::{GuestMemory, PAGE_BYTES, PAGE_SHIFT};

/// Number of contexts.
pub const CONTEXTS: usize = 4;

/// log2 of the entries of one context.
pub const INDEX_BITS: u32 = 10;

/// Entries of one context.
pub const ENTRIES: usize = 1 << INDEX_BITS;

/// The bits of an address that name its page.
pub const PAGE_MASK: u64 = !(PAGE_BYTES - 1);

/// A tag that no access matches.
pub const INVALID: u64 = u64::MAX;

/// Kinds of access, by tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A data load.
    Read,
    /// A data store, or the load of a read-modify-write.
    Write,
    /// An instruction fetch.
    Execute,
}

/// One entry; translated code knows the layout.
#[repr(C, align(32))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Page address for loads, or [`INVALID`].
    pub read_tag: u64,
    /// Page address for stores, or [`INVALID`].
    pub write_tag: u64,
    /// Host address minus guest virtual address, wrapping.
    pub addend: u64,
    /// Page address for fetches, or [`INVALID`].
    pub execute_tag: u64,
}

impl Entry {
    const EMPTY: Self =
        Self { read_tag: INVALID, write_tag: INVALID, addend: 0, execute_tag: INVALID };

    /// The page that the entry maps, if any.
    fn page(&self) -> Option<u64> {
        [self.read_tag, self.write_tag, self.execute_tag].into_iter().find(|&tag| tag != INVALID)
    }
}

/// Base registers that a recent page is kept for, by kind of access.
pub const BASES: usize = 64;

/// The page that an access through some base register last went to; translated code knows the
/// layout and fills it from an entry.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recent {
    /// Page address, or [`INVALID`].
    pub tag: u64,
    /// Host address minus guest virtual address, wrapping.
    pub addend: u64,
}

impl Recent {
    const NONE: Self = Self { tag: INVALID, addend: 0 };
}

/// The table.
#[repr(C)]
pub struct Tlb {
    /// `recent[c][0][r]` for loads and `recent[c][1][r]` for stores through base register `r` (of
    /// those with equal low bits, the last one) in context `c`. Each is a copy of an entry that was
    /// there, and goes with what it maps.
    pub recent: [[[Recent; BASES]; 2]; CONTEXTS],
    /// `contexts[c][i]`: entry `i` of context `c`.
    pub contexts: [[Entry; ENTRIES]; CONTEXTS],
    /// The entries of each context that may hold something, one bit each, so that looking for some
    /// costs what there is.
    filled: [[u64; ENTRIES / 64]; CONTEXTS],
    /// Whether a context holds anything, so that flushing an empty one is free.
    used: [bool; CONTEXTS],
    /// Number of misses, for statistics.
    pub misses: u64,
}

impl std::fmt::Debug for Tlb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tlb").field("misses", &self.misses).finish_non_exhaustive()
    }
}

impl Default for Tlb {
    fn default() -> Self {
        Self {
            recent: [[[Recent::NONE; BASES]; 2]; CONTEXTS],
            contexts: [[Entry::EMPTY; ENTRIES]; CONTEXTS],
            filled: [[0; ENTRIES / 64]; CONTEXTS],
            used: [false; CONTEXTS],
            misses: 0,
        }
    }
}

/// The index of the entry for virtual `addr`.
#[inline(always)]
#[must_use]
pub const fn index_of(addr: u64) -> usize {
    let index = ((addr >> PAGE_SHIFT) ^ (addr >> (PAGE_SHIFT + INDEX_BITS))) as usize;
    index & (ENTRIES - 1)
}

impl Tlb {
    /// The host address for an access of `bytes` bytes at virtual `addr`, on a hit.
    #[inline(always)]
    #[must_use]
    pub fn host(&self, context: usize, kind: Kind, addr: u64, bytes: u64) -> Option<u64> {
        let entry = &self.contexts[context & (CONTEXTS - 1)][index_of(addr)];
        let tag = match kind {
            Kind::Read => entry.read_tag,
            Kind::Write => entry.write_tag,
            Kind::Execute => entry.execute_tag,
        };
        let last_page = addr.wrapping_add(bytes - 1) & PAGE_MASK;
        (last_page == tag).then(|| addr.wrapping_add(entry.addend))
    }

    /// Loads `width` at virtual `addr`, zero-extended, on a hit. `memory` is the RAM that the table
    /// was filled from.
    #[inline(always)]
    #[must_use]
    pub(crate) fn load(
        &self,
        _memory: &GuestMemory,
        context: usize,
        kind: Kind,
        addr: u64,
        width: Width,
    ) -> Option<u64> {
        let host = self.host(context, kind, addr, width.bytes())? as usize;
        // SAFETY: a hit says that all bytes lie in one page of the RAM that the entry was filled
        // from; that RAM is alive since `_memory` is borrowed, and no reference into it exists.
        Some(unsafe {
            match width {
                Width::Byte => u64::from(ptr::with_exposed_provenance::<u8>(host).read()),
                Width::Half => {
                    u64::from(ptr::with_exposed_provenance::<u16>(host).read_unaligned().to_le())
                }
                Width::Word => {
                    u64::from(ptr::with_exposed_provenance::<u32>(host).read_unaligned().to_le())
                }
                Width::Double => ptr::with_exposed_provenance::<u64>(host).read_unaligned().to_le(),
            }
        })
    }

    /// Stores the low bits of `value` at virtual `addr`, on a hit; false otherwise.
    #[inline(always)]
    #[must_use]
    pub(crate) fn store(
        &self,
        _memory: &GuestMemory,
        context: usize,
        addr: u64,
        width: Width,
        value: u64,
    ) -> bool {
        let Some(host) = self.host(context, Kind::Write, addr, width.bytes()) else { return false };
        let host = host as usize;
        // SAFETY: as in `load`; a write tag also says that nobody has to hear of the store.
        unsafe {
            match width {
                Width::Byte => ptr::with_exposed_provenance_mut::<u8>(host).write(value as u8),
                Width::Half => ptr::with_exposed_provenance_mut::<u16>(host)
                    .write_unaligned((value as u16).to_le()),
                Width::Word => ptr::with_exposed_provenance_mut::<u32>(host)
                    .write_unaligned((value as u32).to_le()),
                Width::Double => {
                    ptr::with_exposed_provenance_mut::<u64>(host).write_unaligned(value.to_le());
                }
            }
        }
        true
    }

    /// Installs tags for the page of virtual `addr`, which RAM page `page` backs. What the entry
    /// already allowed for the same mapping stays allowed. `write` is for pages whose PTE needs no
    /// update; the tag is installed only if the page is fast-writable, too.
    pub fn fill(
        &mut self,
        context: usize,
        addr: u64,
        memory: &GuestMemory,
        page: usize,
        (read, write, execute): (bool, bool, bool),
    ) {
        self.misses += 1;
        self.used[context] = true;
        let tag = addr & PAGE_MASK;
        let addend = (memory.host_page(page).expose_provenance() as u64).wrapping_sub(tag);
        // An atomic's read goes by the write tag.
        let read_watched = memory.is_read_watched(page);
        let write = write && memory.is_fast_writable(page) && !read_watched;
        if write {
            memory.mark_tagged(page);
        }
        let tag_if = |allowed| if allowed { tag } else { INVALID };
        let index = index_of(addr);
        self.filled[context][index / 64] |= 1 << (index % 64);
        self.contexts[context][index] = Entry {
            read_tag: tag_if(read && !read_watched),
            write_tag: tag_if(write),
            addend,
            execute_tag: tag_if(execute),
        };
    }

    /// Empties one context.
    pub fn flush_context(&mut self, context: usize) {
        if std::mem::take(&mut self.used[context]) {
            for (number, word) in self.filled[context].iter_mut().enumerate() {
                for index in bits(std::mem::take(word)) {
                    self.contexts[context][number * 64 + index] = Entry::EMPTY;
                }
            }
            self.recent[context] = [[Recent::NONE; BASES]; 2];
        }
    }

    /// Empties the table.
    pub fn flush(&mut self) {
        for context in 0..CONTEXTS {
            self.flush_context(context);
        }
    }

    /// Drops what maps the `bytes` bytes at virtual `addr` (whole pages), in every context.
    pub fn flush_range(&mut self, addr: u64, bytes: u64) {
        for recent in self.recents([0, 1]) {
            if recent.tag.wrapping_sub(addr & PAGE_MASK) < bytes {
                *recent = Recent::NONE;
            }
        }
        if bytes <= PAGE_BYTES {
            for context in &mut self.contexts {
                let entry = &mut context[index_of(addr)];
                if entry.page() == Some(addr & PAGE_MASK) {
                    *entry = Entry::EMPTY;
                }
            }
            return;
        }
        let is_inside = |page: u64| page.wrapping_sub(addr) < bytes;
        self.flush_entries(0..CONTEXTS, is_inside);
    }

    /// Drops what maps pages whose virtual address `is_dropped` says so of, in some contexts.
    pub fn flush_where(&mut self, contexts: Range<usize>, is_dropped: impl Fn(u64) -> bool) {
        for (context, recent) in self.recent.iter_mut().enumerate() {
            if contexts.contains(&context) && self.used[context] {
                for recent in recent.iter_mut().flatten() {
                    if recent.tag != INVALID && is_dropped(recent.tag) {
                        *recent = Recent::NONE;
                    }
                }
            }
        }
        self.flush_entries(contexts, is_dropped);
    }

    fn flush_entries(&mut self, contexts: Range<usize>, is_dropped: impl Fn(u64) -> bool) {
        for context in contexts {
            for (number, word) in self.filled[context].iter_mut().enumerate() {
                for index in bits(*word) {
                    let entry = &mut self.contexts[context][number * 64 + index];
                    if entry.page().is_none_or(&is_dropped) {
                        *entry = Entry::EMPTY;
                        *word &= !(1 << index);
                    }
                }
            }
        }
    }

    /// Drops all write tags, or those for one RAM page.
    pub fn revoke(&mut self, memory: &GuestMemory, page: Option<usize>) {
        let host = page.map(|page| memory.host_page(page).expose_provenance() as u64);
        for recent in self.recents([1]) {
            if host.is_none_or(|host| recent.tag.wrapping_add(recent.addend) == host) {
                *recent = Recent::NONE;
            }
        }
        for entry in self.occupied() {
            if host.is_none_or(|host| entry.write_tag.wrapping_add(entry.addend) == host) {
                entry.write_tag = INVALID;
            }
        }
    }

    /// What is kept for base registers in contexts in use: 0 for loads, 1 for stores.
    fn recents<const KINDS: usize>(
        &mut self,
        kinds: [usize; KINDS],
    ) -> impl Iterator<Item = &mut Recent> {
        let used = self.used;
        let contexts = self.recent.iter_mut().zip(used).filter(|(_, used)| *used);
        contexts
            .flat_map(|(recent, _)| recent.iter_mut().enumerate())
            .filter(move |(kind, _)| kinds.contains(kind))
            .flat_map(|(_, recent)| recent)
    }

    /// Entries in use.
    fn occupied(&mut self) -> impl Iterator<Item = &mut Entry> {
        let contexts = self.contexts.iter_mut().zip(&self.filled);
        contexts.flat_map(|(entries, filled)| {
            let words = entries.chunks_exact_mut(64).zip(filled).filter(|(_, word)| **word != 0);
            words.flat_map(|(entries, word)| {
                let entries = entries.iter_mut().enumerate();
                let word = *word;
                entries.filter(move |(index, _)| word >> index & 1 != 0).map(|(_, entry)| entry)
            })
        })
    }
}

/// The positions of the bits set in `word`, ascending.
fn bits(mut word: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let index = word.trailing_zeros();
        word &= word.wrapping_sub(1);
        (index < u64::BITS).then_some(index as usize)
    })
}
