//! Pages written since a mark: what an incremental snapshot holds.
//!
//! Problem: epochs belong to checkpoints, which begin them as often as they like; a snapshot wants the
//! pages written since the one that it rests on, however many epochs ago that was. Strategy: one mark,
//! named by the file whose content memory had there. It takes the write tags away, so that the next
//! write to each page comes to the slow path and is noted for the mark, and for the epoch only if it has
//! not been.
//!
//! Invariant: every page whose content may differ from what it was at the mark is in the set.
//! Invisible to the guest.

use super::{Change, GuestMemory, PageFlags, PageSet};

/// The mark and what was written since.
#[derive(Debug)]
pub(super) struct Written {
    name: [u8; 32],
    pub(super) pages: PageSet,
}

impl GuestMemory {
    /// Marks the present content as that of the snapshot with this fingerprint. To be called between
    /// slices; the mark before is gone.
    pub fn mark_written(&self, name: [u8; 32]) {
        let mut epoch = self.epoch.borrow_mut();
        for page in &epoch.dirty {
            self.remove(*page, PageFlags::DIRTY | PageFlags::TAGGED);
        }
        epoch.noted = epoch.dirty.iter().copied().collect();
        epoch.written = Some(Written { name, pages: PageSet::new() });
        self.changes.borrow_mut().push(Change::RevokedAll);
    }

    /// The pages written since the mark with this name; `None` when the last mark is another or
    /// there is none.
    #[must_use]
    pub fn written_since(&self, name: &[u8; 32]) -> Option<PageSet> {
        let epoch = self.epoch.borrow();
        let written = epoch.written.as_ref().filter(|written| written.name == *name)?;
        Some(written.pages.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::PAGE_BYTES;

    const BASE: u64 = 0x8000_0000;
    const ONE: [u8; 32] = [1; 32];
    const TWO: [u8; 32] = [2; 32];

    fn write(memory: &GuestMemory, pages: &[u64]) {
        for page in pages {
            memory.write(BASE + page * PAGE_BYTES + 8, &[1]).expect("it is RAM");
        }
    }

    fn since(memory: &GuestMemory, name: [u8; 32]) -> Option<Vec<usize>> {
        memory.written_since(&name).map(|pages| pages.iter().collect())
    }

    #[test]
    fn a_mark_outlives_epochs_and_epochs_do_not_notice_it() {
        let memory = GuestMemory::at(BASE, 16 * PAGE_BYTES).expect("host memory");
        write(&memory, &[1, 2]);
        assert_eq!(since(&memory, ONE), None);
        memory.mark_written(ONE);
        assert_eq!(since(&memory, ONE), Some(vec![]));
        write(&memory, &[2, 3]);
        assert_eq!(memory.dirty_pages(), [1, 2, 3], "each once");
        assert_eq!(memory.dirty_count(), 3);
        drop(memory.begin_epoch(true));
        write(&memory, &[5, 2]);
        assert_eq!(since(&memory, ONE), Some(vec![2, 3, 5]));
        assert_eq!((since(&memory, TWO), memory.dirty_pages()), (None, vec![2, 5]));
        memory.clear();
        assert_eq!(since(&memory, ONE), Some(vec![1, 2, 3, 5]));
    }

    #[test]
    fn what_an_epoch_preserves_is_older_than_a_mark_in_it() {
        let memory = GuestMemory::at(BASE, 4 * PAGE_BYTES).expect("host memory");
        memory.write(BASE, &[7]).expect("it is RAM");
        drop(memory.begin_epoch(true));
        memory.write(BASE, &[8]).expect("it is RAM");
        memory.mark_written(ONE);
        assert!(!memory.is_fast_writable(0), "the next write must be heard of");
        memory.write(BASE, &[9]).expect("it is RAM");
        let preserved = memory.begin_epoch(false);
        assert_eq!(preserved[&0].as_ref().map(|page| page[0]), Some(7));
        assert_eq!(since(&memory, ONE), Some(vec![0]));
    }
}
