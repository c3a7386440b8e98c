//! Which accesses are likely to stay on the page of the last one.
//!
//! Problem: a look into the TLB costs a dozen host instructions, and most accesses go where the
//! last one through the same register went: stack frames, structures, arrays walked in order.
//!
//! Strategy: for each base register the processor keeps the page that it last pointed into
//! ([`Recent`](crate::tlb::Recent)), which costs half to look at. A wrong guess costs a
//! mispredicted branch, so it is made only where the register is known to move little: it is never
//! set in the region but by adding small constants, or it was just used and has not been set since.
//! The semantics themselves are run on an emitter that follows registers, so no architecture has to
//! describe its operands twice.

use super::plan::Plan;
use crate::isa::{
    emit::{Access, Binary, Condition, Emitter, Register, Unary},
    guest::Guest,
};
use std::{collections::BTreeMap, convert::Infallible};

/// Most bytes that a register moves by in one instruction to count as moving little.
const SMALL_STEP_BYTES: u64 = 2048;

/// How an access finds its host address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// In the TLB.
    Table,
    /// In the TLB, and the answer is kept for this base.
    Keep(Register),
    /// By what was kept for this base, if that is right.
    Recent(Register),
}

/// An access of a block, in order.
#[derive(Clone, Copy, Debug)]
struct Use {
    /// Its base, when that is a register plus a constant.
    base: Option<Register>,
    /// How often the base was set to something else in this block before.
    version: u32,
    writes: bool,
}

/// A value as far as it is followed.
#[derive(Clone, Copy, Debug)]
enum Known {
    Constant(u64),
    /// A register's value plus a constant.
    Near(Register, u64),
    Unknown,
}

#[derive(Debug, Default)]
struct Follower {
    uses: Vec<Use>,
    versions: BTreeMap<Register, u32>,
}

impl Follower {
    fn access(&mut self, addr: Known, writes: bool) {
        let base = match addr {
            Known::Near(register, _) => Some(register),
            _ => None,
        };
        let version =
            base.and_then(|register| self.versions.get(&register)).copied().unwrap_or_default();
        self.uses.push(Use { base, version, writes });
    }
}

impl Emitter for Follower {
    type Value = Known;
    type Bool = ();
    type Stop = Infallible;

    fn constant(&mut self, value: u64) -> Known {
        Known::Constant(value)
    }
    fn get(&mut self, register: Register) -> Known {
        Known::Near(register, 0)
    }
    fn set(&mut self, register: Register, value: Known) {
        let small = |step: u64| step.cast_signed().unsigned_abs() <= SMALL_STEP_BYTES;
        if !matches!(value, Known::Near(from, step) if from == register && small(step)) {
            *self.versions.entry(register).or_default() += 1;
        }
    }
    fn binary(&mut self, operation: Binary, a: Known, b: Known) -> Known {
        match (operation, a, b) {
            (_, Known::Constant(a), Known::Constant(b)) => Known::Constant(operation.eval(a, b)),
            (Binary::Add, Known::Near(register, step), Known::Constant(more)) => {
                Known::Near(register, step.wrapping_add(more))
            }
            _ => Known::Unknown,
        }
    }
    fn unary(&mut self, _: Unary, _: Known) -> Known {
        Known::Unknown
    }
    fn compare(&mut self, _: Condition, _: Known, _: Known) {}
    fn select(&mut self, (): (), _: Known, _: Known) -> Known {
        Known::Unknown
    }
    fn bit(&mut self, (): ()) -> Known {
        Known::Unknown
    }
    fn load(&mut self, addr: Known, access: Access) -> Result<Known, Infallible> {
        self.access(addr, access.writes);
        Ok(Known::Unknown)
    }
    fn store(&mut self, addr: Known, _: Access, _: Known) -> Result<(), Infallible> {
        self.access(addr, true);
        Ok(())
    }
    fn call(&mut self, _: u32, _: [Known; 3]) -> Known {
        Known::Unknown
    }
    fn jump(&mut self, _: u64) {}
    fn jump_to(&mut self, _: Known) {}
    fn branch(&mut self, (): (), _: u64) {}
}

/// The ways of all accesses of a region, by block, in order.
pub(super) fn ways<G: Guest>(plan: &Plan<G::Instruction>) -> BTreeMap<u64, Vec<Way>> {
    let mut followed = BTreeMap::new();
    for (&start, block) in &plan.blocks {
        let mut follower = Follower::default();
        for step in &block.steps {
            if let Err(never) = G::emit(&step.decoded.instruction, step.pc, &mut follower) {
                match never {}
            }
        }
        followed.insert(start, follower);
    }
    let mut jumpy = 0_u128;
    let mut totals: BTreeMap<(Register, bool), u32> = BTreeMap::new();
    for follower in followed.values() {
        jumpy = follower.versions.keys().fold(jumpy, |set, register| set | 1 << register);
        for used in &follower.uses {
            if let Some(base) = used.base {
                *totals.entry((base, used.writes)).or_default() += 1;
            }
        }
    }
    let loops = plan.blocks.iter().any(|(start, block)| {
        block.successors().any(|target| target <= *start && plan.blocks.contains_key(&target))
    });
    let ways = |follower: &Follower| {
        let way = |(index, used): (usize, &Use)| {
            let Some(base) = used.base else { return Way::Table };
            if jumpy >> base & 1 == 0 {
                let worth = loops || totals[&(base, used.writes)] > 1;
                return if worth { Way::Recent(base) } else { Way::Table };
            }
            let same = |other: &&Use| {
                (other.base, other.version, other.writes) == (used.base, used.version, used.writes)
            };
            if follower.uses[..index].iter().any(|other| same(&other)) {
                Way::Recent(base)
            } else if follower.uses[index + 1..].iter().any(|other| same(&other)) {
                Way::Keep(base)
            } else {
                Way::Table
            }
        };
        follower.uses.iter().enumerate().map(way).collect()
    };
    followed.iter().map(|(start, follower)| (*start, ways(follower))).collect()
}
