//! What a debugger sees of a run while it goes on: breakpoints where they are met, and watched accesses
//! from the log of guest memory, behind the transition that made them.

use super::{Halt, Judge, Watch, WatchHit};
use crate::{
    clock::Position,
    machine::{Machine, Onlooker},
    memory::{Change, Changes, GuestMemory},
};

/// Changes that are looked through at most. An access ends its slice, so it is among the last ones; the
/// log may have forgotten what came long before.
const RECENT: u64 = 1024;

/// Looks on for `judge`.
pub(super) struct Watcher<'a, 'j> {
    watches: &'a [Watch],
    judge: &'a mut Judge<'j>,
    /// Changes of memory that were looked at.
    seen: u64,
    halt: Option<Halt>,
}

impl<'a, 'j> Watcher<'a, 'j> {
    pub(super) fn new(
        memory: &GuestMemory,
        watches: &'a [Watch],
        judge: &'a mut Judge<'j>,
    ) -> Self {
        Self { watches, judge, seen: memory.change_count(), halt: None }
    }

    /// Where the judge wanted to stay, once.
    pub(super) fn take_halt(&mut self) -> Option<Halt> {
        self.halt.take()
    }

    fn ask(&mut self, machine: &Machine, halt: Halt) -> bool {
        let stays = (self.judge)(machine, &halt);
        if stays {
            self.halt = Some(halt);
        }
        stays
    }

    /// What the log says about watched accesses since this was asked last.
    fn hits(&mut self, memory: &GuestMemory) -> Vec<WatchHit> {
        let recent = memory.change_count().saturating_sub(RECENT).max(self.seen);
        self.seen = memory.change_count();
        let Changes::Since(changes) = memory.changes_since(recent) else { return Vec::new() };
        let hits = changes.into_iter().filter_map(|change| match change {
            Change::Watched { addr, bytes } => {
                Some(WatchHit { range: addr..addr + bytes, write: true })
            }
            Change::WatchedRead { addr, bytes } => {
                Some(WatchHit { range: addr..addr + bytes, write: false })
            }
            _ => None,
        });
        hits.filter(|hit| self.watches.iter().any(|watch| watch.is_hit(hit))).collect()
    }
}

impl Onlooker for Watcher<'_, '_> {
    fn stays_at(&mut self, machine: &Machine, hart: usize) -> bool {
        self.ask(machine, Halt::Breakpoint { hart })
    }

    fn stays_behind(&mut self, machine: &Machine, base: Position, hart: usize) -> bool {
        if self.watches.is_empty() || machine.memory().change_count() == self.seen {
            return false;
        }
        let hits = self.hits(machine.memory());
        if hits.is_empty() {
            return false;
        }
        let now = machine.position();
        let before = if now.steps > base.steps + 1 {
            Position { steps: now.steps - 1, sequence: 0, ..now }
        } else {
            base
        };
        self.ask(machine, Halt::Watch { before, hart, hits })
    }
}
