//! `emulator verify`

use std::path::PathBuf;

use super::{
    kind::expect_recording,
    output::{Answer, CliError, Output},
    progress::shown,
};
use crate::{
    machine::board::{Board, Engine},
    timeline::{
        Tuning,
        verify::{Verified, verify, verify_from_everywhere},
    },
};

/// Replay a recording and compare everything it knows: every digest, every input's transcript, the
/// final state.
///
/// Exit code 0 when all is equal, 1 when the replay left the recorded path or a checkpoint in the
/// recording cannot be used.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The recording.
    file: PathBuf,
    /// What runs the instructions.
    #[arg(long, value_name = "ENGINE", default_value = "auto")]
    engine: Engine,
    /// Replays so many stretches between checkpoints at once.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=256))]
    jobs: u32,
    /// Replays to the end from power-on and from every checkpoint in the recording.
    #[arg(long)]
    every_checkpoint: bool,
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
    let tuning = Tuning { engine: args.engine, ..Tuning::default() };
    let jobs = args.jobs as usize;
    let (replays, verified) = shown("replay", || {
        if args.every_checkpoint {
            verify_from_everywhere(&args.file, boards, tuning, jobs)
        } else {
            verify(&args.file, boards, tuning, jobs).map(|verified| (1, verified))
        }
    })?;
    let answer = if verified.is_equal() { Answer::Yes } else { Answer::No };
    let Verified { compared, steps, end, divergence, unusable } = verified;
    let equal = divergence.is_none();
    if args.json {
        let report = serde_json::json!({
            "file": args.file, "equal": equal, "replays": replays, "digests": compared,
            "steps": steps, "end": end, "unusable": unusable.map(|unusable| unusable.to_string()),
        });
        out.line(format_args!("{report}"));
        return Ok(answer);
    }
    if let Some(unusable) = unusable {
        out.line(format_args!("DAMAGED: {unusable}"));
    }
    if equal && args.every_checkpoint {
        out.line(format_args!(
            "equal: {replays} replays, {compared} digests up to instruction {steps} ({end})"
        ));
    } else if equal {
        out.line(format_args!("equal: {compared} digests up to instruction {steps} ({end})"));
    } else {
        out.line(format_args!("DIVERGED: {end}"));
        out.line(format_args!("`emulator bisect {}` finds the instruction", args.file.display()));
    }
    Ok(answer)
}
