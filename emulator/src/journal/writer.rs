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
    progress::ProgressMark,
};

/// A batch of this many bytes is appended at once.
pub const FLUSH_BYTES: usize = 64 << 10;
/// Payloads below this stay as they are: compressing them gains nothing.
const COMPRESS_FROM: usize = 48;
/// zstd level of records and descriptions.
const LEVEL: i32 = 3;
/// zstd level of images and checkpoints.
const PIECE_LEVEL: i32 = 1;

/// A recording that grows.
#[derive(Debug)]
pub struct Writer {
    file: File,
    path: PathBuf,
    recording: u32,
    number: u32,
    batch: Batch,
    /// The last position that the file speaks of; the open batch begins there.
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
            flushed: Position::default(),
            bytes: 0,
        };
        writer.append(&preamble())?;
        let zero = Position::default();
        writer.frame(FrameKind::Description, zero, zero, &PackedPiece::of(payload, LEVEL))?;
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

    /// Whether the file does not yet say all up to `now`.
    #[must_use]
    pub fn is_behind(&self, now: Position) -> bool {
        !self.batch.is_empty() || frame::span(now) != self.flushed
    }

    /// Appends what was collected; from then on the recording is complete up to `now`. Does nothing
    /// when there is nothing new.
    ///
    /// # Errors
    /// [`JournalError::Io`] when the host fails.
    pub fn flush(&mut self, now: Position) -> Result<(), JournalError> {
        if !self.is_behind(now) {
            return Ok(());
        }
        let now = frame::span(now);
        let mark = ProgressMark::between(self.flushed, now).filter(|_| self.batch.is_empty());
        let payload = self.batch.take(now);
        match mark {
            Some(mark) => {
                self.append(&mark.to_bytes(self.recording, self.number))?;
                self.number += 1;
            }
            None => {
                let payload = PackedPiece::of(payload, LEVEL);
                self.frame(FrameKind::Records, self.flushed, now, &payload)?;
            }
        }
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
        self.packed_pieces(kind, at, &pack_pieces(identity, content))
    }

    /// Appends pieces that were packed before, perhaps on another thread. All of one thing come in
    /// order, in one call or several.
    ///
    /// # Errors
    /// [`JournalError::Io`] when the host fails.
    pub fn packed_pieces(
        &mut self,
        kind: FrameKind,
        at: Position,
        pieces: &[PackedPiece],
    ) -> Result<(), JournalError> {
        let at = frame::span(at);
        pieces.iter().try_for_each(|piece| self.frame(kind, at, at, piece))
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
        payload: &PackedPiece,
    ) -> Result<(), JournalError> {
        let stored = payload.stored.as_slice();
        let header = FrameHeader {
            kind,
            compressed: payload.compressed,
            needed: kind.is_needed(),
            is_last: payload.is_last,
            stored_len: frame_len(stored.len()),
            raw_len: frame_len(payload.raw_len),
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

/// A payload as it goes into a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedPiece {
    raw_len: usize,
    compressed: bool,
    is_last: bool,
    stored: Vec<u8>,
}

impl PackedPiece {
    fn of(payload: Vec<u8>, level: i32) -> Self {
        let raw_len = payload.len();
        let packed = (raw_len >= COMPRESS_FROM).then(|| zstd::bulk::compress(&payload, level));
        // What cannot be compressed is stored as it is.
        match packed.and_then(Result::ok).filter(|packed| packed.len() < raw_len) {
            Some(stored) => Self { raw_len, compressed: true, is_last: false, stored },
            None => Self { raw_len, compressed: false, is_last: false, stored: payload },
        }
    }

    /// Packs `content`, which begins at `offset` of the thing called `identity`. Needs no writer, so it
    /// can run on a thread of its own.
    ///
    /// # Panics
    /// When `content` is longer than 4 MiB, the most that a piece holds.
    #[must_use]
    pub fn pack(identity: u64, offset: u64, content: &[u8], is_last: bool) -> Self {
        assert!(content.len() <= PIECE_LEN, "a piece has at most {PIECE_LEN} bytes");
        let payload = [piece_header(identity, offset).as_slice(), content].concat();
        Self { is_last, ..Self::of(payload, PIECE_LEVEL) }
    }
}

/// Cuts `content`, called `identity`, into pieces and packs them.
#[must_use]
pub fn pack_pieces(identity: u64, content: &[u8]) -> Vec<PackedPiece> {
    const { assert!(PIECE_LEN + PIECE_HEADER_LEN <= MAX_PAYLOAD as usize) }
    let mut pieces = Vec::new();
    let mut offset = 0;
    loop {
        let piece = &content[offset..content.len().min(offset + PIECE_LEN)];
        let end = offset + piece.len();
        let is_last = end == content.len();
        pieces.push(PackedPiece::pack(identity, offset as u64, piece, is_last));
        if is_last {
            return pieces;
        }
        offset = end;
    }
}

fn frame_len(bytes: usize) -> u32 {
    match u32::try_from(bytes) {
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
