//! The command of the README that boots Linux, as it stands there.

use std::{
    io::{Read, Write},
    process::{Command, Stdio},
};

use super::guests::file;

/// What stands behind the fetcher in the README's line, without the program's name.
fn arguments() -> String {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md"));
    let readme = readme.expect("the README is there");
    let found = readme.lines().find_map(|line| line.strip_prefix("scripts/fetch-guests && "));
    let command = found.expect("one more command boots Linux");
    let arguments = command.strip_prefix("target/release/emulator ").expect("it runs the program");
    // Where these tests have the guests.
    let folder = file("Image");
    let folder = folder.parent().and_then(|path| path.to_str()).expect("a plain path");
    arguments.replace("target/guests", folder)
}

const PROMPT: &[u8] = b"guest# ";

#[test]
fn the_readme_boots_linux_to_a_prompt_with_one_more_command() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_emulator"))
        .args(arguments().split_whitespace())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut keys = child.stdin.take().expect("it is piped");
    let mut screen = child.stdout.take().expect("it is piped");
    let mut said = Vec::new();
    let mut buffer = [0; 4096];
    // The shell asks its terminal for the cursor right behind the prompt.
    while !said.windows(PROMPT.len()).any(|there| there == PROMPT) {
        let count = screen.read(&mut buffer).expect("the pipe is sound");
        assert!(count > 0, "no prompt:\n{}", String::from_utf8_lossy(&said));
        said.extend_from_slice(&buffer[..count]);
    }
    keys.write_all(b"poweroff -f\r").expect("the guest reads");
    // The guest speaks until it is off.
    screen.read_to_end(&mut said).expect("the pipe is sound");
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    let said = String::from_utf8_lossy(&said);
    assert!(said.contains("Linux version") && said.contains("guest ready: riscv64"), "{said}");
}
