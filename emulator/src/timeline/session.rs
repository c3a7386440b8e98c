//! Runs a machine along a recording: writing one, or following one and comparing.
//!
//! A door alone cannot see the machine's state, so digests of the whole state are taken here,
//! between two runs. Only the pages that the memory reports as written are hashed, so a digest costs
//! what the guest wrote since the one before; while recording, that happens on another thread.

use std::time::{Duration, Instant};

use vmstate::error::SaveError;

use crate::{
    clock::Position,
    digest::PageTree,
    door::{Door, Event, Moment, Output, PowerOn, Reply, Wake},
    journal::{DIGEST_PARTS, DIGEST_RAM, DIGEST_STATE, FrameKind, JournalError},
    machine::{Machine, Stop},
    memory::PAGE_LEN,
};

use super::{
    DigestChain, Divergence, Recorder, RecorderLeave, Replayer, ReplayerLeave, StateDigest,
    capture::{Captured, Capturer},
    checkpoint::{CheckpointError, Draft, Spacing, Stops},
    recorder::Busy,
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

/// The hashes of a machine's RAM, kept up to date from its dirty pages.
#[derive(Debug)]
pub struct Ledger {
    tree: PageTree,
}

impl Ledger {
    /// Hashes what `machine` holds and begins an epoch of its memory.
    #[must_use]
    pub fn new(machine: &Machine) -> Self {
        let memory = machine.memory();
        let tree = PageTree::of(memory);
        drop(memory.begin_epoch(false));
        Self { tree }
    }

    /// Takes in what was written since the last call. Begins an epoch of the machine's memory.
    ///
    /// # Panics
    /// When a dirty page is no guest RAM: a bug of ours.
    pub fn update(&mut self, machine: &Machine) {
        let memory = machine.memory();
        let mut content = [0; PAGE_LEN];
        for page in memory.dirty_pages() {
            let read = memory.read(memory.address_of(page), &mut content);
            assert!(read.is_ok(), "page {page} is guest RAM");
            self.tree.set(page, &content);
        }
        drop(memory.begin_epoch(false));
    }

    /// The root over RAM as it is now.
    pub fn root(&mut self, machine: &Machine) -> u128 {
        self.update(machine);
        self.tree.root()
    }

    /// The hashes as of the last update.
    #[must_use]
    pub fn tree(&self) -> &PageTree {
        &self.tree
    }
}

/// A run that is recorded.
#[derive(Debug)]
pub struct RecordSession<D> {
    recorder: Recorder<D>,
    capturer: Capturer,
    digests: DigestChain,
    checkpoints: Option<Spacing>,
}

/// What became of the recorder's wish to leave the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attended {
    /// The recording has what it wanted: run on.
    RunOn,
    /// The live door asked, and knows why.
    Left,
}

impl<D: Door> RecordSession<D> {
    /// Records `machine`, which has just been switched on through `recorder`, or stands where the
    /// recording starts.
    pub fn new(machine: &Machine, recorder: Recorder<D>) -> Self {
        let capturer = Capturer::new(machine.memory());
        Self { recorder, capturer, digests: DigestChain::default(), checkpoints: None }
    }

    /// Lets the recording hold checkpoints: as often as they are cheap, or `every` so much of the
    /// host's time.
    pub fn take_checkpoints(&mut self, every: Option<Duration>) {
        let spacing = Spacing::new(every);
        self.recorder.checkpoint_at(Some(spacing.due()));
        self.recorder.let_checkpoints_wait(!spacing.is_fixed());
        self.checkpoints = Some(spacing);
    }

    /// The recorder.
    pub fn recorder_mut(&mut self) -> &mut Recorder<D> {
        &mut self.recorder
    }

    /// The recorder alone: from then on no digests of the state are taken.
    pub fn into_recorder(self) -> Recorder<D> {
        self.recorder
    }

    /// How long checkpoints stopped the machine so far.
    #[must_use]
    pub fn stops(&self) -> Stops {
        self.checkpoints.as_ref().map(Spacing::stops).unwrap_or_default()
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
            if stop != Stop::Left || self.attend(machine)? == Attended::Left {
                return Ok(stop);
            }
        }
    }

    /// Does what the recorder left `machine` for: to be called after each [`Stop::Left`].
    ///
    /// # Errors
    /// As [`RecordSession::run`].
    pub fn attend(&mut self, machine: &Machine) -> Result<Attended, SessionError> {
        let Some(leave) = self.recorder.take_leave() else { return Ok(Attended::Left) };
        let started = Instant::now();
        let was_free = self.capturer.is_free();
        let attended = self.serve(machine, leave);
        // All that a capture needs from its beginning to its end keeps the machine waiting.
        if !(was_free && self.capturer.is_free())
            && let Some(checkpoints) = &mut self.checkpoints
        {
            checkpoints.stood_still(started.elapsed());
        }
        attended
    }

    fn serve(&mut self, machine: &Machine, leave: RecorderLeave) -> Result<Attended, SessionError> {
        match leave {
            RecorderLeave::StateDigestDue => {
                self.complete(machine);
                self.digest(machine)?;
                self.capturer.begin(machine.memory(), None);
                self.recorder.set_busy(Some(Busy::Digest));
            }
            RecorderLeave::CheckpointDue => self.checkpoint(machine)?,
            RecorderLeave::CaptureDue => {
                if let Some(captured) = self.capturer.advance(machine.memory()) {
                    self.keep(machine, captured);
                }
            }
            RecorderLeave::Failed => {
                if let Some(failure) = self.recorder.take_failure() {
                    return Err(failure.into());
                }
            }
            RecorderLeave::Inner => return Ok(Attended::Left),
        }
        Ok(Attended::RunOn)
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
        self.complete(machine);
        self.digest(machine)?;
        self.capturer.begin(machine.memory(), None);
        self.complete(machine);
        Ok(self.recorder.finish(machine.moment(), how)?)
    }

    /// Takes a digest here and begins a checkpoint.
    fn checkpoint(&mut self, machine: &Machine) -> Result<(), SessionError> {
        let Some(number) = self.checkpoints.as_ref().map(Spacing::number) else { return Ok(()) };
        self.complete(machine);
        self.digest(machine)?;
        let draft = Draft::new(machine, number)?;
        self.capturer.begin(machine.memory(), Some(draft));
        self.recorder.set_busy(Some(Busy::Checkpoint));
        if let Some(checkpoints) = &mut self.checkpoints {
            checkpoints.begun();
            // The user's own distance is kept, should the next one have to wait for this one.
            self.recorder.checkpoint_at(checkpoints.is_fixed().then(|| checkpoints.due()));
        }
        Ok(())
    }

    fn complete(&mut self, machine: &Machine) {
        while let Some(captured) = self.capturer.complete(machine.memory()) {
            self.keep(machine, captured);
        }
    }

    /// Writes what a capture gave. The next checkpoint is due only when one is whole, unless its time
    /// was given.
    fn keep(&mut self, machine: &Machine, captured: Captured) {
        match captured {
            Captured::Pages(position, piece) => {
                self.recorder.pieces(FrameKind::CheckpointPages, position, &[piece]);
            }
            Captured::Whole { root, checkpoint } => {
                self.recorder.set_busy(None);
                self.recorder.annotate(machine.position(), DIGEST_RAM, root.to_le_bytes().to_vec());
                if let Some((position, pieces)) = checkpoint {
                    self.recorder.pieces(FrameKind::Checkpoint, position, &pieces);
                    if let Some(checkpoints) = &self.checkpoints {
                        self.recorder.checkpoint_at(Some(checkpoints.due()));
                    }
                }
            }
        }
    }

    /// Writes the digest of everything but RAM.
    fn digest(&mut self, machine: &Machine) -> Result<(), SessionError> {
        let digest = StateDigest::of(machine)?;
        let position = machine.position();
        let (names, change) = self.digests.push(&digest);
        if let Some(names) = names {
            self.recorder.annotate(position, DIGEST_PARTS, names);
        }
        self.recorder.annotate(position, DIGEST_STATE, change);
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

    fn wait_at_most(&mut self, limit: Option<Duration>) {
        self.recorder.wait_at_most(limit);
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
        let mut parts = StateDigest::of(machine)?.differences(&recorded.digest);
        // A recording that was cut may lack the root of its last digest.
        if recorded.ram.is_some_and(|root| root != self.ledger.root(machine)) {
            parts.push("ram".to_owned());
        }
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
