//! What must hold for every deriving type, checked from its schema alone.
//!
//! [`assert_all`] runs, for each listed type: its state round-trips; every field, nested ones included,
//! changed to random values, survives load and save with equal bytes; random state of every version
//! still supported loads; every version still supported can be written, and what was written
//! loads again and is written again with equal bytes; truncated and bit-flipped state is refused or
//! loads, and never panics. What the author's `validate`, `equal`, `post_load` and conversions refuse is
//! refused by right.
//!
//! Random values come from a fixed seed; a failure prints it, and `VMSTATE_SEED` sets another.

mod generator;
mod spots;

pub use generator::{Generator, Random};

use crate::TypeEntry;
use crate::error::{LoadError, LoadProblem, SaveProblem};
use crate::instance::Instance;
use crate::schema::{Field, Presence, Schema, SchemaTable, Shape};
use spots::spots;

/// Random values tried for each field.
const ROUNDS: u32 = 8;
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
        self.instance.finish(&staged).inspect_err(|_| {
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
    let mut state = base.clone();
    mutants(&subject.schema.clone(), &subject.table.clone(), &mut state, &mut random, |mutant| {
        survives(entry, &mut subject, mutant)
    })?;
    for version in entry.def.version_min..newest {
        upgrades(entry, version, &base, &mut random)?;
    }
    hostile(&mut subject, &base, &mut random);
    Ok(())
}

/// Calls `accepts` with random values of the type, and with `state` after one field at a time was
/// changed; a change that it accepts stays, so that in the end all fields have been changed.
fn mutants(
    schema: &Schema,
    table: &SchemaTable,
    state: &mut Vec<u8>,
    random: &mut Random,
    mut accepts: impl FnMut(&[u8]) -> Result<bool, String>,
) -> Result<(), String> {
    let generator = Generator { table };
    for _ in 0..ROUNDS {
        let mut whole = Vec::new();
        generator.types(schema, random, &mut whole);
        accepts(&whole)?;
    }
    let count = spots(schema, table, state)?.len();
    for index in 0..count {
        for _ in 0..ROUNDS {
            // An earlier change may have moved it, or taken it away with the variant it was in.
            let found = spots(schema, table, state)?;
            let Some(spot) = found.get(index) else { break };
            let mut mutant = state[..spot.start].to_vec();
            spot.random_value(&generator, random, &mut mutant);
            mutant.extend_from_slice(&state[spot.end..]);
            if accepts(&mutant)? {
                *state = mutant;
            }
        }
    }
    Ok(())
}

/// Whether `mutant`, a value of the newest version, loads; if so it must be saved with equal bytes, and
/// as every older version.
fn survives(entry: &TypeEntry, subject: &mut Subject, mutant: &[u8]) -> Result<bool, String> {
    let newest = entry.def.version;
    match subject.load(mutant) {
        Ok(()) => {}
        Err(error) if is_refusal(error.problem()) => return Ok(false),
        Err(error) => return Err(format!("{mutant:02x?} does not load: {error}")),
    }
    let saved = subject.save(newest).map_err(|error| error.to_string())?;
    if saved != mutant {
        if !subject.has_optional() {
            return Err(differ(mutant, &saved));
        }
        // `needed` may have left out or added a default; from here on it is settled.
        reloads(subject, &saved, newest)?;
    }
    for version in entry.def.version_min..=newest {
        downgrades(entry, subject, version)?;
    }
    Ok(true)
}

/// Random state of an older version loads, and what was loaded is stable.
fn upgrades(
    entry: &TypeEntry,
    version: u32,
    base: &[u8],
    random: &mut Random,
) -> Result<(), String> {
    let newest = entry.def.version;
    let mut subject = Subject::new(entry, newest)?;
    subject.load(base).map_err(|error| error.to_string())?;
    let mut old = Subject::new(entry, version)?;
    let mut state = Vec::new();
    match subject.save(version) {
        Ok(bytes) => state = bytes,
        // Its defaults have no place in the old version: any value will do.
        Err(_) => Generator { table: &old.table }.types(&old.schema, random, &mut state),
    }
    mutants(&old.schema.clone(), &old.table.clone(), &mut state, random, |mutant| {
        match old.load(mutant) {
            Ok(()) => {}
            Err(error) if is_refusal(error.problem()) => return Ok(false),
            Err(error) => return Err(format!("version {version}, {mutant:02x?}: {error}")),
        }
        let saved = old.save(newest).map_err(|error| error.to_string())?;
        reloads(&mut subject, &saved, newest)?;
        Ok(true)
    })
}

/// Where two encodings part.
fn differ(loaded: &[u8], saved: &[u8]) -> String {
    let same = loaded.iter().zip(saved).take_while(|(a, b)| a == b).count();
    format!("differs from byte {same} on: loaded {loaded:02x?}, saved {saved:02x?}")
}

/// Refusals that an author asked for.
fn is_refusal(problem: &LoadProblem) -> bool {
    matches!(
        problem,
        LoadProblem::Invalid { .. }
            | LoadProblem::NotEqual { .. }
            | LoadProblem::PostLoad { .. }
            | LoadProblem::Presence { .. }
            | LoadProblem::Convert { .. }
    )
}

fn reloads(subject: &mut Subject, bytes: &[u8], version: u32) -> Result<(), String> {
    subject.load(bytes).map_err(|error| format!("{bytes:02x?} does not load: {error}"))?;
    let saved = subject.save(version).map_err(|error| error.to_string())?;
    if saved == bytes { Ok(()) } else { Err(differ(bytes, &saved)) }
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
    if again == old { Ok(()) } else { Err(format!("version {version} {}", differ(&old, &again))) }
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
