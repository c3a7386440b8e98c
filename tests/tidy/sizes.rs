//! Files stay readable in one sitting, functions on one screen. Both limits may only fall.

use super::tree;

/// Lines that a source file may have.
const MOST_LINES: usize = 600;

#[test]
fn no_source_file_outgrows_one_reading() {
    let long: Vec<_> = tree::files(&[".rs"])
        .into_iter()
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > MOST_LINES)
        .collect();
    assert!(long.is_empty(), "split these files, the limit is {MOST_LINES} lines: {long:?}");
}

/// Lines that a function may have; clippy's `too_many_lines` counts them.
const MOST_FUNCTION_LINES: usize = 70;

#[test]
fn no_function_outgrows_one_screen() {
    let clippy = std::fs::read_to_string(tree::root().join("clippy.toml")).expect("clippy's rules");
    assert!(clippy.contains(&format!("too-many-lines-threshold = {MOST_FUNCTION_LINES}\n")));
    let word = format!("clippy::{}", "too_many_lines");
    let allowed: Vec<_> = tree::files(&[".rs"])
        .into_iter()
        .filter(|(_, text)| text.contains(&word))
        .map(|(path, _)| path)
        .collect();
    assert!(allowed.is_empty(), "split these functions: {allowed:?}");
}

#[test]
fn modules_are_nouns_beside_their_folders() {
    let banned = ["mod.rs", "util.rs", "utils.rs", "common.rs", "misc.rs", "helpers.rs"];
    let found: Vec<_> = tree::files(&[".rs"])
        .into_iter()
        .map(|(path, _)| path)
        .filter(|path| banned.iter().any(|name| path.ends_with(name)))
        .collect();
    assert!(found.is_empty(), "name these files after what they hold: {found:?}");
}
