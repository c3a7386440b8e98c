//! Contents of guest RAM at several positions, sharing what is equal.
//!
//! A content is a tree of two levels over pages that are counted by reference. Two contents that
//! differ in a few pages share the rest, so a capture costs the pages that were written since the
//! one before, any capture may be dropped, and going from one to another writes only pages that
//! differ, in either direction.

use std::{cell::Cell, rc::Rc};

use crate::{
    digest::PageTree,
    memory::{GuestMemory, PAGE_LEN, PageFlags},
};

/// Pages of one branch of the tree.
const BRANCH: usize = 256;

/// A page, counted in the total while it lives.
#[derive(Debug)]
struct StoredPage {
    bytes: Box<[u8]>,
    total: Rc<Cell<u64>>,
}

impl Drop for StoredPage {
    fn drop(&mut self) {
        self.total.set(self.total.get() - self.bytes.len() as u64);
    }
}

/// `None` is a page of zeros.
type Slot = Option<Rc<StoredPage>>;

/// What all of RAM holds at one position.
#[derive(Clone, Debug)]
pub(super) struct Content {
    branches: Vec<Rc<Vec<Slot>>>,
    /// Pages that are not zero.
    stored: u64,
}

impl Content {
    fn zeros(pages: usize) -> Self {
        let empty = Rc::new(vec![None; BRANCH]);
        Self { branches: vec![empty; pages.div_ceil(BRANCH)], stored: 0 }
    }

    /// Pages that the two do not share.
    fn differing(&self, other: &Self) -> Vec<usize> {
        let mut pages = Vec::new();
        for (number, (here, there)) in self.branches.iter().zip(&other.branches).enumerate() {
            if Rc::ptr_eq(here, there) {
                continue;
            }
            for (offset, (here, there)) in here.iter().zip(&**there).enumerate() {
                let equal = match (here, there) {
                    (Some(here), Some(there)) => Rc::ptr_eq(here, there),
                    (None, None) => true,
                    _ => false,
                };
                if !equal {
                    pages.push(number * BRANCH + offset);
                }
            }
        }
        pages
    }

    fn get(&self, page: usize) -> &Slot {
        &self.branches[page / BRANCH][page % BRANCH]
    }

    fn set(&mut self, page: usize, slot: Slot) {
        self.stored += u64::from(slot.is_some());
        let place = &mut Rc::make_mut(&mut self.branches[page / BRANCH])[page % BRANCH];
        self.stored -= u64::from(std::mem::replace(place, slot).is_some());
    }
}

/// Follows guest RAM from capture to capture.
#[derive(Debug, Default)]
pub(super) struct Pages {
    /// What RAM held when the present epoch began.
    base: Option<Content>,
    total: Rc<Cell<u64>>,
    hashed: Option<Hashed>,
}

/// The hashes of a content, but for the pages that were written behind it then.
#[derive(Debug)]
struct Hashed {
    content: Content,
    tree: PageTree,
    stale: Vec<usize>,
}

impl Pages {
    /// Bytes in pages that some content holds, but for those that make up the present one: without a
    /// whole copy of RAM there is no going back at all.
    pub(super) fn bytes(&self) -> u64 {
        let whole = self.base.as_ref().map_or(0, |base| base.stored) * PAGE_LEN as u64;
        self.total.get().saturating_sub(whole)
    }

    /// What `memory` holds. Begins an epoch of it.
    pub(super) fn capture(&mut self, memory: &GuestMemory) -> Content {
        let (mut base, changed) = match self.base.take() {
            Some(base) => (base, memory.dirty_pages()),
            None => {
                let touched = (0..memory.page_count())
                    .filter(|page| memory.page_flags(*page).contains(PageFlags::TOUCHED));
                (Content::zeros(memory.page_count()), touched.collect())
            }
        };
        for page in changed {
            base.set(page, self.store(memory.copy_page(page)));
        }
        drop(memory.begin_epoch(false));
        self.base = Some(base.clone());
        base
    }

    /// Hash over all that `memory` holds; hashes anew only what differs from the last time.
    pub(super) fn root(&mut self, memory: &GuestMemory) -> u128 {
        let base = match &self.base {
            Some(base) => base.clone(),
            None => self.capture(memory),
        };
        let dirty = memory.dirty_pages();
        let mut hashed = self.hashed.take().unwrap_or_else(|| Hashed {
            content: Content::zeros(memory.page_count()),
            tree: PageTree::new(memory.page_count()),
            stale: Vec::new(),
        });
        let mut wanted = std::mem::take(&mut hashed.stale);
        wanted.extend(hashed.content.differing(&base));
        for page in wanted {
            let bytes =
                base.get(page).as_ref().map_or([0; PAGE_LEN].as_slice(), |page| &page.bytes);
            hashed.tree.set(page, bytes);
        }
        for page in &dirty {
            hashed.tree.set(*page, &memory.copy_page(*page));
        }
        let root = hashed.tree.root();
        self.hashed = Some(Hashed { content: base, stale: dirty, ..hashed });
        root
    }

    fn store(&self, bytes: Box<[u8]>) -> Slot {
        if *bytes == [0; PAGE_LEN] {
            return None;
        }
        self.total.set(self.total.get() + bytes.len() as u64);
        Some(Rc::new(StoredPage { bytes, total: Rc::clone(&self.total) }))
    }

    /// Makes `memory` hold `content`, which an earlier [`Pages::capture`] returned. Begins an epoch.
    pub(super) fn put_back(&mut self, memory: &GuestMemory, content: &Content) {
        let base = self.base.as_ref().unwrap_or(content);
        let mut wanted = memory.dirty_pages();
        wanted.extend(base.differing(content));
        let zeros = [0; PAGE_LEN];
        for page in wanted {
            let bytes = content.get(page).as_ref().map_or(zeros.as_slice(), |page| &page.bytes);
            let written = memory.write(memory.address_of(page), bytes);
            assert!(written.is_ok(), "page {page} is guest RAM");
        }
        drop(memory.begin_epoch(false));
        self.base = Some(content.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::PAGE_BYTES;

    const BASE: u64 = 0x8000_0000;

    fn fill(memory: &GuestMemory, page: u64, value: u8) {
        memory.write(BASE + page * PAGE_BYTES + 5, &[value; 100]).expect("RAM");
    }

    fn sum(memory: &GuestMemory) -> Vec<u8> {
        let mut bytes = vec![0; 600 * PAGE_LEN];
        memory.read(BASE, &mut bytes).expect("RAM");
        bytes
    }

    #[test]
    fn any_content_can_be_put_back_from_any_other_and_equal_pages_are_shared() {
        let memory = GuestMemory::at(BASE, 600 * PAGE_BYTES).expect("host memory");
        let mut pages = Pages::default();
        fill(&memory, 0, 1);
        fill(&memory, 599, 2);
        let first = (sum(&memory), pages.capture(&memory));
        assert_eq!(pages.bytes(), 0, "one whole copy is not counted");
        fill(&memory, 0, 3);
        fill(&memory, 300, 4);
        let second = (sum(&memory), pages.capture(&memory));
        assert_eq!(pages.bytes(), PAGE_BYTES, "page 599 is shared, page 0 was another");
        memory.clear();
        let third = (sum(&memory), pages.capture(&memory));
        assert_eq!(pages.bytes(), 4 * PAGE_BYTES, "zeros take no room");
        fill(&memory, 7, 5);
        for (bytes, content) in [&first, &third, &second, &first, &second, &third] {
            pages.put_back(&memory, content);
            assert!(&sum(&memory) == bytes);
            fill(&memory, 8, 6);
        }
        drop(first);
        assert_eq!(pages.bytes(), 3 * PAGE_BYTES, "only page 0 of the first was its own");
    }
}
