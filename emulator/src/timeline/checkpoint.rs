//! Checkpoints inside a recording: the whole machine at a position, so that a replay may start there.
//!
//! A checkpoint holds the state of every instance, self-described like a snapshot, and the pages of
//! RAM that were written since the checkpoint before it; the first holds all that are not zero. To
//! restore one, the pages of all up to it are put in place in order. While recording the machine
//! stops only for copying those pages; a thread of its own compresses them. Checkpoints are spaced
//! by what they cost, so that recording stays cheap on any guest.

use std::{
    sync::mpsc::{Receiver, Sender, channel},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use vmstate::container::{MachineName, Snapshot, SnapshotBuilder};

use crate::{
    clock::Position,
    journal::{FrameAt, FrameKind, JournalError, PackedPiece, Reader, pack_pieces},
    machine::Machine,
    memory::PAGE_LEN,
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
    /// Page numbers, ascending; true for a page that is all zero and has no bytes below.
    pages: Vec<(u64, bool)>,
}

/// Copies the state of `machine` and the given pages of its RAM.
pub(super) fn capture(
    machine: &Machine,
    pages: impl IntoIterator<Item = usize>,
    number: usize,
) -> Result<Vec<u8>, CheckpointError> {
    let refused = |why: String| CheckpointError::State { number, why };
    let mut builder = SnapshotBuilder::new(PRODUCER, MachineName::default(), Default::default());
    machine.instances().save(&mut builder, &|_, _| None).map_err(|e| refused(e.to_string()))?;
    let state = builder
        .begin(Vec::new())
        .and_then(vmstate::container::SnapshotWriter::finish)
        .map_err(|error| refused(error.to_string()))?;
    let memory = machine.memory();
    let (mut numbers, mut bytes) = (Vec::new(), Vec::new());
    let mut content = [0; PAGE_LEN];
    for page in pages {
        let read = memory.read(memory.address_of(page), &mut content);
        assert!(read.is_ok(), "page {page} is guest RAM");
        let is_zero = content.iter().all(|byte| *byte == 0);
        numbers.push((page as u64, is_zero));
        if !is_zero {
            bytes.extend_from_slice(&content);
        }
    }
    let Position { steps, idle_ns, sequence } = machine.position();
    let head = Head { steps, idle_ns, sequence, state: &state, pages: numbers };
    let mut payload = super::session::encode(&head);
    payload.append(&mut bytes);
    Ok(payload)
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
    let all = checkpoints(recording);
    let count = all.len();
    let Some(wanted) = all.get(..=number) else {
        return Err(CheckpointError::Missing { number, count });
    };
    machine.memory().clear();
    let mut position = Position::default();
    for (index, checkpoint) in wanted.iter().enumerate() {
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

fn load_state(machine: &mut Machine, state: &[u8]) -> Result<(), String> {
    let snapshot = Snapshot::from_slice(state).map_err(|error| error.to_string())?;
    let mut instances = machine.instances_mut();
    let mut staged = instances.stage(&snapshot).map_err(|error| error.to_string())?;
    instances.commit(&mut staged).map_err(|error| error.to_string())
}

/// When the next checkpoint is due, and the thread that compresses them.
#[derive(Debug)]
pub(super) struct Checkpointer {
    due: Instant,
    spacing: Duration,
    /// Host time between two, when the user gave it.
    fixed: Option<Duration>,
    count: usize,
    work: Option<Sender<(Position, u64, Vec<u8>)>>,
    done: Receiver<(Position, Vec<PackedPiece>)>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpointer {
    pub(super) fn new(every: Option<Duration>) -> Self {
        let (work, jobs) = channel::<(Position, u64, Vec<u8>)>();
        let (results, done) = channel();
        let thread = std::thread::spawn(move || {
            for (position, number, payload) in jobs {
                if results.send((position, pack_pieces(number, &payload))).is_err() {
                    return;
                }
            }
        });
        let spacing = every.unwrap_or(LEAST_SPACING);
        Self {
            due: Instant::now() + spacing,
            spacing,
            fixed: every,
            count: 0,
            work: Some(work),
            done,
            thread: Some(thread),
        }
    }

    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// Number of the next checkpoint.
    pub(super) fn number(&self) -> usize {
        self.count
    }

    /// Hands a captured checkpoint over; `started` is when the machine was stopped for it.
    pub(super) fn hand_over(&mut self, position: Position, payload: Vec<u8>, started: Instant) {
        if let Some(work) = &self.work {
            // A thread that died would have panicked; joining it at the end says so.
            drop(work.send((position, self.count as u64, payload)));
        }
        self.count += 1;
        let cost = started.elapsed();
        self.spacing = self.fixed.unwrap_or_else(|| LEAST_SPACING.max(cost * COST_FACTOR));
        self.due = Instant::now() + self.spacing;
    }

    /// Compressed checkpoints that are ready to be written.
    pub(super) fn ready(&self) -> Vec<(Position, Vec<PackedPiece>)> {
        self.done.try_iter().collect()
    }

    /// Waits for the rest.
    pub(super) fn finish(&mut self) -> Vec<(Position, Vec<PackedPiece>)> {
        self.work = None;
        let rest = self.done.iter().collect();
        if let Some(thread) = self.thread.take() {
            assert!(thread.join().is_ok(), "compressing a checkpoint cannot fail");
        }
        rest
    }
}
