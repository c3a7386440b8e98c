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
mod input;
mod monitor;
mod terminal;

use std::{
    collections::VecDeque,
    io::{Read, Write},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, TryRecvError, channel},
    },
    time::{Duration, Instant, SystemTime},
};

use crate::{
    clock::Position,
    debug::machine::{Leaving, Live},
    door::{Door, Event, Moment, Output, PowerOn, Reply, Wake, kind},
    machine::Machine,
    timeline::Target,
};

use input::{Message, Outlet};

pub use escape::{Command, Escape};
pub use monitor::Desk;
pub use terminal::RawTerminal;

/// Steps between two looks at the channel while the guest is busy: some milliseconds.
const POLL_STEPS: u64 = 1 << 20;

/// How far virtual time may run ahead of the host before the host sleeps.
const LEAD_NS: u64 = 2_000_000;

/// Steps after which piped input is no longer held back for a guest that never waits.
const HOLD_STEPS: u64 = 1 << 28;

/// How long the guest's first wait lets the host bring what is piped in.
const FIRST_INPUT: Duration = Duration::from_secs(2);

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

/// Why the live door asked the machine to leave.
#[derive(Debug)]
enum Leave {
    /// The user quit.
    Quit,
    /// The limit set by [`LiveDoor::limit`] is reached.
    Limit,
    /// Somebody waits at the monitor's desk; running may go on.
    Operator,
    /// A signal came.
    Signal(i32),
    /// The guest waits for input, the input has ended and no timer runs.
    Forsaken,
    /// Standard output cannot be written.
    Output(std::io::Error),
}

/// Who serves the monitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Monitor<'a> {
    /// A debugger holds the machine and has commands of its own.
    Debugger {
        /// It talks over standard input and output: nothing is typed then, and what the guest says
        /// goes to standard error.
        on_stdio: bool,
    },
    /// Whoever runs the machine, at its desk: for the console, and for a socket here, if any.
    Desk(Option<&'a Path>),
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
    /// Whether somebody can still come to a desk when the input has ended.
    has_socket: bool,
    /// Whether a debugger has standard input and output.
    is_mute: bool,
    /// Whether a debugger's flag must be looked at while waiting.
    has_debugger: bool,
    /// The debugger's flag: waiting ends when it is set.
    attention: Option<Arc<AtomicBool>>,
    /// How long a wait for the host may take ([`Door::wait_at_most`]).
    patience: Option<Duration>,
    /// Restores the terminal when the door closes.
    _terminal: Option<RawTerminal>,
}

impl LiveDoor {
    /// Opens standard input and output for the serial port at instance path `serial`. The desk is
    /// where the monitor is served; without one (a debugger has the machine) the console says so.
    ///
    /// # Errors
    /// When the host gives no thread, no signals or no socket.
    pub fn open(
        serial: &str,
        pace: Pace,
        chosen: Chosen,
        monitor: Monitor<'_>,
    ) -> std::io::Result<(Self, Desk)> {
        let (sender, messages) = channel();
        let (requests, requested) = channel();
        let has_debugger = matches!(monitor, Monitor::Debugger { .. });
        let is_mute = monitor == Monitor::Debugger { on_stdio: true };
        let outlet = Outlet { messages: sender, requests: (!has_debugger).then_some(requests) };
        let mut desk = Desk::new(requested);
        let mut has_socket = false;
        if let Monitor::Desk(Some(path)) = monitor {
            desk.listen(path, outlet.clone())?;
            has_socket = true;
        }
        input::watch_signals(outlet.clone())?;
        // Raw mode comes first, so that nothing is read in the other.
        let terminal = if is_mute { None } else { RawTerminal::enter()? };
        if !is_mute {
            input::read_input(outlet, terminal.is_some())?;
        }
        let door = Self {
            messages,
            events: VecDeque::new(),
            serial: serial.to_owned(),
            holding: terminal.is_none() && !is_mute,
            is_mute,
            until: None,
            pace,
            chosen,
            anchor: None,
            input_ended: false,
            leave: None,
            has_socket,
            has_debugger,
            attention: None,
            patience: None,
            _terminal: terminal,
        };
        Ok((door, desk))
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

    fn accept(&mut self, message: Message) {
        match message {
            Message::Signal(number) => self.leave = Some(Leave::Signal(number)),
            Message::Quit => self.leave = Some(Leave::Quit),
            Message::Operator => {
                self.leave.get_or_insert(Leave::Operator);
            }
            Message::EndOfInput => self.input_ended = true,
            Message::Input(data) => {
                let (kind, target) = (kind::SERIAL_INPUT.into(), self.serial.clone().into());
                self.events.push_back(Event { kind, target, data });
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
        let come_back = self.patience.map(|patience| Instant::now() + patience);
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
            let patience = come_back.map(|at| at.saturating_duration_since(Instant::now()));
            if patience == Some(Duration::ZERO) {
                return Wake::After { idle_ns: 0 };
            }
            match (self.pace, due_ns) {
                (Pace::Max, Some(_)) => return due,
                (Pace::Real, Some(due_ns)) => {
                    let left_ns = due_ns.saturating_sub(host_ns);
                    if left_ns == 0 {
                        return due;
                    }
                    let left = Duration::from_nanos(left_ns);
                    self.wait(Some(patience.map_or(left, |patience| patience.min(left))));
                }
                (_, None) if self.input_ended && !self.has_socket => {
                    self.leave = Some(Leave::Forsaken);
                    return Wake::Leave;
                }
                (_, None) => self.wait(patience),
            }
        }
    }

    fn wait_at_most(&mut self, limit: Option<Duration>) {
        self.patience = limit;
    }

    fn output(&mut self, _: Position, output: Output<'_>) {
        let written = if self.is_mute {
            std::io::stderr().lock().write_all(output.data)
        } else {
            let mut stdout = std::io::stdout().lock();
            stdout.write_all(output.data).and_then(|()| stdout.flush())
        };
        if let Err(error) = written
            && matches!(self.leave, None | Some(Leave::Operator))
        {
            self.leave = Some(Leave::Output(error));
        }
    }
}

impl Live for LiveDoor {
    fn inject(&mut self, event: Event) {
        self.events.push_front(event);
    }

    fn left(&mut self, _: &Machine) -> Leaving {
        let (code, how) = match self.leave.take() {
            None => return Leaving::Nothing,
            Some(Leave::Operator) => return Leaving::Operator,
            Some(Leave::Quit) => (0, "quit".to_owned()),
            Some(Leave::Limit) => (0, "the limit of --until".to_owned()),
            Some(Leave::Signal(number)) => {
                (u8::try_from(128 + number).unwrap_or(u8::MAX), format!("signal {number}"))
            }
            Some(Leave::Forsaken) => {
                (3, "the guest waits for input that cannot come any more".to_owned())
            }
            Some(Leave::Output(error)) => (2, format!("standard output: {error}")),
        };
        Leaving::Over { code, how }
    }

    fn heed(&mut self, attention: Arc<AtomicBool>) {
        // Looking costs an idle guest some of the host's time; a desk sends messages instead.
        self.attention = self.has_debugger.then_some(attention);
    }

    fn rested(&mut self) {
        self.anchor = None;
    }
}
