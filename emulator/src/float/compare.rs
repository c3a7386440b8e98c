//! Comparisons, minimum and maximum, classes (IEEE 754-2019, 5.11, 9.6, 5.7.2).

use std::cmp::Ordering;

use super::{
    Env, Flags, Format, Rules,
    number::{Operand, unpack},
};

/// Which NaNs make a comparison invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quietness {
    /// Signalling ones only.
    Quiet,
    /// All.
    Signalling,
}

/// The kind of an operand, its sign apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Zero.
    Zero,
    /// Below the smallest normal number.
    Subnormal,
    /// Any other finite number.
    Normal,
    /// Infinity.
    Infinity,
    /// A quiet NaN.
    QuietNan,
    /// A signalling NaN.
    SignallingNan,
}

/// The class of `bits`; its sign is [`Format::is_negative`]. Raises nothing.
#[must_use]
pub fn classify<F: Format>(bits: F::Bits) -> Class {
    let magnitude = bits.into() & !F::SIGN;
    match unpack::<F>(bits) {
        Operand::Nan if F::is_signalling(bits) => Class::SignallingNan,
        Operand::Nan => Class::QuietNan,
        Operand::Infinity { .. } => Class::Infinity,
        Operand::Zero { .. } => Class::Zero,
        Operand::Finite(_) if magnitude < F::MIN_NORMAL => Class::Subnormal,
        Operand::Finite(_) => Class::Normal,
    }
}

/// A key that orders all numbers as their values, with -0 below +0.
fn total_key<F: Format>(bits: F::Bits) -> i64 {
    let magnitude = (bits.into() & !F::SIGN) as i64;
    if F::is_negative(bits) { !magnitude } else { magnitude }
}

impl<R: Rules> Env<R> {
    /// How `a` stands to `b`; `None` when a NaN makes them unordered.
    pub fn compare<F: Format>(
        &mut self,
        a: F::Bits,
        b: F::Bits,
        quietness: Quietness,
    ) -> Option<Ordering> {
        if F::is_nan(a) || F::is_nan(b) {
            let signalling = F::is_signalling(a) || F::is_signalling(b);
            if signalling || quietness == Quietness::Signalling {
                self.flags |= Flags::INVALID;
            }
            None
        } else if (a.into() | b.into()) & !F::SIGN == 0 {
            Some(Ordering::Equal)
        } else {
            Some(total_key::<F>(a).cmp(&total_key::<F>(b)))
        }
    }

    /// `a == b`, quiet (`compareQuietEqual`).
    pub fn eq<F: Format>(&mut self, a: F::Bits, b: F::Bits) -> bool {
        self.compare::<F>(a, b, Quietness::Quiet) == Some(Ordering::Equal)
    }

    /// `a < b`, signalling (`compareSignalingLess`).
    pub fn lt<F: Format>(&mut self, a: F::Bits, b: F::Bits) -> bool {
        self.compare::<F>(a, b, Quietness::Signalling) == Some(Ordering::Less)
    }

    /// `a <= b`, signalling (`compareSignalingLessEqual`).
    pub fn le<F: Format>(&mut self, a: F::Bits, b: F::Bits) -> bool {
        self.compare::<F>(a, b, Quietness::Signalling).is_some_and(Ordering::is_le)
    }

    /// The lesser of the two (`minimumNumber`, 9.6): a number before a NaN, -0 before +0; a
    /// signalling NaN is invalid whatever the result.
    pub fn minimum_number<F: Format>(&mut self, a: F::Bits, b: F::Bits) -> F::Bits {
        self.pick_number::<F>(a, b, Ordering::Less)
    }

    /// The greater of the two (`maximumNumber`, 9.6): a number before a NaN, +0 before -0; a
    /// signalling NaN is invalid whatever the result.
    pub fn maximum_number<F: Format>(&mut self, a: F::Bits, b: F::Bits) -> F::Bits {
        self.pick_number::<F>(a, b, Ordering::Greater)
    }

    fn pick_number<F: Format>(&mut self, a: F::Bits, b: F::Bits, wanted: Ordering) -> F::Bits {
        if F::is_signalling(a) || F::is_signalling(b) {
            self.flags |= Flags::INVALID;
        }
        match (F::is_nan(a), F::is_nan(b)) {
            (true, true) => R::propagate::<F>(&[a, b]),
            (true, false) => b,
            (false, true) => a,
            (false, false) if total_key::<F>(a).cmp(&total_key::<F>(b)) == wanted => a,
            (false, false) => b,
        }
    }
}
