//! `emulator verify`

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

use super::output::{Answer, CliError, Output};
use crate::{
    clock::Position,
    journal::Reader,
    machine::board::{Board, Engine},
    timeline::{
        Opened, ReplayStop, SessionError, Target, Tuning, checkpoint::checkpoints, how_off,
        listing::ending_in_words,
    },
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
    /// Replays so many stretches between checkpoints at once.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=256))]
    jobs: u32,
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
    let recording = Reader::open(&args.file)?;
    let stretches = if args.jobs > 1 { checkpoints(&recording) } else { Vec::new() };
    let next = AtomicUsize::new(0);
    let work = || {
        let mut reports = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number > stretches.len() {
                return reports;
            }
            let end = stretches.get(number).map(|checkpoint| checkpoint.position);
            reports.push((number, stretch(&args.file, boards, tuning, number, end)));
        }
    };
    let mut reports: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (1..args.jobs).map(|_| scope.spawn(work)).collect();
        let mut reports = work();
        for thread in threads {
            match thread.join() {
                Ok(more) => reports.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        reports
    });
    reports.sort_by_key(|(number, _)| *number);
    let (mut compared, mut steps, mut words, mut answer) = (0, 0, String::new(), Answer::Yes);
    for (_, report) in reports {
        let report = report?;
        compared += report.compared;
        (steps, words, answer) = (report.steps, report.words, report.answer);
        // What comes after the first difference follows from it.
        if matches!(answer, Answer::No) {
            break;
        }
    }
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

/// What became of one stretch.
struct Report {
    answer: Answer,
    words: String,
    compared: u64,
    steps: u64,
}

/// Replays stretch `number`: from power-on (0) or the checkpoint before it, to `end` or to the end of
/// the recording.
fn stretch(
    file: &Path,
    boards: &[&dyn Board],
    tuning: Tuning,
    number: usize,
    end: Option<Position>,
) -> Result<Report, CliError> {
    let Opened { recording, mut machine, mut session } = match number.checked_sub(1) {
        None => Opened::at_power_on(file, boards, tuning, ())?,
        Some(before) => Opened::at_checkpoint(file, boards, tuning, before, ())?,
    };
    // Stretches overlap by the events at the place of a checkpoint.
    let limit = end.map(|end| Target::Position(Position { sequence: u64::MAX, ..end }));
    session.replayer_mut().limit(limit);
    let result = session.run(&mut machine, Position::MAX);
    let compared = session.replayer_mut().compared();
    let (answer, words) = match result {
        Ok(ReplayStop::PoweredOff { code }) => (Answer::Yes, how_off(code)),
        Ok(ReplayStop::End { how: Some(how) }) => (Answer::Yes, how),
        Ok(ReplayStop::End { how: None } | ReplayStop::Limit | ReplayStop::Debug { .. }) => {
            (Answer::Yes, ending_in_words(recording.ending(), recording.last()))
        }
        Err(SessionError::Diverged(divergence)) => (Answer::No, divergence.to_string()),
        Err(error) => return Err(error.into()),
    };
    Ok(Report { answer, words, compared, steps: machine.position().steps })
}
