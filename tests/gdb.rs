//! The real GDB in front of the demo guest. What is asserted is what a user would read.

mod gdb {
    mod damage;
    mod harts;
    mod live;
    mod log;
    mod oracle;
    mod query;
    mod recording;
    mod replay;
    mod search;
    mod transfers;
    mod writes;
}

use std::{
    process::{Command, Stdio},
    sync::{Arc, atomic::AtomicBool},
};

use emulator::{
    debug::{
        Engine,
        gdb::{Ending, Endpoint, Listener, serve},
        machine::{Leaving, Live, MachineSubject},
        monitor::Session,
    },
    door::{Door, Event, Moment, Reply},
    machine::{Machine, board},
};

/// A host on which nobody types, as fast as it can.
#[derive(Default)]
struct Quiet {
    events: Vec<Event>,
}

impl Door for Quiet {
    fn take(&mut self, _: Moment) -> Reply {
        self.events.pop().map_or(Reply::Nothing, Reply::Event)
    }
}

impl Live for Quiet {
    fn inject(&mut self, event: Event) {
        self.events.push(event);
    }

    fn left(&mut self, _: &Machine) -> Leaving {
        Leaving::Over { code: 3, how: "nothing happens any more".to_owned() }
    }

    fn heed(&mut self, _: Arc<AtomicBool>) {}
}

fn demo(harts: u32) -> Machine {
    let (board, version) = board::find(machines::BOARDS, "riscv64-virt").expect("the board");
    let config = board::Config {
        cpus: harts,
        memory_bytes: 16 << 20,
        engine: board::Engine::Interpreter,
        ..board::Config::default()
    };
    board.build(version, &config).expect("the demo guest needs nothing").machine
}

/// The demo guest with its symbols.
const SYMBOLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/machines/guests/demo.elf");

/// What GDB prints for `commands` in front of `session`.
fn gdb(session: &mut Session, commands: &[&str]) -> (String, Ending) {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("gdb");
    let endpoint = Endpoint::Unix(socket.clone());
    let mut listener = Listener::bind(endpoint).expect("a socket");
    // What monitor commands say goes to standard error: one stream keeps the order.
    let mut command = Command::new("sh");
    command.args(["-c", "exec gdb-multiarch \"$@\" 2>&1", "gdb"]);
    command.args(["-nx", "-batch", "-ex", "set pagination off", "-ex", "set confirm off"]);
    command.arg("-ex").arg(format!("target remote {}", socket.display()));
    for line in commands {
        command.args(["-ex", line]);
    }
    command.arg(SYMBOLS).stdin(Stdio::null()).stdout(Stdio::piped());
    let child = command.spawn().expect("gdb-multiarch is installed by scripts/setup");
    let stream = listener.accept().expect("gdb connects").expect("gdb connects");
    let wire = stream.start(session.engine.attention());
    let ending = serve(session, wire).expect("the machine does not fail");
    let output = child.wait_with_output().expect("gdb ends");
    (String::from_utf8_lossy(&output.stdout).into_owned(), ending)
}

fn live(harts: u32) -> Session {
    let mut machine = demo(harts);
    let mut door = Quiet { events: Vec::new() };
    machine.power_on(&mut door);
    Session::new(Engine::new(
        Box::new(MachineSubject::live(machine, board::Config::default(), Box::new(door))),
        0,
    ))
}

#[track_caller]
fn assert_in_order(text: &str, expected: &[&str]) {
    let mut rest = text;
    for line in expected {
        let Some(at) = rest.find(line) else { panic!("`{line}` is missing behind:\n{text}") };
        rest = &rest[at + line.len()..];
    }
}
