//! Recordings of the demo guest: what was recorded replays equal, on either engine, cut anywhere,
//! and a replay that goes another way says where and what.

#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

use std::{cell::RefCell, fs, path::Path, rc::Rc, time::Duration};

use emulator::{
    clock::Position,
    door::{Door, Event, Moment, Output, PowerOn, Reply, Wake, kind},
    journal::{Ending, FrameAt, Reader, Writer},
    machine::{
        Machine, Stop,
        board::{self, Config, Engine},
    },
    timeline::{
        Divergence, Opened, PositionSpec, RecordSession, Recorder, ReplayStop, SessionError,
        Tuning,
        checkpoint::checkpoints,
        described::{DigestSteps, describe},
        how_off,
    },
};
use machines::BOARDS;

const MEMORY_BYTES: u64 = 64 << 20;
const EVERY: DigestSteps = DigestSteps { transcript: 1 << 12, state: 1 << 14 };

/// xorshift64*: every test can be replayed from its printed seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// A live door that types `lines` a key at a time, at moments and slice lengths that only chance
/// knows, and in the end switches the machine off.
struct Typist {
    random: Random,
    keys: Vec<u8>,
    typed: usize,
    /// Virtual time of the next key.
    next_ns: u64,
    console: Vec<u8>,
}

impl Typist {
    fn new(seed: u64, lines: &str) -> Self {
        Self {
            random: Random(seed),
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

fn machine(config: &Config) -> Machine {
    let (board, version) = board::find(BOARDS, "riscv64-virt").unwrap();
    board.build(version, config).unwrap().machine
}

fn config(engine: Engine) -> Config {
    Config { memory_bytes: MEMORY_BYTES, engine, ..Config::default() }
}

/// What a run was, as far as anybody can see.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    moment: Moment,
    console: String,
    code: u8,
}

fn record(path: &Path, seed: u64, lines: &str, engine: Engine) -> Seen {
    record_with(path, seed, lines, engine, None)
}

/// Records, with checkpoints so much of the host's time apart.
fn record_with(
    path: &Path,
    seed: u64,
    lines: &str,
    engine: Engine,
    checkpoint_every: Option<Duration>,
) -> Seen {
    let config = config(engine);
    let mut machine = machine(&config);
    let description = describe(&machine, &config, EVERY);
    let writer = Writer::create(path, &description).unwrap();
    let typist = Typist::new(seed, lines);
    let mut recorder = Recorder::new(typist, writer, EVERY.transcript, EVERY.state);
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
fn replay(path: &Path, engine: Engine) -> Result<(Seen, u64, ReplayStop), SessionError> {
    let console = Rc::new(RefCell::new(Vec::new()));
    let sink = {
        let console = Rc::clone(&console);
        move |_: Position, output: Output<'_>| console.borrow_mut().extend_from_slice(output.data)
    };
    let tuning = Tuning { engine, jit_threshold: Some(2) };
    let Opened { mut machine, mut session, .. } =
        Opened::at_power_on(path, BOARDS, tuning, sink).unwrap();
    let stop = session.run(&mut machine, Position::MAX)?;
    let code = if let ReplayStop::PoweredOff { code } = stop { code } else { 0 };
    let console = String::from_utf8_lossy(&console.borrow()).into_owned();
    let compared = session.replayer_mut().compared();
    Ok((Seen { moment: machine.moment(), console, code }, compared, stop))
}

const SESSION: &str = "help\ruptime\rdate\rpeek 80000000\rnonsense\ruptime\r";

#[test]
fn typed_sessions_replay_equal_on_both_engines() {
    let folder = tempfile::tempdir().unwrap();
    for seed in 1..=10 {
        let path = folder.path().join(format!("{seed}.rec"));
        let live = if seed % 2 == 0 { Engine::Auto } else { Engine::Interpreter };
        let recorded = record(&path, seed, SESSION, live);
        assert!(recorded.console.contains("demo guest"), "seed {seed}: {}", recorded.console);
        for engine in [Engine::Interpreter, Engine::Auto, Engine::Jit] {
            let (replayed, compared, _) = replay(&path, engine)
                .unwrap_or_else(|error| panic!("seed {seed}, {engine:?}: {error}"));
            assert_eq!(replayed, recorded, "seed {seed}, {engine:?}");
            assert!(compared > SESSION.len() as u64, "seed {seed}: {compared} digests");
        }
    }
}

#[test]
fn a_recording_across_reboots_replays_equal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("reboots.rec");
    let lines = "uptime\rreboot\rxx\ruptime\rreboot\ryy\rreboot\rzz\rdate\r";
    let recorded = record(&path, 99, lines, Engine::Auto);
    assert!(recorded.console.matches("demo guest").count() >= 2, "{}", recorded.console);
    let (replayed, ..) = replay(&path, Engine::Interpreter).unwrap();
    assert_eq!(replayed, recorded);
}

#[test]
fn a_replay_from_every_checkpoint_reaches_the_same_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoints.rec");
    let lines = "date\rreboot\rxx\rdate\r";
    // One wherever the machine looks up: more than anybody would take, and no matter of time.
    let recorded = record_with(&path, 21, lines, Engine::Auto, Some(Duration::ZERO));
    let count = checkpoints(&Reader::open(&path).unwrap()).len();
    assert!(count >= 3, "{count} checkpoints");
    for number in (0..count).step_by(count.div_ceil(12)) {
        for engine in [Engine::Interpreter, Engine::Auto] {
            let tuning = Tuning { engine, jit_threshold: Some(2) };
            let Opened { mut machine, mut session, .. } =
                Opened::at_checkpoint(&path, BOARDS, tuning, number, ()).unwrap();
            let stop = session.run(&mut machine, Position::MAX);
            let stop = stop.unwrap_or_else(|error| panic!("from {number}: {error}"));
            assert_eq!(stop, ReplayStop::PoweredOff { code: 0 }, "from {number}");
            assert_eq!(machine.moment(), recorded.moment, "from {number}, {engine:?}");
        }
    }
    let missing = Opened::at_checkpoint(&path, BOARDS, Tuning::default(), count, ());
    let message = missing.expect_err("there is none").to_string();
    assert!(message.contains(&format!("it has {count}, counted from 0")), "{message}");
}

#[test]
fn a_recording_cut_after_any_frame_replays_up_to_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("whole.rec");
    record(&path, 3, SESSION, Engine::Auto);
    let whole = Reader::open(&path).unwrap();
    let bytes = fs::read(&path).unwrap();
    for end in whole.frames().iter().skip(1).map(FrameAt::end) {
        let cut = folder.path().join("cut.rec");
        // Some bytes of the next frame stay: a writer that was killed.
        let keep = usize::try_from(end).unwrap() + 17;
        fs::write(&cut, &bytes[..keep.min(bytes.len())]).unwrap();
        let reader = Reader::open(&cut).unwrap();
        let (replayed, _, stop) = replay(&cut, Engine::Auto).unwrap();
        assert!(replayed.moment.position >= reader.last(), "cut at {keep}");
        if reader.ending() != Ending::Complete {
            assert_eq!(stop, ReplayStop::End { how: None }, "cut at {keep}");
        }
    }
}

/// Copies a recording but for one input.
fn without_input(from: &Path, to: &Path, lost: u64) {
    let reader = Reader::open(from).unwrap();
    let mut writer = Writer::create(to, reader.description()).unwrap();
    let mut inputs = 0;
    for record in reader.records().unwrap() {
        let record = record.unwrap();
        let number = inputs;
        inputs += u64::from(record.needed);
        if !record.needed || number != lost {
            writer.record(&record).unwrap();
        }
    }
    writer.finish(reader.last()).unwrap();
}

#[test]
fn a_lost_input_is_found_and_never_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let (path, hurt) = (folder.path().join("whole.rec"), folder.path().join("hurt.rec"));
    record(&path, 4, SESSION, Engine::Auto);
    for lost in [2, 5, 11, 30] {
        without_input(&path, &hurt, lost);
        let error = replay(&hurt, Engine::Auto).expect_err("an input is missing");
        let SessionError::Diverged(divergence) = error else { panic!("{lost}: {error}") };
        assert!(!divergence.to_string().is_empty());
    }
}

#[test]
fn a_state_that_differs_is_named_by_instance_and_field() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.rec");
    record(&path, 5, SESSION, Engine::Auto);
    let Opened { mut machine, mut session, .. } =
        Opened::at_power_on(&path, BOARDS, Tuning::default(), ()).unwrap();
    let middle: PositionSpec = "45%".parse().unwrap();
    let target = middle.resolve(&Reader::open(&path).unwrap()).unwrap();
    session.replayer_mut().limit(Some(target));
    assert_eq!(session.run(&mut machine, Position::MAX).unwrap(), ReplayStop::Limit);
    session.replayer_mut().limit(None);
    // A page that the guest does not use: only the digest of the state can tell.
    machine.memory().write(0x8000_0000 + MEMORY_BYTES / 2, b"planted").unwrap();
    let error = session.run(&mut machine, Position::MAX).expect_err("a page differs");
    let SessionError::Diverged(divergence) = error else { panic!("{error}") };
    let Divergence::State { parts, .. } = *divergence else { panic!("{divergence}") };
    assert_eq!(parts, ["ram"]);
}

#[test]
fn another_image_is_refused_by_name_before_it_runs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.rec");
    let config = config(Engine::Auto);
    let machine = machine(&config);
    let mut description = describe(&machine, &config, EVERY);
    description.images[0].digest = "0".repeat(64);
    drop(Writer::create(&path, &description).unwrap());
    let error = Opened::at_power_on(&path, BOARDS, Tuning::default(), ()).expect_err("refused");
    let message = error.to_string();
    assert!(message.contains("not the recorded one: blake3"), "{message}");
    assert!(message.contains(&description.images[0].role), "{message}");
}
