//! Replaying a recording to compare everything that it knows, split over its checkpoints.
//!
//! Each stretch between two checkpoints is a replay of its own on its own machine, so they run on as
//! many threads as there are cores. A stretch ends behind the events at the place of the next
//! checkpoint, where the next stretch begins, so nothing between two of them is left out: what the
//! checkpoint holds was proved by the digest at its place.

use std::{
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

use crate::{clock::Position, journal::Reader, machine::board::Board, progress};

use super::{
    Divergence, OpenError, Opened, ReplayStop, SessionError, Target, Tuning, build,
    checkpoint::{self, CheckpointAt, Unusable, checkpoints},
    how_off,
    listing::ending_in_words,
};

/// Stretches for each thread: enough that none waits long for the last.
const STRETCHES_PER_JOB: usize = 4;

/// Why a recording cannot be verified at all.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// It cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It cannot be replayed to its end.
    #[error(transparent)]
    Session(#[from] SessionError),
}

/// What comparing a recording with its replay gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Digests that were equal.
    pub compared: u64,
    /// Steps up to which the replay went.
    pub steps: u64,
    /// How the replay ended, such as `power-off 0`.
    pub end: String,
    /// The first difference.
    pub divergence: Option<Divergence>,
    /// The first checkpoint that cannot be used.
    pub unusable: Option<Unusable>,
}

impl Verified {
    /// Whether all that the recording holds is as it was.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        self.divergence.is_none() && self.unusable.is_none()
    }
}

/// Where a replay begins and ends: power-on or a checkpoint, a position or the end of the recording.
type Stretch = (Option<usize>, Option<Position>);

/// Replays the recording at `path` on `jobs` threads and compares every digest; puts a machine at every
/// checkpoint.
///
/// # Errors
/// [`VerifyError`]; a difference is none, it is [`Verified::divergence`].
pub fn verify(
    path: &Path,
    boards: &[&dyn Board],
    tuning: Tuning,
    jobs: usize,
) -> Result<Verified, VerifyError> {
    let (recording, all, unusable) = usable(path, boards, tuning)?;
    let begins = if jobs > 1 { spread(all.len(), jobs * STRETCHES_PER_JOB) } else { Vec::new() };
    let ends = begins.iter().map(|number| Some(all[*number].position)).chain([None]);
    let stretches: Vec<Stretch> =
        [None].into_iter().chain(begins.iter().copied().map(Some)).zip(ends).collect();
    progress::expect(recording.last().steps);
    let whole = first_difference(replay_all(path, boards, tuning, jobs, &stretches))?;
    Ok(Verified { unusable, ..whole })
}

/// The recording at `path`, its checkpoints in front of the first that cannot be used, and that one.
fn usable(
    path: &Path,
    boards: &[&dyn Board],
    tuning: Tuning,
) -> Result<(Reader, Vec<CheckpointAt>, Option<Unusable>), VerifyError> {
    let mut recording = Reader::open(path).map_err(OpenError::from)?;
    let mut all = checkpoints(&recording);
    if all.is_empty() {
        return Ok((recording, all, None));
    }
    let mut machine = build(&mut recording, boards, tuning)?;
    let unusable = checkpoint::check(&mut machine, &mut recording);
    all.truncate(unusable.as_ref().map_or(all.len(), |unusable| unusable.number));
    Ok((recording, all, unusable))
}

/// Replays the recording at `path` to its end from power-on and from every checkpoint in it: as many
/// times, and the first of them that differs, if any.
///
/// # Errors
/// As [`verify`].
pub fn verify_from_everywhere(
    path: &Path,
    boards: &[&dyn Board],
    tuning: Tuning,
    jobs: usize,
) -> Result<(usize, Verified), VerifyError> {
    let (recording, all, unusable) = usable(path, boards, tuning)?;
    let last = recording.last().steps;
    progress::expect(all.iter().map(|at| last - at.position.steps).sum::<u64>() + last);
    let begins = [None].into_iter().chain((0..all.len()).map(Some));
    let stretches: Vec<Stretch> = begins.map(|begin| (begin, None)).collect();
    let whole = first_difference(replay_all(path, boards, tuning, jobs, &stretches))?;
    Ok((stretches.len(), Verified { unusable, ..whole }))
}

/// All the reports in one: the first that differs, or the last.
fn first_difference(reports: Vec<Result<Verified, VerifyError>>) -> Result<Verified, VerifyError> {
    let mut whole = Verified::default();
    for report in reports {
        let report = report?;
        whole = Verified { compared: whole.compared + report.compared, ..report };
        // What comes after the first difference follows from it.
        if whole.divergence.is_some() {
            break;
        }
    }
    Ok(whole)
}

/// Replays `stretches` on `jobs` threads; the reports are in their order.
fn replay_all(
    path: &Path,
    boards: &[&dyn Board],
    tuning: Tuning,
    jobs: usize,
    stretches: &[Stretch],
) -> Vec<Result<Verified, VerifyError>> {
    let (next, watched) = (AtomicUsize::new(0), progress::watched());
    let work = || {
        let mut reports = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some((begin, end)) = stretches.get(number) else { return reports };
            reports.push((number, stretch(path, boards, tuning, *begin, *end)));
        }
    };
    let mut reports: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (1..jobs).map(|_| scope.spawn(|| watched.watch(work))).collect();
        let mut reports = work();
        for thread in threads {
            match thread.join() {
                Ok(more) => reports.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        reports
    });
    reports.sort_by_key(|(number, _)| *number);
    reports.into_iter().map(|(_, report)| report).collect()
}

/// At most `most` of the numbers below `count`, evenly spread.
pub(super) fn spread(count: usize, most: usize) -> Vec<usize> {
    (0..count).step_by(count.div_ceil(most).max(1)).collect()
}

/// Replays a stretch: from power-on or checkpoint `begin` to `end` or to the end of the recording.
fn stretch(
    path: &Path,
    boards: &[&dyn Board],
    tuning: Tuning,
    begin: Option<usize>,
    end: Option<Position>,
) -> Result<Verified, VerifyError> {
    let Opened { recording, mut machine, mut session } = match begin {
        None => Opened::at_power_on(path, boards, tuning, ())?,
        Some(number) => Opened::at_checkpoint(path, boards, tuning, number, ())?,
    };
    let limit = end.map(|end| Target::Position(Position { sequence: u64::MAX, ..end }));
    session.replayer_mut().limit(limit);
    let result = session.run(&mut machine, Position::MAX);
    let compared = session.replayer_mut().compared();
    let (end, divergence) = match result {
        Ok(ReplayStop::PoweredOff { code }) => (how_off(code), None),
        Ok(ReplayStop::End { how: Some(how) }) => (how, None),
        Ok(ReplayStop::End { how: None } | ReplayStop::Limit | ReplayStop::Debug { .. }) => {
            (ending_in_words(recording.ending(), recording.last()), None)
        }
        Err(SessionError::Diverged(divergence)) => (divergence.to_string(), Some(*divergence)),
        Err(error) => return Err(error.into()),
    };
    let steps = machine.position().steps;
    Ok(Verified { compared, steps, end, divergence, unusable: None })
}
