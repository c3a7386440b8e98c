//! `emulator timeline`

use std::{fs::File, io::BufWriter, path::PathBuf};

use super::{
    kind::{expect_other_file, expect_recording},
    output::{Answer, CliError, Output},
    progress::shown,
};
use crate::{
    machine::board::{Board, Engine},
    picture::{PictureError, page, sampler, trace},
    timeline::{PositionSpec, Tuning},
};

/// Draw a recording: what the machine did along its timeline, as one HTML page.
///
/// Replays the recording and shows instructions and virtual time, the modes of the harts,
/// interrupts, device activity, events, checkpoints and what was printed. The page needs no network
/// and no other file. Exit code 1 when the replay left the recorded path: the picture ends there.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The recording.
    file: PathBuf,
    /// Where the page goes.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Write a trace for the Perfetto viewer instead of a page.
    #[arg(long)]
    perfetto: bool,
    /// Begin at this position: an instruction count, 12.5s, 45%, event:12 or mark:NAME.
    #[arg(long, value_name = "POSITION")]
    from: Option<PositionSpec>,
    /// End at this position.
    #[arg(long, value_name = "POSITION")]
    to: Option<PositionSpec>,
    /// How finely to look: that many stops along the instructions, and as many along virtual time.
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = clap::value_parser!(u64).range(1..=200_000))]
    samples: u64,
    /// What runs the instructions.
    #[arg(long, value_name = "ENGINE", default_value = "auto")]
    engine: Engine,
}

/// Runs the verb.
///
/// # Errors
/// A recording that cannot be replayed, a file that cannot be written.
pub(super) fn run(
    args: &Args,
    boards: &[&dyn Board],
    out: &mut Output,
) -> Result<Answer, CliError> {
    expect_recording(&args.file)?;
    expect_other_file(&args.output, &args.file)?;
    let options = sampler::Options {
        samples: args.samples,
        from: args.from.clone(),
        to: args.to.clone(),
        tuning: Tuning { engine: args.engine, ..Tuning::default() },
    };
    let picture = shown("replay", || sampler::sample(&args.file, boards, &options));
    let picture = picture.map_err(|error| match error {
        PictureError::Open(error) => CliError::Replay(error),
        PictureError::Session(error) => CliError::Session(error),
        PictureError::Journal(error) => CliError::Journal(error),
        error => CliError::File { path: args.file.display().to_string(), why: error.to_string() },
    })?;
    let written = File::create(&args.output).and_then(|file| {
        let mut file = BufWriter::new(file);
        if args.perfetto {
            trace::write(&picture, &mut file)?;
        } else {
            page::write(&picture, &mut file)?;
        }
        file.into_inner()?.sync_all()
    });
    written.map_err(|error| CliError::File {
        path: args.output.display().to_string(),
        why: error.to_string(),
    })?;
    out.line(format_args!(
        "{}: {} samples from instruction {} to {}",
        args.output.display(),
        picture.samples.len(),
        picture.from.steps,
        picture.to().steps
    ));
    match &picture.divergence {
        None => Ok(Answer::Yes),
        Some(why) => {
            eprintln!("the replay left the recorded path: {why}");
            Ok(Answer::No)
        }
    }
}
