//! What saving and loading a whole machine can report.

use std::io;
use std::path::PathBuf;

use vmstate::container::{ContainerError, ReplaceError};
use vmstate::instances::InstanceErrors;

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
    /// The parent of an incremental snapshot cannot be opened.
    #[error("`{}` rests on another snapshot: {source}", child.display())]
    Parent {
        /// The incremental snapshot.
        child: PathBuf,
        /// What is wrong with its parent.
        source: Box<SnapshotError>,
    },
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
    /// Instances that cannot be saved or loaded, all of them.
    #[error("`{}`: {source}", path.display())]
    Instances {
        /// The file.
        path: PathBuf,
        /// What each of them says.
        source: InstanceErrors,
    },
    /// A snapshot is of another machine.
    #[error(
        "`{}` is of the machine {found}, not {machine}; `emulator convert` rewrites it for another \
         version of its machine",
        path.display()
    )]
    Machine {
        /// The file.
        path: PathBuf,
        /// Its machine.
        found: String,
        /// The machine that was to load it.
        machine: String,
    },
    /// A property of the machine is missing or not a number.
    #[error("`{}`: property {name}: {found}", path.display())]
    Property {
        /// The file.
        path: PathBuf,
        /// The property.
        name: &'static str,
        /// What it says.
        found: String,
    },
    /// A snapshot is to rest on the file that it replaces.
    #[error("`{}` cannot be its own base: save to another name", path.display())]
    OwnBase {
        /// The file.
        path: PathBuf,
    },
    /// A file outside is not the one with which the snapshot was taken.
    #[error(
        "`{}` was taken with the {role} `{name}`; this machine's {role} is another file",
        path.display()
    )]
    ExternalFile {
        /// The snapshot.
        path: PathBuf,
        /// What the file is for.
        role: String,
        /// Its name then.
        name: String,
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
