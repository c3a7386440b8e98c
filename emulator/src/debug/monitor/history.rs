//! `last-write` and `last-exec`: questions to the past that leave the machine where it is.

use super::{Command, Session, address, usage};
use crate::debug::{DebugError, Past, Show};

pub(super) const LAST_WRITE: Command = Command {
    name: "last-write",
    arguments: "ADDR [LENGTH]",
    about: "who wrote these bytes last (8 unless told), and what",
    run: last_write,
};

pub(super) const LAST_EXEC: Command = Command {
    name: "last-exec",
    arguments: "ADDR",
    about: "when the instruction there was executed last",
    run: last_execution,
};

/// The answer to a question about the past as text.
pub(crate) fn describe(past: &Past) -> String {
    let instruction = past.instruction.as_deref().unwrap_or("?");
    let mut text =
        format!("{}  hart {}  {:#x}  {instruction}\n", Show(past.position), past.hart, past.pc);
    if let Some((before, behind)) = &past.change {
        text += &format!("{} -> {}\n", hex(before), hex(behind));
    }
    text
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

fn last_write(session: &mut Session, arguments: &str) -> Result<String, DebugError> {
    // The length is the last word, if there are two; an address with spaces goes in parentheses.
    let (addr, length) = match arguments.rsplit_once(char::is_whitespace) {
        Some((addr, length)) if !addr.trim_end().ends_with(['+', '-', '*', '/']) => {
            (address(session, addr)?, address(session, length)?)
        }
        _ if arguments.is_empty() => return Err(usage(&LAST_WRITE)),
        _ => (address(session, arguments)?, 8),
    };
    let space = session.space();
    let past = session.engine.last_write(space, addr, length)?;
    Ok(past.map_or_else(
        || format!("nothing wrote {length} bytes at {addr:#x} before\n"),
        |past| describe(&past),
    ))
}

fn last_execution(session: &mut Session, arguments: &str) -> Result<String, DebugError> {
    if arguments.is_empty() {
        return Err(usage(&LAST_EXEC));
    }
    let addr = address(session, arguments)?;
    let past = session.engine.last_execution(addr)?;
    Ok(past.map_or_else(|| format!("{addr:#x} was not executed before\n"), |past| describe(&past)))
}
