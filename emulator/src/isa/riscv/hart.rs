//! A RISC-V hart: state, TLB, decoded code, and the loop that runs it.
//!
//! Interrupts are sampled at the start of a slice, nowhere else; whatever may make one takeable
//! ends the slice. So when an interrupt is taken depends on the timeline alone.
//!
//! The TLB is coherent with page tables: pages that were walked are marked in [`GuestMemory`], and
//! a store to one of them drops what its entries map before the next instruction. Fences therefore
//! do nothing, and no eviction or flush can be seen.

mod fetch;
mod served;
mod tables;

use std::collections::BTreeMap;

use vmstate::VmState;

use super::access::{Kind, Rights};
use super::features::Features;
use super::instruction::Instruction;
use super::interpreter::{self, End};
use super::mmu::{self, Fault, Paging};
use super::state::{Privilege, State, environment, interrupt, status};
use super::trap::{Trap, cause};
use tables::TableUse;

use crate::{
    clock::{Clock, next_change_ns},
    frame::Frame,
    isa::{code::CodeCache, emit::Register},
    memory::{Change, Changes, GuestMemory},
    tlb::{self, PAGE_MASK, Tlb},
    vcpu::{Breakpoints, ExecutedPages, Slice, SliceEnd, Surroundings, Traps},
};

/// The emitter's register that holds the address of the load reservation.
pub const RESERVATION_ADDRESS: Register = 64;

/// The emitter's register that holds the reserved value.
pub const RESERVATION_VALUE: Register = 65;

/// What a hart is built with.
#[derive(VmState, Clone, Copy, Debug, PartialEq, Eq)]
#[vmstate(version = 1, name = "riscv-hart-configuration")]
pub struct Configuration {
    /// `mhartid`.
    #[vmstate(equal)]
    pub hart: u64,
    /// What it has.
    #[vmstate(equal)]
    pub features: Features,
    /// Where it starts.
    #[vmstate(equal)]
    pub reset_pc: u64,
    /// Nanoseconds of virtual time that one tick of `time` lasts.
    #[vmstate(equal)]
    pub tick_ns: u64,
}

impl Default for Configuration {
    fn default() -> Self {
        Self { hart: 0, features: Features::default(), reset_pc: 0x1000, tick_ns: 100 }
    }
}

/// A hart.
#[repr(C)]
#[derive(VmState, Debug)]
#[vmstate(version = 1, name = "riscv-hart", post_load = Self::loaded)]
pub struct Hart {
    /// Architectural state.
    pub state: State,
    /// Virtual addresses to host memory; a cache.
    #[vmstate(skip("a cache of page tables, coherent with them"))]
    pub tlb: Tlb,
    /// What translated code needs beside the state; a cache.
    #[vmstate(skip("the translator's; caches only"))]
    pub frame: Frame,
    pub(super) configuration: Configuration,
    /// Decoded code; a cache.
    #[vmstate(skip("a cache of memory"))]
    code: CodeCache<Instruction>,
    /// Changes of memory that the caches have followed.
    #[vmstate(skip("where the caches stand in this run's log"))]
    pub(super) seen_changes: u64,
    /// Page tables that the TLB depends on.
    #[vmstate(skip("what the TLB holds now"))]
    tables: BTreeMap<usize, TableUse>,
    /// Steps taken in this slice.
    #[vmstate(skip("slices end before a save"))]
    pub(super) slice_steps: u64,
    /// Of supervisor and machine, and of user.
    #[vmstate(skip("counts what the caches dropped"))]
    fetch_generations: [u64; 2],
    #[vmstate(skip("counts what the caches dropped"))]
    protection_generation: u64,
    #[vmstate(skip("the debugger's"))]
    pub(super) breakpoints: Breakpoints,
    #[vmstate(skip("the debugger's"))]
    pub(super) executed: ExecutedPages,
    #[vmstate(skip("counts for whoever looks"))]
    pub(super) traps: Traps,
    /// It woke when this slice began.
    #[vmstate(skip("slices end before a save"))]
    woke: bool,
    /// The state was replaced: cached translations must go before anything runs.
    #[vmstate(skip("about the caches"))]
    stale: bool,
}

/// Levels of the page tables that a value of `satp` selects; 0 for none.
fn levels_of(satp: u64) -> u32 {
    match satp >> 60 {
        8 => 3,
        9 => 4,
        _ => 0,
    }
}

/// Physical page number of the root table in a value of `satp`.
fn root_of(satp: u64) -> u64 {
    satp & ((1 << 44) - 1)
}

impl Hart {
    /// A hart in its reset state.
    #[must_use]
    pub fn new(configuration: Configuration) -> Self {
        Self {
            state: State::at_reset(configuration.reset_pc),
            tlb: Tlb::default(),
            frame: Frame::default(),
            configuration,
            code: CodeCache::default(),
            seen_changes: 0,
            tables: BTreeMap::new(),
            slice_steps: 0,
            fetch_generations: [0; 2],
            protection_generation: 0,
            breakpoints: Breakpoints::default(),
            executed: ExecutedPages::default(),
            traps: Traps::default(),
            woke: false,
            stale: false,
        }
    }

    /// What it was built with.
    #[must_use]
    pub fn configuration(&self) -> &Configuration {
        &self.configuration
    }

    /// Steps taken since [`Hart::begin_slice`].
    #[must_use]
    pub fn slice_steps(&self) -> u64 {
        self.slice_steps
    }

    /// A number that changes whenever a fetch with `privilege` may have come to mean something else.
    #[inline]
    #[must_use]
    pub fn fetch_generation(&self, privilege: Privilege) -> u64 {
        self.fetch_generations[usize::from(privilege == Privilege::User)]
    }

    /// A number that changes whenever memory protection may have.
    #[must_use]
    pub fn protection_generation(&self) -> u64 {
        self.protection_generation
    }

    /// What translated code is specialised on: privilege, SUM, data privilege, FS, frm, whether
    /// *inexact* is raised, and whether addresses are translated.
    #[must_use]
    pub fn mode(&self) -> u64 {
        let state = &self.state;
        let paged = u64::from(state.satp >> 60 != 0 && state.privilege() != Privilege::Machine);
        u64::from(state.privilege)
            | (self.data_context() as u64) << 2
            | (state.mstatus & status::FS) >> status::FS_SHIFT << 4
            | u64::from(state.frm) << 6
            | u64::from(state.fflags & 1) << 9
            | paged << 10
    }

    /// The TLB context of loads and stores.
    #[inline]
    pub(super) fn data_context(&self) -> usize {
        self.context_of(self.state.data_privilege())
    }

    /// The TLB context of fetches.
    #[inline]
    pub(super) fn fetch_context(&self) -> usize {
        self.context_of(self.state.privilege())
    }

    #[inline]
    fn context_of(&self, privilege: Privilege) -> usize {
        match privilege {
            Privilege::Machine => 0,
            Privilege::Supervisor => 1 + usize::from(self.state.mstatus & status::SUM != 0),
            Privilege::User => 3,
        }
    }

    /// Begins a slice: positions count from the clock of its surroundings.
    pub fn begin_slice(&mut self) {
        self.slice_steps = 0;
        self.woke = false;
    }

    /// Counts `steps` instructions that were run elsewhere (translated code).
    pub fn count(&mut self, steps: u64) {
        self.slice_steps += steps;
        self.state.count(steps, steps);
    }

    /// The `time` register now.
    fn time(&self, clock: &Clock) -> u64 {
        clock.ticks_at(clock.position.steps + self.slice_steps, self.configuration.tick_ns)
    }

    /// Takes a pending interrupt, which is a step, or wakes up. `None` when the hart waits.
    pub fn sample_interrupts(&mut self, clock: &Clock) -> Option<()> {
        let time = self.time(clock);
        self.woke = self.state.waiting;
        if self.state.waiting {
            if self.state.pending(time) & self.state.mie == 0 {
                return None;
            }
            self.state.waiting = false;
        }
        if let Some(number) = self.state.takeable_interrupt(time) {
            self.enter_trap(clock, Trap { cause: cause::INTERRUPT | number, tval: 0 });
        }
        Some(())
    }

    /// The slice took no step, so it leaves nothing behind: a hart that woke waits on.
    pub(super) fn took_nothing(&mut self) {
        self.state.waiting |= self.woke;
    }

    /// Takes a trap at `state.pc`, which is a step that retires nothing.
    fn enter_trap(&mut self, clock: &Clock, trap: Trap) {
        let steps = clock.position.steps + self.slice_steps;
        let interrupt = trap.cause & cause::INTERRUPT != 0;
        self.traps.interrupts += u64::from(interrupt);
        self.traps.exceptions += u64::from(!interrupt);
        self.state.take_trap(trap.cause, trap.tval, steps);
        self.state.count(1, 0);
        self.slice_steps += 1;
    }

    /// Drops every cached translation.
    pub(super) fn flush_translations(&mut self, memory: &GuestMemory) {
        self.fetch_generations = self.fetch_generations.map(|number| number + 1);
        self.protection_generation += 1;
        self.tlb.flush();
        for page in std::mem::take(&mut self.tables).into_keys() {
            memory.remove_table_user(page);
        }
    }

    /// Drops cached translations that went through page tables.
    pub(super) fn flush_paged_translations(&mut self, memory: &GuestMemory) {
        self.fetch_generations = self.fetch_generations.map(|number| number + 1);
        for context in 1..tlb::CONTEXTS {
            self.tlb.flush_context(context);
        }
        for page in std::mem::take(&mut self.tables).into_keys() {
            memory.remove_table_user(page);
        }
    }

    /// Follows the changes of memory since the last look. Returns why the slice ends with them, if
    /// it does.
    pub fn follow(&mut self, memory: &GuestMemory) -> Option<SliceEnd> {
        if std::mem::take(&mut self.stale) {
            self.flush_translations(memory);
        }
        let mut end = None;
        while memory.change_count() != self.seen_changes {
            let changes = memory.changes_since(self.seen_changes);
            self.seen_changes = memory.change_count();
            match changes {
                Changes::Everything => {
                    self.flush_translations(memory);
                    self.code.clear();
                    // Whatever was in it: the machine looks at everything.
                    end = Some(SliceEnd::Attention);
                }
                Changes::Since(changes) => {
                    for change in changes {
                        let heard = self.follow_one(memory, change);
                        if end != Some(SliceEnd::Attention) {
                            end = heard.or(end);
                        }
                    }
                }
            }
        }
        end
    }

    fn follow_one(&mut self, memory: &GuestMemory, change: Change) -> Option<SliceEnd> {
        match change {
            Change::Code { page } => self.code.forget(page),
            Change::Revoked { page } => self.tlb.revoke(memory, Some(page)),
            Change::RevokedAll => self.tlb.revoke(memory, None),
            Change::Watched { .. } | Change::WatchedRead { .. } => return Some(SliceEnd::Watched),
            Change::Mailbox => return Some(SliceEnd::Attention),
            Change::RevokedReads => self.flush_translations(memory),
            Change::Table { page, offset, bytes } => {
                self.follow_table(memory, page, offset / 8..=(offset + bytes - 1) / 8);
            }
        }
        None
    }

    /// How an access of `kind` is translated now.
    fn paging(&self, privilege: Privilege) -> Paging {
        let state = &self.state;
        Paging {
            levels: if privilege == Privilege::Machine { 0 } else { levels_of(state.satp) },
            root: root_of(state.satp),
            user: privilege == Privilege::User,
            sum: state.mstatus & status::SUM != 0,
            mxr: state.mstatus & status::MXR != 0,
            adue: state.menvcfg & environment::ADUE != 0,
            pbmte: state.menvcfg & environment::PBMTE != 0,
        }
    }

    /// The physical address for an access of `bytes` bytes inside one page at virtual `addr`. Fills
    /// the TLB where the answer holds for the whole page.
    ///
    /// # Errors
    /// The trap that the access takes.
    pub(super) fn translate(
        &mut self,
        memory: &GuestMemory,
        addr: u64,
        bytes: u64,
        kind: Kind,
    ) -> Result<u64, Trap> {
        let privilege = match kind {
            Kind::Fetch => self.state.privilege(),
            Kind::Load | Kind::Store => self.state.data_privilege(),
        };
        let machine = privilege == Privilege::Machine;
        let paging = self.paging(privilege);
        let mut tables = [0; 4];
        let mut depth = 0;
        let walked = mmu::walk(memory, &self.state.pmp, &paging, addr, kind, |entry| {
            tables[depth] = entry;
            depth += 1;
        });
        let mapping = walked.map_err(|fault| Trap::memory(fault, kind, addr))?;
        let physical = mapping.page | (addr & !PAGE_MASK);
        if !self.state.pmp.allows(physical, bytes, kind, machine) {
            return Err(Trap::memory(Fault::Access, kind, addr));
        }
        let rights = self.state.pmp.page_rights(mapping.page, machine);
        if let (Some(page), Some(rights)) = (memory.page_of(physical), rights) {
            let rights = rights & mapping.rights;
            let executable = rights.contains(Rights::EXECUTE).then_some(privilege);
            for (level, &entry) in (0..paging.levels).rev().zip(&tables[..depth]) {
                self.depend_on(memory, entry, addr, 12 + 9 * level, executable);
            }
            let context = self.context_of(privilege);
            let of = |right| rights.contains(right);
            let all = (of(Rights::READ), of(Rights::WRITE), of(Rights::EXECUTE));
            self.tlb.fill(context, addr, memory, page, all);
        }
        Ok(physical)
    }

    /// The physical address of virtual `addr` for data, permissions ignored; nothing changes.
    pub(super) fn translate_for_debugger(&self, memory: &GuestMemory, addr: u64) -> Option<u64> {
        let privilege = self.state.data_privilege();
        let paging = self.paging(privilege);
        let kinds = [Kind::Load, Kind::Fetch, Kind::Store];
        let contexts = [privilege, Privilege::User, Privilege::Supervisor];
        kinds.into_iter().flat_map(|kind| contexts.map(|privilege| (kind, privilege))).find_map(
            |(kind, privilege)| {
                let user = privilege == Privilege::User;
                let paging = Paging { adue: false, user, sum: true, mxr: true, ..paging };
                let mapping =
                    mmu::walk(memory, &self.state.pmp, &paging, addr, kind, |_| {}).ok()?;
                Some(mapping.page | (addr & !PAGE_MASK))
            },
        )
    }

    /// Whether a block at `offset` of RAM page `page` was run, as far as that is remembered.
    pub(super) fn was_entered(&self, page: usize, offset: usize) -> bool {
        self.code.block_at(page, offset).is_some()
    }

    /// Runs blocks until the budget is used or something ends the slice.
    pub fn interpret(&mut self, budget: u64, around: &mut Surroundings<'_>) -> Slice {
        self.interpret_while(budget, around, false, &mut |_| false)
    }

    /// Runs blocks until the budget is used, something ends the slice, or `watch` says so of the pc
    /// of the next block; an `eager` run also ends with whatever may have changed the mode.
    pub(super) fn interpret_while(
        &mut self,
        budget: u64,
        around: &mut Surroundings<'_>,
        eager: bool,
        watch: &mut impl FnMut(u64) -> bool,
    ) -> Slice {
        let before = self.slice_steps;
        let mut code = std::mem::take(&mut self.code);
        let attentive = self.breakpoints.are_heeded() || self.executed.is_on();
        let mut attentive = attentive
            .then(|| (std::mem::take(&mut self.breakpoints), std::mem::take(&mut self.executed)));
        let end = loop {
            let taken = self.slice_steps - before;
            if taken >= budget {
                break SliceEnd::Budget;
            }
            if self.stale || around.memory.change_count() != self.seen_changes {
                std::mem::swap(&mut self.code, &mut code);
                let heard = self.follow(around.memory);
                std::mem::swap(&mut self.code, &mut code);
                if let Some(end) = heard {
                    break end;
                }
            }
            let generation = self.fetch_generation(self.state.privilege());
            code.follow(self.fetch_context(), generation);
            let left = budget - taken;
            let mut outcome = if let Some((breakpoints, executed)) = &mut attentive {
                let pc = self.state.pc;
                if breakpoints.stop_at(pc) {
                    break SliceEnd::Breakpoint;
                }
                executed.note(pc);
                // Blocks lead into each other: near a breakpoint each instruction is asked for.
                let most = if breakpoints.are_near(pc) { 1 } else { left };
                let mut asking = |pc| {
                    let enough = watch(pc) || breakpoints.are_near(pc);
                    if !enough {
                        executed.note(pc);
                    }
                    enough
                };
                interpreter::run(self, around, &code, most, &mut asking)
            } else {
                interpreter::run(self, around, &code, left, watch)
            };
            if outcome.end == End::Unknown {
                outcome = self.find_block(&mut code, around);
            }
            if let End::Trapped(trap) = outcome.end {
                self.enter_trap(around.clock, trap);
            }
            if outcome.attention {
                break SliceEnd::Attention;
            }
            if eager && outcome.end != End::Unknown {
                break SliceEnd::Budget;
            }
        };
        self.code = code;
        if let Some((breakpoints, executed)) = attentive {
            (self.breakpoints, self.executed) = (breakpoints, executed);
        }
        // A watched store in the last block ends the slice with it.
        let end = match (end, self.follow(around.memory)) {
            (SliceEnd::Attention, _) => end,
            (end, heard) => heard.unwrap_or(end),
        };
        Slice { steps: self.slice_steps - before, end }
    }

    /// Whether any interrupt is pending that would end waiting.
    pub(super) fn is_waiting(&self, clock: &Clock) -> bool {
        let time = clock.ticks(self.configuration.tick_ns);
        self.state.waiting && self.state.pending(time) & self.state.mie == 0
    }

    /// Virtual time at which its own timer becomes pending, when that matters.
    pub(super) fn timer_ns(&self, clock: &Clock) -> Option<u64> {
        let state = &self.state;
        let armed = state.menvcfg & environment::STCE != 0 && state.mie & interrupt::STI != 0;
        let (now_ns, tick_ns) = (clock.now_ns(), self.configuration.tick_ns);
        let next = || next_change_ns(now_ns, tick_ns, clock.offset_ticks, state.stimecmp);
        armed.then(next).flatten()
    }

    /// Drops all caches: nothing that the guest sees changes.
    pub fn forget_caches(&mut self, memory: &GuestMemory) {
        self.flush_translations(memory);
        self.code.clear();
    }

    pub(super) fn reset_state(&mut self) {
        self.state = State::at_reset(self.configuration.reset_pc);
        self.state_replaced();
    }

    fn loaded(&mut self) -> Result<(), String> {
        let State { menvcfg, stimecmp, .. } = self.state;
        let has_timer = self.configuration.features.contains(Features::SSTC);
        if !has_timer && (menvcfg & environment::STCE != 0 || stimecmp != u64::MAX) {
            return Err(format!(
                "the CPU model has no SSTC, which state.menvcfg ({menvcfg:#x}) or state.stimecmp \
                 ({stimecmp:#x}) uses"
            ));
        }
        self.state_replaced();
        Ok(())
    }

    /// The state was replaced from outside (reset, load): cached translations go before the next
    /// instruction.
    pub fn state_replaced(&mut self) {
        self.slice_steps = 0;
        self.stale = true;
    }
}
