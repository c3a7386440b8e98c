//! From canonical bytes to a [`Schema`], trusting nothing.

use std::collections::BTreeSet;

use super::{
    Field, ITEMS_MAX, KIND_DEPTH_MAX, Kind, NAME_BYTES_MAX, Presence, SCHEMA_BYTES_MAX,
    SCHEMA_PARTS_MAX, Schema, SchemaError, SchemaHash, Shape, TypeRef, Variant, tag,
};
use crate::error::{LoadError, LoadProblem};
use crate::wire::Reader;

impl From<LoadError> for SchemaError {
    fn from(error: LoadError) -> Self {
        Self::Wire {
            offset: error.offset().unwrap_or_default(),
            problem: Box::new(error.problem().clone()),
        }
    }
}

impl Schema {
    /// Decodes canonical bytes.
    ///
    /// Memory: twice `bytes.len()`, which [`SCHEMA_BYTES_MAX`] bounds, and a fixed size for each of its
    /// parts, which [`SCHEMA_PARTS_MAX`] bounds.
    ///
    /// # Errors
    /// Whatever is not canonical. That named types exist is for
    /// [`SchemaTable::verify`](super::SchemaTable::verify).
    pub fn decode(bytes: &[u8]) -> Result<Self, SchemaError> {
        Self::decode_within(bytes, &mut { SCHEMA_PARTS_MAX })
    }

    /// As [`Schema::decode`], where `parts_left` is what all schemas of a file may still have of
    /// [`SCHEMA_PARTS_MAX`].
    ///
    /// # Errors
    /// As there.
    pub fn decode_within(bytes: &[u8], parts_left: &mut usize) -> Result<Self, SchemaError> {
        if bytes.len() > SCHEMA_BYTES_MAX {
            let value = bytes.len() as u64;
            return Err(SchemaError::OutOfRange { offset: 0, what: "the schema's length", value });
        }
        let parts_before = *parts_left;
        let mut decoder = Decoder { reader: Reader::new(bytes), parts_left };
        let shape_len = decoder.reader.len(SCHEMA_BYTES_MAX as u64, 1)?;
        let start = decoder.reader.offset();
        let type_name = decoder.name("type")?;
        let version = decoder.number("a version", 1)?;
        let semantic = decoder.number("a semantic revision", 0)?;
        let mut shape = decoder.shape()?;
        if decoder.reader.offset() - start != shape_len {
            let value = shape_len as u64;
            let offset = start;
            return Err(SchemaError::OutOfRange { offset, what: "the shape's length", value });
        }
        let hash = SchemaHash::of(decoder.reader.since(start));
        let version_min = decoder.number("an oldest version", 1)?;
        match &mut shape {
            Shape::Struct(fields) => decoder.details(fields)?,
            Shape::Enum(variants) => {
                for variant in variants {
                    decoder.details(&mut variant.fields)?;
                }
            }
        }
        decoder.reader.finish()?;
        let encoded = bytes.to_vec();
        let parts = parts_before - *parts_left;
        Ok(Self { type_name, version, semantic, version_min, shape, hash, parts, encoded })
    }
}

struct Decoder<'a> {
    reader: Reader<'a>,
    parts_left: &'a mut usize,
}

impl Decoder<'_> {
    /// Reads a count and takes as many parts from what is left.
    fn count(&mut self, max: u64, bytes_min: usize) -> Result<usize, SchemaError> {
        let count = self.reader.len(max, bytes_min)?;
        self.spend(count)?;
        Ok(count)
    }

    fn spend(&mut self, parts: usize) -> Result<(), SchemaError> {
        match self.parts_left.checked_sub(parts) {
            Some(left) => *self.parts_left = left,
            None => return Err(self.out_of_range("the number of parts", parts as u64)),
        }
        Ok(())
    }

    fn out_of_range(&self, what: &'static str, value: u64) -> SchemaError {
        SchemaError::OutOfRange { offset: self.reader.offset(), what, value }
    }

    fn number(&mut self, what: &'static str, min: u32) -> Result<u32, SchemaError> {
        let value = self.reader.varint(32)?;
        match u32::try_from(value) {
            Ok(number) if number >= min => Ok(number),
            _ => Err(self.out_of_range(what, value)),
        }
    }

    fn name(&mut self, what: &'static str) -> Result<String, SchemaError> {
        let name = self.reader.str(NAME_BYTES_MAX as u64)?.to_owned();
        if name.is_empty() || name.chars().any(char::is_control) {
            return Err(SchemaError::BadName { what, name });
        }
        Ok(name)
    }

    fn shape(&mut self) -> Result<Shape, SchemaError> {
        match self.reader.byte()? {
            Shape::STRUCT => Ok(Shape::Struct(self.fields()?)),
            Shape::ENUM => Ok(Shape::Enum(self.variants()?)),
            tag => Err(self.out_of_range("a shape", u64::from(tag))),
        }
    }

    fn variants(&mut self) -> Result<Vec<Variant>, SchemaError> {
        let count = self.count(ITEMS_MAX as u64, 4)?;
        let mut variants: Vec<Variant> = Vec::with_capacity(count);
        let mut names = BTreeSet::new();
        for _ in 0..count {
            let id = self.number("a variant's id", 0)?;
            if variants.last().is_some_and(|last| last.id >= id) {
                return Err(self.out_of_range("a variant's id", u64::from(id)));
            }
            let name = self.name("variant")?;
            if !names.insert(name.clone()) {
                return Err(SchemaError::BadName { what: "variant", name });
            }
            variants.push(Variant { id, name, fields: self.fields()? });
        }
        Ok(variants)
    }

    fn fields(&mut self) -> Result<Vec<Field>, SchemaError> {
        let count = self.count(ITEMS_MAX as u64, 5)?;
        let mut fields = Vec::with_capacity(count);
        let mut names = BTreeSet::new();
        for _ in 0..count {
            let name = self.name("field")?;
            if !names.insert(name.clone()) {
                return Err(SchemaError::BadName { what: "field", name });
            }
            let revision = self.number("a field's revision", 0)?;
            let presence = match self.reader.byte()? {
                0 => Presence::Always,
                1 => Presence::When,
                2 => Presence::Subsection,
                other => return Err(self.out_of_range("a presence", u64::from(other))),
            };
            let kind = self.kind(KIND_DEPTH_MAX)?;
            let (since, aliases, default) = (1, Vec::new(), None);
            fields.push(Field { name, revision, presence, kind, since, aliases, default });
        }
        Ok(fields)
    }

    fn kind(&mut self, depth: usize) -> Result<Kind, SchemaError> {
        let Some(depth) = depth.checked_sub(1) else {
            return Err(self.out_of_range("the depth of a kind", KIND_DEPTH_MAX as u64 + 1));
        };
        Ok(match self.reader.byte()? {
            tag::STRING => Kind::String { max: self.reader.varint(64)? },
            tag::OPTION => Kind::Option(self.boxed(depth)?),
            tag::ARRAY => {
                let count = self.reader.varint(64)?;
                Kind::Array { count, item: self.boxed(depth)? }
            }
            tag::SEQ => {
                let max = self.reader.varint(64)?;
                Kind::Seq { max, item: self.boxed(depth)? }
            }
            tag::SET => {
                let max = self.reader.varint(64)?;
                Kind::Set { max, item: self.boxed(depth)? }
            }
            tag::MAP => {
                let max = self.reader.varint(64)?;
                let key = self.boxed(depth)?;
                Kind::Map { max, key, value: self.boxed(depth)? }
            }
            tag::TUPLE => {
                let count = self.count(ITEMS_MAX as u64, 1)?;
                let mut items = Vec::with_capacity(count);
                for _ in 0..count {
                    items.push(self.kind(depth)?);
                }
                Kind::Tuple(items)
            }
            tag::FLAGS => self.flags()?,
            tag::TYPE => Kind::Type(TypeRef {
                name: self.name("type")?,
                version: self.number("a version", 1)?,
                hash: SchemaHash::from_bytes(*self.reader.array::<16>()?),
            }),
            other => {
                let unknown = || self.out_of_range("a kind", u64::from(other));
                Kind::of_scalar(other).ok_or_else(unknown)?
            }
        })
    }

    fn boxed(&mut self, depth: usize) -> Result<Box<Kind>, SchemaError> {
        self.spend(1)?;
        Ok(Box::new(self.kind(depth)?))
    }

    fn flags(&mut self) -> Result<Kind, SchemaError> {
        let bits = self.number("the width of flags", 8)?;
        if !matches!(bits, 8 | 16 | 32 | 64) {
            return Err(self.out_of_range("the width of flags", u64::from(bits)));
        }
        let count = self.count(u64::from(bits), 3)?;
        let mut names: Vec<(String, u32)> = Vec::with_capacity(count);
        for _ in 0..count {
            let name = self.name("flag")?;
            let bit = self.number("a flag's bit", 0)?;
            if bit >= bits || names.last().is_some_and(|last| last.1 >= bit) {
                return Err(self.out_of_range("a flag's bit", u64::from(bit)));
            }
            if names.iter().any(|(other, _)| *other == name) {
                return Err(SchemaError::BadName { what: "flag", name });
            }
            names.push((name, bit));
        }
        Ok(Kind::Flags { bits, names })
    }

    fn details(&mut self, fields: &mut [Field]) -> Result<(), SchemaError> {
        for field in fields {
            field.since = self.number("a field's first version", 1)?;
            let count = self.count(ITEMS_MAX as u64, 2)?;
            for _ in 0..count {
                let alias = self.name("alias")?;
                field.aliases.push(alias);
            }
            if self.reader.bool()? {
                let count = self.reader.len(SCHEMA_BYTES_MAX as u64, 1)?;
                field.default = Some(self.reader.take(count)?.to_vec());
            }
        }
        Ok(())
    }
}

impl SchemaError {
    /// As a problem of the instance whose schema it is.
    #[must_use]
    pub fn into_load_error(self) -> LoadError {
        LoadError::of_value(LoadProblem::Schema(self))
    }
}
