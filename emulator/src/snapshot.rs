//! Whole-machine snapshots: the state of every instance, and RAM.
//!
//! # Problem
//! State is small and has a schema; RAM is large, has none, and must load without being read. A
//! snapshot of a machine that hardly changed since the last one should hold only what changed.
//!
//! # Strategy
//! One container file ([`vmstate::container`]): state sections, then one raw section for each stretch
//! of RAM (`ram0`, `ram1`, .. with their base addresses as properties), whose page map leaves zero
//! pages out. An incremental snapshot names its parent by fingerprint and leaves out what the
//! parent has; [`Chain`] opens a file with all its parents and says, page by page, where the
//! content is. Data that is not compressed is page-aligned and can be mapped from there.
//!
//! # Invariants
//! - A file is replaced whole or not at all ([`vmstate::container::AtomicFile`]) and never modified.
//! - What lies outside (kernel, firmware, disks) is named with its digest.

mod chain;
mod error;
mod flatten;
mod pages;

pub use chain::{Chain, Layer, Piece, PieceSource};
pub use error::SnapshotError;
pub use flatten::flatten;
pub use pages::{ChainPages, RamBody, ReadPage, write_pages};

#[cfg(test)]
mod tests;
