//! Where the fields of a value stand in its bytes, those of nested types and elements included.

use super::generator::{Generator, Random};
use crate::error::LoadError;
use crate::schema::{Field, Kind, Presence, Schema, SchemaTable, Shape};
use crate::walk::{Walker, variant_at};
use crate::wire::Reader;

/// Elements of an array that are looked into.
const ELEMENTS_MAX: u64 = 3;

/// A stretch of bytes that one thing occupies.
pub(super) struct Spot<'a> {
    pub(super) start: usize,
    pub(super) end: usize,
    what: What<'a>,
}

enum What<'a> {
    /// With its presence marker.
    Field(&'a Field),
    Element(&'a Kind),
}

impl Spot<'_> {
    pub(super) fn random_value(
        &self,
        generator: &Generator<'_>,
        random: &mut Random,
        out: &mut Vec<u8>,
    ) {
        match self.what {
            What::Field(field) => generator.field(field, random, out),
            What::Element(kind) => generator.kind(kind, random, out),
        }
    }
}

struct Finder<'a> {
    table: &'a SchemaTable,
    walker: Walker<'a>,
    found: Vec<Spot<'a>>,
}

/// The spots of a value, each before those inside it.
pub(super) fn spots<'a>(
    schema: &'a Schema,
    table: &'a SchemaTable,
    bytes: &[u8],
) -> Result<Vec<Spot<'a>>, String> {
    let mut finder = Finder { table, walker: Walker::new(table), found: Vec::new() };
    finder.types(schema, &mut Reader::new(bytes)).map_err(|error| error.to_string())?;
    Ok(finder.found)
}

impl<'a> Finder<'a> {
    fn types(&mut self, schema: &'a Schema, reader: &mut Reader<'_>) -> Result<(), LoadError> {
        let fields = match &schema.shape {
            Shape::Struct(fields) => fields,
            Shape::Enum(_) => &variant_at(reader, schema)?.fields,
        };
        for field in fields {
            let start = reader.offset();
            let mut inside = reader.clone();
            let present = self.walker.skip_field(reader, field)?;
            let end = reader.offset();
            self.found.push(Spot { start, end, what: What::Field(field) });
            if present {
                if field.presence != Presence::Always {
                    inside.bool()?;
                }
                self.inside(&field.kind, &mut inside)?;
            }
        }
        Ok(())
    }

    /// What is inside a value of `kind`; the reader's place afterwards is of no use.
    fn inside(&mut self, kind: &'a Kind, reader: &mut Reader<'_>) -> Result<(), LoadError> {
        match kind {
            Kind::Type(type_ref) => match self.table.resolve(type_ref) {
                Some(schema) => self.types(schema, reader),
                None => Ok(()),
            },
            Kind::Option(item) if reader.bool()? => self.inside(item, reader),
            Kind::Array { item, count } => {
                (0..ELEMENTS_MAX.min(*count)).try_for_each(|_| self.element(item, reader))
            }
            Kind::Tuple(items) => items.iter().try_for_each(|item| self.element(item, reader)),
            _ => Ok(()),
        }
    }

    fn element(&mut self, kind: &'a Kind, reader: &mut Reader<'_>) -> Result<(), LoadError> {
        let (start, mut inside) = (reader.offset(), reader.clone());
        self.walker.skip(reader, kind)?;
        self.found.push(Spot { start, end: reader.offset(), what: What::Element(kind) });
        self.inside(kind, &mut inside)
    }
}
