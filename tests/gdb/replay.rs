//! The real GDB walks recordings of the demo guest in both directions. What is asserted is what a
//! user would read.

use std::{path::PathBuf, process::Command};

use emulator::{
    clock::Position,
    debug::{Engine, gdb::Ending, machine::MachineSubject, monitor::Session},
    machine::board::{self, Config},
    timeline::{RecordSession, Tuning},
};

use super::recording::{record, recorder, subject};
use crate::{Quiet, SYMBOLS, assert_in_order, gdb};

fn demo(cpus: u32) -> Config {
    Config { cpus, memory_bytes: 16 << 20, ..Config::default() }
}

/// A recording of the demo guest and a session with its replay.
struct Recorded {
    _folder: tempfile::TempDir,
    path: PathBuf,
    session: Session,
}

fn recorded(cpus: u32, keys: &str, steps: u64) -> Recorded {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("demo.rec");
    record(&path, &demo(cpus), keys, Position::at_steps(steps));
    let subject = subject(&path, Tuning { engine: board::Engine::Auto, ..Tuning::default() });
    let session = Session::new(Engine::new(Box::new(subject), 64 << 20));
    Recorded { _folder: folder, path, session }
}

#[test]
fn the_bug_of_the_demo_guest_is_found_by_going_backwards() {
    let mut recorded = recorded(1, "hunt\r", 4_000_000);
    let (text, ending) = gdb(
        &mut recorded.session,
        &[
            "continue",
            "print ledger.accounts[0] > 10000000",
            // Back over all that came behind the first wild store, to the step in front of it.
            "watch ledger.accounts[0] if ledger.accounts[0] <= 8000",
            "reverse-continue",
            "backtrace 1",
            "print sample_at",
            "print ledger.accounts[0] > 10000000",
            "stepi",
            "print ledger.accounts[0] > 10000000",
            "reverse-stepi",
            "print ledger.accounts[0] > 10000000",
            "eval \"monitor last-write 0x%lx\", &ledger.accounts[0]",
            "detach",
        ],
    );
    assert_eq!(ending, Ending::Detached, "{text}");
    let expected = [
        "No more reverse-execution history.",
        "= 1\n",
        "Hardware watchpoint 1: ledger.accounts[0]",
        "sample (",
        "= 16\n",
        "= 0\n",
        "= 1\n",
        "= 0\n",
    ];
    assert_in_order(&text, &expected);
}

#[test]
fn steps_and_lines_and_frames_go_back_where_they_came_from() {
    let mut recorded = recorded(1, "date\r", 1_000_000);
    let (text, _) = gdb(
        &mut recorded.session,
        &[
            "break *trap",
            "continue",
            "continue",
            "set $entry = $pc",
            "next",
            "set $line = $pc",
            "next",
            "set $after = $pc",
            "reverse-next",
            "print $pc == $line",
            "step",
            "print $pc == $after",
            "reverse-step",
            "print $pc == $line",
            "reverse-stepi",
            "stepi",
            "print $pc == $line",
            "delete",
            "set $inside = $sp",
            "reverse-finish",
            "x/i $pc",
            "stepi",
            "print $pc == $entry",
            "finish",
            "reverse-stepi",
            "x/i $pc",
            "break *trap",
            "reverse-continue",
            "print $pc == $entry",
            "detach",
        ],
    );
    let expected = [
        "Breakpoint 1, trap",
        "Breakpoint 1, trap",
        "= 1\n",
        "= 1\n",
        "= 1\n",
        "= 1\n",
        "jal",
        "= 1\n",
        "ret",
        "Breakpoint 2, trap",
        "= 1\n",
    ];
    assert_in_order(&text, &expected);
}

#[test]
fn both_ends_are_said_and_walked_away_from() {
    let mut recorded = recorded(1, "poweroff\r", 1_000_000);
    let (text, _) = gdb(
        &mut recorded.session,
        &[
            "reverse-stepi",
            "continue",
            "monitor where",
            "continue",
            "stepi",
            "reverse-stepi",
            "reverse-continue",
            "print/x $pc",
            "detach",
        ],
    );
    let history = "No more reverse-execution history.";
    assert_in_order(&text, &[history, history, " of ", history, history, history, "= 0x1000"]);
}

#[test]
fn a_watchpoint_stops_behind_the_write_forward_and_in_front_of_it_back() {
    let mut recorded = recorded(1, "", 100_000);
    let (text, _) = gdb(
        &mut recorded.session,
        &[
            "watch ticks",
            "continue",
            "x/i $pc",
            "reverse-stepi",
            "x/i $pc",
            "print ticks",
            "stepi",
            "print ticks",
            "continue",
            "continue",
            "reverse-continue",
            "x/i $pc",
            "print ticks",
            "stepi",
            "delete",
            "rwatch ticks",
            "reverse-continue",
            "x/i $pc",
            "print ticks",
            "detach",
        ],
    );
    let expected = [
        "Old value = 0",
        "New value = 1",
        "sd\t",
        "= 0\n",
        "= 1\n",
        "New value = 2",
        "New value = 3",
        "Old value = 3",
        "New value = 2",
        "sd\t",
        "= 2\n",
        "New value = 3",
        "ld\t",
        "= 2\n",
    ];
    assert_in_order(&text, &expected);
}

#[test]
fn the_monitor_knows_the_past_and_the_places() {
    let mut recorded = recorded(1, "date\r", 1_000_000);
    let (text, _) = gdb(
        &mut recorded.session,
        &[
            "monitor seek 50%",
            "maintenance flush register-cache",
            "monitor mark half",
            "monitor device soc/uart0",
            "break show_date",
            "reverse-continue",
            "monitor where",
            "monitor diff mark:half",
            "monitor seek mark:half",
            "maintenance flush register-cache",
            "monitor marks",
            "eval \"monitor last-write 0x%lx\", &ticks",
            "monitor phys on",
            "print ticks > 0",
            "eval \"monitor last-write 0x%lx 8\", &ticks",
            "monitor phys off",
            "eval \"monitor last-exec 0x%lx\", trap",
            "eval \"monitor break 0x%lx if [0x%lx] == 3\", trap, &ticks",
            "monitor break",
            "reverse-continue",
            "print ticks",
            "monitor checkpoint",
            "monitor digest",
            "monitor seek end",
            "monitor savevm /nowhere",
            "detach",
        ],
    );
    let expected = [
        "position 500000 (idle ",
        "mark:half is 500000",
        "divisor: ",
        "Breakpoint 1, ",
        "position ",
        "hart0\n",
        "  - ",
        "mark:half",
        "-> ",
        "addresses of memory are physical",
        "= 1",
        "-> ",
        "hart 0  ",
        "] == 3",
        "= 3\n",
        "checkpoint at ",
        "  ram ",
        "position 1000000 (idle ",
        "error: ",
    ];
    assert_in_order(&text, &expected);
}

#[test]
fn harts_are_threads_that_go_back_one_by_one() {
    let mut recorded = recorded(2, "date\r", 300_000);
    let (text, _) = gdb(
        &mut recorded.session,
        &[
            "break show_date",
            "continue",
            "info threads",
            "set $first = $pc",
            "stepi",
            "stepi",
            "reverse-stepi",
            "reverse-stepi",
            "print $pc == $first",
            "thread 2",
            "set $second = $pc",
            "monitor where",
            "reverse-continue",
            "detach",
        ],
    );
    let expected =
        ["show_date", "(hart 0", "(hart 1", "= 1\n", "Switching to thread 2", "hart 1  "];
    assert_in_order(&text, &expected);
}

#[test]
fn gdb_starts_the_emulator_itself_and_the_binary_serves_one_gdb_after_the_other() {
    let recorded = recorded(1, "", 50_000);
    let emulator = env!("CARGO_BIN_EXE_emulator");
    let command = format!(
        "target remote | {emulator} --replay {} --gdb stdio 2>/dev/null",
        recorded.path.display()
    );
    let run = |commands: &[&str]| {
        let mut gdb = Command::new("gdb-multiarch");
        gdb.args(["-nx", "-batch", "-ex", "set pagination off", "-ex", "set confirm off"]);
        for line in commands {
            gdb.args(["-ex", line]);
        }
        let output = gdb.arg(SYMBOLS).output().expect("gdb-multiarch is installed");
        String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr)
    };
    let text =
        run(&[&command, "break main", "continue", "reverse-continue", "print/x $pc", "kill"]);
    assert_in_order(
        &text,
        &["Breakpoint 1, main", "No more reverse-execution history", "= 0x1000"],
    );

    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("gdb");
    let mut server = Command::new(emulator)
        .arg("--replay")
        .arg(&recorded.path)
        .arg("--gdb")
        .arg(format!("unix:{}", socket.display()))
        .spawn()
        .expect("the emulator starts");
    while !socket.exists() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let connect = format!("target remote {}", socket.display());
    let text = run(&[&connect, "break main", "continue", "detach"]);
    assert_in_order(&text, &["Breakpoint 1, main", "detached"]);
    let text = run(&[&connect, "print $pc == (long)main", "info breakpoints", "kill"]);
    assert_in_order(&text, &["= 1", "No breakpoints"]);
    assert!(server.wait().expect("it ends").success(), "killed by GDB, it ends in good order");
}

#[test]
fn what_gdb_writes_into_a_recorded_run_is_part_of_the_recording() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("demo.rec");
    let config = demo(1);
    let (machine, recorder) = recorder(&path, &config, Quiet::default());
    let door = RecordSession::new(&machine, recorder);
    let live = MachineSubject::live(machine, config, Box::new(door));
    let mut session = Session::new(Engine::new(Box::new(live), 0));
    let (text, _) = gdb(
        &mut session,
        &[
            "stepi 20",
            "set var $a1 = 0x1234",
            "set var *(int*)0x80003000 = 77",
            "stepi 5",
            "monitor mark written",
            "stepi 100",
            "monitor digest",
            "detach",
        ],
    );
    let digest = text.split_once("  state ").expect("a digest").1.lines().next().expect("a line");
    let operator = session.engine.subject_mut().operator().expect("it is live");
    operator.close("quit").expect("the recording is finished");

    let subject = subject(&path, Tuning::default());
    let mut session = Session::new(Engine::new(Box::new(subject), 64 << 20));
    let (text, _) = gdb(
        &mut session,
        &[
            "monitor seek mark:written",
            "maintenance flush register-cache",
            "print/x $a1",
            "print *(int*)0x80003000",
            "monitor last-write 0x80003000 4",
            "set var $a1 = 5",
            "monitor seek 125",
            "monitor digest",
            "detach",
        ],
    );
    let change = "00 00 00 00 -> 4d 00 00 00";
    assert_in_order(&text, &["= 0x1234", "= 77", "20 ", change, "Could not write", digest]);
}
