//! `emulator` without a verb: runs a machine.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use super::{
    CliError, gdb,
    kind::expect_recording,
    live::{self, MonitorSocket},
    query,
    recording::{self, Replayed},
    saving,
};
use crate::{
    clock::Position,
    console::{Chosen, Desk, LiveDoor, Monitor, Pace},
    debug::{
        Engine as DebugEngine,
        gdb::Endpoint,
        machine::{GoLive, MachineSubject},
        monitor::Session,
    },
    journal::Reader,
    machine::{
        Machine,
        board::{self, Board, Config, Engine},
        report,
    },
    snapshot::{self, Chain},
    timeline::{Tuning, described::config_of},
};

/// What the exit code of a run says.
pub(super) const EXIT_CODES: &str = "\
Exit codes of a run:
  0        the guest switched the machine off, or you quit with Ctrl-A x
  1..=255  the code with which the guest ended (test finisher);
           1 also when a replay left the recorded path
  2        wrong usage, or a file that cannot be used
  3        the guest waits for input that cannot come any more
  128+N    signal N ended the run
Exit codes of the commands:
  0        done, or yes
  1        no: files differ, a file would not load, a replay left its recording, nothing was found
  2        wrong usage, or a file that cannot be used";

/// Options of a run.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Machine, with or without a version; `emulator machines` lists them.
    #[arg(long, value_name = "NAME[@VERSION]")]
    machine: Option<String>,
    /// Number of harts.
    #[arg(long, value_name = "N", default_value_t = 1)]
    cpus: u32,
    /// CPU model and its switches, such as rva22s64,sv48=on,svadu=off; `emulator machines` lists
    /// them.
    #[arg(long, value_name = "MODEL[,SWITCH=on|off..]")]
    cpu: Option<String>,
    /// Size of RAM, such as 512M or 2G.
    #[arg(long, short, value_name = "SIZE", default_value = "512M", value_parser = parse_size)]
    memory: u64,
    /// Firmware, raw or ELF; `none` starts the kernel without. Found where the package opensbi puts
    /// it when a kernel is given.
    #[arg(long, value_name = "FILE")]
    bios: Option<PathBuf>,
    /// Kernel: a Linux Image, an ELF executable, either of them in gzip.
    #[arg(long, value_name = "FILE")]
    kernel: Option<PathBuf>,
    /// Initial file system for the kernel.
    #[arg(long, value_name = "FILE")]
    initrd: Option<PathBuf>,
    /// The kernel's command line.
    #[arg(long, value_name = "TEXT", default_value = "")]
    append: String,
    /// Device tree in place of the machine's own.
    #[arg(long, value_name = "FILE")]
    dtb: Option<PathBuf>,
    /// Write the machine's device tree to a file and end.
    #[arg(long, value_name = "FILE")]
    dump_dtb: Option<PathBuf>,
    /// Virtual time of one instruction, such as 2ns or 500ps.
    #[arg(long, value_name = "TIME", default_value = "1ns", value_parser = parse_time)]
    insn_time: u64,
    /// real: virtual time never runs ahead of the host's clock, an idle guest costs nothing (default
    /// on a terminal); max: as fast as possible, an idle guest jumps to its next timer.
    #[arg(long, value_name = "PACE")]
    pace: Option<Pace>,
    /// Base of the guest's real-time clock in seconds since 1970 (default: the host's clock).
    #[arg(long, value_name = "SECONDS")]
    rtc_base: Option<u64>,
    /// Seed of the guest's randomness (default: the host's).
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// What runs the instructions; never changes what the guest computes.
    #[arg(long, value_name = "ENGINE", default_value = "auto")]
    engine: Engine,
    /// Executions after which code is translated.
    #[arg(long, value_name = "N")]
    jit_threshold: Option<u32>,
    /// Wait for GDB at HOST:PORT, unix:PATH or stdio before the first instruction.
    #[arg(long, value_name = "WHERE")]
    gdb: Option<Endpoint>,
    /// Listen for monitor commands at unix:PATH, line by line. On a terminal Ctrl-A c opens the monitor,
    /// too.
    #[arg(long, value_name = "WHERE", conflicts_with = "gdb")]
    monitor: Option<MonitorSocket>,
    /// Host memory for the checkpoints of reverse debugging (default: a quarter of RAM).
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    checkpoint_memory: Option<u64>,
    #[command(flatten)]
    recording: recording::Args,
    #[command(flatten)]
    saving: saving::Args,
    /// Print counters to standard error at the end.
    #[arg(long)]
    stats: bool,
}

/// Bytes of `512M`, `2G`, `65536K`.
pub(super) fn parse_size(text: &str) -> Result<u64, String> {
    let split = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(split);
    let shift = match unit {
        "" | "B" => 0,
        "K" | "KiB" | "k" => 10,
        "M" | "MiB" | "m" => 20,
        "G" | "GiB" | "g" => 30,
        _ => return Err(format!("`{unit}` is no unit; expected K, M or G")),
    };
    let number: u64 = digits.parse().map_err(|_| "expected a number with K, M or G".to_owned())?;
    number.checked_mul(1 << shift).ok_or_else(|| "too large".to_owned())
}

/// Picoseconds of `1ns`, `500ps`, `2us`.
fn parse_time(text: &str) -> Result<u64, String> {
    let split = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(split);
    let factor = match unit {
        "ps" => 1,
        "ns" => 1_000,
        "us" => 1_000_000,
        _ => return Err("expected a time such as 1ns, 500ps or 2us".to_owned()),
    };
    let number: u64 = digits.parse().map_err(|_| "expected a number with a unit".to_owned())?;
    match number.checked_mul(factor) {
        Some(time_ps) if time_ps > 0 => Ok(time_ps),
        _ => Err("a step lasts at least 1ps and less than a year".to_owned()),
    }
}

impl Args {
    fn config(&self) -> Config {
        Config {
            cpus: self.cpus,
            cpu: self.cpu.clone(),
            memory_bytes: self.memory,
            step_ps: self.insn_time,
            bios: self.bios.clone(),
            kernel: self.kernel.clone(),
            initrd: self.initrd.clone(),
            append: self.append.clone(),
            dtb: self.dtb.clone(),
            engine: self.engine,
            jit_threshold: self.jit_threshold,
            ..Config::default()
        }
    }

    fn pace(&self) -> Pace {
        use std::io::IsTerminal;
        let terminal = std::io::stdin().is_terminal();
        self.pace.unwrap_or(if terminal { Pace::Real } else { Pace::Max })
    }
}

/// Runs a machine to its end.
pub(super) fn run(args: &Args, boards: &'static [&'static dyn Board]) -> ExitCode {
    match try_run(args, boards) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("error: {}", super::output::explain(&error));
            ExitCode::from(2)
        }
    }
}

fn try_run(args: &Args, boards: &'static [&'static dyn Board]) -> Result<u8, CliError> {
    if let Some(endpoint) = &args.gdb {
        return args.debug(endpoint, boards);
    }
    let started = Instant::now();
    let live = match &args.recording.replay {
        Some(path) => {
            let tuning = Tuning {
                engine: args.engine,
                jit_threshold: args.jit_threshold,
                ..Tuning::default()
            };
            match recording::replay(&args.recording, path, boards, tuning)? {
                Replayed::Over { machine, code } => {
                    args.end(&machine, started);
                    return Ok(code);
                }
                Replayed::Live(machine, parent) => args.go_live(*machine, *parent, boards)?,
            }
        }
        None => match args.start(boards, args.desk())? {
            Some(started) => started,
            None => return Ok(0),
        },
    };
    let Started { subject, mut desk } = live;
    let mut session = Session::running(DebugEngine::new(Box::new(subject), 0));
    let ended = live::drive(&mut session, &mut desk);
    let operator = live::operator(&mut session);
    let saved = args.save(operator.machine(), boards);
    let how = match &ended {
        Ok((_, how)) => how.as_str(),
        Err(_) => "failed",
    };
    let stats = args.stats.then(|| session.engine.subject().stats());
    // What stands behind is text for a terminal that is as it was before the run.
    let finished = live::operator(&mut session).close(how);
    let finished = finished.map_err(|error| CliError::Usage(error.to_string()));
    if let Some(stats) = stats {
        print_stats(&stats, session.engine.position(), started);
    }
    if ended.is_err() || finished.is_err() || saved.is_err() {
        // The guest may have left its line open.
        eprintln!();
    }
    let (code, _) = ended?;
    finished?;
    saved?;
    Ok(code)
}

/// A live machine, switched on, and where its monitor is served.
struct Started {
    subject: MachineSubject,
    desk: Desk,
}

/// Instance path of the console of the board that `machine` is.
fn serial_of<'a>(machine: &Machine, boards: &[&'a dyn Board]) -> Result<&'a str, CliError> {
    let (board, _) = board::find(boards, machine.name()).map_err(CliError::Usage)?;
    Ok(board.console())
}

impl Args {
    /// Builds the machine that the options ask for and switches it on; `None` when they only ask
    /// for its device tree.
    fn start(
        &self,
        boards: &[&dyn Board],
        monitor: Monitor<'_>,
    ) -> Result<Option<Started>, CliError> {
        let chain = self.saving.open()?;
        let (name, config) = self.asked(chain.as_ref(), boards)?;
        let (board, version) = board::find(boards, &name).map_err(CliError::Usage)?;
        let built = board.build(version, &config)?;
        if let Some(path) = &self.dump_dtb {
            let written = std::fs::write(path, &built.device_tree);
            written.map_err(|error| CliError::File {
                path: path.display().to_string(),
                why: error.to_string(),
            })?;
            return Ok(None);
        }
        let mut machine = built.machine;
        let (mut door, desk) = self.live_door(board.console(), monitor)?;
        if let Some(until) = self.recording.limit()? {
            door.limit(until);
        }
        let door = recording::power_on(&self.recording, &mut machine, &config, door)?;
        if let Some(chain) = &chain {
            self.saving.load(&mut machine, chain)?;
        }
        Ok(Some(Started { subject: MachineSubject::live(machine, config, door), desk }))
    }

    /// Lets a machine that stands in the recording `parent` run on live.
    fn go_live(
        &self,
        machine: Machine,
        mut parent: Reader,
        boards: &[&dyn Board],
    ) -> Result<Started, CliError> {
        let config = config_of(&mut parent).map_err(|error| CliError::Usage(error.to_string()))?;
        let (door, desk) = self.live_door(serial_of(&machine, boards)?, self.desk())?;
        let door = recording::go_live(&self.recording, &machine, &parent, door)?;
        Ok(Started { subject: MachineSubject::live(machine, config, door), desk })
    }

    /// Full name and configuration of the machine: those of the snapshot, if one is loaded.
    fn asked(
        &self,
        chain: Option<&Chain>,
        boards: &[&dyn Board],
    ) -> Result<(String, Config), CliError> {
        let config = self.config();
        let Some(chain) = chain else {
            let default = boards.first().map_or("", |board| board.name());
            return Ok((self.machine.clone().unwrap_or_else(|| default.to_owned()), config));
        };
        let Config { engine, jit_threshold, compilation, .. } = config;
        let saved = snapshot::config_of(chain)?;
        Ok((snapshot::machine_name(chain), Config { engine, jit_threshold, compilation, ..saved }))
    }

    /// Saves the machine if that was asked for.
    fn save(&self, machine: &Machine, boards: &[&dyn Board]) -> Result<(), CliError> {
        if !self.saving.is_asked() {
            return Ok(());
        }
        let (_, config) = self.asked(self.saving.open()?.as_ref(), boards)?;
        self.saving.save(machine, &config)
    }

    /// Runs or replays under GDB.
    fn debug(
        &self,
        endpoint: &Endpoint,
        boards: &'static [&'static dyn Board],
    ) -> Result<u8, CliError> {
        let subject = if let Some(path) = &self.recording.replay {
            let tuning = Tuning {
                engine: self.engine,
                jit_threshold: self.jit_threshold,
                ..Tuning::default()
            };
            expect_recording(path)?;
            let config = config_of(&mut Reader::open(path)?)
                .map_err(|error| CliError::Usage(error.to_string()))?;
            query::open(path, boards, tuning)?.with_go_live(config, self.opener(path, boards))
        } else {
            let Some(started) = self.start(boards, self.debugger())? else { return Ok(0) };
            started.subject
        };
        let checkpoint_bytes = subject.checkpoint_bytes(self.checkpoint_memory);
        gdb::run(subject, endpoint.clone(), checkpoint_bytes)
    }

    /// What opens the outside when the debugger leaves the recording `parent`.
    fn opener(&self, parent: &Path, boards: &'static [&'static dyn Board]) -> GoLive {
        let (recording, pace) = (self.recording.clone(), self.pace());
        let chosen = Chosen { clock_base_s: self.rtc_base, seed: self.seed };
        let (parent, on_stdio) = (parent.to_owned(), self.gdb == Some(Endpoint::Stdio));
        Box::new(move |machine, child| {
            let console = serial_of(machine, boards).map_err(|error| error.to_string())?;
            let parent = Reader::open(&parent).map_err(|error| error.to_string())?;
            let (door, _) = LiveDoor::open(console, pace, chosen, Monitor::Debugger { on_stdio })
                .map_err(|error| error.to_string())?;
            let mut args = recording;
            args.record = child.map(Path::to_owned);
            recording::go_live(&args, machine, &parent, door).map_err(|error| error.to_string())
        })
    }

    fn live_door(&self, console: &str, monitor: Monitor<'_>) -> Result<(LiveDoor, Desk), CliError> {
        let chosen = Chosen { clock_base_s: self.rtc_base, seed: self.seed };
        LiveDoor::open(console, self.pace(), chosen, monitor).map_err(|error| match &self.monitor {
            Some(MonitorSocket(path)) => {
                CliError::Usage(format!("no console, or no monitor at {}: {error}", path.display()))
            }
            None => CliError::Usage(format!("no console: {error}")),
        })
    }

    fn debugger(&self) -> Monitor<'_> {
        Monitor::Debugger { on_stdio: self.gdb == Some(Endpoint::Stdio) }
    }

    fn desk(&self) -> Monitor<'_> {
        Monitor::Desk(self.monitor.as_ref().map(|MonitorSocket(path)| path.as_path()))
    }

    fn end(&self, machine: &Machine, started: Instant) {
        if self.stats {
            print_stats(&report::stats(machine), machine.position(), started);
        }
    }
}

fn print_stats(stats: &str, position: Position, started: Instant) {
    let seconds = started.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let speed = position.steps as f64 / seconds / 1e6;
    eprintln!("{stats}host time      {seconds:.3} s, {speed:.1} million steps a second");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_have_units() {
        for (text, bytes) in [("512M", Some(512 << 20)), ("2G", Some(2 << 30)), ("64", Some(64))] {
            assert_eq!(parse_size(text).ok(), bytes, "{text}");
        }
        for (text, time_ps) in
            [("1ns", Some(1_000)), ("500ps", Some(500)), ("2us", Some(2_000_000))]
        {
            assert_eq!(parse_time(text).ok(), time_ps, "{text}");
        }
        for text in ["", "M", "1X", "-1M", "99999999999999999G"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
        for text in ["", "1", "0ns", "ns", "1s2"] {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }
}
