//! Searches of the past find the same whatever they pass over and whoever helps.

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use emulator::{
    clock::Position,
    debug::{
        Access, Another, Breakpoint, BreakpointKind, DebugError, Effort, Engine, Halt, Heed,
        Motion, Reason, Subject, Watchpoint, machine::MachineSubject,
    },
    machine::board::Config,
    timeline::Tuning,
    translate::Compilation,
};

use super::recording::{Forward, Typist, record_spaced, subject};

/// Steps of the recording.
const STEPS: u64 = 800_000;

/// No search is helped and none is remembered.
const ALONE: Effort = Effort { scouts: 0, scout_steps: u64::MAX, note_steps: u64::MAX };

/// A recording of the demo guest with many checkpoints.
fn recorded(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("demo.rec");
    let config = Config { memory_bytes: 16 << 20, ..Config::default() };
    let every = Some(Duration::from_millis(5));
    record_spaced(Typist::new("date\rhelp\r"), &path, &config, Position::at_steps(STEPS), every);
    path
}

fn engine(path: &Path, effort: Effort, another: Option<Another>) -> Engine {
    let mut subject: MachineSubject = subject(path, Tuning::default());
    if let Some(another) = another {
        subject = subject.with_another(another);
    }
    let mut engine = Engine::new(Box::new(subject), 64 << 20);
    engine.set_effort(effort);
    engine
}

fn another(path: &Path) -> Another {
    let path = path.to_owned();
    Arc::new(move || Ok(Box::new(subject(&path, Tuning::default()))))
}

/// Somewhere that the guest was, and a place where it could be sought.
struct Sample {
    addr: u64,
    origin: u64,
}

fn samples(path: &Path) -> Vec<Sample> {
    let mut forward = Forward::new(path);
    let mut samples = Vec::new();
    for number in 1..8 {
        forward.run_to(Position::at_steps(number * number * STEPS / 66));
        let addr = forward.machine.harts()[0].inspect().pc();
        samples.push(Sample { addr, origin: (number * 7_919_993) % STEPS });
    }
    samples
}

/// Where reverse-continue stops for each sample, at a breakpoint, at one with a condition and at a
/// watchpoint on what the code there may write.
fn stops(engine: &mut Engine, samples: &[Sample]) -> Vec<(Position, Reason)> {
    let mut found = Vec::new();
    for Sample { addr, origin } in samples {
        for kind in 0..3 {
            let seldom = engine.parse_expression("a0 == 10").expect("it is one");
            engine.clear_stops();
            engine.remove_breakpoint(*addr, BreakpointKind::Monitor);
            if kind == 2 {
                let addr = 0x8000_1000 + addr % 0x2000 / 8 * 8;
                let watchpoint = Watchpoint { addr, bytes: 8, access: Access::Write, hart: None };
                engine.add_watchpoint(watchpoint);
            } else {
                let condition = (kind == 1).then_some(seldom);
                let kind = BreakpointKind::Software;
                engine.add_breakpoint(Breakpoint { addr: *addr, kind, condition });
            }
            engine.resume(Motion::Seek(Position::at_steps(*origin))).expect("it is inside");
            let stop = engine.resume(Motion::ReverseContinue).expect("it moves");
            found.push((engine.position(), stop.reason));
        }
    }
    found
}

#[test]
fn scouts_and_notes_change_nothing_that_is_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = recorded(folder.path());
    let samples = samples(&path);
    let mut alone = engine(&path, ALONE, None);
    assert!(alone.subject().recorded().len() >= 3, "{:?}", alone.subject().recorded());
    let expected = stops(&mut alone, &samples);
    assert_eq!(alone.searched().passed_over, 0, "the recording has no proof about what ran");
    assert!(expected.iter().any(|(_, reason)| *reason == Reason::Begin), "some find nothing");
    let refused: Another = Arc::new(|| Err(DebugError::Unsupported("another machine")));
    let noting = Effort { note_steps: 0, ..ALONE };
    let scouting = Effort { scouts: 2, scout_steps: 0, note_steps: 0 };
    for (name, effort, another) in [
        ("notes", noting, None),
        ("scouts", scouting, Some(another(&path))),
        ("scouts that cannot be had", scouting, Some(refused)),
        ("a wide search without scouts", Effort { scouts: 0, ..scouting }, Some(another(&path))),
    ] {
        let mut engine = engine(&path, effort, another);
        let found = stops(&mut engine, &samples);
        for (number, (found, expected)) in found.iter().zip(&expected).enumerate() {
            assert_eq!(found, expected, "{name}, search {number}");
        }
    }
}

#[test]
fn what_never_came_near_a_breakpoint_is_passed_over_the_second_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = recorded(folder.path());
    for (name, scouts) in [("alone", 0), ("with scouts", 2)] {
        let effort = Effort { scouts, scout_steps: 0, note_steps: 0 };
        let mut engine = engine(&path, effort, Some(another(&path)));
        let mut search = |addr| {
            let before = engine.searched();
            engine.clear_stops();
            let kind = BreakpointKind::Software;
            engine.add_breakpoint(Breakpoint { addr, kind, condition: None });
            engine.resume(Motion::Seek(Position::at_steps(STEPS))).expect("it is inside");
            let stop = engine.resume(Motion::ReverseContinue).expect("it moves");
            (stop.reason, engine.searched().passed_over - before.passed_over)
        };
        // Nothing was ever executed there.
        let (reason, passed_over) = search(0x8070_0000);
        assert_eq!((reason, passed_over), (Reason::Begin, 0), "{name}");
        let (reason, passed_over) = search(0x8060_0000);
        assert_eq!(reason, Reason::Begin, "{name}");
        assert!(passed_over >= 3, "{name}: {passed_over}");
        // This was, right at the start.
        let (reason, passed_over) = search(0x1000);
        let addr = 0x1000;
        let kind = BreakpointKind::Software;
        assert_eq!(reason, Reason::Breakpoint { addr, kind, complaint: None }, "{name}");
        assert!(passed_over >= 2, "{name}: {passed_over}");
    }
}

#[test]
fn an_interrupt_ends_a_search_with_scouts_and_the_next_one_is_right() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = recorded(folder.path());
    let effort = Effort { scouts: 2, scout_steps: 0, note_steps: 0 };
    let mut engine = engine(&path, effort, Some(another(&path)));
    engine.resume(Motion::Seek(Position::at_steps(STEPS))).expect("it is inside");
    let (addr, kind) = (0x1000, BreakpointKind::Software);
    engine.add_breakpoint(Breakpoint { addr, kind, condition: None });
    for _ in 0..5 {
        engine.attention().store(true, Ordering::SeqCst);
        let stop = engine.resume(Motion::ReverseContinue).expect("it moves");
        assert_eq!((stop.reason, engine.position()), (Reason::Interrupted, at_end(&engine)));
    }
    let stop = engine.resume(Motion::ReverseContinue).expect("it moves");
    assert_eq!(
        (stop.reason, engine.position()),
        (Reason::Breakpoint { addr, kind, complaint: None }, Position::default())
    );
}

fn at_end(engine: &Engine) -> Position {
    engine.subject().extent().expect("it replays").end
}

#[test]
fn the_pages_noted_hold_every_instruction_that_was_executed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = recorded(folder.path());
    let quiet = std::sync::atomic::AtomicBool::new(false);
    for compilation in [Compilation::AtOnce, Compilation::Background] {
        let tuning = Tuning { jit_threshold: Some(2), compilation, ..Tuning::default() };
        let mut subject = subject(&path, tuning);
        let mut forward = Forward::new(&path);
        let mut many = 0;
        for stretch in 0..40 {
            let end = (stretch + 1) * 1_000;
            let mut executed = BTreeSet::new();
            while forward.machine.position().steps < end {
                executed.insert(forward.machine.harts()[0].inspect().pc() >> 12);
                forward.run_to(Position::at_steps(forward.machine.position().steps + 1));
            }
            subject.note_executed(true);
            let halt =
                subject.run(Position::at_steps(end), Heed::Nothing, &quiet).expect("it runs");
            assert_eq!(halt, Halt::Until);
            let noted = subject.executed_pages().expect("it is noted");
            let missing: Vec<_> = executed.difference(&noted).collect();
            assert!(missing.is_empty(), "{compilation:?}, stretch {stretch}: {missing:x?}");
            many += noted.len() - executed.len();
        }
        assert!(many <= 40, "{compilation:?}: {many} pages were noted for nothing");
    }
}
