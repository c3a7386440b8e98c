//! Floating point on the host, for the interpreter.
//!
//! The same argument as the translator's: with rounding to nearest and *inexact* already raised, a
//! result that is finite and larger than the smallest normal number proves that no other flag was
//! raised; sums need only be finite. Everything else is for the exact functions.

use crate::isa::emit::{HostFloat, HostFormat, HostOperation, HostRounding};

const INEXACT: u8 = 1;
const NEAREST: u8 = 0;
/// The upper half of a register that holds a binary32.
const BOX: u64 = 0xffff_ffff_0000_0000;

/// The result of `host` on register contents, when the host's is certain to be the guest's.
#[inline]
pub(super) fn evaluate(host: HostFloat, frm: u8, fflags: u8, values: [u64; 3]) -> Option<u64> {
    let nearest = match host.rounding {
        HostRounding::Nearest => true,
        HostRounding::Dynamic => frm == NEAREST,
        HostRounding::Other => false,
    };
    if !nearest || fflags & INEXACT == 0 {
        return None;
    }
    match host.operation {
        HostOperation::FromSigned32 | HostOperation::FromSigned64 => {
            Some(from_integer(host, values[0]))
        }
        _ if host.format == HostFormat::Double => {
            doubles(host.operation, values.map(f64::from_bits))
        }
        _ => singles(host.operation, values),
    }
}

fn from_integer(host: HostFloat, value: u64) -> u64 {
    let integer = if host.operation == HostOperation::FromSigned32 {
        i64::from((value as u32).cast_signed())
    } else {
        value.cast_signed()
    };
    match host.format {
        HostFormat::Double => (integer as f64).to_bits(),
        HostFormat::Single => boxed(integer as f32),
    }
}

fn boxed(value: f32) -> u64 {
    BOX | u64::from(value.to_bits())
}

/// An operation within one format; `raw` makes register contents of a result.
macro_rules! within {
    ($float:ident, $raw:expr, $operation:expr, $a:expr, $b:expr) => {{
        let (a, b): ($float, $float) = ($a, $b);
        let finite = |result: $float| result.is_finite().then(|| $raw(result));
        let normal = |result: $float| {
            (result.is_finite() && result.abs() > $float::MIN_POSITIVE).then(|| $raw(result))
        };
        let ordered = |truth: bool| (!a.is_nan() && !b.is_nan()).then_some(u64::from(truth));
        match $operation {
            HostOperation::Add => finite(a + b),
            HostOperation::Sub => finite(a - b),
            HostOperation::Multiply => normal(a * b),
            HostOperation::Divide => normal(a / b),
            HostOperation::SquareRoot => normal(a.sqrt()),
            HostOperation::Equal => ordered(a == b),
            HostOperation::Less => ordered(a < b),
            HostOperation::LessOrEqual => ordered(a <= b),
            HostOperation::ToSigned32 => {
                (a.abs() < 2_147_483_648.0).then(|| i64::from(a as i32).cast_unsigned())
            }
            HostOperation::ToSigned64 => {
                (a.abs() < 9_223_372_036_854_775_808.0).then(|| (a as i64).cast_unsigned())
            }
            // A fused one is a library call on hosts without the instruction.
            _ => None,
        }
    }};
}

fn doubles(operation: HostOperation, [a, b, _]: [f64; 3]) -> Option<u64> {
    if operation == HostOperation::Narrow {
        let result = a as f32;
        return (result.is_finite() && result.abs() > f32::MIN_POSITIVE).then(|| boxed(result));
    }
    within!(f64, f64::to_bits, operation, a, b)
}

fn singles(operation: HostOperation, values: [u64; 3]) -> Option<u64> {
    let two = matches!(
        operation,
        HostOperation::Add
            | HostOperation::Sub
            | HostOperation::Multiply
            | HostOperation::Divide
            | HostOperation::Equal
            | HostOperation::Less
            | HostOperation::LessOrEqual
    );
    if values[0] < BOX || (two && values[1] < BOX) {
        return None;
    }
    let [a, b, _] = values.map(|value| f32::from_bits(value as u32));
    if operation == HostOperation::Widen {
        return Some(f64::from(a)).filter(|result| result.is_finite()).map(f64::to_bits);
    }
    within!(f32, boxed, operation, a, b)
}
