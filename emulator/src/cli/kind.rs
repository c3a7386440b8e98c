//! Which kind of file a verb was given. A file of another kind is refused by name, with the verbs that
//! take it.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use super::output::CliError;
use crate::{
    journal,
    snapshot::{Chain, SnapshotError},
};

/// Whether a file begins as recordings do; if not, it begins as snapshots do.
///
/// # Errors
/// A file that cannot be read or is neither.
pub(super) fn is_recording(path: &Path) -> Result<bool, CliError> {
    let mut magic = Vec::new();
    File::open(path)
        .and_then(|file| file.take(8).read_to_end(&mut magic))
        .map_err(|source| SnapshotError::Io { path: path.to_owned(), source })?;
    if magic != journal::MAGIC && magic != vmstate::container::MAGIC {
        let why = "this is neither a snapshot nor a recording: it begins as none of them does";
        return Err(CliError::File { path: path.display().to_string(), why: why.to_owned() });
    }
    Ok(magic == journal::MAGIC)
}

/// Refuses what is no recording.
///
/// # Errors
/// A file that cannot be read or is none.
pub(super) fn expect_recording(path: &Path) -> Result<(), CliError> {
    let why =
        "it is a snapshot: `emulator --load` goes on from it, `emulator snapshot verify` proves it";
    if is_recording(path)? { Ok(()) } else { Err(refused(path, why)) }
}

/// Refuses what is no snapshot.
///
/// # Errors
/// A file that cannot be read or is none.
pub(super) fn expect_snapshot(path: &Path) -> Result<(), CliError> {
    let why = "it is a recording: `emulator --replay` repeats it, `emulator verify` proves it";
    if is_recording(path)? { Err(refused(path, why)) } else { Ok(()) }
}

/// Opens a snapshot with its parents.
///
/// # Errors
/// A file that cannot be read, is no snapshot or damaged.
pub(super) fn open_snapshot(path: &PathBuf) -> Result<Chain, CliError> {
    expect_snapshot(path)?;
    Ok(Chain::open(path)?)
}

/// Refuses to write to the file that is still being read, under whatever name.
///
/// # Errors
/// When `output` is `source`.
pub(super) fn expect_other_file(output: &Path, source: &Path) -> Result<(), CliError> {
    use std::os::unix::fs::MetadataExt;
    let identity = |path: &Path| path.metadata().map(|data| (data.dev(), data.ino())).ok();
    match (identity(output), identity(source)) {
        (Some(one), Some(other)) if one == other => Err(refused(
            output,
            "it would overwrite the recording that is read: write to another name",
        )),
        _ => Ok(()),
    }
}

fn refused(path: &Path, why: &str) -> CliError {
    CliError::File { path: path.display().to_string(), why: why.to_owned() }
}
