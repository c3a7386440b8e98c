//! The oracle: every state of a run, written down once, forward. What the engine has to answer is
//! then a search through a list.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    rc::Rc,
};

use super::program::{Access as Accessed, Next, Program, State, VIRTUAL_BASE};
use crate::{
    clock::Position,
    debug::{Access, Motion, Watchpoint},
};

/// Physical addresses that are watched for changes.
const AREA: std::ops::Range<usize> = 0x0fe0..0x1040;

/// A state and the transition that leads away from it.
pub(super) struct Moment {
    pub(super) position: Position,
    pub(super) digest: u64,
    /// Program counters and registers r0 of all harts.
    pub(super) pcs: Vec<u64>,
    pub(super) first_registers: Vec<u64>,
    next: Next,
    pub(super) accesses: Vec<Accessed>,
    /// What stands in [`AREA`].
    pub(super) area: Vec<u8>,
}

pub(super) fn digest(state: &State) -> u64 {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    hasher.finish()
}

pub(super) struct Oracle {
    pub(super) moments: Vec<Moment>,
}

/// The stop points of a test: addresses, each with "only when r0 is even" or not.
#[derive(Clone, Debug, Default)]
pub(super) struct Points {
    pub(super) breakpoints: Vec<(u64, bool)>,
    pub(super) watchpoints: Vec<Watchpoint>,
}

/// Where the engine has to stop, and as what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Done,
    Breakpoint(u64),
    Watchpoint,
    Begin,
    End,
}

impl Oracle {
    pub(super) fn new(program: &Rc<Program>, steps: u64) -> (Self, Vec<State>) {
        let mut state = State::new(program);
        let mut moments = Vec::new();
        let mut recorded = Vec::new();
        while state.position.0 < steps {
            if moments.len() % 701 == 700 {
                recorded.push(state.clone());
            }
            moments.push(Moment {
                position: state.position(),
                digest: digest(&state),
                pcs: state.harts.iter().map(|hart| hart.pc).collect(),
                first_registers: state.harts.iter().map(|hart| hart.registers[0]).collect(),
                next: state.next(program),
                accesses: Vec::new(),
                area: state.memory[AREA].to_vec(),
            });
            let last = moments.len() - 1;
            moments[last].accesses = state.advance(program);
        }
        (Self { moments }, recorded)
    }

    pub(super) fn end(&self) -> usize {
        self.moments.len() - 1
    }

    pub(super) fn index_of(&self, position: Position) -> usize {
        let found = self.moments.binary_search_by_key(&position, |moment| moment.position);
        found.unwrap_or_else(|_| panic!("{position:?} is no position of the run"))
    }

    fn breakpoint_at(&self, index: usize, points: &Points) -> Option<(usize, u64)> {
        let moment = &self.moments[index];
        let Next::Step { hart } = moment.next else { return None };
        let pc = moment.pcs[hart];
        let holds = |(addr, even): &&(u64, bool)| {
            *addr == pc && (!even || moment.first_registers[hart].is_multiple_of(2))
        };
        points.breakpoints.iter().find(holds).map(|_| (hart, pc))
    }

    /// Whether the transition away from `index` makes a watched access.
    pub(super) fn is_watched(&self, index: usize, points: &Points) -> bool {
        self.moments[index].accesses.iter().any(|access| {
            points.watchpoints.iter().any(|watch| {
                let start = watch.addr - if watch.hart.is_some() { VIRTUAL_BASE } else { 0 };
                let kind = match watch.access {
                    Access::Read => !access.write,
                    Access::Write => access.write,
                    Access::Change => access.write && self.changes(index, start, watch.bytes),
                    Access::Any => true,
                };
                kind && start < access.range.end && access.range.start < start + watch.bytes
            })
        })
    }

    /// Whether the transition away from `index` changes the memory there.
    fn changes(&self, index: usize, start: u64, bytes: u64) -> bool {
        let start = start as usize - AREA.start;
        let content = |moment: &Moment| moment.area[start..start + bytes as usize].to_vec();
        content(&self.moments[index]) != content(&self.moments[index + 1])
    }

    fn first_at_steps(&self, steps: u64) -> usize {
        self.moments.partition_point(|moment| moment.position.steps < steps).min(self.end())
    }

    /// Where the engine must be after `motion` from `index`; `reported` is the moment whose
    /// breakpoint the user has seen already, with its hart.
    pub(super) fn answer(
        &self,
        index: usize,
        motion: &Motion,
        points: &Points,
        reported: Option<(usize, usize)>,
    ) -> (usize, Answer) {
        let fresh = |at: usize| {
            self.breakpoint_at(at, points).filter(|(hart, _)| reported != Some((at, *hart)))
        };
        match motion {
            Motion::Continue => {
                for at in index..self.end() {
                    if let Some((_, pc)) = fresh(at) {
                        return (at, Answer::Breakpoint(pc));
                    }
                    if self.is_watched(at, points) {
                        return (at + 1, Answer::Watchpoint);
                    }
                }
                (self.end(), Answer::End)
            }
            Motion::Step { hart } => {
                for at in index..self.end() {
                    if let Some((other, pc)) = fresh(at).filter(|(other, _)| other != hart) {
                        let _ = other;
                        return (at, Answer::Breakpoint(pc));
                    }
                    if self.is_watched(at, points) {
                        return (at + 1, Answer::Watchpoint);
                    }
                    if self.moments[at].next == (Next::Step { hart: *hart }) {
                        return (at + 1, Answer::Done);
                    }
                }
                (self.end(), Answer::End)
            }
            Motion::ReverseContinue => {
                for at in (0..index).rev() {
                    if self.is_watched(at, points) {
                        return (at, Answer::Watchpoint);
                    }
                    if let Some((_, pc)) = self.breakpoint_at(at, points) {
                        return (at, Answer::Breakpoint(pc));
                    }
                }
                (0, Answer::Begin)
            }
            Motion::ReverseStep { hart } => self.reverse_step(index, *hart, points),
            Motion::Seek(target) => {
                let at = self.moments.partition_point(|moment| moment.position < *target);
                (at, Answer::Done)
            }
            Motion::StepRange { .. } => unreachable!("not part of the mix"),
        }
    }

    fn reverse_step(&self, index: usize, hart: usize, points: &Points) -> (usize, Answer) {
        let own = Next::Step { hart };
        let steps = (0..index).rev().find(|at| self.moments[*at].next == own);
        // Landing is in front of everything that happened at the step's count.
        let landing = steps.map(|at| self.first_at_steps(self.moments[at].position.steps));
        for at in (landing.unwrap_or(0)..index).rev() {
            if self.is_watched(at, points) {
                return (at, Answer::Watchpoint);
            }
            if let Some((_, pc)) =
                self.breakpoint_at(at, points).filter(|(other, _)| *other != hart)
            {
                return (at, Answer::Breakpoint(pc));
            }
        }
        landing.map_or((0, Answer::Begin), |at| (at, Answer::Done))
    }
}
