//! `emulator snapshot`

use std::path::PathBuf;

use super::output::{Answer, CliError, Output};
use crate::snapshot::{Chain, flatten};

/// Work on snapshot files.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    work: Work,
}

#[derive(Debug, clap::Subcommand)]
enum Work {
    /// Make one full snapshot of an incremental one and its parents.
    Flatten {
        /// The incremental snapshot.
        file: PathBuf,
        /// The file to write.
        #[arg(short, long)]
        output: PathBuf,
        /// Compress the RAM in it.
        #[arg(long)]
        compress: bool,
    },
    /// Prove every checksum of a snapshot and its parents, RAM included.
    Verify {
        /// The snapshot.
        file: PathBuf,
    },
}

/// Runs the verb.
///
/// # Errors
/// A file that cannot be read or written.
pub(super) fn run(args: &Args, out: &mut Output) -> Result<Answer, CliError> {
    match &args.work {
        Work::Flatten { file, output, compress } => {
            flatten(&Chain::open(file)?, output, *compress)?;
            Ok(Answer::Yes)
        }
        Work::Verify { file } => {
            let chain = Chain::open(file)?;
            let mut answer = Answer::Yes;
            for layer in chain.layers() {
                match layer.snapshot().verify() {
                    Ok(()) => out.line(format_args!("{}: whole", layer.path().display())),
                    Err(error) => {
                        answer = Answer::No;
                        out.line(format_args!("{}: {error}", layer.path().display()));
                    }
                }
            }
            Ok(answer)
        }
    }
}
