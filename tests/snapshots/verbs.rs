//! The command line on whole-machine snapshots: what it shows, finds and rewrites.

use std::{ffi::OsStr, path::PathBuf, process::Command};

use emulator::snapshot::SaveOptions;

use super::machines::{AT_PROMPT, Keys, NEW, OLD, demo, run, save};

/// Exit code and standard output with standard error behind it.
fn emulator<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(args: I) -> (i32, String) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_emulator")).args(args).output().expect("it starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap_or(-1), text + &error)
}

/// Two snapshots of one run, a little apart.
fn pair() -> (tempfile::TempDir, [PathBuf; 2]) {
    let folder = tempfile::tempdir().expect("a folder");
    let paths = ["first", "second"].map(|name| folder.path().join(name));
    let mut machine = demo(NEW);
    run(&mut machine, &mut Keys::default(), AT_PROMPT);
    save(&machine, &paths[0], SaveOptions::default());
    machine.memory().write(0x8040_0ffe, b"over").expect("it is RAM");
    run(&mut machine, &mut Keys::typing(AT_PROMPT + 50, "help\r"), AT_PROMPT + 100_000);
    save(&machine, &paths[1], SaveOptions { base: Some(&paths[0]), compress: true });
    (folder, paths)
}

#[test]
fn info_says_machine_position_images_and_ram() {
    let (_folder, [_, second]) = pair();
    let (code, text) = emulator([OsStr::new("info"), second.as_os_str()]);
    assert_eq!(code, 0, "{text}");
    for line in [
        "machine    riscv64-virt@1.1",
        "position   step ",
        "ram1 at 0x80000000: 16384 KiB",
        "parent     first",
        "memory-bytes = 16777216",
        "soc/uart0 (state ns16550a@2",
    ] {
        assert!(text.contains(line), "`{line}` is missing:\n{text}");
    }
    let (code, text) = emulator([OsStr::new("info"), second.as_os_str(), OsStr::new("--json")]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("\"machine\":\"riscv64-virt@1.1\""), "{text}");
}

#[test]
fn dump_shows_the_tree_of_instances_with_flags_by_name_and_ram_in_hex() {
    let (_folder, [first, second]) = pair();
    let (code, text) = emulator([OsStr::new("dump"), second.as_os_str()]);
    assert_eq!(code, 0, "{text}");
    for part in ["machine", "hart0", "soc/plic", "soc/uart0", "SSTC", "riscv64-virt@1.1"] {
        assert!(text.contains(part), "`{part}` is missing:\n{text}");
    }
    for (file, found) in [(&first, "00 00 00 00"), (&second, "6f 76 65 72")] {
        let args = [OsStr::new("dump"), file.as_os_str(), OsStr::new("--ram=0x80400ffe:4")];
        let (code, text) = emulator(args);
        assert_eq!(code, 0, "{text}");
        assert!(text.contains(found), "{text}");
    }
    let args = [OsStr::new("dump"), second.as_os_str(), OsStr::new("hart0.state.pc")];
    assert_eq!(emulator(args).0, 0);
}

#[test]
fn diff_shows_fields_by_path_and_pages_as_ranges() {
    let (_folder, [first, second]) = pair();
    let diff = |args: &[&OsStr]| emulator([&[OsStr::new("diff")], args].concat());
    let (code, text) = diff(&[first.as_os_str(), second.as_os_str()]);
    assert_eq!(code, 1, "{text}");
    for line in ["ram1 0x80400000..0x80402000", "hart0.state.mcycle", "2 pages"] {
        assert!(text.contains(line), "`{line}` is missing:\n{text}");
    }
    let (code, text) = diff(&[first.as_os_str(), second.as_os_str(), OsStr::new("--json")]);
    assert_eq!(code, 1, "{text}");
    assert!(text.starts_with('[') && text.contains("\"path\":\"ram1 0x80400000..0x80402000\""));
    let (code, text) = diff(&[second.as_os_str(), second.as_os_str()]);
    assert_eq!((code, text.as_str()), (0, ""));
}

#[test]
fn snapshots_are_flattened_proved_and_converted() {
    let (folder, [_, second]) = pair();
    let [flat, old] = ["flat", "old"].map(|name| folder.path().join(name));
    let arg = OsStr::new;
    let (code, text) = emulator([
        arg("snapshot"),
        arg("flatten"),
        second.as_os_str(),
        arg("-o"),
        flat.as_os_str(),
    ]);
    assert_eq!(code, 0, "{text}");
    let (code, text) = emulator([arg("diff"), second.as_os_str(), flat.as_os_str()]);
    assert_eq!(code, 0, "{text}");
    let (code, text) = emulator([arg("snapshot"), arg("verify"), second.as_os_str()]);
    assert_eq!((code, text.matches(": whole").count()), (0, 2), "{text}");
    let convert = |machine: &str, output: &PathBuf| {
        emulator([
            arg("convert"),
            flat.as_os_str(),
            arg("--machine"),
            arg(machine),
            arg("-o"),
            output.as_os_str(),
        ])
    };
    let (code, text) = convert(OLD, &old);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("riscv64-virt@1.1 -> riscv64-virt@1.0"), "{text}");
    assert!(text.contains("SSTC"), "{text}");
    let (code, text) = emulator([arg("info"), old.as_os_str()]);
    assert!(code == 0 && text.contains("machine    riscv64-virt@1.0"), "{text}");
    let (code, text) = convert("riscv64-virt@0.9", &old);
    assert!(code == 2 && text.contains("1.0, 1.1"), "{text}");
}

#[test]
fn the_machines_are_listed_with_their_versions() {
    let (code, text) = emulator(["machines"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains(OLD) && text.contains(NEW), "{text}");
}
