//! Checkpoints inside a recording: the whole machine at a position, so that a replay may start there.
//!
//! A checkpoint holds the state of every instance, self-described like a snapshot, and the pages of
//! RAM that were written since the checkpoint before it; the first holds all that are not zero. While
//! recording, the machine stops for the state of its devices only: pages are copied on write and in
//! small bites, a thread of its own hashes and compresses them, and they go to the file a piece at a
//! time. Checkpoints are spaced by what they cost, so that recording stays cheap on any guest.
//!
//! To restore one, all up to it are gone through from the newest to the oldest, and of each only the
//! pieces are unpacked in which a page stands that no newer one has. So it costs what the guest's
//! memory holds, not what was ever written to it.

use std::{
    fmt::{self, Display, Formatter},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use vmstate::container::{MachineName, Snapshot, SnapshotBuilder};

use crate::{
    clock::Position,
    journal::{Damage, Ending, FrameAt, FrameKind, JournalError, PackedPiece, Reader, pack_pieces},
    machine::Machine,
    memory::{CapturedPages, GuestMemory, PAGE_LEN, PageSet},
};

use super::described::PRODUCER;

/// Pages in one piece of a checkpoint.
const PIECE_PAGES: usize = 256;
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

/// What stands behind the pages.
#[derive(Serialize, Deserialize)]
struct Head<'a> {
    steps: u64,
    idle_ns: u64,
    sequence: u64,
    /// A snapshot container without RAM.
    #[serde(borrow)]
    state: &'a [u8],
    /// Page numbers in the order of the pages; true for one that is all zero and stands nowhere.
    pages: Vec<(u64, bool)>,
}

/// A checkpoint in the making: the state is there, the pages come as they are copied.
#[derive(Debug)]
pub(super) struct Draft {
    number: usize,
    position: Position,
    state: Vec<u8>,
    pages: Vec<(u64, bool)>,
    /// Pages for the next piece.
    bytes: Vec<u8>,
    /// Bytes of pages in the pieces before.
    packed: u64,
}

impl Draft {
    /// Begins checkpoint `number` of `machine` as it is now.
    pub(super) fn new(machine: &Machine, number: usize) -> Result<Self, CheckpointError> {
        let state = save_state(machine).map_err(|why| CheckpointError::State { number, why })?;
        let position = machine.position();
        Ok(Self { number, position, state, pages: Vec::new(), bytes: Vec::new(), packed: 0 })
    }

    /// Where it was begun.
    pub(super) fn position(&self) -> Position {
        self.position
    }

    /// Adds pages as they were then; gives the pieces that are full with them.
    pub(super) fn add(&mut self, copies: &CapturedPages) -> Vec<PackedPiece> {
        for (page, content) in copies.iter() {
            let is_zero = content.iter().all(|byte| *byte == 0);
            self.pages.push((page as u64, is_zero));
            if !is_zero {
                self.bytes.extend_from_slice(content);
            }
        }
        let mut pieces = Vec::new();
        while self.bytes.len() >= PIECE_PAGES * PAGE_LEN {
            let rest = self.bytes.split_off(PIECE_PAGES * PAGE_LEN);
            pieces.push(self.pack_pages());
            self.bytes = rest;
        }
        pieces
    }

    fn pack_pages(&mut self) -> PackedPiece {
        let bytes = std::mem::take(&mut self.bytes);
        let offset = self.packed;
        self.packed += bytes.len() as u64;
        PackedPiece::pack(self.number as u64, offset, &bytes, false)
    }

    /// No more pages come: the last piece of them, if any is left, and those of the state.
    pub(super) fn finish(mut self) -> (Option<PackedPiece>, Vec<PackedPiece>) {
        let pages = (!self.bytes.is_empty()).then(|| self.pack_pages());
        let Position { steps, idle_ns, sequence } = self.position;
        let head = Head { steps, idle_ns, sequence, state: &self.state, pages: self.pages };
        (pages, pack_pieces(self.number as u64, &super::session::encode(&head)))
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
    pages: Vec<FrameAt>,
    state: Vec<FrameAt>,
}

/// The checkpoints of a recording in order. One that was still being written when the recording was
/// cut is none.
#[must_use]
pub fn checkpoints(recording: &Reader) -> Vec<CheckpointAt> {
    whole_and_incomplete(recording).0
}

/// Where checkpoints were taken of which the recording has pieces only, in order: another build wrote
/// them. That of one that was being written when the recording was cut is not among them.
#[must_use]
pub fn incomplete(recording: &Reader) -> Vec<Position> {
    whole_and_incomplete(recording).1
}

fn whole_and_incomplete(recording: &Reader) -> (Vec<CheckpointAt>, Vec<Position>) {
    let (mut whole, mut incomplete) = (Vec::new(), Vec::new());
    let mut begun: Option<CheckpointAt> = None;
    for frame in recording.frames() {
        let is_state = frame.header.kind == FrameKind::Checkpoint;
        if !is_state && frame.header.kind != FrameKind::CheckpointPages {
            continue;
        }
        let position = frame.header.first;
        if let Some(other) = begun.take_if(|begun| begun.position != position) {
            incomplete.push(other.position);
        }
        let (pages, state) = (Vec::new(), Vec::new());
        let at = begun.get_or_insert(CheckpointAt { position, pages, state });
        if is_state { &mut at.state } else { &mut at.pages }.push(*frame);
        if is_state && frame.header.is_last {
            whole.extend(begun.take());
        }
    }
    if recording.ending() == Ending::Complete {
        incomplete.extend(begun.map(|begun| begun.position));
    }
    (whole, incomplete)
}

/// A checkpoint that cannot be used, and so none of those behind it either.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable {
    /// Its number, from 0.
    pub number: usize,
    /// Steps at which it was taken.
    pub steps: u64,
    /// How many there are behind it.
    pub behind: usize,
    /// What is wrong with it.
    pub why: String,
}

impl Display for Unusable {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { number, steps, behind, why } = self;
        write!(f, "checkpoint {number} at instruction {steps} cannot be used")?;
        if *behind > 0 {
            write!(f, ", nor the {behind} behind it")?;
        }
        write!(f, ": {why}")
    }
}

/// Puts `machine` at one checkpoint of `recording` after another; the first that cannot be used, if
/// any. The machine stands anywhere then.
#[must_use]
pub fn check(machine: &mut Machine, recording: &mut Reader) -> Option<Unusable> {
    let all = checkpoints(recording);
    machine.memory().clear();
    all.iter().enumerate().find_map(|(number, at)| {
        let why = advance(machine, recording, number, number).err()?.to_string();
        Some(Unusable { number, steps: at.position.steps, behind: all.len() - 1 - number, why })
    })
}

/// Whether every piece of checkpoint `number` is what was written.
///
/// # Errors
/// [`CheckpointError`] for the first that is not.
pub fn check_pieces(recording: &mut Reader, number: usize) -> Result<(), CheckpointError> {
    let all = checkpoints(recording);
    let missing = CheckpointError::Missing { number, count: all.len() };
    let checkpoint = all.get(number).ok_or(missing)?;
    decode_head(&read_head(recording, checkpoint, number)?, number)?;
    for (index, frame) in checkpoint.pages.iter().enumerate() {
        recording.piece(frame, number as u64, (index * PIECE_PAGES * PAGE_LEN) as u64)?;
    }
    Ok(())
}

/// Puts `machine` where checkpoint `number` of `recording` was taken.
///
/// # Errors
/// [`CheckpointError`]; RAM may then be anything: the machine is not to be used.
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
    let missing = || CheckpointError::Missing { number, count: all.len() };
    let wanted = all.get(first..=number).ok_or_else(missing)?;
    let mut placed = PageSet::new();
    let mut position = Position::default();
    for (behind_first, checkpoint) in wanted.iter().enumerate().rev() {
        let index = first + behind_first;
        let head = read_head(recording, checkpoint, index)?;
        let head = decode_head(&head, index)?;
        place_pages(machine.memory(), recording, index, checkpoint, &head.pages, &mut placed)?;
        if index == number {
            load_state(machine, head.state)
                .map_err(|why| CheckpointError::State { number, why })?;
            let Head { steps, idle_ns, sequence, .. } = head;
            position = Position { steps, idle_ns, sequence };
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
    let head = read_head(recording, all.get(number).ok_or(missing)?, number)?;
    let head = decode_head(&head, number)?;
    let mut pages: Vec<u64> = head.pages.into_iter().map(|(page, _)| page).collect();
    pages.sort_unstable();
    Ok(pages)
}

fn read_head(
    recording: &mut Reader,
    checkpoint: &CheckpointAt,
    number: usize,
) -> Result<Vec<u8>, CheckpointError> {
    let (content, _) = recording.assemble(&checkpoint.state, number as u64)?;
    Ok(content)
}

fn decode_head(content: &[u8], number: usize) -> Result<Head<'_>, CheckpointError> {
    postcard::from_bytes(content).map_err(|_| CheckpointError::Malformed {
        number,
        why: "its state cannot be decoded".to_owned(),
    })
}

/// Puts those of the checkpoint's `pages` in place that are not `placed`, and adds them.
fn place_pages(
    memory: &GuestMemory,
    recording: &mut Reader,
    number: usize,
    checkpoint: &CheckpointAt,
    pages: &[(u64, bool)],
    placed: &mut PageSet,
) -> Result<(), CheckpointError> {
    let malformed = |why: &str| CheckpointError::Malformed { number, why: why.to_owned() };
    let write = |page: usize, content: &[u8]| {
        let written = memory.write(memory.address_of(page), content);
        assert!(written.is_ok(), "page {page} is guest RAM");
    };
    // Where in the pieces it stands, for each page that has bytes and is wanted.
    let mut wanted = Vec::new();
    let mut slots = 0;
    for (page, is_zero) in pages {
        let page = usize::try_from(*page).ok().filter(|page| *page < memory.page_count());
        let page = page.ok_or_else(|| malformed("it has a page that the machine has not"))?;
        if !placed.contains(page) {
            placed.insert(page);
            if *is_zero {
                write(page, &[0; PAGE_LEN]);
            } else {
                wanted.push((slots, page));
            }
        }
        slots += usize::from(!is_zero);
    }
    if slots.div_ceil(PIECE_PAGES) != checkpoint.pages.len() {
        return Err(malformed("it has pages too many or too few"));
    }
    for piece in wanted.chunk_by(|(one, _), (two, _)| one / PIECE_PAGES == two / PIECE_PAGES) {
        let at = piece[0].0 / PIECE_PAGES;
        let frame = &checkpoint.pages[at];
        let offset = (at * PIECE_PAGES * PAGE_LEN) as u64;
        let content = recording.piece(frame, number as u64, offset)?;
        for (slot, page) in piece {
            let start = slot % PIECE_PAGES * PAGE_LEN;
            let content = content.get(start..start + PAGE_LEN).ok_or_else(|| {
                let (offset, damage) = (frame.offset, Damage::LengthMismatch);
                JournalError::Pieces { offset, damage }
            })?;
            write(*page, content);
        }
    }
    Ok(())
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

/// How long checkpoints and the digests beside them stopped the machine.
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

    /// A checkpoint was begun.
    pub(super) fn begun(&mut self) {
        self.taken = Instant::now();
        self.cost = Duration::ZERO;
        self.stops.checkpoints += 1;
    }

    /// The machine has stood still for so long.
    pub(super) fn stood_still(&mut self, stop: Duration) {
        self.stops.longest = self.stops.longest.max(stop);
        self.stops.total += stop;
        self.cost += stop;
        self.spacing = self.fixed.unwrap_or_else(|| LEAST_SPACING.max(self.cost * COST_FACTOR));
    }
}
