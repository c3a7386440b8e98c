//! What expanded code calls and nobody else should.

pub use bitflags::{Flag, Flags};
pub use std::vec::Vec;

use std::fmt::Display;

use crate::error::{LoadError, LoadProblem, SaveError, SaveProblem};
use crate::field::Value;
use crate::wire::{Marker, Reader};

/// What a plain type asks of its fields. Apart from [`Value`], so that a field that is none is one error: of
/// that bound, and not of the types that follow from it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be rebuilt from its bytes alone",
    label = "not a plain value",
    note = "it is no deriving type, or it has `skip`, `cache` or `wired` fields: then it cannot stand in a container, and the struct that holds it says `#[vmstate(wired)]`",
    note = "a container that grows needs `#[vmstate(max_len = N)]`"
)]
pub trait Plain<B>: Sized {
    /// `Field::load`.
    ///
    /// # Errors
    /// As `Field::load`.
    fn load_value(reader: &mut Reader<'_>) -> Result<Self, LoadError>;

    /// `Field::fresh`.
    fn fresh_value() -> Self;

    /// `Field::check`.
    ///
    /// # Errors
    /// As `Field::check`.
    fn check_value(&self, staged: &Self) -> Result<(), LoadError>;

    /// `Field::adopt`.
    ///
    /// # Errors
    /// As `Field::adopt`.
    fn adopt_value(&self, staged: &mut Self) -> Result<(), LoadError>;
}

#[diagnostic::do_not_recommend]
impl<B, T: Value<B>> Plain<B> for T {
    #[inline]
    fn load_value(reader: &mut Reader<'_>) -> Result<Self, LoadError> {
        Self::load(reader)
    }

    #[inline]
    fn fresh_value() -> Self {
        Self::fresh()
    }

    #[inline]
    fn check_value(&self, staged: &Self) -> Result<(), LoadError> {
        self.check(staged)
    }

    #[inline]
    fn adopt_value(&self, staged: &mut Self) -> Result<(), LoadError> {
        self.adopt(staged)
    }
}

/// Turns a refusing `pre_save` into ours.
///
/// # Errors
/// [`SaveProblem::PreSave`].
pub fn pre_saved<E: Display>(verdict: Result<(), E>, type_name: &str) -> Result<(), SaveError> {
    verdict.map_err(|error| {
        let (type_name, reason) = (type_name.to_owned(), error.to_string());
        SaveError::new(SaveProblem::PreSave { type_name, reason })
    })
}

/// Turns a refusing `post_load` into ours.
///
/// # Errors
/// [`LoadProblem::PostLoad`].
pub fn post_loaded<E: Display>(verdict: Result<(), E>, type_name: &str) -> Result<(), LoadError> {
    verdict.map_err(|error| {
        let (type_name, reason) = (type_name.to_owned(), error.to_string());
        LoadError::of_value(LoadProblem::PostLoad { type_name, reason })
    })
}

/// Compares a field's marker with its `when` condition.
///
/// # Errors
/// [`LoadProblem::Presence`].
pub fn agreed(marker: Marker, needed: bool) -> Result<(), LoadError> {
    let found = match marker {
        Marker::Unstated => return Ok(()),
        Marker::Present => true,
        Marker::Absent => false,
    };
    if found == needed {
        return Ok(());
    }
    Err(LoadError::of_value(LoadProblem::Presence { found }))
}

/// The error for an id that no variant has; `at` stands before the id.
#[cold]
#[must_use]
pub fn unknown_variant(at: &Reader<'_>, type_name: &str, id: u64) -> LoadError {
    at.error(LoadProblem::UnknownVariant { type_name: type_name.to_owned(), id })
}

/// The staged form of a live field of configuration, by its encoding: no bound beyond those of a field.
/// `None` for a value that cannot be saved, which a comparison would have to refuse.
pub fn adopted<T, S>(
    live: &T,
    save: fn(&T, &mut Vec<u8>) -> Result<(), SaveError>,
    load: fn(&mut Reader<'_>) -> Result<S, LoadError>,
) -> Option<S> {
    let mut bytes = Vec::new();
    save(live, &mut bytes).ok()?;
    load(&mut Reader::new(&bytes)).ok()
}

pub use std::boxed::Box;

/// The body of the test `vmstate_lock`.
///
/// # Panics
/// If the lock and the code differ; the message says how.
pub fn lock_test(types: &[crate::TypeEntry], path: &str) {
    let types: Vec<_> = types.iter().map(|entry| entry.def).collect();
    match crate::lock::verify_or_freeze(&types, std::path::Path::new(path)) {
        Ok(frozen) if frozen.is_empty() => {}
        Ok(frozen) => eprintln!("released: {}", frozen.join(", ")),
        Err(error) => panic!("{error}"),
    }
}
