//! `monitor COMMAND`: the same table as the console's monitor.

use gdbstub::target::ext::monitor_cmd::{ConsoleOutput, MonitorCmd};

use crate::debug::{DebugError, monitor};

use super::Stub;

impl MonitorCmd for Stub<'_> {
    fn handle_monitor_cmd(
        &mut self,
        line: &[u8],
        mut out: ConsoleOutput<'_>,
    ) -> Result<(), DebugError> {
        let line = String::from_utf8_lossy(line);
        let Self { session, heart, .. } = self;
        let text = heart.beat_during(|| monitor::execute(session, &line));
        out.write_raw(text.as_bytes());
        Ok(())
    }
}
