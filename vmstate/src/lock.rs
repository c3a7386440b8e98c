//! The lock: the schemas that a crate has released, as reviewable text.
//!
//! Problem: a shape that left the house must keep its meaning for ever, and no reviewer sees from a
//! diff of Rust code that it did.
//!
//! Strategy: `vmstate.lock` beside the crate's manifest states every released version of every
//! type. The derive reads it and compares the author's tokens; constants compare the hashes, nested
//! types and other crates included; the test that [`types!`](macro@crate::types) generates compares the
//! rest (defaults, completeness) and, with `VMSTATE_FREEZE=1`, appends what is new. It lies inside
//! the package, so it travels with a published crate.
//!
//! Format, a line each, `#` starts a comment:
//!
//! ```text
//! type Uart version 1 semantic 0 hash 00112233445566778899aabbccddeeff
//!   uses Fifo@1
//!   variant 0 Idle
//!   field dll revision 0 always default 03 kind u16
//! ```
//!
//! Fields of variants are called `Variant.field`. Invariant: entries are only ever appended.

mod compare;
mod freeze;

pub use compare::{Finding, Grade, compare};
pub use freeze::{FreezeError, freeze, verify, verify_or_freeze};

use std::fmt::Write as _;

use crate::define::TypeDef;
use crate::schema::{Field, Presence, Schema, Shape};

/// One released version of one type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Full stable name.
    pub type_name: String,
    /// Version.
    pub version: u32,
    /// Semantic revision.
    pub semantic: u32,
    /// Hash of the shape, 32 hex digits.
    pub hash: String,
    /// Nested types, `Name@version`.
    pub uses: Vec<String>,
    /// Variants as (id, name).
    pub variants: Vec<(u32, String)>,
    /// Fields in the order of the wire.
    pub fields: Vec<EntryField>,
}

/// A field of an [`Entry`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryField {
    /// `field` or `Variant.field`.
    pub path: String,
    /// Conversions behind it.
    pub revision: u32,
    /// `always`, `when` or `subsection`.
    pub presence: String,
    /// Hex, or `none`.
    pub default: String,
    /// As [`Kind`](crate::schema::Kind) prints.
    pub kind: String,
}

/// A line that is not of the lock's format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the lock: {reason}: `{text}`")]
pub struct LockSyntaxError {
    /// From 1.
    pub line: usize,
    /// What was expected.
    pub reason: &'static str,
    /// The line.
    pub text: String,
}

impl Entry {
    /// What the lock says of `version` of `def`.
    #[must_use]
    pub fn of(def: &TypeDef, version: u32) -> Self {
        Self::of_schema(&crate::schema::encode::schema_of(def, version))
    }

    /// What the lock says of `schema`.
    #[must_use]
    pub fn of_schema(schema: &Schema) -> Self {
        let mut uses: Vec<String> = schema.nested().iter().map(ToString::to_string).collect();
        uses.sort();
        uses.dedup();
        let mut entry = Self {
            type_name: schema.type_name.clone(),
            version: schema.version,
            semantic: schema.semantic,
            hash: schema.hash.to_string(),
            uses,
            variants: Vec::new(),
            fields: Vec::new(),
        };
        match &schema.shape {
            Shape::Struct(fields) => entry.push_fields("", fields),
            Shape::Enum(variants) => {
                for variant in variants {
                    entry.variants.push((variant.id, variant.name.clone()));
                    entry.push_fields(&format!("{}.", variant.name), &variant.fields);
                }
            }
        }
        entry
    }

    fn push_fields(&mut self, prefix: &str, fields: &[Field]) {
        for field in fields {
            let presence = match field.presence {
                Presence::Always => "always",
                Presence::When => "when",
                Presence::Subsection => "subsection",
            };
            let hex = |bytes: &Vec<u8>| match bytes.as_slice() {
                [] => "empty".to_owned(),
                bytes => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
            };
            self.fields.push(EntryField {
                path: format!("{prefix}{}", field.name),
                revision: field.revision,
                presence: presence.to_owned(),
                default: field.default.as_ref().map_or_else(|| "none".to_owned(), hex),
                kind: field.kind.to_string(),
            });
        }
    }

    /// As it stands in the lock.
    #[must_use]
    pub fn to_text(&self) -> String {
        let Self { type_name, version, semantic, hash, .. } = self;
        let mut text =
            format!("type {type_name} version {version} semantic {semantic} hash {hash}\n");
        for used in &self.uses {
            let _infallible = writeln!(text, "  uses {used}");
        }
        for (id, name) in &self.variants {
            let _infallible = writeln!(text, "  variant {id} {name}");
        }
        for EntryField { path, revision, presence, default, kind } in &self.fields {
            let _infallible = writeln!(
                text,
                "  field {path} revision {revision} {presence} default {default} kind {kind}"
            );
        }
        text
    }
}

/// Reads a lock.
///
/// # Errors
/// The first line that is not of the format.
pub fn parse(text: &str) -> Result<Vec<Entry>, LockSyntaxError> {
    let mut entries: Vec<Entry> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let error = |reason| LockSyntaxError { line: index + 1, reason, text: line.to_owned() };
        let words: Vec<&str> = line.split(' ').collect();
        let number = |word: &str| word.parse::<u32>().map_err(|_| error("a number is expected"));
        match (words.as_slice(), entries.last_mut()) {
            (["type", name, "version", version, "semantic", semantic, "hash", hash], _) => {
                entries.push(Entry {
                    type_name: (*name).to_owned(),
                    version: number(version)?,
                    semantic: number(semantic)?,
                    hash: (*hash).to_owned(),
                    uses: Vec::new(),
                    variants: Vec::new(),
                    fields: Vec::new(),
                });
            }
            (["uses", used], Some(entry)) => entry.uses.push((*used).to_owned()),
            (["variant", id, name], Some(entry)) => {
                entry.variants.push((number(id)?, (*name).to_owned()));
            }
            (
                [
                    "field",
                    path,
                    "revision",
                    revision,
                    presence,
                    "default",
                    default,
                    "kind",
                    kind @ ..,
                ],
                Some(entry),
            ) => entry.fields.push(EntryField {
                path: (*path).to_owned(),
                revision: number(revision)?,
                presence: (*presence).to_owned(),
                default: (*default).to_owned(),
                kind: kind.join(" "),
            }),
            _ => return Err(error("`type`, `uses`, `variant` or `field` is expected")),
        }
    }
    Ok(entries)
}
