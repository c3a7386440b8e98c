//! Loads and stores that translated code asks for when its inline TLB check misses.
//!
//! Only ordinary RAM is served here, without any effect that others must hear of; everything else is
//! refused and left to the interpreter, which has exact position.

use super::super::access::Kind;
use super::super::state::environment;
use super::Hart;
use crate::{
    isa::emit::Access,
    memory::{Change, Changes, GuestMemory, PAGE_BYTES},
    tlb,
};

impl Hart {
    /// Does a load that missed the TLB when it is an ordinary one from RAM, filling the TLB. `None`
    /// with nothing changed that the guest sees otherwise: the interpreter will run it.
    pub fn slow_load(&mut self, memory: &GuestMemory, addr: u64, access: Access) -> Option<u64> {
        if access.aligned && !addr.is_multiple_of(access.width.bytes()) {
            return None;
        }
        let context = self.data_context();
        let kind = if access.writes { tlb::Kind::Write } else { tlb::Kind::Read };
        if let Some(value) = self.tlb.load(memory, context, kind, addr, access.width) {
            return Some(access.extend(value));
        }
        if addr % PAGE_BYTES + access.width.bytes() > PAGE_BYTES || self.updates_tables() {
            return None;
        }
        let wants = if access.writes { Kind::Store } else { Kind::Load };
        let bytes = access.width.bytes();
        let physical = self.translate(memory, addr, bytes, wants).ok()?;
        self.settle(memory)?;
        if let Some(value) = self.tlb.load(memory, context, kind, addr, access.width) {
            return Some(access.extend(value));
        }
        let mut raw = [0; 8];
        let is_served =
            !access.writes && memory.read_beside_watched(physical, &mut raw[..bytes as usize]);
        is_served.then(|| access.extend(u64::from_le_bytes(raw)))
    }

    /// The same for a store; also refuses those that others must hear of.
    ///
    /// # Panics
    /// When a page that was just found in RAM cannot be written: a bug of ours.
    pub fn slow_store(
        &mut self,
        memory: &GuestMemory,
        addr: u64,
        access: Access,
        value: u64,
    ) -> bool {
        if access.aligned && !addr.is_multiple_of(access.width.bytes()) {
            return false;
        }
        let context = self.data_context();
        let value = access.swapped(value);
        if self.tlb.store(memory, context, addr, access.width, value) {
            return true;
        }
        let bytes = access.width.bytes();
        if addr % PAGE_BYTES + bytes > PAGE_BYTES || self.updates_tables() {
            return false;
        }
        let Ok(physical) = self.translate(memory, addr, bytes, Kind::Store) else { return false };
        let Some(page) = memory.page_of(physical) else { return false };
        let raw = value.to_le_bytes();
        let raw = &raw[..bytes as usize];
        let is_writable = memory.make_writable(page);
        if self.settle(memory).is_none() {
            return false;
        }
        if !is_writable {
            return memory.write_beside_watched(physical, raw);
        }
        let written = memory.write(physical, raw);
        assert!(written.is_ok(), "page {page} is RAM");
        // A walk before the page was dirty could not give a write tag.
        self.translate(memory, addr, bytes, Kind::Store).is_ok()
    }

    /// Whether a walk may write page tables, which the interpreter has to do.
    fn updates_tables(&self) -> bool {
        self.state.menvcfg & environment::ADUE != 0
    }

    /// Follows changes that a fill has logged (write tags of page tables), when those are all.
    fn settle(&mut self, memory: &GuestMemory) -> Option<()> {
        while memory.change_count() != self.seen_changes {
            let Changes::Since(changes) = memory.changes_since(self.seen_changes) else {
                return None;
            };
            for change in changes {
                let Change::Revoked { page } = change else { return None };
                self.tlb.revoke(memory, Some(page));
                self.seen_changes += 1;
            }
        }
        Some(())
    }
}
