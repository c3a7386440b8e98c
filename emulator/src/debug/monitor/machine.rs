//! `go-live`, `savevm`, `loadvm`, `reset` and `quit`: what concerns the whole machine.

use std::path::Path;

use super::{Command, Session, usage};
use crate::debug::{DebugError, Operator, Show};

pub(super) const GO_LIVE: Command = Command {
    name: "go-live",
    arguments: "[FILE]",
    about: "leave the recording here and run on; record that to FILE",
    run: go_live,
};

pub(super) const SAVEVM: Command =
    Command { name: "savevm", arguments: "FILE", about: "save the machine's state", run: save };

pub(super) const LOADVM: Command =
    Command { name: "loadvm", arguments: "FILE", about: "load a saved state", run: load };

pub(super) const RESET: Command =
    Command { name: "reset", arguments: "", about: "press the machine's reset button", run: reset };

pub(super) const QUIT: Command =
    Command { name: "quit", arguments: "", about: "end the emulator", run: quit };

fn go_live(session: &mut Session, arguments: &str) -> Result<String, DebugError> {
    let child = (!arguments.is_empty()).then(|| Path::new(arguments));
    session.engine.go_live(child)?;
    Ok(format!("live from {} on", Show(session.engine.position())))
}

fn operator(session: &mut Session) -> Result<&mut dyn Operator, DebugError> {
    if session.engine.is_replay() {
        return Err(DebugError::Replaying);
    }
    session.engine.subject_mut().operator().ok_or(DebugError::Unsupported("this command"))
}

fn save(session: &mut Session, name: &str) -> Result<String, DebugError> {
    if name.is_empty() {
        return Err(usage(&SAVEVM));
    }
    operator(session)?.save(Path::new(name))?;
    Ok(format!("saved to {name}"))
}

fn load(session: &mut Session, name: &str) -> Result<String, DebugError> {
    if name.is_empty() {
        return Err(usage(&LOADVM));
    }
    operator(session)?.load(Path::new(name))?;
    Ok(format!("loaded {name}"))
}

fn reset(session: &mut Session, _: &str) -> Result<String, DebugError> {
    operator(session)?.reset();
    Ok("reset".to_owned())
}

fn quit(session: &mut Session, _: &str) -> Result<String, DebugError> {
    session.quit = true;
    Ok(String::new())
}
