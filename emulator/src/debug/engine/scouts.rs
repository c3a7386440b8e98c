//! Other machines on other cores, which look at older stretches while the session's own looks at
//! the newest.
//!
//! Problem: a walk back over a whole recording repeats all of it, and stretches between states that
//! the recording holds do not depend on each other. Strategy: a list of stretches, newest first; the
//! session and every scout take the next one that nobody has. The answer is the hit in the newest
//! stretch that has any, so what is looked at needlessly is at most one stretch a scout.
//!
//! Invariants: a scout's machine replays the same recording, so its hits are the session's; a scout
//! that cannot be had costs time, nothing else.

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    time::Duration,
};

use crate::{
    clock::Position,
    debug::{Another, Breakpoint, CaptureId, DebugError, Watchpoint},
};

use super::{Effort, Engine, effort::Noted, reverse::Search};

/// How often the session looks whether the user has had enough while it waits.
const PATIENCE: Duration = Duration::from_millis(10);

/// A stretch of the recording, from its first position to the one behind its last.
pub(super) type Stretch = (Position, Position);

/// What all look for.
#[derive(Clone)]
struct Job {
    stretches: Arc<Vec<Stretch>>,
    /// The first that nobody has taken.
    next: Arc<AtomicUsize>,
    /// The first that is known to have a hit.
    best: Arc<AtomicUsize>,
    breakpoints: Vec<Breakpoint>,
    watchpoints: Vec<Watchpoint>,
    watched: Vec<(usize, Range<u64>)>,
    findings: Sender<Finding>,
}

/// What was found in the stretch with this number, and what it taught.
struct Finding {
    index: usize,
    outcome: Result<Search, DebugError>,
    notes: Vec<Noted>,
}

impl Job {
    /// The next stretch that is worth looking at.
    fn take(&self) -> Option<usize> {
        let index = self.next.fetch_add(1, Ordering::SeqCst);
        let wanted = index < self.stretches.len() && index < self.best.load(Ordering::SeqCst);
        wanted.then_some(index)
    }

    fn report(&self, index: usize, outcome: Result<Search, DebugError>, notes: Vec<Noted>) {
        if matches!(outcome, Ok(Search::Found(_)) | Err(_)) {
            self.best.fetch_min(index, Ordering::SeqCst);
        }
        // A session that has its answer does not listen any more.
        self.findings.send(Finding { index, outcome, notes }).unwrap_or_default();
    }
}

struct Scout {
    jobs: Sender<Job>,
    attention: Arc<AtomicBool>,
}

/// The scouts of a session; they live as long as it.
pub(super) struct Scouts(Vec<Scout>);

impl Scouts {
    /// As many as `effort` says, each with a machine from `another` and its part of
    /// `checkpoint_bytes`.
    pub(super) fn new(effort: Effort, another: &Another, checkpoint_bytes: u64) -> Self {
        let bytes = checkpoint_bytes / (effort.scouts as u64 + 1);
        let start = |_| {
            let (jobs, work) = channel();
            let attention = Arc::<AtomicBool>::default();
            let (another, raised) = (Arc::clone(another), Arc::clone(&attention));
            std::thread::spawn(move || scout(&another, effort, bytes, &raised, &work));
            Scout { jobs, attention }
        };
        Self((0..effort.scouts).map(start).collect())
    }

    fn call_off(&self) {
        for scout in &self.0 {
            scout.attention.store(true, Ordering::SeqCst);
        }
    }
}

/// A scout's life.
fn scout(
    another: &Another,
    effort: Effort,
    bytes: u64,
    attention: &Arc<AtomicBool>,
    work: &Receiver<Job>,
) {
    let Ok(first) = work.recv() else { return };
    let mut engine = match another() {
        Ok(subject) => Engine::new(subject, bytes),
        // The session does without.
        Err(error) => return tracing::warn!(target: "debug", "no second machine: {error}"),
    };
    engine.attention = Arc::clone(attention);
    engine.effort = effort;
    let mut next = Some(first);
    while let Some(job) = next {
        attention.store(false, Ordering::SeqCst);
        engine.points.breakpoints.clone_from(&job.breakpoints);
        engine.points.watchpoints.clone_from(&job.watchpoints);
        engine.points.watched.clone_from(&job.watched);
        while let Some(index) = job.take() {
            let outcome = engine.look_at(job.stretches[index]);
            job.report(index, outcome, engine.notes.take());
        }
        drop(job);
        next = work.recv().ok();
    }
}

impl Engine {
    /// Looks for the last hit before `origin` with the help of scouts; `None` when that is not worth
    /// it. The stop points must have been looked up.
    pub(super) fn search_widely(
        &mut self,
        origin: Position,
        capture: CaptureId,
    ) -> Result<Option<Search>, DebugError> {
        let Some(another) = self.subject.another() else { return Ok(None) };
        let stretches = self.stretches(origin)?;
        let steps: u64 = stretches.iter().map(|(from, to)| to.steps - from.steps).sum();
        if stretches.len() < 3 || steps < self.effort.scout_steps {
            return Ok(None);
        }
        let bytes = self.checkpoints.budget_bytes();
        let scouts =
            self.scouts.take().unwrap_or_else(|| Scouts::new(self.effort, &another, bytes));
        let (findings, found) = channel();
        let job = Job {
            stretches: Arc::new(stretches),
            next: Arc::default(),
            best: Arc::new(AtomicUsize::new(usize::MAX)),
            breakpoints: self.points.breakpoints.clone(),
            watchpoints: self.points.watchpoints.clone(),
            watched: self.points.watched.clone(),
            findings,
        };
        let outcome = self.search_with(&scouts, job, &found, capture);
        scouts.call_off();
        self.scouts = Some(scouts);
        outcome.map(Some)
    }

    /// What lies before `origin`, cut at the states that the recording holds, newest first, but for
    /// what the recording proves to have no hit.
    fn stretches(&mut self, origin: Position) -> Result<Vec<Stretch>, DebugError> {
        let begin = self.begin();
        let mut cuts = vec![begin];
        let inside = |at: &Position| at.steps > begin.steps && at.steps < origin.steps;
        cuts.extend(self.subject.recorded().into_iter().filter(inside));
        let (mut stretches, mut upper) = (Vec::new(), origin);
        for from in cuts.into_iter().rev() {
            if !self.has_no_hit(from, upper)? {
                stretches.push((from, upper));
            }
            // Where a cut has a sequence, the events before it belong to what lies before.
            upper = Position { sequence: u64::MAX, ..from };
        }
        Ok(stretches)
    }

    fn search_with(
        &mut self,
        scouts: &Scouts,
        job: Job,
        found: &Receiver<Finding>,
        capture: CaptureId,
    ) -> Result<Search, DebugError> {
        for scout in &scouts.0 {
            // One that found no machine is gone.
            scout.jobs.send(job.clone()).unwrap_or_default();
        }
        let stretches = Arc::clone(&job.stretches);
        let mut known: BTreeMap<usize, Search> = BTreeMap::new();
        while let Some(index) = job.take() {
            let outcome = self.look_at(stretches[index])?;
            let interrupted = outcome == Search::Interrupted;
            if interrupted {
                scouts.call_off();
            }
            job.report(index, Ok(outcome), Vec::new());
            if interrupted {
                break;
            }
        }
        drop(job);
        for index in 0..stretches.len() {
            let search = match self.wait_for(index, &mut known, found)? {
                Some(search) => search,
                // A scout was lost with its stretch.
                None => self.look_at(stretches[index])?,
            };
            match search {
                Search::Nothing => {}
                Search::Interrupted => {
                    scouts.call_off();
                    match index.checked_sub(1) {
                        None => self.subject.restore(capture),
                        Some(newer) => self.travel_surely(stretches[newer].0)?,
                    }
                    return Ok(Search::Interrupted);
                }
                found @ Search::Found(_) => return Ok(found),
            }
        }
        Ok(Search::Nothing)
    }

    /// What was found in the stretch with this number; `None` when nobody looks at it any more.
    fn wait_for(
        &mut self,
        index: usize,
        known: &mut BTreeMap<usize, Search>,
        found: &Receiver<Finding>,
    ) -> Result<Option<Search>, DebugError> {
        loop {
            if let Some(search) = known.remove(&index) {
                return Ok(Some(search));
            }
            if self.attention.load(Ordering::SeqCst) {
                return Ok(Some(Search::Interrupted));
            }
            match found.recv_timeout(PATIENCE) {
                Ok(Finding { index, outcome, notes }) => {
                    notes.into_iter().for_each(|noted| self.notes.add(noted));
                    known.insert(index, outcome?);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
            }
        }
    }

    /// The last hit in a stretch.
    fn look_at(&mut self, (from, upper): Stretch) -> Result<Search, DebugError> {
        self.disarm();
        if let Some((_, id)) = self.checkpoints.at_or_before(Position::at_steps(from.steps + 1)) {
            self.subject.restore(id);
        }
        self.hop(Position::at_steps(from.steps + 1))?;
        if self.position() < from && !self.travel(from)? {
            return Ok(Search::Interrupted);
        }
        self.arm_again();
        self.look_through(upper)
    }
}
