//! The escape key.

use super::terminal::{GUEST, Terminal, emulator};

#[test]
fn the_escape_key_helps_and_everything_else_reaches_the_guest() {
    let mut terminal = Terminal::run(&mut emulator());
    terminal.expect(GUEST);
    terminal.type_keys("\x01h");
    terminal.expect("Ctrl-A x  quit");
    terminal.expect("Ctrl-A c  monitor");
    // Keys that mean something to a terminal in its ordinary mode.
    terminal.type_keys("date\x03\x1a\x7f\x7fte\r");
    terminal.expect(" UTC");
    terminal.expect(GUEST);
    // The guest gets the key itself, and ignores it.
    terminal.type_keys("\x01auptime\r");
    terminal.expect("ticks");
    terminal.type_keys("\x01x");
    assert_eq!(terminal.wait(), Some(0));
}
