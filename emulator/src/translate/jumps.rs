//! Where computed jumps look their targets up: one table for each mode.
//!
//! Generated code reaches the table of the mode that runs through a pointer in its frame, so the
//! mode needs no place in the tag and changing modes flushes nothing.

/// log2 of the entries of a table.
const BITS: u32 = 12;
/// Left shift that turns a pc into a byte offset (16 bytes an entry, pcs are even on most guests).
pub(super) const SHIFT: i64 = 3;
/// What of the shifted pc counts.
pub(super) const MASK: u64 = ((1 << BITS) - 1) << 4;

/// A pc that belongs into another entry than `index`, so that an empty entry matches no pc at all.
const fn none(index: usize) -> u64 {
    if index == 0 { 1 << (4 - SHIFT) } else { 0 }
}

/// Places kept of entries in use; one that is emptied and used again is there twice.
const MOST_FILLED: usize = 2 << BITS;

/// One entry.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(super) struct Jump {
    pc: u64,
    code: u64,
}

/// A direct-mapped table from pc to code.
#[derive(Debug)]
pub(super) struct JumpTable {
    entries: Box<[Jump]>,
    /// Where something was put since the table was empty, so that clearing costs no more.
    filled: Vec<usize>,
    /// The guest's number for "fetches mean what they meant" when it was filled.
    generation: u64,
}

impl JumpTable {
    pub(super) fn new() -> Self {
        Self {
            entries: (0..1 << BITS).map(|index| Jump { pc: none(index), code: 0 }).collect(),
            filled: Vec::new(),
            generation: 0,
        }
    }

    fn index(pc: u64) -> usize {
        usize::try_from((pc << SHIFT & MASK) >> 4).expect("masked")
    }

    /// What generated code adds its index to.
    pub(super) fn address(&self) -> u64 {
        self.entries.as_ptr().expose_provenance() as u64
    }

    #[inline]
    pub(super) fn get(&self, pc: u64) -> Option<u64> {
        let entry = self.entries[Self::index(pc)];
        (entry.pc == pc).then_some(entry.code)
    }

    pub(super) fn insert(&mut self, pc: u64, code: u64) {
        if self.filled.len() == MOST_FILLED {
            self.clear();
        }
        let index = Self::index(pc);
        let replaced = std::mem::replace(&mut self.entries[index], Jump { pc, code });
        if replaced.pc == none(index) {
            self.filled.push(index);
        }
    }

    pub(super) fn remove(&mut self, pc: u64) {
        let index = Self::index(pc);
        if self.entries[index].pc == pc {
            self.entries[index] = Jump { pc: none(index), code: 0 };
        }
    }

    /// Forgets everything when `generation` is another than before.
    #[inline]
    pub(super) fn follow(&mut self, generation: u64) {
        if self.generation != generation {
            self.generation = generation;
            self.clear();
        }
    }

    pub(super) fn clear(&mut self) {
        for index in self.filled.drain(..) {
            self.entries[index] = Jump { pc: none(index), code: 0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_table_answers_no_pc() {
        let table = JumpTable::new();
        for pc in [0, 1, 2, 4, u64::MAX, u64::MAX - 1, 0x8000_0000] {
            assert_eq!(table.get(pc), None, "{pc:#x}");
        }
    }

    #[test]
    fn an_entry_goes_when_it_is_removed_or_replaced() {
        let mut table = JumpTable::new();
        let (pc, other) = (0x8000_0010, 0x8000_0010 + (1 << (BITS + 1)));
        table.insert(pc, 7);
        assert_eq!(table.get(pc), Some(7));
        table.remove(other);
        assert_eq!(table.get(pc), Some(7));
        table.insert(other, 8);
        assert_eq!((table.get(pc), table.get(other)), (None, Some(8)));
        table.remove(other);
        assert_eq!(table.get(other), None);
    }

    #[test]
    fn what_is_put_in_again_and_again_takes_no_more_room() {
        let mut table = JumpTable::new();
        for round in 0..100_000_u64 {
            let pc = 0x8000_0000 + 2 * (round % 7);
            table.insert(pc, round);
            assert_eq!(table.get(pc), Some(round));
            if round % 3 == 0 {
                table.remove(pc);
            }
            assert!(table.filled.len() <= MOST_FILLED, "{}", table.filled.len());
        }
    }
}
