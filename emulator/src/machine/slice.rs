//! One slice of one hart, and the bus that the hart sees meanwhile.
//!
//! Nothing is due before a slice ends, so where it is cut cannot be seen: a debugger's breakpoints and
//! watched accesses cut it, and it goes on at once when the debugger does not want to stay.

use super::{Fabric, Machine, Onlooker, Stop};
use crate::{
    bus::{Bus, BusFault, Width},
    clock::{Clock, Position},
    digest::Transcript,
    door::Door,
    memory::GuestMemory,
    vcpu::{Slice, SliceEnd, Surroundings},
};

/// An access of a hart to a device, noted for whoever explains a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Steps of the whole machine before the instruction.
    pub steps: u64,
    /// Physical address.
    pub addr: u64,
    /// Its width in bytes: 1, 2, 4 or 8.
    pub bytes: u64,
    /// Whether it was a write.
    pub is_write: bool,
    /// The value read or written, in its lowest bytes; `None` for a fault.
    pub value: Option<u64>,
}

/// Accesses noted at most: what comes later is not.
const ACCESSES_MAX: usize = 1 << 20;

/// The bus as a hart sees it during one slice.
struct FabricBus<'a> {
    accesses: Option<&'a mut Vec<Access>>,
    fabric: &'a mut Fabric,
    transcript: &'a mut Transcript,
    memory: &'a GuestMemory,
    clock: &'a Clock,
}

impl Bus for FabricBus<'_> {
    fn read(&mut self, steps: u64, addr: u64, width: Width) -> Result<u64, BusFault> {
        let result = self.fabric.read(self.memory, self.clock.ns_at(steps), addr, width);
        self.note(Access {
            steps,
            addr,
            bytes: width.bytes(),
            is_write: false,
            value: result.ok(),
        });
        result
    }

    fn write(&mut self, steps: u64, addr: u64, width: Width, value: u64) -> Result<(), BusFault> {
        let result = self.fabric.write(self.memory, self.clock.ns_at(steps), addr, width, value);
        let value = result.is_ok().then_some(value & width.mask());
        self.note(Access { steps, addr, bytes: width.bytes(), is_write: true, value });
        result
    }
}

impl FabricBus<'_> {
    #[inline]
    fn note(&mut self, access: Access) {
        let Access { steps, addr, bytes, is_write, value } = access;
        self.transcript.access(steps, addr, bytes, is_write, value);
        if let Some(accesses) = &mut self.accesses
            && accesses.len() < ACCESSES_MAX
        {
            accesses.push(access);
        }
    }
}

impl Machine {
    /// Runs one slice of the hart whose turn it is.
    pub(super) fn slice(
        &mut self,
        onlooker: &mut dyn Onlooker,
        door: &mut dyn Door,
        until: Position,
    ) -> Option<Stop> {
        let position = self.clock.position;
        // A limit that lies in idle time which does not come is passed by one step.
        let until_steps = until.steps.max(position.steps + 1);
        let end = self.horizon_steps().min(door.horizon(self.moment())).min(until_steps);
        let cursor = self.state.schedule.cursor();
        let mut left = (end - position.steps).min(self.state.schedule.steps_left());
        debug_assert!(left > 0, "something is due at {position:?} and has not been settled");
        loop {
            let before = self.clock.position;
            let mut slice = self.run_hart(cursor, left);
            left -= slice.steps;
            if slice.end == SliceEnd::Breakpoint {
                if onlooker.stays_at(self, cursor) {
                    return Some(Stop::Debug { hart: cursor });
                }
                self.harts[cursor].inspect_mut().heed_breakpoints(false);
                slice = self.run_hart(cursor, 1);
                self.harts[cursor].inspect_mut().heed_breakpoints(true);
                left -= slice.steps;
            }
            let is_passed = match slice.end {
                SliceEnd::Budget | SliceEnd::Watched if left == 0 => false,
                SliceEnd::Budget => true,
                SliceEnd::Watched if onlooker.stays_behind(self, before, cursor) => {
                    return Some(Stop::Debug { hart: cursor });
                }
                SliceEnd::Watched => true,
                SliceEnd::Breakpoint | SliceEnd::Attention | SliceEnd::Idle => false,
            };
            // Where a slice is cut cannot be seen, and nothing is due: it goes on.
            if !is_passed {
                return None;
            }
        }
    }

    /// Has a hart take at most `budget` steps, and counts them.
    fn run_hart(&mut self, hart: usize, budget: u64) -> Slice {
        let position = self.clock.position;
        let mut bus = FabricBus {
            accesses: self.accesses.as_mut(),
            fabric: &mut self.fabric,
            transcript: &mut self.state.transcript,
            memory: &self.memory,
            clock: &self.clock,
        };
        let mut around = Surroundings { memory: &self.memory, bus: &mut bus, clock: &self.clock };
        let slice = self.harts[hart].run(budget, &mut around);
        assert!(slice.steps <= budget, "hart {hart} took {} of {budget}", slice.steps);
        if slice.steps > 0 {
            let steps = position.steps + slice.steps;
            self.clock.position = Position { steps, sequence: 0, ..position };
            self.state.schedule.took(slice.steps);
        }
        slice
    }
}
