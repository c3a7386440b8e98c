//! Reads what a machine starts from: firmware, kernel, initial file system, device tree.
//!
//! Every file is whole, checked and in memory before a machine is built; what is wrong with one is
//! said with its name and with what was expected. Formats are told by content, never by name: gzip,
//! ELF, a Linux `Image`, else raw bytes.
//!
//! Deliberately absent: where things go. A board knows its memory map and says so.

mod elf;
mod file;
mod linux_image;

pub use elf::{ElfFile, Segment};
pub use file::{LoaderError, Source, read, read_unpacked};
pub use linux_image::{ImageMagic, LinuxImage};
