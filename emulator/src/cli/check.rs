//! `emulator check`

use std::path::PathBuf;

use super::kind::expect_snapshot;
use super::output::{Answer, CliError, Output};
use crate::machine::board::{self, Board, BoardVersion, Built, Config};
use crate::snapshot::{Chain, SnapshotError, config_of, machine_name, refusals};

/// Say whether a machine would load a snapshot and, if not, every reason.
///
/// Nothing is run and nothing is changed. Exit code 1 if it would not. RAM is not read:
/// `emulator snapshot verify` proves it.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The snapshot.
    file: PathBuf,
    /// The machine that is to load it (default: the one that the snapshot names).
    #[arg(long, value_name = "NAME[@VERSION]")]
    machine: Option<String>,
    /// As JSON, for scripts.
    #[arg(long)]
    json: bool,
}

/// What was found.
#[derive(serde::Serialize)]
struct Verdict {
    /// The machine that was asked.
    machine: String,
    loads: bool,
    /// Each in a sentence.
    reasons: Vec<String>,
}

/// Runs the verb.
///
/// # Errors
/// A file that is not there or no snapshot, a machine that does not exist.
pub(super) fn run(
    args: &Args,
    boards: &[&dyn Board],
    out: &mut Output,
) -> Result<Answer, CliError> {
    expect_snapshot(&args.file)?;
    let mut reasons = Vec::new();
    // What can be said without the parents, or of a container of the future, is said all the same.
    let chain = match Chain::open(&args.file) {
        Ok(chain) => chain,
        Err(error) => {
            let alone = Chain::open_alone(&args.file)?;
            reasons.push(error.to_string());
            alone
        }
    };
    let name = args.machine.clone().unwrap_or_else(|| machine_name(&chain));
    let (board, version) = board::find(boards, &name).map_err(CliError::Usage)?;
    reasons.extend(judge(board, version, &chain));
    let mut seen = std::collections::BTreeSet::new();
    reasons.retain(|reason| seen.insert(reason.clone()));
    let machine = format!("{}@{}", board.name(), version.version);
    answer(&Verdict { machine, loads: reasons.is_empty(), reasons }, args, out)
}

/// Builds the machine as the snapshot says and asks it.
fn judge(board: &dyn Board, version: &BoardVersion, chain: &Chain) -> Vec<String> {
    let config = match config_of(chain) {
        Ok(config) => config,
        Err(error) => return sentences(&error),
    };
    match board.build(version, &config) {
        Ok(Built { mut machine, .. }) => {
            refusals(&mut machine, chain, true).iter().flat_map(sentences).collect()
        }
        Err(error) => {
            // Without its kernel and firmware the machine still judges the state.
            let mut reasons = vec![error.to_string()];
            let bare = Config { images: Some(Vec::new()), ..config };
            if let Ok(Built { mut machine, .. }) = board.build(version, &bare) {
                reasons.extend(refusals(&mut machine, chain, false).iter().flat_map(sentences));
            }
            reasons
        }
    }
}

/// One sentence for each reason in an error.
fn sentences(error: &SnapshotError) -> Vec<String> {
    match error {
        SnapshotError::Instances { source, .. } => {
            source.problems().iter().map(ToString::to_string).collect()
        }
        other => vec![other.to_string()],
    }
}

fn answer(verdict: &Verdict, args: &Args, out: &mut Output) -> Result<Answer, CliError> {
    if args.json {
        let text = serde_json::to_string(verdict).map_err(|error| CliError::File {
            path: args.file.display().to_string(),
            why: error.to_string(),
        })?;
        out.line(format_args!("{text}"));
    } else {
        let (file, machine) = (args.file.display(), &verdict.machine);
        let says = if verdict.loads { "loads" } else { "does not load" };
        out.line(format_args!("{file}: {says} into {machine}"));
        for reason in &verdict.reasons {
            out.line(format_args!("  {reason}"));
        }
    }
    Ok(if verdict.loads { Answer::Yes } else { Answer::No })
}
