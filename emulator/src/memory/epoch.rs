//! Epochs: which pages were written since a checkpoint, and what they held before.
//!
//! A checkpoint begins an epoch. The first write to a page in it comes to the slow path (no write
//! tag survives [`GuestMemory::begin_epoch`]), which keeps the page's old content if that is
//! wanted. So a checkpoint costs nothing but a copy of each page that is written after it.

use std::collections::BTreeMap;

use super::{
    Change, GuestMemory, PAGE_LEN, PageFlags, PageSet, capture::Capture, written::Written,
};

/// The old content of pages by page number; `None` for a page that was all zero.
pub type Preserved = BTreeMap<usize, Option<Box<[u8]>>>;

/// The present epoch.
#[derive(Debug, Default)]
pub(super) struct Epoch {
    preserving: bool,
    pub(super) dirty: Vec<usize>,
    preserved: Preserved,
    /// What the present mark wants to know.
    pub(super) written: Option<Written>,
    /// Pages in `dirty` whose next write comes here again, for the mark alone.
    pub(super) noted: PageSet,
    pub(super) capture: Capture,
}

impl GuestMemory {
    /// Begins a new epoch: no page is dirty any more. With `preserve`, the first write to a page
    /// keeps its old content for `GuestMemory::begin_epoch`. Returns what the old epoch preserved.
    ///
    /// To be called between slices; invisible to the guest.
    pub fn begin_epoch(&self, preserve: bool) -> Preserved {
        let mut epoch = self.epoch.borrow_mut();
        for page in epoch.dirty.drain(..) {
            self.remove(page, PageFlags::DIRTY | PageFlags::TAGGED);
        }
        epoch.noted.clear();
        epoch.preserving = preserve;
        self.changes.borrow_mut().push(Change::RevokedAll);
        std::mem::take(&mut epoch.preserved)
    }

    /// Pages written in this epoch, ascending.
    #[must_use]
    pub fn dirty_pages(&self) -> Vec<usize> {
        let mut pages = self.epoch.borrow().dirty.clone();
        pages.sort_unstable();
        pages
    }

    /// Adds the pages written in this epoch to `pages`.
    pub fn add_dirty_pages(&self, pages: &mut PageSet) {
        pages.extend(self.epoch.borrow().dirty.iter().copied());
    }

    /// Pages that may hold anything but zeros.
    #[must_use]
    pub fn touched_pages(&self) -> PageSet {
        let is_touched = |page: &usize| self.page_flags(*page).contains(PageFlags::TOUCHED);
        (0..self.page_count()).filter(is_touched).collect()
    }

    /// Number of pages written in this epoch.
    #[must_use]
    pub fn dirty_count(&self) -> usize {
        self.epoch.borrow().dirty.len()
    }

    /// Puts back every page that this epoch preserved, through [`GuestMemory::write`], so that
    /// code, page tables and watches hear of it. The pages stay dirty.
    ///
    /// # Panics
    /// When a preserved page is no guest RAM: a bug of ours.
    pub fn rewind_epoch(&self) {
        let preserved = self.epoch.borrow().preserved.clone();
        for (page, content) in preserved {
            let zeros = [0; PAGE_LEN];
            let written =
                self.write(self.address_of(page), content.as_deref().unwrap_or(zeros.as_slice()));
            assert!(written.is_ok(), "page {page} was guest RAM when it was preserved");
        }
    }

    /// A copy of page `page`.
    ///
    /// # Panics
    /// When there is no page `page`; there are [`GuestMemory::page_count`].
    #[must_use]
    pub fn copy_page(&self, page: usize) -> Box<[u8]> {
        let mut content = vec![0; PAGE_LEN];
        let read = self.read(self.address_of(page), &mut content);
        assert!(read.is_ok(), "page {page} is guest RAM");
        content.into()
    }

    /// Notes the first write to a page in this epoch.
    pub(super) fn preserve(&self, page: usize) {
        let mut epoch = self.epoch.borrow_mut();
        if let Some(written) = &mut epoch.written {
            written.pages.insert(page);
        }
        if epoch.noted.remove(page) {
            return;
        }
        epoch.dirty.push(page);
        self.capture_before_write(page, &mut epoch.capture);
        if epoch.preserving {
            let touched = self.page_flags(page).contains(PageFlags::TOUCHED);
            let content = touched.then(|| self.copy_page(page));
            epoch.preserved.insert(page, content);
        }
    }
}
