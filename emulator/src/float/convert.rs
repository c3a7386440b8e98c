//! Conversions between formats and with integers (IEEE 754-2019, 5.4.2, 5.8, 5.9).

use std::fmt::Debug;

use super::{
    Env, Flags, Format, Rounding, Rules,
    number::{Number, Operand, infinity, rounds_away, shift_right_sticky, unpack, zero},
};

/// An integer type that a number converts to.
pub trait Integer: Copy + Eq + Debug {
    /// The least value.
    const MIN: Self;
    /// The greatest value.
    const MAX: Self;

    /// The value with this sign and magnitude, if the type has it.
    fn from_magnitude(negative: bool, magnitude: u64) -> Option<Self>;
}

macro_rules! integer {
    ($($type:ty),*) => {
        $(impl Integer for $type {
            const MIN: Self = <$type>::MIN;
            const MAX: Self = <$type>::MAX;

            #[inline]
            fn from_magnitude(negative: bool, magnitude: u64) -> Option<Self> {
                let value = i128::from(magnitude);
                Self::try_from(if negative { -value } else { value }).ok()
            }
        })*
    };
}

integer!(i32, u32, i64, u64);

/// Why a conversion to an integer has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unrepresentable {
    /// The operand is a NaN.
    Nan,
    /// Its rounded value is above the greatest, or plus infinity.
    TooLarge,
    /// Its rounded value is below the least, or minus infinity.
    TooSmall,
}

/// Whether the magnitude of a rounded number fits into 64 bits, and whether rounding lost anything.
struct Integral {
    magnitude: Option<u64>,
    inexact: bool,
}

/// Rounds a number to an integer.
fn to_integral(number: Number, rounding: Rounding) -> Integral {
    if number.exponent >= 64 {
        return Integral { magnitude: None, inexact: false };
    }
    // Fixed point: integer in the upper half, fraction in the lower, whose low end is sticky.
    let shift = number.exponent.abs_diff(63);
    let (integer, fraction) = match shift {
        0 => (number.significand, 0),
        1..64 => (number.significand >> shift, number.significand << (64 - shift)),
        _ => (0, shift_right_sticky(number.significand, shift - 64)),
    };
    let odd = integer & 1 != 0;
    let away = rounds_away(rounding, number.negative, odd, fraction, 1 << 63);
    Integral { magnitude: integer.checked_add(u64::from(away)), inexact: fraction != 0 }
}

impl<R: Rules> Env<R> {
    /// The number of one format in another, rounded where it is narrower.
    pub fn convert<From: Format, To: Format>(&mut self, bits: From::Bits) -> To::Bits {
        match unpack::<From>(bits) {
            Operand::Zero { negative } => zero::<To>(negative),
            Operand::Infinity { negative } => infinity::<To>(negative),
            Operand::Finite(number) => self.round::<To>(number),
            Operand::Nan => {
                if From::is_signalling(bits) {
                    self.flags |= Flags::INVALID;
                }
                R::convert_nan::<From, To>(bits)
            }
        }
    }

    /// A signed integer (narrower ones sign-extended) as a number.
    pub fn convert_signed<F: Format>(&mut self, value: i64) -> F::Bits {
        self.integer::<F>(value < 0, value.unsigned_abs())
    }

    /// An unsigned integer (narrower ones zero-extended) as a number.
    pub fn convert_unsigned<F: Format>(&mut self, value: u64) -> F::Bits {
        self.integer::<F>(false, value)
    }

    fn integer<F: Format>(&mut self, negative: bool, magnitude: u64) -> F::Bits {
        if magnitude == 0 {
            return zero::<F>(false);
        }
        let shift = magnitude.leading_zeros();
        let exponent = 63 - shift as i32;
        self.round::<F>(Number { negative, exponent, significand: magnitude << shift })
    }

    /// The number rounded to an integer. What the type does not represent is invalid (and not
    /// inexact); [`Rules::unrepresentable`] says what results.
    pub fn to_integer<F: Format, I: Integer>(&mut self, bits: F::Bits) -> I {
        let unrepresentable = match unpack::<F>(bits) {
            Operand::Nan => Unrepresentable::Nan,
            Operand::Infinity { negative: true } => Unrepresentable::TooSmall,
            Operand::Infinity { negative: false } => Unrepresentable::TooLarge,
            Operand::Zero { .. } => match I::from_magnitude(false, 0) {
                Some(zero) => return zero,
                None => Unrepresentable::TooSmall,
            },
            Operand::Finite(number) => {
                let integral = to_integral(number, self.rounding);
                let value = integral
                    .magnitude
                    .and_then(|magnitude| I::from_magnitude(number.negative, magnitude));
                match value {
                    Some(value) => {
                        if integral.inexact {
                            self.flags |= Flags::INEXACT;
                        }
                        return value;
                    }
                    None if number.negative => Unrepresentable::TooSmall,
                    None => Unrepresentable::TooLarge,
                }
            }
        };
        self.flags |= Flags::INVALID;
        R::unrepresentable(unrepresentable)
    }

    /// The number rounded to an integral one of the same format. *Inexact* is raised only with
    /// `exact` (`roundToIntegralExact`).
    pub fn round_to_integral<F: Format>(&mut self, bits: F::Bits, exact: bool) -> F::Bits {
        let number = match unpack::<F>(bits) {
            Operand::Nan => return self.propagate::<F>(&[bits]),
            Operand::Zero { .. } | Operand::Infinity { .. } => return bits,
            Operand::Finite(number) => number,
        };
        if number.exponent >= F::FRACTION_BITS as i32 {
            return bits;
        }
        let integral = to_integral(number, self.rounding);
        if integral.inexact && exact {
            self.flags |= Flags::INEXACT;
        }
        match integral.magnitude {
            None | Some(0) => zero::<F>(number.negative),
            Some(magnitude) => self.integer::<F>(number.negative, magnitude),
        }
    }
}
