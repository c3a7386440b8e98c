//! What expanded code calls and nobody else should.

pub use bitflags::{Flag, Flags};
pub use std::vec::Vec;

use std::fmt::Display;

use crate::error::{LoadError, LoadProblem, SaveError, SaveProblem};
use crate::field::Value;
use crate::wire::{Marker, Reader};

/// What a plain type asks of the staged form of its fields: that it is the field itself. Apart from
/// [`Field`](crate::Field), so that a field without that is one error and no second one follows.
#[diagnostic::on_unimplemented(
    message = "`{T}` cannot be rebuilt from its bytes alone",
    label = "not a plain value",
    note = "it has `skip`, `cache` or `wired` fields: the struct that holds it says `#[vmstate(wired)]`"
)]
pub trait Plain<T>: Sized {
    /// The field.
    fn into_plain(self) -> T;

    /// The field as its staged form.
    fn staged(plain: &T) -> &Self;

    /// The field as its staged form.
    fn staged_mut(plain: &mut T) -> &mut Self;
}

impl<T> Plain<T> for T {
    #[inline]
    fn into_plain(self) -> T {
        self
    }

    #[inline]
    fn staged(plain: &T) -> &Self {
        plain
    }

    #[inline]
    fn staged_mut(plain: &mut T) -> &mut Self {
        plain
    }
}

/// What `validate` and `equal` ask of the staged form of a field beside wiring.
#[diagnostic::on_unimplemented(
    message = "`validate` and `equal` cannot see `{T}` as a whole",
    label = "a value with wiring",
    note = "only its state comes from a file: put `validate` or `equal` on its own fields, or look at it in `post_load`"
)]
pub trait Seen<T> {
    /// The value.
    fn seen(&self) -> &T;
}

impl<T> Seen<T> for T {
    #[inline]
    fn seen(&self) -> &T {
        self
    }
}

/// What `equal` asks of a field's type.
#[diagnostic::on_unimplemented(
    message = "an `equal` field is compared, and printed if it differs: write `#[derive(PartialEq, Debug)]` on `{Self}`",
    label = "cannot be compared and printed"
)]
pub trait Comparable {
    /// Compares an `equal` field with the staged one.
    ///
    /// # Errors
    /// [`LoadProblem::NotEqual`].
    fn compared(&self, staged: &Self) -> Result<(), LoadError>;
}

#[diagnostic::do_not_recommend]
impl<T: PartialEq + std::fmt::Debug> Comparable for T {
    fn compared(&self, staged: &Self) -> Result<(), LoadError> {
        if self == staged {
            return Ok(());
        }
        let (found, expected) = (format!("{staged:?}"), format!("{self:?}"));
        Err(LoadError::of_value(LoadProblem::NotEqual { found, expected }))
    }
}

/// A type that a list of types can name alone.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has wiring, which bytes alone cannot make: write `{Self} = ..`, one to test with",
    label = "not a plain value"
)]
pub trait Listed {
    /// One to test with.
    fn make() -> Self;
}

#[diagnostic::do_not_recommend]
impl<T: Value> Listed for T {
    fn make() -> Self {
        Self::fresh()
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
