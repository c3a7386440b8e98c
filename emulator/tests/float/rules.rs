//! Rules other than RISC-V's: what another architecture relies on.

use emulator::float::{
    CanonicalNan, Env, F32, F64, Flags, Format, FusedInvalid, Integer, Rounding, Rules, Tininess,
    Unrepresentable,
};

/// AArch64's choices (Arm ARM, shared/functions/float: `FPProcessNaNs`, `FPMulAdd`, `FPToFixed`).
#[derive(Clone, Copy, Debug)]
struct Payload;

impl Rules for Payload {
    const TININESS: Tininess = Tininess::BeforeRounding;
    const FUSED_INVALID: FusedInvalid = FusedInvalid::InvalidAndDefault;

    fn default_nan<F: Format>() -> F::Bits {
        F::from_raw(F::INFINITY | F::QUIET)
    }

    fn propagate<F: Format>(operands: &[F::Bits]) -> F::Bits {
        let signalling = operands.iter().find(|&&bits| F::is_signalling(bits));
        let first = signalling.or_else(|| operands.iter().find(|&&bits| F::is_nan(bits)));
        F::quieted(*first.expect("one operand is a NaN"))
    }

    fn convert_nan<From: Format, To: Format>(nan: From::Bits) -> To::Bits {
        let sign = if From::is_negative(nan) { To::SIGN } else { 0 };
        let payload = (nan.into() & From::FRACTION) << (64 - From::FRACTION_BITS);
        To::from_raw(sign | To::INFINITY | To::QUIET | payload >> (64 - To::FRACTION_BITS))
    }

    fn unrepresentable<I: Integer>(why: Unrepresentable) -> I {
        match why {
            Unrepresentable::Nan => I::from_magnitude(false, 0).expect("every type has zero"),
            Unrepresentable::TooLarge => I::MAX,
            Unrepresentable::TooSmall => I::MIN,
        }
    }
}

fn env() -> Env<Payload> {
    Env::new(Rounding::NearestEven, Flags::empty())
}

const ONE: u32 = 0x3f80_0000;
const INFINITY: u32 = 0x7f80_0000;
const DEFAULT: u32 = 0x7fc0_0000;

#[test]
fn payloads_propagate_where_the_rules_say_so() {
    for (a, b, result, flags) in [
        (0x7fc0_0012, ONE, 0x7fc0_0012, Flags::empty()),
        (ONE, 0xffc0_0034, 0xffc0_0034, Flags::empty()),
        (0x7fc0_0012, 0x7f80_0034, 0x7fc0_0034, Flags::INVALID),
        (INFINITY, INFINITY ^ 0x8000_0000, DEFAULT, Flags::INVALID),
    ] {
        let mut env = env();
        assert_eq!((env.add::<F32>(a, b), env.flags), (result, flags), "{a:#x} + {b:#x}");
    }
    let narrowed = env().convert::<F64, F32>(0xfff0_0000_4000_0000);
    assert_eq!(narrowed, 0xffc0_0002, "sign and the payload's upper bits stay");
}

#[test]
fn zero_times_infinity_plus_nan_gives_the_default_nan_where_the_rules_say_so() {
    let mut env = env();
    let result = env.fma::<F32>(0, INFINITY, 0x7fc0_0012);
    assert_eq!((result, env.flags), (DEFAULT, Flags::INVALID));
}

#[test]
fn tininess_before_rounding_underflows_on_a_result_that_rounds_up_to_normal() {
    // Just below the smallest normal number, by one part in 2^104.
    let (a, b) = (0x000f_ffff_ffff_fffe, 0x3ff0_0000_0000_0002);
    let smallest_normal = 0x0010_0000_0000_0000;
    let mut before = env();
    let mut after = Env::<CanonicalNan>::new(Rounding::NearestEven, Flags::empty());
    assert_eq!(before.mul::<F64>(a, b), smallest_normal);
    assert_eq!(after.mul::<F64>(a, b), smallest_normal);
    assert_eq!(before.flags, Flags::INEXACT | Flags::UNDERFLOW);
    assert_eq!(after.flags, Flags::INEXACT);
}

#[test]
fn a_nan_converts_to_zero_where_the_rules_say_so() {
    let mut env = env();
    assert_eq!((env.to_integer::<F32, i32>(DEFAULT), env.flags), (0, Flags::INVALID));
}
