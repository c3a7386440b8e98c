//! Continue, step, step through a range.

use gdbstub::{
    common::{Signal, Tid},
    target::ext::base::{
        multithread::{
            MultiThreadRangeStepping, MultiThreadRangeSteppingOps, MultiThreadResume,
            MultiThreadSchedulerLocking, MultiThreadSchedulerLockingOps, MultiThreadSingleStep,
            MultiThreadSingleStepOps,
        },
        reverse_exec::{ReverseContOps, ReverseStepOps},
    },
};

use crate::debug::{DebugError, Motion};

use super::{Stub, hart_of};

impl MultiThreadResume for Stub<'_> {
    fn resume(&mut self) -> Result<(), DebugError> {
        // The session's loop carries the motion out.
        Ok(())
    }

    fn clear_resume_actions(&mut self) -> Result<(), DebugError> {
        self.motion = Motion::Continue;
        Ok(())
    }

    fn set_resume_action_continue(&mut self, _: Tid, _: Option<Signal>) -> Result<(), DebugError> {
        Ok(())
    }

    fn support_single_step(&mut self) -> Option<MultiThreadSingleStepOps<'_, Self>> {
        Some(self)
    }

    fn support_range_step(&mut self) -> Option<MultiThreadRangeSteppingOps<'_, Self>> {
        Some(self)
    }

    fn support_reverse_step(&mut self) -> Option<ReverseStepOps<'_, Tid, Self>> {
        if self.goes_back { Some(self) } else { None }
    }

    fn support_reverse_cont(&mut self) -> Option<ReverseContOps<'_, Tid, Self>> {
        if self.goes_back { Some(self) } else { None }
    }

    fn support_scheduler_locking(&mut self) -> Option<MultiThreadSchedulerLockingOps<'_, Self>> {
        Some(self)
    }
}

impl MultiThreadSingleStep for Stub<'_> {
    fn set_resume_action_step(&mut self, tid: Tid, _: Option<Signal>) -> Result<(), DebugError> {
        self.motion = Motion::Step { hart: hart_of(tid) };
        Ok(())
    }
}

impl MultiThreadRangeStepping for Stub<'_> {
    fn set_resume_action_range_step(
        &mut self,
        tid: Tid,
        start: u64,
        end: u64,
    ) -> Result<(), DebugError> {
        self.motion = Motion::StepRange { hart: hart_of(tid), range: start..end };
        Ok(())
    }
}

impl MultiThreadSchedulerLocking for Stub<'_> {
    fn set_resume_action_scheduler_lock(&mut self) -> Result<(), DebugError> {
        // Accepted and without effect: see the module's header.
        Ok(())
    }
}
