//! What an example of the book says of the lines that it prints.

/// Whether `line` is what `pattern` says, where `[..]` stands for anything.
pub(crate) fn line_matches(pattern: &str, line: &str) -> bool {
    let mut parts = pattern.split("[..]");
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    let parts: Vec<_> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// Whether `lines` are what `patterns` say, where a line `...` stands for any lines.
pub(crate) fn matches(patterns: &[String], lines: &[&str]) -> bool {
    match patterns.split_first() {
        None => lines.is_empty(),
        Some((first, rest)) if first == "..." => {
            (0..=lines.len()).any(|skip| matches(rest, &lines[skip..]))
        }
        Some((first, rest)) => lines
            .split_first()
            .is_some_and(|(line, more)| line_matches(first, line) && matches(rest, more)),
    }
}

#[test]
fn a_pattern_matches_what_it_says_and_nothing_else() {
    for (pattern, line, expected) in [
        ("abc", "abc", true),
        ("abc", "abcd", false),
        ("a[..]c", "abbc", true),
        ("a[..]c", "abb", false),
        ("[..] of [..]", "3 of 4", true),
        ("[..]x[..]x", "x", false),
    ] {
        assert_eq!(line_matches(pattern, line), expected, "{pattern} on {line}");
    }
    let patterns = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    assert!(matches(&patterns("a\n...\nd"), &["a", "b", "c", "d"]));
    assert!(!matches(&patterns("a\n...\nd"), &["a", "b", "c"]));
    assert!(matches(&patterns("..."), &[]));
    assert!(!matches(&[], &["a"]));
}
