//! Copies of pages as they were at one position, made while the guest goes on.
//!
//! Problem: a checkpoint wants many pages as they are now, and copying them would stop the guest
//! for as long as that takes. Strategy: copy on write. [`GuestMemory::begin_capture`] only notes
//! which pages are *owed* and begins an epoch, so that the first write to each page comes to the slow
//! path, which copies an owed page before it changes. Whoever wants the copies fetches the rest in
//! bites between slices ([`GuestMemory::capture_some`]).
//!
//! Invariants: every owed page is handed out exactly once, with the content that it had when the
//! capture began. Nothing here is visible to the guest.

use super::{GuestMemory, PAGE_LEN, PageSet};

/// Copies of pages.
#[derive(Debug, Default)]
pub struct CapturedPages {
    /// Their numbers, in the order of their contents.
    pub pages: Vec<usize>,
    /// Their contents, [`PAGE_LEN`] bytes each.
    pub bytes: Vec<u8>,
}

impl CapturedPages {
    /// The pages with their contents.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &[u8])> {
        self.pages.iter().copied().zip(self.bytes.chunks_exact(PAGE_LEN))
    }
}

/// The capture in the making.
#[derive(Debug, Default)]
pub(super) struct Capture {
    owed: PageSet,
    /// No page below this is owed.
    next: usize,
    /// Copied because they were about to be written.
    saved: CapturedPages,
}

impl GuestMemory {
    /// Begins an epoch, and a capture of `pages` as they are now.
    ///
    /// # Panics
    /// When the capture before has not been fetched to its end.
    pub fn begin_capture(&self, pages: PageSet) {
        drop(self.begin_epoch(false));
        let capture = &mut self.epoch.borrow_mut().capture;
        assert!(capture.owed.is_empty() && capture.saved.pages.is_empty(), "one capture at a time");
        (capture.owed, capture.next) = (pages, 0);
    }

    /// Copies the next `limit` pages of the capture into `copies`, together with those that were
    /// copied because they were written, in place of what was there; the room that `copies` has is used
    /// again. False, with nothing copied, once everything was handed out.
    pub fn capture_some(&self, limit: usize, copies: &mut CapturedPages) -> bool {
        let capture = &mut self.epoch.borrow_mut().capture;
        copies.pages.clear();
        copies.bytes.clear();
        std::mem::swap(copies, &mut capture.saved);
        if !capture.owed.is_empty() {
            copies.bytes.reserve(limit * PAGE_LEN);
        }
        for _ in 0..limit {
            let Some(page) = capture.owed.next(capture.next) else {
                capture.owed.clear();
                break;
            };
            capture.owed.remove(page);
            capture.next = page + 1;
            self.append_copy(page, copies);
        }
        !copies.pages.is_empty()
    }

    /// Copies the page if it is owed: it is about to be written.
    pub(super) fn capture_before_write(&self, page: usize, capture: &mut Capture) {
        if capture.owed.remove(page) {
            self.append_copy(page, &mut capture.saved);
        }
    }

    fn append_copy(&self, page: usize, copies: &mut CapturedPages) {
        let start = copies.bytes.len();
        copies.bytes.resize(start + PAGE_LEN, 0);
        let read = self.read(self.address_of(page), &mut copies.bytes[start..]);
        assert!(read.is_ok(), "page {page} is guest RAM");
        copies.pages.push(page);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const BASE: u64 = 0x8000_0000;

    #[test]
    fn a_capture_holds_what_was_there_when_it_began_however_it_is_fetched() {
        for limit in [1, 3, 100] {
            let memory = GuestMemory::at(BASE, 16 * PAGE_LEN as u64).expect("host memory");
            let marks: Vec<(usize, u8)> = (0..8).zip(1..).collect();
            for (page, mark) in &marks {
                memory.write(memory.address_of(*page), &[*mark]).expect("RAM");
            }
            memory.begin_capture((0..8).collect());
            let mut found = BTreeMap::new();
            let mut round = 0;
            let mut copies = CapturedPages::default();
            loop {
                // The guest goes on: it writes owed pages, copied ones, and others.
                for page in [7, round, 12] {
                    memory.write(memory.address_of(page) + 1, &[0xee]).expect("RAM");
                    memory.write(memory.address_of(page), &[0xff]).expect("RAM");
                }
                round += 1;
                if !memory.capture_some(limit, &mut copies) {
                    break;
                }
                for (page, content) in copies.iter() {
                    assert_eq!(found.insert(page, content[..2].to_vec()), None, "page {page}");
                }
            }
            let expected: BTreeMap<_, _> =
                marks.iter().map(|(page, mark)| (*page, vec![*mark, 0])).collect();
            assert_eq!(found, expected, "{limit} pages a bite");
        }
    }

    #[test]
    fn clearing_memory_leaves_a_capture_whole() {
        let memory = GuestMemory::at(BASE, 4 * PAGE_LEN as u64).expect("host memory");
        memory.write(BASE, &[5]).expect("RAM");
        memory.begin_capture([0].into_iter().collect());
        memory.clear();
        let mut copies = CapturedPages::default();
        assert!(memory.capture_some(9, &mut copies));
        assert_eq!((copies.pages.as_slice(), copies.bytes[0]), ([0].as_slice(), 5));
        assert!(!memory.capture_some(9, &mut copies));
    }
}
