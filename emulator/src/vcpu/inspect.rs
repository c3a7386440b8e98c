//! What a debugger may see and change of a processor, without knowing its architecture.
//!
//! Problem: GDB, a DAP client, a trace and a condition all want registers by name, and none of them
//! may know one architecture. Strategy: the architecture describes its registers in one static
//! table, in the order and under the feature names of GDB's target descriptions (GDB manual,
//! appendix G, "Target Descriptions"); everything else is generated from that table.
//!
//! Invariants: nothing here changes what the guest sees, except the two calls that write; a
//! register's number is its place in the table, counted through all features.
//! Deliberately absent: wide vector registers (more than 128 bits); they come when an architecture
//! that has them does.

use std::collections::BTreeSet;

use crate::{clock::Clock, memory::GuestMemory};

/// What a register holds, for presentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegisterKind {
    /// A number.
    Integer,
    /// An address of code.
    CodePointer,
    /// An address of data.
    DataPointer,
    /// A floating-point number in IEEE 754 format of the register's width.
    Float,
}

/// One register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Register {
    /// Name, as the architecture's manual and GDB write it.
    pub name: &'static str,
    /// Width in bits: a multiple of 8, at most 128.
    pub bits: u32,
    /// What it holds.
    pub kind: RegisterKind,
}

/// A group of registers: one feature of a GDB target description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feature {
    /// GDB's name of the feature, such as `org.gnu.gdb.riscv.cpu`.
    pub name: &'static str,
    /// The registers, in order.
    pub registers: &'static [Register],
}

/// The processor as a debugger knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Architecture {
    /// GDB's name of the architecture, such as `riscv:rv64`.
    pub gdb_name: &'static str,
    /// Register groups. A register's number counts through all of them from 0.
    pub features: &'static [Feature],
    /// Number of the program counter.
    pub pc: usize,
    /// Number of the stack pointer.
    pub sp: usize,
    /// Whether numbers in registers and memory are stored with the lowest byte first.
    pub little_endian: bool,
    /// Whether GDB takes the watchpoints of this architecture to trigger in front of the access, and
    /// so takes a step of its own before it looks at the value (`have_nonsteppable_watchpoint` in
    /// GDB's source).
    pub gdb_steps_past_watched: bool,
}

impl Architecture {
    /// All registers in the order of their numbers.
    pub fn registers(&self) -> impl Iterator<Item = &'static Register> {
        self.features.iter().flat_map(|feature| feature.registers)
    }

    /// The register called `name` and its number.
    #[must_use]
    pub fn register(&self, name: &str) -> Option<(usize, &'static Register)> {
        self.registers().enumerate().find(|(_, register)| register.name == name)
    }
}

/// A decoded instruction as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disassembly {
    /// Mnemonic and operands, as the architecture's assembler writes them.
    pub text: String,
    /// Length of the instruction in bytes, at least 1.
    pub bytes: usize,
}

/// How often a processor left what it was doing. Counted since it was built, and no part of its
/// saved state: of two counts the difference says something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traps {
    /// Interrupts taken.
    pub interrupts: u64,
    /// Exceptions taken, calls included.
    pub exceptions: u64,
}

/// A processor as a debugger sees it.
pub trait Inspect {
    /// The architecture and its register table.
    fn architecture(&self) -> &'static Architecture;

    /// The value of register `number`, zero-extended; `None` when this processor lacks it (a
    /// feature that is switched off). Reading has no side effect.
    fn read_register(&self, number: usize, clock: &Clock) -> Option<u128>;

    /// Sets register `number`; false when it cannot be written.
    fn write_register(&mut self, number: usize, value: u128, clock: &Clock) -> bool;

    /// Virtual address of the next instruction.
    fn pc(&self) -> u64;

    /// The privilege that it runs with, as its manual calls it, such as `supervisor`.
    fn mode(&self) -> &'static str;

    /// Traps taken so far.
    fn traps(&self) -> Traps;

    /// The physical address of virtual `addr` under the current page table and mode, or `None` when
    /// nothing is mapped. Permissions are ignored; neither page tables nor TLB change.
    fn translate(&self, memory: &GuestMemory, addr: u64) -> Option<u64>;

    /// Stops in front of every instruction at one of these virtual addresses from now on, with
    /// [`SliceEnd::Breakpoint`](super::SliceEnd::Breakpoint). Interrupts go first: a step that takes an
    /// interrupt is no execution of the instruction. Not part of the saved state.
    fn set_breakpoints(&mut self, addrs: &BTreeSet<u64>);

    /// Whether breakpoints stop the processor from now on, or are passed over. Cheap, unlike changing
    /// them.
    fn heed_breakpoints(&mut self, heeded: bool);

    /// Notes from now on in which pages instructions are executed, beginning with none, or ceases to.
    fn note_executed(&mut self, _on: bool) {}

    /// What was noted ([`ExecutedPages`](super::ExecutedPages)); `None` when nothing is.
    fn executed_pages(&self) -> Option<&BTreeSet<u64>> {
        None
    }

    /// The instruction that `bytes` begin with, as if it stood at virtual `addr`; `None` when the
    /// bytes are too few or no instruction.
    fn disassemble(&self, bytes: &[u8], addr: u64) -> Option<Disassembly>;
}
