//! Files stay readable in one sitting; functions are held by clippy's `too_many_lines`.

use super::tree;

/// Lines that a source file may have.
const MOST_LINES: usize = 640;

#[test]
fn no_source_file_outgrows_one_reading() {
    let long: Vec<_> = tree::files(&[".rs"])
        .into_iter()
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > MOST_LINES)
        .collect();
    assert!(long.is_empty(), "split these files, the limit is {MOST_LINES} lines: {long:?}");
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
