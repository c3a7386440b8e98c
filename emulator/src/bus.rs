//! The system bus as a processor sees it: physical accesses that are not RAM.
//!
//! Misuse of the bus (nothing there, a width or alignment that the region does not take) is guest
//! behaviour and comes back as a [`BusFault`], which the processor turns into its architecture's
//! access fault.
//!
//! Rule for the timeline: EVERY access through this trait ends the slice after the instruction that
//! made it. Reads have side effects too (an interrupt acknowledged by a read), and one rule without
//! exceptions is what keeps interpreter and translator equal.

/// Width of one access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Width {
    /// 8 bits.
    Byte,
    /// 16 bits.
    Half,
    /// 32 bits.
    Word,
    /// 64 bits.
    Double,
}

impl Width {
    /// The width in bytes: 1, 2, 4 or 8.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        match self {
            Self::Byte => 1,
            Self::Half => 2,
            Self::Word => 4,
            Self::Double => 8,
        }
    }

    /// The bits that an access of this width carries.
    #[must_use]
    pub const fn mask(self) -> u64 {
        u64::MAX >> (64 - 8 * self.bytes())
    }
}

/// Why the bus did not answer. The guest sees its architecture's access fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BusFault {
    /// No region covers the address.
    #[error("nothing is mapped there")]
    Unmapped,
    /// The region does not take accesses of this width.
    #[error("the region does not take accesses of this width")]
    Width,
    /// The address is not a multiple of the width.
    #[error("the access is not aligned to its width")]
    Misaligned,
}

/// Everything on the physical address space that is not RAM.
pub trait Bus {
    /// Reads `width` at physical `addr`; `steps` is the position of the instruction that reads.
    /// The value is zero-extended, in the machine's device byte order.
    ///
    /// # Errors
    /// [`BusFault`] when no region takes the access.
    fn read(&mut self, steps: u64, addr: u64, width: Width) -> Result<u64, BusFault>;

    /// Writes the low `width` bits of `value` at physical `addr`.
    ///
    /// # Errors
    /// [`BusFault`] when no region takes the access.
    fn write(&mut self, steps: u64, addr: u64, width: Width, value: u64) -> Result<(), BusFault>;
}

/// A bus with nobody on it.
#[derive(Clone, Copy, Debug, Default)]
pub struct EmptyBus;

impl Bus for EmptyBus {
    fn read(&mut self, _: u64, _: u64, _: Width) -> Result<u64, BusFault> {
        Err(BusFault::Unmapped)
    }

    fn write(&mut self, _: u64, _: u64, _: Width, _: u64) -> Result<(), BusFault> {
        Err(BusFault::Unmapped)
    }
}
