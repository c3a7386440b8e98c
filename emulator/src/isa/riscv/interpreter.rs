//! The interpreter: instructions on plain numbers, with exact position.
//!
//! One [`Interpreter`] runs one block. The number of instructions done is a field, so that whatever
//! needs the position (a device access, a trap, a counter) has it; a trap is left in a field, so
//! that the way back through the semantics is one small value.

use super::access::Kind;
use super::csr;
use super::float;
use super::hart::{Hart, RESERVATION_ADDRESS, RESERVATION_VALUE};
use super::instruction::{Body, Instruction};
use super::state::status;
use super::table::{self, PATTERNS};
use super::trap::Trap;
use crate::{
    bus::Width,
    isa::{
        code::Placed,
        emit::{Access, Binary, Condition, Emitter, Register, Unary},
    },
    memory::PAGE_BYTES,
    tlb,
    vcpu::Surroundings,
};

/// The instruction trapped; the trap is in the interpreter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop;

/// A run of one block.
pub struct Interpreter<'h, 'a> {
    pub(super) hart: &'h mut Hart,
    pub(super) around: &'h mut Surroundings<'a>,
    /// TLB context of data.
    context: usize,
    /// Virtual address of the page.
    page: u64,
    /// Instructions done.
    pub(super) at: usize,
    /// Instructions to do; shortened when the block must end after the present one.
    pub(super) end: usize,
    /// Instructions that the counters contain already.
    pub(super) counted: usize,
    /// Where the block's last instruction leads.
    pub(super) next_pc: u64,
    /// Whether the slice ends after this instruction.
    pub(super) attention: bool,
    /// The present instruction.
    pc: u64,
    length: u8,
    /// Why the present instruction stopped.
    pub(super) trap: Trap,
}

impl<'h, 'a> Interpreter<'h, 'a> {
    /// A run of `end` instructions on the page at virtual `page`, leading to `next_pc`.
    pub(super) fn new(
        hart: &'h mut Hart,
        around: &'h mut Surroundings<'a>,
        page: u64,
        end: usize,
        next_pc: u64,
    ) -> Self {
        let context = hart.data_context();
        let trap = Trap { cause: 0, tval: 0 };
        let (at, counted, pc, length, attention) = (0, 0, 0, 0, false);
        Self { hart, around, context, page, at, end, counted, next_pc, attention, pc, length, trap }
    }

    /// Runs the instructions up to the end or a trap.
    #[inline]
    pub(super) fn run(&mut self, ops: &[Placed<Instruction>]) -> Result<(), Stop> {
        while self.at < self.end {
            let placed = &ops[self.at];
            let pc = self.page.wrapping_add(u64::from(placed.offset));
            self.step(&placed.op, pc)?;
            self.at += 1;
        }
        Ok(())
    }

    /// Runs one instruction.
    #[inline(always)]
    pub(super) fn step(&mut self, instruction: &Instruction, pc: u64) -> Result<(), Stop> {
        match &instruction.body {
            Body::Table(id, operands) => {
                if PATTERNS[*id as usize].exact {
                    return self.step_exact(instruction, pc);
                }
                table::emit(self, *id, operands, pc)
            }
            _ => self.step_exact(instruction, pc),
        }
    }

    /// Runs what needs to know where it is.
    #[inline(never)]
    fn step_exact(&mut self, instruction: &Instruction, pc: u64) -> Result<(), Stop> {
        self.pc = pc;
        self.length = instruction.length;
        match &instruction.body {
            Body::Table(id, operands) => {
                let done = (self.at - self.counted) as u64;
                self.hart.state.count(done, done);
                self.counted = self.at;
                table::execute_exact(self, *id, operands)
            }
            Body::Float(instruction) => {
                let state = &self.hart.state;
                let unusable = instruction.rounds_dynamically() && state.frm > 4;
                if state.mstatus & status::FS == 0 || unusable {
                    return self.illegal();
                }
                instruction.execute(self)?;
                self.hart.state.mstatus |= status::FS;
                Ok(())
            }
            Body::Illegal(bits) => self.trap(Trap::illegal(u64::from(*bits))),
        }
    }

    /// Virtual address of the present instruction, in `exact` ones.
    pub(super) fn pc(&self) -> u64 {
        self.pc
    }

    /// Steps on the timeline before the present instruction.
    fn position_steps(&self) -> u64 {
        self.around.clock.position.steps + self.hart.slice_steps + self.at as u64
    }

    /// The `time` register.
    fn time(&self) -> u64 {
        self.around.clock.ns_at(self.position_steps()) / self.hart.configuration.tick_ns
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
        self.trap = trap;
        Err(Stop)
    }

    /// The present instruction is illegal here.
    #[cold]
    pub(super) fn illegal(&mut self) -> Result<(), Stop> {
        let bits = self.hart.instruction_bits(self.around.memory, self.pc, self.length);
        self.trap(Trap::illegal(bits))
    }

    /// Ends the slice after this instruction if an interrupt can now be taken.
    pub(super) fn look_for_interrupts(&mut self) {
        let time = self.time();
        self.attention |= self.hart.state.takeable_interrupt(time).is_some();
    }

    /// Ends the block after the present instruction.
    fn end_here(&mut self) {
        self.end = self.at + 1;
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
    #[inline(never)]
    fn slow_load(&mut self, addr: u64, access: Access) -> Result<u64, Stop> {
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
                self.attention = true;
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

    /// A store that the TLB does not serve.
    #[cold]
    #[inline(never)]
    fn slow_store(&mut self, addr: u64, access: Access, value: u64) -> Result<(), Stop> {
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
                self.attention = true;
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

    /// Ends the block when something was logged that caches must hear of.
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
            self.trap = trap;
            Stop
        })
    }
}

impl Emitter for Interpreter<'_, '_> {
    type Value = u64;
    type Bool = bool;
    type Stop = Stop;

    #[inline(always)]
    fn constant(&mut self, value: u64) -> u64 {
        value
    }

    #[inline(always)]
    fn get(&mut self, register: Register) -> u64 {
        let state = &self.hart.state;
        match register {
            0..32 => state.x[usize::from(register)],
            32..64 => state.f[usize::from(register - 32)],
            RESERVATION_ADDRESS => state.reservation_address,
            _ => state.reservation_value,
        }
    }

    #[inline(always)]
    fn set(&mut self, register: Register, value: u64) {
        let state = &mut self.hart.state;
        match register {
            0..32 => state.x[usize::from(register)] = value,
            32..64 => state.f[usize::from(register - 32)] = value,
            RESERVATION_ADDRESS => state.reservation_address = value,
            RESERVATION_VALUE => state.reservation_value = value,
            _ => {}
        }
    }

    #[inline(always)]
    fn binary(&mut self, operation: Binary, a: u64, b: u64) -> u64 {
        operation.eval(a, b)
    }

    #[inline(always)]
    fn unary(&mut self, operation: Unary, a: u64) -> u64 {
        operation.eval(a)
    }

    #[inline(always)]
    fn compare(&mut self, condition: Condition, a: u64, b: u64) -> bool {
        condition.eval(a, b)
    }

    #[inline(always)]
    fn select(&mut self, condition: bool, a: u64, b: u64) -> u64 {
        if condition { a } else { b }
    }

    #[inline(always)]
    fn bit(&mut self, condition: bool) -> u64 {
        u64::from(condition)
    }

    #[inline(always)]
    fn load(&mut self, addr: u64, access: Access) -> Result<u64, Stop> {
        let kind = if access.writes { tlb::Kind::Write } else { tlb::Kind::Read };
        if !access.aligned || addr & (access.width.bytes() - 1) == 0 {
            let memory = self.around.memory;
            if let Some(value) = self.hart.tlb.load(memory, self.context, kind, addr, access.width)
            {
                return Ok(access.extend(value));
            }
        }
        self.slow_load(addr, access)
    }

    #[inline(always)]
    fn store(&mut self, addr: u64, access: Access, value: u64) -> Result<(), Stop> {
        let value = access.swapped(value);
        if !access.aligned || addr & (access.width.bytes() - 1) == 0 {
            let memory = self.around.memory;
            if self.hart.tlb.store(memory, self.context, addr, access.width, value) {
                return Ok(());
            }
        }
        self.slow_store(addr, access, value)
    }

    #[inline(always)]
    fn call(&mut self, function: u32, values: [u64; 3]) -> u64 {
        let state = &mut self.hart.state;
        float::call(function, values, state.frm, &mut state.fflags)
    }

    #[inline(always)]
    fn jump(&mut self, target: u64) {
        self.next_pc = target;
    }

    #[inline(always)]
    fn jump_to(&mut self, target: u64) {
        self.next_pc = target;
    }

    #[inline(always)]
    fn branch(&mut self, condition: bool, taken: u64) {
        if condition {
            self.next_pc = taken;
        }
    }
}
