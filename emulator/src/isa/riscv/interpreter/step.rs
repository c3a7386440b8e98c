//! The hot path: from block to block through decoded code.
//!
//! What makes it quick: an instruction costs one look at a table of arms; its position, the budget
//! and where it goes are values that stay in host registers, and are written down only on the way
//! into an [`Interpreter`]; the next block is found by its virtual address.

use super::{Interpreter, Place, Progress, Stop, host_float};
use crate::isa::riscv::float::{self, FloatInstruction};
use crate::isa::riscv::hart::{Hart, RESERVATION_ADDRESS, RESERVATION_VALUE};
use crate::isa::riscv::instruction::{Body, Instruction};
use crate::isa::riscv::state::status;
use crate::isa::riscv::table;
use crate::isa::riscv::trap::Trap;
use crate::{
    isa::{
        code::CodeCache,
        emit::{Access, Binary, Condition, Emitter, HostFloat, Register, Unary},
    },
    tlb::{self, PAGE_MASK},
    vcpu::Surroundings,
};

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::isa::riscv) enum End {
    /// It took enough steps.
    Enough,
    /// The block at pc is not at hand.
    Unknown,
    /// An instruction asked for it.
    Asked,
    /// The instruction at pc trapped.
    Trapped(Trap),
}

/// How a run went; the processor's pc and counters are up to date.
#[derive(Clone, Copy, Debug)]
pub(in crate::isa::riscv) struct Outcome {
    /// Why it ended.
    pub(in crate::isa::riscv) end: End,
    /// Whether the slice ends.
    pub(in crate::isa::riscv) attention: bool,
}

/// What follows an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    /// The next one.
    Next,
    /// The one at this pc.
    Jump(u64),
    /// See [`Progress`].
    Look,
}

/// One instruction on its way.
pub(in crate::isa::riscv) struct Step<'s, 'a> {
    hart: &'s mut Hart,
    around: &'s mut Surroundings<'a>,
    progress: &'s mut Progress,
    /// TLB context of data.
    context: usize,
    /// Virtual address of its page.
    page: u64,
    /// Its offset inside.
    offset: u16,
    length: u8,
    /// Instructions that the run did before.
    at: u64,
    after: After,
}

/// Runs at most `budget` instructions, from block to block of `code`, until one ends the run or
/// `watch` says so of the pc of the next block.
#[inline(never)]
pub(in crate::isa::riscv) fn run(
    hart: &mut Hart,
    around: &mut Surroundings<'_>,
    code: &CodeCache<Instruction>,
    budget: u64,
    watch: &mut impl FnMut(u64) -> bool,
) -> Outcome {
    let (fetches, context) = (hart.fetch_context(), hart.data_context());
    let mut progress = Progress::new();
    let mut pc = hart.state.pc;
    let mut done = 0;
    let end = 'blocks: loop {
        let Some(block) = code.shortcut(fetches, pc) else { break End::Unknown };
        let ops = code.ops(block);
        let page = pc & PAGE_MASK;
        let most = ops.len().min(usize::try_from(budget - done).unwrap_or(usize::MAX));
        pc = page.wrapping_add(ops.get(most).map_or(block.end, |op| op.offset).into());
        for placed in &ops[..most] {
            let mut step = Step {
                hart: &mut *hart,
                around: &mut *around,
                progress: &mut progress,
                context,
                page,
                offset: placed.offset,
                length: placed.op.length,
                at: done,
                after: After::Next,
            };
            if let Err(Stop) = step.take(&placed.op) {
                pc = page.wrapping_add(placed.offset.into());
                break 'blocks End::Trapped(progress.trap);
            }
            let after = step.after;
            done += 1;
            match after {
                After::Next => {}
                After::Jump(target) => {
                    pc = target;
                    break;
                }
                After::Look if progress.ends => {
                    pc = progress.next_pc;
                    break 'blocks End::Asked;
                }
                After::Look => {}
            }
        }
        if done >= budget || watch(pc) {
            break End::Enough;
        }
    };
    finish(hart, &progress, pc, done, end)
}

/// Runs the one `instruction` that begins on `page` with `offset` and may end on the next one.
pub(in crate::isa::riscv) fn run_one(
    hart: &mut Hart,
    around: &mut Surroundings<'_>,
    instruction: &Instruction,
) -> Outcome {
    let pc = hart.state.pc;
    let mut progress = Progress::new();
    let mut step = Step {
        context: hart.data_context(),
        hart: &mut *hart,
        around,
        progress: &mut progress,
        page: pc & PAGE_MASK,
        offset: (pc & !PAGE_MASK) as u16,
        length: instruction.length,
        at: 0,
        after: After::Next,
    };
    let outcome = step.take(instruction);
    let after = step.after;
    if outcome.is_err() {
        let end = End::Trapped(progress.trap);
        return finish(hart, &progress, pc, 0, end);
    }
    let next_pc = match after {
        After::Jump(target) => target,
        After::Look if progress.ends => progress.next_pc,
        _ => pc.wrapping_add(instruction.length.into()),
    };
    finish(hart, &progress, next_pc, 1, End::Asked)
}

/// Brings counters and pc up to date.
fn finish(hart: &mut Hart, progress: &Progress, pc: u64, done: u64, end: End) -> Outcome {
    let uncounted = done - progress.counted;
    hart.state.count(uncounted, uncounted);
    hart.slice_steps += done;
    hart.state.pc = pc;
    Outcome { end, attention: progress.attention }
}

impl<'a> Step<'_, 'a> {
    #[inline(always)]
    fn take(&mut self, instruction: &Instruction) -> Result<(), Stop> {
        match &instruction.body {
            Body::Table(id, operands) => table::interpret(self, *id, operands, instruction),
            Body::Float(float) => self.float(float),
            Body::Illegal(_) => self.exact(instruction),
        }
    }

    fn place(&self) -> Place {
        Place { pc: self.pc(), length: self.length, at: self.at }
    }

    fn slowly(&mut self) -> Interpreter<'_, 'a> {
        let place = self.place();
        Interpreter {
            hart: &mut *self.hart,
            around: &mut *self.around,
            progress: &mut *self.progress,
            place,
        }
    }
}

impl<'a> Step<'_, 'a> {
    /// What needs exact position; always the last instruction of a run.
    #[inline(always)]
    pub(in crate::isa::riscv) fn exact(&mut self, instruction: &Instruction) -> Result<(), Stop> {
        self.after = After::Look;
        exact(self.slowly(), instruction)
    }

    /// Out of line with what it needs as values: were the address of `self` taken, all of it would
    /// live in memory.
    #[inline(always)]
    fn float(&mut self, instruction: &FloatInstruction) -> Result<(), Stop> {
        let (page, context) = (self.page, self.context);
        self.after = float(self.slowly(), page, context, instruction)?;
        Ok(())
    }
}

#[inline(never)]
fn exact(mut interpreter: Interpreter<'_, '_>, instruction: &Instruction) -> Result<(), Stop> {
    interpreter.run_exact(instruction)
}

#[inline(never)]
fn float(
    mut interpreter: Interpreter<'_, '_>,
    page: u64,
    context: usize,
    instruction: &FloatInstruction,
) -> Result<After, Stop> {
    interpreter.begin_float(instruction.rounds_dynamically())?;
    let Interpreter { hart, around, progress, place } = interpreter;
    let (offset, length, at) = ((place.pc & !PAGE_MASK) as u16, place.length, place.at);
    let after = After::Next;
    let mut step = Step { hart, around, progress, context, page, offset, length, at, after };
    instruction.execute(&mut step)?;
    step.hart.state.mstatus |= status::FS;
    Ok(step.after)
}

#[cold]
#[inline(never)]
fn load(mut interpreter: Interpreter<'_, '_>, addr: u64, access: Access) -> Result<u64, Stop> {
    interpreter.load(addr, access)
}

#[cold]
#[inline(never)]
fn store(
    mut interpreter: Interpreter<'_, '_>,
    addr: u64,
    access: Access,
    value: u64,
) -> Result<(), Stop> {
    interpreter.store(addr, access, value)
}

impl Step<'_, '_> {
    /// Virtual address of the instruction.
    #[inline(always)]
    pub(in crate::isa::riscv) fn pc(&self) -> u64 {
        self.page.wrapping_add(self.offset.into())
    }
}

impl Emitter for Step<'_, '_> {
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
        self.after = After::Look;
        load(self.slowly(), addr, access)
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
        self.after = After::Look;
        store(self.slowly(), addr, access, value)
    }

    #[inline(always)]
    fn call(&mut self, function: u32, values: [u64; 3]) -> u64 {
        let state = &mut self.hart.state;
        float::call(function, values, state.frm, &mut state.fflags)
    }

    #[inline(always)]
    fn float(&mut self, host: HostFloat, function: u32, values: [u64; 3]) -> u64 {
        let state = &self.hart.state;
        match host_float::evaluate(host, state.frm, state.fflags, values) {
            Some(result) => result,
            None => self.call(function, values),
        }
    }

    #[inline(always)]
    fn jump(&mut self, target: u64) {
        self.after = After::Jump(target);
    }

    #[inline(always)]
    fn jump_to(&mut self, target: u64) {
        self.after = After::Jump(target);
    }

    #[inline(always)]
    fn branch(&mut self, condition: bool, taken: u64) {
        if condition {
            self.after = After::Jump(taken);
        }
    }
}
