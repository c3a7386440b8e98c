//! Physical memory protection: 16 entries that say what each privilege may touch.
//!
//! Source: RISC-V Privileged Architecture 1.13, "Physical Memory Protection". The granularity is
//! four bytes (G = 0), the finest that the manual has.
//!
//! The soft TLB holds whole pages, so [`Pmp::page_rights`] answers for a page or says that an entry
//! ends inside it; such a page is never cached and every access to it asks [`Pmp::allows`].

use super::access::{Kind, Rights};
use vmstate::VmState;

/// Implemented entries.
pub const ENTRIES: usize = 16;

/// Bytes of a page, the granule of the soft TLB.
const PAGE_BYTES: u64 = 4096;

/// Writable bits of a `pmpaddr` register: bits 55 to 2 of an address.
const ADDRESS_MASK: u64 = (1 << 54) - 1;

const LOCKED: u8 = 0x80;
const MODE: u8 = 0x18;
const TOP_OF_RANGE: u8 = 0x08;
const NATURAL_FOUR: u8 = 0x10;
const RIGHTS: u8 = 0x07;

/// The protection registers, as the guest reads them.
#[derive(VmState, Clone, Debug, Default, PartialEq, Eq)]
#[vmstate(version = 1, name = "riscv-pmp")]
pub struct Pmp {
    /// `pmpcfg`, one byte an entry.
    pub configuration: [u8; ENTRIES],
    /// `pmpaddr`: bits 55 to 2 of an address.
    pub address: [u64; ENTRIES],
}

impl Pmp {
    /// Writes one configuration byte. Locked entries and reserved combinations (write without
    /// read) keep what they have.
    pub fn configure(&mut self, entry: usize, value: u8) {
        let reserved = value & 0b11 == 0b10;
        if self.configuration[entry] & LOCKED == 0 && !reserved {
            self.configuration[entry] = value & (LOCKED | MODE | RIGHTS);
        }
    }

    /// Writes one address register; a locked entry, or one that is the bottom of a locked range,
    /// keeps what it has.
    pub fn set_address(&mut self, entry: usize, value: u64) {
        let next = self.configuration.get(entry + 1).copied().unwrap_or(0);
        let bottom_of_locked = next & LOCKED != 0 && next & MODE == TOP_OF_RANGE;
        if self.configuration[entry] & LOCKED == 0 && !bottom_of_locked {
            self.address[entry] = value & ADDRESS_MASK;
        }
    }

    /// First and last byte that entry `entry` covers, if it covers any.
    fn range(&self, entry: usize) -> Option<(u64, u64)> {
        let address = self.address[entry];
        match self.configuration[entry] & MODE {
            0 => None,
            TOP_OF_RANGE => {
                let bottom = if entry == 0 { 0 } else { self.address[entry - 1] << 2 };
                let top = address << 2;
                (bottom < top).then(|| (bottom, top - 1))
            }
            NATURAL_FOUR => Some((address << 2, (address << 2) + 3)),
            _ => {
                let bytes = 8_u64 << address.trailing_ones();
                let first = (address << 2) & !(bytes - 1);
                Some((first, first + (bytes - 1)))
            }
        }
    }

    /// What an entry grants to `machine` mode (which only locked entries bind) or the others.
    fn granted(&self, entry: usize, machine: bool) -> Rights {
        let configuration = self.configuration[entry];
        if machine && configuration & LOCKED == 0 {
            Rights::all()
        } else {
            Rights::from_bits_truncate(configuration & RIGHTS)
        }
    }

    /// What holds where no entry matches: everything for machine mode, nothing for the others.
    fn unmatched(machine: bool) -> Rights {
        if machine { Rights::all() } else { Rights::empty() }
    }

    /// Whether `bytes` bytes at physical `addr` may be accessed. The lowest entry that matches a
    /// byte decides, and it has to match all of them.
    #[must_use]
    pub fn allows(&self, addr: u64, bytes: u64, kind: Kind, machine: bool) -> bool {
        let last = addr + (bytes - 1);
        for entry in 0..ENTRIES {
            let Some((low, high)) = self.range(entry) else { continue };
            if last < low || high < addr {
                continue;
            }
            let whole = low <= addr && last <= high;
            return whole && self.granted(entry, machine).contains(kind.right());
        }
        Self::unmatched(machine).contains(kind.right())
    }

    /// What may be done with the whole page at `page`, or nothing when an entry ends inside it.
    #[must_use]
    pub fn page_rights(&self, page: u64, machine: bool) -> Option<Rights> {
        let last = page + (PAGE_BYTES - 1);
        for entry in 0..ENTRIES {
            let Some((low, high)) = self.range(entry) else { continue };
            if last < low || high < page {
                continue;
            }
            return (low <= page && last <= high).then(|| self.granted(entry, machine));
        }
        Some(Self::unmatched(machine))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Entries as (configuration, pmpaddr).
    fn pmp(entries: &[(u8, u64)]) -> Pmp {
        let mut pmp = Pmp::default();
        for (entry, &(configuration, address)) in entries.iter().enumerate() {
            pmp.set_address(entry, address);
            pmp.configure(entry, configuration);
        }
        pmp
    }

    #[test]
    fn the_lowest_matching_entry_decides_and_must_match_every_byte() {
        // Entry 0: four bytes at 0x1000, nothing allowed; entry 1: 0x1000..0x2000 read and write.
        let pmp = pmp(&[(0x10, 0x1000 >> 2), (0x1b, (0x1000 >> 2) | 0x1ff)]);
        for (addr, bytes, kind, machine, allowed) in [
            (0x1000, 4, Kind::Load, false, false),
            (0x1004, 4, Kind::Load, false, true),
            (0x1004, 4, Kind::Fetch, false, false),
            (0x0ffe, 4, Kind::Load, false, false),
            (0x1002, 8, Kind::Load, false, false),
            (0x1ffc, 8, Kind::Store, false, false),
            (0x1ff8, 8, Kind::Store, false, true),
            (0x1000, 4, Kind::Store, true, true),
            (0x5000, 4, Kind::Load, false, false),
            (0x5000, 4, Kind::Load, true, true),
        ] {
            let found = pmp.allows(addr, bytes, kind, machine);
            assert_eq!(found, allowed, "{addr:#x}+{bytes} {kind:?}, machine mode: {machine}");
        }
    }

    #[test]
    fn a_top_of_range_entry_starts_at_the_entry_before_it() {
        let pmp = pmp(&[(0, 0x8000_0000 >> 2), (0x0f, 0x8020_0000 >> 2)]);
        for (addr, allowed) in
            [(0x7fff_fffc, false), (0x8000_0000, true), (0x801f_fffc, true), (0x8020_0000, false)]
        {
            assert_eq!(pmp.allows(addr, 4, Kind::Fetch, false), allowed, "{addr:#x}");
        }
    }

    #[test]
    fn an_entry_of_all_ones_covers_everything() {
        let pmp = pmp(&[(0x1f, u64::MAX)]);
        assert!(pmp.allows(0xff_ffff_ffff_fff8, 8, Kind::Store, false));
        assert_eq!(pmp.page_rights(0x8000_0000, false), Some(Rights::all()));
    }

    #[test]
    fn a_page_with_an_entry_ending_inside_is_not_answered_for() {
        let pmp = pmp(&[(0x11, 0x3008 >> 2), (0x1f, u64::MAX)]);
        for (page, machine, rights) in
            [(0x3000, false, None), (0x3000, true, None), (0x4000, false, Some(Rights::all()))]
        {
            assert_eq!(pmp.page_rights(page, machine), rights, "{page:#x}, machine: {machine}");
        }
    }

    #[test]
    fn a_locked_entry_binds_machine_mode_and_cannot_be_changed() {
        let mut pmp = pmp(&[(0, 0x1000 >> 2), (0x89, 0x2000 >> 2)]);
        let before = pmp.clone();
        pmp.configure(1, 0x0f);
        pmp.set_address(1, 0);
        pmp.set_address(0, 0);
        assert_eq!(pmp, before);
        assert!(pmp.allows(0x1800, 8, Kind::Load, true));
        assert!(!pmp.allows(0x1800, 8, Kind::Store, true));
    }

    #[test]
    fn write_without_read_is_reserved_and_keeps_the_old_configuration() {
        let mut pmp = pmp(&[(0x19, 0x1fff)]);
        pmp.configure(0, 0x1a);
        assert_eq!(pmp.configuration[0], 0x19);
    }
}
