//! The regions that there are, and the links between them.
//!
//! A region is known by its pc, the mode and the RAM page that its bytes are in. Its exits jump
//! through data slots: a slot holds the code of the region that it leads to, or `leave` while there
//! is none. So linking and unlinking write data, never code, and happen while no generated code
//! runs.

use super::{arena::Arena, jumps::JumpTable};
use crate::memory::PAGE_SHIFT;
use std::{
    collections::{BTreeSet, HashMap},
    hash::{BuildHasherDefault, Hasher},
    sync::atomic::{AtomicU64, Ordering},
};

/// What a region is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) pc: u64,
    pub(super) mode: u64,
    pub(super) page: usize,
}

/// A quick hash for keys that no adversary gains by colliding: one that does slows down only
/// itself.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }
    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(5) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 ^= self.0 >> 32;
    }
    fn write_usize(&mut self, value: usize) {
        self.write_u64(value as u64);
    }
}

pub(super) type KeyMap<K, V> = HashMap<K, V, BuildHasherDefault<KeyHasher>>;

/// Exit slots. Generated code reads them, only the owner writes.
pub(super) type Slots = Box<[AtomicU64]>;

/// Slots that all lead to `leave`.
pub(super) fn new_slots(count: usize, leave: u64) -> Slots {
    (0..count).map(|_| AtomicU64::new(leave)).collect()
}

/// What is known about a key.
#[derive(Debug)]
pub(super) enum Known {
    /// Translated.
    Region(Region),
    /// Being compiled as this job.
    Pending(u64),
    /// Only the interpreter can start here.
    Unfit,
}

/// Translated code.
#[derive(Debug)]
pub(super) struct Region {
    pub(super) code: u64,
    pub(super) segment: usize,
    pub(super) slots: Slots,
    /// Where each slot leads.
    pub(super) exits: Vec<Option<Key>>,
}

/// All regions of an engine.
#[derive(Debug)]
pub(super) struct Code {
    arena: Arena,
    /// Holds the fixed pieces that regions call, for as long as there are regions.
    _shims: Arena,
    pub(super) leave: u64,
    known: KeyMap<Key, Known>,
    by_page: KeyMap<usize, Vec<Key>>,
    by_segment: Vec<Vec<Key>>,
    /// Who leads to a key: the region and the number of its slot.
    links: KeyMap<Key, Vec<(Key, usize)>>,
    tables: Vec<(u64, JumpTable)>,
}

/// Tables kept; a guest has a handful of modes.
const MOST_TABLES: usize = 32;

impl Code {
    pub(super) fn new(arena: Arena, shims: Arena, leave: u64, segments: usize) -> Self {
        Self {
            arena,
            _shims: shims,
            leave,
            known: KeyMap::default(),
            by_page: KeyMap::default(),
            by_segment: vec![Vec::new(); segments],
            links: KeyMap::default(),
            tables: Vec::new(),
        }
    }

    /// The number of the jump table for `mode`.
    pub(super) fn table(&mut self, mode: u64) -> usize {
        if let Some(found) = self.tables.iter().position(|(of, _)| *of == mode) {
            return found;
        }
        if self.tables.len() == MOST_TABLES {
            self.tables.clear();
        }
        self.tables.push((mode, JumpTable::new()));
        self.tables.len() - 1
    }

    pub(super) fn jumps(&mut self, table: usize) -> &mut JumpTable {
        &mut self.tables[table].1
    }

    /// Forgets what computed jumps lead to.
    pub(super) fn clear_jumps(&mut self) {
        for (_, table) in &mut self.tables {
            table.clear();
        }
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Known> {
        self.known.get(key)
    }

    /// Notes something other than a region.
    pub(super) fn note(&mut self, key: Key, known: Known) {
        if self.known.insert(key, known).is_none() {
            self.by_page.entry(key.page).or_default().push(key);
        }
    }

    /// Installs compiled code for `key`, which is pending, and links it as far as its ends `may` be
    /// linked to. Gives the number of regions that had to go for it.
    pub(super) fn install(
        &mut self,
        key: Key,
        code: &[u8],
        slots: Slots,
        exits: Vec<Option<Key>>,
        may_link: &dyn Fn(u64) -> bool,
    ) -> u64 {
        let (placed, given_up) = self.arena.place(code);
        let gone = given_up.map(|segment| std::mem::take(&mut self.by_segment[segment]));
        let evicted = gone.map_or(0, |keys| {
            keys.iter().filter(|key| self.remove_if_in(key, placed.segment)).count()
        });
        for (slot, exit) in exits.iter().enumerate() {
            let Some(target) = exit else { continue };
            self.links.entry(*target).or_default().push((key, slot));
            if let Some(Known::Region(region)) = self.known.get(target)
                && may_link(target.pc)
            {
                slots[slot].store(region.code, Ordering::Relaxed);
            }
        }
        let region = Region { code: placed.address, segment: placed.segment, slots, exits };
        self.by_segment[placed.segment].push(key);
        self.note(key, Known::Region(region));
        if may_link(key.pc) {
            self.point_at(&key, placed.address);
        }
        evicted as u64
    }

    /// Makes everything that leads to `key` go to `code`.
    fn point_at(&self, key: &Key, code: u64) {
        for (from, slot) in self.links.get(key).into_iter().flatten() {
            if let Some(Known::Region(region)) = self.known.get(from) {
                region.slots[*slot].store(code, Ordering::Relaxed);
            }
        }
    }

    /// Has every region that leads to `key` go there directly.
    pub(super) fn link(&self, key: &Key) {
        if let Some(Known::Region(region)) = self.known.get(key) {
            self.point_at(key, region.code);
        }
    }

    /// Takes away all ways into regions but that through the dispatcher.
    pub(super) fn unlink_all(&mut self) {
        self.clear_jumps();
        for key in self.by_segment.iter().flatten() {
            let Some(Known::Region(region)) = self.known.get(key) else { continue };
            for slot in &region.slots {
                slot.store(self.leave, Ordering::Relaxed);
            }
        }
    }

    fn remove_if_in(&mut self, key: &Key, segment: usize) -> bool {
        let there = matches!(
            self.known.get(key),
            Some(Known::Region(region)) if region.segment == segment
        );
        if there {
            self.remove(key);
            if let Some(keys) = self.by_page.get_mut(&key.page) {
                keys.retain(|other| other != key);
            }
        }
        there
    }

    /// Forgets `key`; `by_page` and `by_segment` are the caller's. Tells whether it was a region.
    fn remove(&mut self, key: &Key) -> bool {
        let Some(Known::Region(region)) = self.known.remove(key) else { return false };
        self.point_at(key, self.leave);
        for (slot, target) in region.exits.iter().enumerate() {
            let Some(target) = target else { continue };
            if let Some(from) = self.links.get_mut(target) {
                from.retain(|other| *other != (*key, slot));
                if from.is_empty() {
                    self.links.remove(target);
                }
            }
        }
        for (mode, table) in &mut self.tables {
            if *mode == key.mode {
                table.remove(key.pc);
            }
        }
        true
    }

    /// Forgets everything about a page whose code was written. Gives the number of regions.
    pub(super) fn invalidate(&mut self, page: usize) -> u64 {
        let keys = self.by_page.remove(&page).unwrap_or_default();
        keys.iter().filter(|key| self.remove(key)).count() as u64
    }

    /// The RAM pages of all code whose virtual page has one of these numbers.
    pub(super) fn pages_at(&self, numbers: &BTreeSet<u64>) -> BTreeSet<usize> {
        let there = self.known.keys().filter(|key| numbers.contains(&(key.pc >> PAGE_SHIFT)));
        there.map(|key| key.page).collect()
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.arena.clear();
        self.known.clear();
        self.by_page.clear();
        self.by_segment.iter_mut().for_each(Vec::clear);
        self.links.clear();
        self.clear_jumps();
    }

    /// Resets the links between regions on different pages.
    pub(super) fn unlink_pages(&mut self) {
        self.clear_jumps();
        let pages: Vec<usize> = self.by_page.keys().copied().collect();
        for page in pages {
            for key in self.by_page.get(&page).cloned().unwrap_or_default() {
                let Some(Known::Region(region)) = self.known.get(&key) else { continue };
                for (slot, target) in region.exits.iter().enumerate() {
                    if target.is_some_and(|target| target.page != page) {
                        region.slots[slot].store(self.leave, Ordering::Relaxed);
                    }
                }
            }
        }
    }
}
