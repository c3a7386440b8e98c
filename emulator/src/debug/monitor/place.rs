//! `where` and `seek`.

use super::{Command, Session, usage};
use crate::debug::{DebugError, Motion, Reason, Show};

pub(super) const WHERE: Command = Command {
    name: "where",
    arguments: "",
    about: "position, virtual time and the instruction of each hart",
    run: locate,
};

pub(super) const SEEK: Command = Command {
    name: "seek",
    arguments: "POSITION",
    about: "go to an instruction count, 12.5s, 45%, event:12, mark:NAME or end",
    run: seek,
};

fn locate(session: &mut Session, _: &str) -> Result<String, DebugError> {
    let engine = &session.engine;
    let subject = engine.subject();
    let mut text = format!("position {}", Show(engine.position()));
    if let Some(extent) = subject.extent() {
        text += &format!(" of {}", Show(extent.end));
    } else {
        text += ", live";
    }
    let now_ns = subject.clock().now_ns();
    text += &format!(", {}.{:09} s\n", now_ns / 1_000_000_000, now_ns % 1_000_000_000);
    for hart in 0..subject.hart_count() {
        let pc = subject.hart(hart).pc();
        let instruction = engine.instruction_at(hart, pc);
        let instruction = instruction.map_or_else(|| "?".to_owned(), |(text, _)| text);
        let focus = if hart == engine.focus() { '*' } else { ' ' };
        text += &format!("{focus} hart {hart}  {pc:#x}  {instruction}\n");
    }
    Ok(text)
}

fn seek(session: &mut Session, arguments: &str) -> Result<String, DebugError> {
    if arguments.is_empty() {
        return Err(usage(&SEEK));
    }
    let target = session.engine.find_position(arguments)?;
    let stop = session.engine.resume(Motion::Seek(target))?;
    let mut text = locate(session, "")?;
    if stop.reason == Reason::Interrupted {
        text += "interrupted on the way\n";
    }
    // GDB asks nothing anew after a monitor command.
    text += "in GDB: `maintenance flush register-cache` shows the new place\n";
    Ok(text)
}
