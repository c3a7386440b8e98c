//! `--monitor unix:PATH`: the monitor over a socket.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use super::terminal::{MONITOR, emulator};

/// The demo guest, with a monitor and nobody at its console.
struct Machine {
    child: Child,
    monitor: UnixStream,
}

impl Machine {
    fn start(socket: &Path, arguments: &[&str]) -> Self {
        let place = format!("unix:{}", socket.display());
        let mut command = emulator();
        command.args(["--monitor", &place, "--pace", "real"]).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit());
        let child = command.spawn().expect("the program starts");
        let mut machine = Self { child, monitor: connect(socket) };
        assert!(machine.answer().contains("`help` lists the commands"));
        machine
    }

    /// Reads up to the next prompt.
    fn answer(&mut self) -> String {
        let mut text = Vec::new();
        while !text.ends_with(MONITOR.as_bytes()) {
            let mut byte = [0];
            self.monitor.read_exact(&mut byte).expect("an answer ends with the prompt");
            text.push(byte[0]);
        }
        text.truncate(text.len() - MONITOR.len());
        String::from_utf8(text).expect("text")
    }

    fn ask(&mut self, line: &str) -> String {
        writeln!(self.monitor, "{line}").expect("the monitor reads");
        self.answer()
    }

    /// The step count of `where`.
    fn steps(&mut self) -> u64 {
        let place = self.ask("where");
        let number = place.strip_prefix("position ").and_then(|rest| rest.split([' ', ',']).next());
        number.and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{place}"))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn connect(socket: &Path) -> UnixStream {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        match UnixStream::connect(socket) {
            Ok(stream) => return stream,
            Err(error) => assert!(Instant::now() < end, "{}: {error}", socket.display()),
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn the_guest_runs_between_commands_unless_it_is_stopped() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("monitor");
    let mut machine = Machine::start(&socket, &[]);
    let begin = machine.steps();
    while machine.steps() == begin {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(machine.ask("stop").starts_with("stopped at "));
    let held = machine.ask("where");
    // Another user sees the same machine.
    let mut other = Machine { child: stand_in(), monitor: connect(&socket) };
    other.answer();
    assert_eq!(other.ask("where"), held);
    other.ask("cont");
    let held = machine.steps();
    while machine.steps() == held {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(machine.ask("powerdown").starts_with("switched off at "));
    assert_eq!(machine.child.wait().expect("it ends").code(), Some(0));
    assert!(!socket.exists(), "the socket is removed");
}

/// A child for a connection that is not the first.
fn stand_in() -> Child {
    emulator().arg("--version").stdout(Stdio::null()).spawn().expect("it runs")
}

#[test]
fn a_state_that_is_saved_and_loaded_comes_back_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("monitor");
    let mut machine = Machine::start(&socket, &["--cpus", "2"]);
    let file = folder.path().join("one.vms");
    let again = folder.path().join("two.vms");
    machine.ask("stop");
    let held = machine.ask("where");
    assert!(machine.ask(&format!("savevm {}", file.display())).starts_with("saved to "));
    machine.ask("reset");
    machine.ask("cont");
    while machine.ask("where") == held {}
    machine.ask("stop");
    assert_ne!(machine.ask("where"), held);
    assert!(machine.ask(&format!("loadvm {}", file.display())).starts_with("loaded "));
    assert_eq!(machine.ask("where"), held);
    machine.ask(&format!("savevm {}", again.display()));
    let difference = emulator().arg("diff").args([&file, &again]).output().expect("it runs");
    assert_eq!(difference.status.code(), Some(0), "{difference:?}");
    let packed = folder.path().join("three.vms");
    let (packed_name, base) = (packed.display(), again.display());
    machine.ask(&format!("savevm --compress --base {base} {packed_name}"));
    let info = emulator().arg("info").arg(&packed).output().expect("it runs");
    let info = String::from_utf8_lossy(&info.stdout).into_owned();
    assert!(info.contains("two.vms"), "it rests on its base:\n{info}");
    let difference = emulator().arg("diff").args([&again, &packed]).output().expect("it runs");
    assert_eq!(difference.status.code(), Some(0), "{difference:?}");
    for (line, complaint) in [
        ("savevm", "error: usage: savevm [--compress] [--base FILE] FILE"),
        ("savevm --base", "error: usage: savevm "),
        ("savevm --compress", "error: usage: savevm "),
        ("savevm --fast x", "error: usage: savevm "),
        ("savevm --base /nowhere/base x", "error: "),
        ("savevm /nowhere/file", "error: "),
        ("loadvm /nowhere/file", "error: "),
        ("seek 0", "error: this is a live run"),
    ] {
        let answer = machine.ask(line);
        assert!(answer.starts_with(complaint), "{line}: {answer}");
    }
    machine.ask("quit");
    assert_eq!(machine.child.wait().expect("it ends").code(), Some(0));
}

#[test]
fn a_place_that_cannot_be_listened_at_is_named() {
    for (place, complaint) in [
        ("unix:/nowhere/socket", "no monitor at /nowhere/socket: "),
        ("tcp:1234", "expected unix:PATH"),
    ] {
        let output = emulator().args(["--monitor", place]).output().expect("it runs");
        assert_eq!(output.status.code(), Some(2));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(complaint), "{said}");
    }
}
