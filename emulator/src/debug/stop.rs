//! Why the machine stops: breakpoints, watchpoints and the reasons reported for a stop.

use super::expression::Expression;

/// How a watched address is accessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Reads.
    Read,
    /// Writes.
    Write,
    /// Writes that change what is there.
    Change,
    /// Both.
    Any,
}

impl Access {
    /// Whether a watch of this kind is interested in reads.
    #[must_use]
    pub fn reads(self) -> bool {
        matches!(self, Self::Read | Self::Any)
    }

    /// Whether a watch of this kind is interested in writes.
    #[must_use]
    pub fn writes(self) -> bool {
        self != Self::Read
    }
}

/// Who set a breakpoint, and as what. All kinds work alike; a front end wants its own back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BreakpointKind {
    /// The front end's software breakpoint. Guest memory is not changed.
    Software,
    /// The front end's hardware breakpoint.
    Hardware,
    /// Set by `break` in the monitor.
    Monitor,
}

/// A stop in front of an instruction.
#[derive(Clone, Debug)]
pub struct Breakpoint {
    /// Virtual address of the instruction.
    pub addr: u64,
    /// Who set it.
    pub kind: BreakpointKind,
    /// Stop only when this is not zero.
    pub condition: Option<Expression>,
}

/// A stop at an access to memory: going forward behind the instruction that made it, going back in
/// front of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watchpoint {
    /// First address, as the front end wrote it.
    pub addr: u64,
    /// Length in bytes, at least 1.
    pub bytes: u64,
    /// Which accesses.
    pub access: Access,
    /// The hart under whose page table `addr` is looked up, when the machine is resumed; `None`
    /// for a physical address.
    pub hart: Option<usize>,
}

/// Why the machine stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The step that was asked for is done, or the position sought is reached.
    Done,
    /// In front of an instruction with a breakpoint.
    Breakpoint {
        /// Virtual address.
        addr: u64,
        /// Who set it.
        kind: BreakpointKind,
        /// Why its condition could not be evaluated, which stops as well.
        complaint: Option<String>,
    },
    /// At an access to watched memory.
    Watchpoint {
        /// The watchpoint's address, as the front end wrote it.
        addr: u64,
        /// The watchpoint's kind.
        access: Access,
    },
    /// The user interrupted.
    Interrupted,
    /// The recording begins here.
    Begin,
    /// The recording ends here.
    End,
    /// The guest switched the machine off.
    PowerOff {
        /// Exit code.
        code: u8,
    },
}

/// A stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// The hart that it concerns; for a machine-wide reason the one in focus.
    pub hart: usize,
    /// Why.
    pub reason: Reason,
}
