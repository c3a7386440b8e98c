//! Words for an access to memory: what it wants and what it may.

bitflags::bitflags! {
    /// What may be done with memory; the bits stand as in a PMP configuration and, shifted by one,
    /// in a page table entry.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Rights: u8 {
        /// Loads.
        const READ = 1;
        /// Stores and atomics.
        const WRITE = 2;
        /// Instruction fetches.
        const EXECUTE = 4;
    }
}

/// What an access wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An instruction fetch.
    Fetch,
    /// A load, load-reserved included.
    Load,
    /// A store, atomics and cache-block operations that write included.
    Store,
}

impl Kind {
    /// The right that the access needs.
    #[must_use]
    pub const fn right(self) -> Rights {
        match self {
            Self::Fetch => Rights::EXECUTE,
            Self::Load => Rights::READ,
            Self::Store => Rights::WRITE,
        }
    }
}
