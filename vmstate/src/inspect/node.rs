//! One value of a snapshot: its kind and its bytes.

use super::children::{Children, Items};
use crate::error::LoadError;
use crate::schema::{Kind, Schema, SchemaTable, Shape, Variant};
use crate::walk::{Walker, variant_at};
use crate::wire::{Reader, unzigzag, unzigzag_i128};

/// What a node's bytes are to be read as.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form<'a> {
    /// A value of a kind.
    Kind(&'a Kind),
    /// A value of a deriving type.
    Type(&'a Schema),
    /// A conditional field or subsection that is not there.
    Absent,
}

/// A value that can be looked at.
#[derive(Debug, Clone, Copy)]
pub struct Node<'a> {
    pub(super) table: &'a SchemaTable,
    pub(super) form: Form<'a>,
    /// Exactly its bytes.
    pub(super) bytes: &'a [u8],
    /// Offset of its first byte within the instance.
    pub(super) offset: usize,
}

/// A node as it shows itself.
#[derive(Debug, Clone, Copy)]
pub enum View<'a> {
    /// A conditional field or subsection that is not there.
    Absent,
    /// An empty option. A full one shows what is inside.
    None,
    /// A truth value.
    Bool(bool),
    /// An unsigned integer of so many bits.
    Unsigned(u128, u32),
    /// A signed integer of so many bits.
    Signed(i128, u32),
    /// A single.
    F32(f32),
    /// A double.
    F64(f64),
    /// Text.
    Text(&'a str),
    /// An array or list of bytes.
    Bytes(&'a [u8]),
    /// Named bits.
    Flags(FlagsView<'a>),
    /// A struct, with fields as children.
    Struct(&'a Schema),
    /// An enum, with the fields of its variant as children.
    Variant(&'a Schema, &'a Variant),
    /// An array, list or set of so many elements.
    List(u64),
    /// A map of so many pairs.
    Map(u64),
    /// A tuple of so many elements.
    Tuple(u64),
}

/// Named bits and which are set.
#[derive(Debug, Clone, Copy)]
pub struct FlagsView<'a> {
    /// The integer.
    pub value: u64,
    /// Its width in bits.
    pub bits: u32,
    /// (name, bit), ascending by bit.
    pub names: &'a [(String, u32)],
}

impl<'a> FlagsView<'a> {
    /// Names of the set bits; a bit without a name is `bit N`.
    pub fn set(&self) -> Vec<String> {
        let (value, names) = (self.value, self.names);
        (0..64)
            .filter(|bit| value >> bit & 1 == 1)
            .map(|bit| match names.iter().find(|(_, named)| *named == bit) {
                Some((name, _)) => name.clone(),
                None => format!("bit {bit}"),
            })
            .collect()
    }
}

impl<'a> Node<'a> {
    /// The value's bytes on the wire.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Offset of its first byte within the instance.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// The type, if it is of a deriving one.
    pub fn schema(&self) -> Option<&'a Schema> {
        match self.form {
            Form::Type(schema) => Some(schema),
            Form::Kind(Kind::Type(type_ref)) => self.table.resolve(type_ref),
            Form::Kind(_) | Form::Absent => None,
        }
    }

    /// What the value is.
    ///
    /// # Errors
    /// Bytes that are no value of the kind.
    pub fn view(&self) -> Result<View<'a>, LoadError> {
        Ok(self.open()?.0)
    }

    /// The values inside: fields, elements, pairs. None for scalars, bytes and text.
    ///
    /// Elements that occupy no bytes (empty structs) are counted by [`View::List`] and not given one
    /// by one: a hostile file may claim 2^60 of them.
    ///
    /// # Errors
    /// As [`Node::view`]; the iterator's items report what is wrong further on.
    pub fn children(&self) -> Result<Children<'a>, LoadError> {
        let (_, reader, items) = self.open()?;
        let base = self.offset + (self.bytes.len() - reader.remaining());
        Ok(Children::new(self.table, reader, base, items))
    }

    /// Decodes as much as tells what the value is; the reader stands before the children.
    fn open(&self) -> Result<(View<'a>, Reader<'a>, Items<'a>), LoadError> {
        let mut reader = Reader::new(self.bytes);
        let (view, items) = match self.form {
            Form::Absent => (View::Absent, Items::None),
            Form::Type(schema) => open_type(schema, &mut reader)?,
            Form::Kind(kind) => self.open_kind(kind, &mut reader)?,
        };
        Ok((view, reader, items))
    }

    fn open_kind(
        &self,
        kind: &'a Kind,
        reader: &mut Reader<'a>,
    ) -> Result<(View<'a>, Items<'a>), LoadError> {
        let scalar = |view| Ok((view, Items::None));
        match kind {
            Kind::Option(item) => {
                if reader.bool()? {
                    self.open_kind(item, reader)
                } else {
                    scalar(View::None)
                }
            }
            Kind::Array { item, count } => list(item, *count, reader),
            Kind::Seq { item, max } | Kind::Set { item, max } => {
                let count = reader.len(*max, 0)? as u64;
                list(item, count, reader)
            }
            Kind::Map { key, value, max } => {
                let count = reader.len(*max, 0)? as u64;
                Ok((View::Map(count), Items::Pairs { key, value, index: 0, count }))
            }
            Kind::Tuple(kinds) => {
                Ok((View::Tuple(kinds.len() as u64), Items::Kinds { kinds, index: 0 }))
            }
            Kind::Type(type_ref) => open_type(Walker::new(self.table).resolve(type_ref)?, reader),
            Kind::Flags { bits, names } => {
                let value =
                    if *bits == 8 { reader.byte()?.into() } else { reader.varint(*bits)? };
                scalar(View::Flags(FlagsView { value, bits: *bits, names }))
            }
            _ => scalar(open_scalar(kind, reader)?),
        }
    }
}

fn open_type<'a>(
    schema: &'a Schema,
    reader: &mut Reader<'a>,
) -> Result<(View<'a>, Items<'a>), LoadError> {
    Ok(match &schema.shape {
        Shape::Struct(fields) => (View::Struct(schema), Items::Fields { fields, index: 0 }),
        Shape::Enum(_) => {
            let variant = variant_at(reader, schema)?;
            let items = Items::Fields { fields: &variant.fields, index: 0 };
            (View::Variant(schema, variant), items)
        }
    })
}

fn list<'a>(
    item: &'a Kind,
    count: u64,
    reader: &mut Reader<'a>,
) -> Result<(View<'a>, Items<'a>), LoadError> {
    if *item == Kind::U8 {
        let bytes = reader.take(usize::try_from(count).unwrap_or(usize::MAX))?;
        return Ok((View::Bytes(bytes), Items::None));
    }
    Ok((View::List(count), Items::Repeat { kind: item, index: 0, count }))
}

fn open_scalar<'a>(kind: &Kind, reader: &mut Reader<'a>) -> Result<View<'a>, LoadError> {
    let signed = |value: u64, bits| View::Signed(unzigzag(value).into(), bits);
    Ok(match kind {
        Kind::Bool => View::Bool(reader.bool()?),
        Kind::U8 => View::Unsigned(reader.byte()?.into(), 8),
        Kind::U16 => View::Unsigned(reader.varint(16)?.into(), 16),
        Kind::U32 => View::Unsigned(reader.varint(32)?.into(), 32),
        Kind::U64 => View::Unsigned(reader.varint(64)?.into(), 64),
        Kind::U128 => View::Unsigned(reader.varint_u128()?, 128),
        Kind::I8 => View::Signed(i128::from(reader.byte()?.cast_signed()), 8),
        Kind::I16 => signed(reader.varint(16)?, 16),
        Kind::I32 => signed(reader.varint(32)?, 32),
        Kind::I64 => signed(reader.varint(64)?, 64),
        Kind::I128 => View::Signed(unzigzag_i128(reader.varint_u128()?), 128),
        Kind::F32 => View::F32(f32::from_le_bytes(*reader.array()?)),
        Kind::F64 => View::F64(f64::from_le_bytes(*reader.array()?)),
        Kind::String { max } => View::Text(reader.str(*max)?),
        Kind::Option(_)
        | Kind::Array { .. }
        | Kind::Seq { .. }
        | Kind::Set { .. }
        | Kind::Map { .. }
        | Kind::Tuple(_)
        | Kind::Flags { .. }
        | Kind::Type(_) => unreachable!("kinds with parts are opened elsewhere"),
    })
}
