//! Random canonical values of any schema.

use crate::schema::{Field, Kind, Presence, Schema, SchemaTable, Shape};
use crate::wire::{put_varint, put_varint_u128};

/// Most elements of a random container.
const ELEMENTS_MAX: u64 = 3;

/// A small generator of numbers, so that a seed is all it takes to repeat a failure. Every seed has a sequence
/// of its own.
///
/// Source: "Fast splittable pseudorandom number generators" (Steele, Lea, Flood; OOPSLA 2014), SplitMix64.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The sequence of `seed`, which is any number.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    ///
    /// # Panics
    /// When `end` is 0.
    pub const fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// An index into something with `len` elements.
    ///
    /// # Panics
    /// When there are none.
    #[expect(clippy::cast_possible_truncation, reason = "below a length")]
    pub const fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }
}

/// Makes random canonical values.
#[derive(Clone, Copy, Debug)]
pub struct Generator<'a> {
    /// Where nested types are found.
    pub table: &'a SchemaTable,
}

impl Generator<'_> {
    /// Appends a value of a type.
    pub fn types(&self, schema: &Schema, random: &mut Random, out: &mut Vec<u8>) {
        let fields = match &schema.shape {
            Shape::Struct(fields) => fields,
            Shape::Enum(variants) => {
                let index = random.below(variants.len().max(1) as u64);
                let index = usize::try_from(index).unwrap_or(0);
                let Some(variant) = variants.get(index) else { return };
                put_varint(out, u64::from(variant.id));
                &variant.fields
            }
        };
        fields.iter().for_each(|field| self.field(field, random, out));
    }

    pub(super) fn field(&self, field: &Field, random: &mut Random, out: &mut Vec<u8>) {
        if field.presence != Presence::Always {
            let present = random.below(2) == 1;
            out.push(u8::from(present));
            // What `when` and `needed` say of a value is the author's; absent is always canonical.
            if !present {
                return;
            }
        }
        self.kind(&field.kind, random, out);
    }

    pub(super) fn kind(&self, kind: &Kind, random: &mut Random, out: &mut Vec<u8>) {
        // Small and extreme values are likelier than the middle.
        let mut bits = |width: u32| match random.below(4) {
            0 => random.below(3),
            1 => u64::MAX >> (64 - width),
            _ => random.next() >> (64 - width),
        };
        match kind {
            Kind::Bool => out.push(u8::from(bits(1) == 1)),
            Kind::U8 | Kind::I8 => out.push(bits(8).to_le_bytes()[0]),
            Kind::U16 | Kind::I16 => put_varint(out, bits(16)),
            Kind::U32 | Kind::I32 => put_varint(out, bits(32)),
            Kind::U64 | Kind::I64 => put_varint(out, bits(64)),
            Kind::U128 | Kind::I128 => {
                put_varint_u128(out, u128::from(bits(64)) << 64 | u128::from(bits(64)));
            }
            Kind::F32 => out.extend_from_slice(&bits(32).to_le_bytes()[..4]),
            Kind::F64 => out.extend_from_slice(&bits(64).to_le_bytes()),
            Kind::String { max } => {
                let count = random.below((*max).min(ELEMENTS_MAX) + 1);
                put_varint(out, count);
                (0..count).for_each(|_| out.push(b'a'));
            }
            Kind::Option(item) => {
                let present = random.below(2) == 1;
                out.push(u8::from(present));
                if present {
                    self.kind(item, random, out);
                }
            }
            Kind::Array { item, count } => {
                (0..*count).for_each(|_| self.kind(item, random, out));
            }
            Kind::Seq { item, max } => {
                let count = random.below((*max).min(ELEMENTS_MAX) + 1);
                put_varint(out, count);
                (0..count).for_each(|_| self.kind(item, random, out));
            }
            // One element needs no order.
            Kind::Set { item, max } => {
                let count = random.below((*max).min(1) + 1);
                put_varint(out, count);
                (0..count).for_each(|_| self.kind(item, random, out));
            }
            Kind::Map { key, value, max } => {
                let count = random.below((*max).min(1) + 1);
                put_varint(out, count);
                (0..count).for_each(|_| {
                    self.kind(key, random, out);
                    self.kind(value, random, out);
                });
            }
            Kind::Tuple(items) => items.iter().for_each(|item| self.kind(item, random, out)),
            Kind::Flags { bits: width, names } => {
                let mask = names.iter().fold(0, |mask, (_, bit)| mask | 1_u64 << bit);
                let value = random.next() & mask;
                if *width == 8 { out.push(value.to_le_bytes()[0]) } else { put_varint(out, value) }
            }
            Kind::Type(type_ref) => {
                if let Some(schema) = self.table.resolve(type_ref) {
                    self.types(schema, random, out);
                }
            }
        }
    }
}
