//! What saving and loading one instance can report.
//!
//! Both errors carry the path of the field inside the instance (`fifo.data[3]`), built from the
//! inside out as the error travels up, so that the hot path pays nothing for it. They are one
//! pointer wide for the same reason.

use std::fmt;

/// Why bytes could not become state. Offsets count from the first byte of the instance.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LoadError(Box<Located<LoadProblem>>);

/// Why state could not be written.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SaveError(Box<Located<SaveProblem>>);

#[derive(Clone, PartialEq, Eq)]
struct Located<P> {
    /// Segments, innermost first; see [`Located::path`].
    segments: Vec<String>,
    offset: Option<usize>,
    problem: P,
}

impl<P> Located<P> {
    fn path(&self) -> String {
        let mut path = String::new();
        for segment in self.segments.iter().rev() {
            if !path.is_empty() && !segment.starts_with('[') {
                path.push('.');
            }
            path.push_str(segment);
        }
        path
    }
}

impl<P: fmt::Display> fmt::Display for Located<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.segments.is_empty() {
            write!(f, "`{}`: ", self.path())?;
        }
        write!(f, "{}", self.problem)?;
        if let Some(offset) = self.offset {
            write!(f, " (at byte {offset})")?;
        }
        Ok(())
    }
}

macro_rules! located {
    ($error:ident, $problem:ident) => {
        impl $error {
            /// What went wrong.
            #[must_use]
            pub fn problem(&self) -> &$problem {
                &self.0.problem
            }

            /// The path of the field inside the instance; empty for the instance itself.
            #[must_use]
            pub fn path(&self) -> String {
                self.0.path()
            }

            /// Puts the error inside the field `name`.
            #[cold]
            #[must_use]
            pub fn within(mut self, name: &str) -> Self {
                self.0.segments.push(name.to_owned());
                self
            }

            /// Puts the error inside element `index`.
            #[cold]
            #[must_use]
            pub fn within_element(mut self, index: usize) -> Self {
                self.0.segments.push(format!("[{index}]"));
                self
            }
        }

        impl fmt::Debug for $error {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($error), self.0)
            }
        }
    };
}

located!(LoadError, LoadProblem);
located!(SaveError, SaveProblem);

impl LoadError {
    /// An error at byte `offset` of the instance.
    #[cold]
    #[must_use]
    pub fn new(offset: usize, problem: LoadProblem) -> Self {
        Self(Box::new(Located { segments: Vec::new(), offset: Some(offset), problem }))
    }

    /// An error that belongs to a value rather than to a place in the bytes.
    #[cold]
    #[must_use]
    pub fn of_value(problem: LoadProblem) -> Self {
        Self(Box::new(Located { segments: Vec::new(), offset: None, problem }))
    }

    /// The same place, seen from the saving side.
    #[must_use]
    pub fn into_save_error(self, problem: SaveProblem) -> SaveError {
        SaveError(Box::new(Located { segments: self.0.segments, offset: None, problem }))
    }

    /// Its path, outermost part first: fields by name, elements as `[index]`.
    pub(crate) fn segments(&self) -> Vec<String> {
        self.0.segments.iter().rev().cloned().collect()
    }

    /// The same without a place in the bytes, because they are not the file's.
    #[must_use]
    pub(crate) fn unplaced(mut self) -> Self {
        self.0.offset = None;
        self
    }

    /// The byte of the instance at which it was found, if it is about bytes.
    #[must_use]
    pub fn offset(&self) -> Option<usize> {
        self.0.offset
    }
}

impl SaveError {
    /// An error about the value being written.
    #[cold]
    #[must_use]
    pub fn new(problem: SaveProblem) -> Self {
        Self(Box::new(Located { segments: Vec::new(), offset: None, problem }))
    }
}

/// What a [`LoadError`] is about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoadProblem {
    /// The bytes end early.
    #[error("the data ends early: {wanted} more bytes wanted, {left} left")]
    Truncated {
        /// Bytes wanted.
        wanted: usize,
        /// Bytes left.
        left: usize,
    },
    /// Bytes remain after the value.
    #[error("{count} bytes are left over after the last field")]
    TrailingBytes {
        /// How many.
        count: usize,
    },
    /// A varint has more groups than it needs.
    #[error("a varint is padded with a zero group")]
    VarintPadded,
    /// A varint does not fit its type.
    #[error("a varint exceeds {bits} bits")]
    VarintTooLong {
        /// Width of the type in bits.
        bits: u32,
    },
    /// A `bool` or a presence marker is neither 0 nor 1.
    #[error("{found:#04x} is neither 0 nor 1")]
    NotBool {
        /// The byte.
        found: u8,
    },
    /// Text is not UTF-8.
    #[error("text is not UTF-8")]
    NotUtf8,
    /// A length exceeds the declared maximum.
    #[error("{count} elements exceed the declared maximum of {max}")]
    TooLong {
        /// Elements in the file.
        count: u64,
        /// The declared `max_len`.
        max: u64,
    },
    /// Keys of a map or set are not strictly ascending.
    #[error("keys are not in strictly ascending order")]
    KeysUnordered,
    /// No variant has this id.
    #[error("`{type_name}` has no variant with id {id}")]
    UnknownVariant {
        /// The enum's stable name.
        type_name: String,
        /// The id in the file.
        id: u64,
    },
    /// The file uses a variant that this build does not know.
    #[error("variant `{variant}` of `{type_name}` is unknown to this build")]
    VariantUnsupported {
        /// The enum's stable name.
        type_name: String,
        /// The variant's name in the file.
        variant: String,
    },
    /// A bit without a name is set, or a set flag's name is unknown here.
    #[error("flag {flag} is set, and this build does not know it")]
    UnknownFlag {
        /// The flag's name in the file, or its bit.
        flag: String,
    },
    /// The file has a field that this build does not know and that does not hold its default.
    #[error("this build does not know the field, and it holds {value}, not its default")]
    UnknownField {
        /// What it holds.
        value: String,
    },
    /// The file lacks a field that has no default.
    #[error("the file lacks the field, and it has no default")]
    MissingField,
    /// The kinds of a field differ and no conversion leads from one to the other.
    #[error("the file holds {found}, this build expects {expected}; no `convert` leads there")]
    KindMismatch {
        /// Kind in the file.
        found: String,
        /// Kind of this build.
        expected: String,
    },
    /// The state is of another type.
    #[error("the file holds a `{found}`, this build expects a `{expected}`")]
    TypeMismatch {
        /// Type in the file.
        found: String,
        /// Type of this build.
        expected: String,
    },
    /// The state was written by a version that is no longer supported.
    #[error("version {found} of `{type_name}` is older than the oldest loadable one, {min}")]
    TooOld {
        /// Stable name.
        type_name: String,
        /// Version in the file.
        found: u32,
        /// Minimum loadable version.
        min: u32,
    },
    /// Equal shapes that mean different things.
    #[error("`{type_name}` has semantic revision {found} in the file, {expected} in this build")]
    SemanticMismatch {
        /// Stable name.
        type_name: String,
        /// Revision in the file.
        found: u32,
        /// Revision of this build at that version.
        expected: u32,
    },
    /// A field's `convert` refused the value.
    #[error("{value} cannot be converted: {reason}")]
    Convert {
        /// The value.
        value: String,
        /// What the conversion said.
        reason: String,
    },
    /// A field's `validate` refused the value.
    #[error("{reason}")]
    Invalid {
        /// What the validation said.
        reason: String,
    },
    /// A field marked `equal` differs from the live configuration.
    #[error("the file has {found}, this machine is configured with {expected}")]
    NotEqual {
        /// Value in the file.
        found: String,
        /// Value of the live object.
        expected: String,
    },
    /// A field's `when` says otherwise than the file.
    #[error(
        "the file {} the field, but by its `when` condition this state {}",
        if *.found { "has" } else { "lacks" },
        if *.found { "has none" } else { "has one" }
    )]
    Presence {
        /// Whether the file has it.
        found: bool,
    },
    /// `post_load` refused the state.
    #[error("post_load of `{type_name}`: {reason}")]
    PostLoad {
        /// Stable name.
        type_name: String,
        /// What the hook said.
        reason: String,
    },
    /// The embedded schema is unusable.
    #[error("schema: {0}")]
    Schema(crate::schema::SchemaError),
    /// The host has no memory for a declared length.
    #[error("no memory for {bytes} bytes")]
    OutOfMemory {
        /// Bytes asked for.
        bytes: usize,
    },
    /// Values are nested deeper than any schema of ours is.
    #[error("nested deeper than {max} levels")]
    TooDeep {
        /// The limit.
        max: usize,
    },
    /// The staged state belongs to another type: a bug in the caller.
    #[error("the staged state was made for another type")]
    StagedForeign,
}

/// What a [`SaveError`] is about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SaveProblem {
    /// A container is longer than its `max_len`.
    #[error("{count} elements exceed the declared maximum of {max}")]
    TooLong {
        /// Elements.
        count: u64,
        /// The declared `max_len`.
        max: u64,
    },
    /// A bit without a name is set.
    #[error("bit {bit} is set and has no name in `flags(..)`")]
    UnnamedFlag {
        /// The bit number.
        bit: u32,
    },
    /// `pre_save` refused.
    #[error("pre_save of `{type_name}`: {reason}")]
    PreSave {
        /// Stable name.
        type_name: String,
        /// What the hook said.
        reason: String,
    },
    /// No such version of the type exists.
    #[error("`{type_name}` has no version {version} (oldest {min}, newest {max})")]
    NoSuchVersion {
        /// Stable name.
        type_name: String,
        /// Version asked for.
        version: u32,
        /// Oldest supported.
        min: u32,
        /// Newest.
        max: u32,
    },
    /// The older version has no place for the value.
    #[error("version {version} of `{type_name}` cannot hold {value}: {reason}")]
    NotRepresentable {
        /// Stable name.
        type_name: String,
        /// Version asked for.
        version: u32,
        /// The value.
        value: String,
        /// Why.
        reason: String,
    },
}
