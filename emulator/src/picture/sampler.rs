//! Replays a recording and stops often: the samples of a picture.

use std::{cell::RefCell, path::Path, rc::Rc};

use super::{
    DeviceName, DeviceSample, HartSample, Mark, Picture, PictureError, Place, Print, Sample,
};
use crate::{
    clock::Position,
    door::Output,
    journal::{Ending, Reader},
    machine::{Activity, Machine, board::Board},
    progress,
    timeline::{
        Opened, PositionSpec, ReplaySession, ReplayStop, SessionError, Sink, Target, Tuning,
        checkpoint::checkpoints,
        how_off,
        listing::{ending_in_words, lines},
    },
    vcpu::Traps,
};

/// Bytes of console text that a picture holds.
const CONSOLE_BYTES: usize = 2 << 20;

/// Text that leaves later than this part of the stretch is printed anew.
const CONSOLE_PARTS: u64 = 200;

/// What is to be drawn.
#[derive(Clone, Debug)]
pub struct Options {
    /// Stops along the instructions, and as many along virtual time.
    pub samples: u64,
    /// Where the picture begins; at power-on when absent.
    pub from: Option<PositionSpec>,
    /// Where it ends; with the recording when absent.
    pub to: Option<PositionSpec>,
    /// What replays.
    pub tuning: Tuning,
}

/// Replays `file` and takes samples.
///
/// # Errors
/// [`PictureError`]. A replay that leaves the recorded path is no error: the picture ends there.
pub fn sample(
    file: &Path,
    boards: &[&dyn Board],
    options: &Options,
) -> Result<Picture, PictureError> {
    let console = Rc::new(RefCell::new(Console::default()));
    let Opened { recording, mut machine, mut session } =
        Opened::at_power_on(file, boards, options.tuning, ConsoleSink(Rc::clone(&console)))?;
    let step_ps = machine.clock().step_ps;
    console.borrow_mut().step_ps = step_ps;
    let target = |spec: &Option<PositionSpec>| {
        spec.as_ref().map(|spec| spec.resolve(&recording)).transpose()
    };
    let (begin, limit) = (target(&options.from)?, target(&options.to)?);
    let mut ending = Ended::Limit;
    if begin.is_some() {
        session.replayer_mut().limit(begin);
        ending = run(&mut session, &mut machine, Position::MAX)?;
        console.borrow_mut().clear();
    }
    let from = Place::new(machine.position(), step_ps);
    let end = Place::new(recording.last(), step_ps);
    progress::expect(recording.last().steps);
    let grid = Grid::new(from, end, options.samples);
    console.borrow_mut().gap_ns = end.time_ns.saturating_sub(from.time_ns) / CONSOLE_PARTS;
    let mut counters = Counters::of(&machine);
    let (mut modes, mut samples) = (Vec::new(), Vec::new());
    while matches!(ending, Ended::Limit) && !is_at(limit, &machine) {
        let (until, next_ns) = grid.next(counters.at, limit);
        session.replayer_mut().limit(Some(Target::Time { ns: next_ns }));
        ending = run(&mut session, &mut machine, until)?;
        let before = std::mem::replace(&mut counters, Counters::of(&machine));
        samples.push(counters.since(&before, &machine, &mut modes));
    }
    if samples.is_empty() {
        return Err(PictureError::Empty { steps: from.steps });
    }
    let (ending, divergence) = match ending {
        Ended::Limit => ("goes on behind this picture".to_owned(), None),
        Ended::End(how) => (how, None),
        Ended::Diverged(why) => ("the replay left the recorded path".to_owned(), Some(why)),
    };
    let to = samples.last().map_or(from, |sample: &Sample| sample.end);
    let description = recording.description();
    let shown = |at: Place| at.time_ns >= from.time_ns && at.time_ns <= to.time_ns;
    let console = std::mem::take(&mut *console.borrow_mut());
    Ok(Picture {
        file: file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned(),
        recording: format!("{:08x}", recording.recording()),
        machine: description.machine.clone(),
        producer: description.producer.clone(),
        step_ps,
        from,
        ending,
        divergence,
        modes,
        devices: machine
            .fabric()
            .devices()
            .map(|(path, model)| DeviceName { path: path.to_owned(), model })
            .collect(),
        samples,
        marks: marks(&recording, step_ps)?.into_iter().filter(|mark| shown(mark.at)).collect(),
        checkpoints: checkpoints(&recording)
            .iter()
            .map(|checkpoint| Place::new(checkpoint.position, step_ps))
            .filter(|at| shown(*at))
            .collect(),
        console_left_out: console.left_out,
        console: console.prints,
    })
}

/// How a stretch of the replay ended.
enum Ended {
    Limit,
    End(String),
    Diverged(String),
}

fn run(
    session: &mut ReplaySession<ConsoleSink>,
    machine: &mut Machine,
    until: Position,
) -> Result<Ended, PictureError> {
    match session.run(machine, until) {
        Ok(ReplayStop::Limit | ReplayStop::Debug { .. }) => Ok(Ended::Limit),
        Ok(ReplayStop::PoweredOff { code }) => Ok(Ended::End(how_off(code))),
        Ok(ReplayStop::End { how }) => {
            Ok(Ended::End(how.unwrap_or_else(|| "cut: nothing more is recorded".to_owned())))
        }
        Err(SessionError::Diverged(divergence)) => Ok(Ended::Diverged(divergence.to_string())),
        Err(error) => Err(error.into()),
    }
}

/// Whether `machine` stands at or behind `limit`.
fn is_at(limit: Option<Target>, machine: &Machine) -> bool {
    match limit {
        Some(Target::Position(position)) => machine.position() >= position,
        Some(Target::Time { ns }) => machine.clock().now_ns() >= ns,
        None => false,
    }
}

/// Places at which to stop: multiples of a part of the steps and of a part of the virtual time.
struct Grid {
    steps: u64,
    time_ns: u64,
}

impl Grid {
    fn new(from: Place, to: Place, parts: u64) -> Self {
        let part = |from: u64, to: u64| (to.saturating_sub(from) / parts.max(1)).max(1);
        Self { steps: part(from.steps, to.steps), time_ns: part(from.time_ns, to.time_ns) }
    }

    /// The next of both behind `now`, at most `limit`: a position, and virtual nanoseconds.
    fn next(&self, now: Place, limit: Option<Target>) -> (Position, u64) {
        let next = |now: u64, part: u64| (now / part + 1).saturating_mul(part);
        let until = Position { steps: next(now.steps, self.steps), ..Position::default() };
        let time_ns = next(now.time_ns, self.time_ns);
        match limit {
            None => (until, time_ns),
            Some(Target::Position(position)) => (until.min(position), time_ns),
            Some(Target::Time { ns }) => (until, time_ns.min(ns)),
        }
    }
}

/// What the machine has counted up to a place.
struct Counters {
    at: Place,
    hart_steps: Vec<u64>,
    traps: Vec<Traps>,
    activity: Vec<Activity>,
}

impl Counters {
    fn of(machine: &Machine) -> Self {
        Self {
            at: Place::new(machine.position(), machine.clock().step_ps),
            hart_steps: machine.state().schedule.hart_steps.clone(),
            traps: machine.harts().iter().map(|hart| hart.inspect().traps()).collect(),
            activity: machine.fabric().activity().collect(),
        }
    }

    /// What happened since `before`, with what `machine`, which stands here, is doing.
    fn since(&self, before: &Self, machine: &Machine, modes: &mut Vec<&'static str>) -> Sample {
        let harts = machine.harts().iter().enumerate().map(|(number, hart)| {
            let inspect = hart.inspect();
            let name = inspect.mode();
            let mode = modes.iter().position(|known| *known == name).unwrap_or_else(|| {
                modes.push(name);
                modes.len() - 1
            });
            let (traps, traps_before) = (self.traps[number], before.traps[number]);
            HartSample {
                steps: self.hart_steps[number] - before.hart_steps[number],
                interrupts: traps.interrupts - traps_before.interrupts,
                exceptions: traps.exceptions - traps_before.exceptions,
                mode,
                waiting: hart.is_idle(machine.clock()),
                pc: inspect.pc(),
            }
        });
        let devices =
            self.activity.iter().zip(&before.activity).map(|(after, before)| DeviceSample {
                reads: after.reads - before.reads,
                writes: after.writes - before.writes,
                events: after.events + after.timers - before.events - before.timers,
            });
        Sample { end: self.at, harts: harts.collect(), devices: devices.collect() }
    }
}

/// The records of the recording that somebody may want to see.
fn marks(recording: &Reader, step_ps: u64) -> Result<Vec<Mark>, PictureError> {
    let mut found = Vec::new();
    for line in lines(recording)? {
        let line = line?;
        let position =
            Position { steps: line.steps, idle_ns: line.idle_ns, sequence: line.sequence };
        found.push(Mark {
            at: Place::new(position, step_ps),
            event: line.event,
            kind: line.kind,
            target: line.target,
            content: line.content.chars().take(200).collect(),
        });
    }
    if recording.ending() != Ending::Complete {
        found.push(Mark {
            at: Place::new(recording.last(), step_ps),
            event: None,
            kind: "cut".to_owned(),
            target: String::new(),
            content: ending_in_words(recording.ending(), recording.last()),
        });
    }
    Ok(found)
}

/// Takes what the guest prints.
struct ConsoleSink(Rc<RefCell<Console>>);

impl Sink for ConsoleSink {
    fn output(&mut self, now: Position, output: Output<'_>) {
        self.0.borrow_mut().take(now, output.data);
    }
}

/// The console as text with places.
#[derive(Default)]
struct Console {
    step_ps: u64,
    gap_ns: u64,
    prints: Vec<Print>,
    bytes: usize,
    left_out: u64,
    /// Inside an escape sequence of a terminal.
    escaping: bool,
    /// Bytes of a character that is not complete.
    partial: Vec<u8>,
}

impl Console {
    fn clear(&mut self) {
        self.prints.clear();
        (self.bytes, self.left_out) = (0, 0);
    }

    fn take(&mut self, now: Position, data: &[u8]) {
        let at = Place::new(now, self.step_ps);
        for &byte in data {
            if self.bytes >= CONSOLE_BYTES {
                self.left_out += 1;
                continue;
            }
            self.bytes += 1;
            self.byte(at, byte);
        }
    }

    fn byte(&mut self, at: Place, byte: u8) {
        if self.escaping {
            // A control sequence ends with a letter; `[` only opens it.
            self.escaping = !(byte.is_ascii_alphabetic() || byte == b'~' || byte == 7);
            return;
        }
        match byte {
            0x1b => self.escaping = true,
            b'\n' => self.print(at).ends_line = true,
            b'\t' => self.print(at).text.push(' '),
            8 => drop(self.print(at).text.pop()),
            0..0x20 | 0x7f => {}
            0x20..0x7f => self.print(at).text.push(char::from(byte)),
            _ => self.part(at, byte),
        }
    }

    /// One byte of a character of several.
    fn part(&mut self, at: Place, byte: u8) {
        self.partial.push(byte);
        let text = match std::str::from_utf8(&self.partial) {
            Ok(text) => text.to_owned(),
            Err(error) if error.error_len().is_none() => return,
            Err(_) => char::REPLACEMENT_CHARACTER.to_string(),
        };
        self.partial.clear();
        self.print(at).text.push_str(&text);
    }

    /// The print that goes on at `at`: a new one behind a line's end or a pause.
    fn print(&mut self, at: Place) -> &mut Print {
        let gap_ns = self.gap_ns;
        let goes_on = self
            .prints
            .last()
            .is_some_and(|last| !last.ends_line && at.time_ns - last.to.time_ns <= gap_ns);
        if !goes_on {
            self.prints.push(Print { from: at, to: at, text: String::new(), ends_line: false });
        }
        let last = self.prints.len() - 1;
        let print = &mut self.prints[last];
        print.to = at;
        print
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(steps: u64) -> Position {
        Position { steps, ..Position::default() }
    }

    #[test]
    fn the_console_is_cut_at_line_ends_and_pauses_and_loses_its_escapes() {
        let mut console = Console { step_ps: 1_000, gap_ns: 10, ..Console::default() };
        console.take(at(1), b"\x1b[1;31mred\x1b[0m li");
        console.take(at(5), b"ne\r\n> ");
        console.take(at(100), "gr\u{fc}n\u{8}x".as_bytes());
        let found: Vec<_> = console
            .prints
            .iter()
            .map(|print| (print.from.steps, print.to.steps, print.text.as_str(), print.ends_line))
            .collect();
        assert_eq!(
            found,
            [(1, 5, "red line", true), (5, 5, "> ", false), (100, 100, "gr\u{fc}x", false)]
        );
    }

    #[test]
    fn the_grid_moves_on_from_every_place() {
        let to = Place { steps: 1_000, time_ns: 5_000, ..Place::default() };
        let grid = Grid::new(Place::default(), to, 100);
        assert_eq!(grid.next(Place::default(), None), (at(10), 50));
        assert_eq!(grid.next(Place { steps: 10, time_ns: 49, ..to }, None), (at(20), 50));
        assert_eq!(grid.next(to, Some(Target::Time { ns: 5_002 })), (at(1_010), 5_002));
        let grid = Grid::new(to, to, 100);
        assert_eq!(grid.next(to, None), (at(1_001), 5_001));
    }
}
