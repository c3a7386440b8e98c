//! Without a terminal: input and output are pipes.

use std::{
    io::Write,
    process::{Output, Stdio},
};

use super::terminal::emulator;

/// What comes of `input` on a pipe.
fn piped(arguments: &[&str], input: &[u8]) -> Output {
    let mut command = emulator();
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    child.stdin.take().expect("it is piped").write_all(input).expect("it reads");
    child.wait_with_output().expect("it ends")
}

#[test]
fn a_piped_guest_reads_its_input_and_ends_with_its_code() {
    let output = piped(&[], b"uptime\rpoweroff 9\r");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains(" ticks\r\n"), "{said}");
    assert_eq!(output.status.code(), Some(9));
    assert!(output.stderr.is_empty(), "{output:?}");
}

#[test]
fn the_escape_key_is_an_ordinary_byte_on_a_pipe() {
    let output = piped(&[], b"\x01xyz\rpoweroff 4\r");
    let said = String::from_utf8_lossy(&output.stdout);
    // The guest ignores control characters.
    assert!(said.contains("xyz: unknown"), "{said}");
    assert_eq!(output.status.code(), Some(4), "{said}");
}

#[test]
fn a_reader_that_goes_away_ends_the_run() {
    let mut command = emulator();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    drop(child.stdout.take());
    let mut keys = child.stdin.take().expect("it is piped");
    // The guest's next word finds nobody; then writing to it fails, too.
    keys.write_all(b"help\r").ok();
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("standard output"), "{output:?}");
}
