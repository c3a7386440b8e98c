//! Unpacked numbers and the one place that rounds.

use super::{Env, Flags, Format, Rounding, Rules, Tininess};

/// A finite number other than zero: `significand / 2^63 * 2^exponent`, with bit 63 set.
///
/// Bit 0 of a result about to be rounded is *sticky*: it stands for anything not zero below it. The
/// widest format leaves 11 bits under its precision, so that never changes a rounding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Number {
    pub(super) negative: bool,
    pub(super) exponent: i32,
    pub(super) significand: u64,
}

/// An operand, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operand {
    Zero { negative: bool },
    Finite(Number),
    Infinity { negative: bool },
    Nan,
}

/// Takes an operand apart.
#[inline]
pub(super) fn unpack<F: Format>(bits: F::Bits) -> Operand {
    let raw: u64 = bits.into();
    let negative = raw & F::SIGN != 0;
    let fraction = raw & F::FRACTION;
    let biased = ((raw & F::INFINITY) >> F::FRACTION_BITS) as i32;
    let top = 63 - F::FRACTION_BITS;
    if biased == F::SPECIAL {
        if fraction == 0 { Operand::Infinity { negative } } else { Operand::Nan }
    } else if biased != 0 {
        let significand = (F::MIN_NORMAL | fraction) << top;
        Operand::Finite(Number { negative, exponent: biased - F::BIAS, significand })
    } else if fraction != 0 {
        let shift = fraction.leading_zeros();
        let exponent = 1 - F::BIAS - (shift - top) as i32;
        Operand::Finite(Number { negative, exponent, significand: fraction << shift })
    } else {
        Operand::Zero { negative }
    }
}

/// A signed zero.
#[inline]
pub(super) fn zero<F: Format>(negative: bool) -> F::Bits {
    F::from_raw(if negative { F::SIGN } else { 0 })
}

/// A signed infinity.
#[inline]
pub(super) fn infinity<F: Format>(negative: bool) -> F::Bits {
    F::from_raw(if negative { F::SIGN | F::INFINITY } else { F::INFINITY })
}

/// `value >> shift`, with every bit lost gathered in bit 0.
#[inline]
pub(super) fn shift_right_sticky(value: u64, shift: u32) -> u64 {
    match shift {
        0 => value,
        1..64 => value >> shift | u64::from(value << (64 - shift) != 0),
        _ => u64::from(value != 0),
    }
}

/// `value >> shift`, with every bit lost gathered in bit 0.
#[inline]
pub(super) fn shift_right_sticky_wide(value: u128, shift: u32) -> u128 {
    match shift {
        0 => value,
        1..128 => value >> shift | u128::from(value << (128 - shift) != 0),
        _ => u128::from(value != 0),
    }
}

/// Whether a magnitude grows when the bits `lost` below its last one, of which `half` is the
/// highest, are dropped.
#[inline]
pub(super) fn rounds_away(
    rounding: Rounding,
    negative: bool,
    odd: bool,
    lost: u64,
    half: u64,
) -> bool {
    match rounding {
        Rounding::NearestEven => lost > half || (lost == half && odd),
        Rounding::NearestAway => lost >= half,
        Rounding::TowardZero => false,
        Rounding::Down => negative && lost != 0,
        Rounding::Up => !negative && lost != 0,
    }
}

impl<R: Rules> Env<R> {
    /// Rounds `number` to the format and raises what that raises.
    pub(super) fn round<F: Format>(&mut self, number: Number) -> F::Bits {
        let biased = number.exponent + F::BIAS;
        if biased >= F::SPECIAL {
            return self.overflow::<F>(number.negative);
        }
        let drop = 63 - F::FRACTION_BITS;
        let (half, mask) = (1 << (drop - 1), (1 << drop) - 1);
        let away = |significand: u64| {
            let odd = significand >> drop & 1 != 0;
            rounds_away(self.rounding, number.negative, odd, significand & mask, half)
        };
        let sign = if number.negative { F::SIGN } else { 0 };
        if biased <= 0 {
            let significand = shift_right_sticky(number.significand, biased.abs_diff(1));
            // With an unbounded exponent only a carry out of all bits reaches the smallest normal.
            let reaches_normal =
                biased == 0 && number.significand >= !mask && away(number.significand);
            let tiny = R::TININESS == Tininess::BeforeRounding || !reaches_normal;
            let magnitude = (significand >> drop) + u64::from(away(significand));
            if significand & mask != 0 {
                self.flags |= Flags::INEXACT;
                if tiny {
                    self.flags |= Flags::UNDERFLOW;
                }
            }
            return F::from_raw(sign | magnitude);
        }
        // The leading bit of the significand adds one to the exponent field, and so does a carry.
        let magnitude = (((biased - 1) as u64) << F::FRACTION_BITS)
            + (number.significand >> drop)
            + u64::from(away(number.significand));
        if magnitude == F::INFINITY {
            self.flags |= Flags::OVERFLOW | Flags::INEXACT;
        } else if number.significand & mask != 0 {
            self.flags |= Flags::INEXACT;
        }
        F::from_raw(sign | magnitude)
    }

    /// The result of an overflow (IEEE 754-2019, 7.4).
    #[cold]
    fn overflow<F: Format>(&mut self, negative: bool) -> F::Bits {
        self.flags |= Flags::OVERFLOW | Flags::INEXACT;
        let to_infinity = rounds_away(self.rounding, negative, true, 1, 1);
        let magnitude = F::INFINITY - u64::from(!to_infinity);
        F::from_raw(if negative { F::SIGN | magnitude } else { magnitude })
    }

    /// Normalises a sum or product with more bits than fit, `wide / 2^127 * 2^exponent`, and rounds
    /// it. `wide` is not zero.
    #[inline]
    pub(super) fn round_wide<F: Format>(
        &mut self,
        negative: bool,
        exponent: i32,
        wide: u128,
    ) -> F::Bits {
        let shift = wide.leading_zeros();
        let wide = wide << shift;
        let significand = (wide >> 64) as u64 | u64::from(wide as u64 != 0);
        self.round::<F>(Number { negative, exponent: exponent - shift as i32, significand })
    }
}
