//! Which registers a region reads before it writes them.
//!
//! The semantics themselves are run on an emitter that only notes registers, so no architecture
//! has to describe its operands twice.

use super::{loops::Loops, plan::Plan};
use crate::isa::{
    emit::{Access, Binary, Condition, Emitter, Register, Unary},
    guest::Guest,
};
use std::{collections::BTreeMap, convert::Infallible};

/// A set of registers, one bit each.
pub(super) type Registers = u128;

/// Reads before writes, and writes, of one block.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Notes {
    read: Registers,
    pub(super) written: Registers,
    /// Number of loads and stores.
    pub(super) accesses: u32,
}

impl Emitter for Notes {
    type Value = ();
    type Bool = ();
    type Stop = Infallible;

    fn constant(&mut self, _: u64) {}
    fn get(&mut self, register: Register) {
        self.read |= (1 << register) & !self.written;
    }
    fn set(&mut self, register: Register, (): ()) {
        self.written |= 1 << register;
    }
    fn binary(&mut self, _: Binary, (): (), (): ()) {}
    fn unary(&mut self, _: Unary, (): ()) {}
    fn compare(&mut self, _: Condition, (): (), (): ()) {}
    fn select(&mut self, (): (), (): (), (): ()) {}
    fn bit(&mut self, (): ()) {}
    fn load(&mut self, (): (), _: Access) -> Result<(), Infallible> {
        self.accesses += 1;
        Ok(())
    }
    fn store(&mut self, (): (), _: Access, (): ()) -> Result<(), Infallible> {
        self.accesses += 1;
        Ok(())
    }
    fn call(&mut self, _: u32, _: [(); 3]) {}
    fn jump(&mut self, _: u64) {}
    fn jump_to(&mut self, (): ()) {}
    fn branch(&mut self, (): (), _: u64) {}
}

/// What each block of a region does with registers and memory.
pub(super) fn notes<G: Guest>(plan: &Plan<G::Instruction>) -> BTreeMap<u64, Notes> {
    let mut notes = BTreeMap::new();
    for (&start, block) in &plan.blocks {
        let mut noted = Notes::default();
        for step in &block.steps {
            if let Err(never) = G::emit(&step.decoded.instruction, step.pc, &mut noted) {
                match never {}
            }
        }
        notes.insert(start, noted);
    }
    notes
}

/// The registers of a region.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usage {
    all: Registers,
    live_in: Registers,
}

impl Usage {
    pub(super) fn of<I: Copy>(plan: &Plan<I>, notes: &BTreeMap<u64, Notes>, loops: &Loops) -> Self {
        let mut live: BTreeMap<u64, Registers> = BTreeMap::new();
        loop {
            let mut changed = false;
            for (&start, block) in plan.blocks.iter().rev() {
                let onward = block
                    .successors()
                    .filter_map(|target| live.get(&target))
                    .fold(0, |all, set| all | set);
                let noted = notes[&start];
                // What a loop has not stored is stored when it is left.
                let kept = loops.at(start).map_or(0, |kept| kept.written);
                let now = noted.read | kept | (onward & !noted.written);
                changed |= live.insert(start, now) != Some(now);
            }
            if !changed {
                break;
            }
        }
        let all = notes.values().fold(0, |all, noted| all | noted.read | noted.written);
        Self { all, live_in: live[&plan.entry] }
    }

    /// One more than the highest register used.
    pub(super) fn registers(&self) -> Register {
        Register::try_from(128 - self.all.leading_zeros()).expect("at most 128")
    }

    /// The registers whose values at the entry matter.
    pub(super) fn live_in(&self) -> impl Iterator<Item = Register> {
        let set = self.live_in;
        (0..128).filter(move |register| set >> register & 1 != 0)
    }
}
