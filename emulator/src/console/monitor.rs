//! The monitor's front ends: a dialogue on the console (`Ctrl-A c`) and a socket (`--monitor`).
//!
//! Problem: a command must see the machine at one position, and the people who type are elsewhere:
//! at a terminal that belongs to the guest, or behind a socket. Strategy: threads read lines and
//! bring them to one [`Desk`] as [`Request`]s; the thread that runs the machine comes to the desk
//! between two slices, carries them out on the one table of commands ([`execute`]) and answers.
//!
//! While the dialogue on the console is open the machine stands still. Over a socket it runs on,
//! unless `stop` holds it. Neither changes what the guest computes: where slices are cut cannot be
//! seen, and what an operator does to the machine is an event at its door.

use std::{
    convert::Infallible,
    io::{BufRead, BufReader, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, Sender, channel},
    time::Duration,
};

use rustyline::{
    Config, Context, Editor, Helper, completion::Completer, error::ReadlineError,
    highlight::Highlighter, hint::Hinter, history::MemHistory, validate::Validator,
};

use super::{input::Outlet, terminal};
use crate::debug::monitor::{COMMANDS, Session, execute};

const PROMPT: &str = "(emulator) ";
const GREETING: &str = "monitor; `help` lists the commands";
/// How long the program's end waits for its last answer to be shown.
const LAST_WORD: Duration = Duration::from_secs(1);

/// What is brought to the desk.
#[derive(Debug)]
pub(super) enum Request {
    /// The console's dialogue opens: the machine is to stand still. Answered when it does.
    Hold(Sender<()>),
    /// A line.
    Line {
        /// What was typed.
        line: String,
        /// Where the answer goes.
        answer: Sender<Answer>,
    },
    /// The console's dialogue is over.
    Release,
    /// The door has a reason to leave.
    Leave,
}

/// The answer to a line.
#[derive(Debug)]
pub(super) struct Answer {
    /// What to show, with line ends.
    text: String,
    /// Whether the dialogue on the console is over: the machine is to run, or never will again.
    ends: bool,
    /// Goes when the answer has been shown.
    unshown: Sender<Infallible>,
}

/// Where the thread that runs the machine serves the monitor.
#[derive(Debug)]
pub struct Desk {
    requests: Receiver<Request>,
    /// Whether the console's dialogue is open.
    held: bool,
    /// The socket, removed at the end.
    socket: Option<PathBuf>,
}

impl Desk {
    pub(super) fn new(requests: Receiver<Request>) -> Self {
        Self { requests, held: false, socket: None }
    }

    /// Whether the machine may run now.
    #[must_use]
    pub fn lets_run(&self, session: &Session) -> bool {
        !self.held && session.running != Some(false)
    }

    /// Serves whoever waits; when the machine may not run, until it may or is to leave. Returns
    /// whether anybody was there.
    pub fn serve(&mut self, session: &mut Session) -> bool {
        let mut served = false;
        while !session.quit {
            let request = if self.lets_run(session) {
                self.requests.try_recv().ok()
            } else {
                self.requests.recv().ok()
            };
            let Some(request) = request else { break };
            served = true;
            match request {
                Request::Hold(standing) => {
                    self.held = true;
                    // A dialogue that has gone needs no answer; the same goes for lines.
                    standing.send(()).ok();
                }
                Request::Release => self.held = false,
                Request::Leave => break,
                Request::Line { line, answer } => {
                    let text = execute(session, &line);
                    let is_cont = line.trim() == "cont" && session.running == Some(true);
                    let (unshown, shown) = channel();
                    let ends = is_cont || session.is_over();
                    answer.send(Answer { text, ends, unshown }).ok();
                    if session.quit || session.is_over() {
                        // The program ends next, and whoever shows the answer with it.
                        shown.recv_timeout(LAST_WORD).ok();
                    }
                }
            }
        }
        served
    }

    /// Says on the console that the machine has stopped by itself.
    pub fn tell(&self, text: &str) {
        terminal::tell(&format!("\r\n{text}; Ctrl-A c opens the monitor, `cont` goes on\r\n"));
    }

    /// Serves connections to a socket at `path`, each in a thread of its own.
    ///
    /// # Errors
    /// When the host does not let us listen there.
    pub(super) fn listen(&mut self, path: &Path, outlet: Outlet) -> std::io::Result<()> {
        use std::os::unix::fs::FileTypeExt;
        let is_socket = |path: &Path| {
            std::fs::symlink_metadata(path).is_ok_and(|data| data.file_type().is_socket())
        };
        // A socket left by a run that was killed is in the way; anything else is not ours.
        if UnixStream::connect(path).is_err() && is_socket(path) {
            std::fs::remove_file(path)?;
        }
        let listener = UnixListener::bind(path)?;
        self.socket = Some(path.to_owned());
        let accept = move || {
            for stream in listener.incoming() {
                match stream {
                    Ok(stream) => {
                        let outlet = outlet.clone();
                        std::thread::spawn(move || converse(stream, &outlet));
                    }
                    Err(error) => {
                        tracing::debug!(%error, "monitor");
                        return;
                    }
                }
            }
        };
        std::thread::Builder::new().name("monitor".into()).spawn(accept).map(drop)
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        if let Some(path) = &self.socket
            && let Err(error) = std::fs::remove_file(path)
        {
            tracing::debug!(%error, path = %path.display(), "the monitor's socket");
        }
    }
}

/// Brings a line to the desk and waits for the answer; `None` when nobody serves any more.
fn ask(outlet: &Outlet, line: String) -> Option<Answer> {
    let (answer, answered) = channel();
    if !outlet.ask(Request::Line { line, answer }) {
        return None;
    }
    answered.recv().ok()
}

/// Plain lines over a socket: the far end edits them. The prompt marks the end of an answer.
fn converse(stream: UnixStream, outlet: &Outlet) {
    let talk = || -> std::io::Result<()> {
        let mut to = stream.try_clone()?;
        let mut from = BufReader::new(stream);
        write!(to, "{GREETING}\n{PROMPT}")?;
        let mut line = String::new();
        while from.read_line(&mut line)? > 0 {
            let Some(answer) = ask(outlet, std::mem::take(&mut line)) else { break };
            write!(to, "{}{PROMPT}", answer.text)?;
            drop(answer.unshown);
        }
        Ok(())
    };
    if let Err(error) = talk() {
        tracing::debug!(%error, "a connection to the monitor");
    }
}

/// Completes the names of commands.
struct Names;

impl Completer for Names {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        at: usize,
        _: &Context<'_>,
    ) -> Result<(usize, Vec<String>), ReadlineError> {
        let typed = &line[..at];
        let name = |typed: &str| !typed.contains(char::is_whitespace);
        let known = COMMANDS.iter().map(|command| command.name);
        let fitting = known.filter(|known| name(typed) && known.starts_with(typed));
        Ok((0, fitting.map(|known| format!("{known} ")).collect()))
    }
}

impl Hinter for Names {
    type Hint = String;
}

impl Highlighter for Names {}

impl Validator for Names {}

impl Helper for Names {}

/// The monitor on the console: lines with editing, history and completion.
pub(super) struct Dialogue {
    outlet: Outlet,
    /// Made at the first use; keeps the history.
    editor: Option<Editor<Names, MemHistory>>,
}

impl Dialogue {
    pub(super) fn new(outlet: Outlet) -> Self {
        Self { outlet, editor: None }
    }

    /// Holds the machine, talks with the user and lets it run on.
    pub(super) fn hold(&mut self) {
        let (standing, stands) = channel();
        if !self.outlet.ask(Request::Hold(standing)) || stands.recv().is_err() {
            terminal::tell("\r\nno monitor here: a debugger has the machine\r\n");
            return;
        }
        let ended = terminal::in_line_mode(|| {
            let ended = self.talk();
            if !ended {
                println_to_terminal("back to the guest\n");
            }
            ended
        });
        if ended {
            // Nobody serves any more: the program is about to end.
            return;
        }
        self.outlet.ask(Request::Release);
    }

    /// Returns whether the program ends.
    fn talk(&mut self) -> bool {
        let editor = match &mut self.editor {
            Some(editor) => editor,
            None => match open_editor() {
                Ok(editor) => self.editor.insert(editor),
                Err(error) => {
                    eprintln!("no monitor: {error}");
                    return false;
                }
            },
        };
        println_to_terminal(&format!("\n{GREETING}; `cont` or Ctrl-D go back to the guest\n"));
        loop {
            let line = match editor.readline(PROMPT) {
                Ok(line) => line,
                Err(ReadlineError::Interrupted) => continue,
                Err(ReadlineError::Eof) => return false,
                Err(error) => {
                    eprintln!("monitor: {error}");
                    return false;
                }
            };
            if !line.trim().is_empty()
                && let Err(error) = editor.add_history_entry(line.as_str())
            {
                tracing::debug!(%error, "history");
            }
            let Some(answer) = ask(&self.outlet, line) else { return true };
            println_to_terminal(&answer.text);
            drop(answer.unshown);
            if answer.ends {
                return false;
            }
        }
    }
}

fn println_to_terminal(text: &str) {
    let mut stdout = std::io::stdout().lock();
    if let Err(error) = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        tracing::debug!(%error, "monitor");
    }
}

fn open_editor() -> Result<Editor<Names, MemHistory>, ReadlineError> {
    let config = Config::builder().history_ignore_dups(true)?.build();
    let history = MemHistory::with_config(&config);
    let mut editor = Editor::with_history(config, history)?;
    editor.set_helper(Some(Names));
    Ok(editor)
}
