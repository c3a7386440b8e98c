//! The files under test: what git tracks or would track.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every tracked or trackable file below the root with one of the `endings`, with its text.
pub(crate) fn files(endings: &[&str]) -> Vec<(PathBuf, String)> {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git lists the files of the tree");
    assert!(listed.status.success(), "git ls-files failed: {listed:?}");
    let names = String::from_utf8(listed.stdout).expect("file names are UTF-8");
    let mut found: Vec<_> = names
        .split_terminator('\0')
        .filter(|name| endings.is_empty() || endings.iter().any(|ending| name.ends_with(ending)))
        .filter_map(|name| {
            // A file that is not text, or was deleted and not yet committed, is not ours to judge.
            let text = std::fs::read_to_string(root().join(name)).ok()?;
            Some((PathBuf::from(name), text))
        })
        .collect();
    found.sort();
    assert!(found.len() > 3, "the list of files is suspiciously short: {found:?}");
    found
}
