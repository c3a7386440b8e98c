//! RISC-V, 64 bits.

pub mod access;
pub mod float;
pub mod mmu;
pub mod pmp;
