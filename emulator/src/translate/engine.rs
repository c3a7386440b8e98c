//! The dispatcher: chooses the tier for every stretch of a slice.
//!
//! Everything that changes code memory happens here, between stretches: draining the change log,
//! installing what the compiler finished, linking, evicting. Generated code therefore never runs
//! while its memory changes.
//!
//! Why no tier is visible to the guest: generated code counts exactly the instructions that it
//! completes, leaves in front of everything it cannot do, and does nothing else than what the
//! interpreter would; the two share the semantics. Which of them runs a stretch is decided by
//! heat, by what is compiled and by the host's threads, none of which guests can read.

#![expect(unsafe_code, reason = "enters generated code")]

use super::{
    TranslatorError,
    arena::Arena,
    background::{Compiler, Job, Made},
    callbacks,
    code::{Code, Key, Known, Slots, new_slots},
    config::{EngineConfig, Stats},
    exit::Exit,
    heat::{Heat, Worth},
    host::Host,
    plan::Plan,
    shims,
};
use crate::{
    isa::guest::Guest,
    memory::{Change, Changes, GuestMemory, PAGE_BYTES, PAGE_SHIFT},
    vcpu::{Breakpoints, Slice, SliceEnd, Surroundings},
};
use std::collections::{BTreeMap, BTreeSet};

/// Regions that wait for the compiler at most.
const MOST_PENDING: usize = 64;

/// The way into generated code: `(processor, steps left, pc, code) -> steps left`.
type Enter<G> = unsafe extern "C" fn(*mut G, i64, u64, u64) -> i64;

/// A region that the compiler has.
#[derive(Debug)]
struct Pending {
    key: Key,
    /// The page's version when its bytes were read.
    version: u32,
    instructions: u64,
    unpaged: bool,
    slots: Slots,
}

/// The translator of one processor.
#[derive(Debug)]
pub struct Engine<G: Guest> {
    code: Code,
    compiler: Compiler<G>,
    heat: Heat,
    pending: BTreeMap<u64, Pending>,
    next_job: u64,
    enter: Enter<G>,
    shims: [u64; 3],
    seen_changes: u64,
    seen_protection: u64,
    seen_breakpoints: u64,
    /// How often pages began to be noted.
    seen_notes: u64,
    /// Virtual addresses that no region holds.
    stops: BTreeSet<u64>,
    mode: u64,
    table: usize,
    /// What the interpreter stopped for, and where.
    stopped_for: (u64, Worth),
    stats: Stats,
}

impl<G: Guest> Engine<G> {
    /// An engine with no code yet.
    ///
    /// # Errors
    /// [`TranslatorError`] when this host cannot be translated for or gives no memory for code.
    pub fn new(config: EngineConfig) -> Result<Self, TranslatorError> {
        let mut host = Host::new()?;
        let mut arena = Arena::new(1, 1 << 16)?;
        let pc = super::emission::offset(G::LAYOUT.pc);
        let enter = shims::enter(&mut host, &mut arena)?;
        let leave = shims::leave(&mut host, &mut arena, pc)?;
        let targets: [extern "C" fn(*mut G, u64, u64, u64); 3] =
            [callbacks::load::<G>, callbacks::store::<G>, callbacks::call::<G>];
        let mut made = [0; 3];
        for (shim, target) in made.iter_mut().zip(targets) {
            *shim = shims::shim(&mut host, &mut arena, target as *const () as u64)?;
        }
        let regions = Arena::new(config.code_segments, config.segment_bytes)?;
        // SAFETY: the shim was generated with exactly this signature, and its arena lives as long
        // as the engine.
        let enter = unsafe { std::mem::transmute::<*const (), Enter<G>>(address(enter)) };
        Ok(Self {
            code: Code::new(regions, arena, leave, config.code_segments),
            compiler: Compiler::new(host, config.compilation)?,
            heat: Heat::new(config.threshold),
            pending: BTreeMap::new(),
            next_job: 0,
            enter,
            shims: made,
            seen_changes: 0,
            seen_protection: 0,
            seen_breakpoints: 0,
            seen_notes: 0,
            stops: BTreeSet::new(),
            mode: 0,
            table: 0,
            stopped_for: (0, Worth::Nothing),
            stats: Stats::default(),
        })
    }

    /// What it did so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// Forgets all code. The guest does not notice.
    pub fn flush(&mut self) {
        self.code.clear();
        self.pending.clear();
    }

    /// Takes at most `budget` steps, in both tiers.
    pub fn run(&mut self, guest: &mut G, budget: u64, around: &mut Surroundings<'_>) -> Slice {
        let slice = self.run_slice(guest, budget, around);
        if slice.steps == 0 {
            guest.took_nothing();
        }
        slice
    }

    fn run_slice(&mut self, guest: &mut G, budget: u64, around: &mut Surroundings<'_>) -> Slice {
        let begun = guest.begin(budget, around);
        if begun.end != SliceEnd::Budget || begun.steps == budget {
            return begun;
        }
        let mut left = budget - begun.steps;
        if let Some(end) = guest.synchronize(around.memory) {
            return Slice { steps: begun.steps, end };
        }
        while left > 0 {
            let mut whole = false;
            self.attend(guest, around.memory);
            if let Some(code) = self.find(guest, around.memory) {
                let (exit, now) = self.enter(guest, around.memory, code, left);
                self.stats.translated_steps += left - now;
                let progress = now != left;
                left = now;
                whole = exit == Exit::Budget as u64;
                if exit == Exit::Mode as u64 || (exit == 0 && progress) {
                    continue;
                }
            }
            if left == 0 {
                break;
            }
            let slice = if whole {
                guest.interpret(left, around)
            } else {
                self.interpret(guest, left, around)
            };
            self.stats.interpreted_steps += slice.steps;
            left -= slice.steps;
            if slice.end != SliceEnd::Budget {
                return Slice { steps: budget - left, end: slice.end };
            }
        }
        Slice { steps: budget, end: SliceEnd::Budget }
    }

    /// Interprets until there is code to enter, or a block that was entered often.
    fn interpret(&mut self, guest: &mut G, left: u64, around: &mut Surroundings<'_>) -> Slice {
        let (heat, mode) = (&mut self.heat, self.mode);
        let jumps = self.code.jumps(self.table);
        let mut stopped_for = (0, Worth::Nothing);
        let slice = guest.interpret_until(left, around, |pc| {
            if jumps.get(pc).is_some() {
                return true;
            }
            let worth = heat.count(pc, mode);
            stopped_for = (pc, worth);
            worth != Worth::Nothing
        });
        self.stopped_for = stopped_for;
        slice
    }

    /// Catches up with what happened to memory, to mappings and in the compiler.
    #[inline]
    fn attend(&mut self, guest: &mut G, memory: &GuestMemory) {
        if memory.change_count() != self.seen_changes {
            self.drain_changes(memory);
            // What was watched ended the interpreter's stretch already.
            guest.synchronize(memory);
        }
        let protection = guest.protection_generation();
        if protection != self.seen_protection {
            self.seen_protection = protection;
            self.code.unlink_pages();
        }
        if guest.breakpoints().generation() != self.seen_breakpoints {
            self.take_breakpoints(guest.breakpoints());
        }
        let notes = guest.executed().generation();
        if notes != self.seen_notes {
            self.seen_notes = notes;
            self.code.unlink_all();
        }
        while let Some(made) = self.compiler.poll() {
            self.install(guest, memory, made);
        }
        let mode = guest.mode();
        if mode != self.mode || self.stats.entries == 0 {
            self.mode = mode;
            self.table = self.code.table(mode);
        }
        self.code.jumps(self.table).follow(guest.fetch_generation(mode));
    }

    #[cold]
    fn drain_changes(&mut self, memory: &GuestMemory) {
        let changes = memory.changes_since(self.seen_changes);
        self.seen_changes = memory.change_count();
        match changes {
            Changes::Everything => self.flush(),
            Changes::Since(changes) => {
                for change in changes {
                    if let Change::Code { page } = change {
                        self.stats.invalidated += self.code.invalidate(page);
                    }
                }
            }
        }
    }

    /// Forgets the code on every page whose breakpoints changed: it is planned anew.
    #[cold]
    fn take_breakpoints(&mut self, breakpoints: &Breakpoints) {
        self.seen_breakpoints = breakpoints.generation();
        let changed = self.stops.symmetric_difference(breakpoints.addrs());
        let changed = changed.map(|addr| addr >> PAGE_SHIFT).collect();
        for page in self.code.pages_at(&changed) {
            self.stats.invalidated += self.code.invalidate(page);
        }
        self.stops.clone_from(breakpoints.addrs());
    }

    #[cold]
    fn install(&mut self, guest: &mut G, memory: &GuestMemory, made: Made) {
        self.stats.compile_ns += made.compile_ns;
        let Some(pending) = self.pending.remove(&made.number) else { return };
        let key = pending.key;
        let expected = matches!(
            self.code.get(&key),
            Some(Known::Pending(number)) if *number == made.number
        );
        if !expected || memory.page_version(key.page) != pending.version {
            return;
        }
        let Some((code, targets)) = made.code else {
            self.code.note(key, Known::Unfit);
            return;
        };
        self.stats.regions += 1;
        self.stats.instructions += pending.instructions;
        self.stats.code_bytes += code.len() as u64;
        let exits = targets.into_iter().map(|pc| {
            let page = if pc >> PAGE_SHIFT == key.pc >> PAGE_SHIFT {
                Some(key.page)
            } else {
                debug_assert!(pending.unpaged, "only unpaged code links across pages");
                memory.page_of(pc)
            };
            page.map(|page| Key { pc, page, ..key })
        });
        let exits = exits.collect();
        let executed = guest.executed();
        let may_link = |pc| executed.allows(pc);
        self.stats.evicted += self.code.install(key, &code, pending.slots, exits, &may_link);
    }

    /// The code for where `guest` stands, if there is any; has it compiled when that is due.
    #[inline]
    fn find(&mut self, guest: &mut G, memory: &GuestMemory) -> Option<u64> {
        let pc = guest.pc();
        if let Some(code) = self.code.jumps(self.table).get(pc) {
            return Some(code);
        }
        self.find_slowly(guest, memory, pc)
    }

    fn find_slowly(&mut self, guest: &mut G, memory: &GuestMemory, pc: u64) -> Option<u64> {
        let (at, worth) = std::mem::replace(&mut self.stopped_for, (0, Worth::Nothing));
        let worth = if worth != Worth::Nothing && at == pc {
            worth
        } else {
            self.heat.count(pc, self.mode)
        };
        if worth == Worth::Nothing {
            return None;
        }
        let hot = worth == Worth::Compiling;
        let page = guest.code_page(memory, pc)?;
        let key = Key { pc, mode: self.mode, page };
        let known = self.code.get(&key);
        self.heat.note(pc, self.mode, matches!(known, Some(Known::Region(_))));
        match known {
            Some(Known::Region(region)) => {
                let code = region.code;
                self.code.jumps(self.table).insert(pc, code);
                guest.executed().note(pc);
                if self.seen_notes != 0 {
                    self.code.link(&key);
                }
                return Some(code);
            }
            Some(Known::Pending(_) | Known::Unfit) => return None,
            None if hot && self.pending.len() < MOST_PENDING => {}
            None => return None,
        }
        self.translate(guest, memory, key);
        // Marking the page as code may have revoked write tags, and compiling may be done.
        self.attend(guest, memory);
        match self.code.get(&key) {
            Some(Known::Region(region)) => {
                guest.executed().note(pc);
                Some(region.code)
            }
            _ => None,
        }
    }

    /// Hands the region at `key` to the compiler.
    fn translate(&mut self, guest: &G, memory: &GuestMemory, key: Key) {
        let mut bytes = [0; 1 << PAGE_SHIFT];
        let base = memory.address_of(key.page);
        memory.read(base, &mut bytes).expect("a page of RAM can be read");
        let was_entered = |offset| guest.was_entered(key.page, offset);
        let planned = Plan::new::<G>(&bytes, key.pc, key.mode, &self.stops, was_entered);
        let Some(plan) = planned else {
            // What was looked at must be watched, too: other bytes may be fit.
            let offset = key.pc % PAGE_BYTES;
            memory.mark_code(key.page, offset..PAGE_BYTES.min(offset + 16));
            self.code.note(key, Known::Unfit);
            return;
        };
        for extent in plan.extents() {
            memory.mark_code(key.page, extent);
        }
        let number = self.next_job;
        self.next_job += 1;
        let slots = new_slots(plan.most_exits(), self.code.leave);
        let pending = Pending {
            key,
            version: memory.page_version(key.page),
            instructions: plan.instructions() as u64,
            unpaged: G::is_unpaged(key.mode),
            slots,
        };
        let slots = pending.slots.as_ptr().expose_provenance() as u64;
        self.pending.insert(number, pending);
        self.code.note(key, Known::Pending(number));
        self.compiler.submit(Job { number, plan, slots });
    }

    /// Runs generated code. Gives why it left and the steps left.
    #[inline]
    fn enter(&mut self, guest: &mut G, memory: &GuestMemory, code: u64, left: u64) -> (u64, u64) {
        self.stats.entries += 1;
        let jumps = self.code.jumps(self.table).address();
        let pc = guest.pc();
        let frame = guest.frame();
        frame.exit = 0;
        frame.jumps = jumps;
        frame.memory = std::ptr::from_ref(memory).expose_provenance() as u64;
        [frame.load_shim, frame.store_shim, frame.call_shim] = self.shims;
        let budget = i64::try_from(left).unwrap_or(i64::MAX);
        // SAFETY: `code` is a region of this engine that was not given up, made for this type of
        // processor and its mode; nothing else uses the processor or changes code memory until it
        // returns, and the addresses in the frame stay valid that long.
        let rest = unsafe { (self.enter)(std::ptr::from_mut(guest), budget, pc, code) };
        let rest = u64::try_from(rest).expect("a region takes no more steps than it may");
        let frame = guest.frame();
        let exit = frame.exit;
        self.stats.misses += std::mem::take(&mut frame.misses);
        let taken = budget.cast_unsigned() - rest;
        guest.count(taken);
        (exit, left - taken)
    }
}

/// A code address as a pointer.
fn address(address: u64) -> *const () {
    #[expect(clippy::cast_possible_truncation, reason = "an address of this host")]
    std::ptr::with_exposed_provenance(address as usize)
}
