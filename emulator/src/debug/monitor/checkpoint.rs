//! `checkpoint`.

use super::{Command, Session};
use crate::debug::{DebugError, Show};

pub(super) const CHECKPOINT: Command = Command {
    name: "checkpoint",
    arguments: "",
    about: "keep this state, so that coming back is quick",
    run,
};

fn run(session: &mut Session, _: &str) -> Result<String, DebugError> {
    session.engine.checkpoint()?;
    Ok(format!(
        "checkpoint at {}; {} checkpoints, {} KiB",
        Show(session.engine.position()),
        session.engine.checkpoints().len(),
        session.engine.subject().captured_bytes() >> 10,
    ))
}
