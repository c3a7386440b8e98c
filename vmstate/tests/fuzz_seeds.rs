//! Every fuzz target's body over its committed seeds, so that a target cannot rot unnoticed.
#![expect(clippy::unwrap_used, reason = "a failed helper is a failed test")]

use std::fs;
use std::path::Path;

#[path = "../fuzz/src/container.rs"]
mod container;

/// The files of a folder by name; an empty folder is a mistake.
fn files(folder: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let files: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_file())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    files
}

#[test]
fn container_target_takes_its_whole_seeds_and_refuses_the_others() {
    for (name, bytes) in files("fuzz/seeds/container") {
        assert_eq!(container::fuzz(&bytes), name.starts_with("whole-"), "{name}");
    }
}

#[test]
fn container_target_takes_all_goldens() {
    for (name, bytes) in files("../tests/snapshots") {
        assert!(container::fuzz(&bytes), "{name}");
    }
}
