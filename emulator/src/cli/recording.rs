//! `--record`, `--replay`, `--until`, `--go-live`: the options that tie a run to a recording.

use std::{io::Write, path::PathBuf, time::Duration};

use super::{
    kind::{expect_other_file, expect_recording},
    output::CliError,
};
use crate::{
    clock::Position,
    console::LiveDoor,
    debug::machine::Live,
    door,
    journal::{Description, Parent, Reader, Writer},
    machine::{
        Machine,
        board::{Board, Config},
    },
    timeline::{
        Opened, PositionSpec, RecordSession, Recorder, ReplayStop, SessionError, Sink, Target,
        Tuning,
        described::{DigestSteps, describe},
        listing::ending_in_words,
    },
};

/// Options of recording and replaying.
#[derive(Clone, Debug, clap::Args)]
#[group(id = "recording")]
pub(super) struct Args {
    /// Write down what comes from outside, so that the run can be repeated exactly.
    #[arg(long, value_name = "FILE")]
    pub(super) record: Option<PathBuf>,
    /// Instructions from one digest to the next in the recording (default: 2^24 for the transcript,
    /// 2^28 for the whole state).
    #[arg(long, value_name = "N", requires = "record", value_parser = clap::value_parser!(u64).range(1..))]
    digest_every: Option<u64>,
    /// Host time from one checkpoint in the recording to the next, in seconds (default: as often as
    /// they are cheap, at most every half second).
    #[arg(long, value_name = "SECONDS", requires = "record", value_parser = parse_seconds)]
    checkpoint_every: Option<Duration>,
    /// No checkpoints in the recording: it is smaller, and replays from power-on only.
    #[arg(long, requires = "record", conflicts_with = "checkpoint_every")]
    no_checkpoints: bool,
    /// Repeat a recorded run; it names the machine and its files.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["machine", "kernel", "bios", "initrd", "dtb", "cpus", "cpu", "memory", "insn_time"])]
    pub(super) replay: Option<PathBuf>,
    /// End at a position: an instruction count or a time such as 12.5s; in a replay also 45%,
    /// event:12, mark:NAME.
    #[arg(long, value_name = "POSITION", conflicts_with = "gdb")]
    until: Option<PositionSpec>,
    /// Leave the recording at --until and go on live.
    #[arg(long, requires_all = ["until", "replay"])]
    go_live: bool,
}

/// Switches `machine` on behind `live`, recorded if that was asked for.
///
/// # Errors
/// A recording that cannot be created.
pub(super) fn power_on(
    args: &Args,
    machine: &mut Machine,
    config: &Config,
    mut live: LiveDoor,
) -> Result<Box<dyn Live>, CliError> {
    let Some(path) = &args.record else {
        machine.power_on(&mut live);
        return Ok(Box::new(live));
    };
    let every = args.digest_steps();
    let description = describe(machine, config, every);
    let writer = Writer::create(path, &description)?;
    let mut recorder = Recorder::new(live, writer, every.transcript, every.state);
    machine.power_on(&mut recorder);
    Ok(recorded(args, machine, recorder))
}

fn recorded(args: &Args, machine: &Machine, recorder: Recorder<LiveDoor>) -> Box<dyn Live> {
    let mut session = RecordSession::new(machine, recorder);
    if !args.no_checkpoints {
        session.take_checkpoints(args.checkpoint_every);
    }
    Box::new(session)
}

/// Seconds, with a fraction.
fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "expected a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

impl Args {
    /// Where a live run ends by itself.
    ///
    /// # Errors
    /// A position that only a recording has.
    pub(super) fn limit(&self) -> Result<Option<Target>, CliError> {
        let target = self.until.as_ref().map(PositionSpec::resolve_live).transpose();
        target.map_err(|error| CliError::Usage(format!("--until: {error}")))
    }

    fn digest_steps(&self) -> DigestSteps {
        self.digest_every.map_or_else(DigestSteps::default, |steps| DigestSteps {
            transcript: steps,
            state: steps,
        })
    }
}

/// Where a replay left the machine.
pub(super) enum Replayed {
    /// It is over.
    Over {
        /// The machine as the replay left it.
        machine: Box<Machine>,
        /// The exit code.
        code: u8,
    },
    /// The machine goes on live from here.
    Live(Box<Machine>, Box<Reader>),
}

/// What the replayed guest prints goes where the live one's did.
struct Console;

impl Sink for Console {
    fn output(&mut self, _: Position, output: door::Output<'_>) {
        let mut stdout = std::io::stdout().lock();
        // A closed pipe ends what is shown, not what is replayed.
        drop(stdout.write_all(output.data).and_then(|()| stdout.flush()));
    }
}

/// Exit code of a replay that left the recorded path.
const DIVERGED: u8 = 1;

/// Replays as `args` say.
///
/// # Errors
/// A recording that cannot be replayed, or a position that it does not have.
pub(super) fn replay(
    args: &Args,
    path: &std::path::Path,
    boards: &[&dyn Board],
    tuning: Tuning,
) -> Result<Replayed, CliError> {
    expect_recording(path)?;
    let Opened { recording, mut machine, mut session } =
        Opened::at_power_on(path, boards, tuning, Console)?;
    if let Some(until) = &args.until {
        let target =
            until.resolve(&recording).map_err(|error| CliError::Usage(error.to_string()))?;
        session.replayer_mut().limit(Some(target));
    }
    let result = session.run(&mut machine, Position::MAX);
    let machine = Box::new(machine);
    let code = match result {
        Ok(ReplayStop::Limit) if args.go_live => {
            return Ok(Replayed::Live(machine, Box::new(recording)));
        }
        Ok(ReplayStop::PoweredOff { code }) => code,
        Ok(stop) => {
            let Position { steps, idle_ns, sequence } = machine.position();
            let why = match stop {
                ReplayStop::End { how: Some(how) } => format!("as recorded: {how}"),
                ReplayStop::End { how: None } => {
                    ending_in_words(recording.ending(), recording.last())
                }
                _ => "as asked".to_owned(),
            };
            eprintln!("\nreplay ends at instruction {steps} ({steps}:{idle_ns}:{sequence}), {why}");
            0
        }
        Err(SessionError::Diverged(divergence)) => {
            eprintln!("\nthe replay left the recorded path: {divergence}");
            eprintln!("`emulator bisect {}` finds the instruction", path.display());
            DIVERGED
        }
        Err(error) => return Err(error.into()),
    };
    Ok(Replayed::Over { machine, code })
}

/// Lets a machine that stands in `parent` go on behind `live`; `args.record` names the child.
///
/// # Errors
/// A child that cannot be written.
pub(super) fn go_live(
    args: &Args,
    machine: &Machine,
    parent: &Reader,
    live: LiveDoor,
) -> Result<Box<dyn Live>, CliError> {
    let Some(path) = &args.record else { return Ok(Box::new(live)) };
    expect_other_file(path, parent.path())?;
    let every = args.digest_steps();
    let position = machine.position();
    let description = Description {
        parent: Some(Parent {
            file: parent.path().display().to_string(),
            recording: parent.recording(),
            steps: position.steps,
            idle_ns: position.idle_ns,
            sequence: position.sequence,
        }),
        transcript_every: every.transcript,
        state_every: every.state,
        ..parent.description().clone()
    };
    let writer = Writer::create(path, &description)?;
    let mut recorder = Recorder::new(live, writer, every.transcript, every.state);
    recorder.continue_from(parent, position)?;
    Ok(recorded(args, machine, recorder))
}
