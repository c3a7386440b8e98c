//! The boards of the emulator: one file each, and the list of them.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use emulator::machine::board::Board;

pub mod riscv64_virt;

/// Every board; the first is what runs when none is asked for.
pub const BOARDS: &[&dyn Board] = &[&riscv64_virt::Riscv64Virt];
