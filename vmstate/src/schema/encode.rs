//! From a type's definition to the schema of one of its versions.
//!
//! The shape comes from [`crate::define::encode_shape`], the function that also computes hashes in
//! constants. The details follow it. The [`Schema`] is then decoded from the bytes, so what this
//! build thinks of its own schema is what every other build will read.
//!
//! Layout: varint length of the shape, the shape, then for the details: varint `version_min`, and for
//! each field in order: varint `since`, varint count of aliases, the aliases, a marker byte and, if 1,
//! the default with its length. A default that would take more than half of the room for a schema is
//! left out: then a build without the field refuses it, and files without the field are not loaded.

use super::{SCHEMA_BYTES_MAX, Schema, SchemaTable, TypeRef};
use crate::define::{FieldDef, KindDef, ShapeDef, TypeDef, encode_shape};
use crate::wire::{put_str, put_varint};

/// Shortest way to say it: the schema of `version` of `def`.
///
/// # Panics
/// If the derive emitted a definition that its own decoder refuses: a bug of ours.
#[must_use]
pub fn schema_of(def: &TypeDef, version: u32) -> Schema {
    match Schema::decode(&encode(def, version)) {
        Ok(schema) => schema,
        Err(error) => panic!("the definition of `{}` is not canonical: {error}", def.full_name()),
    }
}

/// Adds the schema of `version` of `def`, and of every type below it, to `table`.
pub fn collect(def: &TypeDef, version: u32, table: &mut SchemaTable) -> TypeRef {
    let schema = schema_of(def, version);
    let type_ref = schema.type_ref();
    if table.get(schema.hash).is_none() {
        table.insert_known(schema);
        for (_, field) in fields_in(def, version) {
            for nested in nested_types(field.kind_in(version)) {
                collect(nested, def.nested_version(version, nested), table);
            }
        }
    }
    type_ref
}

/// The canonical bytes of `version` of `def`: shape and details.
#[must_use]
pub fn encode(def: &TypeDef, version: u32) -> Vec<u8> {
    let shape = encode_shape(def, version);
    let mut out = Vec::with_capacity(shape.len() * 2);
    put_varint(&mut out, shape.len() as u64);
    out.extend_from_slice(&shape);
    put_varint(&mut out, u64::from(def.version_min));
    for (variant, field) in fields_in(def, version) {
        put_varint(&mut out, u64::from(field.since));
        let name = field.name_in(version);
        let others: Vec<&str> = field
            .aliases
            .iter()
            .map(|alias| alias.0)
            .chain([field.name])
            .filter(|other| *other != name)
            .collect();
        put_varint(&mut out, others.len() as u64);
        for other in others {
            put_str(&mut out, other);
        }
        match default_in(def, variant, field, version) {
            Some(bytes) if out.len() + bytes.len() <= SCHEMA_BYTES_MAX / 2 => {
                out.push(1);
                put_varint(&mut out, bytes.len() as u64);
                out.extend_from_slice(&bytes);
            }
            Some(_) | None => out.push(0),
        }
    }
    out
}

/// The fields that live in `version`, with their variant's name, in the order of the wire.
pub(crate) fn fields_in(
    def: &TypeDef,
    version: u32,
) -> impl Iterator<Item = (Option<&'static str>, &'static FieldDef)> {
    let groups: Vec<(Option<&'static str>, &'static [FieldDef])> = match def.shape {
        ShapeDef::Struct(fields) => vec![(None, fields)],
        ShapeDef::Enum(variants) => variants
            .iter()
            .filter(|variant| variant.lives_in(version))
            .map(|variant| (Some(variant.name), variant.fields))
            .collect(),
    };
    groups
        .into_iter()
        .flat_map(|(variant, fields)| fields.iter().map(move |field| (variant, field)))
        .filter(move |(_, field)| field.lives_in(version))
}

/// The deriving types inside `kind`.
pub(crate) fn nested_types(kind: &KindDef) -> Vec<&'static TypeDef> {
    match kind {
        KindDef::Type(def) => vec![*def],
        KindDef::Option(item)
        | KindDef::Array(item, _)
        | KindDef::Seq(item, _)
        | KindDef::Set(item, _) => nested_types(item),
        KindDef::Map(key, value, _) => {
            let mut types = nested_types(key);
            types.extend(nested_types(value));
            types
        }
        KindDef::Tuple(items) => items.iter().flat_map(nested_types).collect(),
        _ => Vec::new(),
    }
}

/// The default of `field` in the kind it has in `version`: as released if the lock has it, else the
/// present one led back through the conversions.
fn default_in(
    def: &TypeDef,
    variant: Option<&str>,
    field: &FieldDef,
    version: u32,
) -> Option<Vec<u8>> {
    if let Some(bytes) = released_default(def, variant, field, version) {
        return Some(bytes.to_vec());
    }
    // A field keeps the default it was released with, until its kind changes.
    let revision = field.revision_in(version);
    let frozen = (field.since..version)
        .rev()
        .filter(|earlier| field.revision_in(*earlier) == revision)
        .find_map(|earlier| released_default(def, variant, field, earlier));
    if let Some(bytes) = frozen
        && nested_types(field.kind_in(version)).is_empty()
    {
        return Some(bytes.to_vec());
    }
    let mut bytes = (field.default)()?;
    for conversion in field.conversions.iter().skip(revision).rev() {
        bytes = (conversion.down)(&bytes).ok()?;
    }
    Some(bytes)
}

fn released_default(
    def: &TypeDef,
    variant: Option<&str>,
    field: &FieldDef,
    version: u32,
) -> Option<&'static [u8]> {
    let name = field.name_in(version);
    let entry = def.released_in(version)?;
    let (_, bytes) = entry.defaults.iter().find(|(path, _)| match variant {
        None => *path == name,
        Some(variant) => path.split_once('.') == Some((variant, name)),
    })?;
    Some(bytes)
}
