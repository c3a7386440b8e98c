//! CPU models: named switches of what a processor has.

bitflags::bitflags! {
    /// Extensions beyond RV64I with Zicsr and Zifencei, by their names in the manuals.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Features: u64 {
        /// Multiplication and division.
        const M = 1;
        /// Atomics.
        const A = 1 << 1;
        /// Single-precision floating point.
        const F = 1 << 2;
        /// Double-precision floating point.
        const D = 1 << 3;
        /// Compressed instructions.
        const C = 1 << 4;
        /// Address generation.
        const ZBA = 1 << 5;
        /// Basic bit manipulation.
        const ZBB = 1 << 6;
        /// Single-bit instructions.
        const ZBS = 1 << 7;
        /// Cache-block management.
        const ZICBOM = 1 << 8;
        /// Cache-block prefetch hints (always legal: they are hints).
        const ZICBOP = 1 << 9;
        /// Cache-block zeroing.
        const ZICBOZ = 1 << 10;
        /// Half-precision loads, stores, moves and conversions.
        const ZFHMIN = 1 << 11;
        /// Integer conditional operations.
        const ZICOND = 1 << 12;
        /// Supervisor timer compare register.
        const SSTC = 1 << 13;
        /// Four-level page tables.
        const SV48 = 1 << 14;
        /// Hardware update of accessed and dirty bits, when `menvcfg.ADUE` says so.
        const SVADU = 1 << 15;
        /// Page-based memory types.
        const SVPBMT = 1 << 16;
        /// Fine-grained address-translation invalidation.
        const SVINVAL = 1 << 17;
    }
}

vmstate::bitflags_fields!(Features: u64);

impl Features {
    /// RV64GC with Sv39.
    pub const RV64GC: Self = Self::M.union(Self::A).union(Self::F).union(Self::D).union(Self::C);

    /// What the RVA22S64 profile makes mandatory.
    pub const RVA22S64: Self = Self::RV64GC
        .union(Self::ZBA)
        .union(Self::ZBB)
        .union(Self::ZBS)
        .union(Self::ZICBOM)
        .union(Self::ZICBOP)
        .union(Self::ZICBOZ)
        .union(Self::ZFHMIN)
        .union(Self::SVPBMT)
        .union(Self::SVINVAL);

    /// The features of the CPU model called `name`.
    #[must_use]
    pub fn of_model(name: &str) -> Option<Self> {
        MODELS.iter().find(|(model, _)| *model == name).map(|(_, features)| *features)
    }
}

/// CPU models by name.
pub const MODELS: &[(&str, Features)] =
    &[("rv64gc", Features::RV64GC), ("rva22s64", Features::RVA22S64), ("max", Features::all())];

impl Default for Features {
    fn default() -> Self {
        Self::RVA22S64
    }
}
