//! The library of the emulator: memory, devices, execution, record and replay.
//!
//! Arrows point one way: memory, clock <- bus <- devices; isa <- translate; all <- machine <-
//! journal <- timeline <- debug <- cli.
//!
//! What a guest can see never depends on the host's time, threads, randomness, environment or hash
//! order: the lints of `clippy.toml` are denied in those modules, and a test over the tree keeps the
//! list whole.

#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod bus;
pub mod cli;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod clock;
pub mod console;
pub mod debug;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod device;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod devices;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod digest;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod door;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod float;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod frame;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod isa;
pub mod journal;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod loader;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod machine;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod memory;
pub mod picture;
pub mod progress;
pub mod snapshot;
pub mod timeline;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod tlb;
pub mod translate;
pub mod types;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod vcpu;
