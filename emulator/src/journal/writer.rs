//! Writes a recording: collects records into batches and appends frames.
//!
//! The writer has no clock. Whoever owns it decides when a batch is due; it appends on its own only
//! when [`FLUSH_BYTES`] have come together. A frame goes to the operating system in one write, so
//! that killing the process loses no frame that was appended and leaves at most the last one cut.

use std::{
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
};

use crate::clock::Position;

use super::{
    Batch, Description, FrameAt, FrameHeader, FrameKind, JournalError, MAGIC, MAX_PAYLOAD,
    PREAMBLE_LEN, Reader, Record, VERSION, frame,
    pieces::{PIECE_HEADER_LEN, PIECE_LEN, piece_header},
};

/// A batch of this many bytes is appended at once.
pub const FLUSH_BYTES: usize = 64 << 10;
/// Payloads below this stay as they are: compressing them gains nothing.
const COMPRESS_FROM: usize = 48;
/// zstd level of records and descriptions.
const LEVEL: i32 = 3;

/// A recording that grows.
#[derive(Debug)]
pub struct Writer {
    file: File,
    path: PathBuf,
    recording: u32,
    number: u32,
    batch: Batch,
    /// Where the open batch begins.
    first: Position,
    /// The last position that the file speaks of.
    flushed: Position,
    bytes: u64,
}

impl Writer {
    /// Creates `path`, replacing what is there, and writes the description.
    ///
    /// # Errors
    /// [`JournalError::Io`] when the host fails.
    pub fn create(path: &Path, description: &Description) -> Result<Self, JournalError> {
        let file = File::create(path).map_err(|source| io_error(path, source))?;
        let payload = description.to_bytes();
        let hash = blake3::hash(&payload);
        let mut id = [0; 4];
        id.copy_from_slice(&hash.as_bytes()[..4]);
        let mut writer = Self {
            file,
            path: path.to_owned(),
            recording: u32::from_le_bytes(id),
            number: 0,
            batch: Batch::default(),
            first: Position::default(),
            flushed: Position::default(),
            bytes: 0,
        };
        writer.append(&preamble())?;
        let zero = Position::default();
        writer.frame(FrameKind::Description, zero, zero, &payload, LEVEL)?;
        Ok(writer)
    }

    /// Copies the trusted part of `recording` to `path` and goes on behind it. Only pieces may be
    /// added to it, no records.
    ///
    /// # Errors
    /// [`JournalError::Io`] when the host fails.
    pub fn copy(path: &Path, recording: &Reader) -> Result<Self, JournalError> {
        let mut source =
            File::open(recording.path()).map_err(|source| io_error(recording.path(), source))?;
        let mut file = File::create(path).map_err(|source| io_error(path, source))?;
        let end = recording.frames().last().map_or(0, FrameAt::end);
        let copied = io::copy(&mut io::Read::take(&mut source, end), &mut file);
        let bytes = copied.map_err(|source| io_error(path, source))?;
        Ok(Self {
            file,
            path: path.to_owned(),
            recording: recording.recording(),
            number: u32::try_from(recording.frames().len()).unwrap_or(u32::MAX),
            batch: Batch::default(),
            first: recording.last(),
            flushed: recording.last(),
            bytes,
        })
    }

    /// Identity of the recording, which every frame carries.
    #[must_use]
    pub fn recording(&self) -> u32 {
        self.recording
    }

    /// Bytes written so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Adds a record; appends the batch when it is full.
    ///
    /// # Errors
    /// [`JournalError::Io`] when the host fails. What was appended before stays readable.
    pub fn record(&mut self, record: &Record) -> Result<(), JournalError> {
        self.batch.push(record);
        if self.batch.len() >= FLUSH_BYTES {
            self.flush(record.position)?;
        }
        Ok(())
    }

    /// Appends what was collected; from then on the recording is complete up to `now`. Does nothing
    /// when there is nothing new.
    ///
    /// # Errors
    /// [`JournalError::Io`] when the host fails.
    pub fn flush(&mut self, now: Position) -> Result<(), JournalError> {
        let now = frame::span(now);
        if self.batch.is_empty() && now == self.flushed {
            return Ok(());
        }
        let payload = self.batch.take(now);
        self.frame(FrameKind::Records, self.first, now, &payload, LEVEL)?;
        self.first = now;
        self.flushed = now;
        Ok(())
    }

    /// Appends `content`, called `identity`, as frames of `kind`, cut into pieces.
    ///
    /// # Errors
    /// [`JournalError::Io`] when the host fails.
    pub fn pieces(
        &mut self,
        kind: FrameKind,
        at: Position,
        identity: u64,
        content: &[u8],
    ) -> Result<(), JournalError> {
        const { assert!(PIECE_LEN + PIECE_HEADER_LEN <= MAX_PAYLOAD as usize) }
        let at = frame::span(at);
        let mut offset = 0;
        loop {
            let piece = &content[offset..content.len().min(offset + PIECE_LEN)];
            let header = piece_header(content.len() as u64, offset as u64, identity);
            let payload = [header.as_slice(), piece].concat();
            self.frame(kind, at, at, &payload, LEVEL)?;
            offset += piece.len();
            if offset >= content.len() {
                return Ok(());
            }
        }
    }

    /// Flushes and asks the host to put everything on the disk.
    ///
    /// # Errors
    /// [`JournalError::Io`] when the host fails.
    pub fn finish(mut self, now: Position) -> Result<(), JournalError> {
        self.flush(now)?;
        self.file.sync_all().map_err(|source| io_error(&self.path, source))
    }

    fn frame(
        &mut self,
        kind: FrameKind,
        first: Position,
        last: Position,
        payload: &[u8],
        level: i32,
    ) -> Result<(), JournalError> {
        let packed = (payload.len() >= COMPRESS_FROM)
            .then(|| zstd::bulk::compress(payload, level))
            .transpose()
            .map_err(|source| io_error(&self.path, source))?
            .filter(|packed| packed.len() < payload.len());
        let stored = packed.as_deref().unwrap_or(payload);
        let header = FrameHeader {
            kind,
            compressed: packed.is_some(),
            needed: kind.is_needed(),
            stored_len: frame_len(stored),
            raw_len: frame_len(payload),
            number: self.number,
            recording: self.recording,
            first,
            last,
            payload_crc: crc32c::crc32c(stored),
        };
        let mut bytes = header.to_bytes().to_vec();
        bytes.extend_from_slice(stored);
        self.append(&bytes)?;
        self.number += 1;
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), JournalError> {
        self.file.write_all(bytes).map_err(|source| io_error(&self.path, source))?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }
}

fn frame_len(bytes: &[u8]) -> u32 {
    match u32::try_from(bytes.len()) {
        Ok(length) if length <= MAX_PAYLOAD => length,
        _ => unreachable!("batches and pieces are bounded below the format's limit"),
    }
}

fn preamble() -> [u8; PREAMBLE_LEN] {
    let mut bytes = [0; PREAMBLE_LEN];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
    let crc = crc32c::crc32c(&bytes[..12]);
    bytes[12..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// Names the file in an error of the host.
pub(super) fn io_error(path: &Path, source: io::Error) -> JournalError {
    JournalError::Io { file: path.display().to_string(), source }
}
