//! `mark` and `marks`.

use super::{Command, Session, usage};
use crate::debug::{DebugError, Show};

pub(super) const MARK: Command = Command {
    name: "mark",
    arguments: "NAME",
    about: "name the present position; mark:NAME is a position then",
    run: mark,
};

pub(super) const MARKS: Command =
    Command { name: "marks", arguments: "", about: "the named positions", run: list };

fn mark(session: &mut Session, name: &str) -> Result<String, DebugError> {
    if name.is_empty() || name.contains(char::is_whitespace) {
        return Err(usage(&MARK));
    }
    session.engine.subject_mut().mark(name)?;
    Ok(format!("mark:{name} is {}", Show(session.engine.position())))
}

fn list(session: &mut Session, _: &str) -> Result<String, DebugError> {
    let marks = session.engine.subject().marks();
    if marks.is_empty() {
        return Ok("no marks".to_owned());
    }
    Ok(marks
        .iter()
        .map(|mark| format!("{:>20}  mark:{}\n", Show(mark.position), mark.name))
        .collect())
}
