//! What may stand in a state field, and how each kind is encoded, decoded, exchanged and reset.
//!
//! Problem: decoding must not touch the live object, yet live objects hold wiring that no
//! file can rebuild, so "decode a new object and assign it" is not possible for all of them.
//!
//! Strategy: [`Field::load`] yields [`Field::Staged`]: for plain values (see [`Value`]) that is the
//! value itself, for a struct with wiring a tuple of its state fields. [`Field::swap`] exchanges staged
//! and live state; wiring and caches never move. The derive writes straight positional code over
//! these methods; no schema is walked when writer and reader have the same shape.
//!
//! Bounds: containers that grow are fields only under a type-level list of maxima, which the derive
//! builds from `max_len`: `Vec<T>: Field<Max<64>>`. So an unbounded container does not compile.

mod collections;
pub mod flags;
mod scalars;

pub use flags::FlagBits;

use crate::define::{KindDef, TypeDef};
use crate::error::{LoadError, LoadProblem, SaveError};
use crate::wire::Reader;

/// No maximum given: what scalars, arrays and deriving types need.
#[derive(Clone, Copy, Debug)]
pub struct Unbounded;

/// At most `N` elements in this container; `Inner` for containers inside it.
#[derive(Clone, Copy, Debug)]
pub struct Max<const N: u64, Inner = Unbounded>(std::marker::PhantomData<Inner>);

/// A type that can be a state field under the maxima `B`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a state field as it stands",
    label = "not state",
    note = "a deriving type works: `#[derive(VmState)]` on `{Self}`; a type of the crate `bitflags` says `vmstate::bitflags_fields!(..)` once",
    note = "a container that grows (`Vec`, `VecDeque`, `String`, `BTreeMap`, `BTreeSet`) needs `#[vmstate(max_len = N)]` on the field",
    note = "what is no state is left out with `#[vmstate(skip(\"why\"))]` or recomputed with `#[vmstate(cache(rebuild = path))]`"
)]
pub trait Field<B = Unbounded>: Sized {
    /// Decoded, not yet in place.
    type Staged: 'static;

    /// What schemas say of it.
    const KIND: KindDef;

    /// Whether a value may occupy no bytes at all.
    const MAY_BE_EMPTY: bool = false;

    /// Appends the encoded value.
    ///
    /// # Errors
    /// A container beyond its maximum, an unnamed flag, a refusing `pre_save`.
    fn save(&self, out: &mut Vec<u8>) -> Result<(), SaveError>;

    /// Decodes a value.
    ///
    /// # Errors
    /// Whatever is not the one encoding of a valid value.
    fn load(reader: &mut Reader<'_>) -> Result<Self::Staged, LoadError>;

    /// Exchanges live and staged state.
    fn swap(&mut self, staged: &mut Self::Staged);

    /// The default, staged.
    fn fresh() -> Self::Staged;

    /// Appends the encoded default.
    ///
    /// # Errors
    /// As [`save`](Self::save): a default that its own field cannot hold.
    fn save_fresh(out: &mut Vec<u8>) -> Result<(), SaveError>;

    /// Sets the state to its defaults; wiring and configuration stay.
    fn reset(&mut self);

    /// Compares `equal` fields with the staged ones.
    ///
    /// # Errors
    /// [`LoadProblem::NotEqual`].
    fn check(&self, staged: &Self::Staged) -> Result<(), LoadError> {
        let _ = staged;
        Ok(())
    }

    /// Gives the staged value this one's `equal` fields, so that [`check`](Self::check) would find
    /// no difference; all of them, also if it then refuses.
    ///
    /// # Errors
    /// [`LoadProblem::Presence`]: under the other configuration a `when` says otherwise.
    fn adopt(&self, staged: &mut Self::Staged) -> Result<(), LoadError> {
        let _ = staged;
        Ok(())
    }

    /// Compares the `when` conditions, now that the state is in place, with what `staged` (which holds
    /// what was live, and still the file's markers) says was there. A plain value has compared
    /// its own when it was decoded. Rebuilds caches that a condition might read.
    ///
    /// # Errors
    /// [`LoadProblem::Presence`].
    fn agree(&mut self, staged: &Self::Staged) -> Result<(), LoadError> {
        let _ = staged;
        Ok(())
    }

    /// Rebuilds caches and runs `post_load`, innermost first.
    ///
    /// # Errors
    /// A refusing `post_load`.
    fn finish(&mut self) -> Result<(), LoadError> {
        Ok(())
    }

    /// Rebuilds caches.
    fn rebuild(&mut self) {}

    /// As [`load`](Self::load), into the heap: an array that is boxed because no stack holds it is never
    /// on one.
    ///
    /// # Errors
    /// As [`load`](Self::load), and [`LoadProblem::OutOfMemory`].
    fn load_boxed(reader: &mut Reader<'_>) -> Result<Box<Self::Staged>, LoadError> {
        Self::load(reader).map(Box::new)
    }

    /// As [`fresh`](Self::fresh), in the heap.
    fn fresh_boxed() -> Box<Self::Staged> {
        Box::new(Self::fresh())
    }

    /// Appends many values; bytes at the speed of a copy.
    ///
    /// # Errors
    /// As [`save`](Self::save).
    fn save_slice(items: &[Self], out: &mut Vec<u8>) -> Result<(), SaveError> {
        for (index, item) in items.iter().enumerate() {
            item.save(out).map_err(|e| e.within_element(index))?;
        }
        Ok(())
    }

    /// Decodes a fixed count of values.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    fn load_array<const N: usize>(reader: &mut Reader<'_>) -> Result<[Self::Staged; N], LoadError> {
        let mut failure = None;
        let items = std::array::from_fn(|index| {
            if failure.is_none() {
                match Self::load(reader) {
                    Ok(item) => return item,
                    Err(error) => failure = Some(error.within_element(index)),
                }
            }
            Self::fresh()
        });
        match failure {
            None => Ok(items),
            Some(error) => Err(error),
        }
    }

    /// Decodes `count` values, already bounded by the maximum.
    ///
    /// # Errors
    /// As [`load`](Self::load), and [`LoadProblem::OutOfMemory`].
    fn load_vec(reader: &mut Reader<'_>, count: usize) -> Result<Vec<Self::Staged>, LoadError> {
        let mut items = Vec::new();
        reserve(&mut items, count, reader)?;
        for index in 0..count {
            items.push(Self::load(reader).map_err(|e| e.within_element(index))?);
        }
        Ok(items)
    }
}

/// A field that is nothing but its bytes: it can be made from them, so containers may hold it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be rebuilt from its bytes alone",
    label = "not a plain value",
    note = "it is no deriving type, or it has `skip`, `cache` or `wired` fields: then it cannot stand in a container, and the struct that holds it says `#[vmstate(wired)]`",
    note = "a container that grows needs `#[vmstate(max_len = N)]`"
)]
pub trait Value<B = Unbounded>: Field<B, Staged = Self> + 'static {}

/// A type with `#[derive(VmState)]`.
pub trait VmState: Field {
    /// Its definition, in all versions.
    const DEF: TypeDef;

    /// Hash of the newest shape.
    const HASH: u128 = Self::DEF.hash_in(Self::DEF.version);
}

/// Encodes one value.
///
/// # Errors
/// As [`Field::save`].
pub fn encode<T: Field<B>, B>(value: &T) -> Result<Vec<u8>, SaveError> {
    let mut out = Vec::new();
    value.save(&mut out)?;
    Ok(out)
}

/// The default of a deriving type.
#[must_use]
pub fn fresh<T: Value>() -> T {
    T::fresh()
}

/// Encodes a default, for a definition.
#[must_use]
pub fn default_bytes<T: Field<B>, B>() -> Option<Vec<u8>> {
    let mut out = Vec::new();
    T::save_fresh(&mut out).ok().map(|()| out)
}

/// Leads one encoded value through an author's conversion.
///
/// # Errors
/// What the conversion said, or that the bytes are no value.
pub fn convert<From, FromB, To, ToB, E: std::fmt::Display>(
    bytes: &[u8],
    through: impl FnOnce(From) -> Result<To, E>,
) -> Result<Vec<u8>, String>
where
    From: Value<FromB>,
    To: Value<ToB>,
{
    let mut reader = Reader::resolved(bytes);
    let from = From::load(&mut reader).map_err(|error| error.to_string())?;
    reader.finish().map_err(|error| error.to_string())?;
    let to = through(from).map_err(|error| error.to_string())?;
    encode::<To, ToB>(&to).map_err(|error| error.to_string())
}

/// Turns an author's refusal into ours.
///
/// # Errors
/// [`LoadProblem::Invalid`].
pub fn validated<E: std::fmt::Display>(verdict: Result<(), E>) -> Result<(), LoadError> {
    verdict.map_err(|error| LoadError::of_value(LoadProblem::Invalid { reason: error.to_string() }))
}

fn reserve<T>(items: &mut Vec<T>, count: usize, reader: &Reader<'_>) -> Result<(), LoadError> {
    items.try_reserve_exact(count).map_err(|_| {
        reader.error(LoadProblem::OutOfMemory { bytes: count.saturating_mul(size_of::<T>()) })
    })
}
