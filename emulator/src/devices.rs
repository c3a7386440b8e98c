//! The devices, one file each, in no way tied to a board.

pub mod aclint;
pub mod goldfish_rtc;
pub mod htif;
pub mod ns16550a;
pub mod plic;
pub mod sifive_test;
pub mod virtio_mmio;
