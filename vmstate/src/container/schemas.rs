//! The schemas of a file, decoded and fitted together.

use super::error::{ContainerError, ErrorKind, Place};
use super::header::{SchemaEntry, SectionEntry, schema_section};
use super::reader::Snapshot;
use crate::error::LoadError;
use crate::schema::{SCHEMA_PARTS_MAX, Schema, SchemaHash, SchemaTable};

impl Snapshot<'_> {
    /// All schemas of the file, verified: whatever state refers to is there, and nothing contains
    /// itself.
    ///
    /// # Errors
    /// A schema that is damaged, is not canonical or is not what its entry says; one that is missing.
    pub fn schema_table(&self) -> Result<SchemaTable, ContainerError> {
        let (table, problems) = self.sound_schemas();
        problems.into_iter().next().map_or(Ok(table), Err)
    }

    /// The schemas that can be used, and everything that is wrong with the others: state under
    /// the former can be read even so.
    pub fn sound_schemas(&self) -> (SchemaTable, Vec<ContainerError>) {
        let mut table = SchemaTable::new();
        let mut problems = Vec::new();
        let mut parts_left = SCHEMA_PARTS_MAX;
        let place = |entry: &SchemaEntry| Place::new(schema_section(entry), entry.extent.offset);
        for entry in &self.header().schemas {
            let inserted = self.decoded(entry, &mut parts_left).and_then(|schema| {
                let wrong = |error| place(entry).error(ErrorKind::Schema(error));
                table.insert(schema).map_err(wrong)
            });
            problems.extend(inserted.err());
        }
        let (table, unsound) = table.into_sound();
        for (hash, error) in unsound {
            let entry = self.header().schemas.iter().find(|entry| entry.hash == hash.to_bytes());
            let place = entry.map_or_else(|| Place::new("schemas", 0), place);
            problems.push(place.error(ErrorKind::Schema(error)));
        }
        (table, problems)
    }

    fn decoded(
        &self,
        entry: &SchemaEntry,
        parts_left: &mut usize,
    ) -> Result<Schema, ContainerError> {
        let place = || Place::new(schema_section(entry), entry.extent.offset);
        let schema = Schema::decode_within(&self.schema(entry)?, parts_left)
            .map_err(|error| place().error(ErrorKind::Schema(error)))?;
        let same = schema.hash == SchemaHash::from_bytes(entry.hash)
            && schema.type_name == entry.type_name
            && schema.version == entry.version;
        if same {
            return Ok(schema);
        }
        let why = format!("the bytes are the schema {}", schema.type_ref());
        Err(place().error(ErrorKind::malformed("schema", why)))
    }
}

impl SectionEntry {
    /// The schema of the section's state.
    ///
    /// # Errors
    /// The table lacks it, or it is of another type or version than the section says.
    pub fn schema_in<'t>(&self, table: &'t SchemaTable) -> Result<&'t Schema, ContainerError> {
        let place = || Place::new(&self.path, self.extent.offset);
        let schema = table.get(SchemaHash::from_bytes(self.schema)).ok_or_else(|| {
            place().error(ErrorKind::malformed("section", "the file holds no sound schema of it"))
        })?;
        if schema.type_name == self.type_name && schema.version == self.version {
            return Ok(schema);
        }
        let why = format!(
            "it says {}@{}, its schema says {}",
            self.type_name,
            self.version,
            schema.type_ref()
        );
        Err(place().error(ErrorKind::malformed("section", why)))
    }

    /// An error of decoding the section's bytes, with its place in the file.
    pub fn value_error(&self, error: &LoadError) -> ContainerError {
        let offset = self.extent.offset.saturating_add(error.offset().unwrap_or_default() as u64);
        let (path, problem) = (error.path(), error.problem().clone());
        Place::new(&self.path, offset).error(ErrorKind::Value { path, problem })
    }
}
