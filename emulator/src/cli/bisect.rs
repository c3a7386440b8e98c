//! `emulator bisect`

use std::path::PathBuf;

use super::{
    kind::expect_recording,
    output::{Answer, CliError, Output},
    progress::shown,
};
use crate::{
    machine::board::{Board, Engine},
    timeline::bisect::bisect,
};

/// Narrow a replay that leaves its recording to the instruction, the field and the device.
///
/// Replays up to the first recorded digest that differs. Then runs two machines side by side through
/// that interval, unlike in nothing that should matter (restored or not, interpreted or translated,
/// calm or perturbed), and halves until one instruction is left. Exit code 0 when the replay is
/// equal, 1 when it is not.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The recording.
    file: PathBuf,
    /// What runs the instructions of the replay that is looked into.
    #[arg(long, value_name = "ENGINE", default_value = "auto")]
    engine: Engine,
    /// Decides where the perturbed machine is perturbed.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// As JSON, for scripts.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
///
/// # Errors
/// A recording that cannot be replayed at all.
pub(super) fn run(
    args: &Args,
    boards: &[&dyn Board],
    out: &mut Output,
) -> Result<Answer, CliError> {
    expect_recording(&args.file)?;
    let report = shown("bisect", || bisect(&args.file, boards, args.engine, args.seed))?;
    if args.json {
        let text = serde_json::to_string(&report).map_err(|error| CliError::File {
            path: args.file.display().to_string(),
            why: error.to_string(),
        })?;
        out.line(format_args!("{text}"));
    } else if let Some(report) = &report {
        out.line(format_args!("{}", report.to_string().trim_end()));
    } else {
        out.line(format_args!(
            "equal: the replay never leaves the recording, calm, perturbed or from any checkpoint"
        ));
    }
    Ok(if report.is_some() { Answer::No } else { Answer::Yes })
}
