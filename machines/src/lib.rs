//! The boards of the emulator: one file each, and the list of them.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use emulator::machine::board::Board;

pub mod riscv64_virt;

/// Every board; the first is what runs when none is asked for.
pub const BOARDS: &[&dyn Board] = &[&riscv64_virt::Riscv64Virt];

/// The README and the chapters whose listings are code: each listing is a test.
#[cfg(doctest)]
mod book {
    #[doc = include_str!("../../README.md")]
    mod readme {}
    #[doc = include_str!("../../docs/src/writing-a-device-state.md")]
    mod device_state {}
    #[doc = include_str!("../../docs/src/writing-a-device.md")]
    mod device {}
    #[doc = include_str!("../../docs/src/writing-a-board.md")]
    mod board {}
    #[doc = include_str!("../../docs/src/writing-an-architecture.md")]
    mod architecture {}
}
