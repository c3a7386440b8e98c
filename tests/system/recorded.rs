//! Recordings of Debian boots with typed commands: replays are equal, whatever the host does.
//!
//! The long form, fifty replays in all modes, is `scripts/prove-replay debian`.

use std::{
    cell::RefCell,
    path::Path,
    rc::Rc,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use emulator::{
    clock::Position,
    door::{Moment, Output},
    journal::Writer,
    machine::{Stop, board::Engine},
    timeline::{
        Opened, RecordSession, Recorder, ReplayStop, Tuning,
        described::{DigestSteps, describe},
        how_off,
        verify::{verify, verify_from_everywhere},
    },
};
use machines::BOARDS;

use super::{
    console::{Script, Step},
    guests::{linux, machine},
};

const SHELL: &[Step] = &[
    ("guest# ", "echo $((6 * 7)); uname -sm; cat /proc/interrupts\r"),
    ("Linux riscv64", ""),
    ("guest# ", "poweroff -f\r"),
];

/// What a run was, as far as anybody can see.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Seen {
    moment: Moment,
    said: String,
}

pub(super) fn record(path: &Path, cpus: u32) -> Seen {
    let config = linux(cpus);
    let every = DigestSteps { transcript: 1 << 22, state: 1 << 26 };
    let mut machine = machine(&config);
    let writer = Writer::create(path, &describe(&machine, &config, every)).expect("host file");
    let mut recorder = Recorder::new(Script::new(SHELL), writer, every.transcript, every.state);
    machine.power_on(&mut recorder);
    let mut session = RecordSession::new(&machine, recorder);
    session.take_checkpoints(None);
    let stop = session.run(&mut machine, Position::MAX).expect("it can be written");
    assert_eq!(stop, Stop::PoweredOff { code: 0 });
    let script = session.finish(&machine, &how_off(0)).expect("it can be written");
    assert!(script.is_done(), "{}", script.said);
    Seen { moment: machine.moment(), said: script.said }
}

/// Replays from power-on; with `sleeps` the host stops now and then in the middle of output.
fn replay(path: &Path, engine: Engine, sleeps: bool) -> Seen {
    let said = Rc::new(RefCell::new(Vec::new()));
    let sink = {
        let said = Rc::clone(&said);
        move |at: Position, output: Output<'_>| {
            said.borrow_mut().extend_from_slice(output.data);
            if sleeps && at.steps.is_multiple_of(61) {
                std::thread::sleep(Duration::from_micros(at.steps % 9_000));
            }
        }
    };
    let tuning = Tuning { engine, ..Tuning::default() };
    let Opened { mut machine, mut session, .. } =
        Opened::at_power_on(path, BOARDS, tuning, sink).expect("it can be replayed");
    let stop = session.run(&mut machine, Position::MAX).expect("every digest is equal");
    assert_eq!(stop, ReplayStop::PoweredOff { code: 0 });
    let said = String::from_utf8_lossy(&said.borrow()).into_owned();
    Seen { moment: machine.moment(), said }
}

/// Does `work` while every core of the host has something else to do.
fn under_load<T>(work: impl FnOnce() -> T) -> T {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let result = work();
        over.store(true, Ordering::Relaxed);
        result
    })
}

fn verified(path: &Path, engine: Engine) {
    let tuning = Tuning { engine, ..Tuning::default() };
    let verified = verify(path, BOARDS, tuning, 2).expect("it can be replayed");
    assert_eq!((verified.divergence, verified.end.as_str()), (None, "power-off 0"), "{engine:?}");
}

/// From power-on and from each checkpoint in the recording.
fn verified_from_everywhere(path: &Path) {
    let verified = verify_from_everywhere(path, BOARDS, Tuning::default(), 2);
    let (replays, verified) = verified.expect("it can be replayed");
    assert!(replays > 1, "the boot takes longer than the first checkpoint");
    assert_eq!((verified.divergence, verified.end.as_str()), (None, "power-off 0"));
}

#[test]
fn a_debian_boot_on_one_hart_replays_equal_on_both_engines_under_load_and_with_pauses() {
    let folder = tempfile::tempdir().expect("host folder");
    let path = folder.path().join("debian.rec");
    let recorded = record(&path, 1);
    assert_eq!(replay(&path, Engine::Auto, true), recorded);
    under_load(|| verified(&path, Engine::Auto));
    verified(&path, Engine::Interpreter);
}

#[test]
fn a_debian_boot_on_four_harts_replays_equal() {
    let folder = tempfile::tempdir().expect("host folder");
    let path = folder.path().join("debian.rec");
    let recorded = record(&path, 4);
    assert_eq!(replay(&path, Engine::Auto, false), recorded);
    verified_from_everywhere(&path);
}
