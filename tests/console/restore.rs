//! The terminal is as it was, however the program ends.

use std::process::Command;

use emulator::console::RawTerminal;
use rustix::process::Signal;

use super::terminal::{GUEST, MONITOR, Terminal, emulator};

/// A terminal in front of the demo guest, at its prompt.
fn at_prompt() -> Terminal {
    let mut terminal = Terminal::run(&mut emulator());
    terminal.expect(GUEST);
    assert!(terminal.is_changed(), "raw mode");
    terminal
}

#[test]
fn quitting_and_switching_off_restore_the_terminal() {
    for (keys, code) in [("\x01x", 0), ("poweroff\r", 0), ("poweroff 5\r", 5)] {
        let mut terminal = at_prompt();
        terminal.type_keys(keys);
        assert_eq!(terminal.wait(), Some(code), "{keys:?}");
        assert!(!terminal.is_changed(), "{keys:?}");
    }
}

#[test]
fn signals_restore_the_terminal_and_are_in_the_exit_code() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let mut terminal = at_prompt();
        terminal.signal(signal);
        assert_eq!(terminal.wait(), Some(code));
        assert!(!terminal.is_changed(), "{code}");
    }
}

#[test]
fn ends_inside_the_monitor_restore_the_terminal() {
    for (line, signal, code) in
        [("quit\r", None, 0), ("powerdown\r", None, 0), ("", Some(Signal::TERM), 143)]
    {
        let mut terminal = at_prompt();
        terminal.type_keys("\x01c");
        terminal.expect(MONITOR);
        terminal.type_keys(line);
        if let Some(signal) = signal {
            terminal.signal(signal);
        }
        assert_eq!(terminal.wait(), Some(code), "{line:?}");
        assert!(!terminal.is_changed(), "{line:?}");
    }
}

#[test]
fn a_file_that_cannot_be_used_leaves_the_terminal_alone() {
    let mut terminal = Terminal::run(emulator().args(["--bios", "/nowhere/firmware"]));
    terminal.expect("error: firmware /nowhere/firmware: cannot be read");
    assert_eq!(terminal.wait(), Some(2));
    assert!(!terminal.is_changed());
}

#[test]
#[ignore = "run by the next test alone"]
fn panics_in_raw_mode() {
    let terminal = RawTerminal::enter().expect("the terminal is ours");
    assert!(terminal.is_some(), "the next test gives this one a terminal");
    let handle = std::thread::spawn(|| panic!("somewhere else"));
    // The hook has restored the terminal; dying here runs no destructor.
    handle.join().expect_err("it has panicked");
    std::process::exit(77);
}

#[test]
fn a_panic_restores_the_terminal() {
    let program = std::env::current_exe().expect("a test knows its program");
    let name = "console::restore::panics_in_raw_mode";
    let mut command = Command::new(program);
    let mut terminal = Terminal::run(command.args(["--exact", name, "--ignored", "--nocapture"]));
    terminal.expect("somewhere else");
    assert_eq!(terminal.wait(), Some(77));
    assert!(!terminal.is_changed());
}
