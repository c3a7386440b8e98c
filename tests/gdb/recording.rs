//! Recordings for the tests to walk.

use std::path::Path;

use emulator::{
    clock::Position,
    debug::machine::MachineSubject,
    door::{Door, Event, Moment, PowerOn, Reply, Wake, kind},
    journal::{Reader, Writer},
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
struct Typist {
    keys: Vec<u8>,
    typed: usize,
}

impl Typist {
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
    record_behind(Typist { keys: keys.into(), typed: 0 }, path, config, until)
}

/// The same behind any door.
pub(crate) fn record_behind(
    door: impl Door,
    path: &Path,
    config: &Config,
    until: Position,
) -> Position {
    let (mut machine, recorder) = recorder(path, config, door);
    let mut session = RecordSession::new(&machine, recorder);
    session.take_checkpoints(None);
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
    let mut recording = Reader::open(path).expect("it is a recording");
    let mut machine =
        timeline::build(&mut recording, machines::BOARDS, tuning).expect("it can be built");
    let mut replayer =
        Replayer::new(&recording, machine.clock().step_ps, ()).expect("it can be replayed");
    machine.power_on(&mut replayer);
    MachineSubject::replay(machine, recording, replayer).expect("it can be debugged")
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
