//! Digests of the whole state: one short hash for each field of each instance, one root over RAM.
//!
//! The names of the fields are written once for a recording ([`DIGEST_PARTS`]). A digest holds the
//! hashes of the fields that changed since the one before ([`DigestChain`]), so that one of a whole
//! machine takes about a hundred bytes and still names what differs. The root over RAM comes later
//! ([`DIGEST_RAM`]), when the pages have been copied and hashed beside the running guest.
//!
//! [`DIGEST_PARTS`]: crate::journal::DIGEST_PARTS
//! [`DIGEST_RAM`]: crate::journal::DIGEST_RAM

use serde::{Deserialize, Serialize};
use vmstate::{
    error::SaveError,
    instance::Instance,
    schema::{Kind, Presence, SchemaTable, Shape, TypeRef},
    walk::Walker,
    wire::Reader,
};
use xxhash_rust::xxh3::xxh3_64;

use crate::machine::Machine;

/// The digest of everything but RAM, with the names of its parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateDigest {
    /// Names of the parts: `instance/path.field`, with further fields where structs are nested.
    pub names: Vec<String>,
    /// A short hash of each part, in the order of the names.
    pub parts: Vec<u32>,
    /// Hash over everything.
    pub whole: u64,
}

impl StateDigest {
    /// The digest of `machine`.
    ///
    /// # Errors
    /// [`SaveError`] when an instance cannot be saved.
    pub fn of(machine: &Machine) -> Result<Self, SaveError> {
        let mut digest = Self::default();
        let mut whole = Vec::new();
        let instances = machine.instances();
        for path in instances.paths() {
            if let Some(instance) = instances.get(path) {
                let version = machine.version_of(&instance.type_name());
                digest.add(path, instance, version, &mut whole)?;
            }
        }
        digest.whole = xxh3_64(&whole);
        Ok(digest)
    }

    /// A hash over everything but RAM, without names: for whoever compares states in one process.
    ///
    /// # Errors
    /// [`SaveError`] when an instance cannot be saved.
    pub fn whole_of(machine: &Machine) -> Result<u64, SaveError> {
        let mut whole = Vec::new();
        let instances = machine.instances();
        for path in instances.paths() {
            if let Some(instance) = instances.get(path) {
                instance.save(instance.version(), &mut whole)?;
            }
        }
        Ok(xxh3_64(&whole))
    }

    fn add(
        &mut self,
        path: &str,
        instance: &dyn Instance,
        version: Option<u32>,
        whole: &mut Vec<u8>,
    ) -> Result<(), SaveError> {
        // In the shape of the machine's version, so that a later build finds the same digest.
        let version = version.unwrap_or_else(|| instance.version());
        let start = whole.len();
        instance.save(version, whole)?;
        let bytes = &whole[start..];
        let mut table = SchemaTable::default();
        let schema = instance.collect_schemas(version, &mut table);
        let mut reader = Reader::new(bytes);
        self.add_fields(path, &table, &schema, &mut reader);
        Ok(())
    }

    /// Adds the fields of a value of type `schema`, those of the types nested in it by themselves.
    fn add_fields(
        &mut self,
        path: &str,
        table: &SchemaTable,
        schema: &TypeRef,
        reader: &mut Reader<'_>,
    ) {
        let Some(Shape::Struct(fields)) = table.resolve(schema).map(|schema| &schema.shape) else {
            unreachable!("{path} is an instance or a struct in one")
        };
        for field in fields {
            let path = format!("{path}.{}", field.name);
            if let (Presence::Always, Kind::Type(nested)) = (field.presence, &field.kind)
                && let Some(Shape::Struct(_)) = table.resolve(nested).map(|schema| &schema.shape)
            {
                self.add_fields(&path, table, nested, reader);
                continue;
            }
            let from = reader.offset();
            let walked = Walker::new(table).skip_field(reader, field);
            assert!(walked.is_ok(), "{path} is not saved as its own schema says: {walked:?}");
            self.push(path, reader.since(from));
        }
    }

    fn push(&mut self, name: String, bytes: &[u8]) {
        let [a, b, c, d, ..] = xxh3_64(bytes).to_le_bytes();
        self.names.push(name);
        self.parts.push(u32::from_le_bytes([a, b, c, d]));
    }

    /// Names what differs from `recorded`. Empty when nothing does.
    #[must_use]
    pub fn differences(&self, recorded: &Self) -> Vec<String> {
        let mut found = Vec::new();
        for (name, hash) in self.names.iter().zip(&self.parts) {
            match recorded.names.iter().position(|other| other == name) {
                Some(at) if recorded.parts.get(at) == Some(hash) => {}
                Some(_) => found.push(name.clone()),
                None => found.push(format!("{name} (not in the recording)")),
            }
        }
        let missing = recorded.names.iter().filter(|name| !self.names.contains(name));
        found.extend(missing.map(|name| format!("{name} (not in this machine)")));
        // 32 bits of a part can collide; the hash over everything does not overlook it.
        if found.is_empty() && self.whole != recorded.whole {
            found.push("a field whose short hash is equal by chance".to_owned());
        }
        found
    }
}

/// One digest as a recording holds it: what changed since the one before.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StateChange {
    /// Hash over everything.
    pub(super) whole: [u8; 8],
    /// Parts that changed: how many parts lie between it and the one before, and its new hash.
    pub(super) changed: Vec<(u32, [u8; 4])>,
}

/// Why a recorded digest cannot be compared: a later build may write them in another way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the digest is not one that this build writes")]
pub struct ForeignDigest;

/// The digests of a recording, one built on the other.
#[derive(Clone, Debug, Default)]
pub struct DigestChain {
    last: StateDigest,
    /// What came last could not be understood, so nothing can be built on it.
    broken: bool,
}

impl DigestChain {
    /// Writing: the record for `digest`, which comes after the last; with the record of the names in
    /// front where they are new.
    pub fn push(&mut self, digest: &StateDigest) -> (Option<Vec<u8>>, Vec<u8>) {
        let names = (digest.names != self.last.names).then(|| {
            self.last.parts = vec![0; digest.parts.len()];
            super::session::encode(&digest.names)
        });
        let mut changed = Vec::new();
        let mut gap = 0;
        for (new, old) in digest.parts.iter().zip(&self.last.parts) {
            if new == old {
                gap += 1;
            } else {
                changed.push((std::mem::take(&mut gap), new.to_le_bytes()));
            }
        }
        let change = StateChange { whole: digest.whole.to_le_bytes(), changed };
        self.last = digest.clone();
        (names, super::session::encode(&change))
    }

    /// Reading: the parts of the digests that follow are called so.
    pub fn names(&mut self, data: &[u8]) {
        let names = postcard::from_bytes::<Vec<String>>(data);
        self.broken = names.is_err();
        let names = names.unwrap_or_default();
        self.last = StateDigest { parts: vec![0; names.len()], names, whole: 0 };
    }

    /// Reading: the next digest.
    ///
    /// # Errors
    /// [`ForeignDigest`] for one that this build does not understand, and all that build on it.
    pub fn next(&mut self, data: &[u8]) -> Result<StateDigest, ForeignDigest> {
        let applied = self.apply(data);
        self.broken = applied.is_none();
        applied.map(|()| self.last.clone()).ok_or(ForeignDigest)
    }

    fn apply(&mut self, data: &[u8]) -> Option<()> {
        if self.broken {
            return None;
        }
        let change: StateChange = postcard::from_bytes(data).ok()?;
        let mut parts = self.last.parts.iter_mut();
        for (gap, hash) in change.changed {
            *parts.nth(gap as usize)? = u32::from_le_bytes(hash);
        }
        self.last.whole = u64::from_le_bytes(change.whole);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(parts: &[u32]) -> StateDigest {
        let names = (0..parts.len()).map(|number| format!("device.field{number}")).collect();
        StateDigest { names, parts: parts.to_vec(), whole: u64::from(parts[0]) + 7 }
    }

    #[test]
    fn a_chain_gives_back_what_was_pushed_in_the_fewest_bytes() {
        let digests = [digest(&[1, 2, 3]), digest(&[1, 9, 3]), digest(&[1, 9, 3]), digest(&[5, 6])];
        let (mut writer, mut reader) = (DigestChain::default(), DigestChain::default());
        let mut lengths = Vec::new();
        for digest in &digests {
            let (names, change) = writer.push(digest);
            if let Some(names) = names {
                reader.names(&names);
            }
            lengths.push(change.len());
            assert_eq!(reader.next(&change).as_ref(), Ok(digest));
        }
        assert_eq!(lengths, [8 + 1 + 3 * 5, 8 + 1 + 5, 8 + 1, 8 + 1 + 2 * 5]);
    }

    #[test]
    fn what_builds_on_a_foreign_digest_is_foreign_until_new_names_come() {
        let (mut writer, mut reader) = (DigestChain::default(), DigestChain::default());
        let (names, change) = writer.push(&digest(&[4]));
        let names = names.expect("the first digest names its parts");
        assert_eq!(reader.next(&[0xff; 3]), Err(ForeignDigest));
        assert_eq!(reader.next(&change), Err(ForeignDigest));
        reader.names(&names);
        assert_eq!(reader.next(&change), Ok(digest(&[4])));
    }

    #[test]
    fn differences_are_called_by_name() {
        let (mine, mut recorded) = (digest(&[1, 2, 3]), digest(&[1, 5, 3]));
        recorded.names[2] = "device.gone".to_owned();
        assert_eq!(
            mine.differences(&recorded),
            [
                "device.field1",
                "device.field2 (not in the recording)",
                "device.gone (not in this machine)"
            ]
        );
    }
}
