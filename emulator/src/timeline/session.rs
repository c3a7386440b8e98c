//! Runs a machine along a recording: writing one, or following one and comparing.
//!
//! A door alone cannot see the machine's state, so digests of the whole state are taken here,
//! between two runs. The ledger of RAM hashes is brought up to date from the pages that the memory
//! reports as written, so a digest costs what the guest wrote since the one before.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use vmstate::error::SaveError;

use crate::{
    clock::Position,
    digest::PageTree,
    door::{Door, Event, Moment, Output, PowerOn, Reply, Wake},
    journal::{DIGEST_PARTS, DIGEST_STATE, JournalError},
    machine::{Machine, Stop},
    memory::{PAGE_LEN, PageFlags},
};

use super::{
    Divergence, NamedDigest, Recorder, RecorderLeave, Replayer, ReplayerLeave, StateDigest,
    checkpoint::{self, CheckpointError, Checkpointer},
    replayer::{RecordedState, Sink},
};

/// Why a session cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The replay left the recorded path.
    #[error(transparent)]
    Diverged(#[from] Box<Divergence>),
    /// The recording cannot be read or written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A checkpoint cannot be taken or used.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A part of the machine cannot be saved, so there is no digest of it.
    #[error("the state cannot be hashed: {0}")]
    Save(#[from] SaveError),
    /// The machine has nobody who takes a recorded input.
    #[error("nothing in this machine takes the input {} for `{}`", .0.kind, .0.target)]
    Undeliverable(Event),
}

/// What came of a recorder's wish to be left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attended {
    /// It was the recorder's own, and is done: run on.
    RunOn,
    /// The live door asked.
    Left,
}

/// The hashes of a machine's RAM, kept up to date from its dirty pages.
#[derive(Debug)]
pub struct Ledger {
    tree: PageTree,
    /// Pages written since this was last taken.
    written: BTreeSet<usize>,
}

impl Ledger {
    /// Hashes what `machine` holds and begins an epoch of its memory.
    #[must_use]
    pub fn new(machine: &Machine) -> Self {
        let memory = machine.memory();
        let mut ledger =
            Self { tree: PageTree::new(memory.page_count()), written: BTreeSet::new() };
        ledger.rehash(machine, Self::touched(machine));
        drop(memory.begin_epoch(false));
        ledger
    }

    /// Pages that may hold anything but zeros.
    fn touched(machine: &Machine) -> impl Iterator<Item = usize> {
        let memory = machine.memory();
        (0..memory.page_count())
            .filter(|page| memory.page_flags(*page).contains(PageFlags::TOUCHED))
    }

    /// Takes in what was written since the last call. Begins an epoch of the machine's memory.
    pub fn update(&mut self, machine: &Machine) {
        let dirty = machine.memory().dirty_pages();
        self.rehash(machine, dirty.iter().copied());
        self.written.extend(dirty);
        drop(machine.memory().begin_epoch(false));
    }

    /// Pages written since this was called last, as far as [`Ledger::update`] has seen.
    pub fn take_written(&mut self) -> BTreeSet<usize> {
        std::mem::take(&mut self.written)
    }

    /// The hashes.
    #[must_use]
    pub fn tree(&self) -> &PageTree {
        &self.tree
    }

    fn rehash(&mut self, machine: &Machine, pages: impl Iterator<Item = usize>) {
        let memory = machine.memory();
        let mut content = [0; PAGE_LEN];
        for page in pages {
            let read = memory.read(memory.address_of(page), &mut content);
            assert!(read.is_ok(), "page {page} is guest RAM");
            self.tree.set(page, &content);
        }
    }

    /// The digest of the whole state of `machine`.
    ///
    /// # Errors
    /// [`SaveError`] when a part of the machine cannot be saved.
    pub fn digest(&mut self, machine: &Machine) -> Result<NamedDigest, SaveError> {
        self.update(machine);
        NamedDigest::of(machine, self.tree.root())
    }
}

/// A run that is recorded.
#[derive(Debug)]
pub struct RecordSession<D> {
    recorder: Recorder<D>,
    ledger: Ledger,
    names: Vec<String>,
    checkpointer: Option<Checkpointer>,
}

impl<D: Door> RecordSession<D> {
    /// Records `machine`, which has just been switched on through `recorder`, or stands where the
    /// recording starts.
    pub fn new(machine: &Machine, recorder: Recorder<D>) -> Self {
        Self { recorder, ledger: Ledger::new(machine), names: Vec::new(), checkpointer: None }
    }

    /// Lets the recording hold checkpoints: as often as they are cheap, or `every` so much of the
    /// host's time.
    pub fn take_checkpoints(&mut self, every: Option<Duration>) {
        let checkpointer = Checkpointer::new(every);
        self.recorder.checkpoint_at(Some(checkpointer.due()));
        self.checkpointer = Some(checkpointer);
    }

    /// The recorder.
    pub fn recorder_mut(&mut self) -> &mut Recorder<D> {
        &mut self.recorder
    }

    /// The recorder alone: from then on no digests of the state are taken.
    pub fn into_recorder(self) -> Recorder<D> {
        self.recorder
    }

    /// Does what the recorder asked the machine to leave for.
    ///
    /// # Errors
    /// As [`RecordSession::run`].
    pub fn attend(&mut self, machine: &Machine) -> Result<Attended, SessionError> {
        match self.recorder.take_leave() {
            Some(RecorderLeave::StateDigestDue) => self.digest(machine)?,
            Some(RecorderLeave::CheckpointDue) => self.checkpoint(machine)?,
            Some(RecorderLeave::Failed) => {
                if let Some(failure) = self.recorder.take_failure() {
                    return Err(failure.into());
                }
            }
            Some(RecorderLeave::Inner) | None => return Ok(Attended::Left),
        }
        Ok(Attended::RunOn)
    }

    /// Runs `machine` until `until` or until something stops it. [`Stop::Left`] means that the live
    /// door asked.
    ///
    /// # Errors
    /// [`SessionError`] when the recording cannot be written: the machine stands where it was then
    /// and can go on without.
    pub fn run(&mut self, machine: &mut Machine, until: Position) -> Result<Stop, SessionError> {
        loop {
            let stop = machine.run(&mut self.recorder, until);
            if stop != Stop::Left {
                return Ok(stop);
            }
            if self.attend(machine)? == Attended::Left {
                return Ok(Stop::Left);
            }
        }
    }

    /// Names the present position.
    pub fn mark(&mut self, machine: &Machine, name: &str) {
        let data = name.as_bytes().to_vec();
        self.recorder.annotate(machine.position(), crate::journal::MARK, data);
    }

    /// Ends the recording in good order with a digest of the final state; `how` says how the run
    /// ended, such as `power-off 0`.
    ///
    /// # Errors
    /// [`SessionError`] when it cannot be written.
    pub fn finish(mut self, machine: &Machine, how: &str) -> Result<D, SessionError> {
        self.digest(machine)?;
        if let Some(mut checkpointer) = self.checkpointer.take() {
            for (position, pieces) in checkpointer.finish() {
                self.recorder.checkpoint(position, &pieces);
            }
        }
        Ok(self.recorder.finish(machine.moment(), how)?)
    }

    /// Takes a digest and a checkpoint here, and writes those that are compressed by now.
    fn checkpoint(&mut self, machine: &Machine) -> Result<(), SessionError> {
        let started = Instant::now();
        self.digest(machine)?;
        let Some(checkpointer) = &mut self.checkpointer else { return Ok(()) };
        let pages = if checkpointer.number() == 0 {
            Ledger::touched(machine).collect()
        } else {
            self.ledger.take_written()
        };
        self.ledger.written.clear();
        let payload = checkpoint::capture(machine, pages, checkpointer.number())?;
        checkpointer.hand_over(machine.position(), payload, started);
        for (position, pieces) in checkpointer.ready() {
            self.recorder.checkpoint(position, &pieces);
        }
        self.recorder.checkpoint_at(Some(checkpointer.due()));
        Ok(())
    }

    fn digest(&mut self, machine: &Machine) -> Result<(), SessionError> {
        let NamedDigest { names, digest } = self.ledger.digest(machine)?;
        let position = machine.position();
        if names != self.names {
            self.recorder.annotate(position, DIGEST_PARTS, encode(&names));
            self.names = names;
        }
        self.recorder.annotate(position, DIGEST_STATE, encode(&digest));
        Ok(())
    }
}

/// The recorder's door, for whoever runs the machine by himself; [`RecordSession::attend`] must follow each
/// [`Stop::Left`].
impl<D: Door> Door for RecordSession<D> {
    fn power_on(&mut self) -> PowerOn {
        self.recorder.power_on()
    }

    fn horizon(&mut self, now: Moment) -> u64 {
        self.recorder.horizon(now)
    }

    fn take(&mut self, now: Moment) -> Reply {
        self.recorder.take(now)
    }

    fn idle(&mut self, now: Moment, deadline_ns: Option<u64>) -> Wake {
        self.recorder.idle(now, deadline_ns)
    }

    fn output(&mut self, now: Position, output: Output<'_>) {
        self.recorder.output(now, output);
    }
}

/// Where a replay stands when [`ReplaySession::run`] returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplayStop {
    /// At the limit of the call or of the replayer.
    Limit,
    /// At the end of the recording, which says how the run ended unless it was cut.
    End {
        /// How, such as `quit`.
        how: Option<String>,
    },
    /// The machine is off, as recorded.
    PoweredOff {
        /// Exit code.
        code: u8,
    },
    /// At a breakpoint or watchpoint.
    Debug {
        /// The hart that met it.
        hart: usize,
    },
}

/// A run that follows a recording and compares every digest.
#[derive(Debug)]
pub struct ReplaySession<S> {
    replayer: Replayer<S>,
    ledger: Ledger,
}

impl<S: Sink> ReplaySession<S> {
    /// Lets `machine`, which has just been switched on through `replayer` or stands where the
    /// replayer does, follow it.
    pub fn new(machine: &Machine, replayer: Replayer<S>) -> Self {
        Self { replayer, ledger: Ledger::new(machine) }
    }

    /// The replayer.
    pub fn replayer_mut(&mut self) -> &mut Replayer<S> {
        &mut self.replayer
    }

    /// The hashes of RAM as of the last digest.
    pub fn ledger_mut(&mut self) -> &mut Ledger {
        &mut self.ledger
    }

    /// Runs `machine` until `until`, the replayer's limit or the end.
    ///
    /// # Errors
    /// [`SessionError`], above all [`SessionError::Diverged`].
    pub fn run(
        &mut self,
        machine: &mut Machine,
        until: Position,
    ) -> Result<ReplayStop, SessionError> {
        loop {
            match machine.run(&mut self.replayer, until) {
                Stop::Until => return Ok(ReplayStop::Limit),
                Stop::Debug { hart } => return Ok(ReplayStop::Debug { hart }),
                Stop::Undeliverable(event) => return Err(SessionError::Undeliverable(event)),
                Stop::PoweredOff { code } => {
                    self.off(machine, code)?;
                    return Ok(ReplayStop::PoweredOff { code });
                }
                Stop::Left => match self.replayer.take_leave() {
                    Some(ReplayerLeave::StateDigest(recorded)) => {
                        self.compare(machine, &recorded)?;
                    }
                    Some(ReplayerLeave::Limit) | None => return Ok(ReplayStop::Limit),
                    Some(ReplayerLeave::EndOfRecording { how }) => {
                        return Ok(ReplayStop::End { how });
                    }
                    Some(ReplayerLeave::Diverged(divergence)) => return Err(divergence.into()),
                    Some(ReplayerLeave::Failed(error)) => return Err(error.into()),
                },
            }
        }
    }

    fn off(&mut self, machine: &Machine, code: u8) -> Result<(), SessionError> {
        let last = self
            .replayer
            .stopped(machine.moment(), &how_off(code))
            .map_err(|divergence| SessionError::Diverged(Box::new(divergence)))?;
        match last {
            Some(recorded) => self.compare(machine, &recorded),
            None => Ok(()),
        }
    }

    fn compare(&mut self, machine: &Machine, recorded: &RecordedState) -> Result<(), SessionError> {
        let position = machine.position();
        let found = self.ledger.digest(machine)?;
        let names: Vec<String> = postcard::from_bytes(&recorded.names).unwrap_or_default();
        let parts = match postcard::from_bytes::<StateDigest>(&recorded.digest) {
            Ok(recorded) => found.differences(&names, &recorded),
            // A later build may extend digests; what cannot be read cannot be compared.
            Err(error) => {
                tracing::warn!(?position, %error, "a state digest of another build is passed over");
                return Ok(());
            }
        };
        if parts.is_empty() {
            self.replayer.state_was_equal(position);
            return Ok(());
        }
        let equal_up_to = self.replayer.equal_up_to();
        Err(SessionError::Diverged(Box::new(Divergence::State { position, equal_up_to, parts })))
    }
}

/// How a run ended in which the guest or the operator switched the machine off.
#[must_use]
pub fn how_off(code: u8) -> String {
    format!("power-off {code}")
}

pub(super) fn encode<T: serde::Serialize>(value: &T) -> Vec<u8> {
    match postcard::to_stdvec(value) {
        Ok(bytes) => bytes,
        Err(error) => unreachable!("postcard into a Vec cannot fail: {error}"),
    }
}
