//! What saving and loading a whole machine can report.

use std::io;
use std::path::PathBuf;

use vmstate::container::{ContainerError, ReplaceError};

/// A snapshot that cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// A file could not be opened or read.
    #[error("`{}`: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is no snapshot, or a damaged one.
    #[error("`{}`: {source}", path.display())]
    Container {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ContainerError,
    },
    /// A snapshot could not be put in place.
    #[error(transparent)]
    Replace(#[from] ReplaceError),
    /// The parent of an incremental snapshot is not the file it was.
    #[error(
        "`{}` rests on `{}`, which is not the snapshot it was: its fingerprint is {found}, \
         {expected} was expected",
        child.display(),
        parent.display()
    )]
    ParentChanged {
        /// The incremental snapshot.
        child: PathBuf,
        /// The file found in its parent's place.
        parent: PathBuf,
        /// Hex fingerprint of that file.
        found: String,
        /// Hex fingerprint that the child names.
        expected: String,
    },
    /// Snapshots that rest on one another do not end.
    #[error("`{}` rests on more than {limit} snapshots, one on the other: flatten it", path.display())]
    ChainTooLong {
        /// The newest.
        path: PathBuf,
        /// The limit.
        limit: usize,
    },
    /// A snapshot and its parent are of different machines.
    #[error("`{}`: section `{section}`: {why}", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// The raw section.
        section: String,
        /// What does not fit.
        why: String,
    },
    /// Compressed pages do not unpack.
    #[error("`{}`: section `{section}` at byte {offset}: cannot unpack: {why}", path.display())]
    Unpack {
        /// The file.
        path: PathBuf,
        /// The raw section.
        section: String,
        /// Where the frame starts in the file.
        offset: u64,
        /// What the unpacker said.
        why: String,
    },
}
