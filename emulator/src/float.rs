//! IEEE 754-2019 arithmetic with exact results and exact flags, the same on every host.
//!
//! Problem: a guest sees every bit of a floating-point result and of the accumulated exception
//! flags, in every rounding mode; a host gives neither portably (NaN payloads, tininess, its own
//! flags register, `fma` as a library call).
//!
//! Strategy: integer arithmetic on unpacked numbers decides everything (`Number` to
//! [`Env::add`] and so on, one rounding function for all formats). Where the outcome provably
//! equals the host's, the host operation is used instead (see `host`): to nearest even, with
//! *inexact* already raised, any result strictly between the smallest normal number and infinity
//! raises nothing new. That is the state of nearly every running program, and the property a
//! translator relies on for inline code.
//!
//! What architectures disagree on is a type, [`Rules`]: NaN propagation, tininess, conversions of
//! what does not fit. A guest architecture implements it once.
//!
//! Invariants: no operation panics for any operands; flags are only ever added; equal operands,
//! mode and flags give equal results on every host.
//!
//! Deliberately absent: formats wider than 64 bits, decimal formats, flush-to-zero and traps
//! (an architecture with trapping exceptions looks at the flags afterwards), and `remainder`.
//!
//! Why not a library: `rustc_apfloat` has neither square root nor minimumNumber's flags, decides
//! tininess in one way only and is 2 to 15 times slower (it works on limb arrays); SoftFloat is C
//! with global state. SoftFloat is the oracle of the tests instead.
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "fields of at most 64 bits are taken apart and put together; the tests check each bit"
)]

mod arithmetic;
mod compare;
mod convert;
mod format;
mod fused;
mod host;
mod number;
mod rules;

use std::marker::PhantomData;

pub use compare::{Class, Quietness, classify};
pub use convert::{Integer, Unrepresentable};
pub use format::{F16, F32, F64, Format};
pub use rules::{CanonicalNan, FusedInvalid, Rules, Tininess};

/// How a result that no number of the format equals is rounded (IEEE 754-2019, 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rounding {
    /// To the nearest, ties to the even significand.
    NearestEven,
    /// Towards zero.
    TowardZero,
    /// Towards minus infinity.
    Down,
    /// Towards plus infinity.
    Up,
    /// To the nearest, ties away from zero.
    NearestAway,
}

impl Rounding {
    /// All modes.
    pub const ALL: [Self; 5] =
        [Self::NearestEven, Self::TowardZero, Self::Down, Self::Up, Self::NearestAway];
}

bitflags::bitflags! {
    /// Exceptions that were raised (IEEE 754-2019, 7). The bit order is RISC-V's `fflags`; other
    /// architectures map them by name.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct Flags: u8 {
        /// The result is rounded.
        const INEXACT = 1;
        /// The result is tiny and inexact.
        const UNDERFLOW = 1 << 1;
        /// The rounded result is beyond the largest finite number.
        const OVERFLOW = 1 << 2;
        /// An exact infinity from finite operands.
        const DIVIDE_BY_ZERO = 1 << 3;
        /// No useful result exists.
        const INVALID = 1 << 4;
    }
}

/// The environment of a run of operations: mode and flags, under the rules of one architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Env<R> {
    /// The mode of every operation that rounds.
    pub rounding: Rounding,
    /// Flags so far. Start from the guest's flags: with `INEXACT` raised, most operations take
    /// the fast path.
    pub flags: Flags,
    rules: PhantomData<R>,
}

impl<R: Rules> Env<R> {
    /// An environment with the guest's rounding mode and flags.
    #[must_use]
    pub const fn new(rounding: Rounding, flags: Flags) -> Self {
        Self { rounding, flags, rules: PhantomData }
    }

    /// Raises `INVALID` and gives the default NaN.
    fn invalid<F: Format>(&mut self) -> F::Bits {
        self.flags |= Flags::INVALID;
        R::default_nan::<F>()
    }

    /// The result of an operation with at least one NaN among its operands.
    fn propagate<F: Format>(&mut self, operands: &[F::Bits]) -> F::Bits {
        if operands.iter().any(|&bits| F::is_signalling(bits)) {
            self.flags |= Flags::INVALID;
        }
        R::propagate::<F>(operands)
    }

    /// The sign of an exact zero sum of numbers with different signs (6.3).
    fn cancelled_sign(&self) -> bool {
        self.rounding == Rounding::Down
    }
}
