//! Where GDB connects: `HOST:PORT`, `unix:PATH` or `stdio`.
//!
//! A thread reads the connection and raises the engine's attention when something comes while the
//! machine runs: an interrupt is heard without any poll in the machine's way. The thread ends with
//! the connection.
//!
//! GDB complains about silence with a `-` that asks for the last packet again. The streams here lose
//! nothing, so there is nothing to send again: such a byte between packets is passed over.

use std::{
    collections::VecDeque,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::net::{UnixListener, UnixStream},
    path::PathBuf,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel},
    },
    time::Duration,
};

use gdbstub::conn::Connection;

/// Why GDB cannot be listened to.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// The text names no place.
    #[error("`{0}` is no place for GDB to connect to: use HOST:PORT, unix:PATH or stdio")]
    Endpoint(String),
    /// The host does not let us listen or talk there.
    #[error("gdb connection {endpoint}: {source}")]
    Io {
        /// The place.
        endpoint: String,
        /// The host's answer.
        source: std::io::Error,
    },
}

/// A place where GDB connects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A TCP address, `HOST:PORT`.
    Tcp(String),
    /// A Unix socket, `unix:PATH`. A socket that is already there is replaced.
    Unix(PathBuf),
    /// Standard input and output: GDB starts us with `target remote | emulator ..`.
    Stdio,
}

impl FromStr for Endpoint {
    type Err = ConnectionError;

    fn from_str(text: &str) -> Result<Self, ConnectionError> {
        let refused = || ConnectionError::Endpoint(text.to_owned());
        if text == "stdio" {
            return Ok(Self::Stdio);
        }
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() { Err(refused()) } else { Ok(Self::Unix(path.into())) };
        }
        let (_, port) = text.rsplit_once(':').ok_or_else(refused)?;
        port.parse::<u16>().map_err(|_| refused())?;
        // `:1234` is what GDB's own tools take for this host.
        let host = if text.starts_with(':') { "localhost" } else { "" };
        Ok(Self::Tcp(format!("{host}{text}")))
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => f.write_str(address),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Stdio => f.write_str("stdio"),
        }
    }
}

enum Kind {
    Tcp(TcpListener),
    Unix(UnixListener),
    /// Taken once.
    Stdio(Option<()>),
}

/// Waits for GDB.
pub struct Listener {
    endpoint: Endpoint,
    kind: Kind,
}

impl Listener {
    /// Listens at `endpoint`.
    ///
    /// # Errors
    /// [`ConnectionError::Io`] when the host refuses.
    pub fn bind(endpoint: Endpoint) -> Result<Self, ConnectionError> {
        let bound = match &endpoint {
            Endpoint::Tcp(address) => TcpListener::bind(address).map(Kind::Tcp),
            Endpoint::Unix(path) => {
                // A socket left by a run that was killed is in the way; anything else is not ours.
                if UnixStream::connect(path).is_err() && is_socket(path) {
                    std::fs::remove_file(path).ok();
                }
                UnixListener::bind(path).map(Kind::Unix)
            }
            Endpoint::Stdio => Ok(Kind::Stdio(Some(()))),
        };
        match bound {
            Ok(kind) => Ok(Self { endpoint, kind }),
            Err(source) => Err(ConnectionError::Io { endpoint: endpoint.to_string(), source }),
        }
    }

    /// The place, with the port that the host chose when port 0 was asked for.
    #[must_use]
    pub fn endpoint(&self) -> String {
        match &self.kind {
            Kind::Tcp(listener) => listener
                .local_addr()
                .map_or_else(|_| self.endpoint.to_string(), |at| at.to_string()),
            _ => self.endpoint.to_string(),
        }
    }

    /// Waits for GDB in a thread, so that a machine can run meanwhile.
    #[must_use]
    pub fn listen(mut self, attention: Arc<AtomicBool>) -> Waiting {
        let (sender, streams) = channel();
        let eager = Arc::new(AtomicBool::new(false));
        let raise = Arc::clone(&eager);
        std::thread::spawn(move || {
            while let Ok(Some(stream)) = self.accept() {
                if sender.send(stream).is_err() {
                    break;
                }
                if raise.load(Ordering::SeqCst) {
                    attention.store(true, Ordering::SeqCst);
                }
            }
        });
        Waiting { streams, eager }
    }

    /// Waits for the next GDB; `None` when none can come any more.
    ///
    /// # Errors
    /// [`ConnectionError::Io`] when the host fails.
    pub fn accept(&mut self) -> Result<Option<Stream>, ConnectionError> {
        let accepted = match &mut self.kind {
            Kind::Tcp(listener) => listener.accept().and_then(|(stream, _)| {
                stream.set_nodelay(true)?;
                Ok(Some(Stream::Tcp(stream.try_clone()?, stream)))
            }),
            Kind::Unix(listener) => listener
                .accept()
                .and_then(|(stream, _)| Ok(Some(Stream::Unix(stream.try_clone()?, stream)))),
            Kind::Stdio(left) => Ok(left.take().map(|()| Stream::Stdio)),
        };
        accepted
            .map_err(|source| ConnectionError::Io { endpoint: self.endpoint.to_string(), source })
    }
}

/// GDBs that have connected and are not served yet.
pub struct Waiting {
    streams: Receiver<Stream>,
    eager: Arc<AtomicBool>,
}

impl Waiting {
    /// The next GDB, waited for; `None` when none can come any more.
    #[must_use]
    pub fn next(&self) -> Option<Stream> {
        self.streams.recv().ok()
    }

    /// Whether one that connects raises the attention of the running machine.
    pub fn set_eager(&self, eager: bool) {
        self.eager.store(eager, Ordering::SeqCst);
    }
}

/// A connection that is not served yet: two handles of one socket, or the standard streams.
pub enum Stream {
    /// TCP.
    Tcp(TcpStream, TcpStream),
    /// A Unix socket.
    Unix(UnixStream, UnixStream),
    /// Standard input and output.
    Stdio,
}

impl Stream {
    /// Starts to read it.
    #[must_use]
    pub fn start(self, attention: Arc<AtomicBool>) -> Wire {
        match self {
            Self::Tcp(from, to) => Wire::start(from, to, attention),
            Self::Unix(from, to) => Wire::start(from, to, attention),
            Self::Stdio => Wire::start(std::io::stdin(), std::io::stdout(), attention),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let (Endpoint::Unix(path), Kind::Unix(_)) = (&self.endpoint, &self.kind) {
            std::fs::remove_file(path).ok();
        }
    }
}

fn is_socket(path: &std::path::Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    std::fs::symlink_metadata(path).is_ok_and(|about| about.file_type().is_socket())
}

/// Where in the protocol a byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Between,
    Packet,
    /// This many digits of the checksum are to come.
    Sum(u8),
}

impl Place {
    fn behind(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Between, b'$') => Self::Packet,
            (Self::Packet, b'#') => Self::Sum(2),
            (Self::Sum(left), _) if left > 1 => Self::Sum(left - 1),
            (Self::Sum(_), _) => Self::Between,
            (place, _) => place,
        }
    }
}

/// What came from GDB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Came {
    /// A byte.
    Byte(u8),
    /// Nothing yet.
    Nothing,
    /// Nothing, and nothing more will.
    End,
}

/// A connection with GDB.
pub struct Wire {
    incoming: Receiver<Vec<u8>>,
    unread: VecDeque<u8>,
    place: Place,
    outgoing: Box<dyn Write>,
    buffer: Vec<u8>,
    running: Arc<AtomicBool>,
    attention: Arc<AtomicBool>,
    /// The socket, to be shut down when we leave first: the reading thread holds a copy.
    socket: Option<Socket>,
    /// For the heart.
    twin: Option<Box<dyn Write + Send>>,
}

/// What can be shut down.
pub(in crate::debug) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Something to talk over.
pub(in crate::debug) trait Outgoing: Write + 'static {
    fn socket(&self) -> Option<Socket>;
    /// A second handle.
    fn twin(&self) -> Option<Box<dyn Write + Send>>;
}

impl Outgoing for TcpStream {
    fn socket(&self) -> Option<Socket> {
        self.try_clone().ok().map(Socket::Tcp)
    }

    fn twin(&self) -> Option<Box<dyn Write + Send>> {
        self.try_clone().ok().map(|twin| Box::new(twin) as _)
    }
}

impl Outgoing for UnixStream {
    fn socket(&self) -> Option<Socket> {
        self.try_clone().ok().map(Socket::Unix)
    }

    fn twin(&self) -> Option<Box<dyn Write + Send>> {
        self.try_clone().ok().map(|twin| Box::new(twin) as _)
    }
}

impl Outgoing for std::io::Stdout {
    fn socket(&self) -> Option<Socket> {
        None
    }

    fn twin(&self) -> Option<Box<dyn Write + Send>> {
        Some(Box::new(std::io::stdout()))
    }
}

impl Wire {
    pub(in crate::debug) fn start(
        from: impl Read + Send + 'static,
        to: impl Outgoing,
        attention: Arc<AtomicBool>,
    ) -> Self {
        let (sender, incoming) = channel();
        let running = Arc::new(AtomicBool::new(false));
        let ear = Ear { running: Arc::clone(&running), attention: Arc::clone(&attention), sender };
        std::thread::spawn(move || ear.listen(from));
        let socket = to.socket();
        let twin = to.twin();
        Self {
            incoming,
            unread: VecDeque::new(),
            place: Place::Between,
            outgoing: Box::new(to),
            buffer: Vec::new(),
            running,
            attention,
            socket,
            twin,
        }
    }

    /// The next byte, waited for; `None` when GDB is gone.
    pub(super) fn next_byte(&mut self) -> Option<u8> {
        while self.unread.is_empty() {
            let bytes = self.incoming.recv().ok()?;
            self.keep(bytes);
        }
        self.unread.pop_front()
    }

    /// Takes in what came, but for complaints between packets.
    fn keep(&mut self, bytes: Vec<u8>) {
        for byte in bytes {
            if self.place == Place::Between && byte == b'-' {
                continue;
            }
            self.place = self.place.behind(byte);
            self.unread.push_back(byte);
        }
    }

    /// What lets a command take long without GDB giving up.
    pub(super) fn heart(&mut self) -> Heart {
        Heart {
            to: self.twin.take(),
            running: Arc::clone(&self.running),
            attention: Arc::clone(&self.attention),
        }
    }

    /// What came while the machine ran, not waited for.
    pub(super) fn waiting(&mut self) -> Came {
        let is_open = self.drain();
        match self.unread.pop_front() {
            Some(byte) => Came::Byte(byte),
            None if is_open => Came::Nothing,
            None => Came::End,
        }
    }

    /// Takes in what came; false when no more can come.
    fn drain(&mut self) -> bool {
        loop {
            match self.incoming.try_recv() {
                Ok(bytes) => self.keep(bytes),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    /// Answers the packet that ended the session.
    pub(super) fn say_goodbye(&mut self) {
        let said = self.write_all(b"$OK#9a").and_then(|()| self.flush());
        if let Err(error) = said {
            tracing::debug!(target: "debug", "GDB did not wait for an answer: {error}");
        }
    }

    /// Runs `motion` with the attention raised by whatever comes or came.
    pub(super) fn while_running<T>(&mut self, motion: impl FnOnce() -> T) -> T {
        self.attention.store(false, Ordering::SeqCst);
        self.running.store(true, Ordering::SeqCst);
        // What came before the flag was up was queued without raising attention.
        self.drain();
        if !self.unread.is_empty() {
            self.attention.store(true, Ordering::SeqCst);
        }
        let outcome = motion();
        self.running.store(false, Ordering::SeqCst);
        outcome
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        // The reading thread sees the end and ends too.
        match &self.socket {
            Some(Socket::Tcp(stream)) => stream.shutdown(std::net::Shutdown::Both).ok(),
            Some(Socket::Unix(stream)) => stream.shutdown(std::net::Shutdown::Both).ok(),
            None => None,
        };
    }
}

impl Connection for Wire {
    type Error = std::io::Error;

    fn write(&mut self, byte: u8) -> Result<(), std::io::Error> {
        self.buffer.push(byte);
        Ok(())
    }

    fn write_all(&mut self, bytes: &[u8]) -> Result<(), std::io::Error> {
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), std::io::Error> {
        self.outgoing.write_all(&self.buffer)?;
        self.buffer.clear();
        self.outgoing.flush()
    }
}

/// An output packet without text.
const BEAT: &[u8] = b"$O#4f";

/// Between two beats; GDB waits two seconds unless told otherwise.
const BEAT_EVERY: Duration = Duration::from_millis(800);

/// Tells GDB that a command is still at work, and the command when GDB has had enough.
pub(super) struct Heart {
    to: Option<Box<dyn Write + Send>>,
    running: Arc<AtomicBool>,
    attention: Arc<AtomicBool>,
}

impl Heart {
    /// Carries out `work`; nothing else may be sent meanwhile.
    pub(super) fn beat_during<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let (done, wait) = channel::<()>();
        let to = self.to.as_mut();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let Some(to) = to else { return };
                while wait.recv_timeout(BEAT_EVERY) == Err(RecvTimeoutError::Timeout) {
                    if to.write_all(BEAT).and_then(|()| to.flush()).is_err() {
                        return;
                    }
                }
            });
            self.attention.store(false, Ordering::SeqCst);
            self.running.store(true, Ordering::SeqCst);
            let outcome = work();
            self.running.store(false, Ordering::SeqCst);
            drop(done);
            outcome
        })
    }
}

/// GDB's interrupt, sent between packets.
const INTERRUPT: u8 = 3;

/// The reading thread.
struct Ear {
    running: Arc<AtomicBool>,
    attention: Arc<AtomicBool>,
    sender: Sender<Vec<u8>>,
}

impl Ear {
    fn listen(self, from: impl Read) {
        let Self { running, attention, sender } = self;
        let raise = || {
            if running.load(Ordering::SeqCst) {
                attention.store(true, Ordering::SeqCst);
            }
        };
        Self::pass_on(from, &sender, &raise);
        drop(sender);
        raise();
    }

    fn pass_on(mut from: impl Read, sender: &Sender<Vec<u8>>, raise: &dyn Fn()) {
        let mut buffer = [0; 4096];
        let mut place = Place::Between;
        loop {
            let bytes = match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => &buffer[..count],
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(_) => break,
            };
            let mut interrupts = false;
            for byte in bytes {
                interrupts |= place == Place::Between && *byte == INTERRUPT;
                place = place.behind(*byte);
            }
            if sender.send(bytes.to_vec()).is_err() {
                break;
            }
            // A packet may start the machine before this line is reached; it interrupts nothing.
            if interrupts {
                raise();
            }
        }
    }
}
