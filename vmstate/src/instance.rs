//! One saved object, behind a trait object: what a container needs of it.
//!
//! A load is: [`Instance::stage`] all instances (nothing live is touched), then [`Instance::swap`] all,
//! then [`Instance::finish`] all; if one refuses, `swap` all again and [`Instance::rebuild`] all:
//! the live machine is as it was. Swapping, rather than assigning, is what makes the way back cheap
//! and infallible.

use std::any::Any;

use crate::define::TypeDef;
use crate::error::{LoadError, LoadProblem, SaveError};
use crate::field::VmState;
use crate::resolve;
use crate::schema::{Schema, SchemaTable, TypeRef};
use crate::wire::Reader;

/// Decoded state that has not been put in place yet.
pub type Staged = Box<dyn Any>;

/// An object whose state is saved and loaded.
pub trait Instance {
    /// Its type, in all versions.
    fn type_def(&self) -> &'static TypeDef;

    /// Appends the state in the shape of `version`; runs `pre_save` first.
    ///
    /// # Errors
    /// A refusing `pre_save`, an unsupported version, or a value that `version` cannot hold.
    /// `out` may then have grown.
    fn save(&self, version: u32, out: &mut Vec<u8>) -> Result<(), SaveError>;

    /// Decodes `bytes`, written under `writer`, whose nested types are in `table` (on which
    /// [`SchemaTable::verify`] has succeeded). Checks `validate` and `equal`. Changes nothing.
    ///
    /// # Errors
    /// Whatever keeps the state from being loaded, with the field's path.
    fn stage(
        &self,
        bytes: &[u8],
        writer: &Schema,
        table: &SchemaTable,
    ) -> Result<Staged, LoadError>;

    /// As [`Instance::stage`], but configuration (`equal` fields) is the live object's: state of one
    /// machine goes into another that was built differently. Who calls it answers for that.
    ///
    /// # Errors
    /// As [`Instance::stage`].
    fn stage_adopting(
        &self,
        bytes: &[u8],
        writer: &Schema,
        table: &SchemaTable,
    ) -> Result<Staged, LoadError>;

    /// Decodes `bytes`, which this very build made: [`Instance::save`] in the newest version, or from
    /// another version's.
    ///
    /// # Errors
    /// As [`Instance::stage`].
    fn stage_newest(&self, bytes: &[u8]) -> Result<Staged, LoadError>;

    /// Exchanges the live state with the staged one. Wiring and caches stay. A second call undoes
    /// the first.
    ///
    /// # Errors
    /// [`LoadProblem::StagedForeign`] if `staged` was
    /// made by another type; nothing is changed then.
    fn swap(&mut self, staged: &mut Staged) -> Result<(), LoadError>;

    /// After `staged` was swapped in: rebuilds caches, compares each `when` with what was there, then
    /// runs `post_load`, innermost first.
    ///
    /// # Errors
    /// A `when` that says otherwise than the file, a refusing `post_load`;
    /// [`LoadProblem::StagedForeign`].
    fn finish(&mut self, staged: &Staged) -> Result<(), LoadError>;

    /// Rebuilds caches only: after a load was undone.
    fn rebuild(&mut self);

    /// Sets state to its defaults. Wiring and configuration stay.
    fn reset(&mut self);
}

impl dyn Instance + '_ {
    /// Stable name of its type.
    #[must_use]
    pub fn type_name(&self) -> String {
        self.type_def().full_name()
    }

    /// Newest version.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.type_def().version
    }

    /// Adds the schema of `version`, and those below it, to `table`.
    pub fn collect_schemas(&self, version: u32, table: &mut SchemaTable) -> TypeRef {
        crate::schema::encode::collect(self.type_def(), version, table)
    }
}

impl<T: VmState> Instance for T {
    fn type_def(&self) -> &'static TypeDef {
        const { &T::DEF }
    }

    fn save(&self, version: u32, out: &mut Vec<u8>) -> Result<(), SaveError> {
        if version == T::DEF.version {
            return T::save(self, out);
        }
        let mut newest = Vec::new();
        T::save(self, &mut newest)?;
        resolve::downgrade(self.type_def(), version, &newest, out)
    }

    fn stage(
        &self,
        bytes: &[u8],
        writer: &Schema,
        table: &SchemaTable,
    ) -> Result<Staged, LoadError> {
        let staged = decode_from::<T>(bytes, writer, table)?;
        self.check(&staged)?;
        Ok(Box::new(staged))
    }

    fn stage_adopting(
        &self,
        bytes: &[u8],
        writer: &Schema,
        table: &SchemaTable,
    ) -> Result<Staged, LoadError> {
        let mut staged = decode_from::<T>(bytes, writer, table)?;
        self.adopt(&mut staged)?;
        Ok(Box::new(staged))
    }

    fn stage_newest(&self, bytes: &[u8]) -> Result<Staged, LoadError> {
        let staged = decode::<T>(Reader::resolved(bytes))?;
        self.check(&staged)?;
        Ok(Box::new(staged))
    }

    fn swap(&mut self, staged: &mut Staged) -> Result<(), LoadError> {
        let staged = staged
            .downcast_mut::<T::Staged>()
            .ok_or_else(|| LoadError::of_value(LoadProblem::StagedForeign))?;
        T::swap(self, staged);
        Ok(())
    }

    fn finish(&mut self, staged: &Staged) -> Result<(), LoadError> {
        let staged = staged
            .downcast_ref::<T::Staged>()
            .ok_or_else(|| LoadError::of_value(LoadProblem::StagedForeign))?;
        T::agree(self, staged)?;
        T::finish(self)
    }

    fn rebuild(&mut self) {
        T::rebuild(self);
    }

    fn reset(&mut self) {
        T::reset(self);
    }
}

/// Decodes what was written under `writer`.
fn decode_from<T: VmState>(
    bytes: &[u8],
    writer: &Schema,
    table: &SchemaTable,
) -> Result<T::Staged, LoadError> {
    if writer.hash.0 == T::HASH {
        return decode::<T>(Reader::new(bytes));
    }
    let upgrade = table.upgrades().get(const { &T::DEF }, writer, table)?;
    // Places in the bytes that we made are none of the file's.
    decode::<T>(Reader::resolved(&upgrade.run(table, bytes)?)).map_err(LoadError::unplaced)
}

/// Decodes the newest shape.
fn decode<T: VmState>(mut reader: Reader<'_>) -> Result<T::Staged, LoadError> {
    let staged = T::load(&mut reader)?;
    reader.finish()?;
    Ok(staged)
}
