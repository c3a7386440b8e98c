//! The container: one self-describing file for the state of a whole machine.
//!
//! # Problem
//! A snapshot must be readable years later, by builds that lack its devices and by tools that know
//! only this module's documentation; a damaged or hostile one must be refused with the place named
//! and the live machine untouched; gigabytes of RAM must be mappable without being read.
//!
//! # Strategy
//! A header of fixed little-endian fields (no serde: its layout is the promise, not a by-product of
//! a struct) states everything: who wrote it, which machine, where on the timeline, what lies
//! outside, a table of schemas and a table of sections with lengths and checksums. Then the bodies,
//! in table order: schemas, state, raw data. The bytes are laid down in
//! `docs/src/snapshot-format.md`.
//!
//! # Invariants
//! - Layout is canonical: bodies follow one another without gaps but zero padding, and the file
//!   ends with the last. So every byte of a file is covered by a checksum or compared with zero,
//!   and no flip goes unseen.
//! - A length is compared with what is there before anything is allocated for it.
//! - Every error has a section and an offset ([`ContainerError`]).
//!
//! # Checksums
//! CRC32C: it finds every burst of up to 32 bits (xxh3 promises nothing), processors compute it in
//! hardware at the speed of memory, and it is standardised (RFC 3720, section 12.1), so a tool in
//! another language can check a file. It is no defence against forgery and need not be: a hostile
//! file can only be refused or decoded safely. Where content is *named* (external files, the parent
//! of an incremental snapshot) a collision would matter, and BLAKE3 is used.
//!
//! # Absent on purpose
//! Compression of state (small), encryption and signatures (the caller's file system), and mapping
//! of files (this crate forbids `unsafe`: the caller maps and gives a slice).

mod atomic;
mod error;
mod fields;
mod header;
mod raw;
mod reader;
mod schemas;
mod stream;
mod writer;

pub use atomic::{AtomicFile, ReplaceError};
pub use error::{ContainerError, ErrorKind, HEADER, Place};
pub use header::{
    Extent, ExternalFile, Header, MachineName, ParentRef, Position, RawEntry, SchemaEntry,
    SectionEntry,
};
pub use raw::{CompressedPageMap, PageKind, PageMap, PageRun};
pub use reader::{RawReader, ReadSeek, Snapshot};
pub use stream::SnapshotStream;
pub use writer::{RawDeclaration, SectionBody, SnapshotBuilder, SnapshotWriter};

/// The first bytes of every snapshot. The first has its high bit set and the last three are line
/// ends of several systems, so that a transfer as text is noticed at once.
pub const MAGIC: [u8; 8] = *b"\x93VMST\r\n\x1a";

/// The container version this build writes, and the newest it loads.
pub const CONTAINER_VERSION: u32 = 1;

/// Kind of a section that holds the value of one instance.
pub const KIND_STATE: &str = "state";

/// Encoding of a raw section whose map is a [`PageMap`].
pub const ENCODING_PAGES: &str = "pages";

/// Encoding of a raw section whose map is a [`CompressedPageMap`].
pub const ENCODING_ZSTD_PAGES: &str = "zstd-pages";

/// Alignment of raw data in the file, in bytes.
pub const PAGE_LEN: u32 = 4096;

/// Bytes of the header before its records.
const PREAMBLE_LEN: usize = 32;
/// Longest header: 4 MiB, room for some ten thousand sections.
const MAX_HEADER_LEN: u32 = 4 << 20;
/// Most records in a header. Bounds what a header can make its reader allocate.
const MAX_RECORDS: u32 = 8192;
/// Most properties in a header.
const MAX_PROPERTIES: usize = 256;
/// Largest alignment and chunk: 16 MiB.
const MAX_ALIGN: u32 = 16 << 20;
/// Smallest chunk with a checksum of its own.
const MIN_CHUNK_LEN: u32 = 512;
/// Chunk that the writer chooses: small enough to say which pages are damaged, large enough that
/// the table is a 16,384th of the data.
const DEFAULT_CHUNK_LEN: u32 = 64 << 10;
/// First step in which memory grows when reading from a stream.
const READ_STEP: u64 = 64 << 10;
