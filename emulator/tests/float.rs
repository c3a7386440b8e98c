//! Floating point against Berkeley SoftFloat: every operation, format and rounding mode, results
//! and flags. The table in `float/ledger.rs` says which, and that none was left out.
//!
//! The short form runs with the ordinary tests. The long one (a minute) is
//! `FLOAT_ROUNDS=5000000 FLOAT_SEED=N cargo nextest run --release -p emulator --test float`.
//! A failure names its operands and the seed.
#![expect(unsafe_code, reason = "the oracle is a C library")]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "raw bits of every format travel as u64"
)]

#[path = "float/ledger.rs"]
mod ledger;
#[path = "float/operands.rs"]
mod operands;
#[path = "float/oracle.rs"]
mod oracle;
#[path = "float/rules.rs"]
mod rules;

use std::fmt::LowerHex;

use emulator::float::{CanonicalNan, Env, F16, F32, F64, Flags, Integer, Quietness, Rounding};

use operands::{Operands, corners, fused_corners};
use oracle::{Oracle, Verdict, with_oracle};

type Riscv = Env<CanonicalNan>;

/// Runs `ours` in every mode, with and without *inexact* raised before (the fast path needs it),
/// and compares with the oracle.
fn check<T: PartialEq + LowerHex>(
    name: &str,
    operands: &[u64],
    seed: u64,
    ours: impl Fn(&mut Riscv) -> T,
    theirs: impl Fn() -> T,
) {
    for rounding in Rounding::ALL {
        let expected = with_oracle(rounding, &theirs);
        ledger::note(name, rounding, expected.flags);
        for before in [Flags::empty(), Flags::INEXACT] {
            let mut env = Riscv::new(rounding, before);
            let value = ours(&mut env);
            let found = Verdict { value, flags: env.flags };
            let flags = expected.flags | before;
            assert!(
                found.value == expected.value && found.flags == flags,
                "{name} of {operands:x?} {rounding:?}, flags before {before:?}: {:#x} {:?}, \
                 SoftFloat has {:#x} {flags:?} (FLOAT_SEED={seed})",
                found.value,
                found.flags,
                expected.value,
            );
        }
    }
}

fn check_unary<F: Oracle>(a: u64, seed: u64) {
    let x = F::from_raw(a);
    let name = |operation: &str| format!("{} {operation}", F::NAME);
    let on = [a];
    check(&name("sqrt"), &on, seed, |env| env.sqrt::<F>(x).into(), || F::sqrt(a));
    check(
        &name("round"),
        &on,
        seed,
        |env| env.round_to_integral::<F>(x, true).into(),
        || F::round_to_integral(a, true),
    );
    check(
        &name("round quietly"),
        &on,
        seed,
        |env| env.round_to_integral::<F>(x, false).into(),
        || F::round_to_integral(a, false),
    );
    check(&name("to f16"), &on, seed, |env| env.convert::<F, F16>(x), || F::to_f16(a));
    check(&name("to f32"), &on, seed, |env| env.convert::<F, F32>(x), || F::to_f32(a));
    check(&name("to f64"), &on, seed, |env| env.convert::<F, F64>(x), || F::to_f64(a));
    check_integer::<F, i32>("to i32", a, seed, F::to_i32);
    check_integer::<F, u32>("to u32", a, seed, F::to_u32);
    check_integer::<F, i64>("to i64", a, seed, F::to_i64);
    check_integer::<F, u64>("to u64", a, seed, F::to_u64);
}

fn check_integer<F: Oracle, I: Integer + LowerHex>(
    operation: &str,
    a: u64,
    seed: u64,
    theirs: impl Fn(u64) -> I,
) {
    let name = format!("{} {operation}", F::NAME);
    let x = F::from_raw(a);
    check(&name, &[a], seed, |env| env.to_integer::<F, I>(x), || theirs(a));
}

fn check_from_integer<F: Oracle>(value: u64, seed: u64) {
    let signed = value as i64;
    check(
        &format!("{} from u64", F::NAME),
        &[value],
        seed,
        |env| env.convert_unsigned::<F>(value).into(),
        || F::from_u64(value),
    );
    check(
        &format!("{} from i64", F::NAME),
        &[value],
        seed,
        |env| env.convert_signed::<F>(signed).into(),
        || F::from_i64(signed),
    );
}

fn check_binary<F: Oracle>(a: u64, b: u64, seed: u64) {
    let (x, y) = (F::from_raw(a), F::from_raw(b));
    let on = [a, b];
    let name = |operation: &str| format!("{} {operation}", F::NAME);
    check(&name("add"), &on, seed, |env| env.add::<F>(x, y).into(), || F::add(a, b));
    check(&name("sub"), &on, seed, |env| env.sub::<F>(x, y).into(), || F::sub(a, b));
    check(&name("mul"), &on, seed, |env| env.mul::<F>(x, y).into(), || F::mul(a, b));
    check(&name("div"), &on, seed, |env| env.div::<F>(x, y).into(), || F::div(a, b));
    check(&name("min"), &on, seed, |env| env.minimum_number::<F>(x, y).into(), || F::min(a, b));
    check(&name("max"), &on, seed, |env| env.maximum_number::<F>(x, y).into(), || F::max(a, b));
    check(&name("eq"), &on, seed, |env| u8::from(env.eq::<F>(x, y)), || u8::from(F::eq(a, b)));
    check(&name("lt"), &on, seed, |env| u8::from(env.lt::<F>(x, y)), || u8::from(F::lt(a, b)));
    check(&name("le"), &on, seed, |env| u8::from(env.le::<F>(x, y)), || u8::from(F::le(a, b)));
    let quiet_less = |env: &mut Riscv| {
        u8::from(env.compare::<F>(x, y, Quietness::Quiet).is_some_and(std::cmp::Ordering::is_lt))
    };
    check(&name("quiet lt"), &on, seed, quiet_less, || u8::from(F::lt_quiet(a, b)));
}

fn check_fused<F: Oracle>(a: u64, b: u64, c: u64, seed: u64) {
    let (x, y, z) = (F::from_raw(a), F::from_raw(b), F::from_raw(c));
    let name = format!("{} fma", F::NAME);
    check(&name, &[a, b, c], seed, |env| env.fma::<F>(x, y, z).into(), || F::fma(a, b, c));
}

/// All corners against each other, then random operands of every operation.
fn check_format<F: Oracle>() {
    let all = corners::<F>();
    let mut operands = Operands::new();
    let seed = operands.seed;
    for &a in &all {
        check_unary::<F>(a, seed);
        for &b in &all {
            check_binary::<F>(a, b, seed);
        }
    }
    let few = fused_corners::<F>();
    for &a in &few {
        for &b in &few {
            for &c in &few {
                check_fused::<F>(a, b, c, seed);
            }
        }
    }
    for value in operands::integers() {
        check_from_integer::<F>(value, seed);
    }
    for _ in 0..operands.rounds {
        let a = operands.next::<F>();
        let b = operands.near::<F>(a);
        check_unary::<F>(a, seed);
        check_binary::<F>(a, b, seed);
        let c = operands.near_product::<F>(a, b);
        check_fused::<F>(a, b, c, seed);
        check_from_integer::<F>(operands.integer(), seed);
    }
    ledger::close::<F>();
}

#[test]
fn half_precision_equals_softfloat() {
    check_format::<F16>();
}

#[test]
fn single_precision_equals_softfloat() {
    check_format::<F32>();
}

#[test]
fn double_precision_equals_softfloat() {
    check_format::<F64>();
}

#[test]
fn every_half_precision_number_converts_as_in_softfloat() {
    for a in 0..=u64::from(u16::MAX) {
        let x = a as u16;
        check("f16 to f32", &[a], 0, |env| env.convert::<F16, F32>(x), || F16::to_f32(a));
        check_integer::<F16, i32>("to i32", a, 0, F16::to_i32);
    }
}
