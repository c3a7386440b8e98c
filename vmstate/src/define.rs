//! What the derive states about a type: every version of it, as constants.
//!
//! Problem: one description must serve three readers: const evaluation (is this still the shape
//! that was released? across crates), the run time (what schema goes into the file, how is an old
//! file resolved) and inspection. Two descriptions would drift.
//!
//! Strategy: [`TypeDef`] is a `const` that holds ALL versions (a field says since when, until when,
//! under which names and kinds). [`encode_shape`] is a `const fn` that writes the canonical
//! bytes of ONE version; its hash is computed by the compiler for the checks, and the very same
//! function writes the bytes that go into files.
//!
//! Invariants: the fields of a type stand in canonical order (by their oldest name), so that moving a
//! field in the source changes nothing on the wire. A nested type appears in the shape of its
//! owner as name, version and hash, so a change anywhere below changes every hash above.
//!
//! Which version of a nested type belongs to an old version of its owner is known from the lock
//! ([`ReleasedDef::uses`]); an owner's unreleased version uses the newest.

mod emit;

use self::emit::Emit;
use crate::schema::{NAME_BYTES_MAX, Presence, tag};

/// The version of a type whose derive has reported mistakes: what holds it is not judged, so that no second
/// error follows from the first.
#[doc(hidden)]
pub const BROKEN: u32 = 0;

/// A deriving type, in all its versions.
#[derive(Clone, Copy, Debug)]
pub struct TypeDef {
    /// Stable name, without generic arguments.
    pub name: &'static str,
    /// Generic arguments; part of the stable name as `Name<u8,4>`.
    pub arguments: &'static [ArgumentDef],
    /// Newest version; the first is 1.
    pub version: u32,
    /// Oldest version that this build loads and saves.
    pub version_min: u32,
    /// Semantic revisions as (first version with it, revision), ascending; before the first: 0.
    pub semantics: &'static [(u32, u32)],
    /// Fields or variants.
    pub shape: ShapeDef,
    /// Released versions, from the lock, ascending.
    pub released: &'static [ReleasedDef],
}

/// A generic argument of a type.
#[derive(Clone, Copy, Debug)]
pub enum ArgumentDef {
    /// A type parameter's kind.
    Kind(KindDef),
    /// A const parameter's value.
    Const(u64),
}

/// A released version as the lock states it.
#[derive(Clone, Copy, Debug)]
pub struct ReleasedDef {
    /// Full stable name that the entry is about (generic instances have one each).
    pub name: &'static str,
    /// The version.
    pub version: u32,
    /// Hash of its shape.
    pub hash: u128,
    /// The versions of the deriving types it held: (full stable name, version).
    pub uses: &'static [(&'static str, u32)],
    /// Defaults as they were encoded: (field, or `Variant.field`; bytes).
    pub defaults: &'static [(&'static str, &'static [u8])],
}

/// The body of a type.
#[derive(Clone, Copy, Debug)]
pub enum ShapeDef {
    /// Fields in canonical order.
    Struct(&'static [FieldDef]),
    /// Variants, ascending by id.
    Enum(&'static [VariantDef]),
}

/// A variant of an enum.
#[derive(Clone, Copy, Debug)]
pub struct VariantDef {
    /// Explicit id: what stands on the wire.
    pub id: u32,
    /// Stable name.
    pub name: &'static str,
    /// First version with it.
    pub since: u32,
    /// Last version with it; `u32::MAX` while it lives.
    pub until: u32,
    /// Its fields in canonical order.
    pub fields: &'static [FieldDef],
}

/// A field, in all its versions.
#[derive(Clone, Copy, Debug)]
pub struct FieldDef {
    /// Present name.
    pub name: &'static str,
    /// Former names as (name, last version with it), ascending.
    pub aliases: &'static [(&'static str, u32)],
    /// First version with it.
    pub since: u32,
    /// Last version with it; `u32::MAX` while it lives.
    pub until: u32,
    /// Whether it may be absent from the bytes.
    pub presence: Presence,
    /// Its present (or last) kind.
    pub kind: KindDef,
    /// Former kinds or meanings, ascending.
    pub conversions: &'static [ConversionDef],
    /// Encodes its default in its present kind.
    pub default: fn() -> Option<Vec<u8>>,
}

/// One former kind of a field and the ways from and to its successor.
#[derive(Clone, Copy, Debug)]
pub struct ConversionDef {
    /// Last version with the former kind.
    pub until: u32,
    /// The former kind.
    pub from: KindDef,
    /// Encoded former value to encoded successor.
    pub up: ConvertFn,
    /// Encoded successor to encoded former value.
    pub down: ConvertFn,
}

/// Converts one encoded value, or says why it cannot.
pub type ConvertFn = fn(&[u8]) -> Result<Vec<u8>, String>;

/// What a field holds.
#[derive(Clone, Copy, Debug)]
pub enum KindDef {
    /// 0 or 1.
    Bool,
    /// Unsigned, one raw byte.
    U8,
    /// Unsigned varint.
    U16,
    /// Unsigned varint.
    U32,
    /// Unsigned varint.
    U64,
    /// Unsigned varint.
    U128,
    /// Signed, one raw byte.
    I8,
    /// Zigzag varint.
    I16,
    /// Zigzag varint.
    I32,
    /// Zigzag varint.
    I64,
    /// Zigzag varint.
    I128,
    /// Four bytes, little-endian bits.
    F32,
    /// Eight bytes, little-endian bits.
    F64,
    /// UTF-8 of at most so many bytes.
    String(u64),
    /// Presence marker, then the value.
    Option(&'static Self),
    /// A fixed count of elements.
    Array(&'static Self, usize),
    /// Count, then at most `max` elements.
    Seq(&'static Self, u64),
    /// As `Seq`, elements strictly ascending.
    Set(&'static Self, u64),
    /// Count, then at most `max` pairs, keys strictly ascending.
    Map(&'static Self, &'static Self, u64),
    /// Elements of various kinds.
    Tuple(&'static [Self]),
    /// An integer of `bits` bits whose bits have names: (name, bit), in order of bits.
    Flags(u32, &'static [(&'static str, u32)]),
    /// A deriving type.
    Type(&'static TypeDef),
}

impl FieldDef {
    /// Whether `version` has the field.
    #[must_use]
    pub const fn lives_in(&self, version: u32) -> bool {
        self.since <= version && version <= self.until
    }

    /// Its name in `version`.
    #[must_use]
    pub const fn name_in(&self, version: u32) -> &'static str {
        let mut index = 0;
        while index < self.aliases.len() {
            if version <= self.aliases[index].1 {
                return self.aliases[index].0;
            }
            index += 1;
        }
        self.name
    }

    /// How many conversions lie behind it in `version`.
    #[must_use]
    pub const fn revision_in(&self, version: u32) -> usize {
        let mut index = 0;
        while index < self.conversions.len() {
            if version <= self.conversions[index].until {
                return index;
            }
            index += 1;
        }
        index
    }

    /// Its kind in `version`.
    #[must_use]
    pub const fn kind_in(&self, version: u32) -> &KindDef {
        let revision = self.revision_in(version);
        if revision < self.conversions.len() {
            &self.conversions[revision].from
        } else {
            &self.kind
        }
    }
}

impl VariantDef {
    /// Whether `version` has the variant.
    #[must_use]
    pub const fn lives_in(&self, version: u32) -> bool {
        self.since <= version && version <= self.until
    }
}

impl TypeDef {
    /// The semantic revision of `version`.
    #[must_use]
    pub const fn semantic_in(&self, version: u32) -> u32 {
        let mut revision = 0;
        let mut index = 0;
        while index < self.semantics.len() {
            if self.semantics[index].0 <= version {
                revision = self.semantics[index].1;
            }
            index += 1;
        }
        revision
    }

    /// The lock's entry for `version` of this very type (generic instance).
    #[must_use]
    pub const fn released_in(&self, version: u32) -> Option<&'static ReleasedDef> {
        let mut index = 0;
        while index < self.released.len() {
            let entry = &self.released[index];
            if entry.version == version && self.is_named(entry.name) {
                return Some(entry);
            }
            index += 1;
        }
        None
    }

    /// Which version of the type `nested` the `version` of this type holds.
    #[must_use]
    pub const fn nested_version(&self, version: u32, nested: &Self) -> u32 {
        if let Some(entry) = self.released_in(version) {
            let mut index = 0;
            while index < entry.uses.len() {
                if nested.is_named(entry.uses[index].0) {
                    return entry.uses[index].1;
                }
                index += 1;
            }
        }
        nested.version
    }

    /// Whether `name` is the full stable name.
    #[must_use]
    pub const fn is_named(&self, name: &str) -> bool {
        let mut buffer = [0; NAME_BYTES_MAX];
        let full = self.full_name_in(&mut buffer);
        let wanted = name.as_bytes();
        if full.len() != wanted.len() {
            return false;
        }
        let mut index = 0;
        while index < full.len() {
            if full[index] != wanted[index] {
                return false;
            }
            index += 1;
        }
        true
    }

    /// The stable name with generic arguments.
    #[must_use]
    pub fn full_name(&self) -> String {
        let mut buffer = [0; NAME_BYTES_MAX];
        String::from_utf8_lossy(self.full_name_in(&mut buffer)).into_owned()
    }

    const fn full_name_in<'a>(&self, buffer: &'a mut [u8; NAME_BYTES_MAX]) -> &'a [u8] {
        let mut text = Emit::into(buffer);
        text.type_name(self);
        let written = text.written;
        assert!(written <= NAME_BYTES_MAX, "a stable type name exceeds 255 bytes");
        buffer.split_at(written).0
    }

    /// Hash of the canonical bytes of `version`; usable in constants.
    #[must_use]
    pub const fn hash_in(&self, version: u32) -> u128 {
        let mut emit = Emit::into(&mut []);
        emit.shape(self, version);
        emit.hash.finish()
    }

    /// Whether it holds a [`BROKEN`] type.
    const fn is_broken_in(&self, version: u32) -> bool {
        let mut emit = Emit::into(&mut []);
        emit.shape(self, version);
        emit.is_broken
    }

    /// Panics at compile time if any released version of this generic instance, or a nested type's
    /// version in the newest one, has changed: what `vmstate::types!` asserts. Of other types the derive
    /// itself has, at the field.
    ///
    /// # Panics
    /// With `message`, which names the type and says what to do.
    pub const fn assert_instance_released(&self, message: &str) {
        if self.arguments.is_empty() {
            return;
        }
        let mut index = 0;
        while index < self.released.len() {
            let version = self.released[index].version;
            if self.version_min <= version && version <= self.version {
                self.assert_released(version, message);
            }
            index += 1;
        }
        if let Some(entry) = self.released_in(self.version)
            && let ShapeDef::Struct(fields) = self.shape
        {
            let mut index = 0;
            while index < fields.len() {
                if fields[index].lives_in(self.version) {
                    fields[index].kind.assert_versions(entry.uses, message);
                }
                index += 1;
            }
        }
    }

    /// Panics at compile time if this is not the shape that was released as `version`.
    ///
    /// # Panics
    /// With `message`, which names the type and says what to do.
    pub const fn assert_released(&self, version: u32, message: &str) {
        if let Some(entry) = self.released_in(version) {
            let same = self.hash_in(version) == entry.hash || self.is_broken_in(version);
            assert!(same, "{}", message);
        }
    }
}

/// The canonical bytes of one version of `def`, which its hash covers.
#[must_use]
pub fn encode_shape(def: &TypeDef, version: u32) -> Vec<u8> {
    let mut measure = Emit::into(&mut []);
    measure.shape(def, version);
    let mut bytes = vec![0; measure.written];
    let mut emit = Emit::into(&mut bytes);
    emit.shape(def, version);
    bytes
}

impl KindDef {
    /// Panics at compile time if a deriving type in it is newer than `uses` says.
    ///
    /// # Panics
    /// With `message`, which names the field and says what to do.
    pub const fn assert_versions(&self, uses: &[(&str, u32)], message: &str) {
        match self {
            Self::Option(item) | Self::Array(item, _) | Self::Seq(item, _) | Self::Set(item, _) => {
                item.assert_versions(uses, message)
            }
            Self::Map(key, value, _) => {
                key.assert_versions(uses, message);
                value.assert_versions(uses, message);
            }
            Self::Tuple(items) => {
                let mut index = 0;
                while index < items.len() {
                    items[index].assert_versions(uses, message);
                    index += 1;
                }
            }
            Self::Type(nested) => {
                let mut index = 0;
                while index < uses.len() {
                    if nested.is_named(uses[index].0) {
                        let same = nested.version == uses[index].1 || nested.version == BROKEN;
                        assert!(same, "{}", message);
                    }
                    index += 1;
                }
            }
            _ => {}
        }
    }

    /// The byte that stands for the kind in canonical bytes.
    ///
    /// # Panics
    /// Never: the kinds without parameters are all in one table.
    #[must_use]
    pub const fn tag(&self) -> u8 {
        match self {
            Self::String(_) => tag::STRING,
            Self::Option(_) => tag::OPTION,
            Self::Array(..) => tag::ARRAY,
            Self::Seq(..) => tag::SEQ,
            Self::Set(..) => tag::SET,
            Self::Map(..) => tag::MAP,
            Self::Tuple(_) => tag::TUPLE,
            Self::Flags(..) => tag::FLAGS,
            Self::Type(_) => tag::TYPE,
            scalar => match scalar.scalar() {
                Some((tag, _)) => tag,
                None => panic!("the kinds with parameters stand above"),
            },
        }
    }

    /// The word for the kind, without its parameters.
    ///
    /// # Panics
    /// Never: the kinds without parameters are all in one table.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::String(_) => "string",
            Self::Option(_) => "option",
            Self::Array(..) => "array",
            Self::Seq(..) => "seq",
            Self::Set(..) => "set",
            Self::Map(..) => "map",
            Self::Tuple(_) => "tuple",
            Self::Flags(..) => "flags",
            Self::Type(_) => "type",
            scalar => match scalar.scalar() {
                Some((_, word)) => word,
                None => panic!("the kinds with parameters stand above"),
            },
        }
    }
}
