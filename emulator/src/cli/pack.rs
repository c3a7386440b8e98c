//! `emulator pack`

use std::path::PathBuf;

use super::kind::{expect_other_file, expect_recording};
use super::output::{Answer, CliError, Output};
use crate::{
    journal::{FrameKind, Reader, Writer},
    machine::board::Board,
    timeline::{Tuning, build},
};

/// Put firmware, kernel and initial file system into a copy of a recording, so that it replays on
/// another machine with nothing else.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The recording.
    file: PathBuf,
    /// Where the packed copy goes.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

/// Runs the verb.
///
/// # Errors
/// A recording whose images are not at hand any more, or a host that cannot write.
pub(super) fn run(
    args: &Args,
    boards: &[&dyn Board],
    out: &mut Output,
) -> Result<Answer, CliError> {
    expect_recording(&args.file)?;
    expect_other_file(&args.output, &args.file)?;
    let mut recording = Reader::open(&args.file)?;
    if recording.packed_images()?.is_some() {
        return Err(CliError::Usage(format!("`{}` is packed already", args.file.display())));
    }
    let machine = build(&mut recording, boards, Tuning::default())?;
    let mut writer = Writer::copy(&args.output, &recording)?;
    for (number, image) in machine.images().iter().enumerate() {
        writer.pieces(FrameKind::Image, recording.last(), number as u64, &image.bytes)?;
    }
    let bytes = writer.bytes();
    writer.finish(recording.last())?;
    eprintln!(
        "warning: `{}` holds what was typed and everything that its images hold, and may so hold \
         passwords, keys and private data; look before you pass it on",
        args.output.display()
    );
    out.line(format_args!(
        "{}: {} images, {bytes} bytes",
        args.output.display(),
        machine.images().len()
    ));
    Ok(Answer::Yes)
}
