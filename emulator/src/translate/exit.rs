//! How generated code says why it left and where.

use crate::{bus::Width, isa::emit::Access, memory::PAGE_BYTES};

/// Why a region returned to the dispatcher; 0 is an exit with no code behind it.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// Too few steps are left for the next stretch: the interpreter takes the rest.
    Budget = 1,
    /// The interpreter must run the instruction at pc.
    Refused = 2,
    /// A call changed the mode that code is specialised on.
    Mode = 3,
}

/// An instruction, for the calls that it makes: packed into one constant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Site {
    /// Offset inside the page, 16 bits.
    offset: u64,
    /// Length in bytes, 8 bits.
    length: u64,
    /// Instructions of the block from this one on, 16 bits.
    remaining: u64,
}

impl Site {
    pub(super) fn new(pc: u64, length: u8, remaining: usize) -> Self {
        Self { offset: pc % PAGE_BYTES, length: length.into(), remaining: remaining as u64 }
    }

    /// Packs it with 24 bits of detail.
    pub(super) fn pack(self, detail: u32) -> u64 {
        debug_assert!(detail < 1 << 24);
        self.offset << 48 | self.remaining << 32 | self.length << 24 | u64::from(detail)
    }

    /// The inverse of [`Site::pack`].
    pub(super) fn unpack(packed: u64) -> (Self, u32) {
        let site = Self {
            offset: packed >> 48,
            remaining: packed >> 32 & 0xffff,
            length: packed >> 24 & 0xff,
        };
        let detail = packed & 0xff_ffff;
        (site, u32::try_from(detail).expect("24 bits"))
    }

    /// Offset and steps to give back when leaving in front of the instruction.
    pub(super) fn in_front(self) -> (u64, u64) {
        (self.offset, self.remaining)
    }

    /// The same when leaving behind it.
    pub(super) fn behind(self) -> (u64, u64) {
        (self.offset + self.length, self.remaining - 1)
    }
}

/// Packs an access into a site's detail.
pub(super) fn pack_access(access: Access) -> u32 {
    let width = match access.width {
        Width::Byte => 0,
        Width::Half => 1,
        Width::Word => 2,
        Width::Double => 3,
    };
    width
        | u32::from(access.signed) << 2
        | u32::from(access.big_endian) << 3
        | u32::from(access.aligned) << 4
        | u32::from(access.writes) << 5
}

/// The inverse of [`pack_access`].
pub(super) fn unpack_access(detail: u32) -> Access {
    let width = match detail & 3 {
        0 => Width::Byte,
        1 => Width::Half,
        2 => Width::Word,
        _ => Width::Double,
    };
    let bit = |number: u32| detail >> number & 1 != 0;
    // Who serves an access slowly does not care where its value goes.
    let float = false;
    Access { width, signed: bit(2), big_endian: bit(3), aligned: bit(4), writes: bit(5), float }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_out_again() {
        for detail in 0..64 {
            assert_eq!(pack_access(unpack_access(detail)), detail);
            let site = Site::new(0x8000_0ffe, 4, 400);
            assert_eq!(Site::unpack(site.pack(detail)), (site, detail));
            assert_eq!(site.in_front(), (0xffe, 400));
            assert_eq!(site.behind(), (0x1002, 399));
        }
    }
}
