//! Watched ranges: a debugger's watchpoints, and words of memory that a device listens to.
//!
//! A page with a watched write gets no write tag in any soft TLB and one with a watched read no read
//! tag, so every such access takes the slow path of its processor. Pages without pay nothing.

use std::ops::Range;

use super::{Change, GuestMemory, PAGE_SHIFT, PageFlags};

impl GuestMemory {
    /// Replaces the watched ranges of physical addresses; a write to one of them is logged as
    /// [`Change::Watched`] and ends the writer's slice.
    pub fn watch(&self, ranges: &[Range<u64>]) {
        *self.watched.borrow_mut() = ranges.to_vec();
        self.mark_watched();
    }

    /// Replaces the ranges of physical addresses that devices listen to; a write to one of them is
    /// logged as [`Change::Mailbox`] and ends the writer's slice.
    pub fn set_mailboxes(&self, ranges: &[Range<u64>]) {
        *self.mailboxes.borrow_mut() = ranges.to_vec();
        self.mark_watched();
    }

    /// Marks the pages of which a write is watched or goes to a mailbox, and no others.
    fn mark_watched(&self) {
        for page in 0..self.page_count() {
            self.remove(page, PageFlags::WATCHED);
        }
        for range in self.watched.borrow().iter().chain(&*self.mailboxes.borrow()) {
            let pages = range.start >> PAGE_SHIFT..=range.end.saturating_sub(1) >> PAGE_SHIFT;
            for page in pages.filter_map(|number| self.page_of(number << PAGE_SHIFT)) {
                self.revoke(page);
                self.insert(page, PageFlags::WATCHED);
            }
        }
    }

    /// Logs a write of these physical addresses for those who watch or listen.
    pub(super) fn note_write(&self, written: Range<u64>) {
        let touches = |ranges: &[Range<u64>]| ranges.iter().any(|range| overlap(range, &written));
        if touches(&self.watched.borrow()) {
            let (addr, bytes) = (written.start, written.end - written.start);
            self.changes.borrow_mut().push(Change::Watched { addr, bytes });
        }
        if touches(&self.mailboxes.borrow()) {
            self.changes.borrow_mut().push(Change::Mailbox);
        }
    }

    /// Replaces the ranges of physical addresses whose reads are watched. A read of one of them is
    /// logged as [`Change::WatchedRead`] and ends the reader's slice.
    pub fn watch_reads(&self, ranges: &[Range<u64>]) {
        if ranges.is_empty() && self.read_watched.borrow().is_empty() {
            return;
        }
        for page in 0..self.page_count() {
            self.remove(page, PageFlags::READ_WATCHED);
        }
        for range in ranges {
            let pages = range.start >> PAGE_SHIFT..=range.end.saturating_sub(1) >> PAGE_SHIFT;
            for page in pages.filter_map(|number| self.page_of(number << PAGE_SHIFT)) {
                self.insert(page, PageFlags::READ_WATCHED);
            }
        }
        *self.read_watched.borrow_mut() = ranges.to_vec();
        // A TLB may hold read tags from before: they go with everything else.
        self.changes.borrow_mut().push(Change::RevokedReads);
    }

    /// Writes inside one page of which other parts are watched or mailboxes; false, with nothing written,
    /// when anybody has to hear of it.
    #[must_use]
    pub fn write_beside_watched(&self, addr: u64, bytes: &[u8]) -> bool {
        const OTHERS: PageFlags =
            PageFlags::CODE.union(PageFlags::TABLE).union(PageFlags::READ_ONLY);
        let range = addr..addr + bytes.len() as u64;
        let is_beside = |ranges: &[Range<u64>]| !ranges.iter().any(|known| overlap(known, &range));
        let is_quiet = |page| !self.page_flags(page).intersects(OTHERS);
        self.page_of(addr).is_some_and(is_quiet)
            && is_beside(&self.watched.borrow())
            && is_beside(&self.mailboxes.borrow())
            && self.write(addr, bytes).is_ok()
    }

    /// Reads inside one page of which reads of other parts are watched; false when this one is.
    #[must_use]
    pub fn read_beside_watched(&self, addr: u64, bytes: &mut [u8]) -> bool {
        let range = addr..addr + bytes.len() as u64;
        let is_watched = self.read_watched.borrow().iter().any(|known| overlap(known, &range));
        !is_watched && self.read(addr, bytes).is_ok()
    }

    /// Whether reads of the page must be told to [`GuestMemory::note_read`].
    #[inline]
    #[must_use]
    pub fn is_read_watched(&self, page: usize) -> bool {
        self.page_flags(page).contains(PageFlags::READ_WATCHED)
    }

    /// A processor has read `bytes` bytes at physical `addr` as data.
    pub fn note_read(&self, addr: u64, bytes: u64) {
        let read = addr..addr.saturating_add(bytes);
        if self.read_watched.borrow().iter().any(|range| overlap(range, &read)) {
            self.changes.borrow_mut().push(Change::WatchedRead { addr, bytes });
        }
    }
}

fn overlap(one: &Range<u64>, other: &Range<u64>) -> bool {
    one.start < other.end && other.start < one.end
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Changes;

    #[test]
    fn what_lies_beside_a_watched_range_is_accessed_without_a_word() {
        let memory = GuestMemory::at(0x8000_0000, 0x4000).expect("host memory");
        memory.watch(std::slice::from_ref(&(0x8000_1008..0x8000_1010)));
        memory.watch_reads(std::slice::from_ref(&(0x8000_1008..0x8000_1010)));
        memory.set_mailboxes(std::slice::from_ref(&(0x8000_1020..0x8000_1028)));
        let seen = memory.change_count();
        for (addr, written, read) in [
            (0x8000_1000, true, true),
            (0x8000_1001, false, false),
            (0x8000_100f, false, false),
            (0x8000_1010, true, true),
            (0x8000_101f, false, true),
            (0x7fff_0000, false, false),
        ] {
            let bytes = [1; 8];
            assert_eq!(memory.write_beside_watched(addr, &bytes), written, "{addr:#x}");
            let mut found = [0; 8];
            assert_eq!(memory.read_beside_watched(addr, &mut found), read, "{addr:#x}");
            assert!(!(written && read) || found == bytes, "{addr:#x}: {found:?}");
        }
        assert_eq!(memory.changes_since(seen), Changes::Since(Vec::new()));
        memory.mark_code(1, 0..16);
        assert!(!memory.write_beside_watched(0x8000_1000, &[2]), "there is code");
    }

    #[test]
    fn a_mailbox_is_rung_whatever_else_is_watched() {
        let memory = GuestMemory::at(0x8000_0000, 0x4000).expect("host memory");
        memory.set_mailboxes(std::slice::from_ref(&(0x8000_1000..0x8000_1008)));
        memory.watch(std::slice::from_ref(&(0x8000_1008..0x8000_1010)));
        memory.watch(&[]);
        let seen = memory.change_count();
        for addr in [0x8000_0ff8, 0x8000_1008, 0x8000_1004] {
            memory.write(addr, &[1; 4]).expect("RAM");
        }
        assert_eq!(memory.changes_since(seen), Changes::Since(vec![Change::Mailbox]));
    }

    #[test]
    fn only_reads_that_touch_a_watched_range_are_logged() {
        let memory = GuestMemory::at(0x8000_0000, 0x4000).expect("host memory");
        memory.watch_reads(std::slice::from_ref(&(0x8000_1008..0x8000_1010)));
        assert!(memory.is_read_watched(1) && !memory.is_read_watched(0));
        let seen = memory.change_count();
        for (addr, bytes) in
            [(0x8000_1000, 8), (0x8000_1001, 8), (0x8000_100f, 1), (0x8000_1010, 4)]
        {
            memory.note_read(addr, bytes);
        }
        let expected = vec![
            Change::WatchedRead { addr: 0x8000_1001, bytes: 8 },
            Change::WatchedRead { addr: 0x8000_100f, bytes: 1 },
        ];
        assert_eq!(memory.changes_since(seen), Changes::Since(expected));
        memory.watch_reads(&[]);
        assert!(!memory.is_read_watched(1));
    }
}
