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
    Divergence, OpenError, Opened, ReplayStop, SessionError, Target, Tuning,
    checkpoint::checkpoints, how_off, listing::ending_in_words,
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Digests that were equal.
    pub compared: u64,
    /// Steps up to which the replay went.
    pub steps: u64,
    /// How the replay ended, such as `power-off 0`.
    pub end: String,
    /// The first difference.
    pub divergence: Option<Divergence>,
}

/// Where a replay begins and ends: power-on or a checkpoint, a position or the end of the recording.
type Stretch = (Option<usize>, Option<Position>);

/// Replays the recording at `path` on `jobs` threads and compares every digest.
///
/// # Errors
/// [`VerifyError`]; a difference is none, it is [`Verified::divergence`].
pub fn verify(
    path: &Path,
    boards: &[&dyn Board],
    tuning: Tuning,
    jobs: usize,
) -> Result<Verified, VerifyError> {
    let recording = Reader::open(path).map_err(OpenError::from)?;
    let all = if jobs > 1 { checkpoints(&recording) } else { Vec::new() };
    let begins = spread(all.len(), jobs * STRETCHES_PER_JOB);
    let ends = begins.iter().map(|number| Some(all[*number].position)).chain([None]);
    let stretches: Vec<Stretch> =
        [None].into_iter().chain(begins.iter().copied().map(Some)).zip(ends).collect();
    progress::expect(recording.last().steps);
    first_difference(replay_all(path, boards, tuning, jobs, &stretches))
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
    let recording = Reader::open(path).map_err(OpenError::from)?;
    let all = checkpoints(&recording);
    let last = recording.last().steps;
    progress::expect(all.iter().map(|at| last - at.position.steps).sum::<u64>() + last);
    let begins = [None].into_iter().chain((0..all.len()).map(Some));
    let stretches: Vec<Stretch> = begins.map(|begin| (begin, None)).collect();
    let whole = first_difference(replay_all(path, boards, tuning, jobs, &stretches))?;
    Ok((stretches.len(), whole))
}

/// All the reports in one: the first that differs, or the last.
fn first_difference(reports: Vec<Result<Verified, VerifyError>>) -> Result<Verified, VerifyError> {
    let mut whole = Verified { compared: 0, steps: 0, end: String::new(), divergence: None };
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
    Ok(Verified { compared, steps: machine.position().steps, end, divergence })
}
