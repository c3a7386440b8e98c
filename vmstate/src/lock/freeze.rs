//! Checking a crate's types against its lock, and appending to it.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Entry, LockSyntaxError, parse};
use crate::define::TypeDef;

const HEADER: &str = "# Released schemas of this crate. Append only, part of the package; see the `lock` module of vmstate.\n# Written by: VMSTATE_FREEZE=1 cargo test vmstate_lock\n";

/// Why a lock could not be written or does not fit the code.
#[derive(Debug, thiserror::Error)]
pub enum FreezeError {
    /// The file system refused.
    #[error("{path}: {source}")]
    Io {
        /// The lock.
        path: PathBuf,
        /// What the host said.
        source: io::Error,
    },
    /// The lock is malformed.
    #[error("{path}: {source}")]
    Syntax {
        /// The lock.
        path: PathBuf,
        /// Where.
        source: LockSyntaxError,
    },
    /// Released versions and code differ.
    #[error("{path} and the code differ:\n{}", .findings.join("\n"))]
    Differs {
        /// The lock.
        path: PathBuf,
        /// One a line.
        findings: Vec<String>,
    },
}

fn read(path: &Path) -> Result<(String, Vec<Entry>), FreezeError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(source) if source.kind() == io::ErrorKind::NotFound => String::new(),
        Err(source) => return Err(FreezeError::Io { path: path.to_owned(), source }),
    };
    let entries =
        parse(&text).map_err(|source| FreezeError::Syntax { path: path.to_owned(), source })?;
    Ok((text, entries))
}

/// Compares every released version in the lock at `path` with the code of `types`. A missing lock
/// means that nothing was released.
///
/// # Errors
/// All differences at once.
pub fn verify(types: &[&TypeDef], path: &Path) -> Result<(), FreezeError> {
    let (_, entries) = read(path)?;
    let mut findings = twice(types, &entries);
    let mut unlisted = BTreeSet::new();
    for entry in &entries {
        let identity = format!("{}@{}", entry.type_name, entry.version);
        let Some(def) = types.iter().find(|def| def.is_named(&entry.type_name)) else {
            let name = &entry.type_name;
            if unlisted.insert(name) {
                findings.push(format!(
                    "{identity} was released, but `vmstate::types!` lists no `{name}`: renamed? write \
                     `#[vmstate(name = \"{name}\")]` on it"
                ));
            }
            continue;
        };
        if entry.version < def.version_min {
            continue;
        }
        if entry.version > def.version {
            findings.push(format!("{identity} was released; `version` cannot go back"));
            continue;
        }
        let now = Entry::of(def, entry.version);
        if now != *entry {
            findings.push(format!(
                "{identity} is not what was released.\nreleased:\n{}now:\n{}",
                entry.to_text(),
                now.to_text()
            ));
        }
    }
    if findings.is_empty() {
        Ok(())
    } else {
        Err(FreezeError::Differs { path: path.to_owned(), findings })
    }
}

/// A name has one type, and a version one entry.
fn twice(types: &[&TypeDef], entries: &[Entry]) -> Vec<String> {
    let mut findings = Vec::new();
    let mut names = BTreeSet::new();
    for name in types.iter().map(|def| def.full_name()) {
        if !names.insert(name.clone()) {
            findings.push(format!(
                "`vmstate::types!` lists `{name}` twice; if these are two types, write \
                 `#[vmstate(name = \"..\")]` on one"
            ));
        }
    }
    let mut released = BTreeSet::new();
    for Entry { type_name, version, .. } in entries {
        if !released.insert((type_name, version)) {
            findings
                .push(format!("{type_name}@{version} stands twice in the lock: keep the first"));
        }
    }
    findings
}

/// Appends to the lock at `path`, for each of `types`, every version above those in it that the code can
/// still write: what a release can write, it promises. Returns their names.
///
/// # Errors
/// Those of [`verify`], before anything is written; and the file system's.
pub fn freeze(types: &[&TypeDef], path: &Path) -> Result<Vec<String>, FreezeError> {
    verify(types, path)?;
    let (mut text, entries) = read(path)?;
    if text.is_empty() {
        HEADER.clone_into(&mut text);
    }
    let mut frozen = Vec::new();
    for def in types {
        let released = entries.iter().filter(|entry| def.is_named(&entry.type_name));
        let newest = released.map(|entry| entry.version).max().unwrap_or(0);
        for version in def.version_min.max(newest + 1)..=def.version {
            let entry = Entry::of(def, version);
            text.push('\n');
            text.push_str(&entry.to_text());
            frozen.push(format!("{}@{version}", entry.type_name));
        }
    }
    if !frozen.is_empty() {
        fs::write(path, text)
            .map_err(|source| FreezeError::Io { path: path.to_owned(), source })?;
    }
    Ok(frozen)
}

/// What the test that [`types!`](macro@crate::types) generates does: [`freeze`] if `VMSTATE_FREEZE` is 1 in the
/// environment, else [`verify`].
///
/// # Errors
/// As those two.
pub fn verify_or_freeze(types: &[&TypeDef], path: &Path) -> Result<Vec<String>, FreezeError> {
    if std::env::var("VMSTATE_FREEZE").is_ok_and(|value| value == "1") {
        freeze(types, path)
    } else {
        verify(types, path).map(|()| Vec::new())
    }
}
