//! A live door that types, and runs recorded and replayed behind it.

use std::{cell::RefCell, path::Path, rc::Rc, time::Duration};

use emulator::{
    clock::Position,
    door::{Door, Event, Moment, Output, PowerOn, Reply, Wake, kind},
    journal::Writer,
    machine::{
        Machine, Stop,
        board::{self, Board, Config, Engine},
    },
    timeline::{
        Opened, RecordSession, Recorder, ReplayStop, SessionError, Tuning,
        described::{DigestSteps, describe},
        how_off,
    },
};
use machines::BOARDS;
use vmstate::property::Random;

pub(crate) const MEMORY_BYTES: u64 = 64 << 20;
const EVERY: DigestSteps = DigestSteps { transcript: 1 << 12, state: 1 << 14 };

/// A live door that types `lines` a key at a time, at moments and slice lengths that only chance
/// knows, and in the end switches the machine off.
pub(crate) struct Typist {
    random: Random,
    keys: Vec<u8>,
    typed: usize,
    /// Virtual time of the next key.
    next_ns: u64,
    console: Vec<u8>,
}

impl Typist {
    pub(crate) fn new(seed: u64, lines: &str) -> Self {
        Self {
            random: Random::new(seed),
            keys: lines.into(),
            typed: 0,
            next_ns: 20_000_000,
            console: Vec::new(),
        }
    }

    fn key(&mut self) -> Reply {
        let Some(key) = self.keys.get(self.typed) else {
            let (kind, target) = (kind::POWER_OFF.into(), "".into());
            return Reply::Event(Event { kind, target, data: Vec::new() });
        };
        self.typed += 1;
        let (kind, target) = (kind::SERIAL_INPUT.into(), "soc/uart0".into());
        Reply::Event(Event { kind, target, data: vec![*key] })
    }
}

impl Door for Typist {
    fn power_on(&mut self) -> PowerOn {
        PowerOn { clock_base_ns: self.random.next() >> 3, seed: [7; 32] }
    }

    fn horizon(&mut self, now: Moment) -> u64 {
        now.position.steps + 1 + self.random.below(5_000)
    }

    fn take(&mut self, now: Moment) -> Reply {
        if now.now_ns < self.next_ns {
            return Reply::Nothing;
        }
        // Some keys come together, some while the guest is busy with the one before.
        let pause_ns =
            [0, 200_000, 3_000_000, 25_000_000][self.random.below(4).to_le_bytes()[0] as usize];
        self.next_ns = now.now_ns + pause_ns;
        self.key()
    }

    fn idle(&mut self, now: Moment, deadline_ns: Option<u64>) -> Wake {
        match deadline_ns {
            Some(deadline_ns) if deadline_ns > now.now_ns && self.random.below(3) == 0 => {
                Wake::After { idle_ns: 1 + self.random.below(deadline_ns - now.now_ns) }
            }
            Some(_) => Wake::Deadline,
            None => Wake::After { idle_ns: self.random.below(1 << 20) },
        }
    }

    fn output(&mut self, _: Position, output: Output<'_>) {
        self.console.extend_from_slice(output.data);
    }
}

fn machine_of(boards: &[&dyn Board], config: &Config) -> Machine {
    let (board, version) = board::find(boards, "riscv64-virt").unwrap();
    board.build(version, config).unwrap().machine
}

fn config(engine: Engine) -> Config {
    Config { memory_bytes: MEMORY_BYTES, engine, ..Config::default() }
}

/// What a run was, as far as anybody can see.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) moment: Moment,
    pub(crate) console: String,
    pub(crate) code: u8,
}

pub(crate) fn record(path: &Path, seed: u64, lines: &str, engine: Engine) -> Seen {
    record_with(path, seed, lines, engine, None)
}

/// Records, with checkpoints so much of the host's time apart.
pub(crate) fn record_with(
    path: &Path,
    seed: u64,
    lines: &str,
    engine: Engine,
    checkpoint_every: Option<Duration>,
) -> Seen {
    record_on(BOARDS, path, seed, lines, engine, checkpoint_every, EVERY)
}

/// The same, on a machine of these boards, with digests so many steps apart.
pub(crate) fn record_on(
    boards: &[&dyn Board],
    path: &Path,
    seed: u64,
    lines: &str,
    engine: Engine,
    checkpoint_every: Option<Duration>,
    every: DigestSteps,
) -> Seen {
    let config = config(engine);
    let mut machine = machine_of(boards, &config);
    let description = describe(&machine, &config, every);
    let writer = Writer::create(path, &description).unwrap();
    let typist = Typist::new(seed, lines);
    let mut recorder = Recorder::new(typist, writer, every.transcript, every.state);
    machine.power_on(&mut recorder);
    let mut session = RecordSession::new(&machine, recorder);
    if checkpoint_every.is_some() {
        session.take_checkpoints(checkpoint_every);
    }
    let stop = session.run(&mut machine, Position::MAX).unwrap();
    let Stop::PoweredOff { code } = stop else { panic!("seed {seed}: {stop:?}") };
    let typist = session.finish(&machine, &how_off(code)).unwrap();
    let console = String::from_utf8_lossy(&typist.console).into_owned();
    Seen { moment: machine.moment(), console, code }
}

/// Replays from power-on: what was seen and how many digests were equal.
pub(crate) fn replay(path: &Path, engine: Engine) -> Result<(Seen, u64, ReplayStop), SessionError> {
    let console = Rc::new(RefCell::new(Vec::new()));
    let sink = {
        let console = Rc::clone(&console);
        move |_: Position, output: Output<'_>| console.borrow_mut().extend_from_slice(output.data)
    };
    let tuning = Tuning { engine, jit_threshold: Some(2), ..Tuning::default() };
    let Opened { mut machine, mut session, .. } =
        Opened::at_power_on(path, BOARDS, tuning, sink).unwrap();
    let stop = session.run(&mut machine, Position::MAX)?;
    let code = if let ReplayStop::PoweredOff { code } = stop { code } else { 0 };
    let console = String::from_utf8_lossy(&console.borrow()).into_owned();
    let compared = session.replayer_mut().compared();
    Ok((Seen { moment: machine.moment(), console, code }, compared, stop))
}

/// What is typed where it does not matter what.
pub(crate) const SESSION: &str = "help\ruptime\rdate\rpeek 80000000\rnonsense\ruptime\r";
