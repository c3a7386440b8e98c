//! Walking one encoded value by its schema alone: where it ends and whether it is canonical.
//!
//! Used to skip what this build does not know, to find a field's bytes, and to verify defaults
//! in foreign schemas. [`Walker`] is also what inspection can build on.
//!
//! Invariants: never allocates; work is bounded by the length of the data, times the parts without
//! bytes that one value may have ([`EMPTY_PARTS_MAX`](crate::schema::EMPTY_PARTS_MAX), which
//! [`SchemaTable::verify`] sees to), plus the elements without bytes in containers, which are at most
//! [`EMPTY_ELEMENTS_MAX`].

use std::cell::Cell;

use crate::error::{LoadError, LoadProblem};
use crate::schema::{
    Field, Kind, Presence, Schema, SchemaError, SchemaTable, Shape, TYPE_DEPTH_MAX,
};
use crate::wire::{Marker, Reader};

/// Most elements without any bytes that one walker passes over.
pub const EMPTY_ELEMENTS_MAX: u64 = 1 << 16;

/// Skips values.
#[derive(Clone, Debug)]
pub struct Walker<'a> {
    table: &'a SchemaTable,
    /// One budget for all values, so that nested empty elements do not multiply.
    empty_left: Cell<u64>,
    /// Whether declared maxima hold.
    bounded: bool,
}

impl<'a> Walker<'a> {
    /// A walker that finds nested types in `table`.
    #[must_use]
    pub const fn new(table: &'a SchemaTable) -> Self {
        Self { table, empty_left: Cell::new(EMPTY_ELEMENTS_MAX), bounded: true }
    }

    /// The same without the declared maxima, to find the end of what exceeds them.
    #[must_use]
    pub(crate) const fn unbounded(mut self) -> Self {
        self.bounded = false;
        self
    }

    const fn max(&self, declared: u64) -> u64 {
        if self.bounded { declared } else { u64::MAX }
    }

    /// The schema of a nested type.
    ///
    /// # Errors
    /// [`LoadProblem::Schema`] if the table lacks it.
    pub fn resolve(&self, type_ref: &crate::schema::TypeRef) -> Result<&'a Schema, LoadError> {
        self.table.resolve(type_ref).ok_or_else(|| {
            let owner = type_ref.name.clone();
            SchemaError::Unresolved { owner, missing: type_ref.clone() }.into_load_error()
        })
    }

    /// Moves `reader` past one value of the type `schema`.
    ///
    /// # Errors
    /// Whatever is not canonical.
    pub fn skip_type(&self, reader: &mut Reader<'_>, schema: &Schema) -> Result<(), LoadError> {
        self.type_at(reader, schema, TYPE_DEPTH_MAX)
    }

    /// Moves `reader` past one value of `kind`.
    ///
    /// # Errors
    /// Whatever is not canonical.
    pub fn skip(&self, reader: &mut Reader<'_>, kind: &Kind) -> Result<(), LoadError> {
        self.kind_at(reader, kind, TYPE_DEPTH_MAX)
    }

    /// Moves `reader` past one field, its presence marker included. Returns whether it is there.
    ///
    /// # Errors
    /// Whatever is not canonical.
    pub fn skip_field(&self, reader: &mut Reader<'_>, field: &Field) -> Result<bool, LoadError> {
        self.field_at(reader, field, TYPE_DEPTH_MAX)
    }

    fn field_at(
        &self,
        reader: &mut Reader<'_>,
        field: &Field,
        depth: usize,
    ) -> Result<bool, LoadError> {
        let present = field.presence == Presence::Always || reader.marker()? == Marker::Present;
        if present {
            self.kind_at(reader, &field.kind, depth).map_err(|e| e.within(&field.name))?;
        }
        Ok(present)
    }

    fn type_at(
        &self,
        reader: &mut Reader<'_>,
        schema: &Schema,
        depth: usize,
    ) -> Result<(), LoadError> {
        let Some(depth) = depth.checked_sub(1) else {
            return Err(reader.error(LoadProblem::TooDeep { max: TYPE_DEPTH_MAX }));
        };
        let fields = match &schema.shape {
            Shape::Struct(fields) => fields,
            Shape::Enum(_) => &variant_at(reader, schema)?.fields,
        };
        for field in fields {
            self.field_at(reader, field, depth)?;
        }
        Ok(())
    }

    fn kind_at(&self, reader: &mut Reader<'_>, kind: &Kind, depth: usize) -> Result<(), LoadError> {
        match kind {
            Kind::Bool => reader.bool().map(drop),
            Kind::U8 | Kind::I8 => reader.byte().map(drop),
            Kind::U16 | Kind::I16 => reader.varint(16).map(drop),
            Kind::U32 | Kind::I32 => reader.varint(32).map(drop),
            Kind::U64 | Kind::I64 => reader.varint(64).map(drop),
            Kind::U128 | Kind::I128 => reader.varint_u128().map(drop),
            Kind::F32 => reader.take(4).map(drop),
            Kind::F64 => reader.take(8).map(drop),
            Kind::String { max } => reader.str(self.max(*max)).map(drop),
            Kind::Flags { bits: 8, .. } => reader.byte().map(drop),
            Kind::Flags { bits, .. } => reader.varint(*bits).map(drop),
            Kind::Option(item) => {
                if reader.bool()? {
                    self.kind_at(reader, item, depth)?;
                }
                Ok(())
            }
            Kind::Array { item, count } => self.elements(reader, item, *count, depth),
            Kind::Seq { item, max } | Kind::Set { item, max } => {
                let count = reader.len(self.max(*max), 0)? as u64;
                self.elements(reader, item, count, depth)
            }
            Kind::Map { key, value, max } => {
                let count = reader.len(self.max(*max), 0)? as u64;
                for index in 0..count {
                    let before = reader.remaining();
                    self.kind_at(reader, key, depth).map_err(|e| in_element(e, index))?;
                    self.kind_at(reader, value, depth).map_err(|e| in_element(e, index))?;
                    self.advanced(reader, before, count)?;
                }
                Ok(())
            }
            Kind::Tuple(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.kind_at(reader, item, depth).map_err(|e| in_element(e, index as u64))?;
                }
                Ok(())
            }
            Kind::Type(type_ref) => {
                let schema = self.resolve(type_ref)?;
                self.type_at(reader, schema, depth)
            }
        }
    }

    fn elements(
        &self,
        reader: &mut Reader<'_>,
        item: &Kind,
        count: u64,
        depth: usize,
    ) -> Result<(), LoadError> {
        if matches!(item, Kind::U8 | Kind::I8) {
            let wanted = usize::try_from(count).unwrap_or(usize::MAX);
            return reader.take(wanted).map(drop);
        }
        for index in 0..count {
            let before = reader.remaining();
            self.kind_at(reader, item, depth).map_err(|e| in_element(e, index))?;
            self.advanced(reader, before, count)?;
        }
        Ok(())
    }

    /// Counts an element that occupied no byte.
    fn advanced(&self, reader: &Reader<'_>, before: usize, count: u64) -> Result<(), LoadError> {
        if reader.remaining() < before {
            return Ok(());
        }
        let Some(left) = self.empty_left.get().checked_sub(1) else {
            return Err(reader.error(LoadProblem::TooLong { count, max: EMPTY_ELEMENTS_MAX }));
        };
        self.empty_left.set(left);
        Ok(())
    }
}

fn in_element(error: LoadError, index: u64) -> LoadError {
    error.within_element(usize::try_from(index).unwrap_or(usize::MAX))
}

/// Reads the id of an enum and finds its variant.
///
/// # Errors
/// [`LoadProblem::UnknownVariant`] and those of the varint.
pub fn variant_at<'s>(
    reader: &mut Reader<'_>,
    schema: &'s Schema,
) -> Result<&'s crate::schema::Variant, LoadError> {
    let at = reader.clone();
    let id = reader.varint(32)?;
    let variants = match &schema.shape {
        Shape::Enum(variants) => variants.as_slice(),
        Shape::Struct(_) => &[],
    };
    variants.iter().find(|variant| u64::from(variant.id) == id).ok_or_else(|| {
        at.error(LoadProblem::UnknownVariant { type_name: schema.type_name.clone(), id })
    })
}

/// Whether every default in `schema` is exactly one value of its field's kind.
pub(crate) fn verify_defaults(schema: &Schema, table: &SchemaTable) -> Result<(), SchemaError> {
    let groups: Vec<&[Field]> = match &schema.shape {
        Shape::Struct(fields) => vec![fields],
        Shape::Enum(variants) => variants.iter().map(|v| v.fields.as_slice()).collect(),
    };
    for field in groups.into_iter().flatten() {
        let Some(default) = &field.default else { continue };
        let mut reader = Reader::new(default);
        Walker::new(table).skip(&mut reader, &field.kind).and_then(|()| reader.finish()).map_err(
            |error| SchemaError::BadDefault {
                type_name: schema.type_name.clone(),
                field: field.name.clone(),
                reason: error.to_string(),
            },
        )?;
    }
    Ok(())
}
