//! The interpreter: instructions on plain numbers, with exact position.
//!
//! Two parts. [`run`] is the hot path: it goes from block to block through decoded code and does
//! what needs only registers and memory that the TLB serves; its own progress stays in host
//! registers. Everything else, a device, a fault, a control register, floating point, makes an
//! [`Interpreter`], which knows the position exactly, and hands the outcome back through
//! [`Progress`]. Traps are left there, too, so that the way back through the semantics is one small
//! value.

mod host_float;
mod step;

pub(super) use step::{End, Outcome, Step, run, run_one};

use super::access::Kind;
use super::csr;
use super::hart::Hart;
use super::instruction::{Body, Instruction};
use super::state::status;
use super::table;
use super::trap::Trap;
use crate::{bus::Width, isa::emit::Access, memory::PAGE_BYTES, vcpu::Surroundings};

/// The instruction trapped; the trap is in [`Progress`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop;

/// What the slow parts of a run tell the hot one.
#[derive(Debug)]
pub(super) struct Progress {
    /// Instructions of the run that the counters contain already.
    counted: u64,
    /// Where the present instruction leads, when `ends`.
    pub(super) next_pc: u64,
    /// Whether the run ends after the present instruction.
    ends: bool,
    /// Whether the slice ends after this instruction.
    pub(super) attention: bool,
    /// Why the present instruction stopped.
    trap: Trap,
}

impl Progress {
    fn new() -> Self {
        let trap = Trap { cause: 0, tval: 0 };
        Self { counted: 0, next_pc: 0, ends: false, attention: false, trap }
    }
}

/// Where the present instruction stands.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// Its virtual address.
    pc: u64,
    /// Its length in bytes.
    length: u8,
    /// Instructions that the run did before it.
    at: u64,
}

/// One instruction that needs more than registers and memory in the TLB.
pub struct Interpreter<'r, 'a> {
    pub(super) hart: &'r mut Hart,
    pub(super) around: &'r mut Surroundings<'a>,
    pub(super) progress: &'r mut Progress,
    place: Place,
}

impl Interpreter<'_, '_> {
    /// Runs an `exact` or illegal instruction, which is the last of its run.
    fn run_exact(&mut self, instruction: &Instruction) -> Result<(), Stop> {
        self.progress.next_pc = self.place.pc.wrapping_add(u64::from(self.place.length));
        self.progress.ends = true;
        match &instruction.body {
            Body::Table(id, operands) => {
                let done = self.place.at - self.progress.counted;
                self.hart.state.count(done, done);
                self.progress.counted = self.place.at;
                table::execute_exact(self, *id, operands)
            }
            Body::Illegal(bits) => self.trap(Trap::illegal(u64::from(*bits))),
            Body::Float(float) => unreachable!("{float:?} is not exact"),
        }
    }

    /// Makes the floating-point state dirty, or traps when it is off or the rounding mode is none.
    #[inline]
    fn begin_float(&mut self, rounds_dynamically: bool) -> Result<(), Stop> {
        let state = &mut self.hart.state;
        if state.mstatus & status::FS == 0 || (rounds_dynamically && state.frm > 4) {
            return self.illegal();
        }
        Ok(())
    }

    /// Virtual address of the present instruction.
    pub(super) fn pc(&self) -> u64 {
        self.place.pc
    }

    /// Steps on the timeline before the present instruction.
    fn position_steps(&self) -> u64 {
        self.around.clock.position.steps + self.hart.slice_steps + self.place.at
    }

    /// The `time` register.
    fn time(&self) -> u64 {
        self.around.clock.ticks_at(self.position_steps(), self.hart.configuration.tick_ns)
    }

    pub(super) fn csr_context(&self) -> csr::Context {
        let Hart { configuration, .. } = &*self.hart;
        csr::Context {
            features: configuration.features,
            hart: configuration.hart,
            time: self.time(),
        }
    }

    /// Stops the present instruction with a trap.
    #[cold]
    pub(super) fn trap(&mut self, trap: Trap) -> Result<(), Stop> {
        self.progress.trap = trap;
        Err(Stop)
    }

    /// The present instruction is illegal here.
    #[cold]
    pub(super) fn illegal(&mut self) -> Result<(), Stop> {
        let bits = self.hart.instruction_bits(self.around.memory, self.place.pc);
        self.trap(Trap::illegal(bits))
    }

    /// Ends the slice after this instruction if an interrupt can now be taken.
    pub(super) fn look_for_interrupts(&mut self) {
        let time = self.time();
        self.progress.attention |= self.hart.state.takeable_interrupt(time).is_some();
    }

    /// Ends the run after the present instruction.
    fn end_here(&mut self) {
        self.progress.ends = true;
        self.progress.next_pc = self.place.pc.wrapping_add(u64::from(self.place.length));
    }

    /// Traps as a store at virtual `addr` would.
    pub(super) fn fault_as_store(&mut self, addr: u64) -> Result<(), Stop> {
        match self.hart.translate(self.around.memory, addr, 1, Kind::Store) {
            Ok(_) => Ok(()),
            Err(trap) => self.trap(trap),
        }
    }

    /// Zeroes the aligned block of `bytes` bytes around virtual `addr`.
    pub(super) fn store_block(&mut self, addr: u64, bytes: u64) -> Result<(), Stop> {
        self.fault_as_store(addr)?;
        let base = addr & !(bytes - 1);
        for offset in (0..bytes).step_by(8) {
            self.store(base + offset, Access::new(Width::Double), 0)?;
        }
        Ok(())
    }

    /// A load that the TLB does not serve.
    #[cold]
    fn load(&mut self, addr: u64, access: Access) -> Result<u64, Stop> {
        let bytes = access.width.bytes();
        let kind = if access.writes { Kind::Store } else { Kind::Load };
        if access.aligned && !addr.is_multiple_of(bytes) {
            self.trap(Trap::misaligned(kind, addr))?;
        }
        let memory = self.around.memory;
        let first = bytes.min(PAGE_BYTES - addr % PAGE_BYTES);
        let mut raw = [0; 8];
        let (head, tail) = raw[..bytes as usize].split_at_mut(first as usize);
        match self.physical(addr, bytes, kind)? {
            (low, None) if memory.read(low, head).is_ok() => memory.note_read(low, bytes),
            (low, Some(high)) if memory.read(low, head).is_ok() => {
                if memory.read(high, tail).is_err() {
                    self.access_fault(kind, addr)?;
                }
                memory.note_read(low, first);
                memory.note_read(high, bytes - first);
            }
            (low, None) => {
                self.progress.attention = true;
                self.end_here();
                let steps = self.position_steps();
                let Ok(value) = self.around.bus.read(steps, low, access.width) else {
                    return self.access_fault(kind, addr).map(|()| 0);
                };
                return Ok(access.extend(value));
            }
            _ => self.access_fault(kind, addr)?,
        }
        self.end_on_change();
        Ok(access.extend(u64::from_le_bytes(raw)))
    }

    /// A store that the TLB does not serve; `value` has the bytes in memory's order.
    #[cold]
    fn store(&mut self, addr: u64, access: Access, value: u64) -> Result<(), Stop> {
        let bytes = access.width.bytes();
        if access.aligned && !addr.is_multiple_of(bytes) {
            self.trap(Trap::misaligned(Kind::Store, addr))?;
        }
        let memory = self.around.memory;
        let first = bytes.min(PAGE_BYTES - addr % PAGE_BYTES);
        let raw = value.to_le_bytes();
        let (head, tail) = raw[..bytes as usize].split_at(first as usize);
        match self.physical(addr, bytes, Kind::Store)? {
            (low, None) if memory.page_of(low).is_some() => {
                if memory.store(low, head).is_err() {
                    self.access_fault(Kind::Store, addr)?;
                }
            }
            (low, Some(high)) if memory.is_writable(low) && memory.is_writable(high) => {
                let whole = memory.write(low, head).and_then(|()| memory.write(high, tail));
                assert!(whole.is_ok(), "parts of a page of RAM are RAM");
            }
            (low, None) => {
                self.progress.attention = true;
                self.end_here();
                let steps = self.position_steps();
                if self.around.bus.write(steps, low, access.width, value).is_err() {
                    self.access_fault(Kind::Store, addr)?;
                }
            }
            _ => self.access_fault(Kind::Store, addr)?,
        }
        self.end_on_change();
        Ok(())
    }

    /// Ends the run when something was logged that caches must hear of.
    fn end_on_change(&mut self) {
        if self.around.memory.change_count() != self.hart.seen_changes {
            self.end_here();
        }
    }

    fn access_fault(&mut self, kind: Kind, addr: u64) -> Result<(), Stop> {
        self.trap(Trap::memory(super::mmu::Fault::Access, kind, addr))
    }

    /// Physical address of an access, and of its part on the next page when it crosses.
    fn physical(&mut self, addr: u64, bytes: u64, kind: Kind) -> Result<(u64, Option<u64>), Stop> {
        let memory = self.around.memory;
        let first = PAGE_BYTES - addr % PAGE_BYTES;
        let parts = self.hart.translate(memory, addr, bytes.min(first), kind).and_then(|low| {
            if bytes <= first {
                return Ok((low, None));
            }
            let next = addr.wrapping_add(first);
            let high = self.hart.translate(memory, next, bytes - first, kind)?;
            Ok((low, Some(high)))
        });
        parts.map_err(|trap| {
            self.progress.trap = trap;
            Stop
        })
    }
}
