//! `device` and `diff`: the derived state of devices and harts.

use super::{Command, Session, changes::changes, usage};
use crate::debug::{DebugError, Engine};

pub(super) const DEVICE: Command = Command {
    name: "device",
    arguments: "[PATH]",
    about: "the state of a device, or the list of them",
    run: dump,
};

pub(super) const DIFF: Command = Command {
    name: "diff",
    arguments: "POSITION",
    about: "how all devices differ between there and here",
    run: diff,
};

fn dump(session: &mut Session, path: &str) -> Result<String, DebugError> {
    let subject = session.engine.subject();
    if path.is_empty() {
        return Ok(subject.device_paths().join("\n"));
    }
    subject.dump_device(path).ok_or_else(|| session.no_device(path))
}

fn dumps(engine: &Engine) -> Vec<(String, String)> {
    let subject = engine.subject();
    let dump = |path: String| {
        let text = subject.dump_device(&path).unwrap_or_default();
        (path, text)
    };
    subject.device_paths().into_iter().map(dump).collect()
}

fn diff(session: &mut Session, arguments: &str) -> Result<String, DebugError> {
    if arguments.is_empty() {
        return Err(usage(&DIFF));
    }
    let position = session.engine.find_position(arguments)?;
    let there = session.engine.at(position, |engine| dumps(engine))?;
    let here = dumps(&session.engine);
    let mut text = String::new();
    for ((path, old), (_, new)) in there.iter().zip(&here) {
        if old != new {
            text += &format!("{path}\n{}", changes(old, new));
        }
    }
    if text.is_empty() {
        text += "no device differs\n";
    }
    Ok(text)
}
