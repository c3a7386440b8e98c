//! The schema of one version of one type, as it travels inside files.
//!
//! Problem: any build must be able to read, name and compare the state of any other build, without
//! its code. So a file embeds the writer's schemas, and they must be readable under attack.
//!
//! Strategy: [`Schema`] is the decoded form, [`encode`] and [`Schema::decode`] the canonical bytes.
//! They have two parts: the SHAPE (what bytes mean: names, kinds, order, ids, semantic revision),
//! which the hash covers, and the DETAILS (what helps another build to resolve it: defaults, former
//! names, oldest loadable version), which it does not, so that equal hashes mean exactly
//! "decode straight". Nested types are named with version and hash, never included: each
//! type is stored once.
//!
//! Invariants: `decode` accepts only canonical bytes; every count and depth is bounded before use;
//! kinds nest at most [`KIND_DEPTH_MAX`] deep and types at most [`TYPE_DEPTH_MAX`].
//!
//! Deliberately absent: Rust types, field offsets, documentation.

pub mod decode;
pub mod encode;
pub mod hash;
mod soundness;
pub mod table;
pub(crate) mod tag;

pub use hash::SchemaHash;
pub use table::SchemaTable;

use std::fmt;

use crate::error::LoadProblem;

/// Longest stable name, in bytes.
pub const NAME_BYTES_MAX: usize = 255;
/// Most fields of a struct or variant, and most variants of an enum.
pub const ITEMS_MAX: usize = 4096;
/// Most parts (fields, variants, nested kinds, former names, flags) of all schemas of a file
/// together: what bounds the memory that they occupy.
pub const SCHEMA_PARTS_MAX: usize = 4096;
/// How deep kinds nest inside one field.
pub const KIND_DEPTH_MAX: usize = 16;
/// How deep deriving types nest.
pub const TYPE_DEPTH_MAX: usize = 32;
/// Most parts of one value (fields, elements) that occupy no bytes, those of nested types included:
/// what bounds the work that a few hostile bytes can cause.
pub const EMPTY_PARTS_MAX: u64 = 1024;
/// Longest encoded schema, in bytes.
pub const SCHEMA_BYTES_MAX: usize = 1 << 20;

/// One version of one type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    /// Stable name, with generic arguments.
    pub type_name: String,
    /// Version; the first is 1.
    pub version: u32,
    /// Semantic revision: what the same shape means.
    pub semantic: u32,
    /// Oldest version that the writer's build could load.
    pub version_min: u32,
    /// Fields or variants.
    pub shape: Shape,
    /// Hash of the shape.
    pub hash: SchemaHash,
    parts: usize,
    encoded: Vec<u8>,
}

/// The body of a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Fields in the order of the wire.
    Struct(Vec<Field>),
    /// Variants, ascending by id.
    Enum(Vec<Variant>),
}

impl Shape {
    pub(crate) const STRUCT: u8 = 0;
    pub(crate) const ENUM: u8 = 1;
}

/// A field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Name in this version.
    pub name: String,
    /// How many conversions of its kind or meaning lie behind it.
    pub revision: u32,
    /// Whether it may be absent.
    pub presence: Presence,
    /// What it holds.
    pub kind: Kind,
    /// First version with it.
    pub since: u32,
    /// Other names it has or had, so that a build from before a rename finds it.
    pub aliases: Vec<String>,
    /// Its default, encoded as this kind; for readers that lack the field or files that do.
    pub default: Option<Vec<u8>>,
}

/// A variant of an enum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    /// What stands on the wire, as a varint of 32 bits.
    pub id: u32,
    /// Stable name.
    pub name: String,
    /// Fields in the order of the wire.
    pub fields: Vec<Field>,
}

/// Whether a field may be absent; the discriminants stand in canonical bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// The value stands on the wire as it is.
    Always = 0,
    /// A marker byte, then the value if its `when` held.
    When = 1,
    /// A marker byte, then the value if the subsection was needed.
    Subsection = 2,
}

/// What a field holds, and thereby how it stands on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One byte, 0 or 1.
    Bool,
    /// One raw byte.
    U8,
    /// Varint.
    U16,
    /// Varint.
    U32,
    /// Varint.
    U64,
    /// Varint.
    U128,
    /// One raw byte.
    I8,
    /// Zigzag varint.
    I16,
    /// Zigzag varint.
    I32,
    /// Zigzag varint.
    I64,
    /// Zigzag varint.
    I128,
    /// Four bytes, little-endian bits.
    F32,
    /// Eight bytes, little-endian bits.
    F64,
    /// Length in bytes, then UTF-8.
    String {
        /// Most bytes.
        max: u64,
    },
    /// Marker byte, then the value.
    Option(Box<Self>),
    /// Elements without a count.
    Array {
        /// Kind of each.
        item: Box<Self>,
        /// How many.
        count: u64,
    },
    /// Count, then elements.
    Seq {
        /// Kind of each.
        item: Box<Self>,
        /// Most elements.
        max: u64,
    },
    /// Count, then elements, strictly ascending by value.
    Set {
        /// Kind of each.
        item: Box<Self>,
        /// Most elements.
        max: u64,
    },
    /// Count, then pairs, keys strictly ascending by value.
    Map {
        /// Kind of keys.
        key: Box<Self>,
        /// Kind of values.
        value: Box<Self>,
        /// Most pairs.
        max: u64,
    },
    /// Elements in order.
    Tuple(Vec<Self>),
    /// An integer (8 bits: raw byte; 16, 32, 64: varint) of named bits.
    Flags {
        /// Width of the integer: 8, 16, 32 or 64.
        bits: u32,
        /// (name, bit), ascending by bit.
        names: Vec<(String, u32)>,
    },
    /// A deriving type.
    Type(TypeRef),
}

/// Names one version of one type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TypeRef {
    /// Stable name.
    pub name: String,
    /// Version.
    pub version: u32,
    /// Hash of its shape.
    pub hash: SchemaHash,
}

impl Schema {
    /// The canonical bytes.
    #[must_use]
    pub fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    /// How many of [`SCHEMA_PARTS_MAX`] it has.
    #[must_use]
    pub const fn parts(&self) -> usize {
        self.parts
    }

    /// The reference by which other schemas, and instances, name this one.
    #[must_use]
    pub fn type_ref(&self) -> TypeRef {
        TypeRef { name: self.type_name.clone(), version: self.version, hash: self.hash }
    }

    /// All types that fields of this one hold.
    #[must_use]
    pub fn nested(&self) -> Vec<&TypeRef> {
        let mut found = Vec::new();
        let variants: Vec<&[Field]> = match &self.shape {
            Shape::Struct(fields) => vec![fields],
            Shape::Enum(variants) => variants.iter().map(|v| v.fields.as_slice()).collect(),
        };
        for field in variants.into_iter().flatten() {
            field.kind.collect_types(&mut found);
        }
        found
    }
}

impl Kind {
    fn collect_types<'a>(&'a self, found: &mut Vec<&'a TypeRef>) {
        match self {
            Self::Type(type_ref) => found.push(type_ref),
            Self::Option(item)
            | Self::Array { item, .. }
            | Self::Seq { item, .. }
            | Self::Set { item, .. } => item.collect_types(found),
            Self::Map { key, value, .. } => {
                key.collect_types(found);
                value.collect_types(found);
            }
            Self::Tuple(items) => items.iter().for_each(|item| item.collect_types(found)),
            _ => {}
        }
    }
}

impl fmt::Display for TypeRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.version)
    }
}

/// The kind as the lock, `schema show` and error messages write it.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String { max } => write!(f, "string(max {max})"),
            Self::Option(item) => write!(f, "option({item})"),
            Self::Array { item, count } => write!(f, "[{item}; {count}]"),
            Self::Seq { item, max } => write!(f, "seq({item}, max {max})"),
            Self::Set { item, max } => write!(f, "set({item}, max {max})"),
            Self::Map { key, value, max } => write!(f, "map({key}, {value}, max {max})"),
            Self::Tuple(items) => {
                f.write_str("(")?;
                for (index, item) in items.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    write!(f, "{comma}{item}")?;
                }
                f.write_str(")")
            }
            Self::Flags { bits, names } => {
                write!(f, "flags(u{bits}")?;
                for (name, bit) in names {
                    write!(f, ", {name} = {bit}")?;
                }
                f.write_str(")")
            }
            Self::Type(type_ref) => write!(f, "{type_ref}"),
            scalar => {
                f.write_str(scalar.scalar().expect("the kinds with parameters stand above").1)
            }
        }
    }
}

/// Why bytes are no schema, or schemas do not fit together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// The bytes break the wire's rules.
    #[error("{problem} (at byte {offset} of the schema)")]
    Wire {
        /// Byte of the schema.
        offset: usize,
        /// What is wrong.
        problem: Box<LoadProblem>,
    },
    /// A number or code is outside its range.
    #[error("{what} is {value}, which is not allowed (at byte {offset} of the schema)")]
    OutOfRange {
        /// Byte of the schema.
        offset: usize,
        /// What it is.
        what: &'static str,
        /// The number found.
        value: u64,
    },
    /// A name stands twice, is empty, or holds control characters.
    #[error("{what} `{name}` is empty, repeated or not printable")]
    BadName {
        /// What it names.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A default is no value of its field's kind.
    #[error("the default of `{type_name}.{field}` is no value of its kind: {reason}")]
    BadDefault {
        /// Stable name.
        type_name: String,
        /// Field.
        field: String,
        /// Why.
        reason: String,
    },
    /// A schema that another names is missing.
    #[error("`{owner}` holds {missing}, whose schema is missing or differs")]
    Unresolved {
        /// Who names it.
        owner: String,
        /// What is missing.
        missing: TypeRef,
    },
    /// Types contain each other.
    #[error("`{type_name}` contains itself, or types nest deeper than {TYPE_DEPTH_MAX}")]
    Cycle {
        /// One of them.
        type_name: String,
    },
    /// A value of the type would have more parts without any bytes than a build need walk through.
    #[error("a value of `{type_name}` has more than {EMPTY_PARTS_MAX} parts that occupy no bytes")]
    TooEmpty {
        /// The type.
        type_name: String,
    },
    /// Two different schemas claim one identity.
    #[error("two different schemas claim to be {identity}")]
    Conflict {
        /// The identity.
        identity: TypeRef,
    },
}
