//! The door of a replay: recorded events come in where they came, digests are compared where they
//! were taken.
//!
//! The recording is the only clock. The replayer tells the machine the next recorded position as
//! its horizon, so the machine stops exactly there; a machine that cannot be at that position when
//! its steps are (because it is not idle where it was, or waits where it ran) has diverged, and the
//! replayer says so instead of waiting.

use std::{
    collections::{BTreeMap, VecDeque},
    iter::Peekable,
    sync::Arc,
};

use crate::{
    clock::{Clock, Position},
    door::{Door, Moment, Output, PowerOn, Reply, Wake, kind},
    journal::{
        DIGEST_PARTS, DIGEST_RAM, DIGEST_STATE, END, Ending, JournalError, Reader, Record, Records,
    },
    progress,
};

use super::{DigestChain, Divergence, StateDigest, Target};

/// Why the replayer asked the machine to leave.
#[derive(Debug)]
pub enum ReplayerLeave {
    /// The limit set by [`Replayer::limit`] is reached.
    Limit,
    /// The recording ends here; it says how, unless it was cut.
    EndOfRecording {
        /// How the recorded run ended, such as `power-off 0`.
        how: Option<String>,
    },
    /// A digest of the whole state was recorded here.
    StateDigest(RecordedState),
    /// The replay left the recorded path.
    Diverged(Box<Divergence>),
    /// The recording cannot be read, or holds an input that this build does not know.
    Failed(JournalError),
}

/// A recorded digest of the whole state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordedState {
    /// That of everything but RAM.
    pub digest: StateDigest,
    /// Root of the page tree over RAM, unless the recording was cut before it came.
    pub ram: Option<u128>,
}

/// A door that replays a recording and hands what the guest sends out to `sink`.
#[derive(Debug)]
pub struct Replayer<S> {
    records: Peekable<Source>,
    held: Option<Arc<[Record]>>,
    power_on: PowerOn,
    end: Position,
    ending: Ending,
    clock: Clock,
    limit: Option<Target>,
    leave: Option<ReplayerLeave>,
    equal_up_to: Position,
    /// The same of the whole state: a transcript tells nothing of what has not come out yet.
    state_equal_up_to: Position,
    sink: S,
    /// State digests as recorded so far.
    digests: DigestChain,
    /// Roots over RAM by the position of their digests.
    roots: BTreeMap<Position, u128>,
    /// Digests compared so far.
    compared: u64,
    /// Records taken from the recording so far.
    taken: u64,
    /// Transcripts are compared, and places that were missed are a divergence.
    strict: bool,
}

/// Where records come from.
#[derive(Debug)]
enum Source {
    File(Records),
    Held { records: Arc<[Record]>, next: usize },
}

impl Iterator for Source {
    type Item = Result<Record, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::File(records) => records.next(),
            Self::Held { records, next } => {
                let record = records.get(*next)?;
                *next += 1;
                Some(Ok(record.clone()))
            }
        }
    }
}

/// Takes what a replayed guest sends out.
pub trait Sink {
    /// The guest has sent something out.
    fn output(&mut self, now: Position, output: Output<'_>);
}

impl Sink for () {
    fn output(&mut self, _: Position, _: Output<'_>) {}
}

impl<F: FnMut(Position, Output<'_>)> Sink for F {
    fn output(&mut self, now: Position, output: Output<'_>) {
        self(now, output);
    }
}

impl<S: Sink> Replayer<S> {
    /// A replay of `recording` from power-on, on a machine whose steps last `step_ps`.
    ///
    /// # Errors
    /// [`JournalError`] when the recording cannot be read or holds inputs that this build does not
    /// know; all of them are named.
    pub fn new(recording: &Reader, step_ps: u64, sink: S) -> Result<Self, JournalError> {
        let Survey { power_on, roots } = survey(recording)?;
        let mut replayer = Self {
            records: Source::File(recording.records()?).peekable(),
            held: None,
            power_on,
            end: recording.last(),
            ending: recording.ending(),
            clock: Clock::new(step_ps),
            limit: None,
            leave: None,
            equal_up_to: Position::default(),
            state_equal_up_to: Position::default(),
            sink,
            digests: DigestChain::default(),
            roots,
            compared: 0,
            taken: 0,
            strict: true,
        };
        replayer.skip_power_on();
        Ok(replayer)
    }

    /// Goes to `position` of `recording`: the next event is the first at or behind it.
    ///
    /// # Errors
    /// [`JournalError`] when the recording cannot be read.
    pub fn seek(&mut self, recording: &Reader, position: Position) -> Result<(), JournalError> {
        if let Some(held) = &self.held {
            let next = held.partition_point(|record| record.position < position);
            self.records = Source::Held { records: Arc::clone(held), next }.peekable();
            self.taken = next as u64;
            self.leave = None;
            self.equal_up_to = position;
            self.state_equal_up_to = position;
            self.skip_power_on();
            return Ok(());
        }
        self.begin_again(recording, position)?;
        self.skip_power_on();
        while let Some(Ok(record)) = self
            .records
            .next_if(|record| record.as_ref().is_ok_and(|record| record.position < position))
        {
            self.taken += 1;
            self.learn(&record);
        }
        Ok(())
    }

    /// Goes to where another replay of `recording` was, at `position`, when it had taken `taken` of its
    /// records.
    ///
    /// # Errors
    /// [`JournalError`] when the recording cannot be read.
    pub fn resume(
        &mut self,
        recording: &Reader,
        position: Position,
        taken: u64,
    ) -> Result<(), JournalError> {
        self.begin_again(recording, position)?;
        while self.taken < taken {
            let Some(record) = self.take_record() else { break };
            self.learn(&record?);
        }
        Ok(())
    }

    /// Records taken from the recording so far.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.taken
    }

    fn begin_again(&mut self, recording: &Reader, here: Position) -> Result<(), JournalError> {
        self.records = Source::File(recording.records()?).peekable();
        self.taken = 0;
        self.leave = None;
        self.equal_up_to = here;
        self.state_equal_up_to = here;
        self.digests = DigestChain::default();
        Ok(())
    }

    fn take_record(&mut self) -> Option<Result<Record, JournalError>> {
        let record = self.records.next();
        self.taken += u64::from(record.is_some());
        record
    }

    /// Follows the recording as far as it can without comparing transcripts: inputs whose place was
    /// missed come late, digests whose place was missed are passed over. So the next digest of the
    /// state behind a divergence can still say what differs.
    pub fn be_lenient(&mut self) {
        self.strict = false;
    }

    /// Takes records from memory from the next [`Replayer::seek`] on: for a debugger, which seeks at
    /// every step back. They are those of the recording, in order.
    pub fn hold(&mut self, records: Arc<[Record]>) {
        self.held = Some(records);
    }

    /// Where the machine is asked to leave; `None` for the end of the recording only.
    pub fn limit(&mut self, limit: Option<Target>) {
        self.limit = limit;
    }

    /// The last position of the recording.
    #[must_use]
    pub fn end(&self) -> Position {
        self.end
    }

    /// Digests compared so far, all equal.
    #[must_use]
    pub fn compared(&self) -> u64 {
        self.compared
    }

    /// The last place that was proved equal.
    #[must_use]
    pub fn equal_up_to(&self) -> Position {
        self.equal_up_to
    }

    /// The last place at which the whole state was proved equal, or where the replay began.
    #[must_use]
    pub fn state_equal_up_to(&self) -> Position {
        self.state_equal_up_to
    }

    /// Why the replayer asked the machine to leave last, once.
    pub fn take_leave(&mut self) -> Option<ReplayerLeave> {
        self.leave.take()
    }

    /// The driver has compared the digest of [`ReplayerLeave::StateDigest`] and found it equal.
    pub fn state_was_equal(&mut self, position: Position) {
        self.equal_up_to = position;
        self.state_equal_up_to = position;
        self.compared += 1;
    }

    /// The machine stopped by itself at `now`; `how` says how. Returns the digest of the state that
    /// was recorded there, if one was.
    ///
    /// # Errors
    /// [`Divergence`] when the recording says otherwise.
    pub fn stopped(&mut self, now: Moment, how: &str) -> Result<Option<RecordedState>, Divergence> {
        let equal_up_to = self.equal_up_to;
        let diverged = |recorded| Divergence::Stopped {
            now: now.position,
            how: how.to_owned(),
            recorded,
            equal_up_to,
        };
        let mut state = None;
        while let Some(Ok(record)) = self.take_record() {
            if record.needed || record.position != now.position {
                return Err(diverged(record.position));
            }
            if !self.compare(now, &record)
                && let Some(ReplayerLeave::Diverged(divergence)) = self.leave.take()
            {
                return Err(*divergence);
            }
            state = self.learn(&record).or(state);
            match &*record.kind {
                END if record.data == how.as_bytes() => return Ok(state),
                END => return Err(diverged(record.position)),
                _ => {}
            }
        }
        // A recording that was cut: all it can say is that the run went at least so far.
        if now.position < self.end { Err(diverged(self.end)) } else { Ok(state) }
    }

    fn skip_power_on(&mut self) {
        while let Some(Ok(record)) = self.records.peek() {
            if &*record.kind != kind::CLOCK_BASE && &*record.kind != kind::SEED {
                break;
            }
            self.take_record();
        }
    }

    /// Takes in what a record says about digests; that of the state, if it is one.
    fn learn(&mut self, record: &Record) -> Option<RecordedState> {
        match &*record.kind {
            DIGEST_PARTS => self.digests.names(&record.data),
            DIGEST_STATE => match self.digests.next(&record.data) {
                Ok(digest) => {
                    let ram = self.roots.get(&record.position).copied();
                    return Some(RecordedState { digest, ram });
                }
                Err(error) => tracing::warn!(position = ?record.position, %error, "passed over"),
            },
            _ => {}
        }
        None
    }

    fn leave(&mut self, why: ReplayerLeave) {
        self.leave = Some(why);
    }

    fn diverge(&mut self, divergence: Divergence) {
        self.leave(ReplayerLeave::Diverged(Box::new(divergence)));
    }

    /// The next recorded position and what stands there; the end counts as one.
    fn next(&mut self) -> Option<(Position, Arc<str>)> {
        match self.records.peek() {
            Some(Ok(record)) => Some((record.position, Arc::clone(&record.kind))),
            Some(Err(_)) | None => None,
        }
    }

    fn is_limit_reached(&self, now: Moment) -> bool {
        match self.limit {
            Some(Target::Position(position)) => now.position >= position,
            Some(Target::Time { ns }) => now.now_ns >= ns,
            None => false,
        }
    }

    /// Compares the transcript at `now` with the one in `record`.
    fn compare(&mut self, now: Moment, record: &Record) -> bool {
        match record.transcript {
            Some(recorded) if recorded != now.transcript && self.strict => {
                self.diverge(Divergence::Transcript {
                    position: now.position,
                    equal_up_to: self.equal_up_to,
                    recorded,
                    found: now.transcript,
                });
                false
            }
            Some(_) => {
                let steps = now.position.steps.saturating_sub(self.equal_up_to.steps);
                progress::advance(steps);
                self.equal_up_to = now.position;
                self.compared += 1;
                true
            }
            None => true,
        }
    }

    /// Takes the next record, which stands at `now`. `None` when it is passed over.
    fn deliver(&mut self, now: Moment) -> Option<Reply> {
        let record = match self.take_record()? {
            Ok(record) => record,
            Err(error) => {
                self.leave(ReplayerLeave::Failed(error));
                return Some(Reply::Leave);
            }
        };
        if !self.compare(now, &record) {
            return Some(Reply::Leave);
        }
        match &*record.kind {
            DIGEST_STATE => {
                let recorded = self.learn(&record)?;
                // A lenient replay may have waited for another time.
                if record.position.steps != now.position.steps {
                    return None;
                }
                self.leave(ReplayerLeave::StateDigest(recorded));
                Some(Reply::Leave)
            }
            END => {
                let how = String::from_utf8_lossy(&record.data).into_owned();
                // What ends by the guest's own doing ends before its door is asked again.
                if how.starts_with("power-off") {
                    self.diverge(Divergence::RunsOn {
                        recorded: record.position,
                        how,
                        equal_up_to: self.equal_up_to,
                    });
                } else {
                    self.leave(ReplayerLeave::EndOfRecording { how: Some(how) });
                }
                Some(Reply::Leave)
            }
            DIGEST_PARTS => {
                self.learn(&record);
                None
            }
            // A transcript has been compared by now; what is not an input needs nothing else.
            _ => record.event().map(Reply::Event),
        }
    }

    /// The steps of the limit and of the end that lie ahead, whichever is nearer.
    fn stop_steps(&self, now: Moment) -> u64 {
        let limit = match self.limit {
            Some(Target::Position(position)) => position.steps,
            Some(Target::Time { ns }) => {
                Clock { position: now.position, ..self.clock }.steps_at(ns)
            }
            None => u64::MAX,
        };
        limit.min(self.end.steps)
    }
}

impl<S: Sink> Door for Replayer<S> {
    fn power_on(&mut self) -> PowerOn {
        self.power_on
    }

    fn horizon(&mut self, now: Moment) -> u64 {
        let next = self.next().map_or(u64::MAX, |(position, _)| position.steps);
        // A position at these very steps is reached by waiting; a machine that runs instead is
        // caught one step on.
        next.min(self.stop_steps(now)).max(now.position.steps + 1)
    }

    fn take(&mut self, now: Moment) -> Reply {
        if self.leave.is_some() {
            return Reply::Leave;
        }
        if self.is_limit_reached(now) {
            self.leave(ReplayerLeave::Limit);
            return Reply::Leave;
        }
        loop {
            let Some((position, what)) = self.next() else {
                if matches!(self.records.peek(), Some(Err(_))) {
                    return self.deliver(now).unwrap_or(Reply::Leave);
                }
                if now.position >= self.end {
                    let ending = self.ending;
                    tracing::debug!(?ending, "the recording ends without saying how");
                    self.leave(ReplayerLeave::EndOfRecording { how: None });
                    return Reply::Leave;
                }
                return Reply::Nothing;
            };
            if position > now.position {
                return Reply::Nothing;
            }
            if position < now.position && self.strict {
                let equal_up_to = self.equal_up_to;
                let now = now.position;
                let what = what.to_string();
                self.diverge(Divergence::RanPast { now, recorded: position, what, equal_up_to });
                return Reply::Leave;
            }
            if let Some(reply) = self.deliver(now) {
                return reply;
            }
        }
    }

    fn idle(&mut self, now: Moment, deadline_ns: Option<u64>) -> Wake {
        let here = now.position;
        let (next, what) = self.next().unwrap_or((self.end, "the end".into()));
        let mut stop_idle_ns = (next.steps == here.steps && next.idle_ns > here.idle_ns)
            .then(|| next.idle_ns - here.idle_ns);
        let limit_idle_ns = match self.limit {
            Some(Target::Position(at)) if at.steps == here.steps => {
                at.idle_ns.checked_sub(here.idle_ns).filter(|ns| *ns > 0)
            }
            Some(Target::Time { ns }) => ns.checked_sub(now.now_ns).filter(|ns| *ns > 0),
            _ => None,
        };
        if let Some(limit) = limit_idle_ns {
            stop_idle_ns = Some(stop_idle_ns.map_or(limit, |stop| stop.min(limit)));
        }
        match (stop_idle_ns, deadline_ns) {
            (Some(stop), Some(deadline)) if now.now_ns + stop > deadline => Wake::Deadline,
            (Some(idle_ns), _) => Wake::After { idle_ns },
            (None, Some(_)) => Wake::Deadline,
            (None, None) => {
                let equal_up_to = self.equal_up_to;
                self.diverge(Divergence::WaitsForEver {
                    now: here,
                    recorded: next,
                    what: what.to_string(),
                    equal_up_to,
                });
                Wake::Leave
            }
        }
    }

    fn output(&mut self, now: Position, output: Output<'_>) {
        self.sink.output(now, output);
    }
}

/// What has to be known of a recording before it is replayed.
struct Survey {
    power_on: PowerOn,
    roots: BTreeMap<Position, u128>,
}

/// Reads the power-on values and makes sure that every input is one that this build can deliver.
fn survey(recording: &Reader) -> Result<Survey, JournalError> {
    let mut power_on = PowerOn::default();
    let mut foreign = VecDeque::new();
    let mut roots = BTreeMap::new();
    let mut digest = Position::default();
    for record in recording.records()? {
        let record = record?;
        match (&*record.kind, record.data.as_slice()) {
            (kind::CLOCK_BASE, data) if data.len() == 8 => {
                let mut bytes = [0; 8];
                bytes.copy_from_slice(data);
                power_on.clock_base_ns = u64::from_le_bytes(bytes);
            }
            (kind::SEED, data) if data.len() == 32 => power_on.seed.copy_from_slice(data),
            (DIGEST_STATE, _) => digest = record.position,
            (DIGEST_RAM, data) if data.len() == 16 => {
                let mut bytes = [0; 16];
                bytes.copy_from_slice(data);
                roots.insert(digest, u128::from_le_bytes(bytes));
            }
            _ if record.is_foreign() && !foreign.contains(&record.kind) => {
                foreign.push_back(record.kind.clone());
            }
            _ => {}
        }
    }
    if foreign.is_empty() {
        return Ok(Survey { power_on, roots });
    }
    Err(JournalError::UnknownInputs {
        kinds: foreign.iter().map(ToString::to_string).collect(),
        producer: recording.description().producer.clone(),
    })
}
