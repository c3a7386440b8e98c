//! `Ctrl-A c`: the monitor on the console.

use super::terminal::{GUEST, MONITOR, Terminal, emulator};

/// A terminal in front of the demo guest with the monitor open.
fn in_monitor(arguments: &[&str]) -> Terminal {
    let mut terminal = Terminal::run(emulator().args(arguments));
    terminal.expect(GUEST);
    terminal.type_keys("\x01c");
    terminal.expect("`help` lists the commands");
    terminal.expect(MONITOR);
    terminal
}

#[test]
fn commands_see_one_position_and_the_guest_goes_on_afterwards() {
    let mut terminal = in_monitor(&[]);
    let help = terminal.ask("help");
    for command in ["where", "device", "savevm", "loadvm", "reset", "powerdown", "stop", "cont"] {
        assert!(help.contains(&format!("\n{command} ")), "{command}\n{help}");
    }
    let place = terminal.ask("where");
    assert!(place.contains(", live, ") && place.contains("* hart 0  0x"), "{place}");
    assert_eq!(terminal.ask("where"), place, "the machine stands still");
    assert!(terminal.ask("info").contains("soc/uart0 (ns16550a)"));
    assert!(terminal.ask("device soc/uart0").contains("divisor"));
    assert!(terminal.ask("stats").contains("hart0"));
    assert!(terminal.ask("device soc/none").contains("error: there is no device `soc/none`"));
    assert!(terminal.ask("dance").contains("error: there is no command `dance`"));
    terminal.type_keys("cont\r");
    terminal.expect("back to the guest");
    terminal.type_keys("date\r");
    terminal.expect(" UTC");
    assert!(terminal.is_changed(), "raw mode again");
    terminal.type_keys("\x01x");
    assert_eq!(terminal.wait(), Some(0));
}

#[test]
fn lines_are_edited_completed_and_remembered() {
    let mut terminal = in_monitor(&[]);
    // Left, and a letter; then a name from its first letters.
    terminal.type_keys("were\x1b[D\x1b[D\x1b[Dh\r");
    terminal.expect("position ");
    terminal.expect(MONITOR);
    terminal.type_keys("phy\t\r");
    terminal.expect("addresses of memory are virtual");
    terminal.expect(MONITOR);
    // Up twice: the line before the last one.
    terminal.type_keys("\x1b[A\x1b[A\r");
    terminal.expect("position ");
    terminal.expect(MONITOR);
    // A line that is given up, and the way back to the guest.
    terminal.type_keys("quit\x03");
    terminal.expect(MONITOR);
    terminal.type_keys("\x04");
    terminal.expect("back to the guest");
    terminal.type_keys("uptime\r");
    terminal.expect(" ticks");
    terminal.type_keys("\x01x");
    assert_eq!(terminal.wait(), Some(0));
}

#[test]
fn a_reset_in_a_recorded_run_is_an_event_that_replays() {
    let folder = tempfile::tempdir().expect("a folder");
    let recording = folder.path().join("reset.rec");
    let recording = recording.to_str().expect("a plain path");
    let mut terminal = in_monitor(&["--record", recording]);
    assert!(terminal.ask("mark before").contains("mark:before is "));
    assert!(terminal.ask("reset").contains("reset at "));
    assert!(terminal.ask("loadvm any").contains("error: a recording cannot take in a snapshot"));
    terminal.type_keys("\x04");
    terminal.expect("demo guest");
    terminal.expect(GUEST);
    terminal.type_keys("poweroff 6\r");
    assert_eq!(terminal.wait(), Some(6));

    let replay = emulator().args(["--replay", recording]).output().expect("it runs");
    assert_eq!(replay.status.code(), Some(6), "{replay:?}");
    let said = String::from_utf8_lossy(&replay.stdout);
    assert_eq!(said.matches("demo guest").count(), 2, "{said}");
    let verify = emulator().args(["verify", recording]).output().expect("it runs");
    assert!(verify.status.success(), "{verify:?}");
}

#[test]
fn a_breakpoint_of_the_monitor_holds_the_guest() {
    let mut terminal = in_monitor(&[]);
    // The trap vector: the next tick comes by.
    let vector = terminal.ask("print $mtvec");
    let vector = vector.split_whitespace().next().expect("a number").to_owned();
    terminal.ask(&format!("break {vector}"));
    terminal.type_keys("cont\r");
    terminal.expect(&format!("hart 0 stopped at {vector}"));
    terminal.type_keys("\x01c");
    terminal.expect(MONITOR);
    assert!(terminal.ask("where").contains(&vector));
    terminal.ask(&format!("delete {vector}"));
    terminal.type_keys("cont\r");
    terminal.expect("back to the guest");
    terminal.type_keys("poweroff 2\r");
    assert_eq!(terminal.wait(), Some(2));
}
