//! Things too large for one frame: packed images and checkpoints, cut into pieces.
//!
//! Each piece begins with 16 bytes, little-endian: the identity of what it belongs to (the number of
//! the image, the number of the checkpoint) and the offset of the piece in it. Pieces of one thing
//! follow one another in order, and the last one says so in its frame's header.

use super::{Damage, FrameAt, FrameKind, JournalError, Reader};

/// Bytes in front of a piece's content.
pub(super) const PIECE_HEADER_LEN: usize = 16;
/// Most bytes of content in one piece.
pub(super) const PIECE_LEN: usize = 4 << 20;

/// The header of a piece.
pub(super) fn piece_header(identity: u64, offset: u64) -> [u8; PIECE_HEADER_LEN] {
    let mut bytes = [0; PIECE_HEADER_LEN];
    bytes[..8].copy_from_slice(&identity.to_le_bytes());
    bytes[8..].copy_from_slice(&offset.to_le_bytes());
    bytes
}

/// Takes the header off `payload`: identity and offset.
fn split_header(payload: &[u8]) -> Result<(u64, u64, &[u8]), Damage> {
    let (identity, rest) = payload.split_first_chunk().ok_or(Damage::Piece)?;
    let (offset, content) = rest.split_first_chunk().ok_or(Damage::Piece)?;
    Ok((u64::from_le_bytes(*identity), u64::from_le_bytes(*offset), content))
}

impl Reader {
    /// The content of the one piece in `frame`, which belongs to `identity` and begins at `offset` of
    /// it.
    ///
    /// # Errors
    /// [`JournalError::Io`]; [`JournalError::Pieces`] when it is another piece or damaged.
    pub fn piece(
        &mut self,
        frame: &FrameAt,
        identity: u64,
        offset: u64,
    ) -> Result<Vec<u8>, JournalError> {
        let damaged = |damage| JournalError::Pieces { offset: frame.offset, damage };
        let mut payload = self.payload(frame)?.map_err(damaged)?;
        let (found, at, _) = split_header(&payload).map_err(damaged)?;
        if (found, at) != (identity, offset) {
            return Err(damaged(Damage::Piece));
        }
        Ok(payload.split_off(PIECE_HEADER_LEN))
    }

    /// The thing called `identity` that begins at the first of `frames`, with the number of frames that
    /// it takes. The allocation is bounded by the frames that are there.
    ///
    /// # Errors
    /// [`JournalError::Io`]; [`JournalError::Pieces`] when a piece is damaged or missing.
    pub fn assemble(
        &mut self,
        frames: &[FrameAt],
        identity: u64,
    ) -> Result<(Vec<u8>, usize), JournalError> {
        let mut content = Vec::new();
        for (count, frame) in frames.iter().enumerate() {
            content.append(&mut self.piece(frame, identity, content.len() as u64)?);
            if frame.header.is_last {
                return Ok((content, count + 1));
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
            let (content, count) = self.assemble(rest, number as u64)?;
            self.description().images[number].check(&content)?;
            contents.push(content);
            rest = &rest[count..];
        }
        Ok(Some(contents))
    }
}
