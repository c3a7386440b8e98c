//! A pseudo-terminal with the program at its other end.

use std::{
    fs::File,
    io::{Read, Write},
    os::fd::{AsFd, OwnedFd},
    process::{Child, Command},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    time::{Duration, Instant},
};

use rustix::{
    fs::{Mode, OFlags, open},
    process::{Pid, Signal, kill_process},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::tcgetattr,
};

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// The prompt of the demo guest.
pub(crate) const GUEST: &str = "> ";
/// The prompt of the monitor.
pub(crate) const MONITOR: &str = "(emulator) ";

/// The program as it is built for the tests.
pub(crate) fn emulator() -> Command {
    Command::new(env!("CARGO_BIN_EXE_emulator"))
}

/// A terminal in which a program runs.
pub(crate) struct Terminal {
    keys: File,
    screen: Receiver<Vec<u8>>,
    /// What has come and was not yet expected.
    seen: String,
    device: OwnedFd,
    child: Child,
    /// The terminal's settings before the program ran.
    before: String,
}

impl Terminal {
    /// Runs `command` in a new terminal.
    pub(crate) fn run(command: &mut Command) -> Self {
        let keys = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo-terminal");
        grantpt(&keys).expect("it is ours");
        unlockpt(&keys).expect("it can be used");
        let name = ptsname(&keys, Vec::new()).expect("it has a name");
        let device = open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).expect("it opens");
        let end = || device.try_clone().expect("a file can be shared");
        let before = settings(&device);
        let child = command
            .env("TERM", "xterm")
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .expect("the program starts");
        let keys = File::from(keys);
        let mut screen = keys.try_clone().expect("a file can be shared");
        let (sender, receiver) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = screen.read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { keys, screen: receiver, seen: String::new(), device, child, before }
    }

    /// Types at the keyboard.
    pub(crate) fn type_keys(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("the terminal takes keys");
    }

    /// Waits until `text` is on the screen; returns what came before it.
    #[track_caller]
    pub(crate) fn expect(&mut self, text: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.seen.find(text) {
                let before = self.seen[..at].to_owned();
                self.seen.drain(..at + text.len());
                return before;
            }
            let left = end.saturating_duration_since(Instant::now());
            match self.screen.recv_timeout(left) {
                Ok(bytes) => self.seen.push_str(&String::from_utf8_lossy(&bytes)),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("`{text}` does not come; the screen shows:\n{}", self.seen)
                }
            }
        }
    }

    /// Types a line into the monitor and returns the answer.
    #[track_caller]
    pub(crate) fn ask(&mut self, line: &str) -> String {
        self.type_keys(&format!("{line}\r"));
        // The editor shows the line while it is typed; the answer begins on the next one.
        self.expect(line);
        self.expect("\n");
        self.expect(MONITOR)
    }

    /// Sends the program a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).expect("process numbers are small");
        kill_process(Pid::from_raw(id).expect("it runs"), signal).expect("it is ours");
    }

    /// Whether the terminal is in another mode than before the program ran.
    pub(crate) fn is_changed(&self) -> bool {
        settings(&self.device) != self.before
    }

    /// Waits for the end of the program and returns its exit code.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> Option<i32> {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                return status.code();
            }
            assert!(Instant::now() < end, "the program does not end:\n{}", self.seen);
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // A test that failed leaves no program behind; one that has ended cannot be killed.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The settings that raw mode changes.
fn settings(device: impl AsFd) -> String {
    let settings = tcgetattr(device).expect("it is a terminal");
    format!(
        "{:?} {:?} {:?} {:?}",
        settings.input_modes, settings.output_modes, settings.control_modes, settings.local_modes
    )
}
