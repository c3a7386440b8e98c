//! SoftFloat behind one trait, operands as raw bits.

use emulator::float::{F16, F32, F64, Flags, Format, Rounding};
use softfloat_sys as sf;

/// A result with the flags that it raised.
pub(crate) struct Verdict<T> {
    pub(crate) value: T,
    pub(crate) flags: Flags,
}

/// SoftFloat's number of a rounding mode, which is RISC-V's.
fn mode(rounding: Rounding) -> u8 {
    match rounding {
        Rounding::NearestEven => sf::softfloat_round_near_even,
        Rounding::TowardZero => sf::softfloat_round_minMag,
        Rounding::Down => sf::softfloat_round_min,
        Rounding::Up => sf::softfloat_round_max,
        Rounding::NearestAway => sf::softfloat_round_near_maxMag,
    }
}

/// The mode that [`with_oracle`] has set.
fn current_mode() -> u8 {
    // SAFETY: reads a thread-local byte.
    unsafe { sf::softfloat_roundingMode_read_helper() }
}

/// Runs `operation` in SoftFloat with a clean set of flags.
pub(crate) fn with_oracle<T>(rounding: Rounding, operation: impl Fn() -> T) -> Verdict<T> {
    // SAFETY: writes a thread-local byte.
    unsafe { sf::softfloat_roundingMode_write_helper(mode(rounding)) };
    // SAFETY: as above.
    unsafe { sf::softfloat_exceptionFlags_write_helper(0) };
    let value = operation();
    // SAFETY: reads a thread-local byte.
    let raw = unsafe { sf::softfloat_exceptionFlags_read_helper() };
    // SoftFloat numbers the flags as RISC-V does.
    Verdict { value, flags: Flags::from_bits(raw).expect("five flags") }
}

/// What SoftFloat does for one format.
pub(crate) trait Oracle: Format {
    const NAME: &'static str;
    fn add(a: u64, b: u64) -> u64;
    fn sub(a: u64, b: u64) -> u64;
    fn mul(a: u64, b: u64) -> u64;
    fn div(a: u64, b: u64) -> u64;
    fn fma(a: u64, b: u64, c: u64) -> u64;
    fn sqrt(a: u64) -> u64;
    fn round_to_integral(a: u64, exact: bool) -> u64;
    fn eq(a: u64, b: u64) -> bool;
    fn lt(a: u64, b: u64) -> bool;
    fn le(a: u64, b: u64) -> bool;
    fn lt_quiet(a: u64, b: u64) -> bool;
    fn to_f16(a: u64) -> u16;
    fn to_f32(a: u64) -> u32;
    fn to_f64(a: u64) -> u64;
    fn to_i32(a: u64) -> i32;
    fn to_u32(a: u64) -> u32;
    fn to_i64(a: u64) -> i64;
    fn to_u64(a: u64) -> u64;
    fn from_i64(a: i64) -> u64;
    fn from_u64(a: u64) -> u64;

    /// The lesser of the two as the RISC-V manual defines it (12.5): SoftFloat has no such
    /// operation, but the comparisons that the definition uses.
    fn min(a: u64, b: u64) -> u64 {
        let less = Self::lt_quiet(a, b) || (Self::eq(a, b) && a & Self::SIGN != 0);
        Self::pick(a, b, less)
    }

    /// The greater of the two, likewise.
    fn max(a: u64, b: u64) -> u64 {
        let greater = Self::lt_quiet(b, a) || (Self::eq(a, b) && b & Self::SIGN != 0);
        Self::pick(a, b, greater)
    }

    fn pick(a: u64, b: u64, first: bool) -> u64 {
        let nan = |bits: u64| Self::is_nan(Self::from_raw(bits));
        match (nan(a), nan(b)) {
            (true, true) => Self::INFINITY | Self::QUIET,
            (true, false) => b,
            (false, true) => a,
            (false, false) => {
                if first {
                    a
                } else {
                    b
                }
            }
        }
    }
}

/// A call of SoftFloat.
macro_rules! call {
    ($name:ident($($operand:expr),*)) => {{
        // SAFETY: a function of its operands and of the thread's mode and flags.
        unsafe { sf::$name($($operand),*) }
    }};
}

macro_rules! oracle {
    ($format:ident, $name:literal, $type:ident, $bits:ident,
     two: [$($two:ident $two_call:ident),*], test: [$($test:ident $test_call:ident),*],
     to: [$($to:ident $to_call:ident $integer:ident),*],
     from: [$from_i64:ident $from_u64:ident], rest: [$fma:ident $sqrt:ident $round:ident],
     convert: [$($convert:ident $target:ident |$x:ident| $converted:expr),*]) => {
        impl Oracle for $format {
            const NAME: &'static str = $name;

            $(fn $two(a: u64, b: u64) -> u64 {
                call!($two_call(sf::$type { v: a as $bits }, sf::$type { v: b as $bits })).v.into()
            })*

            $(fn $test(a: u64, b: u64) -> bool {
                call!($test_call(sf::$type { v: a as $bits }, sf::$type { v: b as $bits }))
            })*

            $(fn $to(a: u64) -> $integer {
                call!($to_call(sf::$type { v: a as $bits }, current_mode(), true)) as $integer
            })*

            $(fn $convert(a: u64) -> $target {
                let $x = sf::$type { v: a as $bits };
                $converted
            })*

            fn from_i64(a: i64) -> u64 {
                call!($from_i64(a)).v.into()
            }

            fn from_u64(a: u64) -> u64 {
                call!($from_u64(a)).v.into()
            }

            fn fma(a: u64, b: u64, c: u64) -> u64 {
                let operand = |v: u64| sf::$type { v: v as $bits };
                call!($fma(operand(a), operand(b), operand(c))).v.into()
            }

            fn sqrt(a: u64) -> u64 {
                call!($sqrt(sf::$type { v: a as $bits })).v.into()
            }

            fn round_to_integral(a: u64, exact: bool) -> u64 {
                call!($round(sf::$type { v: a as $bits }, current_mode(), exact)).v.into()
            }
        }
    };
}

// SoftFloat has no conversion of a format to itself; multiplication by one is that.

oracle! {
    F16, "f16", float16_t, u16,
    two: [add f16_add, sub f16_sub, mul f16_mul, div f16_div],
    test: [eq f16_eq, lt f16_lt, le f16_le, lt_quiet f16_lt_quiet],
    to: [
        to_i32 f16_to_i32 i32, to_u32 f16_to_ui32 u32,
        to_i64 f16_to_i64 i64, to_u64 f16_to_ui64 u64
    ],
    from: [i64_to_f16 ui64_to_f16],
    rest: [f16_mulAdd f16_sqrt f16_roundToInt],
    convert: [
        to_f16 u16 |x| call!(f16_mul(x, sf::float16_t { v: 0x3c00 })).v,
        to_f32 u32 |x| call!(f16_to_f32(x)).v,
        to_f64 u64 |x| call!(f16_to_f64(x)).v
    ]
}

oracle! {
    F32, "f32", float32_t, u32,
    two: [add f32_add, sub f32_sub, mul f32_mul, div f32_div],
    test: [eq f32_eq, lt f32_lt, le f32_le, lt_quiet f32_lt_quiet],
    to: [
        to_i32 f32_to_i32 i32, to_u32 f32_to_ui32 u32,
        to_i64 f32_to_i64 i64, to_u64 f32_to_ui64 u64
    ],
    from: [i64_to_f32 ui64_to_f32],
    rest: [f32_mulAdd f32_sqrt f32_roundToInt],
    convert: [
        to_f16 u16 |x| call!(f32_to_f16(x)).v,
        to_f32 u32 |x| call!(f32_mul(x, sf::float32_t { v: 0x3f80_0000 })).v,
        to_f64 u64 |x| call!(f32_to_f64(x)).v
    ]
}

oracle! {
    F64, "f64", float64_t, u64,
    two: [add f64_add, sub f64_sub, mul f64_mul, div f64_div],
    test: [eq f64_eq, lt f64_lt, le f64_le, lt_quiet f64_lt_quiet],
    to: [
        to_i32 f64_to_i32 i32, to_u32 f64_to_ui32 u32,
        to_i64 f64_to_i64 i64, to_u64 f64_to_ui64 u64
    ],
    from: [i64_to_f64 ui64_to_f64],
    rest: [f64_mulAdd f64_sqrt f64_roundToInt],
    convert: [
        to_f16 u16 |x| call!(f64_to_f16(x)).v,
        to_f32 u32 |x| call!(f64_to_f32(x)).v,
        to_f64 u64 |x| call!(f64_mul(x, sf::float64_t { v: 0x3ff0_0000_0000_0000 })).v
    ]
}
