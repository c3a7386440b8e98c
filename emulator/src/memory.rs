//! Guest RAM: one handle through which every write goes.
//!
//! Problem: checkpoints, self-modifying code, page tables, watchpoints and dirty tracking all have
//! to know of every write to guest RAM, whoever makes it, and ordinary stores must not pay for it.
//!
//! Strategy: each page carries [`PageFlags`]. A page is *fast-writable* when it is dirty in this
//! epoch and none of the other parties listens; only then may a processor install a write tag for
//! it in its soft TLB and store without asking. Every other write comes here, where
//! [`GuestMemory::write`] tells the listeners: it preserves the page's old content for a
//! checkpoint, and appends a [`Change`] to a log that the processors drain before their next
//! instruction.
//!
//! Invariants:
//! * a page with a write tag anywhere has `DIRTY` and `TAGGED` and neither `CODE`, `TABLE`,
//!   `WATCHED` nor `READ_ONLY`; whoever takes `DIRTY` away or sets one of the others logs [`Change::Revoked`];
//! * flags and log never influence what a guest sees: they are caches, never saved;
//! * one thread at a time: the handle is `Send` and not `Sync`. A background compiler gets copied
//!   bytes and a page's version.
//!
//! Deliberately absent: byte order and access widths (the processor's), devices (the bus's).

#![expect(unsafe_code, reason = "owns the host mapping of guest RAM")]

mod capture;
mod changes;
mod epoch;
mod image;
mod page_set;
mod watch;
mod written;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::Range;

use memmap2::{Advice, MmapMut, UncheckedAdvice};

pub use capture::CapturedPages;
pub use changes::{Change, Changes};
pub use epoch::Preserved;
pub use image::FilePages;
pub use page_set::PageSet;

/// Bytes of a guest page: the granule of flags, versions and the soft TLB.
pub const PAGE_BYTES: u64 = 4096;

/// [`PAGE_BYTES`] as the length of a buffer.
pub const PAGE_LEN: usize = 4096;

/// log2 of [`PAGE_BYTES`].
pub const PAGE_SHIFT: u32 = 12;

/// Granule in which a page remembers where its code is.
pub const CODE_CHUNK_BYTES: u64 = PAGE_BYTES / 64;

bitflags::bitflags! {
    /// Who has to hear of a write to a page.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct PageFlags: u8 {
        /// Written since the epoch began (so its old content is preserved, if wanted).
        const DIRTY = 1;
        /// Holds code that an engine has decoded or translated.
        const CODE = 2;
        /// Some processor's TLB holds what was read from it as a page table.
        const TABLE = 4;
        /// A part of it is watched ([`GuestMemory::watch`]) or a mailbox
        /// ([`GuestMemory::set_mailboxes`]).
        const WATCHED = 8;
        /// Some processor's TLB holds a write tag for it.
        const TAGGED = 16;
        /// Written since power-on or the last [`GuestMemory::clear`]; otherwise it is all zero.
        const TOUCHED = 32;
        /// Reads of a part of it are watched ([`GuestMemory::watch_reads`]): no read tags.
        const READ_WATCHED = 64;
        /// The guest cannot write it ([`GuestMemory::protect`]).
        const READ_ONLY = 128;
    }
}

/// Why guest RAM could not be made.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// A range is empty, not made of whole pages or wraps around.
    #[error("guest RAM {start:#x}..{end:#x} is empty or not made of whole pages of 4 KiB")]
    Shape {
        /// First address.
        start: u64,
        /// First address behind it.
        end: u64,
    },
    /// Two ranges overlap or are not in ascending order.
    #[error("guest RAM at {start:#x} overlaps or precedes the range before it")]
    Order {
        /// First address of the later range.
        start: u64,
    },
    /// The host did not give the memory.
    #[error("the host did not map {bytes} bytes of guest RAM")]
    Host {
        /// Bytes wanted.
        bytes: u64,
        /// The host's answer.
        source: std::io::Error,
    },
}

/// An access that is not wholly inside guest RAM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{addr:#x}..+{bytes:#x} is not inside guest RAM")]
pub struct NotRam {
    /// Physical address of the access.
    pub addr: u64,
    /// Its length.
    pub bytes: u64,
}

/// A stretch of physical addresses that is RAM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// First physical address, a multiple of [`PAGE_BYTES`].
    pub base: u64,
    /// Length, a multiple of [`PAGE_BYTES`].
    pub bytes: u64,
    /// Index of its first page; pages are numbered through all regions without gaps.
    pub first_page: usize,
}

/// Guest RAM.
pub struct GuestMemory {
    regions: Vec<Region>,
    mapping: MmapMut,
    /// Start of `mapping`; stores go through it, so that they need no `&mut`.
    host: *mut u8,
    flags: Box<[Cell<u8>]>,
    versions: Box<[Cell<u32>]>,
    /// Number of processors whose TLB depends on the page as a page table.
    table_users: Box<[Cell<u8>]>,
    /// The chunks of pages marked as code that hold code, one bit each: data beside code on a page
    /// makes stores slow, not the code stale.
    code_chunks: RefCell<BTreeMap<usize, u64>>,
    changes: RefCell<changes::Log>,
    epoch: RefCell<epoch::Epoch>,
    watched: RefCell<Vec<Range<u64>>>,
    /// Whether a part of `mapping` is a file's pages ([`GuestMemory::adopt`]).
    file_backed: Cell<bool>,
    read_watched: RefCell<Vec<Range<u64>>>,
    mailboxes: RefCell<Vec<Range<u64>>>,
}

// SAFETY: `host` points into `mapping`, which is owned; everything else is `Send` by itself.
unsafe impl Send for GuestMemory {}

impl std::fmt::Debug for GuestMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GuestMemory").field("regions", &self.regions).finish_non_exhaustive()
    }
}

impl GuestMemory {
    /// RAM at the given physical ranges, ascending and made of whole pages, all zero.
    ///
    /// # Errors
    /// [`MemoryError`] for a bad range or when the host has not enough memory.
    pub fn new(ranges: &[Range<u64>]) -> Result<Self, MemoryError> {
        let mut regions: Vec<Region> = Vec::new();
        let mut pages = 0_usize;
        for &Range { start, end } in ranges {
            let whole = start.is_multiple_of(PAGE_BYTES) && end.is_multiple_of(PAGE_BYTES);
            if start >= end || !whole {
                return Err(MemoryError::Shape { start, end });
            }
            if regions.last().is_some_and(|last| start < last.base + last.bytes) {
                return Err(MemoryError::Order { start });
            }
            let bytes = end - start;
            regions.push(Region { base: start, bytes, first_page: pages });
            pages += index(bytes >> PAGE_SHIFT);
        }
        let bytes = (pages as u64) << PAGE_SHIFT;
        let mut mapping = memmap2::MmapOptions::new()
            .len(index(bytes))
            .no_reserve_swap()
            .map_anon()
            .map_err(|source| MemoryError::Host { bytes, source })?;
        // A wish: guests touch much of their RAM, and each first touch of a small page costs the host
        // microseconds. Hosts without large pages refuse, which changes nothing.
        drop(mapping.advise(Advice::HugePage));
        let host = mapping.as_mut_ptr();
        Ok(Self {
            regions,
            mapping,
            host,
            flags: vec![Cell::new(0); pages].into(),
            versions: vec![Cell::new(0); pages].into(),
            table_users: vec![Cell::new(0); pages].into(),
            code_chunks: RefCell::default(),
            changes: RefCell::default(),
            epoch: RefCell::default(),
            watched: RefCell::default(),
            file_backed: Cell::new(false),
            read_watched: RefCell::default(),
            mailboxes: RefCell::default(),
        })
    }

    /// One range of `bytes` bytes of RAM at `base`.
    ///
    /// # Errors
    /// As [`GuestMemory::new`].
    pub fn at(base: u64, bytes: u64) -> Result<Self, MemoryError> {
        let range = base..base.checked_add(bytes).unwrap_or(base);
        Self::new(std::slice::from_ref(&range))
    }

    /// The stretches of physical addresses that are RAM, ascending.
    #[must_use]
    pub fn regions(&self) -> &[Region] {
        &self.regions
    }

    /// Number of pages in all regions; pages are numbered from 0 to this.
    #[must_use]
    pub fn page_count(&self) -> usize {
        self.flags.len()
    }

    /// The number of the page that holds physical `addr`, if it is RAM.
    #[inline]
    #[must_use]
    pub fn page_of(&self, addr: u64) -> Option<usize> {
        self.regions.iter().find_map(|region| {
            let offset = addr.wrapping_sub(region.base);
            (offset < region.bytes).then(|| region.first_page + index(offset >> PAGE_SHIFT))
        })
    }

    /// The physical address of page `page`.
    #[must_use]
    pub fn address_of(&self, page: usize) -> u64 {
        let region = self.regions.iter().rev().find(|region| region.first_page <= page);
        region.map_or(0, |region| region.base + (((page - region.first_page) as u64) << PAGE_SHIFT))
    }

    /// The host address of page `page`. Reading through it is always allowed (on the thread that
    /// owns the handle); writing only while the page is fast-writable and tagged.
    ///
    /// # Panics
    /// When there is no page `page`; there are [`GuestMemory::page_count`].
    #[inline]
    #[must_use]
    pub fn host_page(&self, page: usize) -> *mut u8 {
        assert!(page < self.flags.len(), "page {page} is not guest RAM");
        self.host.wrapping_add(page << PAGE_SHIFT)
    }

    /// The page that holds host address `host`, which came from [`GuestMemory::host_page`].
    #[inline]
    #[must_use]
    pub fn page_of_host(&self, host: u64) -> usize {
        index(host.wrapping_sub(self.host.addr() as u64) >> PAGE_SHIFT)
    }

    /// Makes the page dirty, if nobody but the epoch has to hear of writes to it; otherwise false.
    #[must_use]
    pub fn make_writable(&self, page: usize) -> bool {
        let listeners =
            PageFlags::CODE | PageFlags::TABLE | PageFlags::WATCHED | PageFlags::READ_ONLY;
        if self.page_flags(page).intersects(listeners) {
            return false;
        }
        if !self.is_fast_writable(page) {
            self.before_write(page, self.address_of(page), PAGE_BYTES);
        }
        true
    }

    /// Host offset of `addr` when all of `bytes` lies in one region.
    #[inline]
    fn offset_of(&self, addr: u64, bytes: u64) -> Option<usize> {
        self.regions.iter().find_map(|region| {
            let offset = addr.wrapping_sub(region.base);
            (offset < region.bytes && bytes <= region.bytes - offset)
                .then(|| (region.first_page << PAGE_SHIFT) + index(offset))
        })
    }

    /// Reads `bytes.len()` bytes at physical `addr`.
    ///
    /// # Errors
    /// [`NotRam`] when a part of it is outside RAM; nothing was read.
    pub fn read(&self, addr: u64, bytes: &mut [u8]) -> Result<(), NotRam> {
        let length = bytes.len() as u64;
        let offset = self.offset_of(addr, length).ok_or(NotRam { addr, bytes: length })?;
        let source = self.host.wrapping_add(offset);
        // SAFETY: `offset_of` checked that the whole range lies in the mapping, which `bytes`
        // cannot overlap since no reference into it is ever handed out.
        unsafe { source.copy_to_nonoverlapping(bytes.as_mut_ptr(), bytes.len()) };
        Ok(())
    }

    /// Makes the pages of a range of physical addresses read-only to the guest: ROM. The host still
    /// writes them ([`GuestMemory::write`]), as a reset and a restore must.
    ///
    /// # Panics
    /// When a page of the range is not in memory.
    pub fn protect(&self, range: Range<u64>) {
        for number in range.start >> PAGE_SHIFT..range.end.div_ceil(PAGE_BYTES) {
            let page = self.page_of(number << PAGE_SHIFT).expect("what is protected is there");
            self.revoke(page);
            self.insert(page, PageFlags::READ_ONLY);
        }
    }

    /// Whether the guest can write at physical `addr`: it is RAM and not ROM.
    #[must_use]
    pub fn is_writable(&self, addr: u64) -> bool {
        self.page_of(addr).is_some_and(|page| !self.page_flags(page).contains(PageFlags::READ_ONLY))
    }

    /// Writes as the guest does, its processors and its devices: [`GuestMemory::write`], but for
    /// ROM.
    ///
    /// # Errors
    /// [`NotRam`] when a part of it is outside RAM or in ROM; nothing was written.
    pub fn store(&self, addr: u64, bytes: &[u8]) -> Result<(), NotRam> {
        let length = bytes.len() as u64;
        let pages = addr >> PAGE_SHIFT..=addr.saturating_add(length.max(1) - 1) >> PAGE_SHIFT;
        if pages.clone().all(|number| self.is_writable(number << PAGE_SHIFT)) {
            return self.write(addr, bytes);
        }
        Err(NotRam { addr, bytes: length })
    }

    /// Writes `bytes` at physical `addr`, ROM included, and tells whoever listens to those pages.
    ///
    /// # Errors
    /// [`NotRam`] when a part of it is outside RAM; nothing was written.
    pub fn write(&self, addr: u64, bytes: &[u8]) -> Result<(), NotRam> {
        if bytes.is_empty() {
            return Ok(());
        }
        let length = bytes.len() as u64;
        let offset = self.offset_of(addr, length).ok_or(NotRam { addr, bytes: length })?;
        for page in offset >> PAGE_SHIFT..=(offset + bytes.len() - 1) >> PAGE_SHIFT {
            if !self.is_fast_writable(page) {
                self.before_write(page, addr, length);
            }
        }
        let target = self.host.wrapping_add(offset);
        // SAFETY: as in `read`, with the directions swapped.
        unsafe { target.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        Ok(())
    }

    /// Whether page `page` holds nothing but zeros.
    #[must_use]
    pub fn is_zero(&self, page: usize) -> bool {
        if !self.page_flags(page).contains(PageFlags::TOUCHED) {
            return true;
        }
        let words = self.host_page(page).cast::<u64>();
        (0..PAGE_LEN / 8).step_by(8).all(|first| {
            // SAFETY: `host_page` checked the page, which is aligned and wholly in the mapping, and
            // the eight words from `first` on lie in it.
            let words = unsafe { words.wrapping_add(first).cast::<[u64; 8]>().read() };
            words.iter().fold(0, |all, word| all | word) == 0
        })
    }

    /// Reads a little-endian `u64`, for page tables and tests.
    ///
    /// # Errors
    /// As [`GuestMemory::read`].
    pub fn read_u64(&self, addr: u64) -> Result<u64, NotRam> {
        let mut bytes = [0; 8];
        self.read(addr, &mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// Zeroes all of RAM, as a power cycle does.
    ///
    /// # Panics
    /// When the host refuses to discard a mapping that is ours alone, which it has no reason to.
    pub fn clear(&self) {
        for page in 0..self.flags.len() {
            if self.page_flags(page).contains(PageFlags::TOUCHED) {
                self.before_write(page, self.address_of(page), PAGE_BYTES);
            }
        }
        if self.file_backed.replace(false) {
            self.make_anonymous();
            return;
        }
        // SAFETY: the mapping is private and anonymous, so its pages read as zero afterwards; no
        // reference into it exists.
        let advised = unsafe { self.mapping.unchecked_advise(UncheckedAdvice::DontNeed) };
        assert!(advised.is_ok(), "a private anonymous mapping can be discarded: {advised:?}");
    }

    /// The page's flags.
    #[inline]
    #[must_use]
    pub fn page_flags(&self, page: usize) -> PageFlags {
        PageFlags::from_bits_retain(self.flags[page].get())
    }

    fn insert(&self, page: usize, flags: PageFlags) {
        self.flags[page].set(self.flags[page].get() | flags.bits());
    }

    fn remove(&self, page: usize, flags: PageFlags) {
        self.flags[page].set(self.flags[page].get() & !flags.bits());
    }

    /// Whether a store may go straight to the host page: it is dirty and nobody listens.
    #[inline]
    #[must_use]
    pub fn is_fast_writable(&self, page: usize) -> bool {
        const LISTENERS: u8 = PageFlags::DIRTY
            .union(PageFlags::CODE)
            .union(PageFlags::TABLE)
            .union(PageFlags::WATCHED)
            .union(PageFlags::READ_ONLY)
            .bits();
        self.flags[page].get() & LISTENERS == PageFlags::DIRTY.bits()
    }

    /// Notes that a TLB now holds a write tag for the page.
    ///
    /// # Panics
    /// When the page is not fast-writable.
    pub fn mark_tagged(&self, page: usize) {
        assert!(self.is_fast_writable(page), "page {page} has listeners");
        self.insert(page, PageFlags::TAGGED);
    }

    /// Takes write tags away from every TLB.
    fn revoke(&self, page: usize) {
        if self.page_flags(page).contains(PageFlags::TAGGED) {
            self.remove(page, PageFlags::TAGGED);
            self.changes.borrow_mut().push(Change::Revoked { page });
        }
    }

    /// Notes that an engine has decoded code from these bytes of the page (offsets inside it): the
    /// next write to one of them, rounded to [`CODE_CHUNK_BYTES`], is logged as [`Change::Code`],
    /// gives the page a new version and unmarks it.
    pub fn mark_code(&self, page: usize, bytes: Range<u64>) {
        self.revoke(page);
        self.insert(page, PageFlags::CODE);
        *self.code_chunks.borrow_mut().entry(page).or_default() |= chunks(&bytes);
    }

    /// The page's version: it changes when a page that was marked as code is written. Together
    /// with copied bytes it lets a compiler prove that what it compiled is still there.
    #[must_use]
    pub fn page_version(&self, page: usize) -> u32 {
        self.versions[page].get()
    }

    /// Notes that one more processor's TLB depends on the page as a page table.
    pub fn add_table_user(&self, page: usize) {
        self.revoke(page);
        self.insert(page, PageFlags::TABLE);
        self.table_users[page].set(self.table_users[page].get() + 1);
    }

    /// Notes that one processor's TLB no longer depends on the page.
    pub fn remove_table_user(&self, page: usize) {
        let users = self.table_users[page].get() - 1;
        self.table_users[page].set(users);
        if users == 0 {
            self.remove(page, PageFlags::TABLE);
        }
    }

    /// Tells the listeners of `page` of a write of `bytes` at `addr` (which may cover other pages).
    #[cold]
    fn before_write(&self, page: usize, addr: u64, bytes: u64) {
        let flags = self.page_flags(page);
        if !flags.contains(PageFlags::DIRTY) {
            self.preserve(page);
            self.insert(page, PageFlags::DIRTY | PageFlags::TOUCHED);
        }
        if !flags.intersects(PageFlags::CODE | PageFlags::TABLE | PageFlags::WATCHED) {
            return;
        }
        let base = self.address_of(page);
        let (first, last) = (addr.max(base), (addr + bytes).min(base + PAGE_BYTES));
        if flags.contains(PageFlags::CODE)
            && self.code_chunks.borrow().get(&page).copied().unwrap_or(u64::MAX)
                & chunks(&(first - base..last - base))
                != 0
        {
            self.code_chunks.borrow_mut().remove(&page);
            self.remove(page, PageFlags::CODE);
            self.versions[page].set(self.versions[page].get().wrapping_add(1));
            self.changes.borrow_mut().push(Change::Code { page });
        }
        if flags.contains(PageFlags::TABLE) {
            let change = Change::Table { page, offset: first - base, bytes: last - first };
            self.changes.borrow_mut().push(change);
        }
        if flags.contains(PageFlags::WATCHED) {
            self.note_write(first..last);
        }
    }

    /// The number that the next change will get; it moves exactly when something was logged.
    #[inline]
    #[must_use]
    pub fn change_count(&self) -> u64 {
        self.changes.borrow().count()
    }

    /// Has every processor drop what it derived from memory: TLB entries, decoded and translated
    /// code. Invisible to the guest.
    pub fn drop_derived(&self) {
        self.changes.borrow_mut().forget();
    }

    /// What was logged since the `seen`-th change.
    #[must_use]
    pub fn changes_since(&self, seen: u64) -> Changes {
        self.changes.borrow().since(seen)
    }
}

/// The chunks that a range of offsets inside a page touches, one bit each.
fn chunks(bytes: &Range<u64>) -> u64 {
    let first = bytes.start / CODE_CHUNK_BYTES;
    let last = (bytes.end.clamp(bytes.start + 1, PAGE_BYTES) - 1) / CODE_CHUNK_BYTES;
    (u64::MAX >> (63 - (last - first))) << first
}

/// Guest RAM is mapped into the host's address space, so its sizes fit the host's.
#[inline]
fn index(bytes_or_pages: u64) -> usize {
    #[expect(clippy::cast_possible_truncation, reason = "64-bit hosts only")]
    let index = bytes_or_pages as usize;
    const { assert!(usize::BITS == 64, "guest RAM needs a 64-bit host") };
    index
}

#[cfg(test)]
mod tests;
