//! Replacing a file so that every observer finds the old one or the new one, whole.
//!
//! The new content goes to a temporary name in the same folder (a rename across file systems is
//! not atomic), is synced, renamed over the old name, and the folder is synced so that the rename
//! survives a power cut. A failed write removes the temporary file; a killed process leaves at
//! worst `.NAME.PID.N.tmp`, which nothing ever reads.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A file that could not be replaced.
#[derive(Debug, thiserror::Error)]
pub enum ReplaceError {
    /// The new content could not be written or put in place.
    #[error("cannot {step} `{}`: {source}; what stood there before is untouched", path.display())]
    Untouched {
        /// What failed: "write", "sync" or "replace".
        step: &'static str,
        /// The file that was to be replaced.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The new file is in place, but the folder could not be synced.
    #[error("`{}` is written, but a power cut may undo it: cannot sync its folder: {source}", path.display())]
    FolderNotSynced {
        /// The file that was replaced.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A file under its temporary name, removed when dropped unless committed.
#[derive(Debug)]
pub struct AtomicFile {
    file: Option<File>,
    temporary: PathBuf,
    path: PathBuf,
}

impl AtomicFile {
    /// Starts to replace `path` (which need not exist).
    ///
    /// # Errors
    /// The temporary file cannot be made beside it.
    pub fn create(path: impl Into<PathBuf>) -> Result<Self, ReplaceError> {
        let path = path.into();
        let failed = |source| ReplaceError::Untouched { step: "write", path: path.clone(), source };
        let Some(name) = path.file_name() else {
            return Err(failed(io::Error::other("the path names no file")));
        };
        for attempt in 0..1000 {
            let mut temporary_name = OsString::from(".");
            temporary_name.push(name);
            temporary_name.push(format!(".{}.{attempt}.tmp", std::process::id()));
            let temporary = folder(&path).join(temporary_name);
            match OpenOptions::new().write(true).create_new(true).open(&temporary) {
                Ok(file) => return Ok(Self { file: Some(file), temporary, path }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Err(failed(io::Error::other("a thousand temporary files stand beside it")))
    }

    /// Where the bytes go until [`AtomicFile::commit`].
    pub fn temporary(&self) -> &Path {
        &self.temporary
    }

    /// Syncs the new content to disk and puts it in the place of the old.
    ///
    /// # Errors
    /// A failed sync or rename; the temporary file is gone then.
    pub fn commit(mut self) -> Result<(), ReplaceError> {
        let failed = |step, path: &Path| {
            let path = path.to_owned();
            move |source| ReplaceError::Untouched { step, path, source }
        };
        if let Some(file) = &self.file {
            file.sync_all().map_err(failed("sync", &self.path))?;
        }
        fs::rename(&self.temporary, &self.path).map_err(failed("replace", &self.path))?;
        // From here the new file is in place: there is nothing to remove.
        self.file = None;
        sync_folder(folder(&self.path))
            .map_err(|source| ReplaceError::FolderNotSynced { path: self.path.clone(), source })
    }

    fn file(&mut self) -> io::Result<&mut File> {
        self.file.as_mut().ok_or_else(|| io::Error::other("the file has been committed"))
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file()?.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file()?.flush()
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            // A failure here leaves a file that nothing reads; there is nobody left to tell.
            drop(fs::remove_file(&self.temporary));
        }
    }
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Makes a rename in the folder durable. Elsewhere than on Unix a folder cannot be opened.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}
