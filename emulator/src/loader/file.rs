//! Files and what can be wrong with them.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use flate2::read::MultiGzDecoder;

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoaderError {
    /// It cannot be read.
    #[error("{role} {}: cannot be read: {source}", path.display())]
    Unreadable {
        /// What it was meant to be.
        role: &'static str,
        /// Its path.
        path: PathBuf,
        /// The host's answer.
        source: std::io::Error,
    },
    /// It has no content.
    #[error("{role} {}: the file is empty, which is no {role}", path.display())]
    Empty {
        /// What it was meant to be.
        role: &'static str,
        /// Its path.
        path: PathBuf,
    },
    /// It, or what it unpacks to, is larger than there is room for.
    #[error("{role} {}: larger than the {limit} bytes that there is room for; give --memory more", path.display())]
    TooLarge {
        /// What it was meant to be.
        role: &'static str,
        /// Its path.
        path: PathBuf,
        /// Bytes that there is room for.
        limit: u64,
    },
    /// It is not what was expected.
    #[error("{role} {}: {problem}; expected {expected}", path.display())]
    Unexpected {
        /// What it was meant to be.
        role: &'static str,
        /// Its path.
        path: PathBuf,
        /// What was found.
        problem: String,
        /// What was expected.
        expected: String,
    },
}

/// A file's content and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// What it is to the machine, such as `kernel`.
    pub role: &'static str,
    /// Its path, for messages.
    pub path: PathBuf,
    /// Its content, unpacked where that was asked for.
    pub bytes: Vec<u8>,
}

impl Source {
    /// A complaint about this file.
    #[must_use]
    pub fn unexpected(
        &self,
        problem: impl Into<String>,
        expected: impl Into<String>,
    ) -> LoaderError {
        LoaderError::Unexpected {
            role: self.role,
            path: self.path.clone(),
            problem: problem.into(),
            expected: expected.into(),
        }
    }
}

/// Reads a file of at most `limit` bytes.
///
/// # Errors
/// [`LoaderError`] when it is missing, unreadable, empty or larger.
pub fn read(role: &'static str, path: &Path, limit: u64) -> Result<Source, LoaderError> {
    let unreadable = |source| LoaderError::Unreadable { role, path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    if file.metadata().map_err(unreadable)?.is_dir() {
        let source = std::io::Error::from(std::io::ErrorKind::IsADirectory);
        return Err(unreadable(source));
    }
    let bytes = read_limited(file, role, path, limit)?;
    if bytes.is_empty() {
        return Err(LoaderError::Empty { role, path: path.to_owned() });
    }
    Ok(Source { role, path: path.to_owned(), bytes })
}

/// Reads a file and, when it is a gzip file, unpacks it; neither may exceed `limit` bytes.
///
/// # Errors
/// [`LoaderError`] as for [`read`], and for damaged gzip data.
pub fn read_unpacked(role: &'static str, path: &Path, limit: u64) -> Result<Source, LoaderError> {
    let packed = read(role, path, limit)?;
    if !packed.bytes.starts_with(&GZIP_MAGIC) {
        return Ok(packed);
    }
    let decoder = MultiGzDecoder::new(&packed.bytes[..]);
    match read_limited(decoder, role, path, limit) {
        Ok(bytes) => Ok(Source { bytes, ..packed }),
        Err(LoaderError::Unreadable { source, .. }) => {
            Err(packed.unexpected(format!("damaged gzip data ({source})"), "a whole gzip file"))
        }
        Err(other) => Err(other),
    }
}

fn read_limited(
    from: impl Read,
    role: &'static str,
    path: &Path,
    limit: u64,
) -> Result<Vec<u8>, LoaderError> {
    let mut bytes = Vec::new();
    let read = from.take(limit.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(|source| LoaderError::Unreadable { role, path: path.to_owned(), source })?;
    if bytes.len() as u64 > limit {
        return Err(LoaderError::TooLarge { role, path: path.to_owned(), limit });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn file(content: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
        file.write_all(content).expect("it is written");
        file
    }

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(content).expect("a vector takes it");
        encoder.finish().expect("a vector takes it")
    }

    #[test]
    fn what_is_wrong_is_said_with_the_file_and_the_expectation() {
        let missing = read("kernel", Path::new("/nowhere/Image"), 10).expect_err("missing");
        let reason = "No such file or directory (os error 2)";
        let message = format!("kernel /nowhere/Image: cannot be read: {reason}");
        assert_eq!(missing.to_string(), message);
        for (content, limit, message) in [
            (&b""[..], 10, "the file is empty"),
            (b"12345678901", 10, "larger than the 10 bytes that there is room for"),
            (&gzip(&[7; 5000]), 4000, "larger than the 4000 bytes"),
            (&gzip(&[7; 5000])[..30], 4000, "damaged gzip data"),
        ] {
            let file = file(content);
            let error = read_unpacked("kernel", file.path(), limit).expect_err(message).to_string();
            assert!(error.contains(message), "{error}");
            assert!(error.contains(&*file.path().to_string_lossy()), "{error}");
        }
    }

    #[test]
    fn gzip_is_told_by_content() {
        let packed = file(&gzip(b"kernel"));
        assert_eq!(read_unpacked("kernel", packed.path(), 99).expect("unpacked").bytes, b"kernel");
        assert_eq!(read("initrd", packed.path(), 99).expect("as it is").bytes, gzip(b"kernel"));
    }
}
