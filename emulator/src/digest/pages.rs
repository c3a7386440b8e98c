//! A tree of hashes over the pages of guest memory.
//!
//! A leaf is the hash of a page, an inner node the hash of its [`FAN`] children. After a run only
//! the pages written since, and the nodes above them, are hashed anew, so a digest costs what the
//! guest wrote and not what it has. An untouched page and a node over nothing but such pages are 0,
//! so an empty machine of any size costs nothing.
//!
//! The hash is XXH3 with 128 bits: it has to find accidents at the speed of memory, not forgeries.

use std::collections::BTreeSet;

use xxhash_rust::xxh3::xxh3_128;

use crate::memory::{GuestMemory, PAGE_LEN};

/// Children of one inner node.
pub const FAN: usize = 64;

/// Hashes of all pages of a memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageTree {
    /// From the leaves (one a page) up to the one root.
    levels: Vec<Vec<u128>>,
    /// Leaves whose ancestors are stale.
    stale: BTreeSet<usize>,
}

impl PageTree {
    /// The tree over `pages` pages that are all zero.
    #[must_use]
    pub fn new(pages: usize) -> Self {
        let mut levels = vec![vec![0; pages.max(1)]];
        while let Some(width) = levels.last().map(Vec::len).filter(|width| *width > 1) {
            levels.push(vec![0; width.div_ceil(FAN)]);
        }
        Self { levels, stale: BTreeSet::new() }
    }

    /// The tree over what `memory` holds. Nothing about the memory changes, its epoch included.
    ///
    /// # Panics
    /// When a touched page is no guest RAM: a bug of ours.
    #[must_use]
    pub fn of(memory: &GuestMemory) -> Self {
        let mut tree = Self::new(memory.page_count());
        let mut content = [0; PAGE_LEN];
        for page in memory.touched_pages().iter() {
            let read = memory.read(memory.address_of(page), &mut content);
            assert!(read.is_ok(), "page {page} is guest RAM");
            tree.set(page, &content);
        }
        tree
    }

    /// Page number `page` holds `content` now.
    ///
    /// # Panics
    /// When the memory has no such page.
    pub fn set(&mut self, page: usize, content: &[u8]) {
        let hash = page_hash(content);
        if self.levels[0][page] != hash {
            self.levels[0][page] = hash;
            self.stale.insert(page);
        }
    }

    /// The hash of one page.
    #[must_use]
    pub fn page(&self, page: usize) -> u128 {
        self.levels[0][page]
    }

    /// The hash over all pages.
    pub fn root(&mut self) -> u128 {
        let mut stale = std::mem::take(&mut self.stale);
        for level in 1..self.levels.len() {
            stale = stale.iter().map(|child| child / FAN).collect();
            for &node in &stale {
                let (below, above) = self.levels.split_at_mut(level);
                let children = &below[level - 1];
                let end = children.len().min((node + 1) * FAN);
                above[0][node] = node_hash(&children[node * FAN..end]);
            }
        }
        self.levels.last().and_then(|root| root.first()).copied().unwrap_or(0)
    }

    /// Pages that differ between two trees of equal size, ascending.
    #[must_use]
    pub fn differing(&self, other: &Self) -> Vec<usize> {
        let pairs = self.levels[0].iter().zip(&other.levels[0]);
        pairs.enumerate().filter(|(_, (one, two))| one != two).map(|(page, _)| page).collect()
    }
}

fn page_hash(content: &[u8]) -> u128 {
    // The all-zero page must equal the page that was never touched.
    if content.iter().all(|byte| *byte == 0) { 0 } else { xxh3_128(content) }
}

fn node_hash(children: &[u128]) -> u128 {
    if children.iter().all(|child| *child == 0) {
        return 0;
    }
    let mut bytes = [0; FAN * 16];
    for (slot, child) in bytes.chunks_exact_mut(16).zip(children) {
        slot.copy_from_slice(&child.to_le_bytes());
    }
    xxh3_128(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tree over `contents`, built at once.
    fn fresh(contents: &[Vec<u8>]) -> PageTree {
        let mut tree = PageTree::new(contents.len());
        for (page, content) in contents.iter().enumerate() {
            tree.set(page, content);
        }
        tree.root();
        tree
    }

    #[test]
    fn updating_what_was_written_equals_hashing_everything() {
        let mut contents = vec![vec![0_u8; 4096]; FAN * FAN + 5];
        let mut tree = fresh(&contents);
        assert_eq!(tree.root(), 0, "untouched memory");
        for round in 0..50_usize {
            let page = round * 2_654_435_761 % contents.len();
            contents[page][round] = contents[page][round].wrapping_add(1);
            tree.set(page, &contents[page]);
            if round % 7 == 0 {
                assert_eq!(tree.root(), fresh(&contents).root(), "round {round}");
            }
        }
        assert_eq!(tree.root(), fresh(&contents).root());
    }

    #[test]
    fn a_page_written_back_to_zero_is_untouched_again() {
        let mut tree = PageTree::new(100);
        let before = tree.root();
        tree.set(42, &[7; 4096]);
        assert_ne!(tree.root(), before);
        tree.set(42, &[0; 4096]);
        assert_eq!(tree.root(), before);
    }

    #[test]
    fn two_pages_exchanged_change_the_root_and_are_named() {
        let (one, two) = (vec![1; 4096], vec![2; 4096]);
        let mut first = fresh(&[one.clone(), two.clone(), vec![]]);
        let mut second = fresh(&[two, one, vec![]]);
        assert_ne!(first.root(), second.root());
        assert_eq!(first.differing(&second), [0, 1]);
    }
}
