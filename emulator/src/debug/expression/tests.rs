use super::{Expression, Values};

/// Registers a0 = 7, sp = 0x100, s8 = 3, ra = 2^64 - 1; memory byte n holds n, up to 0x200.
struct Sample;

impl Values for Sample {
    fn register(&self, name: &str) -> Option<i128> {
        match name {
            "a0" => Some(7),
            "sp" => Some(0x100),
            "s8" => Some(3),
            "ra" => Some(i128::from(u64::MAX)),
            _ => None,
        }
    }

    fn memory(&self, addr: u64, bytes: usize) -> Option<u64> {
        let end = addr.checked_add(bytes as u64)?;
        (end <= 0x200)
            .then(|| (0..bytes as u64).rev().fold(0, |value, i| value << 8 | ((addr + i) & 0xff)))
    }
}

fn parse(text: &str) -> Result<Expression, super::ExpressionError> {
    Expression::parse(text, &|name| ["a0", "sp", "s8", "ra", "gone"].contains(&name))
}

#[test]
fn operators_bind_and_compute_as_the_grammar_says() {
    for (text, expected) in [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("10 - 3 - 2", 5),
        ("7 / 2 + 7 % 4", 6),
        ("1 << 4 + 1", 32),
        ("0x_ff & 0b11 << 1", 6),
        ("a0 == 7 && sp > 0x80", 1),
        ("a0 == 8 || sp == 0", 0),
        ("1 & 3 == 3", 1),
        ("!a0 + 1", 1),
        ("~0 == -1", 1),
        ("-a0 + 8", 1),
        ("$a0 * $a0", 49),
        ("ra == 0xffff_ffff_ffff_ffff", 1),
        ("s64(ra)", -1),
        ("s8(0x80)", -128),
        ("s8 + 1", 4),
        ("s32(ra) < 0", 1),
        ("[sp]:1", 0),
        ("[sp + 1]:2", 0x0201),
        ("[8]", 0x0f0e_0d0c_0b0a_0908),
        ("[[sp + 8]:1]:1", 8),
        ("ra + 1", 1 << 64),
        ("0 && [0x1000]", 0),
        ("1 || [0x1000]", 1),
    ] {
        let value = parse(text).and_then(|expression| expression.evaluate(&Sample));
        assert_eq!(value, Ok(expected), "{text}");
    }
}

#[test]
fn a_mistake_is_shown_with_its_place() {
    for (text, message) in [
        ("", "the expression ends too early, at column 1 of ``"),
        ("a0 +", "the expression ends too early, at column 5 of `a0 +`"),
        ("a0 7", "expected an operator, at column 4 of `a0 7`"),
        ("b1 + 1", "there is no register `b1`, at column 1 of `b1 + 1`"),
        ("(a0", "expected `)`, at column 4 of `(a0`"),
        ("[a0:2", "expected `]`, at column 4 of `[a0:2`"),
        ("[a0]:3", "a width is 1, 2, 4 or 8 bytes, at column 6 of `[a0]:3`"),
        ("0xzz", "`0xzz` is no number of at most 64 bits, at column 1 of `0xzz`"),
        ("a0 @ 1", "expected an operator, at column 4 of `a0 @ 1`"),
        (
            "1 < a0 < 3",
            "comparisons do not chain; use && and parentheses, at column 8 of `1 < a0 < 3`",
        ),
        ("a0 = 1", "expected an operator, at column 4 of `a0 = 1`"),
    ] {
        let error = parse(text).expect_err(text).to_string();
        assert_eq!(error, message, "{text}");
    }
}

#[test]
fn what_cannot_be_computed_is_an_error_and_no_value() {
    for (text, message) in [
        ("[0x1000]", "cannot read memory at 0x1000, at column 1 of `[0x1000]`"),
        ("1 + [sp - 0x101]:4", "cannot read memory at 0xffffffffffffffff, at column 5"),
        ("1 / (a0 - 7)", "division by zero, at column 3"),
        ("1 << 128", "cannot shift by 128, at column 3"),
        ("gone", "this hart has no gone, at column 1"),
    ] {
        let parsed = parse(text).expect(text);
        let error = parsed.evaluate(&Sample).expect_err(text).to_string();
        assert!(error.starts_with(message), "{text}: {error}");
    }
}

#[test]
fn nesting_is_bounded() {
    let deep = |levels: usize| format!("{}1{}", "(".repeat(levels), ")".repeat(levels));
    assert!(parse(&deep(60)).is_ok());
    let error = parse(&deep(100_000)).expect_err("far too deep").what;
    assert_eq!(error, "more than 64 levels inside each other");
}
