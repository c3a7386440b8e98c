//! A recording of every version of every machine, made by the build that released it: it replays for
//! ever.
//!
//! The files are packed, so they depend on nothing but this repository. A golden of a released
//! version is never written again. Before a release, `BLESS=1` writes all that this build can make:
//!
//!     rm tests/recordings/*.rec; BLESS=1 cargo nextest run --workspace --test record_replay

use std::{
    fs,
    path::{Path, PathBuf},
};

use emulator::{
    journal::Reader,
    machine::board::Engine,
    timeline::{Tuning, checkpoint::checkpoints, verify::verify},
};
use machines::BOARDS;

use super::binary::{run, text};

/// What is typed to the demo guest: a look at the clock and at memory, a mistake.
pub(super) const KEYS: &str = "help\ruptime\rdate\rpeek 80000000\rnonsense\rdate\rpoweroff 7\r";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings")
}

/// Full names of the machines of this build.
fn machines() -> impl Iterator<Item = String> {
    BOARDS.iter().flat_map(|board| {
        board.versions().iter().map(|version| format!("{}@{}", board.name(), version.version))
    })
}

fn path_of(machine: &str) -> PathBuf {
    folder().join(format!("demo-{}.rec", machine.replace('@', "-")))
}

/// Records the demo guest on `machine` and packs the recording.
fn make(machine: &str, path: &Path) {
    let scratch = tempfile::tempdir().unwrap();
    let options = [
        "--machine",
        machine,
        "--memory",
        "16M",
        "--pace",
        "max",
        "--rtc-base",
        "1700000000",
        "--seed",
        "7",
        "--digest-every",
        "2000",
        "--checkpoint-every",
        "0.002",
        "--record",
        "run.rec",
    ];
    let recorded = run(scratch.path(), &options, KEYS);
    assert_eq!(recorded.status.code(), Some(7), "{}", text(&recorded.stderr));
    let packed = run(scratch.path(), &["pack", "run.rec", "-o", "all.rec"], "");
    assert!(packed.status.success(), "{}", text(&packed.stderr));
    fs::create_dir_all(folder()).unwrap();
    fs::copy(scratch.path().join("all.rec"), path).unwrap();
}

#[test]
fn the_golden_recordings_replay_for_ever_on_both_engines_and_from_their_checkpoints() {
    if std::env::var_os("BLESS").is_some() {
        machines()
            .filter(|name| !path_of(name).exists())
            .for_each(|name| make(&name, &path_of(&name)));
    }
    for machine in machines() {
        let path = path_of(&machine);
        let reader = Reader::open(&path).unwrap_or_else(|error| panic!("no golden: {error}"));
        assert_eq!(reader.description().machine, machine);
        assert!(!checkpoints(&reader).is_empty(), "{machine}");
        for (engine, jobs) in
            [(Engine::Interpreter, 1), (Engine::Auto, 1), (Engine::Jit, 1), (Engine::Auto, 3)]
        {
            let tuning = Tuning { engine, ..Tuning::default() };
            let verified = verify(&path, BOARDS, tuning, jobs).unwrap();
            assert_eq!(verified.divergence, None, "{machine}, {engine:?}, {jobs} jobs");
            assert_eq!(verified.end, "power-off 7", "{machine}, {engine:?}, {jobs} jobs");
        }
    }
    let count = fs::read_dir(folder()).unwrap().count();
    assert_eq!(count, machines().count(), "a golden of a machine that this build has not");
}
