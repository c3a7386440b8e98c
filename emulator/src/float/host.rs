//! The fast path: host operations where their result provably is the guest's.
//!
//! IEEE 754 defines `+ - * /` and the square root to the bit, so under nearest-even any conforming
//! host gives the same number. What may differ is everything around it: NaN results, flags,
//! tininess. Hence the two conditions of [`Env::fast`]: *inexact* is already raised (so it need not
//! be decided) and the result is strictly between the smallest normal number and infinity (so none
//! of the other flags can have been raised, and no operand was a NaN).
//!
//! `fma` is absent on purpose: without the instruction it is a library call that may be slow or
//! wrong.

use std::ops::{Add, Div, Mul, Sub};

use super::{Env, Flags, Format, Rounding, Rules};

/// An operation that the host may evaluate.
#[derive(Clone, Copy, Debug)]
pub enum Operation<T> {
    /// `a + b`
    Add(T, T),
    /// `a - b`
    Sub(T, T),
    /// `a * b`
    Mul(T, T),
    /// `a / b`
    Div(T, T),
    /// The square root.
    Sqrt(T),
}

impl<T> Operation<T> {
    /// The same operation on other representations of its operands.
    #[inline]
    pub(super) fn map<U>(self, f: impl Fn(T) -> U) -> Operation<U> {
        match self {
            Self::Add(a, b) => Operation::Add(f(a), f(b)),
            Self::Sub(a, b) => Operation::Sub(f(a), f(b)),
            Self::Mul(a, b) => Operation::Mul(f(a), f(b)),
            Self::Div(a, b) => Operation::Div(f(a), f(b)),
            Self::Sqrt(a) => Operation::Sqrt(f(a)),
        }
    }
}

impl<T: Host> Operation<T> {
    #[inline]
    pub(super) fn evaluate(self) -> T {
        match self {
            Self::Add(a, b) => a + b,
            Self::Sub(a, b) => a - b,
            Self::Mul(a, b) => a * b,
            Self::Div(a, b) => a / b,
            Self::Sqrt(a) => a.sqrt(),
        }
    }
}

/// A floating-point type of the host.
pub trait Host:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self>
{
    /// Precision in bits.
    const DIGITS: u32;

    fn sqrt(self) -> Self;
}

impl Host for f32 {
    const DIGITS: u32 = Self::MANTISSA_DIGITS;

    #[inline]
    fn sqrt(self) -> Self {
        self.sqrt()
    }
}

impl Host for f64 {
    const DIGITS: u32 = Self::MANTISSA_DIGITS;

    #[inline]
    fn sqrt(self) -> Self {
        self.sqrt()
    }
}

/// x87 arithmetic rounds twice; every other host that Rust knows conforms.
const CONFORMING: bool = cfg!(not(all(target_arch = "x86", not(target_feature = "sse2"))));

impl<R: Rules> Env<R> {
    /// The result of `operation`, if the host's is certain to be right.
    #[inline]
    pub(super) fn fast<F: Format>(&self, operation: Operation<F::Bits>) -> Option<F::Bits> {
        if CONFORMING
            && self.rounding == Rounding::NearestEven
            && self.flags.contains(Flags::INEXACT)
        {
            F::on_host(operation).filter(|&result| F::is_plain(result))
        } else {
            None
        }
    }
}
