//! GDB's remote protocol in front of the engine.
//!
//! Problem: GDB needs registers of its own architectures, threads, and an answer to Ctrl-C at any
//! time. Strategy: the protocol is the crate `gdbstub`'s; this module says in its words what the
//! engine offers, one file an extension, and generates the target description from the register
//! table of the architecture. A hart is a thread, numbered from 1. A thread of our own reads the
//! connection, so that the machine runs at full speed and still hears an interrupt.
//!
//! Invariants: nothing outside of this folder knows GDB; a session changes nothing in a recording;
//! when the connection is lost, all its stop points go.
//!
//! Deliberately absent: conditions as GDB's agent expressions (gdbstub drops them, GDB then
//! evaluates on its side; `monitor break ADDR if EXPR` evaluates on ours), scheduler locking (harts
//! that stand still would leave the timeline: a locked step moves the others as their turns come),
//! non-stop mode.

mod breakpoints;
mod connection;
mod description;
mod memory;
mod monitor;
mod registers;
mod resume;
mod reverse;
mod session;
mod threads;

pub use connection::{ConnectionError, Endpoint, Listener, Stream, Waiting, Wire};
pub use session::{Ending, serve};

use gdbstub::{
    arch::Arch,
    common::Tid,
    target::{
        Target,
        ext::{
            base::BaseOps, breakpoints::BreakpointsOps, monitor_cmd::MonitorCmdOps,
            target_description_xml_override::TargetDescriptionXmlOverrideOps,
        },
    },
};

use super::{DebugError, Engine, Motion, Reason, Stop, monitor::Session};
use connection::Heart;

/// Any architecture, as far as gdbstub's types go: the description carries the rest.
enum Described {}

impl Arch for Described {
    type Usize = u64;
    type Registers = registers::RegisterFile;
    type BreakpointKind = usize;
    type RegId = registers::RegisterNumber;
}

/// The engine as gdbstub sees it.
struct Stub<'a> {
    session: &'a mut Session,
    description: String,
    heart: Heart,
    /// What the next resumption does.
    motion: Motion,
    /// Whether GDB was told that the machine can go back.
    goes_back: bool,
    /// The step that GDB is about to take for nothing (see [`Stub::carry_out`]).
    owed: Option<Owed>,
}

/// A step of this hart, forward or back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Owed {
    hart: usize,
    back: bool,
}

impl<'a> Stub<'a> {
    fn new(session: &'a mut Session, heart: Heart) -> Self {
        let description = description::target_xml(session.engine.architecture());
        let goes_back = session.engine.is_replay();
        Self { session, description, heart, motion: Motion::Continue, goes_back, owed: None }
    }

    /// Carries the motion out.
    ///
    /// On architectures whose watchpoints trigger in front of the access, GDB takes one step more,
    /// in the direction of the motion, before it looks at the watched value. Our stops are behind
    /// the access already (going back: in front of it), so that step is answered without one, and
    /// the user stands exactly at the access.
    fn carry_out(&mut self) -> Result<Stop, DebugError> {
        let motion = self.motion.clone();
        let back = matches!(motion, Motion::ReverseContinue | Motion::ReverseStep { .. });
        let owed = self.owed.take();
        if back && !self.engine().is_replay() {
            return Ok(Stop { hart: self.engine().focus(), reason: Reason::Begin });
        }
        if let Motion::Step { hart } | Motion::StepRange { hart, .. } | Motion::ReverseStep { hart } =
            motion
            && owed == Some(Owed { hart, back })
        {
            return Ok(Stop { hart, reason: Reason::Done });
        }
        let stop = self.engine().resume(motion)?;
        if matches!(stop.reason, Reason::Watchpoint { .. })
            && self.engine().architecture().gdb_steps_past_watched
        {
            self.owed = Some(Owed { hart: stop.hart, back });
        }
        Ok(stop)
    }

    fn engine(&mut self) -> &mut Engine {
        &mut self.session.engine
    }

    /// The hart whose page table a memory access of `hart` goes through; none for physical ones.
    fn space(&self, tid: Tid) -> Option<usize> {
        (!self.session.physical).then(|| hart_of(tid))
    }
}

fn hart_of(tid: Tid) -> usize {
    tid.get() - 1
}

fn tid_of(hart: usize) -> Tid {
    // A hart's number is far below the largest; saturating keeps the conversion total.
    Tid::MIN.saturating_add(hart)
}

impl Target for Stub<'_> {
    type Arch = Described;
    type Error = DebugError;

    fn base_ops(&mut self) -> BaseOps<'_, Described, DebugError> {
        BaseOps::MultiThread(self)
    }

    fn support_breakpoints(&mut self) -> Option<BreakpointsOps<'_, Self>> {
        Some(self)
    }

    fn support_monitor_cmd(&mut self) -> Option<MonitorCmdOps<'_, Self>> {
        Some(self)
    }

    fn support_target_description_xml_override(
        &mut self,
    ) -> Option<TargetDescriptionXmlOverrideOps<'_, Self>> {
        Some(self)
    }
}
