//! The schemas of a file, decoded and fitted together.

use super::error::{ContainerError, ErrorKind, Place};
use super::header::{SectionEntry, schema_section};
use super::reader::Snapshot;
use crate::error::LoadError;
use crate::schema::{Schema, SchemaHash, SchemaTable};

impl Snapshot<'_> {
    /// All schemas of the file, verified: whatever state refers to is there, and nothing contains
    /// itself.
    ///
    /// # Errors
    /// A schema that is damaged, is not canonical or is not what its entry says; one that is missing.
    pub fn schema_table(&self) -> Result<SchemaTable, ContainerError> {
        let mut table = SchemaTable::new();
        for entry in &self.header().schemas {
            let place = || Place::new(schema_section(entry), entry.extent.offset);
            let schema = Schema::decode(&self.schema(entry)?)
                .map_err(|error| place().error(ErrorKind::Schema(error)))?;
            let same = schema.hash == SchemaHash::from_bytes(entry.hash)
                && schema.type_name == entry.type_name
                && schema.version == entry.version;
            if !same {
                let why = format!("the bytes are the schema {}", schema.type_ref());
                return Err(place().error(ErrorKind::malformed("schema", why)));
            }
            table.insert(schema).map_err(|error| place().error(ErrorKind::Schema(error)))?;
        }
        table.verify().map_err(|error| {
            let first = self.header().schemas.first().map_or(0, |entry| entry.extent.offset);
            Place::new("schemas", first).error(ErrorKind::Schema(error))
        })?;
        Ok(table)
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
            place().error(ErrorKind::malformed("section", "the file holds no schema of it"))
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
