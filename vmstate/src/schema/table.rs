//! All schemas of a file, or of a build, each once.

use std::collections::BTreeMap;

use super::{Schema, SchemaError, SchemaHash, TYPE_DEPTH_MAX, TypeRef};

/// Schemas by hash. Iterates in order of (name, version, hash).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SchemaTable {
    by_hash: BTreeMap<SchemaHash, Schema>,
}

impl SchemaTable {
    /// Without schemas.
    #[must_use]
    pub const fn new() -> Self {
        Self { by_hash: BTreeMap::new() }
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

    /// Whether every named type is there and no type contains itself. After it, walking values by
    /// these schemas ends, at a depth of at most [`TYPE_DEPTH_MAX`] types.
    ///
    /// # Errors
    /// [`SchemaError::Unresolved`], [`SchemaError::Cycle`], [`SchemaError::BadDefault`].
    pub fn verify(&self) -> Result<(), SchemaError> {
        let mut depths = BTreeMap::new();
        for schema in self.iter() {
            self.depth(schema, &mut depths, TYPE_DEPTH_MAX)?;
        }
        for schema in self.iter() {
            crate::walk::verify_defaults(schema, self)?;
        }
        Ok(())
    }

    /// How deep types nest below `schema`, itself included.
    fn depth(
        &self,
        schema: &Schema,
        known: &mut BTreeMap<SchemaHash, usize>,
        left: usize,
    ) -> Result<usize, SchemaError> {
        let cycle = || SchemaError::Cycle { type_name: schema.type_name.clone() };
        if let Some(depth) = known.get(&schema.hash) {
            return if *depth <= left { Ok(*depth) } else { Err(cycle()) };
        }
        let left_below = left.checked_sub(1).ok_or_else(cycle)?;
        let mut deepest = 0;
        for type_ref in schema.nested() {
            let nested = self.resolve(type_ref).ok_or_else(|| SchemaError::Unresolved {
                owner: schema.type_name.clone(),
                missing: type_ref.clone(),
            })?;
            deepest = deepest.max(self.depth(nested, known, left_below)?);
        }
        known.insert(schema.hash, deepest + 1);
        Ok(deepest + 1)
    }
}
