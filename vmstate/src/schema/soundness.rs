//! Whether the schemas of a table can be walked: all there, none inside itself, none a bomb.
//!
//! Problem: a hostile file brings thousands of schemas, as a graph of its own choosing, and whoever
//! reads the report wants every root cause, not the first, and not its consequences.
//!
//! Strategy: from the leaves up, each schema once, when all that it holds has been found sound. What is
//! never reached holds something unsound, or is part of a cycle. No recursion over types, so no
//! depth of the graph can exhaust the stack, and work is linear in the table.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    EMPTY_PARTS_MAX, Field, Kind, Presence, Schema, SchemaError, SchemaHash, SchemaTable, Shape,
    TYPE_DEPTH_MAX, TypeRef,
};

/// The verdict on a table.
pub(super) struct Examined {
    pub(super) sound: BTreeSet<SchemaHash>,
    pub(super) errors: Vec<(SchemaHash, SchemaError)>,
}

/// What is known of a sound type.
#[derive(Clone, Copy)]
struct Measure {
    /// Types nested in one another, itself included.
    depth: usize,
    empty: Empty,
}

/// The parts of one value that occupy no bytes.
#[derive(Clone, Copy)]
struct Empty {
    /// Whether the value as a whole may occupy none.
    whole: bool,
    /// How many they are, where optional parts are absent and containers hold nothing or one.
    parts: u64,
}

impl Empty {
    const NONE: Self = Self { whole: false, parts: 0 };

    fn all(parts: impl IntoIterator<Item = Self>) -> Self {
        let start = Self { whole: true, parts: 1 };
        parts.into_iter().fold(start, |sum, part| Self {
            whole: sum.whole && part.whole,
            parts: sum.parts.saturating_add(part.parts),
        })
    }
}

/// A schema that waits for those it holds.
struct Waiting<'a> {
    schema: &'a Schema,
    left: usize,
}

pub(super) fn examine(table: &SchemaTable) -> Examined {
    let mut errors = Vec::new();
    let mut waiting: BTreeMap<SchemaHash, Waiting<'_>> = BTreeMap::new();
    let mut owners: BTreeMap<SchemaHash, Vec<SchemaHash>> = BTreeMap::new();
    let mut ready = Vec::new();
    let mut unsound = Vec::new();
    for schema in table.iter() {
        let nested: BTreeSet<&TypeRef> = schema.nested().into_iter().collect();
        let missing = nested.iter().find(|type_ref| table.resolve(type_ref).is_none());
        if let Some(missing) = missing {
            let (owner, missing) = (schema.type_name.clone(), (**missing).clone());
            errors.push((schema.hash, SchemaError::Unresolved { owner, missing }));
            unsound.push(schema.hash);
            continue;
        }
        if nested.is_empty() {
            ready.push(schema);
        }
        for type_ref in &nested {
            owners.entry(type_ref.hash).or_default().push(schema.hash);
        }
        waiting.insert(schema.hash, Waiting { schema, left: nested.len() });
    }
    // Last in, first out, and by name at the start: the order of the errors is the table's.
    ready.reverse();
    let mut measures: BTreeMap<SchemaHash, Measure> = BTreeMap::new();
    while let Some(schema) = ready.pop() {
        waiting.remove(&schema.hash);
        match measure(schema, table, &measures) {
            Ok(measure) => {
                measures.insert(schema.hash, measure);
                for owner in owners.get(&schema.hash).into_iter().flatten() {
                    let Some(owner) = waiting.get_mut(owner) else { continue };
                    owner.left -= 1;
                    if owner.left == 0 {
                        ready.push(owner.schema);
                    }
                }
            }
            Err(error) => {
                errors.push((schema.hash, error));
                unsound.push(schema.hash);
            }
        }
    }
    // What holds something unsound is no cause of its own.
    while let Some(hash) = unsound.pop() {
        for owner in owners.get(&hash).into_iter().flatten() {
            if waiting.remove(owner).is_some() {
                unsound.push(*owner);
            }
        }
    }
    if let Some(schema) = cycle(table, &waiting) {
        errors.push((schema.hash, SchemaError::Cycle { type_name: schema.type_name.clone() }));
    }
    Examined { sound: measures.into_keys().collect(), errors }
}

/// One of the types that contain themselves, if anything is left waiting.
fn cycle<'a>(
    table: &'a SchemaTable,
    waiting: &BTreeMap<SchemaHash, Waiting<'a>>,
) -> Option<&'a Schema> {
    let mut at = table.iter().find(|schema| waiting.contains_key(&schema.hash))?;
    let mut seen = BTreeSet::new();
    while seen.insert(at.hash) {
        let nested = at.nested().into_iter().find(|nested| waiting.contains_key(&nested.hash));
        at = nested.and_then(|nested| table.resolve(nested)).unwrap_or(at);
    }
    Some(at)
}

/// Judges a schema, all that it holds being sound.
fn measure(
    schema: &Schema,
    table: &SchemaTable,
    known: &BTreeMap<SchemaHash, Measure>,
) -> Result<Measure, SchemaError> {
    let type_name = || schema.type_name.clone();
    let depths = schema.nested().into_iter().filter_map(|nested| known.get(&nested.hash));
    let depth = depths.map(|measure| measure.depth).max().unwrap_or(0) + 1;
    if depth > TYPE_DEPTH_MAX {
        return Err(SchemaError::Cycle { type_name: type_name() });
    }
    let empty = match &schema.shape {
        Shape::Struct(fields) => of_fields(fields, known),
        Shape::Enum(variants) => {
            let each = variants.iter().map(|variant| of_fields(&variant.fields, known).parts);
            Empty { whole: false, parts: each.max().unwrap_or(0) }
        }
    };
    if empty.parts > EMPTY_PARTS_MAX {
        return Err(SchemaError::TooEmpty { type_name: type_name() });
    }
    crate::walk::verify_defaults(schema, table)?;
    Ok(Measure { depth, empty })
}

fn of_fields(fields: &[Field], known: &BTreeMap<SchemaHash, Measure>) -> Empty {
    Empty::all(fields.iter().map(|field| {
        let Empty { whole, parts } = of_kind(&field.kind, known);
        Empty { whole: whole && field.presence == Presence::Always, parts }
    }))
}

fn of_kind(kind: &Kind, known: &BTreeMap<SchemaHash, Measure>) -> Empty {
    match kind {
        Kind::Array { item, count } => {
            let item = of_kind(item, known);
            // Elements with bytes pay for their own parts.
            let times = if item.whole { *count } else { 1.min(*count) };
            let parts = item.parts.saturating_mul(times).saturating_add(1);
            Empty { whole: item.whole || *count == 0, parts }
        }
        Kind::Option(item) | Kind::Seq { item, .. } | Kind::Set { item, .. } => {
            Empty { whole: false, parts: of_kind(item, known).parts }
        }
        Kind::Map { key, value, .. } => {
            let (key, value) = (of_kind(key, known), of_kind(value, known));
            Empty { whole: false, parts: key.parts.saturating_add(value.parts) }
        }
        Kind::Tuple(items) => Empty::all(items.iter().map(|item| of_kind(item, known))),
        Kind::Type(type_ref) => known.get(&type_ref.hash).map_or(Empty::NONE, |type_| type_.empty),
        _ => Empty::NONE,
    }
}
