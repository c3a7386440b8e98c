//! `phys`.

use super::{Command, Session, usage};
use crate::debug::DebugError;

pub(super) const PHYS: Command = Command {
    name: "phys",
    arguments: "[on|off]",
    about: "take addresses of memory as physical, not through the page table",
    run,
};

fn run(session: &mut Session, arguments: &str) -> Result<String, DebugError> {
    match arguments {
        "on" => session.physical = true,
        "off" => session.physical = false,
        "" => {}
        _ => return Err(usage(&PHYS)),
    }
    let kind = if session.physical { "physical" } else { "virtual" };
    Ok(format!("addresses of memory are {kind}"))
}
