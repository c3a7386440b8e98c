//! `emulator query`: questions to a recording, without GDB.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Subcommand;
use serde_json::Value;

use super::{Answer, CliError, Output, kind::expect_recording, progress::shown};
use crate::{
    clock::Position,
    debug::{
        self, DebugError, Motion, Past, Show, Traced,
        machine::MachineSubject,
        monitor::{self, Session},
    },
    machine::board::{Board, Engine},
    timeline::{self, Tuning},
};

/// Ask a recording: who wrote this last, what did a device hold then, what ran.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The recording.
    file: PathBuf,
    #[command(subcommand)]
    question: Question,
    /// Answer in JSON, an object a line.
    #[arg(long, global = true)]
    json: bool,
    /// Host memory for checkpoints (default: a quarter of RAM).
    #[arg(long, value_name = "SIZE", global = true, value_parser = super::run::parse_size)]
    checkpoint_memory: Option<u64>,
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
        /// Where to look back from: an instruction count, 12.5s, 45%, event:12, mark:NAME or end.
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
        /// Where to look back from: an instruction count, 12.5s, 45%, event:12, mark:NAME or end.
        #[arg(long, value_name = "POSITION", default_value = "end")]
        at: String,
    },
    /// The state of a device; without a path, the list of devices.
    Device {
        /// Instance path, such as `soc/uart0`.
        path: Option<String>,
        /// When: an instruction count, 12.5s, 45%, event:12, mark:NAME or end.
        #[arg(long, value_name = "POSITION", default_value = "end")]
        at: String,
    },
    /// What ran, an instruction a line, with the registers that it changed.
    Trace {
        /// First position: an instruction count, 12.5s, 45%, event:12 or mark:NAME.
        #[arg(long, value_name = "POSITION", default_value = "0")]
        from: String,
        /// Position to stop at.
        #[arg(long, value_name = "POSITION")]
        to: String,
    },
}

pub(super) fn run(
    args: &Args,
    boards: &'static [&'static dyn Board],
    output: &mut Output,
) -> Result<Answer, CliError> {
    expect_recording(&args.file)?;
    let subject = open(&args.file, boards, Tuning::default())?;
    let bytes = subject.checkpoint_bytes(args.checkpoint_memory);
    let mut session = Session::new(debug::Engine::new(Box::new(subject), bytes));
    match &args.question {
        Question::LastWrite { addr, length, at, physical } => {
            seek(&mut session, at)?;
            session.physical = *physical;
            let addr = monitor::address(&session, addr).map_err(failed)?;
            let length = monitor::address(&session, length).map_err(failed)?;
            let space = session.space();
            let past = shown("look back", || session.engine.last_write(space, addr, length));
            let past = past.map_err(failed)?;
            let nothing = format!("nothing wrote {length} bytes at {addr:#x} before");
            Ok(tell(past.as_ref(), &nothing, args.json, output))
        }
        Question::LastExec { addr, at } => {
            seek(&mut session, at)?;
            let addr = monitor::address(&session, addr).map_err(failed)?;
            let past =
                shown("look back", || session.engine.last_execution(addr)).map_err(failed)?;
            let nothing = format!("{addr:#x} was not executed before");
            Ok(tell(past.as_ref(), &nothing, args.json, output))
        }
        Question::Device { path, at } => {
            seek(&mut session, at)?;
            device(&mut session, path.as_deref().unwrap_or_default(), args.json, output)
        }
        Question::Trace { from, to } => {
            let from = session.engine.find_position(from).map_err(failed)?;
            let to = session.engine.find_position(to).map_err(failed)?;
            if from > to {
                let why = format!("--from {} lies behind --to {}", Show(from), Show(to));
                return Err(CliError::Usage(why));
            }
            let mut line = |traced: &Traced| {
                if args.json {
                    output.line(format_args!("{}", traced_json(traced)));
                } else {
                    output.line(format_args!("{traced}"));
                }
            };
            session.engine.trace(from, to, &mut line).map_err(failed)?;
            Ok(Answer::Yes)
        }
    }
}

/// Tells of something in the past, or that there was nothing, which is the answer no.
fn tell(past: Option<&Past>, nothing: &str, json: bool, output: &mut Output) -> Answer {
    match past {
        Some(past) if json => output.line(format_args!("{}", past_json(past))),
        Some(past) => {
            monitor::describe(past).lines().for_each(|line| output.line(format_args!("{line}")));
        }
        None if json => output.line(format_args!("null")),
        None => output.line(format_args!("{nothing}")),
    }
    if past.is_some() { Answer::Yes } else { Answer::No }
}

fn device(
    session: &mut Session,
    path: &str,
    json: bool,
    output: &mut Output,
) -> Result<Answer, CliError> {
    let subject = session.engine.subject();
    let text = match (path, json) {
        ("", true) => serde_json::json!(subject.device_paths()).to_string(),
        (path, true) if !path.is_empty() => {
            subject.device_json(path).map_or_else(|| Err(failed(session.no_device(path))), Ok)?
        }
        _ => monitor::try_execute(session, &format!("device {path}")).map_err(failed)?,
    };
    text.lines().for_each(|line| output.line(format_args!("{line}")));
    Ok(Answer::Yes)
}

/// An instruction that was executed, as an object to which more is added.
fn executed_json(position: Position, hart: usize, pc: u64, instruction: Value) -> Value {
    let Position { steps, idle_ns, sequence } = position;
    serde_json::json!({
        "position": { "steps": steps, "idle_ns": idle_ns, "sequence": sequence },
        "hart": hart,
        "pc": format!("{pc:#x}"),
        "instruction": instruction,
    })
}

fn past_json(past: &Past) -> Value {
    let Past { position, hart, pc, instruction, change } = past;
    let (before, after) = match change {
        Some((before, after)) => (Some(before), Some(after)),
        None => (None, None),
    };
    let mut object = executed_json(*position, *hart, *pc, serde_json::json!(instruction));
    object["before"] = serde_json::json!(before);
    object["after"] = serde_json::json!(after);
    object
}

fn traced_json(traced: &Traced) -> Value {
    let Traced { position, hart, pc, instruction, changed } = traced;
    let registers: serde_json::Map<_, _> = changed
        .iter()
        .map(|(name, value)| ((*name).to_owned(), format!("{value:#x}").into()))
        .collect();
    let mut object = executed_json(*position, *hart, *pc, serde_json::json!(instruction));
    object["registers"] = registers.into();
    object
}

/// Executions after which a replay that is debugged translates code, unless the user says otherwise:
/// fewer than for a long run, because a seek begins with nothing translated and lasts for tenths of a
/// second.
const DEBUGGED_THRESHOLD: u32 = 1000;

/// The machine of a recording, at power-on.
pub(super) fn open(
    file: &Path,
    boards: &'static [&'static dyn Board],
    tuning: Tuning,
) -> Result<MachineSubject, CliError> {
    let subject = replay(file, boards, tuning)?;
    if let Some(warning) = subject.warning() {
        eprintln!("warning: {warning}");
    }
    let file = file.to_owned();
    Ok(subject.with_another(Arc::new(move || {
        let another = replay(&file, boards, tuning);
        let another = another.map_err(|error| DebugError::Subject(error.to_string()))?;
        Ok(Box::new(another))
    })))
}

fn replay(file: &Path, boards: &[&dyn Board], tuning: Tuning) -> Result<MachineSubject, CliError> {
    let usual = (tuning.engine == Engine::Auto).then_some(DEBUGGED_THRESHOLD);
    let tuning = Tuning { jit_threshold: tuning.jit_threshold.or(usual), ..tuning };
    let (recording, machine, replayer) = timeline::start(file, boards, tuning, ())?;
    MachineSubject::replay(machine, recording, replayer).map_err(failed)
}

fn seek(session: &mut Session, at: &str) -> Result<(), CliError> {
    let position = session.engine.find_position(at).map_err(failed)?;
    shown("seek", || session.engine.resume(Motion::Seek(position))).map_err(failed)?;
    tracing::debug!("at {}", Show(session.engine.position()));
    Ok(())
}

fn failed(error: DebugError) -> CliError {
    CliError::Usage(error.to_string())
}
