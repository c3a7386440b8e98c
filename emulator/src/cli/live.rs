//! A live run, and the monitor beside it.

use std::path::PathBuf;

use super::CliError;
use crate::{
    console::Desk,
    debug::{DebugError, Motion, Operator, Reason, Show, monitor::Session},
    timeline::how_off,
};

/// A place where the monitor listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MonitorSocket(pub(super) PathBuf);

impl std::str::FromStr for MonitorSocket {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("unix:") {
            Some(path) if !path.is_empty() => Ok(Self(path.into())),
            _ => Err("expected unix:PATH".to_owned()),
        }
    }
}

/// Runs until the machine is off or the run is over for good: the exit code, and how it ended.
pub(super) fn drive(session: &mut Session, desk: &mut Desk) -> Result<(u8, String), CliError> {
    loop {
        // Also one that stands still is asked, for its door may have a reason to leave.
        match session.engine.resume(Motion::Continue) {
            Ok(stop) => match stop.reason {
                Reason::PowerOff { code } => return Ok((code, how_off(code))),
                Reason::Breakpoint { .. } | Reason::Watchpoint { .. } => {
                    let (hart, position) = (stop.hart, session.engine.position());
                    let pc = session.engine.subject().hart(hart).pc();
                    session.running = Some(false);
                    desk.tell(&format!("hart {hart} stopped at {pc:#x}, {}", Show(position)));
                }
                Reason::Done | Reason::Interrupted | Reason::Begin | Reason::End => {}
            },
            Err(DebugError::Over { code, how }) => {
                if !(code == 0 || code > 128) {
                    eprintln!("{how}");
                }
                return Ok((code, how));
            }
            Err(error) => return Err(CliError::Usage(error.to_string())),
        }
        if desk.serve(session) {
            operator(session).rested();
        }
        if session.quit {
            return Ok((0, "quit".to_owned()));
        }
    }
}

/// The operator of the live machine.
pub(super) fn operator(session: &mut Session) -> &mut dyn Operator {
    session.engine.subject_mut().operator().expect("a live machine has an operator")
}
