//! The live door: a terminal or a pipe, the host's clock, and signals.
//!
//! Problem: input comes when it likes, a terminal in raw mode must never be left that way, and
//! neither may touch the machine but between slices. Strategy: threads of the host wait for input
//! and signals and put [`Message`]s into one channel; [`LiveDoor`] looks into the channel when the
//! machine asks, and sleeps on it when the machine waits. Input bytes become events of the serial
//! port; the escape key's commands stay here.
//!
//! Invariants: the terminal is restored on every way out, a panic and a signal included
//! ([`RawTerminal`]); pace decides when and how long the host sleeps, never what the guest computes
//! between two inputs. What is piped in is held back until the guest waits for the first time, so
//! that a script types at a prompt and not into a machine that is still starting, at the same
//! position each time.

mod escape;
mod terminal;

use std::{
    collections::VecDeque,
    io::{Read, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel},
    },
    time::{Duration, Instant, SystemTime},
};

use crate::{
    clock::Position,
    debug::machine::Live,
    door::{Door, Event, Moment, Output, PowerOn, Reply, Wake, kind},
    timeline::Target,
};

pub use escape::{Command, Escape};
pub use terminal::RawTerminal;

/// Steps between two looks at the channel while the guest is busy: some milliseconds.
const POLL_STEPS: u64 = 1 << 20;

/// How far virtual time may run ahead of the host before the host sleeps.
const LEAD_NS: u64 = 2_000_000;

/// Steps after which piped input is no longer held back for a guest that never waits.
const HOLD_STEPS: u64 = 1 << 28;

/// How long the guest's first wait lets the host bring what is piped in.
const FIRST_INPUT: Duration = Duration::from_millis(100);

/// How long a wait may take while a debugger is attached.
const LOOK: Duration = Duration::from_millis(20);

/// How virtual time and the host's time go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Pace {
    /// Never ahead of the host's clock; an idle guest costs no host time.
    Real,
    /// As fast as the host can; an idle guest jumps to its next deadline.
    Max,
}

/// What the waiting threads tell.
#[derive(Debug)]
enum Message {
    Input(Vec<u8>),
    EndOfInput,
    Signal(i32),
}

/// Why the live door asked the machine to leave.
#[derive(Debug)]
pub enum Leave {
    /// The user quit.
    Quit,
    /// The limit set by [`LiveDoor::limit`] is reached.
    Limit,
    /// The user asked for the monitor; running may go on.
    Monitor,
    /// A signal came.
    Signal(i32),
    /// The guest waits for input, the input has ended and no timer runs.
    Forsaken,
    /// Standard output cannot be written.
    Output(std::io::Error),
}

/// What a live machine takes from outside when it is switched on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Chosen {
    /// Seconds since 1970 in place of the host's clock.
    pub clock_base_s: Option<u64>,
    /// Seed in place of the host's randomness.
    pub seed: Option<u64>,
}

/// The host, live.
pub struct LiveDoor {
    messages: Receiver<Message>,
    events: VecDeque<Event>,
    /// Instance path of the serial port that gets the input.
    serial: String,
    escape: Option<Escape>,
    pace: Pace,
    chosen: Chosen,
    /// The host's time and the virtual time that belong together.
    anchor: Option<(Instant, u64)>,
    input_ended: bool,
    /// Piped input waits for the guest's first wait.
    holding: bool,
    /// Where the run ends by itself.
    until: Option<Target>,
    leave: Option<Leave>,
    /// A debugger's flag: waiting ends when it is set.
    attention: Option<Arc<AtomicBool>>,
    /// Restores the terminal when the door closes.
    _terminal: Option<RawTerminal>,
}

impl LiveDoor {
    /// Opens standard input and output for the serial port at instance path `serial`.
    ///
    /// # Errors
    /// When the host gives no thread or no signals.
    pub fn open(serial: &str, pace: Pace, chosen: Chosen) -> std::io::Result<Self> {
        let (sender, messages) = channel();
        watch_signals(sender.clone())?;
        // Raw mode comes first, so that nothing is read in the other.
        let terminal = RawTerminal::enter()?;
        read_input(sender)?;
        Ok(Self {
            messages,
            events: VecDeque::new(),
            serial: serial.to_owned(),
            holding: terminal.is_none(),
            until: None,
            escape: terminal.is_some().then(Escape::default),
            pace,
            chosen,
            anchor: None,
            input_ended: false,
            leave: None,
            attention: None,
            _terminal: terminal,
        })
    }

    /// Lets the run end at `until`.
    pub fn limit(&mut self, until: Target) {
        self.until = Some(until);
    }

    /// Whether the run has come to its limit.
    fn is_past_limit(&self, now: Moment) -> bool {
        match self.until {
            Some(Target::Position(position)) => now.position >= position,
            Some(Target::Time { ns }) => now.now_ns >= ns,
            None => false,
        }
    }

    /// The guest waits for the first time: what is piped in has a moment to arrive.
    fn first_wait(&mut self) {
        if std::mem::take(&mut self.holding) && self.events.is_empty() && !self.input_ended {
            self.wait(Some(FIRST_INPUT));
        }
    }

    /// Why the machine was asked to leave; asked once after it did.
    pub fn take_leave(&mut self) -> Option<Leave> {
        self.leave.take()
    }

    fn accept(&mut self, message: Message) {
        match message {
            Message::Signal(number) => self.leave = Some(Leave::Signal(number)),
            Message::EndOfInput => self.input_ended = true,
            Message::Input(bytes) => {
                let mut data = Vec::new();
                for byte in bytes {
                    match &mut self.escape {
                        None => data.push(byte),
                        Some(escape) => match escape.take(byte) {
                            Command::Pass(byte) => data.push(byte),
                            Command::Hold => {}
                            Command::Quit => self.leave = Some(Leave::Quit),
                            Command::Monitor => self.leave = Some(Leave::Monitor),
                            Command::Help => print_help(),
                        },
                    }
                }
                if !data.is_empty() {
                    let (kind, target) = (kind::SERIAL_INPUT.into(), self.serial.clone().into());
                    self.events.push_back(Event { kind, target, data });
                }
            }
        }
    }

    fn accept_waiting(&mut self) {
        loop {
            match self.messages.try_recv() {
                Ok(message) => self.accept(message),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return,
            }
        }
    }

    /// Sleeps for at most `timeout`, less when something comes.
    fn wait(&mut self, timeout: Option<Duration>) {
        // Nobody can send a message for a debugger: its flag is looked at now and then.
        let timeout = match (&self.attention, timeout) {
            (Some(_), timeout) => Some(timeout.map_or(LOOK, |timeout| timeout.min(LOOK))),
            (None, timeout) => timeout,
        };
        let message = match timeout {
            Some(timeout) => self.messages.recv_timeout(timeout),
            None => self.messages.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        if let Ok(message) = message {
            self.accept(message);
            self.accept_waiting();
        }
    }

    /// Virtual time that the host's clock stands for.
    fn host_ns(&mut self, now_ns: u64) -> u64 {
        let (instant, base_ns) = *self.anchor.get_or_insert_with(|| (Instant::now(), now_ns));
        let elapsed = u64::try_from(instant.elapsed().as_nanos()).unwrap_or(u64::MAX);
        base_ns.saturating_add(elapsed)
    }

    /// Whether there is an event that may be delivered.
    fn is_ready(&self) -> bool {
        let event = self.events.front();
        event.is_some_and(|event| !self.holding || &*event.kind != kind::SERIAL_INPUT)
    }

    fn is_waiting(&self) -> bool {
        let flagged = |flag: &Arc<AtomicBool>| flag.load(Ordering::Relaxed);
        self.leave.is_some() || self.is_ready() || self.attention.as_ref().is_some_and(flagged)
    }
}

impl Door for LiveDoor {
    fn power_on(&mut self) -> PowerOn {
        let clock_base_ns = self.chosen.clock_base_s.map_or_else(
            || {
                let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
                since.map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
            },
            |seconds| seconds.saturating_mul(1_000_000_000),
        );
        let mut seed = [0; 32];
        match self.chosen.seed {
            Some(chosen) => seed[..8].copy_from_slice(&chosen.to_le_bytes()),
            None => {
                let random = std::fs::File::open("/dev/urandom");
                if let Err(error) = random.and_then(|mut random| random.read_exact(&mut seed)) {
                    tracing::warn!(%error, "no randomness from the host: the seed is zero");
                }
            }
        }
        PowerOn { clock_base_ns, seed }
    }

    fn horizon(&mut self, now: Moment) -> u64 {
        let poll = now.position.steps + POLL_STEPS;
        match self.until {
            Some(Target::Position(end)) => poll.min(end.steps.max(now.position.steps + 1)),
            _ => poll,
        }
    }

    fn take(&mut self, now: Moment) -> Reply {
        self.accept_waiting();
        if self.pace == Pace::Real {
            while !self.is_waiting() {
                let ahead_ns = now.now_ns.saturating_sub(self.host_ns(now.now_ns));
                if ahead_ns <= LEAD_NS {
                    break;
                }
                self.wait(Some(Duration::from_nanos(ahead_ns)));
            }
        }
        if self.is_past_limit(now) {
            self.leave.get_or_insert(Leave::Limit);
        }
        if self.leave.is_some() {
            return Reply::Leave;
        }
        self.holding &= now.position.steps < HOLD_STEPS;
        if !self.is_ready() {
            return Reply::Nothing;
        }
        self.events.pop_front().map_or(Reply::Nothing, Reply::Event)
    }

    fn idle(&mut self, now: Moment, deadline_ns: Option<u64>) -> Wake {
        self.first_wait();
        let limit_ns = match self.until {
            Some(Target::Time { ns }) => Some(ns),
            _ => None,
        };
        let due_ns = [limit_ns, deadline_ns].into_iter().flatten().min();
        let due = match due_ns {
            Some(due_ns) if due_ns != deadline_ns.unwrap_or(u64::MAX) => {
                Wake::After { idle_ns: due_ns.saturating_sub(now.now_ns) }
            }
            _ => Wake::Deadline,
        };
        loop {
            self.accept_waiting();
            let host_ns = self.host_ns(now.now_ns);
            if self.is_waiting() {
                let idle_ns = match self.pace {
                    Pace::Max => 0,
                    Pace::Real => host_ns.saturating_sub(now.now_ns),
                };
                return Wake::After { idle_ns };
            }
            match (self.pace, due_ns) {
                (Pace::Max, Some(_)) => return due,
                (Pace::Real, Some(due_ns)) => {
                    let left_ns = due_ns.saturating_sub(host_ns);
                    if left_ns == 0 {
                        return due;
                    }
                    self.wait(Some(Duration::from_nanos(left_ns)));
                }
                (_, None) if self.input_ended => {
                    self.leave = Some(Leave::Forsaken);
                    return Wake::Leave;
                }
                (_, None) => self.wait(None),
            }
        }
    }

    fn output(&mut self, _: Position, output: Output<'_>) {
        let mut stdout = std::io::stdout().lock();
        let written = stdout.write_all(output.data).and_then(|()| stdout.flush());
        if let Err(error) = written
            && self.leave.is_none()
        {
            self.leave = Some(Leave::Output(error));
        }
    }
}

impl Live for LiveDoor {
    fn inject(&mut self, event: Event) {
        self.events.push_front(event);
    }

    fn is_over(&mut self) -> Option<String> {
        match self.leave.take()? {
            Leave::Quit => Some("quit".to_owned()),
            Leave::Limit => Some("the limit of --until".to_owned()),
            Leave::Signal(number) => Some(format!("signal {number}")),
            Leave::Forsaken => {
                Some("the guest waits for input that cannot come any more".to_owned())
            }
            Leave::Output(error) => Some(format!("standard output: {error}")),
            // The debugger has the monitor.
            Leave::Monitor => None,
        }
    }

    fn heed(&mut self, attention: Arc<AtomicBool>) {
        self.attention = Some(attention);
    }
}

fn print_help() {
    let lines = [
        "",
        "Ctrl-A x  quit",
        "Ctrl-A c  monitor",
        "Ctrl-A h  this help",
        "Ctrl-A a  send Ctrl-A to the guest",
        "",
    ];
    // A message that cannot be shown is no reason to stop the guest.
    let shown = std::io::stderr().write_all(lines.join("\r\n").as_bytes());
    if let Err(error) = shown {
        tracing::debug!(%error, "help");
    }
}

/// Waits for input in a thread of its own, which ends with the process.
fn read_input(sender: Sender<Message>) -> std::io::Result<()> {
    let read = move || {
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
            if sender.send(message).is_err() || is_last {
                return;
            }
        }
    };
    std::thread::Builder::new().name("input".into()).spawn(read).map(drop)
}

/// Turns SIGINT, SIGTERM and SIGHUP into messages; a second one ends the process at once.
fn watch_signals(sender: Sender<Message>) -> std::io::Result<()> {
    use signal_hook::{consts, iterator::Signals};
    let mut signals = Signals::new([consts::SIGINT, consts::SIGTERM, consts::SIGHUP])?;
    let watch = move || {
        let mut told = false;
        for number in signals.forever() {
            if told || sender.send(Message::Signal(number)).is_err() {
                terminal::restore();
                std::process::exit(128 + number);
            }
            told = true;
        }
    };
    std::thread::Builder::new().name("signals".into()).spawn(watch).map(drop)
}
