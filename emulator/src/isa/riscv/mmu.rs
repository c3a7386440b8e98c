//! The page walk: Sv39 and Sv48 with Svade, Svadu and Svpbmt.
//!
//! Source: RISC-V Privileged Architecture 1.13, "Virtual Address Translation Process", "Svpbmt",
//! "Svadu".
//!
//! A walk answers for the whole page at once (what may be done with it in this context), because
//! its result goes into the soft TLB. It is a pure function of memory, protection and context, but
//! for the accessed and dirty bits that Svadu lets the hardware set. Every page that it read a table
//! entry from is named to the caller, who keeps the TLB coherent with stores to them: what a stale
//! entry would show depends on evictions, and those must be invisible.
//!
//! Deliberately absent: Svnapot (its bit is reserved, as the manual says where it is not
//! implemented), the H extension.

use super::{
    access::{Kind, Rights},
    pmp::Pmp,
};
use crate::memory::GuestMemory;

const VALID: u64 = 1 << 0;
const READ: u64 = 1 << 1;
const WRITE: u64 = 1 << 2;
const EXECUTE: u64 = 1 << 3;
const USER: u64 = 1 << 4;
const ACCESSED: u64 = 1 << 6;
const DIRTY: u64 = 1 << 7;
const NUMBER_SHIFT: u32 = 10;
const NUMBER_MASK: u64 = (1 << 44) - 1;
const MEMORY_TYPE_SHIFT: u32 = 61;
const MEMORY_TYPE: u64 = 3 << MEMORY_TYPE_SHIFT;
/// Bits 60 to 54, and bit 63 without Svnapot.
const RESERVED: u64 = (0x7f << 54) | (1 << 63);

const PAGE_SHIFT: u32 = 12;
const INDEX_BITS: u32 = 9;

/// How a virtual address is translated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Paging {
    /// Levels of the tables: 0 (none), 3 (Sv39) or 4 (Sv48).
    pub levels: u32,
    /// Physical page number of the root table.
    pub root: u64,
    /// The access is made with user privilege.
    pub user: bool,
    /// `mstatus.SUM`: supervisor mode may load and store user pages.
    pub sum: bool,
    /// `mstatus.MXR`: executable pages may be loaded.
    pub mxr: bool,
    /// `menvcfg.ADUE`: the hardware sets accessed and dirty bits.
    pub adue: bool,
    /// `menvcfg.PBMTE`: entries carry memory types.
    pub pbmte: bool,
}

/// Where a page lies and what this context may do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Physical address of the 4 KiB page.
    pub page: u64,
    /// What may be done without another walk: no store until the page is dirty.
    pub rights: Rights,
}

/// Why there is no mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A page fault of the access's kind.
    Page,
    /// An access fault of the access's kind: a table entry is not in RAM or is protected.
    Access,
}

/// Translates the page of `virtual_address` for one access.
///
/// `on_table` is given the physical address of each table entry that was read.
///
/// # Errors
/// The fault that the access takes; accessed and dirty bits are unchanged then.
pub fn walk(
    memory: &GuestMemory,
    pmp: &Pmp,
    paging: &Paging,
    virtual_address: u64,
    kind: Kind,
    mut on_table: impl FnMut(u64),
) -> Result<Mapping, Fault> {
    if paging.levels == 0 {
        return Ok(Mapping { page: page_of(virtual_address), rights: Rights::all() });
    }
    let bits = PAGE_SHIFT + INDEX_BITS * paging.levels;
    let spare = u64::BITS - bits;
    if (virtual_address << spare).cast_signed() >> spare != virtual_address.cast_signed() {
        return Err(Fault::Page);
    }
    let mut table = paging.root << PAGE_SHIFT;
    for level in (0..paging.levels).rev() {
        let shift = PAGE_SHIFT + INDEX_BITS * level;
        let index = (virtual_address >> shift) & ((1 << INDEX_BITS) - 1);
        let entry_address = table + index * 8;
        let entry = read_entry(memory, pmp, entry_address)?;
        on_table(entry_address);
        check_shape(entry, paging)?;
        let number = (entry >> NUMBER_SHIFT) & NUMBER_MASK;
        if entry & (READ | EXECUTE) == 0 {
            if entry & (ACCESSED | DIRTY | USER | MEMORY_TYPE) != 0 {
                return Err(Fault::Page);
            }
            table = number << PAGE_SHIFT;
            continue;
        }
        let inside = (1_u64 << (INDEX_BITS * level)) - 1;
        if number & inside != 0 {
            return Err(Fault::Page);
        }
        let entry = permit(memory, pmp, paging, entry_address, entry, kind)?;
        let page = (number << PAGE_SHIFT) | (page_of(virtual_address) & (inside << PAGE_SHIFT));
        let mut rights = rights_of(entry, paging);
        if entry & DIRTY == 0 {
            rights -= Rights::WRITE;
        }
        return Ok(Mapping { page, rights });
    }
    Err(Fault::Page)
}

const fn page_of(address: u64) -> u64 {
    address & !((1 << PAGE_SHIFT) - 1)
}

/// Reads the table entry at a physical address: with supervisor privilege, whoever it is for.
///
/// # Errors
/// [`Fault::Access`] where there is no RAM or memory protection forbids it.
pub(super) fn read_entry(memory: &GuestMemory, pmp: &Pmp, address: u64) -> Result<u64, Fault> {
    if !pmp.allows(address, 8, Kind::Load, false) {
        return Err(Fault::Access);
    }
    let mut bytes = [0; 8];
    memory.read(address, &mut bytes).map_err(|_| Fault::Access)?;
    Ok(u64::from_le_bytes(bytes))
}

/// Refuses what is invalid or reserved in any entry.
fn check_shape(entry: u64, paging: &Paging) -> Result<(), Fault> {
    let memory_type = (entry & MEMORY_TYPE) >> MEMORY_TYPE_SHIFT;
    let typed_wrongly = if paging.pbmte { memory_type == 3 } else { memory_type != 0 };
    let writable_only = entry & (READ | WRITE) == WRITE;
    if entry & VALID == 0 || entry & RESERVED != 0 || writable_only || typed_wrongly {
        return Err(Fault::Page);
    }
    Ok(())
}

/// What the entry's bits grant in this context, accessed and dirty bits aside.
fn rights_of(entry: u64, paging: &Paging) -> Rights {
    let user_page = entry & USER != 0;
    let mut rights = Rights::empty();
    if paging.user == user_page || (user_page && paging.sum) {
        rights.set(Rights::READ, entry & READ != 0 || (paging.mxr && entry & EXECUTE != 0));
        rights.set(Rights::WRITE, entry & WRITE != 0);
    }
    // SUM does not let a supervisor execute user pages.
    rights.set(Rights::EXECUTE, paging.user == user_page && entry & EXECUTE != 0);
    rights
}

/// Checks a leaf for the access and brings its accessed and dirty bits up to date; the answer is
/// the entry as it then stands.
fn permit(
    memory: &GuestMemory,
    pmp: &Pmp,
    paging: &Paging,
    address: u64,
    entry: u64,
    kind: Kind,
) -> Result<u64, Fault> {
    if !rights_of(entry, paging).contains(kind.right()) {
        return Err(Fault::Page);
    }
    let wanted = entry | ACCESSED | if kind == Kind::Store { DIRTY } else { 0 };
    if wanted == entry {
        return Ok(entry);
    }
    if !paging.adue {
        return Err(Fault::Page);
    }
    if !pmp.allows(address, 8, Kind::Store, false) {
        return Err(Fault::Access);
    }
    memory.store(address, &wanted.to_le_bytes()).map_err(|_| Fault::Access)?;
    Ok(wanted)
}

#[cfg(test)]
mod tests;
