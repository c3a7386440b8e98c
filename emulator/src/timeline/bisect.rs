//! From a replay that differs to the instruction, the field and the device where it begins.
//!
//! Problem: a digest says only that something went another way since the digest before. Strategy,
//! in three steps. The replay's own comparison gives the first recorded interval that differs. Then
//! two machines run through it side by side, alike but for one thing that must not matter
//! ([`Difference in kind`](Pair)): one goes on where it stands and the other was restored from its
//! state; one is interpreted and the other translated; one runs calmly and the other in random
//! slices with its caches dropped. The first pair that parts is narrowed by halving to the
//! instruction. If no pair parts, this build computes the same however it is run: then the recording
//! holds other inputs or comes from a machine that computed otherwise, and what is left is to name
//! the inputs there and the parts of the state that differ at the next digest.
//!
//! Invariants: both machines of a pair are equal where the search begins, by construction; what is
//! reported was seen to differ.

mod narrow;
mod probe;
mod report;

use std::path::Path;

use serde::Serialize;

use crate::{
    clock::Position,
    journal::{JournalError, Reader},
    machine::board::{Board, Engine},
    progress,
    translate::Compilation,
};

use super::{
    Divergence, OpenError, Opened, ReplayStop, SessionError, Target, Tuning,
    checkpoint::checkpoints,
    listing::{Line, lines},
    verify::spread,
};
use narrow::narrow;
use probe::{Perturbation, Probe};
pub use report::{Accessed, Parting, Report, ValueDifference};

/// Checkpoints from which a replay is tried when it is equal from power-on.
const CHECKPOINTS_TRIED: usize = 16;
/// On a stretch of this many steps, and on shorter ones, everything is translated.
const LONG: u64 = 1 << 14;
/// Executions after which code is translated on the longest stretches.
const HOT: u64 = 3_000;

/// Why a divergence cannot be narrowed.
#[derive(Debug, thiserror::Error)]
pub enum BisectError {
    /// The recording cannot be replayed at all.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The recording cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The replay cannot go on.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The machine's state cannot be saved or loaded, which is how machines are made alike.
    #[error("two machines cannot be made alike: {0}")]
    State(String),
}

/// In what the two machines of a pair are unlike: nothing that a guest may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pair {
    /// The first went on, the second was restored from its saved state.
    ContinuedAndRestored,
    /// The first is interpreted, the second translated.
    InterpretedAndTranslated,
    /// The first runs calmly; the second in random slices, with caches dropped, its state saved and
    /// loaded and its host asleep at random.
    CalmAndPerturbed,
    /// The same, with translated code in both.
    CalmAndPerturbedTranslated,
}

impl Pair {
    const ALL: [Self; 4] = [
        Self::ContinuedAndRestored,
        Self::InterpretedAndTranslated,
        Self::CalmAndPerturbed,
        Self::CalmAndPerturbedTranslated,
    ];

    /// What runs the instructions of the two, and whether the second is perturbed.
    fn members(self) -> (Engine, Engine, bool) {
        match self {
            Self::ContinuedAndRestored => (Engine::Interpreter, Engine::Interpreter, false),
            Self::InterpretedAndTranslated => (Engine::Interpreter, Engine::Jit, false),
            Self::CalmAndPerturbed => (Engine::Interpreter, Engine::Interpreter, true),
            Self::CalmAndPerturbedTranslated => (Engine::Jit, Engine::Jit, true),
        }
    }

    /// The two in words.
    #[must_use]
    pub fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::ContinuedAndRestored => ("a machine that went on", "one that was restored"),
            Self::InterpretedAndTranslated => ("the interpreter", "the translator"),
            Self::CalmAndPerturbed => ("a calm machine", "a perturbed one"),
            Self::CalmAndPerturbedTranslated => {
                ("a calm machine (translated)", "a perturbed one (translated)")
            }
        }
    }
}

/// The first recorded interval in which a replay differs: from the last digest of the whole state, or
/// where the replay began.
#[derive(Clone, Debug)]
struct Interval {
    divergence: Divergence,
    from: Position,
    to: Position,
}

/// Narrows the divergence of the recording at `path`, replayed by `engine`; `None` when its replay is
/// equal: calm, perturbed and from every checkpoint. `seed` decides how the perturbed machine is perturbed.
///
/// # Errors
/// [`BisectError`].
pub fn bisect(
    path: &Path,
    boards: &[&dyn Board],
    engine: Engine,
    seed: u64,
) -> Result<Option<Report>, BisectError> {
    let tuning = Tuning { engine, ..Tuning::default() };
    let perturbation = Perturbation::new(seed, Reader::open(path)?.last().steps);
    let mut interval = locate(path, boards, tuning, Start::PowerOn)?;
    if interval.is_none() {
        interval = locate(path, boards, tuning, Start::Perturbed(perturbation))?;
    }
    let count = checkpoints(&Reader::open(path)?).len();
    let mut begins = spread(count, CHECKPOINTS_TRIED).into_iter().peekable();
    while interval.is_none()
        && let Some(from) = begins.next()
    {
        let start = Start::Checkpoint { from, to: begins.peek().copied() };
        interval = locate(path, boards, tuning, start)?;
    }
    let Some(interval) = interval else { return Ok(None) };
    let mut report = Report {
        divergence: interval.divergence.to_string(),
        from: interval.from,
        to: interval.to,
        inputs: inputs(path, &interval)?,
        parting: None,
        parts: Vec::new(),
    };
    for pair in Pair::ALL {
        report.parting = part(path, boards, pair, &interval, seed)?;
        if report.parting.is_some() {
            return Ok(Some(report));
        }
    }
    report.parts = parts_behind(path, boards, tuning, &interval)?;
    Ok(Some(report))
}

/// How a replay begins that is compared with the recording.
#[derive(Clone, Copy, Debug)]
enum Start {
    PowerOn,
    /// From power-on, perturbed.
    Perturbed(Perturbation),
    /// From a checkpoint to behind another, or to the end.
    Checkpoint {
        from: usize,
        to: Option<usize>,
    },
}

/// Replays until something differs.
fn locate(
    path: &Path,
    boards: &[&dyn Board],
    tuning: Tuning,
    start: Start,
) -> Result<Option<Interval>, BisectError> {
    let Opened { recording, mut machine, mut session } = match start {
        Start::Checkpoint { from, .. } => Opened::at_checkpoint(path, boards, tuning, from, ())?,
        Start::PowerOn | Start::Perturbed(_) => Opened::at_power_on(path, boards, tuning, ())?,
    };
    if let Start::Checkpoint { to: Some(to), .. } = start {
        let behind = Position { sequence: u64::MAX, ..checkpoints(&recording)[to].position };
        session.replayer_mut().limit(Some(Target::Position(behind)));
    }
    progress::expect(recording.last().steps.saturating_sub(machine.position().steps));
    loop {
        let until = match start {
            Start::Perturbed(perturbation) => perturbation.next_cut(machine.position()),
            Start::PowerOn | Start::Checkpoint { .. } => Position::MAX,
        };
        match (session.run(&mut machine, until), start) {
            (Ok(ReplayStop::Limit), Start::Perturbed(perturbation)) => {
                perturbation.apply(&mut machine).map_err(BisectError::State)?;
            }
            (Ok(_), _) => return Ok(None),
            (Err(SessionError::Diverged(divergence)), _) => {
                // Equal transcripts in between say nothing of a state that has not shown yet.
                let from = session.replayer_mut().state_equal_up_to();
                let to = divergence.interval().1.max(machine.position());
                return Ok(Some(Interval { divergence: *divergence, from, to }));
            }
            (Err(error), _) => return Err(error.into()),
        }
    }
}

/// Runs a pair through the interval: where it parts, if it does.
fn part(
    path: &Path,
    boards: &[&dyn Board],
    pair: Pair,
    interval: &Interval,
    seed: u64,
) -> Result<Option<Parting>, BisectError> {
    let (first, second, perturbed) = pair.members();
    let end = interval.to.steps.max(interval.from.steps + 1);
    let steps = end - interval.from.steps;
    // On a short stretch all is translated, on a long one what would be in any run: translating costs as
    // much as thousands of executions.
    let jit_threshold = u32::try_from((steps / LONG).clamp(1, HOT)).ok();
    let tuning = |engine| Tuning { engine, jit_threshold, compilation: Compilation::AtOnce };
    let base = base_of(path, interval.from, pair)?;
    let mut one = Probe::open(path, boards, tuning(first), base)?;
    // How slices were cut before may be what matters.
    if !perturbed {
        one.run_to(interval.from.steps)?;
    }
    let mut two = Probe::alike(path, boards, tuning(second), &one)?;
    if perturbed {
        two.perturb(Perturbation::new(seed, end - two.machine().position().steps));
    }
    narrow(&mut one, &mut two, end, pair)
}

/// The checkpoint from which the first machine of a pair starts; power-on if there is none, or when
/// the pair is about what a saved state lacks.
fn base_of(path: &Path, from: Position, pair: Pair) -> Result<Option<usize>, BisectError> {
    if pair == Pair::ContinuedAndRestored {
        return Ok(None);
    }
    let recording = Reader::open(path)?;
    let before = checkpoints(&recording).iter().filter(|at| at.position <= from).count();
    Ok(before.checked_sub(1))
}

/// The inputs recorded in the interval, with the last before and the first behind: one that was lost
/// or moved leaves its trace between its neighbours.
fn inputs(path: &Path, interval: &Interval) -> Result<Vec<Line>, BisectError> {
    let recording = Reader::open(path)?;
    let mut found: Vec<Line> = Vec::new();
    for line in lines(&recording)? {
        let line = line?;
        if line.event.is_none() {
            continue;
        }
        if line.steps < interval.from.steps {
            found.clear();
        }
        let is_behind = line.steps > interval.to.steps;
        found.push(line);
        if is_behind {
            break;
        }
    }
    Ok(found)
}

/// The parts that differ at the first recorded digest of the state behind the interval's beginning
/// at which any differs.
fn parts_behind(
    path: &Path,
    boards: &[&dyn Board],
    tuning: Tuning,
    interval: &Interval,
) -> Result<Vec<String>, BisectError> {
    if let Divergence::State { parts, .. } = &interval.divergence {
        return Ok(parts.clone());
    }
    let Opened { mut machine, mut session, .. } = Opened::at_power_on(path, boards, tuning, ())?;
    session.replayer_mut().be_lenient();
    match session.run(&mut machine, Position::MAX) {
        Err(SessionError::Diverged(divergence)) => match *divergence {
            Divergence::State { parts, .. } => Ok(parts),
            _ => Ok(Vec::new()),
        },
        Ok(_) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}
