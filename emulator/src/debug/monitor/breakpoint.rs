//! `break`, `delete` and `print`.

use super::{Command, Session, address, usage};
use crate::debug::{Breakpoint, BreakpointKind, DebugError};

pub(super) const BREAK: Command = Command {
    name: "break",
    arguments: "[ADDR [if EXPRESSION]]",
    about: "stop there when the expression is not zero; without arguments, the list",
    run: add,
};

pub(super) const DELETE: Command =
    Command { name: "delete", arguments: "ADDR", about: "remove such a breakpoint", run: remove };

pub(super) const PRINT: Command = Command {
    name: "print",
    arguments: "EXPRESSION",
    about: "the value of an expression over registers and memory",
    run: print,
};

fn add(session: &mut Session, arguments: &str) -> Result<String, DebugError> {
    if arguments.is_empty() {
        return Ok(list(session));
    }
    let (place, condition) = match arguments.split_once(" if ") {
        Some((place, text)) => (place, Some(session.engine.parse_expression(text.trim())?)),
        None => (arguments, None),
    };
    let addr = address(session, place)?;
    session.engine.add_breakpoint(Breakpoint { addr, kind: BreakpointKind::Monitor, condition });
    Ok(format!("breakpoint at {addr:#x}"))
}

fn list(session: &Session) -> String {
    let known = session.engine.breakpoints().iter();
    let text: String = known
        .filter(|known| known.kind == BreakpointKind::Monitor)
        .map(|known| match &known.condition {
            Some(condition) => format!("{:#x} if {}\n", known.addr, condition.text()),
            None => format!("{:#x}\n", known.addr),
        })
        .collect();
    if text.is_empty() { "no breakpoints of the monitor".to_owned() } else { text }
}

fn remove(session: &mut Session, arguments: &str) -> Result<String, DebugError> {
    if arguments.is_empty() {
        return Err(usage(&DELETE));
    }
    let addr = address(session, arguments)?;
    if session.engine.remove_breakpoint(addr, BreakpointKind::Monitor) {
        Ok(format!("no breakpoint at {addr:#x} any more"))
    } else {
        Err(DebugError::Usage(format!("there is no breakpoint of the monitor at {addr:#x}")))
    }
}

fn print(session: &mut Session, arguments: &str) -> Result<String, DebugError> {
    if arguments.is_empty() {
        return Err(usage(&PRINT));
    }
    let expression = session.engine.parse_expression(arguments)?;
    let value = session.engine.evaluate(&expression, session.engine.focus())?;
    Ok(if value < 0 { format!("{value}") } else { format!("{value:#x} = {value}") })
}
