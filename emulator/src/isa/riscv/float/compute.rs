//! The operations as pure functions of register bits, `frm` and `fflags`.

use super::{DYNAMIC, Operation, Precision};
use crate::float::{CanonicalNan, Class, Env, F16, F32, F64, Flags, Format, Rounding, classify};

type Riscv = Env<CanonicalNan>;

/// The canonical NaN of a format, boxed (20.3).
pub(super) const fn canonical_nan(precision: Precision) -> u64 {
    match precision {
        Precision::Half => 0xffff_ffff_ffff_7e00,
        Precision::Single => 0xffff_ffff_7fc0_0000,
        Precision::Double => 0x7ff8_0000_0000_0000,
    }
}

/// A register as an operand of a format: the canonical NaN if it is not boxed.
fn unbox<F: Format>(register: u64) -> F::Bits {
    let boxed = F::WIDTH == 64 || register >> (F::WIDTH & 63) == u64::MAX >> (F::WIDTH & 63);
    F::from_raw(if boxed { register } else { F::INFINITY | F::QUIET })
}

/// A result as a register.
fn rebox<F: Format>(bits: F::Bits) -> u64 {
    if F::WIDTH == 64 { bits.into() } else { bits.into() | u64::MAX << (F::WIDTH & 63) }
}

/// Computes function `function` (see [`super::FloatInstruction::function`]) of register contents.
///
/// `frm` is the mode for functions that round dynamically; what they raise is added to `fflags`.
///
/// # Panics
/// On a number that no instruction has, and on a dynamic mode that does not exist: both are decided
/// before an instruction runs.
#[must_use]
pub fn call(function: u32, values: [u64; 3], frm: u8, fflags: &mut u8) -> u64 {
    let operation = Operation::ALL[(function & 0xff) as usize];
    let field = (function >> 10 & 7) as u8;
    let mode = if field == DYNAMIC { frm } else { field };
    let mut env = Riscv::new(Rounding::ALL[usize::from(mode)], Flags::from_bits_truncate(*fflags));
    let result = match function >> 8 & 3 {
        0 => compute::<F16>(&mut env, operation, values),
        1 => compute::<F32>(&mut env, operation, values),
        _ => compute::<F64>(&mut env, operation, values),
    };
    *fflags = env.flags.bits();
    result
}

#[inline]
fn compute<F: Format>(env: &mut Riscv, operation: Operation, values: [u64; 3]) -> u64 {
    let x = values[0];
    #[expect(clippy::cast_possible_truncation, reason = "the low half is meant")]
    let word = x as u32;
    let [a, b, c] = values.map(unbox::<F>);
    let result = match operation {
        Operation::Add => env.add::<F>(a, b),
        Operation::Sub => env.sub::<F>(a, b),
        Operation::Mul => env.mul::<F>(a, b),
        Operation::Div => env.div::<F>(a, b),
        Operation::Sqrt => env.sqrt::<F>(a),
        Operation::MulAdd => env.fma::<F>(a, b, c),
        Operation::MulSub => env.fma::<F>(a, b, F::negated(c)),
        Operation::NegMulSub => env.fma::<F>(F::negated(a), b, c),
        Operation::NegMulAdd => env.fma::<F>(F::negated(a), b, F::negated(c)),
        Operation::Min => env.minimum_number::<F>(a, b),
        Operation::Max => env.maximum_number::<F>(a, b),
        Operation::FromI32 => env.convert_signed::<F>(i64::from(word.cast_signed())),
        Operation::FromU32 => env.convert_unsigned::<F>(u64::from(word)),
        Operation::FromI64 => env.convert_signed::<F>(x.cast_signed()),
        Operation::FromU64 => env.convert_unsigned::<F>(x),
        Operation::FromHalf => env.convert::<F16, F>(unbox::<F16>(x)),
        Operation::FromSingle => env.convert::<F32, F>(unbox::<F32>(x)),
        Operation::FromDouble => env.convert::<F64, F>(x),
        _ => return to_integer::<F>(env, operation, a, b),
    };
    rebox::<F>(result)
}

/// Operations with a result in an integer register. 32-bit results are sign-extended, unsigned ones
/// too (20.7).
fn to_integer<F: Format>(env: &mut Riscv, operation: Operation, a: F::Bits, b: F::Bits) -> u64 {
    let extend = |value: i32| i64::from(value).cast_unsigned();
    match operation {
        Operation::Equal => u64::from(env.eq::<F>(a, b)),
        Operation::Less => u64::from(env.lt::<F>(a, b)),
        Operation::LessOrEqual => u64::from(env.le::<F>(a, b)),
        Operation::Class => class_mask::<F>(a),
        Operation::ToI32 => extend(env.to_integer::<F, i32>(a)),
        Operation::ToU32 => extend(env.to_integer::<F, u32>(a).cast_signed()),
        Operation::ToI64 => env.to_integer::<F, i64>(a).cast_unsigned(),
        Operation::ToU64 => env.to_integer::<F, u64>(a),
        _ => unreachable!("{operation:?} is written in the emitter"),
    }
}

/// The result of `fclass` (Unprivileged ISA, table "Format of result of FCLASS instruction").
fn class_mask<F: Format>(bits: F::Bits) -> u64 {
    let bit = match (classify::<F>(bits), F::is_negative(bits)) {
        (Class::Infinity, true) => 0,
        (Class::Normal, true) => 1,
        (Class::Subnormal, true) => 2,
        (Class::Zero, true) => 3,
        (Class::Zero, false) => 4,
        (Class::Subnormal, false) => 5,
        (Class::Normal, false) => 6,
        (Class::Infinity, false) => 7,
        (Class::SignallingNan, _) => 8,
        (Class::QuietNan, _) => 9,
    };
    1 << bit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_numbered_as_they_are_listed() {
        for (number, operation) in Operation::ALL.into_iter().enumerate() {
            assert_eq!(operation as usize, number, "{operation:?}");
        }
    }
}
