//! `emulator` without a verb: runs a machine.

use std::{path::PathBuf, process::ExitCode, time::Instant};

use super::{CliError, gdb};
use crate::{
    clock::Position,
    console::{Chosen, Leave, LiveDoor, Pace},
    debug::{gdb::Endpoint, machine::MachineSubject},
    machine::{
        Machine, Stop,
        board::{self, Board, Config, Engine},
    },
};

/// What the exit code of a run says.
pub(super) const EXIT_CODES: &str = "\
Exit codes of a run:
  0        the guest switched the machine off, or you quit with Ctrl-A x
  1..=255  the code with which the guest ended (test finisher)
  2        wrong usage, or a file that cannot be used
  3        the guest waits for input that cannot come any more
  128+N    signal N ended the run
Exit codes of the commands:
  0        done, or yes
  1        no: files differ, a file would not load
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
    /// Host memory for the checkpoints of reverse debugging (default: a quarter of RAM).
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    checkpoint_memory: Option<u64>,
    /// Print counters to standard error at the end.
    #[arg(long)]
    stats: bool,
}

/// Bytes of `512M`, `2G`, `65536K`.
fn parse_size(text: &str) -> Result<u64, String> {
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
pub(super) fn run(args: &Args, boards: &[&dyn Board]) -> ExitCode {
    match try_run(args, boards) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn try_run(args: &Args, boards: &[&dyn Board]) -> Result<u8, CliError> {
    let default = boards.first().map_or("", |board| board.name());
    let name = args.machine.as_deref().unwrap_or(default);
    let (board, version) = board::find(boards, name).map_err(CliError::Usage)?;
    let built = board.build(version, &args.config())?;
    if let Some(path) = &args.dump_dtb {
        let written = std::fs::write(path, &built.device_tree);
        written.map_err(|error| CliError::File {
            path: path.display().to_string(),
            why: error.to_string(),
        })?;
        return Ok(0);
    }
    let mut machine = built.machine;
    let started = Instant::now();
    let chosen = Chosen { clock_base_s: args.rtc_base, seed: args.seed };
    let door = LiveDoor::open(board.console(), args.pace(), chosen);
    let mut door = door.map_err(|error| CliError::Usage(format!("no console: {error}")))?;
    machine.power_on(&mut door);
    if let Some(endpoint) = &args.gdb {
        let subject = MachineSubject::live(machine, Box::new(door));
        let checkpoint_bytes = args.checkpoint_memory.unwrap_or(args.memory / 4);
        return gdb::run(subject, endpoint.clone(), checkpoint_bytes);
    }
    let code = drive(&mut machine, &mut door);
    drop(door);
    if args.stats {
        print_stats(&machine, started.elapsed());
    }
    code
}

/// Runs until the machine is off or the door is left for good.
fn drive(machine: &mut Machine, door: &mut LiveDoor) -> Result<u8, CliError> {
    const NEVER: Position = Position { steps: u64::MAX, idle_ns: u64::MAX, sequence: u64::MAX };
    loop {
        match machine.run(door, NEVER) {
            Stop::PoweredOff { code } => return Ok(code),
            Stop::Left => {}
            Stop::Until | Stop::Debug { .. } => continue,
            Stop::Undeliverable(event) => {
                return Err(CliError::Usage(format!(
                    "the machine has nobody who takes `{}` at `{}`",
                    event.kind, event.target
                )));
            }
        }
        match door.take_leave() {
            Some(Leave::Quit) => return Ok(0),
            Some(Leave::Signal(number)) => {
                return Ok(u8::try_from(128 + number).unwrap_or(u8::MAX));
            }
            None | Some(Leave::Forsaken) => {
                eprintln!("the guest waits for input that cannot come any more");
                return Ok(3);
            }
            Some(Leave::Output(error)) => {
                return Err(CliError::File {
                    path: "standard output".into(),
                    why: error.to_string(),
                });
            }
            Some(Leave::Monitor) => eprint!("no monitor yet\r\n"),
        }
    }
}

fn print_stats(machine: &Machine, elapsed: std::time::Duration) {
    let position = machine.position();
    let seconds = elapsed.as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let (steps, virtual_s) = (position.steps as f64, machine.clock().now_ns() as f64 / 1e9);
    eprintln!("machine        {}", machine.name());
    eprintln!("steps          {}", position.steps);
    eprintln!("virtual time   {virtual_s:.9} s, idle {:.9} s", ns_to_s(position.idle_ns));
    eprintln!("host time      {seconds:.3} s, {:.1} million steps a second", steps / seconds / 1e6);
    for (hart, steps) in machine.state().schedule.hart_steps.iter().enumerate() {
        eprintln!("hart{hart}          {steps} steps");
    }
    for (hart, report) in machine.harts().iter().map(|hart| hart.report()).enumerate() {
        if let Some(report) = report {
            eprintln!("hart{hart} engine: {report}");
        }
    }
    eprintln!("transcript     {:016x}", machine.moment().transcript);
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn ns_to_s(ns: u64) -> f64 {
    ns as f64 / 1e9
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
