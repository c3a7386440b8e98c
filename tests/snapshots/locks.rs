//! The lock of every release: what it holds stays as it is, and stays in front.
//!
//! The derive compares structs with the lock of today, so it cannot see an edited lock. Each
//! release leaves a copy, `tests/snapshots/emulator-VERSION.lock`. `BLESS=1` writes those that are missing.

use std::{fs, path::PathBuf};

use vmstate::lock::{Grade, compare, parse};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The releases that a changelog has, newest first: its headings that begin with a version.
fn releases(changelog: &str) -> Vec<&str> {
    let headings = changelog.lines().filter_map(|line| line.strip_prefix("## "));
    let words = headings.filter_map(|heading| heading.split(' ').next());
    words.filter(|word| word.starts_with(|c: char| c.is_ascii_digit())).collect()
}

/// What of a release's lock `today` no longer says.
fn broken(released: &str, today: &str) -> Vec<String> {
    let parts = |text| parse(text).expect("a lock is well formed");
    let mut broken: Vec<String> = compare(&parts(released), &parts(today))
        .into_iter()
        .filter(|finding| finding.grade == Grade::Breaking)
        .map(|finding| finding.to_string())
        .collect();
    if !today.starts_with(released) {
        broken.push("the lock is not the release's with something appended".to_owned());
    }
    broken
}

#[test]
fn every_release_has_its_lock_and_today_still_says_all_of_it() {
    let read = |name: &str| fs::read_to_string(root().join(name));
    let today = read("emulator/vmstate.lock").expect("the lock is there");
    let changelog = read("CHANGELOG.md").expect("the changelog is there");
    for release in releases(&changelog) {
        let name = format!("tests/snapshots/emulator-{release}.lock");
        if std::env::var_os("BLESS").is_some() && !root().join(&name).exists() {
            fs::write(root().join(&name), &today).expect("the folder is writable");
        }
        let released = read(&name).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(!released.is_empty(), "{name}: a release froze its types");
        assert_eq!(broken(&released, &today), [""; 0], "{name}");
    }
}

#[test]
fn an_edited_lock_is_found_against_that_of_a_release() {
    let lock = fs::read_to_string(root().join("vmstate/tests/locks/evolution.lock"));
    let lock = lock.expect("a lock of tests");
    let appended = format!("{lock}\ntype Other version 1 semantic 0 hash {:032x}\n", 7);
    assert_eq!(broken(&lock, &appended), [""; 0]);
    let field = lock.lines().find(|line| line.trim_start().starts_with("field ")).expect("a field");
    for edited in [
        lock.replacen("kind u8", "kind u16", 1),
        lock.replacen(&format!("{field}\n"), "", 1),
        lock.replacen("type Uart ", "type Vart ", 1),
    ] {
        assert_ne!(edited, lock);
        assert_ne!(broken(&lock, &edited), [""; 0], "{edited}");
    }
    assert_eq!(
        releases("# Changelog\n## Unreleased (0.3.0)\n## 0.2.0 (2027-01-01)\n- a\n## 0.1.0\n"),
        ["0.2.0", "0.1.0"]
    );
}
