//! The real GDB in front of a live machine, in this process and in front of the built program.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use emulator::{
    clock::Position,
    debug::{Engine, gdb::Ending, machine::MachineSubject, monitor::Session},
    journal,
    machine::board,
    timeline::Tuning,
};

use super::recording::{record, subject};
use crate::{Quiet, SYMBOLS, assert_in_order, gdb, live};

#[test]
fn a_live_machine_stops_at_breakpoints_and_watchpoints_and_shows_its_state() {
    let mut session = live(1);
    let (text, ending) = gdb(
        &mut session,
        &[
            "break *main",
            "continue",
            "print/x $pc == (long)main",
            "info registers mstatus",
            "x/1xw main",
            "watch *(long*)0x80001308",
            "continue",
            "delete",
            "rwatch *(long*)0x80001308",
            "continue",
            "delete",
            "awatch *(long*)0x80001308",
            "continue",
            "continue",
            "delete",
            "hbreak trap",
            "continue",
            "print/x $a0",
            "set var $a1 = 0x1234",
            "print/x $a1",
            "set var *(int*)0x80001000 = 77",
            "print *(int*)0x80001000",
            "stepi",
            "monitor where",
            "info threads",
            "detach",
        ],
    );
    assert_in_order(
        &text,
        &[
            "Breakpoint 1, ",
            "= 0x1",
            "mstatus ",
            "Hardware watchpoint 2",
            "Old value = 0",
            "New value = 1",
            "Hardware read watchpoint 3",
            "Value = 1",
            "Hardware access (read/write) watchpoint 4",
            "= 1",
            "Hardware access (read/write) watchpoint 4",
            "= 1",
            "Breakpoint 5, ",
            "= 0x8000000000000007",
            "= 0x1234",
            "= 77",
            "position ",
            ", live",
            "* hart 0",
            "Thread 1.1 (hart 0, ",
        ],
    );
    assert_eq!(ending, Ending::Detached, "{text}");
    // A second GDB finds the machine where the first one left it, without its breakpoints.
    let (text, _) = gdb(&mut session, &["print/x $a1", "info breakpoints", "detach"]);
    assert_in_order(&text, &["= 0x1234", "No breakpoints"]);
}

#[test]
fn floating_point_and_control_registers_are_read_and_written_by_name() {
    let mut session = live(1);
    let (text, _) = gdb(
        &mut session,
        &[
            "break *main",
            "continue",
            "print $fa0",
            "set var $fa0.double = 1.5",
            "print $fa0.double",
            "set var $fcsr = 0x61",
            "print/x $fcsr",
            "print/x $frm",
            "print/x $fflags",
            "print/x $mtvec != 0",
            "set var $mscratch = 0x123456789abcdef",
            "print/x $mscratch",
            "print/x $misa & 0x1105",
            "print/x $satp",
            "print $priv",
            "info registers float",
            "info registers csr",
            "stepi",
            "print $fa0.double",
            "detach",
        ],
    );
    let expected = [
        "$1 = {float = ",
        "= 1.5\n",
        "= 0x61\n",
        "= 0x3\n",
        "= 0x1\n",
        "= 0x1\n",
        "= 0x123456789abcdef\n",
        "= 0x1105\n",
        "= 0x0\n",
        "= ",
        "ft0 ",
        "fa0 ",
        "mepc ",
        "= 1.5\n",
    ];
    assert_in_order(&text, &expected);
}

#[test]
fn a_running_machine_hears_an_interrupt_and_runs_on() {
    let mut session = live(1);
    // GDB passes on to the machine what it hears while the machine runs.
    let soon = "shell (sleep 0.3; kill -INT $PPID) > /dev/null 2>&1 &";
    let (text, ending) = gdb(
        &mut session,
        &[
            soon,
            "continue",
            "print $pc > 0x1000",
            "set $before = ticks",
            soon,
            "continue",
            "print ticks > $before",
            "detach",
        ],
    );
    let interrupted = "received signal SIGINT";
    assert_in_order(&text, &[interrupted, "= 1", interrupted, "= 1"]);
    assert_eq!(ending, Ending::Detached, "{text}");
}

#[test]
fn harts_are_threads_with_registers_of_their_own() {
    let mut session = live(2);
    let (text, _) = gdb(
        &mut session,
        &[
            "break *main",
            "continue",
            "info threads",
            "print $_thread",
            "print/x $mhartid",
            "thread 2",
            "print/x $mhartid",
            "set var $t6 = 0x77",
            "thread 1",
            "print $t6 != 0x77",
            "thread apply all print/x $mhartid",
            "thread 2",
            "stepi",
            "print/x $t6",
            "monitor where",
            "detach",
        ],
    );
    let expected = [
        "Breakpoint 1, ",
        "(hart 0, ",
        "(hart 1, ",
        "= 1\n",
        "= 0x0\n",
        "= 0x1\n",
        "= 1\n",
        "Thread 1.2",
        "= 0x1\n",
        "Thread 1.1",
        "= 0x0\n",
        "= 0x77\n",
        "* hart 1",
    ];
    assert_in_order(&text, &expected);
}

#[test]
fn a_state_saved_under_gdb_is_loaded_under_gdb() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("state.vmstate");
    let (save, load) = (
        format!("monitor savevm {}", file.display()),
        format!("monitor loadvm {}", file.display()),
    );
    let mut session = live(1);
    let (text, _) = gdb(
        &mut session,
        &[
            "break trap",
            "continue",
            "set $pc_then = $pc",
            "set $ticks_then = ticks",
            &save,
            "continue",
            "continue",
            "print ticks - $ticks_then",
            &load,
            // GDB asks nothing anew after a monitor command.
            "maintenance flush register-cache",
            "print $pc == $pc_then",
            "print ticks - $ticks_then",
            "continue",
            "print ticks - $ticks_then",
            "monitor loadvm /nowhere/state",
            "monitor help",
            "monitor help seek",
            "monitor seek 5",
            "monitor nonsense",
            "detach",
        ],
    );
    let expected = [
        "Breakpoint 1, ",
        "saved to ",
        "= 2\n",
        "loaded ",
        "= 1\n",
        "= 0\n",
        "Breakpoint 1, ",
        "= 1\n",
        "error: ",
        "last-write ADDR [LENGTH]",
        "seek POSITION ",
        "error: ",
        "nonsense",
    ];
    assert_in_order(&text, &expected);
}

#[test]
fn a_replay_goes_live_under_gdb_and_cannot_go_back_any_more() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("demo.rec");
    let config = board::Config { memory_bytes: 16 << 20, ..board::Config::default() };
    record(&path, &config, "date\r", Position::at_steps(1_000_000));
    let subject: MachineSubject = subject(&path, Tuning::default())
        .with_go_live(config, Box::new(|_, _| Ok(Box::new(Quiet::default()))));
    let mut session = Session::new(Engine::new(Box::new(subject), 64 << 20));
    let (text, _) = gdb(
        &mut session,
        &[
            "break trap",
            "continue",
            "continue",
            "set $then = ticks",
            "set var $t6 = 0x1234",
            "monitor go-live",
            "set var $t6 = 0x1234",
            "print/x $t6",
            "continue",
            "print ticks >= $then",
            "reverse-stepi",
            "reverse-continue",
            "monitor seek 5",
            "stepi",
            "monitor where",
            "detach",
        ],
    );
    let expected = [
        "Breakpoint 1, ",
        "Breakpoint 1, ",
        "Could not write register",
        "live from ",
        "= 0x1234\n",
        "Breakpoint 1, ",
        "= 1\n",
        "No more reverse-execution history.",
        "No more reverse-execution history.",
        "error: ",
        ", live",
    ];
    assert_in_order(&text, &expected);
}

/// GDB's answers to `commands`.
fn run_gdb(commands: &[&str]) -> String {
    let mut gdb = Command::new("gdb-multiarch");
    gdb.args(["-nx", "-batch", "-ex", "set pagination off", "-ex", "set confirm off"]);
    for line in commands {
        gdb.args(["-ex", line]);
    }
    let output = gdb.arg(SYMBOLS).stdin(Stdio::null()).output().expect("gdb-multiarch is there");
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn gdb_starts_a_live_machine_itself_and_the_guest_speaks_on_standard_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let said = folder.path().join("said");
    let connect = format!(
        "target remote | {} --bios {SYMBOLS} --memory 16M --pace max --gdb stdio 2>{}",
        env!("CARGO_BIN_EXE_emulator"),
        said.display()
    );
    let text = run_gdb(&[&connect, "break trap", "continue", "print ticks", "kill"]);
    assert_in_order(&text, &["Breakpoint 1, ", "= 0\n", "killed"]);
    let said = std::fs::read_to_string(&said).expect("it said something");
    assert!(said.contains("demo"), "{said}");
}

#[test]
fn the_program_serves_gdb_over_tcp_live_and_runs_on_between_two_of_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let recording = folder.path().join("live.rec");
    let mut server = Command::new(env!("CARGO_BIN_EXE_emulator"))
        .args(["--bios", SYMBOLS, "--memory", "16M", "--pace", "max", "--gdb", "127.0.0.1:0"])
        .arg("--record")
        .arg(&recording)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the emulator starts");
    let mut said = BufReader::new(server.stderr.take().expect("it is piped"));
    let mut line = String::new();
    said.read_line(&mut line).expect("it says where");
    let address = line.trim_end().strip_prefix("waiting for GDB at ").expect("that is how");
    let connect = format!("target remote {address}");
    let text =
        run_gdb(&[&connect, "print/x $pc", "break trap", "continue", "print ticks", "detach"]);
    assert_in_order(&text, &["= 0x1000", "Breakpoint 1, ", "= 0\n", "detached"]);
    // It ran on meanwhile.
    let text = run_gdb(&[
        &connect,
        "info breakpoints",
        "break trap",
        "continue",
        "print ticks > 0",
        "stepi",
        "kill",
    ]);
    assert_in_order(&text, &["No breakpoints", "Breakpoint 1, ", "= 1\n", "killed"]);
    assert!(server.wait().expect("it ends").success(), "killed by GDB, it ends in good order");
    let recorded = journal::Reader::open(&recording).expect("it was recorded");
    assert_eq!(recorded.ending(), journal::Ending::Complete, "and so does its recording");
}
