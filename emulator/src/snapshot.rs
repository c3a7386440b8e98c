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
mod check;
mod compare;
mod convert;
mod error;
mod flatten;
mod machine;
mod pages;
mod ram;
mod save;
mod verify;

use vmstate::container::Header;

pub use chain::{Chain, Layer, Piece, PieceSource};
pub use check::refusals;
pub use compare::{RamDifference, ram_differences};
pub use convert::convert;
pub use error::SnapshotError;
pub use flatten::flatten;
pub use machine::{CPU, config_of, load_machine, machine_name, save_machine, write_machine};
pub use pages::{ChainPages, RamBody, ReadPage, write_pages};
pub use save::{
    Caption, LoadOptions, PRODUCER, SaveOptions, check_external_file, check_external_files, load,
};

pub use verify::{verify, verify_layer};

/// The property that holds the physical base address of a raw section, in hex.
pub fn ram_base_property(section: &str) -> String {
    format!("{section}.base")
}

/// The physical base address of a raw section, if the file says it.
pub fn ram_base(header: &Header, section: &str) -> Option<u64> {
    let text = header.properties.get(&ram_base_property(section))?;
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

#[cfg(test)]
mod tests;
