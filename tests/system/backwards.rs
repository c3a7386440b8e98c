//! The real GDB walks backwards late in a recorded Debian boot.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use super::recorded::record;

/// What GDB prints for `commands` in front of the built program, which replays `recording`.
fn gdb(recording: &Path, commands: &[&str]) -> String {
    let emulator = env!("CARGO_BIN_EXE_emulator");
    let replay = format!(
        "target remote | {emulator} --replay {} --gdb stdio 2>/dev/null",
        recording.display()
    );
    // What monitor commands say goes to standard error: one stream keeps the order.
    let mut gdb = Command::new("sh");
    gdb.args(["-c", "exec gdb-multiarch \"$@\" 2>&1", "gdb", "-nx", "-batch"]);
    for line in ["set pagination off", "set confirm off", "set remotetimeout 600", &replay] {
        gdb.args(["-ex", line]);
    }
    for line in commands {
        gdb.args(["-ex", line]);
    }
    let output = gdb.stdin(Stdio::null()).output().expect("gdb-multiarch is there");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What stands behind each `$N = `, in order.
fn values(text: &str) -> Vec<&str> {
    let is_value = |line: &&str| line.starts_with('$');
    text.lines().filter(is_value).filter_map(|line| Some(line.split_once(" = ")?.1)).collect()
}

/// The states that `monitor digest` told.
fn digests(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| Some(line.split_once("  state ")?.1)).collect()
}

#[test]
fn late_in_a_debian_boot_gdb_steps_back_and_on_and_sees_through_page_tables() {
    let folder = tempfile::tempdir().expect("host folder");
    let path = folder.path().join("debian.rec");
    record(&path, 1);
    let flush = "maintenance flush register-cache";
    let text = gdb(
        &path,
        &[
            "monitor seek 90%",
            flush,
            "monitor digest",
            // A step back and the step on again, and many of both.
            "set $there = $pc",
            "reverse-stepi",
            "stepi",
            "print $pc == $there",
            "monitor digest",
            "reverse-stepi 40",
            "stepi 40",
            "print $pc == $there",
            "monitor digest",
            // The kernel's first word, under the page table and as it lies in RAM.
            "set $word = *(long *)0xffffffff80000000",
            "print ($satp >> 60) >= 8",
            "monitor phys on",
            "print $word == *(long *)0x80200000",
            "monitor phys off",
            // From the very end back to the last time that anything ran here.
            "monitor seek end",
            flush,
            "hbreak *$there",
            "reverse-continue",
            "print $pc == $there",
            "reverse-continue",
            "reverse-stepi",
            "stepi",
            "print $pc == $there",
            "delete",
            // Two steps on from there live, with nothing of the recording changed.
            "monitor go-live",
            "stepi",
            "stepi",
            "monitor where",
            "kill",
        ],
    );
    assert_eq!(values(&text), ["1"; 6], "{text}");
    let digests = digests(&text);
    assert!(digests.len() == 3 && digests.iter().all(|digest| *digest == digests[0]), "{text}");
    for expected in ["Breakpoint 1, ", "live from ", ", live"] {
        assert!(text.contains(expected), "`{expected}` is missing:\n{text}");
    }
}
