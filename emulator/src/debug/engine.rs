//! The engine: stop points, motion in both directions, registers and memory.
//!
//! A stop that was reported is not reported again when the user moves on from it: the engine
//! remembers the position and steps over it. So a front end need not, and a hart that waits at a
//! breakpoint of its own is still reported.

mod effort;
mod forward;
mod history;
mod points;
mod resume;
mod reverse;
mod scouts;
mod trace;
mod window;

pub use effort::{Effort, Searched};
pub use history::Past;
pub use resume::Motion;
pub use trace::Traced;

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{Arc, atomic::AtomicBool},
};

use crate::{
    clock::Position,
    vcpu::{Architecture, Register},
};

use super::{
    Access, Breakpoint, BreakpointKind, Checkpoints, DebugError, Reason, Stop, Subject, Watch,
    Watchpoint, expression::Expression,
};
use effort::Notes;
use points::{HartValues, Points, pieces};
use scouts::Scouts;
use window::Window;

/// A debugger's session with a machine.
pub struct Engine {
    subject: Box<dyn Subject>,
    points: Points,
    /// What the subject was last told, so that a front end which removes and inserts everything at
    /// each stop costs nothing.
    armed_breakpoints: BTreeSet<u64>,
    armed_watches: Vec<Watch>,
    /// Where the last stop at a breakpoint was reported, and for which hart.
    reported: Option<(Position, usize)>,
    checkpoints: Checkpoints,
    window: Window,
    scouts: Option<Scouts>,
    effort: Effort,
    notes: Notes,
    searched: Searched,
    attention: Arc<AtomicBool>,
    focus: usize,
}

impl Engine {
    /// A session with `subject`; in replay at most `checkpoint_bytes` of host memory go into
    /// checkpoints.
    #[must_use]
    pub fn new(subject: Box<dyn Subject>, checkpoint_bytes: u64) -> Self {
        let checkpoints = Checkpoints::new(checkpoint_bytes, subject.extent());
        let mut engine = Self {
            subject,
            points: Points::default(),
            armed_breakpoints: BTreeSet::new(),
            armed_watches: Vec::new(),
            reported: None,
            checkpoints,
            window: Window::default(),
            scouts: None,
            effort: Effort::default(),
            notes: Notes::default(),
            searched: Searched::default(),
            attention: Arc::default(),
            focus: 0,
        };
        engine.subject.set_attention(Arc::clone(&engine.attention));
        if engine.is_replay() {
            engine.checkpoints.capture(&mut *engine.subject);
        }
        engine
    }

    /// The flag that interrupts a motion from another thread. A motion clears it when it stops.
    #[must_use]
    pub fn attention(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.attention)
    }

    /// The machine.
    #[must_use]
    pub fn subject(&self) -> &dyn Subject {
        &*self.subject
    }

    /// The machine, to do what the engine has no words for. Its position must not change.
    pub fn subject_mut(&mut self) -> &mut dyn Subject {
        &mut *self.subject
    }

    /// Ends the session and gives the machine back, without stop points.
    #[must_use]
    pub fn into_subject(mut self) -> Box<dyn Subject> {
        self.clear_stops();
        self.disarm();
        self.subject
    }

    /// Whether the machine replays a recording, so that it can go back.
    #[must_use]
    pub fn is_replay(&self) -> bool {
        self.subject.extent().is_some()
    }

    /// Where the machine stands.
    #[must_use]
    pub fn position(&self) -> Position {
        self.subject.position()
    }

    /// The checkpoints.
    #[must_use]
    pub fn checkpoints(&self) -> &Checkpoints {
        &self.checkpoints
    }

    /// Makes a checkpoint here.
    ///
    /// # Errors
    /// [`DebugError::Live`] on a live run.
    pub fn checkpoint(&mut self) -> Result<(), DebugError> {
        if !self.is_replay() {
            return Err(DebugError::Live);
        }
        self.checkpoints.capture(&mut *self.subject);
        Ok(())
    }

    /// Leaves the recording here; the run is live from now on, recorded to `child` if that is given.
    ///
    /// # Errors
    /// As [`Subject::go_live`]; the machine replays on then.
    pub fn go_live(&mut self, child: Option<&Path>) -> Result<(), DebugError> {
        if !self.is_replay() {
            return Err(DebugError::Unsupported("go-live"));
        }
        self.subject.go_live(child)?;
        self.scouts = None;
        // What lies behind belongs to the recording and cannot be reached any more.
        self.checkpoints.forget_all(&mut *self.subject);
        self.window.clear(&mut *self.subject);
        Ok(())
    }

    /// The hart that the last stop concerned, or that a front end selected.
    #[must_use]
    pub fn focus(&self) -> usize {
        self.focus
    }

    /// Selects the hart for what names none.
    ///
    /// # Errors
    /// [`DebugError::NoHart`].
    pub fn set_focus(&mut self, hart: usize) -> Result<(), DebugError> {
        self.check_hart(hart)?;
        self.focus = hart;
        Ok(())
    }

    fn check_hart(&self, hart: usize) -> Result<(), DebugError> {
        let count = self.subject.hart_count();
        if hart < count { Ok(()) } else { Err(DebugError::NoHart { hart, count }) }
    }

    // --- stop points

    /// Adds a breakpoint; one of the same kind at the same address is replaced.
    pub fn add_breakpoint(&mut self, breakpoint: Breakpoint) {
        self.remove_breakpoint(breakpoint.addr, breakpoint.kind);
        self.points.breakpoints.push(breakpoint);
    }

    /// Removes a breakpoint; false when there was none.
    pub fn remove_breakpoint(&mut self, addr: u64, kind: BreakpointKind) -> bool {
        let count = self.points.breakpoints.len();
        self.points.breakpoints.retain(|known| (known.addr, known.kind) != (addr, kind));
        self.points.breakpoints.len() < count
    }

    /// The breakpoints, oldest first.
    #[must_use]
    pub fn breakpoints(&self) -> &[Breakpoint] {
        &self.points.breakpoints
    }

    /// Adds a watchpoint.
    pub fn add_watchpoint(&mut self, watchpoint: Watchpoint) {
        if !self.points.watchpoints.contains(&watchpoint) {
            self.points.watchpoints.push(watchpoint);
        }
    }

    /// Removes a watchpoint; false when there was none.
    pub fn remove_watchpoint(&mut self, addr: u64, bytes: u64, access: Access) -> bool {
        let count = self.points.watchpoints.len();
        self.points
            .watchpoints
            .retain(|known| (known.addr, known.bytes, known.access) != (addr, bytes, access));
        self.points.watchpoints.len() < count
    }

    /// Removes every breakpoint and watchpoint but those set in the monitor.
    pub fn clear_stops(&mut self) {
        self.points.breakpoints.retain(|known| known.kind == BreakpointKind::Monitor);
        self.points.watchpoints.clear();
    }

    /// Looks the watched addresses up as they are now and hands all stop points to the subject.
    fn arm(&mut self) {
        self.points.look_up(&*self.subject);
        self.arm_again();
    }

    /// The same without a new look: a walk through time keeps the physical addresses.
    fn arm_again(&mut self) {
        let breakpoints = self.points.breakpoints.iter().map(|known| known.addr).collect();
        self.tell(breakpoints, self.points.watches());
        self.points.remember(&*self.subject);
    }

    /// Takes every stop point away from the subject.
    fn disarm(&mut self) {
        self.tell(BTreeSet::new(), Vec::new());
    }

    fn tell(&mut self, breakpoints: BTreeSet<u64>, watches: Vec<Watch>) {
        if breakpoints != self.armed_breakpoints {
            self.subject.set_breakpoints(&breakpoints);
            self.armed_breakpoints = breakpoints;
        }
        if watches != self.armed_watches {
            self.subject.set_watches(&watches);
            self.armed_watches = watches;
        }
    }

    /// A stop, with its hart in focus and, at a breakpoint, remembered as reported.
    fn stop(&mut self, hart: usize, reason: Reason) -> Stop {
        self.focus = hart;
        if matches!(reason, Reason::Breakpoint { .. }) {
            self.reported = Some((self.position(), hart));
        }
        Stop { hart, reason }
    }

    // --- registers and memory

    /// The architecture of the harts.
    #[must_use]
    pub fn architecture(&self) -> &'static Architecture {
        self.subject.hart(0).architecture()
    }

    /// The register's description and value.
    ///
    /// # Errors
    /// [`DebugError::NoHart`], [`DebugError::NoRegister`].
    pub fn read_register(
        &self,
        hart: usize,
        number: usize,
    ) -> Result<(&'static Register, u128), DebugError> {
        self.check_hart(hart)?;
        let missing = || DebugError::NoRegister { hart, register: number.to_string() };
        let register = self.architecture().registers().nth(number).ok_or_else(missing)?;
        let value = self.subject.hart(hart).read_register(number, self.subject.clock());
        Ok((register, value.ok_or_else(missing)?))
    }

    /// Sets a register of a live machine.
    ///
    /// # Errors
    /// [`DebugError::Replaying`], [`DebugError::NoHart`], [`DebugError::NoRegister`].
    pub fn write_register(
        &mut self,
        hart: usize,
        number: usize,
        value: u128,
    ) -> Result<(), DebugError> {
        self.check_hart(hart)?;
        if self.is_replay() {
            return Err(DebugError::Replaying);
        }
        let written = self.subject.write_register(hart, number, value);
        let missing = || DebugError::NoRegister { hart, register: number.to_string() };
        if written { Ok(()) } else { Err(missing()) }
    }

    /// Reads memory; virtual under the page table of `hart`, physical when that is `None`. Returns
    /// how many bytes from the start could be read.
    #[must_use]
    pub fn read_memory(&self, hart: Option<usize>, addr: u64, into: &mut [u8]) -> usize {
        points::read_memory(&*self.subject, hart, addr, into)
    }

    /// Writes memory of a live machine; all of it or nothing.
    ///
    /// # Errors
    /// [`DebugError::Replaying`], [`DebugError::Unmapped`].
    pub fn write_memory(
        &mut self,
        hart: Option<usize>,
        addr: u64,
        bytes: &[u8],
    ) -> Result<(), DebugError> {
        if self.is_replay() {
            return Err(DebugError::Replaying);
        }
        let mut present = vec![0; bytes.len()];
        let readable = self.read_memory(hart, addr, &mut present);
        if readable < bytes.len() {
            return Err(DebugError::Unmapped { addr: addr.wrapping_add(readable as u64) });
        }
        let mut rest = bytes;
        for (addr, length) in pieces(addr, bytes.len() as u64) {
            let (piece, behind) = rest.split_at(usize::try_from(length).unwrap_or(rest.len()));
            let physical = match hart {
                Some(hart) => self.subject.translate(hart, addr),
                None => Some(addr),
            };
            if !physical.is_some_and(|physical| self.subject.write_memory(physical, piece)) {
                return Err(DebugError::Unmapped { addr });
            }
            rest = behind;
        }
        Ok(())
    }

    /// Reads an expression that may use the registers of this architecture.
    ///
    /// # Errors
    /// [`DebugError::Expression`] with the place of the mistake.
    pub fn parse_expression(&self, text: &str) -> Result<Expression, DebugError> {
        let architecture = self.architecture();
        let is_register =
            |name: &str| matches!(name, "hart" | "steps") || architecture.register(name).is_some();
        Ok(Expression::parse(text, &is_register)?)
    }

    /// The value of an expression for `hart`.
    ///
    /// # Errors
    /// [`DebugError::Expression`].
    pub fn evaluate(&self, expression: &Expression, hart: usize) -> Result<i128, DebugError> {
        self.check_hart(hart)?;
        Ok(expression.evaluate(&HartValues { view: &*self.subject, hart })?)
    }
}
