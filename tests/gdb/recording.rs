//! Recordings for the tests to walk.

use std::{path::Path, time::Duration};

use emulator::{
    clock::Position,
    debug::machine::MachineSubject,
    door::{Door, Event, Moment, PowerOn, Reply, Wake, kind},
    journal::Writer,
    machine::{
        Machine, Stop,
        board::{self, Config},
    },
    timeline::{
        self, RecordSession, Recorder, Replayer, Tuning,
        described::{DigestSteps, describe},
        how_off,
    },
};

/// Types a text, a key each 5 ms of virtual time; the host's clock plays no part.
pub(crate) struct Typist {
    keys: Vec<u8>,
    typed: usize,
}

impl Typist {
    pub(crate) fn new(keys: &str) -> Self {
        Self { keys: keys.into(), typed: 0 }
    }

    fn due_ns(&self) -> Option<u64> {
        (self.typed < self.keys.len()).then_some((self.typed as u64 + 4) * 5_000_000)
    }
}

impl Door for Typist {
    fn power_on(&mut self) -> PowerOn {
        PowerOn { clock_base_ns: 1_700_000_000_000_000_000, seed: [3; 32] }
    }

    fn horizon(&mut self, now: Moment) -> u64 {
        // A step lasts a nanosecond.
        self.due_ns()
            .map_or(u64::MAX, |due| now.position.steps + due.saturating_sub(now.now_ns).max(1))
    }

    fn take(&mut self, now: Moment) -> Reply {
        if self.due_ns().is_none_or(|due| now.now_ns < due) {
            return Reply::Nothing;
        }
        let data = vec![self.keys[self.typed]];
        self.typed += 1;
        let (kind, target) = (kind::SERIAL_INPUT.into(), "soc/uart0".into());
        Reply::Event(Event { kind, target, data })
    }

    fn idle(&mut self, now: Moment, deadline_ns: Option<u64>) -> Wake {
        match (self.due_ns(), deadline_ns) {
            (Some(due), _) => Wake::After { idle_ns: due.saturating_sub(now.now_ns).max(1) },
            (None, Some(_)) => Wake::Deadline,
            (None, None) => Wake::Leave,
        }
    }
}

/// Records a machine into `path` until it is off or at `until`; `keys` are typed. Returns the end.
pub(crate) fn record(path: &Path, config: &Config, keys: &str, until: Position) -> Position {
    record_behind(Typist::new(keys), path, config, until)
}

/// The same behind any door.
pub(crate) fn record_behind(
    door: impl Door,
    path: &Path,
    config: &Config,
    until: Position,
) -> Position {
    record_spaced(door, path, config, until, None)
}

/// The same with a checkpoint `every` so often on the host's clock.
pub(crate) fn record_spaced(
    door: impl Door,
    path: &Path,
    config: &Config,
    until: Position,
    every: Option<Duration>,
) -> Position {
    let (mut machine, recorder) = recorder(path, config, door);
    let mut session = RecordSession::new(&machine, recorder);
    session.take_checkpoints(every);
    let stop = session.run(&mut machine, until).expect("the recording is written");
    let how = match stop {
        Stop::PoweredOff { code } => how_off(code),
        Stop::Until => "quit".to_owned(),
        stop => panic!("the recording stops at {:?}: {stop:?}", machine.position()),
    };
    session.finish(&machine, &how).expect("the recording is finished");
    machine.position()
}

/// The machine of a recording under a debugger, at power-on.
pub(crate) fn subject(path: &Path, tuning: Tuning) -> MachineSubject {
    let (recording, machine, replayer) =
        timeline::start(path, machines::BOARDS, tuning, ()).expect("it can be replayed");
    MachineSubject::replay(machine, recording, replayer).expect("it can be debugged")
}

/// A machine that follows a recording forward only, in the interpreter.
pub(crate) struct Forward {
    pub(crate) machine: Machine,
    replayer: Replayer<()>,
}

impl Forward {
    /// At power-on.
    pub(crate) fn new(path: &Path) -> Self {
        let tuning = Tuning { engine: board::Engine::Interpreter, ..Tuning::default() };
        let (_, machine, replayer) =
            timeline::start(path, machines::BOARDS, tuning, ()).expect("it can be replayed");
        Self { machine, replayer }
    }

    /// Where the recording ends.
    pub(crate) fn end(&self) -> Position {
        self.replayer.end()
    }

    /// Runs to the first position at or behind `until`.
    pub(crate) fn run_to(&mut self, until: Position) {
        while self.machine.position() < until {
            match self.machine.run(&mut self.replayer, until) {
                Stop::Until | Stop::Debug { .. } => {}
                // A digest, which is for those who compare them.
                Stop::Left => drop(self.replayer.take_leave()),
                Stop::PoweredOff { .. } if self.machine.position() >= until => {}
                stop => panic!("the replay stops at {:?}: {stop:?}", self.machine.position()),
            }
        }
    }
}

/// A machine that was switched on behind a recorder.
pub(crate) fn recorder<D: Door>(path: &Path, config: &Config, door: D) -> (Machine, Recorder<D>) {
    let (board, version) = board::find(machines::BOARDS, "riscv64-virt").expect("the board");
    let mut machine = board.build(version, config).expect("it can be built").machine;
    let every = DigestSteps::default();
    let writer = Writer::create(path, &describe(&machine, config, every)).expect("a file");
    let mut recorder = Recorder::new(door, writer, every.transcript, every.state);
    machine.power_on(&mut recorder);
    (machine, recorder)
}
