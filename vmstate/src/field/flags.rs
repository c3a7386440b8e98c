//! Integers whose bits have names.
//!
//! On the wire they are integers; the writer's schema names the bits, so a build in which a name has
//! another bit moves it (see [`crate::resolve`]). A bit without a name has no meaning that could
//! be kept, so it is refused at save and load alike.

use super::Value;
use crate::error::{LoadError, LoadProblem, SaveError, SaveProblem};
use crate::wire::Reader;

/// An unsigned integer that can hold flags.
pub trait FlagBits: Value + Copy {
    /// Its width in bits.
    const BITS: u32;

    /// Zero-extended.
    fn to_u64(self) -> u64;
}

macro_rules! flag_bits {
    ($($type:ty),+) => {$(
        impl FlagBits for $type {
            const BITS: u32 = <$type>::BITS;

            fn to_u64(self) -> u64 {
                u64::from(self)
            }
        }
    )+};
}

flag_bits!(u8, u16, u32, u64);

/// The mask of all named bits.
///
/// # Panics
/// In constants, if a bit is outside the integer or named twice.
#[must_use]
pub const fn mask(width: u32, names: &[(&str, u32)]) -> u64 {
    let mut mask = 0;
    let mut index = 0;
    while index < names.len() {
        let bit = names[index].1;
        assert!(bit < width, "a flag's bit lies outside its integer");
        assert!(mask & (1 << bit) == 0, "two flags share a bit");
        mask |= 1 << bit;
        index += 1;
    }
    mask
}

/// Appends a flags field.
///
/// # Errors
/// [`SaveProblem::UnnamedFlag`].
#[inline]
pub fn save<T: FlagBits>(value: T, mask: u64, out: &mut Vec<u8>) -> Result<(), SaveError> {
    let unnamed = value.to_u64() & !mask;
    if unnamed != 0 {
        return Err(SaveError::new(SaveProblem::UnnamedFlag { bit: unnamed.trailing_zeros() }));
    }
    value.save(out)
}

/// Decodes a flags field.
///
/// # Errors
/// [`LoadProblem::UnknownFlag`] and those of the integer.
#[inline]
pub fn load<T: FlagBits>(mask: u64, reader: &mut Reader<'_>) -> Result<T, LoadError> {
    let value = T::load(reader)?;
    let unnamed = value.to_u64() & !mask;
    if unnamed != 0 {
        let flag = format!("bit {}", unnamed.trailing_zeros());
        return Err(reader.error(LoadProblem::UnknownFlag { flag }));
    }
    Ok(value)
}

/// Moves the bits of one encoded value by their names.
///
/// # Errors
/// A set flag that `to` has no name for.
pub fn moved<T: FlagBits>(
    bytes: &[u8],
    from: &[(&str, u32)],
    to: &[(&str, u32)],
) -> Result<Vec<u8>, String> {
    let mut reader = Reader::new(bytes);
    let value = load::<T>(mask(T::BITS, from), &mut reader).map_err(|error| error.to_string())?;
    let value = value.to_u64();
    let mut moved = 0_u64;
    for (name, bit) in from.iter().filter(|(_, bit)| value >> bit & 1 == 1) {
        match to.iter().find(|(other, _)| other == name) {
            Some((_, bit)) => moved |= 1 << bit,
            None => return Err(format!("flag `{name}` (bit {bit}) has no place")),
        }
    }
    let mut out = Vec::new();
    if T::BITS == 8 {
        out.push(moved.to_le_bytes()[0]);
    } else {
        crate::wire::put_varint(&mut out, moved);
    }
    Ok(out)
}

/// Makes `bitflags` types state fields, saved by the names of their flags.
///
/// Flags of several bits are combinations and have no name of their own in the file.
///
/// ```
/// use vmstate::VmState;
///
/// bitflags::bitflags! {
///     #[derive(Clone, Copy)]
///     struct LineStatus: u8 {
///         const DATA_READY = 1 << 0;
///         const OVERRUN = 1 << 1;
///     }
/// }
/// vmstate::bitflags_fields!(LineStatus: u8);
///
/// #[derive(VmState)]
/// #[vmstate(version = 1)]
/// struct Uart {
///     #[vmstate(default = LineStatus::empty())]
///     lsr: LineStatus,
/// }
/// # assert!(vmstate::fresh::<Uart>().lsr.is_empty());
/// ```
#[macro_export]
macro_rules! bitflags_fields {
    ($($type:ident : $bits:ty),+ $(,)?) => {$(
        const _: () = {
            const ALL: &[$crate::__private::Flag<$type>] =
                <$type as $crate::__private::Flags>::FLAGS;

            const fn count() -> usize {
                let (mut index, mut count) = (0, 0);
                while index < ALL.len() {
                    count += ALL[index].value().bits().is_power_of_two() as usize;
                    index += 1;
                }
                count
            }

            const NAMES: [(&str, u32); count()] = {
                let mut names = [("", 0); count()];
                let (mut bit, mut filled) = (0, 0);
                while bit < <$bits>::BITS {
                    let mut index = 0;
                    while index < ALL.len() {
                        if ALL[index].value().bits() == 1 << bit {
                            names[filled] = (ALL[index].name(), bit);
                            filled += 1;
                        }
                        index += 1;
                    }
                    bit += 1;
                }
                names
            };
            const MASK: u64 = $crate::field::flags::mask(<$bits>::BITS, &NAMES);

            impl<B> $crate::Field<B> for $type {
                type Staged = Self;
                const KIND: $crate::define::KindDef =
                    $crate::define::KindDef::Flags(<$bits>::BITS, &NAMES);

                fn save(
                    &self,
                    out: &mut $crate::__private::Vec<u8>,
                ) -> ::core::result::Result<(), $crate::error::SaveError> {
                    $crate::field::flags::save::<$bits>(self.bits(), MASK, out)
                }

                fn load(
                    reader: &mut $crate::wire::Reader<'_>,
                ) -> ::core::result::Result<Self, $crate::error::LoadError> {
                    let bits = $crate::field::flags::load::<$bits>(MASK, reader)?;
                    ::core::result::Result::Ok(<$type>::from_bits_retain(bits))
                }

                fn swap(&mut self, staged: &mut Self) {
                    ::core::mem::swap(self, staged);
                }

                fn fresh() -> Self {
                    <$type>::from_bits_retain(0)
                }

                fn save_fresh(
                    out: &mut $crate::__private::Vec<u8>,
                ) -> ::core::result::Result<(), $crate::error::SaveError> {
                    out.push(0);
                    ::core::result::Result::Ok(())
                }

                fn reset(&mut self) {
                    *self = <$type>::from_bits_retain(0);
                }
            }

            impl<B> $crate::Value<B> for $type {}
        };
    )+};
}
