//! What IEEE 754 leaves to the architecture.

use super::{Format, Integer, Unrepresentable};

/// When a result counts as tiny (IEEE 754-2019, 7.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tininess {
    /// The exact result is below the smallest normal number (AArch64, ppc64).
    BeforeRounding,
    /// The result rounded as if the exponent were unbounded is (RISC-V, x86-64).
    AfterRounding,
}

/// What `0 * infinity + NaN` is (7.2 leaves it open for a quiet NaN).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FusedInvalid {
    /// Invalid, and the NaN propagates (RISC-V).
    InvalidAndPropagate,
    /// Invalid, and the default NaN results (AArch64).
    InvalidAndDefault,
    /// The NaN propagates; a quiet one raises nothing (x86-64).
    Propagate,
}

/// The choices of one architecture.
pub trait Rules: Copy {
    /// When *underflow* is raised for an inexact result.
    const TININESS: Tininess;
    /// What `0 * infinity + NaN` is.
    const FUSED_INVALID: FusedInvalid;

    /// The NaN of invalid operations without a NaN operand.
    fn default_nan<F: Format>() -> F::Bits;

    /// The result of an operation on `operands`, in the operation's order, at least one of which is
    /// a NaN.
    fn propagate<F: Format>(operands: &[F::Bits]) -> F::Bits;

    /// A NaN of one format made a NaN of another.
    fn convert_nan<From: Format, To: Format>(nan: From::Bits) -> To::Bits;

    /// The result of converting to an integer what no value of the type represents.
    fn unrepresentable<I: Integer>(why: Unrepresentable) -> I;
}

/// Every NaN result is the canonical quiet NaN; conversions to integers saturate and take a NaN for
/// the largest value. These are RISC-V's rules (Unprivileged ISA, chapters of F and D, sections
/// "NaN Generation and Propagation" and "Single-Precision Floating-Point Conversion and Move Instructions").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CanonicalNan;

impl Rules for CanonicalNan {
    const TININESS: Tininess = Tininess::AfterRounding;
    const FUSED_INVALID: FusedInvalid = FusedInvalid::InvalidAndPropagate;

    #[inline]
    fn default_nan<F: Format>() -> F::Bits {
        F::from_raw(F::INFINITY | F::QUIET)
    }

    #[inline]
    fn propagate<F: Format>(_: &[F::Bits]) -> F::Bits {
        Self::default_nan::<F>()
    }

    #[inline]
    fn convert_nan<From: Format, To: Format>(_: From::Bits) -> To::Bits {
        Self::default_nan::<To>()
    }

    #[inline]
    fn unrepresentable<I: Integer>(why: Unrepresentable) -> I {
        match why {
            Unrepresentable::Nan | Unrepresentable::TooLarge => I::MAX,
            Unrepresentable::TooSmall => I::MIN,
        }
    }
}
