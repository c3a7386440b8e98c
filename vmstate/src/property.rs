//! What must hold for every deriving type, checked from its schema alone.
//!
//! [`assert_all`] runs, for each listed type: its state round-trips; every field, changed to random
//! values, survives load and save with equal bytes; every version still supported can be written, and
//! what was written loads again and is written again with equal bytes; truncated and bit-flipped state
//! is refused or loads, and never panics.
//!
//! Random values come from a fixed seed; a failure prints it, and `VMSTATE_SEED` sets another.

use crate::TypeEntry;
use crate::error::{LoadError, LoadProblem, SaveProblem};
use crate::instance::Instance;
use crate::schema::{Field, Kind, Presence, Schema, SchemaTable, Shape};
use crate::walk::Walker;
use crate::wire::{Reader, put_varint, put_varint_u128};

/// Random values tried for each field.
const ROUNDS: u32 = 8;
/// Most elements of a random container.
const ELEMENTS_MAX: u64 = 3;

/// A small generator (xorshift64*), so that a seed is all it takes to repeat a failure.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// From a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// The next 64 bits.
    pub const fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `end`, which is not 0.
    pub const fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// Checks every property of every type.
///
/// # Panics
/// At the first that does not hold, with the type, the seed and the value.
pub fn assert_all(types: &[TypeEntry]) {
    let seed = std::env::var("VMSTATE_SEED").ok().and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or(0x5eed);
    for entry in types {
        if let Err(failure) = check(entry, seed) {
            panic!("`{}` (VMSTATE_SEED={seed}): {failure}", entry.def.full_name());
        }
    }
}

struct Subject {
    instance: Box<dyn Instance>,
    table: SchemaTable,
    schema: Schema,
}

impl Subject {
    fn new(entry: &TypeEntry, version: u32) -> Result<Self, String> {
        let instance = (entry.make)();
        let mut table = SchemaTable::new();
        let type_ref = instance.collect_schemas(version, &mut table);
        table.verify().map_err(|error| error.to_string())?;
        let schema = table.resolve(&type_ref).cloned().ok_or("its schema is missing")?;
        Ok(Self { instance, table, schema })
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), LoadError> {
        let mut staged = self.instance.stage(bytes, &self.schema, &self.table)?;
        self.instance.swap(&mut staged)?;
        self.instance.finish().inspect_err(|_| {
            // The second swap undoes the first, as in a container's load.
            self.instance.swap(&mut staged).ok();
            self.instance.rebuild();
        })
    }

    /// Whether any field may be absent.
    fn has_optional(&self) -> bool {
        let optional = |field: &Field| field.presence != Presence::Always;
        self.table.iter().any(|schema| match &schema.shape {
            Shape::Struct(fields) => fields.iter().any(optional),
            Shape::Enum(variants) => variants.iter().any(|v| v.fields.iter().any(optional)),
        })
    }

    fn save(&self, version: u32) -> Result<Vec<u8>, crate::error::SaveError> {
        let mut out = Vec::new();
        self.instance.save(version, &mut out).map(|()| out)
    }
}

fn check(entry: &TypeEntry, seed: u64) -> Result<(), String> {
    let newest = entry.def.version;
    let mut subject = Subject::new(entry, newest)?;
    let mut random = Random::new(seed);
    let base = subject.save(newest).map_err(|error| error.to_string())?;
    reloads(&mut subject, &base, newest)?;
    for mutant in mutants(&subject, &base, &mut random)? {
        match subject.load(&mutant) {
            Ok(()) => {}
            Err(error) if is_refusal(error.problem()) => continue,
            Err(error) => return Err(format!("{mutant:02x?} does not load: {error}")),
        }
        let saved = subject.save(newest).map_err(|error| error.to_string())?;
        if saved != mutant {
            if !subject.has_optional() {
                return Err(format!("loaded {mutant:02x?}, saved {saved:02x?}"));
            }
            // `when` and `needed` may have left out or added a default; from here on it is settled.
            reloads(&mut subject, &saved, newest)?;
        }
        for version in entry.def.version_min..=newest {
            downgrades(entry, &subject, version)?;
        }
    }
    hostile(&mut subject, &base, &mut random);
    Ok(())
}

/// Refusals that an author asked for.
fn is_refusal(problem: &LoadProblem) -> bool {
    matches!(
        problem,
        LoadProblem::Invalid { .. } | LoadProblem::NotEqual { .. } | LoadProblem::PostLoad { .. }
    )
}

fn reloads(subject: &mut Subject, bytes: &[u8], version: u32) -> Result<(), String> {
    subject.load(bytes).map_err(|error| format!("{bytes:02x?} does not load: {error}"))?;
    let saved = subject.save(version).map_err(|error| error.to_string())?;
    if saved == bytes { Ok(()) } else { Err(format!("loaded {bytes:02x?}, saved {saved:02x?}")) }
}

fn downgrades(entry: &TypeEntry, subject: &Subject, version: u32) -> Result<(), String> {
    let old = match subject.save(version) {
        Ok(old) => old,
        Err(error) if matches!(error.problem(), SaveProblem::NotRepresentable { .. }) => {
            return Ok(());
        }
        Err(error) => return Err(format!("as version {version}: {error}")),
    };
    let mut reader = Subject::new(entry, version)?;
    reader.load(&old).map_err(|error| format!("version {version} {old:02x?}: {error}"))?;
    let again = reader.save(version).map_err(|error| error.to_string())?;
    if again == old {
        Ok(())
    } else {
        Err(format!("version {version}: loaded {old:02x?}, saved {again:02x?}"))
    }
}

fn hostile(subject: &mut Subject, base: &[u8], random: &mut Random) {
    for len in 0..base.len().min(256) {
        subject.load(&base[..len]).ok();
    }
    for _ in 0..64 {
        let mut flipped = base.to_vec();
        if flipped.is_empty() {
            return;
        }
        let at = usize::try_from(random.below(flipped.len() as u64)).unwrap_or(0);
        flipped[at] ^= 1 << random.below(8);
        subject.load(&flipped).ok();
    }
}

/// `base` with one field at a time replaced by random values, and whole random values.
fn mutants(subject: &Subject, base: &[u8], random: &mut Random) -> Result<Vec<Vec<u8>>, String> {
    let generator = Generator { table: &subject.table };
    let mut mutants = Vec::new();
    for _ in 0..ROUNDS {
        let mut whole = Vec::new();
        generator.types(&subject.schema, random, &mut whole);
        mutants.push(whole);
    }
    if let Shape::Struct(fields) = &subject.schema.shape {
        let mut reader = Reader::new(base);
        let walker = Walker::new(&subject.table);
        for field in fields {
            let start = reader.offset();
            walker.skip_field(&mut reader, field).map_err(|error| error.to_string())?;
            for _ in 0..ROUNDS {
                let mut mutant = base[..start].to_vec();
                generator.field(field, random, &mut mutant);
                mutant.extend_from_slice(&base[reader.offset()..]);
                mutants.push(mutant);
            }
        }
    }
    Ok(mutants)
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

    fn field(&self, field: &Field, random: &mut Random, out: &mut Vec<u8>) {
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

    fn kind(&self, kind: &Kind, random: &mut Random, out: &mut Vec<u8>) {
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
