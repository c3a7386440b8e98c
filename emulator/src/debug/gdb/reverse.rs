//! Reverse step and reverse continue; offered in replay only. GDB asks what there is once: a replay
//! that went live under it goes on to offer them, and has no history any more.

use gdbstub::{
    common::Tid,
    target::ext::base::reverse_exec::{ReverseCont, ReverseStep},
};

use crate::debug::{DebugError, Motion};

use super::{Stub, hart_of};

impl ReverseStep<Tid> for Stub<'_> {
    fn reverse_step(&mut self, tid: Tid) -> Result<(), DebugError> {
        self.motion = Motion::ReverseStep { hart: hart_of(tid) };
        Ok(())
    }
}

impl ReverseCont<Tid> for Stub<'_> {
    fn reverse_cont(&mut self) -> Result<(), DebugError> {
        self.motion = Motion::ReverseContinue;
        Ok(())
    }
}
