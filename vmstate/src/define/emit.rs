//! Writes the canonical bytes of one version of a type, in const evaluation and at run time alike.

use super::{ArgumentDef, BROKEN, FieldDef, KindDef, ShapeDef, TypeDef};
use crate::schema::hash::Fnv128;
use crate::schema::{NAME_BYTES_MAX, Shape};

/// Writes what fits, counts and hashes all of it.
pub(super) struct Emit<'a> {
    pub(super) hash: Fnv128,
    pub(super) written: usize,
    /// A [`BROKEN`] type was met.
    pub(super) is_broken: bool,
    buffer: &'a mut [u8],
}

impl<'a> Emit<'a> {
    pub(super) const fn into(buffer: &'a mut [u8]) -> Self {
        Self { hash: Fnv128::new(), written: 0, is_broken: false, buffer }
    }

    const fn byte(&mut self, byte: u8) {
        self.hash = self.hash.byte(byte);
        if self.written < self.buffer.len() {
            self.buffer[self.written] = byte;
        }
        self.written += 1;
    }

    const fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.byte((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.byte((value & 0x7f) as u8);
    }

    const fn raw(&mut self, bytes: &[u8]) {
        let mut index = 0;
        while index < bytes.len() {
            self.byte(bytes[index]);
            index += 1;
        }
    }

    const fn text(&mut self, text: &str) {
        self.varint(text.len() as u64);
        self.raw(text.as_bytes());
    }

    pub(super) const fn shape(&mut self, def: &TypeDef, version: u32) {
        let mut name = [0; NAME_BYTES_MAX];
        let name = def.full_name_in(&mut name);
        self.varint(name.len() as u64);
        self.raw(name);
        self.varint(version as u64);
        self.varint(def.semantic_in(version) as u64);
        match def.shape {
            ShapeDef::Struct(fields) => {
                self.byte(Shape::STRUCT);
                self.fields(def, version, fields);
            }
            ShapeDef::Enum(variants) => {
                self.byte(Shape::ENUM);
                let mut count = 0;
                let mut index = 0;
                while index < variants.len() {
                    count += variants[index].lives_in(version) as u64;
                    index += 1;
                }
                self.varint(count);
                index = 0;
                while index < variants.len() {
                    let variant = &variants[index];
                    if variant.lives_in(version) {
                        self.varint(variant.id as u64);
                        self.text(variant.name);
                        self.fields(def, version, variant.fields);
                    }
                    index += 1;
                }
            }
        }
    }

    const fn fields(&mut self, def: &TypeDef, version: u32, fields: &[FieldDef]) {
        let mut count = 0;
        let mut index = 0;
        while index < fields.len() {
            count += fields[index].lives_in(version) as u64;
            index += 1;
        }
        self.varint(count);
        index = 0;
        while index < fields.len() {
            let field = &fields[index];
            if field.lives_in(version) {
                self.text(field.name_in(version));
                self.varint(field.revision_in(version) as u64);
                self.byte(field.presence as u8);
                self.kind(def, version, field.kind_in(version));
            }
            index += 1;
        }
    }

    const fn kind(&mut self, def: &TypeDef, version: u32, kind: &KindDef) {
        self.byte(kind.tag());
        match kind {
            KindDef::String(max) => self.varint(*max),
            KindDef::Option(item) => self.kind(def, version, item),
            KindDef::Array(item, count) => {
                self.varint(*count as u64);
                self.kind(def, version, item);
            }
            KindDef::Seq(item, max) | KindDef::Set(item, max) => {
                self.varint(*max);
                self.kind(def, version, item);
            }
            KindDef::Map(key, value, max) => {
                self.varint(*max);
                self.kind(def, version, key);
                self.kind(def, version, value);
            }
            KindDef::Tuple(items) => {
                self.varint(items.len() as u64);
                let mut index = 0;
                while index < items.len() {
                    self.kind(def, version, &items[index]);
                    index += 1;
                }
            }
            KindDef::Flags(bits, names) => {
                self.varint(*bits as u64);
                self.varint(names.len() as u64);
                let mut index = 0;
                while index < names.len() {
                    self.text(names[index].0);
                    self.varint(names[index].1 as u64);
                    index += 1;
                }
            }
            KindDef::Type(nested) => {
                self.type_reference(nested, def.nested_version(version, nested))
            }
            _ => {}
        }
    }

    const fn type_reference(&mut self, nested: &TypeDef, version: u32) {
        let mut name = [0; NAME_BYTES_MAX];
        let name = nested.full_name_in(&mut name);
        self.is_broken |= nested.version == BROKEN || nested.is_broken_in(version);
        self.varint(name.len() as u64);
        self.raw(name);
        self.varint(version as u64);
        self.raw(&nested.hash_in(version).to_le_bytes());
    }

    /// `Name`, or `Name<u8,4>`: argument kinds by the words that error messages use.
    pub(super) const fn type_name(&mut self, def: &TypeDef) {
        self.raw(def.name.as_bytes());
        if def.arguments.is_empty() {
            return;
        }
        self.byte(b'<');
        let mut index = 0;
        while index < def.arguments.len() {
            if index > 0 {
                self.byte(b',');
            }
            match &def.arguments[index] {
                ArgumentDef::Kind(kind) => self.kind_name(kind),
                ArgumentDef::Const(value) => self.decimal(*value),
            }
            index += 1;
        }
        self.byte(b'>');
    }

    const fn decimal(&mut self, value: u64) {
        if value >= 10 {
            self.decimal(value / 10);
        }
        self.byte(b'0' + (value % 10) as u8);
    }

    const fn kind_name(&mut self, kind: &KindDef) {
        match kind {
            KindDef::Option(item) => {
                self.byte(b'?');
                self.kind_name(item);
            }
            KindDef::Array(item, count) => {
                self.byte(b'[');
                self.kind_name(item);
                self.byte(b';');
                self.decimal(*count as u64);
                self.byte(b']');
            }
            KindDef::Seq(item, max) | KindDef::Set(item, max) => {
                self.byte(b'[');
                self.kind_name(item);
                self.raw(b";..");
                self.decimal(*max);
                self.byte(b']');
            }
            KindDef::Map(key, value, max) => {
                self.byte(b'{');
                self.kind_name(key);
                self.byte(b':');
                self.kind_name(value);
                self.raw(b";..");
                self.decimal(*max);
                self.byte(b'}');
            }
            KindDef::Tuple(items) => {
                self.byte(b'(');
                let mut index = 0;
                while index < items.len() {
                    self.kind_name(&items[index]);
                    self.byte(b',');
                    index += 1;
                }
                self.byte(b')');
            }
            KindDef::Type(nested) => self.type_name(nested),
            plain => self.raw(plain.word().as_bytes()),
        }
    }
}
