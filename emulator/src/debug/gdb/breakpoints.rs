//! Breakpoints of both kinds and watchpoints.

use gdbstub::target::{
    TargetResult,
    ext::breakpoints::{
        Breakpoints, HwBreakpoint, HwBreakpointOps, HwWatchpoint, HwWatchpointOps, SwBreakpoint,
        SwBreakpointOps, WatchKind,
    },
};

use crate::debug::{Access, Breakpoint, BreakpointKind, Watchpoint};

use super::Stub;

impl Breakpoints for Stub<'_> {
    fn support_sw_breakpoint(&mut self) -> Option<SwBreakpointOps<'_, Self>> {
        Some(self)
    }

    fn support_hw_breakpoint(&mut self) -> Option<HwBreakpointOps<'_, Self>> {
        Some(self)
    }

    fn support_hw_watchpoint(&mut self) -> Option<HwWatchpointOps<'_, Self>> {
        Some(self)
    }
}

impl SwBreakpoint for Stub<'_> {
    fn add_sw_breakpoint(&mut self, addr: u64, _: usize) -> TargetResult<bool, Self> {
        let kind = BreakpointKind::Software;
        self.engine().add_breakpoint(Breakpoint { addr, kind, condition: None });
        Ok(true)
    }

    fn remove_sw_breakpoint(&mut self, addr: u64, _: usize) -> TargetResult<bool, Self> {
        Ok(self.engine().remove_breakpoint(addr, BreakpointKind::Software))
    }
}

impl HwBreakpoint for Stub<'_> {
    fn add_hw_breakpoint(&mut self, addr: u64, _: usize) -> TargetResult<bool, Self> {
        let kind = BreakpointKind::Hardware;
        self.engine().add_breakpoint(Breakpoint { addr, kind, condition: None });
        Ok(true)
    }

    fn remove_hw_breakpoint(&mut self, addr: u64, _: usize) -> TargetResult<bool, Self> {
        Ok(self.engine().remove_breakpoint(addr, BreakpointKind::Hardware))
    }
}

/// What a watchpoint of this kind means. GDB takes no notice of a write that leaves the value as it is
/// and goes on by itself, which costs a round trip each; so that is decided here.
fn access(kind: WatchKind) -> Access {
    match kind {
        WatchKind::Write => Access::Change,
        WatchKind::Read => Access::Read,
        WatchKind::ReadWrite => Access::Any,
    }
}

/// GDB's word for a watchpoint of this kind.
pub(super) fn watch_kind(access: Access) -> WatchKind {
    match access {
        Access::Write | Access::Change => WatchKind::Write,
        Access::Read => WatchKind::Read,
        Access::Any => WatchKind::ReadWrite,
    }
}

impl HwWatchpoint for Stub<'_> {
    fn add_hw_watchpoint(
        &mut self,
        addr: u64,
        length: u64,
        kind: WatchKind,
    ) -> TargetResult<bool, Self> {
        if length == 0 {
            return Ok(false);
        }
        let hart = (!self.session.physical).then(|| self.session.engine.focus());
        let watchpoint = Watchpoint { addr, bytes: length, access: access(kind), hart };
        self.engine().add_watchpoint(watchpoint);
        Ok(true)
    }

    fn remove_hw_watchpoint(
        &mut self,
        addr: u64,
        length: u64,
        kind: WatchKind,
    ) -> TargetResult<bool, Self> {
        Ok(self.engine().remove_watchpoint(addr, length, access(kind)))
    }
}
