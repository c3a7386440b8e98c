//! What a translator asks of an architecture: all that it ever knows of one.

use crate::{
    frame::Frame,
    isa::emit::{Access, Emitter, Flow, Register},
    memory::GuestMemory,
    vcpu::{Breakpoints, ExecutedPages, Slice, SliceEnd, Surroundings},
};
use std::ops::Range;

/// Byte offsets inside a processor, which is a `#[repr(C)]` struct that does not move while code
/// runs.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// The program counter, a `u64`.
    pub pc: usize,
    /// The [`Frame`].
    pub frame: usize,
    /// The [`Tlb`](crate::tlb::Tlb).
    pub tlb: usize,
    /// Where each register lives, a `u64`.
    pub register: fn(Register) -> usize,
    /// A register that always reads as zero, if there is one.
    pub zero: Option<Register>,
    /// Those that hold floating-point numbers most of the time.
    pub float_registers: (Register, Register),
}

impl Layout {
    /// The registers that hold floating-point numbers.
    #[must_use]
    pub fn floats(&self) -> Range<Register> {
        self.float_registers.0..self.float_registers.1
    }
}

/// What code may assume about floating point in a mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FloatMode {
    /// The "inexact" flag is set already.
    pub inexact_is_set: bool,
    /// The processor's rounding mode is to nearest, ties to even.
    pub rounds_to_nearest: bool,
}

/// One decoded instruction.
#[derive(Clone, Copy, Debug)]
pub struct Decoded<I> {
    /// The instruction.
    pub instruction: I,
    /// Its length in bytes.
    pub length: u8,
    /// Where control goes.
    pub flow: Flow,
}

/// A processor whose code can be translated.
pub trait Guest: Send + Sized + 'static {
    /// A decoded instruction.
    type Instruction: Copy + Send + std::fmt::Debug + 'static;

    /// Where its fields are.
    const LAYOUT: Layout;

    /// Its frame.
    fn frame(&mut self) -> &mut Frame;

    /// Where it stands.
    fn pc(&self) -> u64;

    /// Everything beside pc and bytes that code is specialised on (privilege, paging, enabled
    /// extensions, rounding mode, ..). Opaque here. Only [`Guest::interpret`] and [`Guest::call`]
    /// change it.
    fn mode(&self) -> u64;

    /// What `mode` says about floating point.
    fn float_mode(mode: u64) -> FloatMode;

    /// The context of the TLB that data accesses use in `mode`.
    fn tlb_context(mode: u64) -> usize;

    /// Whether in `mode` virtual addresses are physical ones.
    fn is_unpaged(mode: u64) -> bool;

    /// A number that changes whenever in `mode` a virtual address may have come to mean another page
    /// for fetches, or may no longer be fetched from.
    fn fetch_generation(&self, mode: u64) -> u64;

    /// The number of the RAM page that holds the code at `pc`, when a fetch there succeeds. Changes
    /// nothing that a guest sees.
    fn code_page(&mut self, memory: &GuestMemory, pc: u64) -> Option<usize>;

    /// Whether control ever went to `offset` of RAM page `page`, as far as is known. A hint: what was
    /// never entered is not worth translating.
    fn was_entered(&self, page: usize, offset: usize) -> bool;

    /// Decodes the instruction at `pc` from the bytes up to the end of its page. `None` when it is
    /// cut off there.
    fn decode(bytes: &[u8], pc: u64, mode: u64) -> Option<Decoded<Self::Instruction>>;

    /// The semantics. Never called for [`Flow::Interpret`].
    ///
    /// # Errors
    /// What the emitter's accesses report.
    fn emit<E: Emitter>(
        instruction: &Self::Instruction,
        pc: u64,
        emitter: &mut E,
    ) -> Result<(), E::Stop>;

    /// Does a load that missed the TLB when it is an ordinary one from RAM, filling the TLB. `None`,
    /// with nothing changed that a guest sees, for everything else: the interpreter will run the
    /// instruction.
    fn slow_load(&mut self, memory: &GuestMemory, addr: u64, access: Access) -> Option<u64>;

    /// The same for a store; also refuses when the store is one that others must hear of (code,
    /// page tables, watched).
    fn slow_store(&mut self, memory: &GuestMemory, addr: u64, access: Access, value: u64) -> bool;

    /// The function that [`Emitter::call`] names.
    fn call(&mut self, function: u32, values: [u64; 3]) -> u64;

    /// A number that changes whenever physical memory may have become executable or ceased to be.
    fn protection_generation(&self) -> u64;

    /// Reacts to what was logged in `memory` since the last call: afterwards no stale tag is left in
    /// the TLB. Returns why the slice ends with that, if it does.
    fn synchronize(&mut self, memory: &GuestMemory) -> Option<SliceEnd>;

    /// Counts `steps` instructions that translated code retired.
    fn count(&mut self, steps: u64);

    /// Starts a slice: takes a pending interrupt (that is one step), or finds that nothing can run.
    /// Goes on when the slice's end is [`SliceEnd::Budget`].
    fn begin(&mut self, budget: u64, around: &mut Surroundings<'_>) -> Slice;

    /// The slice that [`Guest::begin`] began took no step: what that did to the saved state is undone.
    fn took_nothing(&mut self);

    /// Breakpoints: code must leave in front of each, the interpreter asks whether it stops.
    fn breakpoints(&self) -> &Breakpoints;

    /// The pages in which instructions are executed, when someone wants to know. The interpreter notes
    /// by itself; code has to be entered through the dispatcher until its page is noted.
    fn executed(&mut self) -> &mut ExecutedPages;

    /// Interprets `budget` steps, or up to the first thing that ends a slice.
    fn interpret(&mut self, budget: u64, around: &mut Surroundings<'_>) -> Slice;

    /// The same until `watch` says so of the pc of the next block, or something may have changed
    /// the mode. [`SliceEnd::Budget`] says to go on.
    fn interpret_until(
        &mut self,
        budget: u64,
        around: &mut Surroundings<'_>,
        watch: impl FnMut(u64) -> bool,
    ) -> Slice;
}
