//! `emulator snapshot`

use std::path::PathBuf;

use super::kind::open_snapshot;
use super::output::{Answer, CliError, Output};
use super::progress::shown;
use crate::machine::board::Board;
use crate::snapshot::{Chain, flatten, verify_layer};

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
        /// As JSON, for scripts: an array of objects, one for each file.
        #[arg(long)]
        json: bool,
    },
}

/// Runs the verb.
///
/// # Errors
/// A file that cannot be read or written.
pub(super) fn run(
    args: &Args,
    _boards: &[&dyn Board],
    out: &mut Output,
) -> Result<Answer, CliError> {
    match &args.work {
        Work::Flatten { file, output, compress } => {
            let chain = open_snapshot(file)?;
            shown("flatten", || flatten(&chain, output, *compress))?;
            Ok(Answer::Yes)
        }
        Work::Verify { file, json } => verify(&open_snapshot(file)?, *json, out),
    }
}

fn verify(chain: &Chain, json: bool, out: &mut Output) -> Result<Answer, CliError> {
    let mut answer = Answer::Yes;
    let mut reports = Vec::new();
    for layer in chain.layers() {
        let damage = shown("verify", || verify_layer(layer)).err().map(|error| error.to_string());
        if damage.is_some() {
            answer = Answer::No;
        }
        if json {
            reports.push(serde_json::json!({"file": layer.path(), "damage": damage}));
        } else {
            let said = damage.as_deref().unwrap_or("whole");
            out.line(format_args!("{}: {said}", layer.path().display()));
        }
    }
    if json {
        out.line(format_args!("{}", serde_json::Value::Array(reports)));
    }
    Ok(answer)
}
