//! Little-endian fields of fixed width: what the header and the section descriptions are made of.
//!
//! Nothing here knows what a field means. The reader keeps the file offset beside the bytes so that
//! each error can say where it stands, and checks each length against the bytes that are there
//! before anything is copied.

use super::error::{ContainerError, ErrorKind, Place};

/// Longest name, path or version string: 1 KiB. Property values may have [`MAX_TEXT`].
pub(crate) const MAX_NAME: usize = 1024;
/// Longest free-form text: 64 KiB.
pub(crate) const MAX_TEXT: usize = 64 * 1024;

/// Reads fields from the front of a slice.
pub(crate) struct FieldReader<'a> {
    bytes: &'a [u8],
    offset: u64,
    section: &'a str,
}

impl<'a> FieldReader<'a> {
    /// A reader of `bytes`, which start at `offset` in the file and belong to `section`.
    pub(crate) fn new(section: &'a str, offset: u64, bytes: &'a [u8]) -> Self {
        Self { bytes, offset, section }
    }

    pub(crate) fn place(&self) -> Place {
        Place::new(self.section, self.offset)
    }

    pub(crate) fn fail(&self, kind: ErrorKind) -> ContainerError {
        self.place().error(kind)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(crate) fn remaining(&self) -> usize {
        self.bytes.len()
    }

    /// The next `len` bytes.
    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], ContainerError> {
        let Some((head, tail)) = self.bytes.split_at_checked(len) else {
            return Err(self.fail(ErrorKind::Truncated {
                needed: len as u64,
                available: self.bytes.len() as u64,
            }));
        };
        self.bytes = tail;
        self.offset += len as u64;
        Ok(head)
    }

    /// A reader of the next `len` bytes alone.
    pub(crate) fn sub(&mut self, len: usize) -> Result<FieldReader<'a>, ContainerError> {
        let offset = self.offset;
        Ok(FieldReader { bytes: self.take(len)?, offset, section: self.section })
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], ContainerError> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, ContainerError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, ContainerError> {
        self.array().map(u64::from_le_bytes)
    }

    /// A string: u32 length, then UTF-8 of at most `max` bytes.
    pub(crate) fn text(
        &mut self,
        what: &'static str,
        max: usize,
    ) -> Result<&'a str, ContainerError> {
        let place = self.place();
        let len = self.u32()? as usize;
        if len > max {
            return Err(place.error(ErrorKind::Limit {
                what,
                value: len as u64,
                limit: max as u64,
            }));
        }
        let bytes = self.take(len)?;
        std::str::from_utf8(bytes)
            .map_err(|error| place.error(ErrorKind::malformed(what, error.to_string())))
    }

    /// A name: text of at most [`MAX_NAME`] bytes without control characters.
    pub(crate) fn name(&mut self, what: &'static str) -> Result<String, ContainerError> {
        let place = self.place();
        let text = self.text(what, MAX_NAME)?;
        if text.chars().any(char::is_control) {
            return Err(place.error(ErrorKind::malformed(what, "it holds control characters")));
        }
        Ok(text.to_owned())
    }
}

/// Appends fields to a growing buffer of our own making, so lengths are asserted, not reported.
#[derive(Default)]
pub(crate) struct FieldWriter {
    bytes: Vec<u8>,
}

impl FieldWriter {
    pub(crate) fn u32(&mut self, value: u32) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }

    pub(crate) fn u64(&mut self, value: u64) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// A string: u32 length, then UTF-8.
    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        self.u32(len_u32(text.len())).raw(text.as_bytes())
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// A length that the writer has already bounded below 4 GiB.
pub(crate) fn len_u32(len: usize) -> u32 {
    u32::try_from(len).expect("the writer bounds every such length below 4 GiB")
}
