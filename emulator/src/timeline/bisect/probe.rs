//! One machine of a pair: it runs along a recording, and goes back to a bookmark.

use std::{collections::BTreeSet, path::Path, time::Duration};

use crate::{
    clock::Position,
    journal::Reader,
    machine::{Access, Machine, Stop, board::Board},
    memory::PAGE_LEN,
};

use super::super::{
    OpenError, Replayer, ReplayerLeave, StateDigest, Tuning, build,
    checkpoint::{self, load_state, save_state},
};
use super::BisectError;

/// Least steps in which one random cut falls.
const CUT_EVERY: u64 = 256;
/// Most cuts in one run: each costs as much as thousands of steps.
const CUTS: u64 = 1 << 14;

/// What is done to a machine that must make no difference, at places that the seed alone decides: so
/// a run through them can be repeated in parts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Perturbation {
    seed: u64,
    /// Steps in which one random cut falls.
    every: u64,
}

impl Perturbation {
    /// For a run of so many steps.
    pub(super) fn new(seed: u64, steps: u64) -> Self {
        Self { seed, every: CUT_EVERY.max(steps / CUTS) }
    }

    fn random(self, block: u64) -> u64 {
        let mixed = (block ^ self.seed.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 7
    }

    /// The next place at which a slice ends.
    pub(super) fn next_cut(self, now: Position) -> Position {
        let cut = |block: u64| block * self.every + self.random(block) % self.every;
        let block = now.steps / self.every;
        let steps = if cut(block) > now.steps { cut(block) } else { cut(block + 1) };
        Position { steps, ..Position::default() }
    }

    /// Does what is to be done at a cut.
    pub(super) fn apply(self, machine: &mut Machine) -> Result<(), String> {
        let random = self.random(machine.position().steps.rotate_left(20));
        if random.is_multiple_of(8) {
            machine.memory().drop_derived();
        }
        if (random >> 8).is_multiple_of(64) {
            let state = save_state(machine)?;
            load_state(machine, &state)?;
            machine.rewire();
        }
        if (random >> 16).is_multiple_of(128) {
            std::thread::sleep(Duration::from_micros(random >> 24 & 63));
        }
        Ok(())
    }
}

/// How a run of a probe ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) position: Position,
    /// Why it ended before it should, in words.
    pub(super) early: Option<String>,
}

/// A machine that runs along a recording without looking at digests.
#[derive(Debug)]
pub(super) struct Probe {
    recording: Reader,
    machine: Machine,
    replayer: Replayer<()>,
    perturbation: Option<Perturbation>,
    bookmark: Bookmark,
    early: Option<String>,
}

#[derive(Debug, Default)]
struct Bookmark {
    position: Position,
    /// Records that the replayer had taken.
    taken: u64,
    state: Vec<u8>,
}

impl Probe {
    /// A machine at checkpoint `base` of the recording, or at power-on.
    pub(super) fn open(
        path: &Path,
        boards: &[&dyn Board],
        tuning: Tuning,
        base: Option<usize>,
    ) -> Result<Self, BisectError> {
        let mut probe = Self::at_power_on(path, boards, tuning)?;
        if let Some(number) = base {
            let position = checkpoint::restore(&mut probe.machine, &mut probe.recording, number)
                .map_err(OpenError::from)?;
            probe.replayer.seek(&probe.recording, position)?;
        }
        Ok(probe)
    }

    fn at_power_on(
        path: &Path,
        boards: &[&dyn Board],
        tuning: Tuning,
    ) -> Result<Self, BisectError> {
        let mut recording = Reader::open(path)?;
        let mut machine = build(&mut recording, boards, tuning)?;
        let mut replayer = Replayer::new(&recording, machine.clock().step_ps, ())?;
        replayer.be_lenient();
        machine.power_on(&mut replayer);
        let bookmark = Bookmark::default();
        Ok(Self { recording, machine, replayer, perturbation: None, bookmark, early: None })
    }

    /// A fresh machine in the state of `other`.
    pub(super) fn alike(
        path: &Path,
        boards: &[&dyn Board],
        tuning: Tuning,
        other: &Self,
    ) -> Result<Self, BisectError> {
        let mut probe = Self::at_power_on(path, boards, tuning)?;
        let (from, to) = (other.machine.memory(), probe.machine.memory());
        to.clear();
        for page in from.touched_pages().iter() {
            let written = to.write(to.address_of(page), &from.copy_page(page));
            assert!(written.is_ok(), "both machines have the same RAM");
        }
        probe.load(other.machine.position(), other.replayer.taken(), &other.state()?)?;
        Ok(probe)
    }

    pub(super) fn machine(&self) -> &Machine {
        &self.machine
    }

    pub(super) fn perturb(&mut self, perturbation: Perturbation) {
        self.perturbation = Some(perturbation);
    }

    /// The state of everything but RAM.
    pub(super) fn state(&self) -> Result<Vec<u8>, BisectError> {
        save_state(&self.machine).map_err(BisectError::State)
    }

    fn load(&mut self, position: Position, taken: u64, state: &[u8]) -> Result<(), BisectError> {
        load_state(&mut self.machine, state).map_err(BisectError::State)?;
        self.machine.set_position(position);
        self.machine.rewire();
        self.replayer.resume(&self.recording, position, taken)?;
        self.early = None;
        Ok(())
    }

    /// Keeps the present state, to come back to.
    pub(super) fn set_bookmark(&mut self) -> Result<(), BisectError> {
        let (position, taken) = (self.machine.position(), self.replayer.taken());
        self.bookmark = Bookmark { position, taken, state: self.state()? };
        drop(self.machine.memory().begin_epoch(true));
        Ok(())
    }

    /// Goes back to the bookmark.
    pub(super) fn rewind(&mut self) -> Result<(), BisectError> {
        self.machine.memory().rewind_epoch();
        drop(self.machine.memory().begin_epoch(true));
        let bookmark = std::mem::take(&mut self.bookmark);
        self.load(bookmark.position, bookmark.taken, &bookmark.state)?;
        self.bookmark = bookmark;
        Ok(())
    }

    /// Runs until so many steps, or until it cannot go on.
    pub(super) fn run_to(&mut self, steps: u64) -> Result<Ended, BisectError> {
        while self.early.is_none() && self.machine.position().steps < steps {
            let end = Position { steps, ..Position::default() };
            let cut = self.perturbation.map(|p| p.next_cut(self.machine.position()));
            let until = cut.map_or(end, |cut| cut.min(end));
            match self.machine.run(&mut self.replayer, until) {
                Stop::Until => {
                    if let Some(perturbation) = self.perturbation {
                        perturbation.apply(&mut self.machine).map_err(BisectError::State)?;
                    }
                }
                Stop::Left => self.early = self.left()?,
                Stop::PoweredOff { code } => self.early = Some(super::super::how_off(code)),
                Stop::Debug { .. } => {}
                Stop::Undeliverable(event) => {
                    self.early =
                        Some(format!("nobody takes {} for `{}`", event.kind, event.target));
                }
            }
        }
        Ok(Ended { position: self.machine.position(), early: self.early.clone() })
    }

    fn left(&mut self) -> Result<Option<String>, BisectError> {
        Ok(match self.replayer.take_leave() {
            Some(ReplayerLeave::StateDigest(_)) => None,
            Some(ReplayerLeave::Diverged(divergence)) => Some(divergence.to_string()),
            Some(ReplayerLeave::Failed(error)) => return Err(error.into()),
            Some(ReplayerLeave::EndOfRecording { .. } | ReplayerLeave::Limit) | None => {
                Some("the recording ends".to_owned())
            }
        })
    }

    /// Notes the accesses to devices from now on.
    pub(super) fn trace_accesses(&mut self) {
        self.machine.trace_accesses(true);
    }

    /// The accesses noted; ends noting them.
    pub(super) fn take_accesses(&mut self) -> Vec<Access> {
        let accesses = self.machine.take_accesses();
        self.machine.trace_accesses(false);
        accesses
    }

    /// Whether nothing tells the machine from `other`, with which it was equal at both bookmarks.
    pub(super) fn equals(&self, other: &Self) -> Result<bool, BisectError> {
        let digest = |probe: &Self| {
            StateDigest::of(&probe.machine).map_err(|error| BisectError::State(error.to_string()))
        };
        Ok(self.machine.position() == other.machine.position()
            && self.early == other.early
            && digest(self)?.differences(&digest(other)?).is_empty()
            && self.differing_page(other).is_none())
    }

    /// The first page that differs; only pages written since the bookmarks can.
    pub(super) fn differing_page(&self, other: &Self) -> Option<usize> {
        let (one, two) = (self.machine.memory(), other.machine.memory());
        let mut written: BTreeSet<usize> = one.dirty_pages().into_iter().collect();
        written.extend(two.dirty_pages());
        let (mut mine, mut theirs) = ([0; PAGE_LEN], [0; PAGE_LEN]);
        written.into_iter().find(|page| {
            let read = [
                one.read(one.address_of(*page), &mut mine),
                two.read(two.address_of(*page), &mut theirs),
            ];
            assert!(read.iter().all(Result::is_ok), "page {page} is guest RAM");
            mine != theirs
        })
    }
}
