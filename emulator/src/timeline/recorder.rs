//! The door of a run that is recorded: it stands in front of a live door and writes down what
//! passes.
//!
//! The journal must lose at most 100 ms when the process is killed, so the recorder looks at the
//! host's clock each time the machine asks, and asks to be asked often enough. That clock decides
//! only when bytes go to the file; it never reaches the machine.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    clock::Position,
    door::{Door, Event, Moment, Output, PowerOn, Reply, Wake, kind},
    journal::{
        DIGEST_TRANSCRIPT, END, FrameKind, JournalError, PackedPiece, Reader, Record, Writer,
    },
};

/// Records go to the file this often while the machine runs. A killed process may lose 100 ms: the rest
/// is for the time from one look at the host's clock to the next.
const FLUSH_EVERY: Duration = Duration::from_millis(80);
/// Steps after which the recorder wants to look at the host's clock again: a few milliseconds.
const LOOK_EVERY: u64 = 1 << 20;

/// Steps from one bite of a capture to the next: several times as long as a bite.
const BITE_EVERY: u64 = 1 << 17;

/// Why the recorder asked the machine to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecorderLeave {
    /// The live door asked; it knows why.
    Inner,
    /// The file could not be written: [`Recorder::finish`] tells the error. What was written before
    /// can be replayed.
    Failed,
    /// A digest of the whole state is due; the machine stands at its position.
    StateDigestDue,
    /// A checkpoint is due.
    CheckpointDue,
    /// The next bite of a capture is due ([`Recorder::set_busy`]).
    CaptureDue,
}

/// A door that records what `inner` lets in.
#[derive(Debug)]
pub struct Recorder<D> {
    inner: D,
    writer: Writer,
    failure: Option<JournalError>,
    leave: Option<RecorderLeave>,
    transcript_every: u64,
    transcript_due: u64,
    state_every: u64,
    state_due: u64,
    flushed_at: Instant,
    checkpoint_due: Option<Instant>,
    /// A checkpoint waits for the capture under way.
    checkpoint_waits: bool,
    checkpoint_last: Option<Position>,
    /// A capture is under way; the next bite is due at these steps.
    capture_due: Option<(Busy, u64)>,
}

/// What a capture under way is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Busy {
    /// A digest only.
    Digest,
    /// A checkpoint.
    Checkpoint,
}

impl<D: Door> Recorder<D> {
    /// Records what `inner` lets in to `writer`. Digests are taken every `transcript_every` and
    /// `state_every` steps.
    ///
    /// # Panics
    /// When one of the two is 0.
    pub fn new(inner: D, writer: Writer, transcript_every: u64, state_every: u64) -> Self {
        assert!(transcript_every > 0 && state_every > 0, "digests are some steps apart");
        Self {
            inner,
            writer,
            failure: None,
            leave: None,
            transcript_every,
            transcript_due: transcript_every,
            state_every,
            state_due: state_every,
            flushed_at: host_now(),
            checkpoint_due: None,
            checkpoint_waits: true,
            checkpoint_last: None,
            capture_due: None,
        }
    }

    /// Begins with all that `parent` holds before `position`, where this recording goes its own way.
    /// So a child needs nothing of its parent.
    ///
    /// # Errors
    /// [`JournalError`] when the parent cannot be read.
    pub fn continue_from(
        &mut self,
        parent: &Reader,
        position: Position,
    ) -> Result<(), JournalError> {
        for record in parent.records()? {
            let record = record?;
            // What the machine took when it was switched on has no place of its own.
            let is_power_on = matches!(&*record.kind, kind::CLOCK_BASE | kind::SEED);
            if !is_power_on && record.position >= position || &*record.kind == END {
                break;
            }
            self.write(&record);
        }
        self.transcript_due = next_multiple(position.steps, self.transcript_every);
        self.state_due = next_multiple(position.steps, self.state_every);
        self.flush(position);
        Ok(())
    }

    /// The live door.
    pub fn inner_mut(&mut self) -> &mut D {
        &mut self.inner
    }

    /// The recording itself, for what the recorder does not write by itself.
    pub fn writer_mut(&mut self) -> &mut Writer {
        &mut self.writer
    }

    /// The first failure to write, once. Recording ends with it; the run may go on.
    pub fn take_failure(&mut self) -> Option<JournalError> {
        self.failure.take()
    }

    /// Host time at which the machine is to be stopped for a checkpoint, if ever.
    pub(super) fn checkpoint_at(&mut self, due: Option<Instant>) {
        self.checkpoint_due = due;
    }

    /// Whether a checkpoint that is due waits for the capture under way, so that the machine need not.
    pub(super) fn let_checkpoints_wait(&mut self, wait: bool) {
        self.checkpoint_waits = wait;
    }

    /// Steps at which the next digest of the state is taken: later when it would have to wait for a
    /// checkpoint, but not much.
    fn state_digest_due(&self) -> u64 {
        match self.capture_due {
            Some((Busy::Checkpoint, _)) => self.state_due.saturating_add(self.state_every / 4),
            _ => self.state_due,
        }
    }

    /// What capture is under way, if any, so that the machine is left now and then to go on with it.
    pub(super) fn set_busy(&mut self, busy: Option<Busy>) {
        self.capture_due = busy.map(|busy| (busy, 0));
    }

    /// Appends pieces of a checkpoint that was taken at `position`.
    pub(super) fn pieces(&mut self, kind: FrameKind, position: Position, pieces: &[PackedPiece]) {
        if self.failure.is_none()
            && let Err(error) = self.writer.packed_pieces(kind, position, pieces)
        {
            self.failure = Some(error);
        }
    }

    /// Why the recorder asked the machine to leave last, once.
    pub fn take_leave(&mut self) -> Option<RecorderLeave> {
        self.leave.take()
    }

    /// Writes an annotation at `position`.
    pub fn annotate(&mut self, position: Position, kind: &str, data: Vec<u8>) {
        self.write(&Record {
            position,
            kind: Arc::from(kind),
            target: Arc::from(""),
            needed: false,
            transcript: None,
            data,
        });
    }

    /// Ends the recording in good order at `now`; `how` says how the run ended.
    ///
    /// # Errors
    /// The first failure to write, also an earlier one.
    pub fn finish(mut self, now: Moment, how: &str) -> Result<D, JournalError> {
        self.write(&Record {
            position: now.position,
            kind: Arc::from(END),
            target: Arc::from(""),
            needed: false,
            transcript: Some(now.transcript),
            data: how.as_bytes().to_vec(),
        });
        match self.failure {
            Some(failure) => Err(failure),
            None => self.writer.finish(now.position).map(|()| self.inner),
        }
    }

    fn write(&mut self, record: &Record) {
        if self.failure.is_none()
            && let Err(error) = self.writer.record(record)
        {
            self.failure = Some(error);
        }
    }

    fn flush_if_due(&mut self, now: Position) {
        if self.flushed_at.elapsed() >= FLUSH_EVERY {
            self.flush(now);
        }
    }

    fn flush(&mut self, now: Position) {
        self.flushed_at = host_now();
        if self.failure.is_none()
            && let Err(error) = self.writer.flush(now)
        {
            self.failure = Some(error);
        }
    }

    fn input(&mut self, position: Position, event: &Event, transcript: Option<u64>) {
        self.write(&Record {
            position,
            kind: Arc::from(&*event.kind),
            target: Arc::from(&*event.target),
            needed: true,
            transcript,
            data: event.data.clone(),
        });
    }
}

impl<D: Door> Door for Recorder<D> {
    fn power_on(&mut self) -> PowerOn {
        let values = self.inner.power_on();
        for (kind, data) in [
            (kind::CLOCK_BASE, values.clock_base_ns.to_le_bytes().to_vec()),
            (kind::SEED, values.seed.to_vec()),
        ] {
            let event = Event { kind: kind.into(), target: "".into(), data };
            self.input(Position::default(), &event, None);
        }
        self.flush(Position::default());
        values
    }

    fn horizon(&mut self, now: Moment) -> u64 {
        let steps = now.position.steps;
        self.inner
            .horizon(now)
            .min(steps + LOOK_EVERY)
            .min(self.transcript_due.max(steps + 1))
            .min(self.state_digest_due().max(steps + 1))
            .min(self.capture_due.map_or(u64::MAX, |(_, due)| due.max(steps + 1)))
    }

    fn take(&mut self, now: Moment) -> Reply {
        let steps = now.position.steps;
        if steps >= self.transcript_due {
            self.transcript_due = next_multiple(steps, self.transcript_every);
            self.write(&Record {
                position: now.position,
                kind: Arc::from(DIGEST_TRANSCRIPT),
                target: Arc::from(""),
                needed: false,
                transcript: Some(now.transcript),
                data: Vec::new(),
            });
        }
        if steps >= self.state_digest_due() {
            self.state_due = next_multiple(steps, self.state_every);
            self.leave = Some(RecorderLeave::StateDigestDue);
            return Reply::Leave;
        }
        if let Some((busy, due)) = self.capture_due
            && steps >= due
        {
            self.capture_due = Some((busy, steps + BITE_EVERY));
            self.leave = Some(RecorderLeave::CaptureDue);
            return Reply::Leave;
        }
        // Where the guest stands still, another checkpoint would say the same.
        let place = Position { sequence: 0, ..now.position };
        if self.checkpoint_last != Some(place)
            && (self.capture_due.is_none() || !self.checkpoint_waits)
            && self.checkpoint_due.is_some_and(|due| host_now() >= due)
        {
            self.checkpoint_due = None;
            self.checkpoint_last = Some(place);
            self.leave = Some(RecorderLeave::CheckpointDue);
            return Reply::Leave;
        }
        self.flush_if_due(now.position);
        if self.failure.is_some() {
            self.leave = Some(RecorderLeave::Failed);
            return Reply::Leave;
        }
        let reply = self.inner.take(now);
        match &reply {
            Reply::Event(event) => self.input(now.position, event, Some(now.transcript)),
            Reply::Nothing => {}
            Reply::Leave => self.leave = Some(RecorderLeave::Inner),
        }
        reply
    }

    fn idle(&mut self, now: Moment, deadline_ns: Option<u64>) -> Wake {
        self.flush_if_due(now.position);
        // The live door may wait for its host as long as it likes, once everything is in the file.
        let behind = self.failure.is_none() && self.writer.is_behind(now.position);
        let left = FLUSH_EVERY.saturating_sub(self.flushed_at.elapsed());
        self.inner.wait_at_most(behind.then_some(left));
        let wake = self.inner.idle(now, deadline_ns);
        if wake == Wake::Leave {
            self.leave = Some(RecorderLeave::Inner);
        }
        wake
    }

    fn wait_at_most(&mut self, limit: Option<Duration>) {
        self.inner.wait_at_most(limit);
    }

    fn output(&mut self, now: Position, output: Output<'_>) {
        self.inner.output(now, output);
    }
}

fn next_multiple(steps: u64, every: u64) -> u64 {
    (steps / every + 1).saturating_mul(every)
}

fn host_now() -> Instant {
    Instant::now()
}
