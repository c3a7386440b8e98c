//! What `info threads` says about a hart.

use gdbstub::{common::Tid, target::ext::thread_extra_info::ThreadExtraInfo};

use crate::debug::DebugError;

use super::{Stub, hart_of};

impl ThreadExtraInfo for Stub<'_> {
    fn thread_extra_info(&self, tid: Tid, buffer: &mut [u8]) -> Result<usize, DebugError> {
        let hart = hart_of(tid);
        let subject = self.session.engine.subject();
        if hart >= subject.hart_count() {
            return Ok(0);
        }
        let text = format!("hart {hart}, {} steps", subject.hart_steps(hart));
        let length = text.len().min(buffer.len());
        buffer[..length].copy_from_slice(&text.as_bytes()[..length]);
        Ok(length)
    }
}
