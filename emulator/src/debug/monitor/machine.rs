//! What concerns the whole machine: `info`, `stats`, `stop`, `cont`, `go-live`, `savevm`, `loadvm`,
//! `reset`, `powerdown` and `quit`.

use std::path::Path;

use super::{Command, Session, usage};
use crate::{
    debug::{DebugError, Operator, Searched, Show},
    snapshot::SaveOptions,
};

pub(super) const INFO: Command = Command {
    name: "info",
    arguments: "",
    about: "what the machine consists of, with addresses",
    run: |session, _| Ok(session.engine.subject().info()),
};

pub(super) const STATS: Command = Command {
    name: "stats",
    arguments: "",
    about: "counters: steps, virtual time, harts, translator",
    run: stats,
};

pub(super) const STOP: Command =
    Command { name: "stop", arguments: "", about: "hold the machine where it is", run: stop };

pub(super) const CONT: Command =
    Command { name: "cont", arguments: "", about: "let the machine run on", run: go_on };

pub(super) const GO_LIVE: Command = Command {
    name: "go-live",
    arguments: "[FILE]",
    about: "leave the recording here and run on; record that to FILE",
    run: go_live,
};

pub(super) const SAVEVM: Command = Command {
    name: "savevm",
    arguments: "[--compress] [--base FILE] FILE",
    about: "save the machine's state; with a base, only the pages that differ from it",
    run: save,
};

pub(super) const LOADVM: Command =
    Command { name: "loadvm", arguments: "FILE", about: "load a saved state", run: load };

pub(super) const RESET: Command =
    Command { name: "reset", arguments: "", about: "press the machine's reset button", run: reset };

pub(super) const POWERDOWN: Command = Command {
    name: "powerdown",
    arguments: "",
    about: "switch the machine off, as pulling the plug does",
    run: power_off,
};

pub(super) const QUIT: Command =
    Command { name: "quit", arguments: "", about: "end the emulator", run: quit };

fn stats(session: &mut Session, _: &str) -> Result<String, DebugError> {
    let Searched { stretches, passed_over } = session.engine.searched();
    let mut text = session.engine.subject().stats();
    if session.engine.is_replay() {
        text += &format!(
            "{:<14} {stretches} stretches looked through, {passed_over} passed over\n",
            "searches"
        );
    }
    Ok(text)
}

/// Holds the machine or lets it run, when that is not the debugger's to say.
fn set_running(session: &mut Session, wanted: bool) -> Result<(), DebugError> {
    let Some(running) = &mut session.running else {
        let whose = "the debugger holds the machine: use its own commands to stop and continue";
        return Err(DebugError::Usage(whose.to_owned()));
    };
    *running = wanted;
    Ok(())
}

fn stop(session: &mut Session, _: &str) -> Result<String, DebugError> {
    set_running(session, false)?;
    Ok(format!("stopped at {}", Show(session.engine.position())))
}

fn go_on(session: &mut Session, _: &str) -> Result<String, DebugError> {
    set_running(session, true)?;
    Ok(String::new())
}

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

fn save(session: &mut Session, arguments: &str) -> Result<String, DebugError> {
    let (options, name) = save_options(arguments).ok_or_else(|| usage(&SAVEVM))?;
    operator(session)?.save(Path::new(name), options)?;
    Ok(format!("saved to {name}"))
}

/// What stands before the file, and the file; its name may hold spaces, that of the base none.
fn save_options(mut rest: &str) -> Option<(SaveOptions<'_>, &str)> {
    let mut options = SaveOptions::default();
    while rest.starts_with("--") {
        let (option, behind) = rest.split_once(char::is_whitespace)?;
        rest = behind.trim_start();
        match option {
            "--compress" => options.compress = true,
            "--base" => {
                let (base, behind) = rest.split_once(char::is_whitespace)?;
                (options.base, rest) = (Some(Path::new(base)), behind.trim_start());
            }
            _ => return None,
        }
    }
    (!rest.is_empty()).then_some((options, rest))
}

fn load(session: &mut Session, name: &str) -> Result<String, DebugError> {
    if name.is_empty() {
        return Err(usage(&LOADVM));
    }
    operator(session)?.load(Path::new(name))?;
    Ok(format!("loaded {name}"))
}

fn reset(session: &mut Session, _: &str) -> Result<String, DebugError> {
    operator(session)?.reset()?;
    Ok(format!("reset at {}", Show(session.engine.position())))
}

fn power_off(session: &mut Session, _: &str) -> Result<String, DebugError> {
    operator(session)?.power_off()?;
    Ok(format!("switched off at {}", Show(session.engine.position())))
}

fn quit(session: &mut Session, _: &str) -> Result<String, DebugError> {
    session.quit = true;
    Ok(String::new())
}
