//! `help`.

use std::fmt::Write;

use super::{COMMANDS, Command, Session};
use crate::debug::DebugError;

pub(super) const HELP: Command =
    Command { name: "help", arguments: "[COMMAND]", about: "what there is", run };

fn run(_: &mut Session, arguments: &str) -> Result<String, DebugError> {
    let mut text = String::new();
    let wanted = COMMANDS.iter().filter(|known| arguments.is_empty() || known.name == arguments);
    for known in wanted {
        let call = format!("{} {}", known.name, known.arguments);
        // Writing into a String does not fail.
        writeln!(text, "{:<32} {}", call.trim_end(), known.about).unwrap_or_default();
    }
    if text.is_empty() {
        return Err(DebugError::Usage(format!("there is no command `{arguments}`")));
    }
    Ok(text)
}
