//! Memory, and the base operations of gdbstub.

use gdbstub::{
    common::Tid,
    target::{
        TargetError, TargetResult,
        ext::{
            base::{
                multithread::{MultiThreadBase, MultiThreadResumeOps},
                single_register_access::SingleRegisterAccessOps,
            },
            thread_extra_info::ThreadExtraInfoOps,
        },
    },
};

use crate::debug::DebugError;

use super::{
    Stub,
    registers::{RegisterFile, refusal},
    tid_of,
};

/// GDB's error number for an address where nothing is (`EFAULT`).
const FAULT: u8 = 14;

impl MultiThreadBase for Stub<'_> {
    fn read_registers(&mut self, file: &mut RegisterFile, tid: Tid) -> TargetResult<(), Self> {
        self.read_general(file, tid)
    }

    fn write_registers(&mut self, file: &RegisterFile, tid: Tid) -> TargetResult<(), Self> {
        self.write_general(file, tid)
    }

    fn support_single_register_access(&mut self) -> Option<SingleRegisterAccessOps<'_, Tid, Self>> {
        Some(self)
    }

    fn read_addrs(&mut self, addr: u64, bytes: &mut [u8], tid: Tid) -> TargetResult<usize, Self> {
        let space = self.space(tid);
        match self.engine().read_memory(space, addr, bytes) {
            0 if !bytes.is_empty() => Err(TargetError::Errno(FAULT)),
            read => Ok(read),
        }
    }

    fn write_addrs(&mut self, addr: u64, bytes: &[u8], tid: Tid) -> TargetResult<(), Self> {
        let space = self.space(tid);
        match self.engine().write_memory(space, addr, bytes) {
            Err(DebugError::Unmapped { .. }) => Err(TargetError::Errno(FAULT)),
            outcome => outcome.map_err(refusal),
        }
    }

    fn list_active_threads(&mut self, found: &mut dyn FnMut(Tid)) -> Result<(), DebugError> {
        // The hart in focus first: GDB takes the first thread for the one that stopped.
        let focus = self.engine().focus();
        found(tid_of(focus));
        let count = self.engine().subject().hart_count();
        (0..count).filter(|hart| *hart != focus).for_each(|hart| found(tid_of(hart)));
        Ok(())
    }

    fn support_resume(&mut self) -> Option<MultiThreadResumeOps<'_, Self>> {
        Some(self)
    }

    fn support_thread_extra_info(&mut self) -> Option<ThreadExtraInfoOps<'_, Self>> {
        Some(self)
    }
}
