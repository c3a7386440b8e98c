//! `checkpoint` and `digest`.

use super::{Command, Session};
use crate::debug::{DebugError, Digest, Show};

pub(super) const CHECKPOINT: Command = Command {
    name: "checkpoint",
    arguments: "",
    about: "keep this state, so that coming back is quick",
    run,
};

pub(super) const DIGEST: Command = Command {
    name: "digest",
    arguments: "",
    about: "a hash over the whole state here: that of RAM, and of everything else",
    run: digest,
};

fn digest(session: &mut Session, _: &str) -> Result<String, DebugError> {
    let Digest { state, ram } = session.engine.subject_mut().digest()?;
    Ok(format!("{}  state {state:016x}  ram {ram:032x}", Show(session.engine.position())))
}

fn run(session: &mut Session, _: &str) -> Result<String, DebugError> {
    session.engine.checkpoint()?;
    Ok(format!(
        "checkpoint at {}; {} checkpoints, {} KiB",
        Show(session.engine.position()),
        session.engine.checkpoints().len(),
        session.engine.subject().captured_bytes() >> 10,
    ))
}
