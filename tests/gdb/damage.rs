//! Recordings with checkpoints that cannot be used: it is said which, and every answer is the same.

use std::{os::unix::fs::FileExt, path::Path, time::Duration};

use emulator::{
    clock::Position,
    debug::{
        Access, Breakpoint, BreakpointKind, Effort, Engine, Motion, Reason, Watchpoint,
        machine::MachineSubject,
    },
    journal::{FrameAt, FrameHeader, FrameKind, HEADER_LEN, Reader},
    machine::board::Config,
    timeline::{Tuning, listing::Summary, verify::verify},
};

use super::recording::{Typist, record_spaced, subject};

/// Steps of the recording.
const STEPS: u64 = 3_000_000;

fn recorded(path: &Path) {
    let config = Config { memory_bytes: 16 << 20, ..Config::default() };
    let every = Some(Duration::from_millis(3));
    let typist = Typist::new("hunt\r");
    record_spaced(typist, path, &config, Position::at_steps(STEPS), every);
}

/// Positions and reasons of a walk back over everything, and what the machine says of its recording.
fn walk(path: &Path) -> (Vec<(Position, Reason)>, String) {
    let subject: MachineSubject = subject(path, Tuning::default());
    let mut engine = Engine::new(Box::new(subject), 64 << 20);
    engine.set_effort(Effort { scouts: 0, ..Effort::default() });
    let mut stops = Vec::new();
    for steps in [STEPS, STEPS / 2, STEPS / 4 * 3] {
        engine.resume(Motion::Seek(Position::at_steps(steps))).expect("it is inside");
        let watchpoint =
            Watchpoint { addr: 0x8000_1308, bytes: 8, access: Access::Write, hart: None };
        engine.add_watchpoint(watchpoint);
        for _ in 0..3 {
            let stop = engine.resume(Motion::ReverseContinue).expect("it moves");
            stops.push((engine.position(), stop.reason));
        }
        engine.clear_stops();
        engine.add_breakpoint(Breakpoint {
            addr: 0x1000,
            kind: BreakpointKind::Hardware,
            condition: None,
        });
        let stop = engine.resume(Motion::ReverseContinue).expect("it moves");
        stops.push((engine.position(), stop.reason));
        engine.clear_stops();
    }
    (stops, engine.subject().stats())
}

#[test]
fn a_damaged_checkpoint_is_named_and_changes_no_answer() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("demo.rec");
    recorded(&path);
    let (expected, said) = walk(&path);
    let whole = Summary::of(&Reader::open(&path).expect("a recording")).checkpoints;
    // The first that is worth going to from power-on.
    let damaged = whole.iter().position(|steps| *steps >= 1 << 18).expect("there are many");
    assert!(said.contains(&format!("recorded       {} states\n", whole.len())), "{said}");
    let verified = verify(&path, machines::BOARDS, Tuning::default(), 1).expect("it replays");
    assert!(verified.is_equal(), "{verified:?}");

    // A byte of its pages.
    let reader = Reader::open(&path).expect("a recording");
    let pages = |at: &&FrameAt| {
        at.header.kind == FrameKind::CheckpointPages && at.header.first.steps == whole[damaged]
    };
    let frame = *reader.frames().iter().find(pages).expect("pages were written");
    let file = std::fs::File::options().read(true).write(true).open(&path).expect("a file");
    let (mut byte, at) = ([0], frame.offset + HEADER_LEN as u64 + 9);
    file.read_exact_at(&mut byte, at).expect("it is there");
    file.write_all_at(&[!byte[0]], at).expect("it is written");

    let (found, said) = walk(&path);
    assert_eq!(found, expected);
    let (steps, behind) = (whole[damaged], whole.len() - 1 - damaged);
    let name = format!("checkpoint {damaged} at instruction {steps} cannot be used");
    let name = if behind > 0 { format!("{name}, nor the {behind} behind it") } else { name };
    assert!(said.contains(&name), "{said}");
    for jobs in [1, 2] {
        let verified =
            verify(&path, machines::BOARDS, Tuning::default(), jobs).expect("it replays");
        assert_eq!(verified.divergence, None);
        let unusable = verified.unusable.expect("it is damaged").to_string();
        assert!(unusable.starts_with(&name), "{unusable}");
    }
}

#[test]
fn checkpoints_of_another_build_are_counted_and_done_without() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("demo.rec");
    recorded(&path);
    let (expected, _) = walk(&path);
    // What stands behind the pages becomes something that this build does not know.
    let reader = Reader::open(&path).expect("a recording");
    let file = std::fs::File::options().write(true).open(&path).expect("a file");
    for frame in reader.frames().iter().filter(|at| at.header.kind == FrameKind::Checkpoint) {
        let header = FrameHeader { kind: FrameKind::Unknown(99), ..frame.header };
        file.write_all_at(&header.to_bytes(), frame.offset).expect("it is written");
    }
    let pages = |at: &&FrameAt| at.header.kind == FrameKind::CheckpointPages;
    let places = reader.frames().iter().filter(pages).map(|at| at.header.first.steps);
    let mut places: Vec<_> = places.collect();
    places.dedup();
    let summary = Summary::of(&Reader::open(&path).expect("a recording"));
    assert_eq!((summary.checkpoints, summary.incomplete_checkpoints), (Vec::new(), places.clone()));
    let warning = subject(&path, Tuning::default()).warning().map(str::to_owned);
    let begin = format!(
        "{} checkpoints cannot be used, the first at instruction {}:",
        places.len(),
        places[0]
    );
    assert!(warning.as_ref().is_some_and(|text| text.starts_with(&begin)), "{warning:?}");
    assert_eq!(walk(&path).0, expected);
}
