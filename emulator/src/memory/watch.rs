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
        let touches = |ranges: &[Range<u64>]| {
            ranges.iter().any(|range| range.start < written.end && written.start < range.end)
        };
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

    /// Whether any range is watched at all: only then can a change that was not looked at in time
    /// have been a hit.
    #[must_use]
    pub fn is_watching(&self) -> bool {
        !self.watched.borrow().is_empty() || !self.read_watched.borrow().is_empty()
    }

    /// Whether reads of the page must be told to [`GuestMemory::note_read`].
    #[inline]
    #[must_use]
    pub fn is_read_watched(&self, page: usize) -> bool {
        self.page_flags(page).contains(PageFlags::READ_WATCHED)
    }

    /// A processor has read `bytes` bytes at physical `addr` as data.
    pub fn note_read(&self, addr: u64, bytes: u64) {
        let end = addr.saturating_add(bytes);
        let watched = self.read_watched.borrow();
        if watched.iter().any(|range| range.start < end && addr < range.end) {
            self.changes.borrow_mut().push(Change::WatchedRead { addr, bytes });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Changes;

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
