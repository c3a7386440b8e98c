//! `--gdb`: a run or a replay under GDB.

use std::sync::atomic::Ordering;

use super::CliError;
use crate::debug::{
    DebugError, Engine, Motion, Reason,
    gdb::{Ending, Endpoint, Listener, Waiting, serve},
    machine::MachineSubject,
    monitor::Session,
};
use crate::timeline::how_off;

/// Serves GDB after GDB. A machine waits for its first one; a live machine that GDB let go of runs
/// on until the next one comes, a replay waits. What is recorded ends in good order. Returns the exit
/// code.
pub(super) fn run(
    subject: MachineSubject,
    endpoint: Endpoint,
    checkpoint_bytes: u64,
) -> Result<u8, CliError> {
    let mut session = Session::new(Engine::new(Box::new(subject), checkpoint_bytes));
    let listener = Listener::bind(endpoint).map_err(|error| CliError::Usage(error.to_string()))?;
    eprintln!("waiting for GDB at {}", listener.endpoint());
    let waiting = listener.listen(session.engine.attention());
    let ended = serve_all(&mut session, &waiting);
    let how = ended.as_ref().map_or("failed", |(_, how)| how.as_str());
    if let Some(operator) = session.engine.subject_mut().operator() {
        operator.close(how).map_err(|error| CliError::Usage(error.to_string()))?;
    }
    ended.map(|(code, _)| code)
}

/// The exit code, and how the run ended.
fn serve_all(session: &mut Session, waiting: &Waiting) -> Result<(u8, String), CliError> {
    let quit = || Ok((0, "quit".to_owned()));
    let mut next = waiting.next();
    while let Some(stream) = next {
        let wire = stream.start(session.engine.attention());
        match serve(session, wire) {
            Ok(Ending::Killed | Ending::Quit) => return quit(),
            Ok(Ending::PowerOff { code }) => return Ok((code, how_off(code))),
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
                return Ok((code, how_off(code)));
            }
            waiting.next()
        };
    }
    quit()
}

/// The same of a run that ended without the guest.
fn over(error: DebugError) -> Result<(u8, String), CliError> {
    match error {
        DebugError::Over { code, how } => {
            eprintln!("{how}");
            Ok((code, how))
        }
        error => Err(CliError::Usage(error.to_string())),
    }
}
