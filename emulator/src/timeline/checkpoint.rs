//! Checkpoints inside a recording: the whole machine at a position, so that a replay may start there.
//!
//! A checkpoint holds the state of every instance, self-described like a snapshot, and the pages of
//! RAM that were written since the checkpoint before it; the first holds all that are not zero. To
//! restore one, the pages of all up to it are put in place in order. While recording, the machine
//! stops for the state of its devices only: pages are copied on write and in small bites, and a
//! thread of its own hashes and compresses them. Checkpoints are spaced by what they cost, so that
//! recording stays cheap on any guest.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use vmstate::container::{MachineName, Snapshot, SnapshotBuilder};

use crate::{
    clock::Position,
    journal::{FrameAt, FrameKind, JournalError, PackedPiece, Reader, pack_pieces},
    machine::Machine,
    memory::{CapturedPages, PAGE_LEN},
};

use super::described::PRODUCER;

/// Checkpoints are at least this far apart on the host's clock.
const LEAST_SPACING: Duration = Duration::from_millis(500);
/// And at least this many times as long as the last one stopped the machine.
const COST_FACTOR: u32 = 50;

/// Why a checkpoint cannot be taken or used.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The recording cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The recording has no such checkpoint.
    #[error("the recording has no checkpoint {number}; it has {count}, counted from 0")]
    Missing {
        /// The number asked for.
        number: usize,
        /// How many there are.
        count: usize,
    },
    /// What the checkpoint holds is not what this format writes.
    #[error("checkpoint {number} is malformed: {why}")]
    Malformed {
        /// Its number.
        number: usize,
        /// What is wrong.
        why: String,
    },
    /// The machine's state cannot be saved or loaded.
    #[error("checkpoint {number}: {why}")]
    State {
        /// Its number.
        number: usize,
        /// The instance and its problem.
        why: String,
    },
}

/// What stands in front of the pages.
#[derive(Serialize, Deserialize)]
struct Head<'a> {
    steps: u64,
    idle_ns: u64,
    sequence: u64,
    /// A snapshot container without RAM.
    #[serde(borrow)]
    state: &'a [u8],
    /// Page numbers; true for a page that is all zero and has no bytes below.
    pages: Vec<(u64, bool)>,
}

/// A checkpoint in the making: the state is there, the pages come as they are copied.
#[derive(Debug)]
pub(super) struct Draft {
    number: usize,
    position: Position,
    state: Vec<u8>,
    pages: Vec<(u64, bool)>,
    bytes: Vec<u8>,
}

impl Draft {
    /// Begins checkpoint `number` of `machine` as it is now.
    pub(super) fn new(machine: &Machine, number: usize) -> Result<Self, CheckpointError> {
        let state = save_state(machine).map_err(|why| CheckpointError::State { number, why })?;
        let position = machine.position();
        Ok(Self { number, position, state, pages: Vec::new(), bytes: Vec::new() })
    }

    /// Where it was begun.
    pub(super) fn position(&self) -> Position {
        self.position
    }

    /// Adds pages as they were then.
    pub(super) fn add(&mut self, copies: &CapturedPages) {
        for (page, content) in copies.iter() {
            let is_zero = content.iter().all(|byte| *byte == 0);
            self.pages.push((page as u64, is_zero));
            if !is_zero {
                self.bytes.extend_from_slice(content);
            }
        }
    }

    /// The whole, compressed.
    pub(super) fn pack(mut self) -> Vec<PackedPiece> {
        let Position { steps, idle_ns, sequence } = self.position;
        let head = Head { steps, idle_ns, sequence, state: &self.state, pages: self.pages };
        let mut payload = super::session::encode(&head);
        payload.append(&mut self.bytes);
        pack_pieces(self.number as u64, &payload)
    }
}

/// The state of every instance of `machine` as a snapshot container without RAM.
pub(super) fn save_state(machine: &Machine) -> Result<Vec<u8>, String> {
    let mut builder = SnapshotBuilder::new(PRODUCER, MachineName::default(), Default::default());
    // In the shapes of the machine's version, which every later build reads.
    let version_of = |_: &str, type_name: &str| machine.version_of(type_name);
    machine.instances().save(&mut builder, &version_of).map_err(|error| error.to_string())?;
    builder
        .begin(Vec::new())
        .and_then(vmstate::container::SnapshotWriter::finish)
        .map_err(|error| error.to_string())
}

/// A checkpoint's place in a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointAt {
    /// Its position; the sequence is 0 here and exact once it is restored.
    pub position: Position,
    frames: Vec<FrameAt>,
}

/// The checkpoints of a recording in order.
#[must_use]
pub fn checkpoints(recording: &Reader) -> Vec<CheckpointAt> {
    let mut found: Vec<CheckpointAt> = Vec::new();
    let frames = recording.frames().iter().filter(|at| at.header.kind == FrameKind::Checkpoint);
    for frame in frames {
        match found.last_mut() {
            Some(last) if last.position == frame.header.first => last.frames.push(*frame),
            _ => found.push(CheckpointAt { position: frame.header.first, frames: vec![*frame] }),
        }
    }
    found
}

/// Puts `machine` where checkpoint `number` of `recording` was taken.
///
/// # Errors
/// [`CheckpointError`]; RAM may then be that of an earlier checkpoint: the machine is not to be used.
pub fn restore(
    machine: &mut Machine,
    recording: &mut Reader,
    number: usize,
) -> Result<Position, CheckpointError> {
    machine.memory().clear();
    advance(machine, recording, 0, number)
}

/// Brings `machine`, which stands between checkpoints `first - 1` and `first` of `recording` (at or
/// behind the former), to checkpoint `number`: only pages written in between are put in place.
///
/// # Errors
/// As [`restore`].
pub fn advance(
    machine: &mut Machine,
    recording: &mut Reader,
    first: usize,
    number: usize,
) -> Result<Position, CheckpointError> {
    let all = checkpoints(recording);
    let count = all.len();
    let Some(wanted) = all.get(first..=number) else {
        return Err(CheckpointError::Missing { number, count });
    };
    let mut position = Position::default();
    for (index, checkpoint) in (first..).zip(wanted) {
        let (_, payload, _) = recording.assemble(&checkpoint.frames)?;
        let malformed =
            |why: &str| CheckpointError::Malformed { number: index, why: why.to_owned() };
        let (head, pages) = postcard::take_from_bytes::<Head<'_>>(&payload)
            .map_err(|_| malformed("its head cannot be decoded"))?;
        place_pages(machine, &head, pages).map_err(malformed)?;
        position = Position { steps: head.steps, idle_ns: head.idle_ns, sequence: head.sequence };
        if index == number {
            load_state(machine, head.state)
                .map_err(|why| CheckpointError::State { number, why })?;
        }
    }
    machine.set_position(position);
    machine.rewire();
    Ok(position)
}

/// Numbers of the pages of RAM that were written between checkpoint `number` and the one before it,
/// ascending; for the first, all that are not zero.
///
/// # Errors
/// [`CheckpointError`].
pub fn written_pages(recording: &mut Reader, number: usize) -> Result<Vec<u64>, CheckpointError> {
    let all = checkpoints(recording);
    let missing = CheckpointError::Missing { number, count: all.len() };
    let frames = &all.get(number).ok_or(missing)?.frames;
    let (_, payload, _) = recording.assemble(frames)?;
    let head: Head<'_> = postcard::from_bytes(&payload).map_err(|_| {
        CheckpointError::Malformed { number, why: "its head cannot be decoded".to_owned() }
    })?;
    Ok(head.pages.into_iter().map(|(page, _)| page).collect())
}

fn place_pages(machine: &Machine, head: &Head<'_>, bytes: &[u8]) -> Result<(), &'static str> {
    let memory = machine.memory();
    let mut contents = bytes.chunks_exact(PAGE_LEN);
    for (page, is_zero) in &head.pages {
        let page = usize::try_from(*page).ok().filter(|page| *page < memory.page_count());
        let page = page.ok_or("it has a page that the machine has not")?;
        let content =
            if *is_zero { &[0; PAGE_LEN] } else { contents.next().ok_or("it lacks pages")? };
        let written = memory.write(memory.address_of(page), content);
        assert!(written.is_ok(), "page {page} is guest RAM");
    }
    if contents.next().is_none() { Ok(()) } else { Err("it has pages too many") }
}

pub(super) fn load_state(machine: &mut Machine, state: &[u8]) -> Result<(), String> {
    let snapshot = Snapshot::from_slice(state).map_err(|error| error.to_string())?;
    let mut instances = machine.instances_mut();
    let mut staged = instances.stage(&snapshot).map_err(|error| error.to_string())?;
    instances.commit(&mut staged).map_err(|error| error.to_string())
}

/// When the next checkpoint is due, and what those before cost.
#[derive(Debug)]
pub(super) struct Spacing {
    /// Host time between two, when the user gave it.
    fixed: Option<Duration>,
    spacing: Duration,
    taken: Instant,
    stops: Stops,
    /// How long the last one stopped the machine in all its bites.
    cost: Duration,
}

/// How long checkpoints stopped the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stops {
    /// Number of checkpoints.
    pub checkpoints: usize,
    /// The longest time for which the machine stood still at once.
    pub longest: Duration,
    /// All such times together.
    pub total: Duration,
}

impl Spacing {
    pub(super) fn new(fixed: Option<Duration>) -> Self {
        Self {
            fixed,
            spacing: fixed.unwrap_or(LEAST_SPACING),
            taken: Instant::now(),
            stops: Stops::default(),
            cost: Duration::ZERO,
        }
    }

    /// Host time of the next one.
    pub(super) fn due(&self) -> Instant {
        self.taken + self.spacing
    }

    /// Whether the user gave the distance.
    pub(super) fn is_fixed(&self) -> bool {
        self.fixed.is_some()
    }

    /// Number of the next one.
    pub(super) fn number(&self) -> usize {
        self.stops.checkpoints
    }

    pub(super) fn stops(&self) -> Stops {
        self.stops
    }

    /// A checkpoint was begun; the machine has stood still for it since `started`.
    pub(super) fn begun(&mut self, started: Instant) {
        self.taken = started;
        self.cost = Duration::ZERO;
        self.stops.checkpoints += 1;
        self.stood_still(started);
    }

    /// The machine has stood still for it again since `started`.
    pub(super) fn stood_still(&mut self, started: Instant) {
        let stop = started.elapsed();
        self.stops.longest = self.stops.longest.max(stop);
        self.stops.total += stop;
        self.cost += stop;
        self.spacing = self.fixed.unwrap_or_else(|| LEAST_SPACING.max(self.cost * COST_FACTOR));
    }
}
