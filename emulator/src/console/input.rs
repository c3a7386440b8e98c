//! The threads that wait for the host: standard input and signals.
//!
//! They never touch the machine. What they have to say goes through an [`Outlet`]: to the door, which
//! hears it between two slices, and to the monitor's desk, which hears it while the machine stands
//! still.

use std::{io::Read, sync::mpsc::Sender};

use rustix::{
    event::{PollFd, PollFlags, poll},
    time::Timespec,
};

use super::{
    escape::{Command, Escape},
    monitor::{Dialogue, Request},
    terminal,
};

/// What a waiting thread tells the door.
#[derive(Debug)]
pub(super) enum Message {
    /// Bytes for the guest.
    Input(Vec<u8>),
    /// There will be no more.
    EndOfInput,
    /// A signal came.
    Signal(i32),
    /// The user quit.
    Quit,
    /// Somebody waits at the monitor's desk.
    Operator,
}

/// Where the threads' messages go.
#[derive(Clone, Debug)]
pub(super) struct Outlet {
    pub(super) messages: Sender<Message>,
    /// The monitor's desk, when there is one.
    pub(super) requests: Option<Sender<Request>>,
}

impl Outlet {
    /// Tells the door; false when it is gone.
    pub(super) fn tell(&self, message: Message) -> bool {
        let ends = matches!(message, Message::Signal(_) | Message::Quit);
        let told = self.messages.send(message).is_ok();
        if ends && let Some(requests) = &self.requests {
            // A machine that stands still must hear it, too.
            drop(requests.send(Request::Leave));
        }
        told
    }

    /// Brings a request to the monitor's desk; false when there is none.
    pub(super) fn ask(&self, request: Request) -> bool {
        let asked = self.requests.as_ref().is_some_and(|desk| desk.send(request).is_ok());
        // The machine comes to the desk when its door says so.
        asked && self.messages.send(Message::Operator).is_ok()
    }
}

/// Waits for input in a thread of its own, which ends with the process.
pub(super) fn read_input(outlet: Outlet, is_terminal: bool) -> std::io::Result<()> {
    let thread = std::thread::Builder::new().name("input".into());
    let read = move || {
        if is_terminal {
            Keyboard { dialogue: Dialogue::new(outlet.clone()), outlet }.read();
        } else {
            read_pipe(&outlet);
        }
    };
    thread.spawn(read).map(drop)
}

fn read_pipe(outlet: &Outlet) {
    let mut stdin = std::io::stdin().lock();
    let mut buffer = [0; 4096];
    loop {
        let message = match stdin.read(&mut buffer) {
            Ok(0) => Message::EndOfInput,
            Ok(count) => Message::Input(buffer[..count].to_vec()),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => {
                tracing::debug!(%error, "standard input");
                Message::EndOfInput
            }
        };
        let is_last = matches!(message, Message::EndOfInput);
        if !outlet.tell(message) || is_last {
            return;
        }
    }
}

/// A terminal in raw mode, on which the escape key works.
struct Keyboard {
    outlet: Outlet,
    dialogue: Dialogue,
}

impl Keyboard {
    fn read(mut self) {
        let mut escape = Escape::default();
        let mut typed = Vec::new();
        loop {
            let Some(byte) = next_byte() else {
                self.pass(&mut typed);
                self.outlet.tell(Message::EndOfInput);
                return;
            };
            match escape.take(byte) {
                Command::Pass(byte) => typed.push(byte),
                Command::Hold => {}
                Command::Quit => {
                    self.pass(&mut typed);
                    self.outlet.tell(Message::Quit);
                }
                Command::Help => print_help(),
                Command::Monitor => {
                    self.pass(&mut typed);
                    self.dialogue.hold();
                }
            }
            if !typed.is_empty() && !has_more() && !self.pass(&mut typed) {
                return;
            }
        }
    }

    /// Passes what was typed on to the guest.
    fn pass(&self, typed: &mut Vec<u8>) -> bool {
        typed.is_empty() || self.outlet.tell(Message::Input(std::mem::take(typed)))
    }
}

/// The next byte of standard input. Bytes are read one by one, since those behind `Ctrl-A c` are for
/// another reader, the line editor.
fn next_byte() -> Option<u8> {
    let mut byte = [0];
    loop {
        match rustix::io::read(std::io::stdin(), &mut byte) {
            Ok(0) => return None,
            Ok(_) => return Some(byte[0]),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => {
                tracing::debug!(%error, "standard input");
                return None;
            }
        }
    }
}

/// Whether more has been typed already.
fn has_more() -> bool {
    let stdin = std::io::stdin();
    let mut inputs = [PollFd::new(&stdin, PollFlags::IN)];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut inputs, Some(&at_once)).is_ok_and(|ready| ready > 0)
}

fn print_help() {
    let lines = [
        "",
        "Ctrl-A x  quit",
        "Ctrl-A c  monitor: look at the machine, save it, reset it",
        "Ctrl-A h  this help",
        "Ctrl-A a  send Ctrl-A to the guest",
        "",
    ];
    terminal::tell(&lines.join("\r\n"));
}

/// Turns SIGINT, SIGTERM and SIGHUP into messages; a second one ends the process at once.
pub(super) fn watch_signals(outlet: Outlet) -> std::io::Result<()> {
    use signal_hook::{consts, iterator::Signals};
    let mut signals = Signals::new([consts::SIGINT, consts::SIGTERM, consts::SIGHUP])?;
    let watch = move || {
        let mut told = false;
        for number in signals.forever() {
            if told || !outlet.tell(Message::Signal(number)) {
                terminal::restore();
                std::process::exit(128 + number);
            }
            told = true;
        }
    };
    std::thread::Builder::new().name("signals".into()).spawn(watch).map(drop)
}
