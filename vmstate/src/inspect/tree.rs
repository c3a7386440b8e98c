//! The instances of a snapshot as nodes.

use std::borrow::Cow;

use super::node::{Form, Node};
use crate::container::{ContainerError, KIND_STATE, SectionEntry, Snapshot};
use crate::schema::SchemaTable;

/// A snapshot's state, ready to be walked.
#[derive(Debug)]
pub struct Tree<'s, 'a> {
    snapshot: &'s Snapshot<'a>,
    table: SchemaTable,
}

/// The bytes of one instance, from which its node is borrowed.
#[derive(Debug)]
pub struct InstanceBytes<'s> {
    /// Its entry in the table of contents.
    pub section: &'s SectionEntry,
    table: &'s SchemaTable,
    bytes: Cow<'s, [u8]>,
}

impl<'s, 'a> Tree<'s, 'a> {
    /// Reads the schemas of a snapshot.
    ///
    /// # Errors
    /// As [`Snapshot::schema_table`].
    pub fn new(snapshot: &'s Snapshot<'a>) -> Result<Self, ContainerError> {
        Ok(Self { snapshot, table: snapshot.schema_table()? })
    }

    /// The snapshot.
    pub fn snapshot(&self) -> &'s Snapshot<'a> {
        self.snapshot
    }

    /// Its schemas.
    pub fn schemas(&self) -> &SchemaTable {
        &self.table
    }

    /// The table of contents, instances only, in file order.
    pub fn sections(&self) -> impl Iterator<Item = &'s SectionEntry> {
        self.snapshot.header().sections.iter().filter(|entry| entry.kind == KIND_STATE)
    }

    /// Reads one instance's bytes, proved.
    ///
    /// # Errors
    /// As [`Snapshot::section`].
    pub fn read<'t>(
        &'t self,
        section: &'t SectionEntry,
    ) -> Result<InstanceBytes<'t>, ContainerError> {
        let bytes = self.snapshot.section(section)?;
        Ok(InstanceBytes { section, table: &self.table, bytes })
    }
}

impl InstanceBytes<'_> {
    /// The instance as a value.
    ///
    /// # Errors
    /// As [`SectionEntry::schema_in`].
    pub fn node(&self) -> Result<Node<'_>, ContainerError> {
        let schema = self.section.schema_in(self.table)?;
        Ok(Node { table: self.table, form: Form::Type(schema), bytes: &self.bytes, offset: 0 })
    }
}
