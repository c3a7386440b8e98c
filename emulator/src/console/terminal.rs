//! Raw mode of the terminal, and the way back.

use std::{
    io::Write,
    sync::{Mutex, Once, PoisonError},
};

use rustix::termios::{LocalModes, OptionalActions, Termios, isatty, tcgetattr, tcsetattr};

/// The terminal's settings before raw mode, while it is in raw mode. The process has one terminal,
/// and a panic or a signal must find the way back without anybody's help.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// The terminal in raw mode; dropping it restores the terminal.
#[derive(Debug)]
pub struct RawTerminal(());

impl RawTerminal {
    /// Puts the terminal on standard input into raw mode; `None` when there is none.
    ///
    /// # Errors
    /// When the terminal refuses.
    pub fn enter() -> std::io::Result<Option<Self>> {
        static HOOK: Once = Once::new();
        let stdin = std::io::stdin();
        if !isatty(&stdin) {
            return Ok(None);
        }
        let before = tcgetattr(&stdin)?;
        let mut raw = before.clone();
        raw.make_raw();
        HOOK.call_once(|| {
            let previous = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                restore();
                previous(panic);
            }));
        });
        *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some(before);
        tcsetattr(&stdin, OptionalActions::Drain, &raw)?;
        Ok(Some(Self(())))
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        restore();
    }
}

/// Restores the terminal if it is in raw mode.
pub(super) fn restore() {
    let before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(before) = before
        && let Err(error) = tcsetattr(std::io::stdin(), OptionalActions::Now, &before)
    {
        tracing::debug!(%error, "the terminal");
    }
}

/// Runs `talk` while the terminal edits lines as it did before raw mode, but without signals from its
/// keys; raw mode comes back afterwards, unless the terminal has been restored meanwhile.
pub(super) fn in_line_mode<T>(talk: impl FnOnce() -> T) -> T {
    change(|settings| settings.local_modes.remove(LocalModes::ISIG));
    let result = talk();
    change(Termios::make_raw);
    result
}

/// Sets the terminal to a change of what it was before raw mode, if it is ours.
fn change(change: impl FnOnce(&mut Termios)) {
    // Held to the end: a restore comes before, and nothing is set, or behind, and has the last word.
    let before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(mut settings) = before.clone() else { return };
    change(&mut settings);
    if let Err(error) = tcsetattr(std::io::stdin(), OptionalActions::Drain, &settings) {
        tracing::debug!(%error, "the terminal");
    }
}

/// Tells the user something; lines end in `\r\n`. What cannot be shown is no reason to stop the
/// guest.
pub(super) fn tell(text: &str) {
    if let Err(error) = std::io::stderr().write_all(text.as_bytes()) {
        tracing::debug!(%error, "standard error");
    }
}
