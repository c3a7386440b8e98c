//! Pictures of a recording: what a run did along its timeline, for people to look at.
//!
//! Problem: a recording holds inputs and digests, and what somebody wants to see is what the machine
//! *did*: when it was busy, in which mode, which device was touched, what it printed. None of that is
//! recorded, because all of it can be computed. Strategy: replay the recording and stop at places that
//! lie close in instructions as well as in virtual time ([`sampler`]); between two stops the machine's
//! own counters say what happened. From the samples come one page that needs nothing else ([`page`])
//! and a trace for the Perfetto viewer ([`trace`]).
//!
//! Invariants: a picture changes nothing of what it shows, because stopping a machine anywhere does
//! not; counts (steps, traps, accesses) are exact for their interval, only the mode and the program
//! counter are those at its end. Deliberately absent: anything that needs a network, and the host's
//! time.

pub mod page;
pub mod sampler;
pub mod trace;

use serde::Serialize;

use crate::{
    clock::{Clock, Position},
    journal::JournalError,
    timeline::{OpenError, SessionError, SpecError},
};

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// The recording cannot be replayed.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The replay cannot go on.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// A position that this recording does not have.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The recording cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The stretch asked for is empty.
    #[error(
        "there is nothing to draw behind instruction {steps}: --from must lie before --to and \
         before the recording's end"
    )]
    Empty {
        /// Steps at its beginning.
        steps: u64,
    },
}

/// A place on the timeline with its virtual time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Steps since power-on.
    pub steps: u64,
    /// Idle nanoseconds since power-on.
    pub idle_ns: u64,
    /// Sequence of events there.
    pub sequence: u64,
    /// Virtual nanoseconds since power-on.
    pub time_ns: u64,
}

impl Place {
    /// `position` on a machine whose steps last `step_ps`.
    #[must_use]
    pub fn new(position: Position, step_ps: u64) -> Self {
        let Position { steps, idle_ns, sequence } = position;
        let time_ns = Clock { position, ..Clock::new(step_ps) }.now_ns();
        Self { steps, idle_ns, sequence, time_ns }
    }
}

/// What one hart did from one sample to the next: counts of the interval, state at its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HartSample {
    /// Steps taken: retired instructions and traps.
    pub steps: u64,
    /// Interrupts taken.
    pub interrupts: u64,
    /// Exceptions taken.
    pub exceptions: u64,
    /// Mode at the end: an index into [`Picture::modes`].
    pub mode: usize,
    /// Whether it waits for an interrupt at the end.
    pub waiting: bool,
    /// Virtual address of the next instruction at the end.
    pub pc: u64,
}

/// What one device was called for from one sample to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeviceSample {
    /// Reads of its registers.
    pub reads: u64,
    /// Writes to its registers.
    pub writes: u64,
    /// Its timers that expired and events that it took from outside.
    pub events: u64,
}

/// The machine between two places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Where the interval ends; it begins at the sample before.
    pub end: Place,
    /// The harts, by number.
    pub harts: Vec<HartSample>,
    /// The devices, in the order of [`Picture::devices`].
    pub devices: Vec<DeviceSample>,
}

/// A device of the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeviceName {
    /// Instance path.
    pub path: String,
    /// Model.
    pub model: &'static str,
}

/// A record of the recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mark {
    /// Where it stands.
    pub at: Place,
    /// Number of the input, as `event:N` takes it; annotations have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<u64>,
    /// Kind, by name.
    pub kind: String,
    /// Whom it concerns; empty for the machine.
    pub target: String,
    /// The content in words or escaped bytes.
    pub content: String,
}

/// Something that the guest printed in one go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Print {
    /// Where the first byte left.
    pub from: Place,
    /// Where the last byte left.
    pub to: Place,
    /// Text without control characters.
    pub text: String,
    /// Whether a line ends behind it.
    pub ends_line: bool,
}

/// A run as it can be drawn.
#[derive(Clone, Debug)]
pub struct Picture {
    /// Name of the recording's file, as it was given.
    pub file: String,
    /// Identity of the recording: 8 hexadecimal digits.
    pub recording: String,
    /// Full name of the machine.
    pub machine: String,
    /// Who wrote the recording.
    pub producer: String,
    /// Virtual picoseconds of one step; at least 1.
    pub step_ps: u64,
    /// Where the picture begins.
    pub from: Place,
    /// How the run ended, in words.
    pub ending: String,
    /// What the recording and the replay disagree about, if they do; the picture ends there.
    pub divergence: Option<String>,
    /// Names of the modes seen, as the architecture calls them, in the order of their first appearance.
    pub modes: Vec<&'static str>,
    /// The devices, by number.
    pub devices: Vec<DeviceName>,
    /// The run: intervals in order, without gaps, from [`Picture::from`] on.
    pub samples: Vec<Sample>,
    /// Inputs and annotations in between, in order.
    pub marks: Vec<Mark>,
    /// Where checkpoints stand.
    pub checkpoints: Vec<Place>,
    /// What was printed, in order.
    pub console: Vec<Print>,
    /// Bytes of the console that are left out because there are too many.
    pub console_left_out: u64,
}

impl Picture {
    /// Where the picture ends.
    #[must_use]
    pub fn to(&self) -> Place {
        self.samples.last().map_or(self.from, |sample| sample.end)
    }

    /// Number of harts.
    #[must_use]
    pub fn harts(&self) -> usize {
        self.samples.first().map_or(0, |sample| sample.harts.len())
    }
}
