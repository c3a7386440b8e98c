//! What the machine knows of a processor: it runs slices, has interrupt lines and a deadline.
//!
//! The machine computes the budget of a slice (the next timer, the hart's quantum, the next
//! journal entry) and the processor takes EXACTLY that many steps, unless something ends the slice
//! early. Interrupt lines change between slices only.

mod breakpoints;
mod executed;
mod inspect;

pub use breakpoints::Breakpoints;
pub use executed::ExecutedPages;
pub use inspect::{Architecture, Disassembly, Feature, Inspect, Register, RegisterKind, Traps};

use vmstate::Instance;

use crate::{bus::Bus, clock::Clock, memory::GuestMemory};

/// What a processor may touch while it runs a slice.
pub struct Surroundings<'a> {
    /// Guest RAM: the one handle through which every write goes.
    pub memory: &'a GuestMemory,
    /// Devices.
    pub bus: &'a mut dyn Bus,
    /// The clock at the start of the slice; the processor adds the steps it has taken.
    pub clock: &'a Clock,
}

/// Why a slice ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SliceEnd {
    /// The whole budget was taken.
    Budget,
    /// An access or a control register may have changed interrupts or deadlines: the machine must
    /// look again before the next instruction.
    Attention,
    /// The processor waits for an interrupt and none is pending; it takes no steps until one is.
    Idle,
    /// The instruction at `pc`, which has not been executed, has a breakpoint that is heeded.
    Breakpoint,
    /// The last instruction accessed watched memory, and nothing else ends the slice.
    Watched,
}

/// The outcome of one slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// Steps taken, at most the budget; equal to it when `end` is [`SliceEnd::Budget`].
    pub steps: u64,
    /// Why it ended.
    pub end: SliceEnd,
}

/// One processor (hart, core) of any architecture.
pub trait Vcpu: Send {
    /// Takes at most `budget` steps. A slice without steps leaves the saved state as it was: one position
    /// has one state, however often a debugger stops there.
    fn run(&mut self, budget: u64, around: &mut Surroundings<'_>) -> Slice;

    /// Drives interrupt input `line`, numbered as the architecture numbers its causes.
    fn set_line(&mut self, line: u32, level: bool);

    /// Somebody else may have written memory: another processor had a turn, a device or a debugger
    /// stored. What an atomic sequence relies on (a load reservation, an exclusive monitor) ends.
    fn lose_reservation(&mut self);

    /// Virtual time in nanoseconds at which the processor itself wants to be looked at again (a
    /// compare register inside it), if any.
    fn deadline_ns(&self, clock: &Clock) -> Option<u64>;

    /// Whether it waits for an interrupt that is not pending.
    fn is_idle(&self, clock: &Clock) -> bool;

    /// Returns to the power-on state: derived defaults, `pc` at the reset vector.
    fn reset(&mut self);

    /// What its engine did so far, in words, if it has one worth telling about.
    fn report(&self) -> Option<String> {
        None
    }

    /// The saved state.
    fn instance(&self) -> &dyn Instance;

    /// The same, to load it.
    fn instance_mut(&mut self) -> &mut dyn Instance;

    /// A rolling hash over the traps taken so far, saved with the state: two runs that differ in
    /// one of them differ in it.
    fn transcript(&self) -> u64;

    /// The processor as a debugger sees it.
    fn inspect(&self) -> &dyn Inspect;

    /// The same, to change it.
    fn inspect_mut(&mut self) -> &mut dyn Inspect;
}
