//! Standard output, and what a verb ends with.

use std::fmt;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use vmstate::container::ContainerError;
use vmstate::dump::DumpError;

use crate::snapshot::SnapshotError;

/// What a verb that did its work has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Done; or equal, loadable, well.
    Yes,
    /// Different, not loadable, not well.
    No,
}

/// Why a verb could not do its work. Exit code 2.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CliError {
    /// A snapshot is at fault.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// Its state cannot be shown.
    #[error(transparent)]
    Dump(#[from] DumpError),
    /// A machine cannot be built.
    #[error(transparent)]
    Build(#[from] crate::machine::board::BuildError),
    /// A recording cannot be read or written.
    #[error(transparent)]
    Journal(#[from] crate::journal::JournalError),
    /// A recording cannot be replayed.
    #[error(transparent)]
    Replay(#[from] crate::timeline::OpenError),
    /// A recording or replay cannot go on.
    #[error(transparent)]
    Session(#[from] crate::timeline::SessionError),
    /// A recording cannot be verified.
    #[error(transparent)]
    Verify(#[from] crate::timeline::verify::VerifyError),
    /// A divergence cannot be narrowed.
    #[error(transparent)]
    Bisect(#[from] crate::timeline::bisect::BisectError),
    /// The arguments make no sense together.
    #[error("{0}")]
    Usage(String),
    /// A file of another kind cannot be read.
    #[error("`{path}`: {why}")]
    File {
        /// The file.
        path: String,
        /// Why.
        why: String,
    },
}

/// What went wrong with what it comes from, as one line.
pub(super) fn explain(error: &CliError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Many messages hold their cause already.
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

impl CliError {
    /// A container's error with its file.
    pub(super) fn container(path: &std::path::Path, source: ContainerError) -> Self {
        SnapshotError::Container { path: path.to_owned(), source }.into()
    }
}

/// Where the result of a verb goes. Its errors are kept to the end, so that verbs need not
/// look at each line's.
pub struct Output {
    inner: Box<dyn Write>,
    error: Option<io::Error>,
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").field("error", &self.error).finish_non_exhaustive()
    }
}

impl Output {
    /// The process's standard output.
    pub fn stdout() -> Self {
        Self { inner: Box::new(BufWriter::new(io::stdout())), error: None }
    }

    /// Writes one line.
    pub fn line(&mut self, line: fmt::Arguments<'_>) {
        // The error, if any, is in `self.error`.
        fmt::Write::write_fmt(self, format_args!("{line}\n")).unwrap_or_default();
    }

    /// Writes a text as it is.
    pub fn text(&mut self, text: &str) {
        // The error, if any, is in `self.error`.
        fmt::Write::write_str(self, text).unwrap_or_default();
    }

    /// Flushes and turns a verb's end into the exit code, telling the user of an error.
    pub fn finish(mut self, result: Result<Answer, CliError>) -> ExitCode {
        let flushed = self.inner.flush();
        // Somebody who reads only the head of the output is no error.
        let failed =
            self.error.or(flushed.err()).filter(|error| error.kind() != io::ErrorKind::BrokenPipe);
        match (result, failed) {
            (Err(CliError::Dump(DumpError::Output(_))), None) => ExitCode::SUCCESS,
            (_, Some(error)) => {
                eprintln!("error: cannot write to standard output: {error}");
                ExitCode::from(2)
            }
            (Err(error), None) => {
                eprintln!("error: {}", explain(&error));
                ExitCode::from(2)
            }
            (Ok(Answer::Yes), None) => ExitCode::SUCCESS,
            (Ok(Answer::No), None) => ExitCode::from(1),
        }
    }
}

impl fmt::Write for Output {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.error.is_none()
            && let Err(error) = self.inner.write_all(text.as_bytes())
        {
            self.error = Some(error);
        }
        if self.error.is_some() { Err(fmt::Error) } else { Ok(()) }
    }
}
