//! Frames: the unit in which a recording grows, is checked and can be lost.
//!
//! A frame is a 64-byte header and a payload. Everything that decides how the payload is read is
//! covered by the header's own checksum, so a reader knows whether it may trust a length before it
//! uses it. All integers are little-endian; `docs/src/journal-format.md` has the table.

use crate::clock::Position;

use super::Damage;

/// Bytes of a frame header.
pub const HEADER_LEN: usize = 64;
/// The four bytes with which every frame begins.
pub const FRAME_MAGIC: [u8; 4] = *b"FRM1";
/// Most bytes that a payload may have, stored or decompressed.
pub const MAX_PAYLOAD: u32 = 16 << 20;

/// The payload is compressed with zstd.
const FLAG_ZSTD: u16 = 1 << 0;
/// A reader that does not know the kind must not replay past this frame.
const FLAG_NEEDED: u16 = 1 << 1;
/// The payload is the last piece of what was cut into pieces.
const FLAG_LAST: u16 = 1 << 2;

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FrameKind {
    /// The expanded machine description: the first frame, exactly once.
    Description,
    /// A batch of records: what came from outside, digests, marks.
    Records,
    /// A piece of the pages of a checkpoint; they stand in front of its state.
    CheckpointPages,
    /// A piece of the state of a checkpoint, which is whole with the last one.
    Checkpoint,
    /// A piece of a packed image file.
    Image,
    /// The run has come further, and that is all. Such a frame is shorter than a header.
    Progress,
    /// A kind that this build does not know.
    Unknown(u16),
}

impl FrameKind {
    fn code(self) -> u16 {
        match self {
            Self::Description => 1,
            Self::Records => 2,
            Self::CheckpointPages => 3,
            Self::Image => 4,
            Self::Checkpoint => 5,
            // No header has it: a progress mark has none.
            Self::Progress => 0,
            Self::Unknown(code) => code,
        }
    }

    fn from_code(code: u16) -> Self {
        match code {
            1 => Self::Description,
            2 => Self::Records,
            3 => Self::CheckpointPages,
            4 => Self::Image,
            5 => Self::Checkpoint,
            other => Self::Unknown(other),
        }
    }

    /// Whether replay is impossible without the frame.
    pub(super) fn is_needed(self) -> bool {
        matches!(self, Self::Description | Self::Records | Self::Progress)
    }
}

/// The header of one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// What the payload is.
    pub kind: FrameKind,
    /// Whether the payload is compressed with zstd.
    pub compressed: bool,
    /// Whether a reader that does not know the kind must stop here.
    pub needed: bool,
    /// Whether the payload is the last piece of what was cut into pieces.
    pub is_last: bool,
    /// Bytes of the payload in the file.
    pub stored_len: u32,
    /// Bytes of the payload once decompressed.
    pub raw_len: u32,
    /// Number of the frame in its file, from 0.
    pub number: u32,
    /// Which recording it belongs to: bytes left over from another file are told apart by it.
    pub recording: u32,
    /// The first position that the payload speaks of; its sequence is always 0.
    pub first: Position,
    /// Up to here the recording is complete once this frame is read; its sequence is always 0.
    pub last: Position,
    /// CRC32C of the stored payload.
    pub payload_crc: u32,
}

impl FrameHeader {
    /// The header as it stands in the file.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; HEADER_LEN] {
        let flags =
            [(self.compressed, FLAG_ZSTD), (self.needed, FLAG_NEEDED), (self.is_last, FLAG_LAST)];
        let set = flags.into_iter().filter(|(is_set, _)| *is_set);
        let flags = set.fold(0, |flags, (_, flag)| flags | flag);
        let mut bytes = [0; HEADER_LEN];
        bytes[0..4].copy_from_slice(&FRAME_MAGIC);
        bytes[4..6].copy_from_slice(&self.kind.code().to_le_bytes());
        bytes[6..8].copy_from_slice(&flags.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.stored_len.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.raw_len.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.number.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.recording.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.first.steps.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.first.idle_ns.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.last.steps.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.last.idle_ns.to_le_bytes());
        bytes[56..60].copy_from_slice(&self.payload_crc.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..60]);
        bytes[60..64].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads and checks a header by itself; what depends on its neighbours is the reader's part.
    ///
    /// # Errors
    /// [`Damage`] when the bytes are not a header that any version of this format has written.
    pub fn from_bytes(bytes: &[u8; HEADER_LEN]) -> Result<Self, Damage> {
        let u16_at = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let u32_at = |at: usize| u32::from_le_bytes(array_at(bytes, at));
        let u64_at = |at: usize| u64::from_le_bytes(array_at(bytes, at));
        if bytes[0..4] != FRAME_MAGIC {
            return Err(Damage::FrameMagic);
        }
        if crc32c::crc32c(&bytes[..60]) != u32_at(60) {
            return Err(Damage::HeaderChecksum);
        }
        let flags = u16_at(6);
        if flags & !(FLAG_ZSTD | FLAG_NEEDED | FLAG_LAST) != 0 {
            return Err(Damage::UnknownFlags(flags));
        }
        let header = Self {
            kind: FrameKind::from_code(u16_at(4)),
            compressed: flags & FLAG_ZSTD != 0,
            needed: flags & FLAG_NEEDED != 0,
            is_last: flags & FLAG_LAST != 0,
            stored_len: u32_at(8),
            raw_len: u32_at(12),
            number: u32_at(16),
            recording: u32_at(20),
            first: Position { steps: u64_at(24), idle_ns: u64_at(32), sequence: 0 },
            last: Position { steps: u64_at(40), idle_ns: u64_at(48), sequence: 0 },
            payload_crc: u32_at(56),
        };
        if header.stored_len > MAX_PAYLOAD || header.raw_len > MAX_PAYLOAD {
            return Err(Damage::PayloadTooLong(header.stored_len.max(header.raw_len)));
        }
        if !header.compressed && header.stored_len != header.raw_len {
            return Err(Damage::LengthMismatch);
        }
        if header.first > header.last {
            return Err(Damage::PositionOrder);
        }
        Ok(header)
    }

    /// Checks and unpacks the payload that `stored` holds.
    ///
    /// Allocates at most [`MAX_PAYLOAD`] bytes.
    ///
    /// # Errors
    /// [`Damage`] when the payload is not the one that was written.
    pub fn unpack(&self, stored: Vec<u8>) -> Result<Vec<u8>, Damage> {
        if crc32c::crc32c(&stored) != self.payload_crc {
            return Err(Damage::PayloadChecksum);
        }
        if !self.compressed {
            return Ok(stored);
        }
        let raw_len = self.raw_len as usize;
        let raw = zstd::bulk::decompress(&stored, raw_len).map_err(|_| Damage::Compression)?;
        if raw.len() == raw_len { Ok(raw) } else { Err(Damage::LengthMismatch) }
    }
}

/// A position as frames carry it: without the sequence.
pub(super) fn span(position: Position) -> Position {
    Position { sequence: 0, ..position }
}

fn array_at<const N: usize>(bytes: &[u8; HEADER_LEN], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> FrameHeader {
        FrameHeader {
            kind: FrameKind::Records,
            compressed: true,
            needed: true,
            is_last: true,
            stored_len: 5,
            raw_len: 9,
            number: 7,
            recording: 0xdead_beef,
            first: Position { steps: 1, idle_ns: 2, sequence: 0 },
            last: Position { steps: 1 << 40, idle_ns: 3, sequence: 0 },
            payload_crc: 0x1234_5678,
        }
    }

    #[test]
    fn a_header_reads_back_as_written() {
        assert_eq!(FrameHeader::from_bytes(&header().to_bytes()), Ok(header()));
    }

    #[test]
    fn every_single_bit_flip_of_a_header_is_found() {
        for bit in 0..HEADER_LEN * 8 {
            let mut bytes = header().to_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(FrameHeader::from_bytes(&bytes).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_length_bomb_is_refused_before_anything_is_allocated() {
        let bomb = FrameHeader { raw_len: u32::MAX, ..header() };
        assert_eq!(
            FrameHeader::from_bytes(&bomb.to_bytes()),
            Err(Damage::PayloadTooLong(u32::MAX))
        );
    }
}
