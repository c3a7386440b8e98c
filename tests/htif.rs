//! Bare test programs: an ELF file with a symbol `tohost` ends the run with its exit code.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

fn program(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests/htif").join(name)
}

fn emulator(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_emulator"));
    command.args(arguments).stdin(std::process::Stdio::null());
    command.output().expect("the emulator starts")
}

/// The exit code and what was printed.
fn outcome(arguments: &[&str]) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = emulator(arguments);
    let text = String::from_utf8_lossy(&stdout).into_owned();
    assert!(stderr.is_empty(), "{arguments:?}: {}", String::from_utf8_lossy(&stderr));
    (status.code(), text)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("paths are UTF-8")
}

#[test]
fn a_test_program_ends_the_run_with_its_code_on_every_engine() {
    for engine in ["interpreter", "jit", "auto"] {
        for (name, code) in [("pass.elf", 0), ("fail.elf", 3)] {
            for option in ["--bios", "--kernel"] {
                let path = program(name);
                let mut arguments = vec!["--engine", engine, option, text(&path)];
                if option == "--kernel" {
                    arguments.extend(["--bios", "none"]);
                }
                let expected = (Some(code), "tested\n".to_owned());
                assert_eq!(outcome(&arguments), expected, "{arguments:?}");
            }
        }
    }
}

#[test]
fn a_recorded_test_program_replays_to_the_same_end_also_without_its_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let (recording, packed) = (folder.path().join("run.rec"), folder.path().join("packed.rec"));
    let copy = folder.path().join("test.elf");
    std::fs::copy(program("fail.elf"), &copy).expect("the program is copied");
    let expected = (Some(3), "tested\n".to_owned());
    let record = ["--bios", text(&copy), "--cpu", "rva22s64,sstc=on", "--record", text(&recording)];
    assert_eq!(outcome(&record), expected);
    assert_eq!(outcome(&["--replay", text(&recording)]), expected);
    let pack = emulator(&["pack", text(&recording), "--output", text(&packed)]);
    assert!(pack.status.success(), "{}", String::from_utf8_lossy(&pack.stderr));
    std::fs::remove_file(&copy).expect("the program goes");
    for engine in ["interpreter", "jit"] {
        assert_eq!(outcome(&["--replay", text(&packed), "--engine", engine]), expected);
    }
}

#[test]
fn the_cpu_model_is_chosen_by_name() {
    let path = program("pass.elf");
    for cpu in ["rv64gc", "max", "rva22s64,sv48=on,zba=off"] {
        let expected = (Some(0), "tested\n".to_owned());
        assert_eq!(outcome(&["--bios", text(&path), "--cpu", cpu]), expected, "{cpu}");
    }
    let refused = emulator(&["--bios", text(&path), "--cpu", "rv64gc,v=on"]);
    let message = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{message}");
    assert!(message.contains("no feature is called `v`; there are m, a, f, d"), "{message}");
}
