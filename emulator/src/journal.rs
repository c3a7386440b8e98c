//! Recordings: the file in which everything that came from outside stands, with its position.
//!
//! Problem: a recording is wanted most when something went wrong, so it must be readable when its
//! writer was killed, when the file was cut or hit, while it is still growing, and years later by
//! another build. Strategy: append-only frames, each with its own checksums; nothing is ever
//! rewritten and nothing at the end is needed. All kinds are names, spelled out in the file. A
//! reader stops at the first frame that it cannot trust and says up to which position the recording
//! is complete, and why.
//!
//! Invariants: a length is used only after its checksum was proved and its bound was checked; every
//! bit of the file that replay depends on is covered by a checksum; positions never go back.
//! Deliberately absent: an index at the end (it would be missing exactly when it is needed) and
//! anything that can be computed, such as timers, interrupts and disk data.
//!
//! Payloads are postcard, not the snapshot's self-describing codec: a record is a handful of
//! integers and bytes that a later build extends by a new *name*, never by changing the shape, and
//! the description is JSON for the same reason. State inside checkpoints does use that codec.

mod description;
mod frame;
mod pieces;
mod progress;
mod reader;
mod record;
#[cfg(test)]
mod tests;
mod writer;

pub use description::{Description, Image, KNOWN_NEEDS, Parent};
pub use frame::{FRAME_MAGIC, FrameHeader, FrameKind, HEADER_LEN, MAX_PAYLOAD};
pub use reader::{Ending, FrameAt, Reader, Records};
pub use record::{
    Batch, DIGEST_PARTS, DIGEST_RAM, DIGEST_STATE, DIGEST_TRANSCRIPT, END, MARK, MAX_DATA, Names,
    Record,
};
pub use writer::{FLUSH_BYTES, PackedPiece, Writer, pack_pieces};

/// The eight bytes with which every recording begins.
///
/// The first is no ASCII and the line ends show a transfer in text mode, as PNG does.
pub const MAGIC: [u8; 8] = *b"\x89EMR\r\n\x1a\n";
/// Bytes before the first frame.
pub const PREAMBLE_LEN: usize = 16;
/// Version of the framing. A reader refuses a larger one by number.
pub const VERSION: u32 = 1;

/// What is wrong with a frame, so that reading stops before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The file ends inside a frame: it was cut, or is still being written.
    #[error("the file ends inside the frame")]
    Truncated,
    /// There is no frame where one should begin.
    #[error("no frame begins there")]
    FrameMagic,
    /// The header's checksum does not match.
    #[error("the checksum of the frame header does not match")]
    HeaderChecksum,
    /// A progress mark's checksum does not match: it was hit, lost, doubled, or is another recording's.
    #[error("the checksum of a progress mark does not match")]
    MarkChecksum,
    /// Flags that no build that this one knows has written.
    #[error("unknown frame flags {0:#x}")]
    UnknownFlags(u16),
    /// A length above the format's bound.
    #[error("the payload claims {0} bytes, above the bound of {MAX_PAYLOAD}")]
    PayloadTooLong(u32),
    /// The lengths in the header contradict each other or the payload.
    #[error("the length of the payload contradicts the header")]
    LengthMismatch,
    /// The positions go back.
    #[error("the positions go back")]
    PositionOrder,
    /// The frame has another number than its place: one was lost or doubled.
    #[error("frame number {found} stands where number {expected} belongs")]
    Number {
        /// The number that belongs there.
        expected: u32,
        /// The number found.
        found: u32,
    },
    /// The frame belongs to another recording.
    #[error("the frame belongs to another recording ({found:08x} in {expected:08x})")]
    Foreign {
        /// Identity of this recording.
        expected: u32,
        /// Identity in the frame.
        found: u32,
    },
    /// The payload's checksum does not match.
    #[error("the checksum of the payload does not match")]
    PayloadChecksum,
    /// The payload cannot be decompressed.
    #[error("the payload cannot be decompressed")]
    Compression,
    /// A record inside the payload is malformed.
    #[error("a record is malformed")]
    Record,
    /// A piece of an image or a checkpoint does not follow the one before.
    #[error("a piece of an image or a checkpoint is out of place")]
    Piece,
    /// A record refers to a name that was never spelled out.
    #[error("a record uses name number {0}, which was never spelled out")]
    UnknownName(u32),
    /// A frame of a kind that replay needs and this build does not know.
    #[error("frame kind {0} is needed for replay and unknown to this build")]
    UnknownKind(u16),
}

/// Why a recording cannot be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The host failed.
    #[error("`{file}`: {source}")]
    Io {
        /// The file.
        file: String,
        /// What the host said.
        source: std::io::Error,
    },
    /// The file does not begin as a recording does.
    #[error("`{0}`: not a recording (it does not begin with the recording's magic bytes)")]
    NotARecording(String),
    /// The framing is newer than this build.
    #[error("`{file}`: recording format {found}; this build reads up to {VERSION}")]
    Version {
        /// The file.
        file: String,
        /// The version found.
        found: u32,
    },
    /// The description's frame cannot be read, so there is nothing to replay.
    #[error("`{file}`: the machine description is damaged: {damage}")]
    DescriptionDamaged {
        /// The file.
        file: String,
        /// What is wrong.
        damage: Damage,
    },
    /// The description is not what this format writes.
    #[error("the machine description cannot be read: {0}")]
    Description(serde_json::Error),
    /// The recording needs abilities that this build lacks.
    #[error(
        "the recording, written by {producer}, needs {}, which this build lacks: use that build or a newer one",
        needs.join(", ")
    )]
    Needs {
        /// What is lacking, by name.
        needs: Vec<String>,
        /// Who wrote it.
        producer: String,
    },
    /// A packed image or a checkpoint cannot be put together.
    #[error("the image or checkpoint at byte {offset} cannot be read: {damage}")]
    Pieces {
        /// Byte offset of the frame.
        offset: u64,
        /// What is wrong with it.
        damage: Damage,
    },
    /// The recording holds inputs that this build cannot deliver.
    #[error(
        "the recording, written by {producer}, holds inputs that this build does not know: {}",
        kinds.join(", ")
    )]
    UnknownInputs {
        /// Their kinds.
        kinds: Vec<String>,
        /// Who wrote it.
        producer: String,
    },
    /// An image differs from the recorded one.
    #[error(
        "{}: this is not the recorded one: blake3 {found}, recorded {recorded}; {}",
        [role.as_str(), file.as_str()].join(" ").trim_end(),
        if file.is_empty() {
            "this build makes another one: use the build that recorded, or a packed recording"
        } else {
            "give the recorded file or replay a packed recording"
        }
    )]
    ImageChanged {
        /// What the image is for.
        role: String,
        /// Its file.
        file: String,
        /// The digest in the recording.
        recorded: String,
        /// The digest of the file.
        found: String,
    },
}
