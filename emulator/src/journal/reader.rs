//! Reads a recording up to the first frame that cannot be trusted.
//!
//! Opening reads the description and hops over the frame headers; records are then read one frame
//! at a time, so memory stays bounded by one frame however long the recording is. Payloads of
//! records are proved while opening too: where the recording ends must be known before a replay
//! begins. Payloads that replay does not need (checkpoints, images) are proved when they are used.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use crate::clock::Position;

use super::{
    Damage, Description, FrameHeader, FrameKind, HEADER_LEN, JournalError, MAGIC, Names,
    PREAMBLE_LEN, Record, VERSION,
    progress::{MARK_LEN, MARK_MAGIC, ProgressMark},
    record,
    writer::io_error,
};

/// Where and why reading ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The run was ended in good order and the recording says so.
    Complete,
    /// The file ends after a whole frame: its writer was killed, or is still at work.
    Open,
    /// What follows cannot be trusted.
    Damaged {
        /// Byte offset of the frame.
        offset: u64,
        /// What is wrong with it.
        damage: Damage,
    },
}

/// A frame and its place in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameAt {
    /// The frame's header.
    pub header: FrameHeader,
    /// Byte offset of the header in the file.
    pub offset: u64,
}

/// An opened recording.
#[derive(Debug)]
pub struct Reader {
    file: File,
    path: PathBuf,
    description: Description,
    recording: u32,
    frames: Vec<FrameAt>,
    ending: Ending,
    last: Position,
    record_count: u64,
    input_count: u64,
}

impl Reader {
    /// Opens `path` and finds out how far it can be trusted.
    ///
    /// # Errors
    /// [`JournalError`] when it is no recording, is too new, or its description is damaged.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let mut file = File::open(path).map_err(|source| io_error(path, source))?;
        let length = file.metadata().map_err(|source| io_error(path, source))?.len();
        check_preamble(&mut file, path)?;
        let mut offset = PREAMBLE_LEN as u64;
        let damaged =
            |damage| JournalError::DescriptionDamaged { file: path.display().to_string(), damage };
        let header = read_header(&mut file, offset, length)
            .map_err(|source| io_error(path, source))?
            .map_err(damaged)?;
        if header.kind != FrameKind::Description || header.number != 0 {
            return Err(damaged(Damage::Record));
        }
        let payload = read_payload(&mut file, offset, &header)
            .map_err(|source| io_error(path, source))?
            .map_err(damaged)?;
        let description = Description::from_bytes(&payload)?;
        let frame = FrameAt { header, offset };
        offset = frame.end();
        let mut reader = Self {
            file,
            path: path.to_owned(),
            description,
            recording: header.recording,
            frames: vec![frame],
            ending: Ending::Open,
            last: Position::default(),
            record_count: 0,
            input_count: 0,
        };
        reader.scan(offset, length)?;
        Ok(reader)
    }

    /// The recorded machine.
    #[must_use]
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Identity of the recording.
    #[must_use]
    pub fn recording(&self) -> u32 {
        self.recording
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where and why reading ends.
    #[must_use]
    pub fn ending(&self) -> Ending {
        self.ending
    }

    /// The last position up to which the recording can be replayed.
    #[must_use]
    pub fn last(&self) -> Position {
        self.last
    }

    /// Number of records: inputs and annotations.
    #[must_use]
    pub fn record_count(&self) -> u64 {
        self.record_count
    }

    /// Number of inputs.
    #[must_use]
    pub fn input_count(&self) -> u64 {
        self.input_count
    }

    /// All trusted frames, in order.
    #[must_use]
    pub fn frames(&self) -> &[FrameAt] {
        &self.frames
    }

    /// The records from the beginning.
    ///
    /// # Errors
    /// [`JournalError::Io`] when the file cannot be opened again.
    pub fn records(&self) -> Result<Records, JournalError> {
        let file = File::open(&self.path).map_err(|source| io_error(&self.path, source))?;
        let frames: Vec<FrameAt> =
            self.frames.iter().filter(|at| at.header.kind == FrameKind::Records).copied().collect();
        Ok(Records {
            file,
            path: self.path.clone(),
            frames: frames.into_iter(),
            names: Names::default(),
            batch: Vec::new().into_iter(),
        })
    }

    /// The checked payload of a frame.
    ///
    /// # Errors
    /// [`JournalError::Io`]; `Ok(Err(damage))` when the payload is not what was written.
    pub fn payload(&mut self, frame: &FrameAt) -> Result<Result<Vec<u8>, Damage>, JournalError> {
        read_payload(&mut self.file, frame.offset, &frame.header)
            .map_err(|source| io_error(&self.path, source))
    }

    fn scan(&mut self, mut offset: u64, length: u64) -> Result<(), JournalError> {
        let mut names = Names::default();
        while offset < length {
            match self.next_frame(offset, length, &mut names)? {
                Ok(frame) => {
                    if matches!(frame.header.kind, FrameKind::Records | FrameKind::Progress) {
                        self.last = frame.header.last;
                    }
                    offset = frame.end();
                    self.frames.push(frame);
                }
                Err(damage) => {
                    self.ending = Ending::Damaged { offset, damage };
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn next_frame(
        &mut self,
        offset: u64,
        length: u64,
        names: &mut Names,
    ) -> Result<Result<FrameAt, Damage>, JournalError> {
        let found = self
            .read_frame(offset, length)
            .map_err(|source| io_error(&self.path, source))?
            .and_then(|header| self.check_place(header));
        let header = match found {
            Ok(header) => header,
            Err(damage) => return Ok(Err(damage)),
        };
        let frame = FrameAt { header, offset };
        if header.kind != FrameKind::Records {
            return Ok(Ok(frame));
        }
        let payload = match self.payload(&frame)? {
            Ok(payload) => payload,
            Err(damage) => return Ok(Err(damage)),
        };
        match record::decode_batch(&payload, header.first, header.last, names) {
            Ok(records) => {
                self.record_count += records.len() as u64;
                self.input_count += records.iter().filter(|record| record.needed).count() as u64;
                if records.last().is_some_and(|record| &*record.kind == super::END) {
                    self.ending = Ending::Complete;
                }
                Ok(Ok(frame))
            }
            Err(damage) => Ok(Err(damage)),
        }
    }

    /// The header of the frame at `offset` of a file of `length` bytes; for a progress mark the one
    /// that it stands for.
    fn read_frame(&mut self, offset: u64, length: u64) -> io::Result<Result<FrameHeader, Damage>> {
        let bytes = match read_array::<MARK_LEN>(&mut self.file, offset, length)? {
            Ok(bytes) => bytes,
            Err(damage) => return Ok(Err(damage)),
        };
        if bytes[..4] != MARK_MAGIC {
            return read_header(&mut self.file, offset, length);
        }
        let number = self.next_number();
        let last = ProgressMark::from_bytes(&bytes, self.recording, number)
            .and_then(|mark| mark.after(self.last));
        Ok(last.map(|last| FrameHeader {
            kind: FrameKind::Progress,
            compressed: false,
            needed: true,
            is_last: false,
            stored_len: 0,
            raw_len: 0,
            number,
            recording: self.recording,
            first: self.last,
            last,
            payload_crc: 0,
        }))
    }

    fn next_number(&self) -> u32 {
        u32::try_from(self.frames.len()).unwrap_or(u32::MAX)
    }

    /// Checks a header against its neighbours.
    fn check_place(&self, header: FrameHeader) -> Result<FrameHeader, Damage> {
        let expected = self.next_number();
        if header.recording != self.recording {
            return Err(Damage::Foreign { expected: self.recording, found: header.recording });
        }
        if header.number != expected {
            return Err(Damage::Number { expected, found: header.number });
        }
        match header.kind {
            FrameKind::Description => Err(Damage::Record),
            FrameKind::Unknown(code) if header.needed => Err(Damage::UnknownKind(code)),
            FrameKind::Records if header.first < self.last && self.frames.len() > 1 => {
                Err(Damage::PositionOrder)
            }
            _ => Ok(header),
        }
    }
}

impl FrameAt {
    /// Byte offset just after the frame.
    #[must_use]
    pub fn end(&self) -> u64 {
        let header = if self.header.kind == FrameKind::Progress { MARK_LEN } else { HEADER_LEN };
        self.offset + header as u64 + u64::from(self.header.stored_len)
    }
}

/// The records of a recording, one frame in memory at a time.
#[derive(Debug)]
pub struct Records {
    file: File,
    path: PathBuf,
    frames: std::vec::IntoIter<FrameAt>,
    names: Names,
    batch: std::vec::IntoIter<Record>,
}

impl Iterator for Records {
    type Item = Result<Record, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(record) = self.batch.next() {
                return Some(Ok(record));
            }
            let frame = self.frames.next()?;
            match self.load(&frame) {
                Ok(batch) => self.batch = batch.into_iter(),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

impl Records {
    fn load(&mut self, frame: &FrameAt) -> Result<Vec<Record>, JournalError> {
        // Opening proved the frame; it can only differ when the file was changed since.
        let changed = |damage: Damage| {
            io_error(&self.path, io::Error::new(io::ErrorKind::InvalidData, damage))
        };
        let payload = read_payload(&mut self.file, frame.offset, &frame.header)
            .map_err(|source| io_error(&self.path, source))?
            .map_err(changed)?;
        record::decode_batch(&payload, frame.header.first, frame.header.last, &mut self.names)
            .map_err(changed)
    }
}

fn check_preamble(file: &mut File, path: &Path) -> Result<(), JournalError> {
    let foreign = || JournalError::NotARecording(path.display().to_string());
    let mut bytes = [0; PREAMBLE_LEN];
    match file.read_exact(&mut bytes) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(foreign()),
        Err(error) => return Err(io_error(path, error)),
    }
    if bytes[..8] != MAGIC {
        return Err(foreign());
    }
    let word =
        |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    if crc32c::crc32c(&bytes[..12]) != word(12) {
        return Err(JournalError::DescriptionDamaged {
            file: path.display().to_string(),
            damage: Damage::HeaderChecksum,
        });
    }
    if word(8) == VERSION {
        return Ok(());
    }
    Err(JournalError::Version { file: path.display().to_string(), found: word(8) })
}

/// Reads the header at `offset` of a file of `length` bytes and checks that its payload fits.
fn read_header(
    file: &mut File,
    offset: u64,
    length: u64,
) -> io::Result<Result<FrameHeader, Damage>> {
    let found = read_array::<HEADER_LEN>(file, offset, length)?;
    let header = match found.and_then(|bytes| FrameHeader::from_bytes(&bytes)) {
        Ok(header) => header,
        Err(damage) => return Ok(Err(damage)),
    };
    let room = length - offset - HEADER_LEN as u64;
    if u64::from(header.stored_len) > room {
        return Ok(Err(Damage::Truncated));
    }
    Ok(Ok(header))
}

/// The bytes at `offset` of a file of `length` bytes.
fn read_array<const N: usize>(
    file: &mut File,
    offset: u64,
    length: u64,
) -> io::Result<Result<[u8; N], Damage>> {
    if length.saturating_sub(offset) < N as u64 {
        return Ok(Err(Damage::Truncated));
    }
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = [0; N];
    match file.read_exact(&mut bytes) {
        Ok(()) => Ok(Ok(bytes)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Err(Damage::Truncated)),
        Err(error) => Err(error),
    }
}

fn read_payload(
    file: &mut File,
    offset: u64,
    header: &FrameHeader,
) -> io::Result<Result<Vec<u8>, Damage>> {
    file.seek(SeekFrom::Start(offset + HEADER_LEN as u64))?;
    let mut stored = vec![0; header.stored_len as usize];
    match file.read_exact(&mut stored) {
        Ok(()) => Ok(header.unpack(stored)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Err(Damage::Truncated)),
        Err(error) => Err(error),
    }
}
