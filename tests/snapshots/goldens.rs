//! Snapshots of the demo guest as each machine version wrote them. They load and finish for ever.
//!
//! `BLESS=1` writes those that are missing; once a version is released its golden stays as it is.

use std::path::PathBuf;

use emulator::{
    clock::Position,
    machine::Stop,
    snapshot::{self, Chain, SaveOptions},
};

use super::machines::{Keys, build, config, demo_at_prompt, load, run, save};

/// Machine version, and where the guest ends after it was told to.
const GOLDENS: &[(&str, u64, u64)] =
    &[("riscv64-virt@1.0", 2_456, 4_999_263), ("riscv64-virt@1.1", 2_456, 4_999_263)];

fn path(machine: &str) -> PathBuf {
    let name = format!("tests/snapshots/demo-{}.vmstate", machine.replace('@', "-"));
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

#[test]
fn every_golden_loads_and_its_guest_finishes_as_it_did_then() {
    for (name, steps, idle_ns) in GOLDENS {
        let path = path(name);
        if std::env::var_os("BLESS").is_some() && !path.exists() {
            save(&demo_at_prompt(name), &path, SaveOptions { base: None, compress: true });
        }
        let chain = Chain::open(&path).expect("the golden is there");
        assert_eq!(snapshot::machine_name(&chain), *name);
        let mut machine = build(name, &config());
        load(&mut machine, &path).expect("it loads");
        let mut keys = Keys::typing(5_000_000, "uptime\rpoweroff 5\r");
        let stop = run(&mut machine, &mut keys, 100_000_000);
        assert_eq!(stop, Stop::PoweredOff { code: 5 }, "{name}: {}", keys.said);
        assert!(keys.said.contains("up 0."), "{name}: {}", keys.said);
        let Position { steps: found, idle_ns: idle, .. } = machine.position();
        assert_eq!((found, idle), (*steps, *idle_ns), "{name}");
    }
}

#[test]
fn every_machine_version_has_a_golden() {
    for board in machines::BOARDS {
        for version in board.versions() {
            let name = format!("{}@{}", board.name(), version.version);
            assert!(GOLDENS.iter().any(|(golden, ..)| *golden == name), "{name}");
        }
    }
}
