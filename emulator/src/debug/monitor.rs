//! Commands for people: `monitor COMMAND` in GDB, the console's monitor (`Ctrl-A c`) and the socket of
//! `--monitor`.
//!
//! One table, one function a command; `help` is made from the table, so it cannot lag behind.
//! Commands answer with text and never print. Addresses and numbers are expressions (see
//! [`expression`](super::expression)).

mod breakpoint;
mod changes;
mod checkpoint;
mod device;
mod help;
mod history;
mod machine;
mod mark;
mod physical;
mod place;

pub(crate) use history::describe;

use super::{DebugError, Engine};

/// What a command works on.
pub struct Session {
    /// The engine.
    pub engine: Engine,
    /// Whether addresses of memory commands and of GDB are physical.
    pub physical: bool,
    /// Whether the user asked to end the program.
    pub quit: bool,
    /// Whether the machine runs between commands; `None` when a debugger decides that.
    pub running: Option<bool>,
}

impl Session {
    /// A session with virtual addresses, whose front end moves the machine itself.
    #[must_use]
    pub fn new(engine: Engine) -> Self {
        Self { engine, physical: false, quit: false, running: None }
    }

    /// A session with a machine that runs unless it is stopped.
    #[must_use]
    pub fn running(engine: Engine) -> Self {
        Self { running: Some(true), ..Self::new(engine) }
    }

    /// Whether the run is over, or will be when it goes on.
    #[must_use]
    pub fn is_over(&mut self) -> bool {
        let operator = self.engine.subject_mut().operator();
        self.quit || operator.is_some_and(|operator| operator.machine().state().off.is_some())
    }

    /// The mistake of naming a device that is not there.
    #[must_use]
    pub fn no_device(&self, path: &str) -> DebugError {
        let known = self.engine.subject().device_paths().join(", ");
        DebugError::NoDevice { path: path.to_owned(), known }
    }

    /// The hart whose page table addresses go through; none when they are physical.
    #[must_use]
    pub fn space(&self) -> Option<usize> {
        (!self.physical).then(|| self.engine.focus())
    }
}

/// A command.
pub struct Command {
    /// Its name.
    pub name: &'static str,
    /// Its arguments, as help shows them.
    pub arguments: &'static str,
    /// What it does, in one line.
    pub about: &'static str,
    /// Carries it out; the text behind the name comes in, trimmed.
    run: fn(&mut Session, &str) -> Result<String, DebugError>,
}

/// All commands, in the order of help.
pub const COMMANDS: &[Command] = &[
    help::HELP,
    machine::INFO,
    place::WHERE,
    place::SEEK,
    mark::MARK,
    mark::MARKS,
    history::LAST_WRITE,
    history::LAST_EXEC,
    checkpoint::CHECKPOINT,
    checkpoint::DIGEST,
    device::DEVICE,
    device::DIFF,
    breakpoint::BREAK,
    breakpoint::DELETE,
    breakpoint::PRINT,
    physical::PHYS,
    machine::STATS,
    machine::STOP,
    machine::CONT,
    machine::GO_LIVE,
    machine::SAVEVM,
    machine::LOADVM,
    machine::RESET,
    machine::POWERDOWN,
    machine::QUIT,
];

/// Carries out one line and returns what to show, with line ends.
pub fn execute(session: &mut Session, line: &str) -> String {
    match try_execute(session, line) {
        Ok(text) if text.is_empty() || text.ends_with('\n') => text,
        Ok(text) => text + "\n",
        Err(error) => format!("error: {error}\n"),
    }
}

/// The same with the mistake apart.
///
/// # Errors
/// What the command fails with; [`DebugError::Usage`] when there is no such command.
pub fn try_execute(session: &mut Session, line: &str) -> Result<String, DebugError> {
    let line = line.trim();
    let (name, arguments) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    if name.is_empty() {
        return Ok(String::new());
    }
    let command = COMMANDS.iter().find(|command| command.name == name);
    let Some(command) = command else {
        return Err(DebugError::Usage(format!("there is no command `{name}`; `help` lists them")));
    };
    let arguments = arguments.trim();
    if command.arguments.is_empty() && !arguments.is_empty() {
        return Err(DebugError::Usage(format!("`{name}` takes no arguments")));
    }
    (command.run)(session, arguments)
}

/// The mistake of a call that does not fit the command's arguments.
fn usage(command: &Command) -> DebugError {
    DebugError::Usage(format!("usage: {} {}", command.name, command.arguments))
}

/// The value of an address expression for the hart in focus.
pub(crate) fn address(session: &Session, text: &str) -> Result<u64, DebugError> {
    let expression = session.engine.parse_expression(text)?;
    let value = session.engine.evaluate(&expression, session.engine.focus())?;
    u64::try_from(value)
        .map_err(|_| DebugError::Usage(format!("`{text}` is {value}, which is no address")))
}
