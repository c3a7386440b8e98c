//! Things too large for one frame: packed images and checkpoints, cut into pieces.
//!
//! Each piece begins with 24 bytes, little-endian: the length of the whole, the offset of the piece
//! in it, and the identity of what it belongs to (the number of the image, the number of the
//! checkpoint). Pieces of one thing follow one another in order.

use super::{Damage, FrameAt, FrameKind, JournalError, Reader};

/// Bytes in front of a piece's content.
pub(super) const PIECE_HEADER_LEN: usize = 24;
/// Bytes of content in one piece.
pub(super) const PIECE_LEN: usize = 4 << 20;

/// The header of a piece.
pub(super) fn piece_header(whole: u64, offset: u64, identity: u64) -> [u8; PIECE_HEADER_LEN] {
    let mut bytes = [0; PIECE_HEADER_LEN];
    bytes[..8].copy_from_slice(&whole.to_le_bytes());
    bytes[8..16].copy_from_slice(&offset.to_le_bytes());
    bytes[16..].copy_from_slice(&identity.to_le_bytes());
    bytes
}

/// Puts pieces together again.
#[derive(Debug, Default)]
struct Assembly {
    identity: u64,
    whole: u64,
    content: Vec<u8>,
}

impl Assembly {
    /// Takes the next piece; true when the thing is whole.
    fn add(&mut self, payload: &[u8]) -> Result<bool, Damage> {
        let (header, content) =
            payload.split_first_chunk::<PIECE_HEADER_LEN>().ok_or(Damage::Piece)?;
        let word = |at: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&header[at..at + 8]);
            u64::from_le_bytes(bytes)
        };
        let (whole, offset, identity) = (word(0), word(8), word(16));
        if self.content.is_empty() {
            (self.whole, self.identity) = (whole, identity);
        }
        let expected = (self.whole, self.content.len() as u64, self.identity);
        let end = offset.checked_add(content.len() as u64).ok_or(Damage::Piece)?;
        if (whole, offset, identity) != expected || end > whole {
            return Err(Damage::Piece);
        }
        self.content.extend_from_slice(content);
        Ok(end == whole)
    }
}

impl Reader {
    /// The thing that begins at frame `first` of those given, with its identity and the number of
    /// frames that it takes. The allocation is bounded by the frames that are there.
    ///
    /// # Errors
    /// [`JournalError::Io`]; [`JournalError::Pieces`] when a piece is damaged or missing.
    pub fn assemble(&mut self, frames: &[FrameAt]) -> Result<(u64, Vec<u8>, usize), JournalError> {
        let mut assembly = Assembly::default();
        for (count, frame) in frames.iter().enumerate() {
            let damaged = |damage| JournalError::Pieces { offset: frame.offset, damage };
            let payload = self.payload(frame)?.map_err(damaged)?;
            if assembly.add(&payload).map_err(damaged)? {
                return Ok((assembly.identity, assembly.content, count + 1));
            }
        }
        let offset = frames.first().map_or(0, |frame| frame.offset);
        Err(JournalError::Pieces { offset, damage: Damage::Truncated })
    }

    /// The contents of the images in the order of the description, if they are packed into the
    /// recording; each is proved against its digest.
    ///
    /// # Errors
    /// As [`Reader::assemble`]; [`JournalError::ImageChanged`].
    pub fn packed_images(&mut self) -> Result<Option<Vec<Vec<u8>>>, JournalError> {
        let frames: Vec<FrameAt> =
            self.frames().iter().filter(|at| at.header.kind == FrameKind::Image).copied().collect();
        if frames.is_empty() {
            return Ok(None);
        }
        let mut contents = Vec::new();
        let mut rest = frames.as_slice();
        for number in 0..self.description().images.len() {
            let (identity, content, count) = self.assemble(rest)?;
            if identity != number as u64 {
                let offset = rest.first().map_or(0, |frame| frame.offset);
                return Err(JournalError::Pieces { offset, damage: Damage::Piece });
            }
            self.description().images[number].check(&content)?;
            contents.push(content);
            rest = &rest[count..];
        }
        Ok(Some(contents))
    }
}
