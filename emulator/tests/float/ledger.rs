//! The table of what is compared: every operation in every format, in every rounding mode, with the
//! flags that it can raise. A test that compares less, or raises fewer, fails.

use std::{cell::RefCell, collections::BTreeMap};

use emulator::float::{F16, F32, F64, Flags, Rounding};

use super::oracle::Oracle;

/// Flags by letter: invalid, division by zero, overflow, underflow, inexact.
fn flags(letters: &str) -> Flags {
    letters.chars().fold(Flags::empty(), |all, letter| {
        all | match letter {
            'V' => Flags::INVALID,
            'Z' => Flags::DIVIDE_BY_ZERO,
            'O' => Flags::OVERFLOW,
            'U' => Flags::UNDERFLOW,
            'X' => Flags::INEXACT,
            other => panic!("{other} is no flag"),
        }
    })
}

/// Operation, and the flags that it raises in half, single and double precision. Classes are not
/// here: SoftFloat has none, Spike has (`fclass` in the tests of instructions).
const ROWS: [(&str, [&str; 3]); 23] = [
    ("add", ["VOX", "VOX", "VOX"]),
    ("sub", ["VOX", "VOX", "VOX"]),
    ("mul", ["VOUX", "VOUX", "VOUX"]),
    ("div", ["VZOUX", "VZOUX", "VZOUX"]),
    ("fma", ["VOUX", "VOUX", "VOUX"]),
    ("sqrt", ["VX", "VX", "VX"]),
    ("min", ["V", "V", "V"]),
    ("max", ["V", "V", "V"]),
    ("eq", ["V", "V", "V"]),
    ("lt", ["V", "V", "V"]),
    ("le", ["V", "V", "V"]),
    ("quiet lt", ["V", "V", "V"]),
    ("round", ["VX", "VX", "VX"]),
    ("round quietly", ["V", "V", "V"]),
    ("to f16", ["V", "VOUX", "VOUX"]),
    ("to f32", ["V", "V", "VOUX"]),
    ("to f64", ["V", "V", "V"]),
    ("to i32", ["VX", "VX", "VX"]),
    ("to u32", ["VX", "VX", "VX"]),
    ("to i64", ["VX", "VX", "VX"]),
    ("to u64", ["VX", "VX", "VX"]),
    ("from i64", ["OX", "X", "X"]),
    ("from u64", ["OX", "X", "X"]),
];

thread_local! {
    /// The rounding modes and the flags that each row has seen in this thread's test.
    static SEEN: RefCell<BTreeMap<String, (Vec<Rounding>, Flags)>> = RefCell::default();
}

/// Notes a comparison.
pub(crate) fn note(name: &str, rounding: Rounding, raised: Flags) {
    SEEN.with_borrow_mut(|seen| {
        if !seen.contains_key(name) {
            seen.insert(name.to_owned(), (Vec::new(), Flags::empty()));
        }
        let (modes, flags) = seen.get_mut(name).expect("it was just put there");
        if !modes.contains(&rounding) {
            modes.push(rounding);
        }
        *flags |= raised;
    });
}

/// Checks that exactly the rows of one format were compared, in all modes, with all their flags.
pub(crate) fn close<F: Oracle>() {
    let column = [F16::NAME, F32::NAME, F64::NAME].iter().position(|name| *name == F::NAME);
    let column = column.expect("a format of the table");
    let expected: BTreeMap<String, Flags> = ROWS
        .iter()
        .map(|(operation, raised)| (format!("{} {operation}", F::NAME), flags(raised[column])))
        .collect();
    SEEN.with_borrow(|seen| {
        let found: BTreeMap<String, Flags> =
            seen.iter().map(|(name, (_, flags))| (name.clone(), *flags)).collect();
        assert_eq!(found, expected);
        for (name, (modes, _)) in seen {
            assert_eq!(modes.len(), Rounding::ALL.len(), "{name} in {modes:?}");
        }
    });
}
