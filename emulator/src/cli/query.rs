//! `emulator query`: questions to a recording, without GDB.

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::{Answer, CliError, Output};
use crate::{
    debug::{
        DebugError, Engine, Motion, Show, Traced,
        machine::MachineSubject,
        monitor::{self, Session},
    },
    journal::Reader,
    machine::board::Board,
    timeline::{self, Replayer, Tuning},
};

/// Ask a recording: who wrote this last, what did a device hold then, what ran.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The recording.
    file: PathBuf,
    #[command(subcommand)]
    question: Question,
    /// Host memory for checkpoints in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 256, global = true)]
    checkpoint_memory: u64,
}

#[derive(Debug, Subcommand)]
enum Question {
    /// Who wrote to an address last.
    LastWrite {
        /// Address: a number or an expression over registers.
        addr: String,
        /// Length in bytes.
        #[arg(default_value = "8")]
        length: String,
        /// Where to look back from.
        #[arg(long, value_name = "POSITION", default_value = "end")]
        at: String,
        /// The address is physical.
        #[arg(long)]
        physical: bool,
    },
    /// When an instruction was executed last.
    LastExec {
        /// Virtual address: a number or an expression over registers.
        addr: String,
        /// Where to look back from.
        #[arg(long, value_name = "POSITION", default_value = "end")]
        at: String,
    },
    /// The state of a device; without a path, the list of devices.
    Device {
        /// Instance path, such as `soc/uart0`.
        path: Option<String>,
        /// When.
        #[arg(long, value_name = "POSITION", default_value = "end")]
        at: String,
    },
    /// What ran, an instruction a line, with the registers that it changed.
    Trace {
        /// First position.
        #[arg(long, value_name = "POSITION", default_value = "0")]
        from: String,
        /// Position to stop at.
        #[arg(long, value_name = "POSITION")]
        to: String,
    },
}

pub(super) fn run(
    args: &Args,
    boards: &[&dyn Board],
    output: &mut Output,
) -> Result<Answer, CliError> {
    let subject = open(&args.file, boards, Tuning::default())?;
    let engine = Engine::new(Box::new(subject), args.checkpoint_memory << 20);
    let mut session = Session::new(engine);
    let line = match &args.question {
        Question::LastWrite { addr, length, at, physical } => {
            seek(&mut session, at)?;
            session.physical = *physical;
            format!("last-write ({addr}) {length}")
        }
        Question::LastExec { addr, at } => {
            seek(&mut session, at)?;
            format!("last-exec {addr}")
        }
        Question::Device { path, at } => {
            seek(&mut session, at)?;
            format!("device {}", path.as_deref().unwrap_or(""))
        }
        Question::Trace { from, to } => {
            let from = session.engine.find_position(from).map_err(failed)?;
            let to = session.engine.find_position(to).map_err(failed)?;
            let mut line = |traced: &Traced| {
                output.line(format_args!("{traced}"));
            };
            session.engine.trace(from, to, &mut line).map_err(failed)?;
            return Ok(Answer::Yes);
        }
    };
    match monitor::try_execute(&mut session, &line) {
        Ok(text) => {
            text.lines().for_each(|line| output.line(format_args!("{line}")));
            Ok(Answer::Yes)
        }
        Err(error) => Err(failed(error)),
    }
}

/// The machine of a recording, at power-on.
pub(super) fn open(
    file: &Path,
    boards: &[&dyn Board],
    tuning: Tuning,
) -> Result<MachineSubject, CliError> {
    let wrong = |error: &dyn std::fmt::Display| CliError::Usage(error.to_string());
    let mut recording = Reader::open(file).map_err(|error| wrong(&error))?;
    let mut machine =
        timeline::build(&mut recording, boards, tuning).map_err(|error| wrong(&error))?;
    let replayer = Replayer::new(&recording, machine.clock().step_ps, ());
    let mut replayer = replayer.map_err(|error| wrong(&error))?;
    machine.power_on(&mut replayer);
    MachineSubject::replay(machine, recording, replayer, None).map_err(failed)
}

fn seek(session: &mut Session, at: &str) -> Result<(), CliError> {
    let position = session.engine.find_position(at).map_err(failed)?;
    session.engine.resume(Motion::Seek(position)).map_err(failed)?;
    tracing::debug!("at {}", Show(session.engine.position()));
    Ok(())
}

fn failed(error: DebugError) -> CliError {
    CliError::Usage(error.to_string())
}
