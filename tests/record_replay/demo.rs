//! Recordings of the demo guest: what was recorded replays equal, on either engine, cut anywhere,
//! and a replay that goes another way says where and what.

use std::{fs, path::Path, time::Duration};

use emulator::{
    clock::Position,
    journal::{Ending, FrameAt, Reader, Writer},
    machine::board::{Board, Engine},
    timeline::{
        Divergence, Opened, PositionSpec, ReplayStop, SessionError, Tuning,
        bisect::{Pair, bisect},
        checkpoint::checkpoints,
        described::DigestSteps,
    },
    vcpu::{Surroundings, Vcpu},
};
use machines::BOARDS;

use super::{
    faults::{Fault, HartFault, Mutant, change},
    typist::{MEMORY_BYTES, SESSION, record, record_on, record_with, replay},
};

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
    // It greets when it is switched on and after each of the three reboots.
    assert_eq!(recorded.console.matches("demo guest").count(), 4, "{}", recorded.console);
    for engine in [Engine::Interpreter, Engine::Auto] {
        let (replayed, ..) = replay(&path, engine).unwrap();
        assert_eq!(replayed, recorded, "{engine:?}");
    }
}

#[test]
fn a_replay_from_every_checkpoint_reaches_the_same_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoints.rec");
    let lines = "x\r";
    // One wherever the machine looks up: more than anybody would take, and no matter of time.
    let recorded = record_with(&path, 21, lines, Engine::Auto, Some(Duration::ZERO));
    let count = checkpoints(&Reader::open(&path).unwrap()).len();
    println!("{count} checkpoints");
    assert!(count >= 20, "{count} checkpoints");
    for number in 0..count {
        let engine = [Engine::Interpreter, Engine::Auto][number % 2];
        let tuning = Tuning { engine, jit_threshold: Some(2), ..Tuning::default() };
        let Opened { mut machine, mut session, .. } =
            Opened::at_checkpoint(&path, BOARDS, tuning, number, ()).unwrap();
        let stop = session.run(&mut machine, Position::MAX);
        let stop = stop.unwrap_or_else(|error| panic!("from {number}: {error}"));
        assert_eq!(stop, ReplayStop::PoweredOff { code: 0 }, "from {number}");
        assert_eq!(machine.moment(), recorded.moment, "from {number}, {engine:?}");
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
fn a_fault_that_shows_late_is_traced_back_past_equal_transcripts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.rec");
    // Dozens of transcripts between two digests of the whole state.
    let every = DigestSteps { transcript: 256, state: 1 << 14 };
    let recorded = record_on(BOARDS, &path, 41, SESSION, Engine::Interpreter, None, every);
    // No code of the guest uses it, so no transcript will ever tell; only a trap handler saves it and
    // would put it back, and there is none half way.
    let unused = |hart: &mut dyn Vcpu, around: &Surroundings<'_>| {
        change(hart, around, "s11", |value| value ^ 1);
    };
    let fault = Fault::Hart(HartFault { translated: true, at: unused });
    let at_steps = recorded.moment.position.steps / 2;
    let mutant = Mutant { fault, at_steps };
    let report = bisect(&path, &[&mutant as &dyn Board], Engine::Jit, 1).unwrap().unwrap();
    assert!(report.from.steps < at_steps, "{report}");
    let parting = report.parting.as_ref().unwrap_or_else(|| panic!("none parts: {report}"));
    assert!(parting.exact && parting.pair == Pair::InterpretedAndTranslated, "{report}");
    assert!(parting.to >= at_steps && report.named().any(|name| name.starts_with("hart0.state.x")));
}
