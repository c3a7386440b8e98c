//! The library of the emulator: memory, devices, execution, record and replay.
//!
//! Arrows point one way: memory, clock <- bus <- devices; isa <- translate; all <- machine <-
//! journal <- timeline <- debug <- cli.

pub mod bus;
pub mod cli;
pub mod clock;
pub mod console;
pub mod debug;
pub mod device;
pub mod devices;
pub mod digest;
pub mod door;
pub mod float;
pub mod frame;
pub mod isa;
pub mod journal;
pub mod loader;
pub mod machine;
pub mod memory;
pub mod picture;
pub mod snapshot;
pub mod timeline;
pub mod tlb;
pub mod translate;
pub mod types;
pub mod vcpu;
