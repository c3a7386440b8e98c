//! Stepping over one value, strictly: whatever the decoder of a load would refuse is refused here.

use crate::error::{LoadError, LoadProblem};
use crate::schema::{Field, Kind, Presence, Schema, SchemaTable, Shape};
use crate::wire::Reader;

/// Moves `reader` behind a value of `kind`.
pub(super) fn skip(
    table: &SchemaTable,
    kind: &Kind,
    reader: &mut Reader<'_>,
) -> Result<(), LoadError> {
    match kind {
        Kind::Bool => reader.bool().map(drop),
        Kind::U8 | Kind::I8 => reader.byte().map(drop),
        Kind::U16 | Kind::I16 => reader.varint(16).map(drop),
        Kind::U32 | Kind::I32 => reader.varint(32).map(drop),
        Kind::U64 | Kind::I64 => reader.varint(64).map(drop),
        Kind::U128 | Kind::I128 => reader.varint_u128().map(drop),
        Kind::F32 => reader.take(4).map(drop),
        Kind::F64 => reader.take(8).map(drop),
        Kind::String { max } => reader.str(*max).map(drop),
        Kind::Option(item) => {
            if reader.bool()? {
                skip(table, item, reader)?;
            }
            Ok(())
        }
        Kind::Array { item, count } => repeat(table, &[item], *count, reader),
        Kind::Seq { item, max } | Kind::Set { item, max } => {
            let count = reader.len(*max, usize::from(!is_empty(table, item)))?;
            repeat(table, &[item], count as u64, reader)
        }
        Kind::Map { key, value, max } => {
            let count = reader.len(*max, usize::from(!is_empty(table, key)))?;
            repeat(table, &[key, value], count as u64, reader)
        }
        Kind::Tuple(items) => items.iter().try_for_each(|item| skip(table, item, reader)),
        Kind::Flags { bits: 8, .. } => reader.byte().map(drop),
        Kind::Flags { bits, .. } => reader.varint(*bits).map(drop),
        Kind::Type(type_ref) => match table.resolve(type_ref) {
            Some(schema) => skip_type(table, schema, reader),
            None => Err(reader.error(LoadProblem::UnknownField)),
        },
    }
}

/// Moves `reader` behind a value of a deriving type.
pub(super) fn skip_type(
    table: &SchemaTable,
    schema: &Schema,
    reader: &mut Reader<'_>,
) -> Result<(), LoadError> {
    let fields = match &schema.shape {
        Shape::Struct(fields) => fields,
        Shape::Enum(_) => &variant(schema, reader)?.fields,
    };
    fields.iter().try_for_each(|field| skip_field(table, field, reader))
}

/// Moves `reader` behind a field, present or not.
pub(super) fn skip_field(
    table: &SchemaTable,
    field: &Field,
    reader: &mut Reader<'_>,
) -> Result<(), LoadError> {
    let present = field.presence == Presence::Always || reader.bool()?;
    let skipped = if present { skip(table, &field.kind, reader) } else { Ok(()) };
    skipped.map_err(|error| error.within(&field.name))
}

/// Reads the id of an enum's variant.
pub(super) fn variant<'s>(
    schema: &'s Schema,
    reader: &mut Reader<'_>,
) -> Result<&'s crate::schema::Variant, LoadError> {
    let before = reader.clone();
    let id = reader.varint(32)?;
    let variants = match &schema.shape {
        Shape::Enum(variants) => variants.as_slice(),
        Shape::Struct(_) => &[],
    };
    variants.iter().find(|variant| u64::from(variant.id) == id).ok_or_else(|| {
        let type_name = schema.type_name.clone();
        before.error(LoadProblem::UnknownVariant { type_name, id })
    })
}

/// Whether every value of the kind occupies no byte at all.
pub(super) fn is_empty(table: &SchemaTable, kind: &Kind) -> bool {
    match kind {
        Kind::Array { item, count } => *count == 0 || is_empty(table, item),
        Kind::Tuple(items) => items.iter().all(|item| is_empty(table, item)),
        Kind::Type(type_ref) => {
            table.resolve(type_ref).is_some_and(|schema| match &schema.shape {
                Shape::Enum(_) => false,
                Shape::Struct(fields) => fields.iter().all(|field| {
                    field.presence == Presence::Always && is_empty(table, &field.kind)
                }),
            })
        }
        _ => false,
    }
}

fn repeat(
    table: &SchemaTable,
    kinds: &[&Kind],
    count: u64,
    reader: &mut Reader<'_>,
) -> Result<(), LoadError> {
    if kinds.iter().all(|kind| is_empty(table, kind)) {
        return Ok(());
    }
    if matches!(kinds, [Kind::U8 | Kind::I8]) {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        return reader.take(count).map(drop);
    }
    for index in 0..count {
        for kind in kinds {
            skip(table, kind, reader)
                .map_err(|error| error.within_element(usize::try_from(index).unwrap_or_default()))?;
        }
    }
    Ok(())
}
