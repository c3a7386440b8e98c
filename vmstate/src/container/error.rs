//! The one error of this boundary: what is wrong, in which section, at which byte.
//!
//! Section and offset are fields of the error rather than part of some variants, so that no
//! variant can be added that forgets them.

use std::fmt;
use std::io;

use crate::error::LoadProblem;
use crate::schema::SchemaError;

/// The name an error gives to the file's header in place of an instance path.
pub const HEADER: &str = "header";

/// Where in a file something was found: the section and the byte, counted from the file's start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Instance path of the section, or [`HEADER`], or `schema TYPE`.
    pub section: String,
    /// Byte offset from the start of the file.
    pub offset: u64,
}

impl Place {
    /// A place in the section `section` at byte `offset` of the file.
    pub fn new(section: impl Into<String>, offset: u64) -> Self {
        Self { section: section.into(), offset }
    }

    /// A place in the header.
    pub fn header(offset: u64) -> Self {
        Self::new(HEADER, offset)
    }

    /// The error of kind `kind` at this place.
    pub fn error(self, kind: impl Into<ErrorKind>) -> ContainerError {
        ContainerError { place: self, kind: Box::new(kind.into()) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "section `{}` at byte {} ({:#x})", self.section, self.offset, self.offset)
    }
}

/// A container that cannot be read or written, and where.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {kind}")]
pub struct ContainerError {
    /// The section and the byte.
    pub place: Place,
    /// What is wrong there.
    #[source]
    pub kind: Box<ErrorKind>,
}

/// What is wrong with a container.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The first eight bytes are not [`super::MAGIC`].
    #[error("not a snapshot: the file does not start with the magic bytes 93 56 4d 53 54 0d 0a 1a")]
    Magic,
    /// The container is of a later version; its header may still be read.
    #[error(
        "container version {found} is newer than {supported}, the newest this build reads: \
         use the build that wrote it or a later one"
    )]
    Version {
        /// The version the file states.
        found: u32,
        /// The newest version this build reads.
        supported: u32,
    },
    /// The file ends early.
    #[error("the file ends here: {needed} more bytes should follow, {available} do")]
    Truncated {
        /// Bytes that should follow.
        needed: u64,
        /// Bytes that do follow.
        available: u64,
    },
    /// The file goes on after its stated end.
    #[error("the file should end here but {extra} bytes follow")]
    TrailingBytes {
        /// How many, at least.
        extra: u64,
    },
    /// A stored checksum is not that of the bytes.
    #[error("checksum mismatch: stored {stored:#010x}, computed {computed:#010x}; damaged bytes")]
    Checksum {
        /// The checksum the file states.
        stored: u32,
        /// The checksum of the bytes as they are.
        computed: u32,
    },
    /// A length, count or alignment is beyond what the format allows.
    #[error("{what} is {value}, beyond the limit of {limit}")]
    Limit {
        /// The quantity.
        what: &'static str,
        /// Its stated value.
        value: u64,
        /// The largest value allowed.
        limit: u64,
    },
    /// A field of the header or of a section's own description is not well formed.
    #[error("malformed {what}: {why}")]
    Malformed {
        /// The field.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// A record or section that the writer marked as needed is of a kind this build lacks.
    #[error("{what} `{name}` is needed to load this file but unknown to this build")]
    UnknownNeeded {
        /// "header record" or "section kind".
        what: &'static str,
        /// The name of the kind.
        name: String,
    },
    /// No section has this path.
    #[error("the file has no such section; it has: {known}")]
    NoSection {
        /// The paths there are.
        known: String,
    },
    /// Memory for something of the stated size could not be had.
    #[error("cannot allocate {bytes} bytes")]
    Allocation {
        /// How many.
        bytes: u64,
    },
    /// A writer was used out of order or gave other bytes than it had declared.
    #[error("the writer broke its declaration: {why}")]
    Declaration {
        /// What it did.
        why: String,
    },
    /// A schema is not well formed, or schemas do not fit together.
    #[error("schema: {0}")]
    Schema(SchemaError),
    /// A value is not what its schema says, or the machine refuses it.
    #[error("{}{problem}", shown_path(path))]
    Value {
        /// Path of the field inside the instance; empty for the instance itself.
        path: String,
        /// What is wrong with it.
        problem: LoadProblem,
    },
    /// The host failed to read or write.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// The path as an error shows it before the problem.
fn shown_path(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!("`{path}`: ") }
}

impl ErrorKind {
    /// A [`ErrorKind::Malformed`].
    pub(crate) fn malformed(what: &'static str, why: impl Into<String>) -> Self {
        Self::Malformed { what, why: why.into() }
    }
}
