//! Recorder and replayer around a toy machine: a state that every step changes, device accesses,
//! timers, and waiting with and without a deadline. It keeps the machine's contract with its door
//! and nothing else, so thousands of runs take no time and faults can be planted.

use std::path::Path;

use vmstate::property::Random;

use crate::{
    clock::{Clock, Position},
    digest::Transcript,
    door::{Door, Event, Moment, Output, PowerOn, Reply, Wake, kind},
    journal::{Description, Ending, Reader, Writer},
};

use super::{
    DigestChain, Divergence, PositionSpec, Recorder, RecorderLeave, Replayer, ReplayerLeave,
    StateDigest, Target,
};

/// What is wrong with a toy on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// One step computes something else.
    WrongAt(u64),
    /// It drops the n-th event.
    LosesEvent(u64),
    /// It never waits.
    NeverWaits,
    /// From this step it waits for ever.
    HangsAt(u64),
    /// It switches off at this step.
    OffAt(u64),
    /// It does not switch off when it should.
    NeverOff,
}

const OFF_AT: u64 = 20_000;

struct Toy {
    clock: Clock,
    state: u64,
    transcript: Transcript,
    /// The time at which waiting ends by itself.
    timer_ns: Option<u64>,
    waits: bool,
    events: u64,
    fault: Fault,
}

#[derive(Debug, PartialEq, Eq)]
enum Stop {
    Off,
    Door,
}

impl Toy {
    fn on(door: &mut dyn Door, fault: Fault) -> Self {
        let PowerOn { clock_base_ns, seed } = door.power_on();
        Self {
            clock: Clock::new(1_000),
            state: clock_base_ns ^ u64::from(seed[0]) | 1,
            transcript: Transcript::default(),
            timer_ns: None,
            waits: false,
            events: 0,
            fault,
        }
    }

    fn digest(&self) -> StateDigest {
        let [a, b, c, d, ..] = self.state.to_le_bytes();
        StateDigest {
            names: vec!["state".to_owned()],
            parts: vec![u32::from_le_bytes([a, b, c, d])],
            whole: self.state,
        }
    }

    fn moment(&self) -> Moment {
        Moment {
            position: self.clock.position,
            now_ns: self.clock.now_ns(),
            transcript: self.transcript.0,
        }
    }

    fn run(&mut self, door: &mut dyn Door) -> Stop {
        loop {
            if self.timer_ns.is_some_and(|ns| ns <= self.clock.now_ns()) {
                self.timer_ns = None;
                self.waits = false;
            }
            let off = if let Fault::OffAt(steps) = self.fault { steps } else { OFF_AT };
            if self.clock.position.steps >= off && self.fault != Fault::NeverOff {
                return Stop::Off;
            }
            match door.take(self.moment()) {
                Reply::Leave => return Stop::Door,
                Reply::Nothing => {}
                Reply::Event(event) => {
                    self.receive(&event);
                    continue;
                }
            }
            if self.waits {
                match door.idle(self.moment(), self.timer_ns) {
                    Wake::Leave => return Stop::Door,
                    Wake::Deadline => {
                        self.warp(self.timer_ns.unwrap() - self.clock.now_ns());
                    }
                    Wake::After { idle_ns } => self.warp(idle_ns),
                }
                continue;
            }
            let horizon = door.horizon(self.moment());
            assert!(horizon > self.clock.position.steps, "the horizon lies ahead");
            self.slice(horizon.min(off.max(self.clock.position.steps + 1)), door);
        }
    }

    fn warp(&mut self, idle_ns: u64) {
        self.clock.position.idle_ns += idle_ns;
        self.clock.position.sequence = 0;
    }

    fn receive(&mut self, event: &Event) {
        self.clock.position.sequence += 1;
        self.events += 1;
        if self.fault == Fault::LosesEvent(self.events) {
            return;
        }
        for byte in &event.data {
            self.state = self.state.wrapping_mul(31) ^ u64::from(*byte);
        }
        self.waits = false;
        self.timer_ns = None;
    }

    fn slice(&mut self, horizon: u64, door: &mut dyn Door) {
        while self.clock.position.steps < horizon && !self.waits {
            self.clock.position.steps += 1;
            self.clock.position.sequence = 0;
            let steps = self.clock.position.steps;
            self.state = self.state.wrapping_mul(0x2545_f491_4f6c_dd1d).rotate_left(17) ^ steps;
            if self.fault == Fault::WrongAt(steps) {
                self.state ^= 1;
            }
            if self.state.is_multiple_of(64) {
                self.transcript.access(steps, 0x1000_0000, 1, true, Some(self.state));
                let output = Output {
                    kind: "serial.output",
                    source: "uart",
                    data: &[self.state.to_le_bytes()[0]],
                };
                door.output(self.clock.position, output);
            }
            if self.state.is_multiple_of(512) && self.fault != Fault::NeverWaits {
                self.waits = true;
                let has_deadline = !self.state.is_multiple_of(2_048);
                self.timer_ns = has_deadline.then(|| self.clock.now_ns() + self.state % 1_000);
            }
            if matches!(self.fault, Fault::HangsAt(at) if at == steps) {
                self.waits = true;
                self.timer_ns = None;
            }
        }
    }
}

/// A live door with a storm of input behind it, and slices cut anywhere.
struct Storm(Random);

impl Door for Storm {
    fn power_on(&mut self) -> PowerOn {
        PowerOn { clock_base_ns: self.0.next(), seed: [self.0.next().to_le_bytes()[0]; 32] }
    }

    fn horizon(&mut self, now: Moment) -> u64 {
        now.position.steps + 1 + self.0.below(200)
    }

    fn take(&mut self, _: Moment) -> Reply {
        if self.0.below(4) != 0 {
            return Reply::Nothing;
        }
        let data = (0..=self.0.below(5)).map(|_| self.0.next().to_le_bytes()[0]).collect();
        Reply::Event(Event { kind: kind::SERIAL_INPUT.into(), target: "uart".into(), data })
    }

    fn idle(&mut self, now: Moment, deadline_ns: Option<u64>) -> Wake {
        match deadline_ns {
            Some(deadline) if self.0.below(2) == 0 || deadline <= now.now_ns => Wake::Deadline,
            Some(deadline) => Wake::After { idle_ns: 1 + self.0.below(deadline - now.now_ns) },
            None => Wake::After { idle_ns: 1 + self.0.below(5_000) },
        }
    }
}

struct Recorded {
    folder: tempfile::TempDir,
    state: u64,
    last: Moment,
}

impl Recorded {
    fn reader(&self) -> Reader {
        Reader::open(&self.folder.path().join("toy.rec")).unwrap()
    }
}

const STATE_EVERY: u64 = 4_096;

fn description() -> Description {
    Description { machine: "toy@1.0".to_owned(), ..Description::default() }
}

fn record(seed: u64) -> Recorded {
    let folder = tempfile::tempdir().unwrap();
    let writer = Writer::create(&folder.path().join("toy.rec"), &description()).unwrap();
    let mut door = Recorder::new(Storm(Random::new(seed)), writer, 256, STATE_EVERY);
    let mut toy = Toy::on(&mut door, Fault::None);
    let mut digests = DigestChain::default();
    while toy.run(&mut door) == Stop::Door {
        assert_eq!(door.take_leave(), Some(RecorderLeave::StateDigestDue));
        let (names, change) = digests.push(&toy.digest());
        if let Some(names) = names {
            door.annotate(toy.clock.position, crate::journal::DIGEST_PARTS, names);
        }
        door.annotate(toy.clock.position, crate::journal::DIGEST_STATE, change);
    }
    door.finish(toy.moment(), "power-off 0").unwrap();
    Recorded { folder, state: toy.state, last: toy.moment() }
}

/// Replays to the end or to a divergence.
fn replay(reader: &Reader, fault: Fault) -> Result<(Toy, u64), Divergence> {
    let mut door = Replayer::new(reader, 1_000, ()).unwrap();
    let mut toy = Toy::on(&mut door, fault);
    loop {
        if toy.run(&mut door) == Stop::Off {
            door.stopped(toy.moment(), "power-off 0")?;
            return Ok((toy, door.compared()));
        }
        match door.take_leave() {
            Some(ReplayerLeave::StateDigest(recorded)) => {
                let position = toy.clock.position;
                let parts = toy.digest().differences(&recorded.digest);
                if !parts.is_empty() {
                    let equal_up_to = door.equal_up_to();
                    return Err(Divergence::State { position, equal_up_to, parts });
                }
                door.state_was_equal(position);
            }
            Some(ReplayerLeave::Diverged(divergence)) => return Err(*divergence),
            Some(ReplayerLeave::EndOfRecording { .. }) => return Ok((toy, door.compared())),
            other => panic!("left for {other:?}"),
        }
    }
}

#[test]
fn two_hundred_storms_replay_equal_three_times_each() {
    for seed in 1..=200 {
        let recorded = record(seed);
        let reader = recorded.reader();
        assert_eq!(reader.ending(), Ending::Complete, "seed {seed}");
        for _ in 0..3 {
            let (toy, compared) = replay(&reader, Fault::None).expect("no divergence");
            assert_eq!((toy.state, toy.moment()), (recorded.state, recorded.last), "seed {seed}");
            assert!(compared >= OFF_AT / 256, "seed {seed}: {compared} digests");
        }
    }
}

#[test]
fn every_planted_fault_is_found_and_nothing_hangs() {
    let recorded = record(4_711);
    let reader = recorded.reader();
    for fault in [
        Fault::WrongAt(1),
        Fault::WrongAt(9_999),
        Fault::WrongAt(OFF_AT - 300),
        Fault::LosesEvent(1),
        Fault::LosesEvent(20),
        Fault::NeverWaits,
        Fault::HangsAt(5_000),
        Fault::OffAt(12_345),
        Fault::NeverOff,
    ] {
        let divergence = replay(&reader, fault).err().unwrap_or_else(|| panic!("{fault:?}"));
        let expected = match fault {
            Fault::OffAt(_) => matches!(divergence, Divergence::Stopped { .. }),
            Fault::NeverOff => matches!(divergence, Divergence::RunsOn { .. }),
            Fault::NeverWaits => matches!(divergence, Divergence::RanPast { .. }),
            _ => true,
        };
        assert!(expected, "{fault:?} was reported as: {divergence}");
    }
}

#[test]
fn a_divergence_is_found_within_one_digest_of_the_fault() {
    let recorded = record(5);
    let reader = recorded.reader();
    for at in [300, 4_000, 10_000, 15_500] {
        let divergence = replay(&reader, Fault::WrongAt(at)).err().expect("found");
        let (position, equal_up_to) = match &divergence {
            Divergence::Transcript { position, equal_up_to, .. }
            | Divergence::State { position, equal_up_to, .. }
            | Divergence::RanPast { now: position, equal_up_to, .. }
            | Divergence::WaitsForEver { now: position, equal_up_to, .. } => {
                (position, equal_up_to)
            }
            other => panic!("{other}"),
        };
        assert!(equal_up_to.steps < at + 256, "fault at {at}: {divergence}");
        assert!(position.steps >= at && position.steps <= at + 512, "at {at}: {divergence}");
    }
}

fn run_to(reader: &Reader, spec: &str) -> (Toy, Option<ReplayerLeave>) {
    let mut door = Replayer::new(reader, 1_000, ()).unwrap();
    door.limit(Some(spec.parse::<PositionSpec>().unwrap().resolve(reader).unwrap()));
    let mut toy = Toy::on(&mut door, Fault::None);
    loop {
        if toy.run(&mut door) == Stop::Off {
            return (toy, None);
        }
        match door.take_leave() {
            Some(ReplayerLeave::StateDigest(_)) => {}
            other => return (toy, other),
        }
    }
}

#[test]
fn a_replay_stops_exactly_where_it_is_told() {
    let recorded = record(6);
    let reader = recorded.reader();
    let inputs: Vec<_> =
        reader.records().unwrap().map(Result::unwrap).filter(|record| record.needed).collect();
    let exact = |spec: &str| {
        let (toy, leave) = run_to(&reader, spec);
        assert!(matches!(leave, Some(ReplayerLeave::Limit)), "{spec}: {leave:?}");
        toy
    };
    for steps in [1, 777, 12_000] {
        assert_eq!(exact(&steps.to_string()).clock.position.steps, steps);
    }
    for event in [2, 17, 40] {
        let position = inputs[event].position;
        assert_eq!(exact(&format!("event:{event}")).clock.position, position);
        let Position { steps, idle_ns, sequence } = position;
        assert_eq!(exact(&format!("{steps}:{idle_ns}:{sequence}")).clock.position, position);
    }
    for ns in [1_000, 15_000, 20_001] {
        assert!(exact(&format!("{ns}ns")).clock.now_ns() >= ns);
    }
    let (toy, leave) = run_to(&reader, "end");
    assert_eq!(leave.map(|leave| format!("{leave:?}")), None, "it ends by itself");
    assert_eq!(toy.state, recorded.state);
}

#[test]
fn a_time_is_reached_exactly_also_while_the_machine_waits() {
    let recorded = record(8);
    let reader = recorded.reader();
    let mut random = Random::new(99);
    for _ in 0..100 {
        let ns = random.below(recorded.last.now_ns);
        let (toy, leave) = run_to(&reader, &format!("{ns}ns"));
        assert!(matches!(leave, Some(ReplayerLeave::Limit)));
        assert_eq!(toy.clock.now_ns(), ns);
    }
}

#[test]
fn events_and_marks_that_are_not_there_are_refused_with_what_there_is() {
    let recorded = record(9);
    let reader = recorded.reader();
    let refused = |spec: &str| {
        let target = spec.parse::<PositionSpec>().unwrap().resolve(&reader);
        target.map(|target: Target| panic!("{target:?}")).unwrap_err().to_string()
    };
    let count = reader.input_count();
    assert_eq!(
        refused("event:99999"),
        format!("the recording has no event 99999: its {count} inputs count from 0")
    );
    assert_eq!(refused("mark:here"), "the recording has no mark `here`; it has none");
}

#[test]
fn an_input_of_a_later_build_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new.rec");
    write_foreign(&path);
    let reader = Reader::open(&path).unwrap();
    let message = Replayer::new(&reader, 1_000, ()).err().unwrap().to_string();
    assert!(message.contains("inputs that this build does not know: net.hologram"), "{message}");
}

fn write_foreign(path: &Path) {
    let mut writer = Writer::create(path, &description()).unwrap();
    let position = Position::at_steps(5);
    let foreign = crate::journal::Record {
        position,
        kind: "net.hologram".into(),
        target: "net0".into(),
        needed: true,
        transcript: None,
        data: vec![1],
    };
    writer.record(&foreign).unwrap();
    writer.finish(position).unwrap();
}
