//! The oracle: every state of a stretch of Linux's boot, written down once by an interpreter that
//! goes forward; then GDB itself walks the same recording at random, and every stop has to be the
//! oracle's. Registers are read through GDB, the whole state through `monitor digest`.
//!
//! The long form is `scripts/oracle`: ORACLE_STEPS instructions, ORACLE_MOTIONS motions.

pub(super) mod access;
mod trace;

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{RecvTimeoutError, channel},
    time::Duration,
};

use emulator::{
    clock::Position,
    machine::board::{self, Config},
};

use super::recording::record;

/// Instructions in front of the stretch: firmware and the kernel's first steps.
const BEGIN: u64 = 60_000_000;

/// A number from the environment, for the long form.
fn number(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|error| panic!("{name}={text}: {error}")),
        Err(_) => default,
    }
}

fn linux() -> Config {
    let folder = std::env::var_os("GUEST_DIR").map_or_else(
        || concat!(env!("CARGO_MANIFEST_DIR"), "/target/guests").into(),
        std::path::PathBuf::from,
    );
    let file = |name: &str| {
        let path = folder.join(name);
        assert!(path.exists(), "{} is missing: run scripts/fetch-guests", path.display());
        Some(path)
    };
    Config {
        memory_bytes: 128 << 20,
        bios: file("fw_dynamic.bin"),
        kernel: file("Image"),
        initrd: file("initrd.gz"),
        append: "console=ttyS0".into(),
        engine: board::Engine::Auto,
        ..Config::default()
    }
}

/// The emulator, killed when the test ends early.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn serve(recording: &Path, socket: &Path) -> Server {
    let built = || env!("CARGO_BIN_EXE_emulator").into();
    let child = Command::new(std::env::var_os("EMULATOR").unwrap_or_else(built))
        .arg("--replay")
        .arg(recording)
        .arg("--gdb")
        .arg(format!("unix:{}", socket.display()))
        .stdin(Stdio::null())
        .spawn()
        .expect("the emulator starts");
    for _ in 0..600 {
        if socket.exists() {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Server(child)
}

#[test]
fn every_stop_of_a_random_walk_in_gdb_equals_the_oracle() {
    let begin = number("ORACLE_BEGIN", BEGIN);
    let steps = number("ORACLE_STEPS", 20_000);
    let motions = number("ORACLE_MOTIONS", 150);
    let seed = number("ORACLE_SEED", 1);
    // A machine that builds something else is slow, not hung; the long form runs alone.
    let watchdog = Duration::from_secs(number("ORACLE_WATCHDOG", 60));
    let folder = tempfile::tempdir().expect("a folder");
    let recording = folder.path().join("boot.rec");
    record(&recording, &linux(), "", Position::at_steps(begin + steps + 1_000_000));
    trace::write(&recording, begin, steps, folder.path());

    let socket = folder.path().join("gdb");
    let _server = serve(&recording, &socket);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/gdb/oracle/walk.py");
    let mut gdb = Command::new("gdb-multiarch")
        .args(["-nx", "-batch", "-x", script])
        .env("ORACLE", folder.path())
        .env("ORACLE_SOCKET", &socket)
        .env("ORACLE_MOTIONS", motions.to_string())
        .env("ORACLE_SEED", seed.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("gdb-multiarch is installed by scripts/setup");
    let (sender, lines) = channel();
    let stdout = gdb.stdout.take().expect("it is piped");
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    let mut last = String::new();
    // GDB reads the oracle before it moves.
    let mut patience = watchdog.max(Duration::from_secs(600));
    loop {
        match lines.recv_timeout(patience) {
            Ok(line) if line == "ready" => patience = watchdog,
            Ok(line) => last = line,
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                gdb.kill().ok();
                panic!("seed {seed}: no answer within {patience:?} behind: {last}");
            }
        }
    }
    let status = gdb.wait().expect("gdb ends");
    println!("{last}");
    let done = format!("{motions} motions equal the oracle");
    assert!(status.success() && last.contains(&done), "seed {seed}: {status}; last: {last}");
}
