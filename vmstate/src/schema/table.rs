//! All schemas of a file, or of a build, each once.

use std::collections::BTreeMap;

use crate::resolve::Upgrades;

use super::{Schema, SchemaError, SchemaHash, TypeRef, soundness};

/// Schemas by hash. Iterates in order of (name, version, hash).
#[derive(Debug, Default)]
pub struct SchemaTable {
    by_hash: BTreeMap<SchemaHash, Schema>,
    /// What this build has found out about loading by them; no part of the value.
    upgrades: Upgrades,
}

impl Clone for SchemaTable {
    fn clone(&self) -> Self {
        Self { by_hash: self.by_hash.clone(), upgrades: Upgrades::default() }
    }
}

impl PartialEq for SchemaTable {
    fn eq(&self, other: &Self) -> bool {
        self.by_hash == other.by_hash
    }
}

impl Eq for SchemaTable {}

impl SchemaTable {
    /// Without schemas.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) const fn upgrades(&self) -> &Upgrades {
        &self.upgrades
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_hash.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_hash.is_empty()
    }

    /// Adds a schema from a file.
    ///
    /// # Errors
    /// [`SchemaError::Conflict`] if the table has another one with its hash.
    pub fn insert(&mut self, schema: Schema) -> Result<(), SchemaError> {
        match self.by_hash.get(&schema.hash) {
            Some(known) if *known != schema => {
                Err(SchemaError::Conflict { identity: schema.type_ref() })
            }
            _ => {
                self.by_hash.insert(schema.hash, schema);
                Ok(())
            }
        }
    }

    /// Adds a schema of this build.
    pub(crate) fn insert_known(&mut self, schema: Schema) {
        self.by_hash.insert(schema.hash, schema);
    }

    /// The schema with `hash`.
    #[must_use]
    pub fn get(&self, hash: SchemaHash) -> Option<&Schema> {
        self.by_hash.get(&hash)
    }

    /// The schema that `type_ref` names, if name and version agree too.
    #[must_use]
    pub fn resolve(&self, type_ref: &TypeRef) -> Option<&Schema> {
        self.get(type_ref.hash).filter(|schema| {
            schema.type_name == type_ref.name && schema.version == type_ref.version
        })
    }

    /// The schemas called `type_name`, oldest version first.
    pub fn named<'a>(&'a self, type_name: &'a str) -> impl Iterator<Item = &'a Schema> {
        self.iter().filter(move |schema| schema.type_name == type_name)
    }

    /// All schemas, by (name, version, hash).
    pub fn iter(&self) -> impl Iterator<Item = &Schema> {
        let mut all: Vec<&Schema> = self.by_hash.values().collect();
        all.sort_by_key(|schema| (&schema.type_name, schema.version, schema.hash));
        all.into_iter()
    }

    /// Whether every named type is there, no type contains itself, and defaults are values. After it,
    /// walking values by these schemas ends, at a depth of at most [`TYPE_DEPTH_MAX`](super::TYPE_DEPTH_MAX)
    /// types, in time that grows with the bytes walked.
    ///
    /// # Errors
    /// The first of [`SchemaTable::unsound`].
    pub fn verify(&self) -> Result<(), SchemaError> {
        self.unsound().into_iter().next().map_or(Ok(()), |(_, error)| Err(error))
    }

    /// Everything that is wrong with single schemas, by their hashes. Schemas that are fine but hold
    /// one of these are not among them.
    #[must_use]
    pub fn unsound(&self) -> Vec<(SchemaHash, SchemaError)> {
        soundness::examine(self).errors
    }

    /// The table without schemas that are unsound or hold one that is, and what was wrong.
    #[must_use]
    pub fn into_sound(mut self) -> (Self, Vec<(SchemaHash, SchemaError)>) {
        let examined = soundness::examine(&self);
        self.by_hash.retain(|hash, _| examined.sound.contains(hash));
        (self, examined.errors)
    }
}
