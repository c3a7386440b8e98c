//! The interchange formats and what their bits mean.

use std::fmt::{Debug, LowerHex};

use super::host::{Host, Operation};

/// A binary interchange format of at most 64 bits (IEEE 754-2019, 3.4).
pub trait Format: Copy + Debug + 'static {
    /// An unsigned integer as wide as the format.
    type Bits: Copy + Eq + Debug + LowerHex + Into<u64>;
    /// Width in bits.
    const WIDTH: u32;
    /// Bits of the trailing significand: the precision less one.
    const FRACTION_BITS: u32;

    /// Bits of the biased exponent.
    const EXPONENT_BITS: u32 = Self::WIDTH - 1 - Self::FRACTION_BITS;
    /// The bias, which is the largest exponent of a finite number.
    const BIAS: i32 = (1 << (Self::EXPONENT_BITS - 1)) - 1;
    /// The biased exponent of infinities and NaNs.
    const SPECIAL: i32 = (1 << Self::EXPONENT_BITS) - 1;
    /// The sign bit.
    const SIGN: u64 = 1 << (Self::WIDTH - 1);
    /// Positive infinity; also the mask of the exponent field.
    const INFINITY: u64 = (Self::SPECIAL as u64) << Self::FRACTION_BITS;
    /// The mask of the trailing significand.
    const FRACTION: u64 = (1 << Self::FRACTION_BITS) - 1;
    /// The bit that tells a quiet NaN from a signalling one.
    const QUIET: u64 = 1 << (Self::FRACTION_BITS - 1);
    /// The smallest positive normal number.
    const MIN_NORMAL: u64 = 1 << Self::FRACTION_BITS;

    /// The low bits of `raw`.
    fn from_raw(raw: u64) -> Self::Bits;

    /// The host's result of `operation` to nearest even, where the host has this format.
    fn on_host(operation: Operation<Self::Bits>) -> Option<Self::Bits>;

    /// Whether it is a NaN of either kind.
    #[inline]
    fn is_nan(bits: Self::Bits) -> bool {
        bits.into() & !Self::SIGN > Self::INFINITY
    }

    /// Whether it is a signalling NaN.
    #[inline]
    fn is_signalling(bits: Self::Bits) -> bool {
        Self::is_nan(bits) && bits.into() & Self::QUIET == 0
    }

    /// The NaN made quiet, everything else kept.
    #[inline]
    fn quieted(bits: Self::Bits) -> Self::Bits {
        Self::from_raw(bits.into() | Self::QUIET)
    }

    /// The sign bit, whatever the operand is.
    #[inline]
    fn is_negative(bits: Self::Bits) -> bool {
        bits.into() & Self::SIGN != 0
    }

    /// The operand with its sign bit flipped, NaNs included; raises nothing.
    #[inline]
    fn negated(bits: Self::Bits) -> Self::Bits {
        Self::from_raw(bits.into() ^ Self::SIGN)
    }

    /// Whether no number that rounds to `bits` can have raised anything but *inexact*: strictly
    /// between the smallest normal number and infinity.
    #[inline]
    fn is_plain(bits: Self::Bits) -> bool {
        let magnitude = bits.into() & !Self::SIGN;
        magnitude.wrapping_sub(Self::MIN_NORMAL + 1) < Self::INFINITY - Self::MIN_NORMAL - 1
    }
}

/// binary16, half precision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct F16;

/// binary32, single precision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct F32;

/// binary64, double precision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct F64;

impl Format for F16 {
    type Bits = u16;
    const WIDTH: u32 = 16;
    const FRACTION_BITS: u32 = 10;

    #[inline]
    fn from_raw(raw: u64) -> u16 {
        raw as u16
    }

    #[inline]
    fn on_host(_: Operation<u16>) -> Option<u16> {
        None
    }
}

impl Format for F32 {
    type Bits = u32;
    const WIDTH: u32 = 32;
    const FRACTION_BITS: u32 = 23;

    #[inline]
    fn from_raw(raw: u64) -> u32 {
        raw as u32
    }

    #[inline]
    fn on_host(operation: Operation<u32>) -> Option<u32> {
        Some(operation.map(f32::from_bits).evaluate().to_bits())
    }
}

impl Format for F64 {
    type Bits = u64;
    const WIDTH: u32 = 64;
    const FRACTION_BITS: u32 = 52;

    #[inline]
    fn from_raw(raw: u64) -> u64 {
        raw
    }

    #[inline]
    fn on_host(operation: Operation<u64>) -> Option<u64> {
        Some(operation.map(f64::from_bits).evaluate().to_bits())
    }
}

const _: () = assert!(<f32 as Host>::DIGITS == F32::FRACTION_BITS + 1);
const _: () = assert!(<f64 as Host>::DIGITS == F64::FRACTION_BITS + 1);
