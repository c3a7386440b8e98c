//! `--gdb`: a run or a replay under GDB.

use std::sync::atomic::Ordering;

use super::CliError;
use crate::debug::{
    DebugError, Engine, Motion, Reason,
    gdb::{Ending, Endpoint, Listener, serve},
    machine::MachineSubject,
    monitor::Session,
};

/// Serves GDB after GDB. A machine waits for its first one; a live machine that GDB let go of runs
/// on until the next one comes, a replay waits. Returns the exit code.
pub(super) fn run(
    subject: MachineSubject,
    endpoint: Endpoint,
    checkpoint_bytes: u64,
) -> Result<u8, CliError> {
    let mut session = Session::new(Engine::new(Box::new(subject), checkpoint_bytes));
    let listener = Listener::bind(endpoint).map_err(|error| CliError::Usage(error.to_string()))?;
    eprintln!("waiting for GDB at {}", listener.endpoint());
    let waiting = listener.listen(session.engine.attention());
    let mut next = waiting.next();
    while let Some(stream) = next {
        let wire = stream.start(session.engine.attention());
        match serve(&mut session, wire) {
            Ok(Ending::Killed | Ending::Quit) => return Ok(0),
            Ok(Ending::PowerOff { code }) => return Ok(code),
            Ok(Ending::Detached | Ending::Lost) => {}
            Err(error) => return over(error),
        }
        next = if session.engine.is_replay() {
            waiting.next()
        } else {
            waiting.set_eager(true);
            let stop = match session.engine.resume(Motion::Continue) {
                Ok(stop) => stop,
                Err(error) => return over(error),
            };
            waiting.set_eager(false);
            session.engine.attention().store(false, Ordering::Relaxed);
            if let Reason::PowerOff { code } = stop.reason {
                return Ok(code);
            }
            waiting.next()
        };
    }
    Ok(0)
}

/// The exit code of a run that ended without the guest.
fn over(error: DebugError) -> Result<u8, CliError> {
    match error {
        DebugError::Over { code, how } => {
            eprintln!("{how}");
            Ok(code)
        }
        error => Err(CliError::Usage(error.to_string())),
    }
}
