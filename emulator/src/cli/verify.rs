//! `emulator verify`

use std::path::PathBuf;

use super::output::{Answer, CliError, Output};
use crate::{
    clock::Position,
    machine::board::{Board, Engine},
    timeline::{Opened, ReplayStop, SessionError, Tuning, listing::ending_in_words},
};

/// Replay a recording and compare everything it knows: every digest, every input's transcript, the
/// final state.
///
/// Exit code 0 when all is equal, 1 when the replay left the recorded path.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The recording.
    file: PathBuf,
    /// What runs the instructions.
    #[arg(long, value_name = "ENGINE", default_value = "auto")]
    engine: Engine,
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
    let tuning = Tuning { engine: args.engine, jit_threshold: None };
    let Opened { recording, mut machine, mut session } =
        Opened::at_power_on(&args.file, boards, tuning, ())?;
    let result = session.run(&mut machine, Position::MAX);
    let compared = session.replayer_mut().compared();
    let steps = machine.position().steps;
    let (answer, words) = match result {
        Ok(ReplayStop::PoweredOff { code }) => (Answer::Yes, format!("power-off {code}")),
        Ok(ReplayStop::End { how: Some(how) }) => (Answer::Yes, how),
        Ok(ReplayStop::End { how: None } | ReplayStop::Limit | ReplayStop::Debug { .. }) => {
            (Answer::Yes, ending_in_words(recording.ending(), recording.last()))
        }
        Err(SessionError::Diverged(divergence)) => (Answer::No, divergence.to_string()),
        Err(error) => return Err(error.into()),
    };
    let equal = matches!(answer, Answer::Yes);
    if args.json {
        let report = serde_json::json!({
            "file": args.file, "equal": equal, "digests": compared, "steps": steps, "end": words,
        });
        out.line(format_args!("{report}"));
    } else if equal {
        out.line(format_args!("equal: {compared} digests up to instruction {steps} ({words})"));
    } else {
        out.line(format_args!("DIVERGED: {words}"));
    }
    Ok(answer)
}
