//! A set of page numbers: one bit a page, so that sets of a large memory are made and joined at the
//! speed of memory.

/// Page numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageSet {
    words: Vec<u64>,
}

impl PageSet {
    /// The empty set; it grows as pages come.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a page.
    pub fn insert(&mut self, page: usize) {
        if page / 64 >= self.words.len() {
            self.words.resize(page / 64 + 1, 0);
        }
        self.words[page / 64] |= 1 << (page % 64);
    }

    /// Takes a page out; whether it was in.
    pub fn remove(&mut self, page: usize) -> bool {
        let Some(word) = self.words.get_mut(page / 64) else { return false };
        let bit = 1 << (page % 64);
        let was_in = *word & bit != 0;
        *word &= !bit;
        was_in
    }

    /// Whether a page is in.
    #[must_use]
    pub fn contains(&self, page: usize) -> bool {
        self.words.get(page / 64).is_some_and(|word| word >> (page % 64) & 1 != 0)
    }

    /// Number of pages.
    #[must_use]
    pub fn len(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// Empties the set.
    pub fn clear(&mut self) {
        self.words.clear();
    }

    /// The first page at or behind `from`.
    #[must_use]
    pub fn next(&self, from: usize) -> Option<usize> {
        let first = from / 64;
        let mut word = self.words.get(first)? & (u64::MAX << (from % 64));
        for (number, next) in self.words[first..].iter().skip(1).chain([&0]).enumerate() {
            if word != 0 {
                return Some((first + number) * 64 + word.trailing_zeros() as usize);
            }
            word = *next;
        }
        None
    }

    /// The pages, ascending.
    pub fn iter(&self) -> impl Iterator<Item = usize> {
        std::iter::successors(self.next(0), |page| self.next(page + 1))
    }
}

impl Extend<usize> for PageSet {
    fn extend<T: IntoIterator<Item = usize>>(&mut self, pages: T) {
        pages.into_iter().for_each(|page| self.insert(page));
    }
}

impl FromIterator<usize> for PageSet {
    fn from_iter<T: IntoIterator<Item = usize>>(pages: T) -> Self {
        let mut set = Self::new();
        set.extend(pages);
        set
    }
}

#[cfg(test)]
mod tests {
    use super::PageSet;

    #[test]
    fn a_set_gives_back_what_was_put_in_ascending() {
        for pages in [vec![], vec![0], vec![63, 64, 65], vec![5, 1_000, 127, 128], vec![191]] {
            let set: PageSet = pages.iter().copied().collect();
            let mut sorted = pages.clone();
            sorted.sort_unstable();
            assert_eq!(set.iter().collect::<Vec<_>>(), sorted);
            assert_eq!((set.len(), set.is_empty()), (pages.len(), pages.is_empty()));
            assert!(pages.iter().all(|page| set.contains(*page)) && !set.contains(2));
        }
    }

    #[test]
    fn a_page_taken_out_is_out() {
        let mut set: PageSet = [3, 70].into_iter().collect();
        assert!(set.remove(70) && !set.remove(70) && !set.remove(9_999));
        assert_eq!(set.iter().collect::<Vec<_>>(), [3]);
    }
}
