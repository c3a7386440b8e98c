//! The wire of field values: postcard's, decoded strictly.
//!
//! Problem: postcard's encoding is compact and documented, but its decoder accepts several
//! encodings of one value (a varint padded with zero groups, a `bool` read through a lenient
//! path) and trusts lengths. A snapshot must have one encoding per state, because digests and
//! "save, load, save: equal bytes" compare bytes, and because a hostile length must be refused
//! before anything is allocated for it.
//!
//! Strategy: a [`Reader`] over a borrowed slice with an offset for error messages, and free
//! functions that append to a `Vec<u8>`.
//!
//! Invariants: every accepted encoding is the one that the writer produces; no method panics;
//! no method allocates.
//!
//! Source: the postcard wire specification, sections "varint encoded integers", "zig-zag
//! encoded signed integers" and "tagged union".
//!
//! Deliberately absent: `usize`, `isize` (their width is the host's) and `char`.

use crate::error::{LoadError, LoadProblem};

/// Bytes that the longest varint of an integer of `bits` bits occupies.
#[must_use]
pub const fn varint_bytes_max(bits: u32) -> usize {
    bits.div_ceil(7) as usize
}

/// What the bytes say of a conditional field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marker {
    /// It is not there.
    Absent,
    /// It follows.
    Present,
    /// The writer's shape had no such condition: the default, whatever the condition says.
    Unstated,
}

impl Marker {
    /// The byte that stands for [`Marker::Unstated`], in bytes that a [`Reader::resolved`] reads.
    pub(crate) const UNSTATED: u8 = 2;
}

/// A cursor over encoded bytes. Offsets in its errors count from the slice's first byte.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    rest: &'a [u8],
    /// Whether this build made the bytes from another shape's.
    resolved: bool,
}

impl<'a> Reader<'a> {
    /// Starts at the first byte of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, rest: bytes, resolved: false }
    }

    /// As [`Reader::new`], for what this build made of another shape's bytes: there, and never in a
    /// file, a marker may be [`Marker::Unstated`].
    pub(crate) const fn resolved(bytes: &'a [u8]) -> Self {
        Self { bytes, rest: bytes, resolved: true }
    }

    /// Bytes consumed so far.
    #[inline]
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.bytes.len() - self.rest.len()
    }

    /// Bytes left.
    #[inline]
    #[must_use]
    pub const fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// All bytes left.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// A reader of the bytes from offset `start` to `end`, with the same offsets in its errors.
    #[must_use]
    pub fn window(&self, start: usize, end: usize) -> Self {
        let bytes = self.bytes.get(..end).unwrap_or(self.bytes);
        Self { bytes, rest: bytes.get(start..).unwrap_or(&[]), resolved: self.resolved }
    }

    /// The bytes from `start` (an earlier [`offset`](Self::offset)) up to here.
    #[must_use]
    pub fn since(&self, start: usize) -> &'a [u8] {
        self.bytes.get(start..self.offset()).unwrap_or(&[])
    }

    /// An error of kind `problem` at the current offset.
    #[cold]
    #[must_use]
    pub fn error(&self, problem: LoadProblem) -> LoadError {
        LoadError::new(self.offset(), problem)
    }

    /// Refuses bytes after the value.
    ///
    /// # Errors
    /// [`LoadProblem::TrailingBytes`].
    pub fn finish(&self) -> Result<(), LoadError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(self.error(LoadProblem::TrailingBytes { count: self.rest.len() }))
        }
    }

    /// One raw byte.
    ///
    /// # Errors
    /// [`LoadProblem::Truncated`].
    #[inline]
    pub fn byte(&mut self) -> Result<u8, LoadError> {
        match self.rest {
            [first, rest @ ..] => {
                self.rest = rest;
                Ok(*first)
            }
            [] => Err(self.truncated(1)),
        }
    }

    /// `count` raw bytes.
    ///
    /// # Errors
    /// [`LoadProblem::Truncated`].
    #[inline]
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], LoadError> {
        match self.rest.split_at_checked(count) {
            Some((head, rest)) => {
                self.rest = rest;
                Ok(head)
            }
            None => Err(self.truncated(count)),
        }
    }

    /// `N` raw bytes as an array.
    ///
    /// # Errors
    /// [`LoadProblem::Truncated`].
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<&'a [u8; N], LoadError> {
        match self.rest.split_first_chunk::<N>() {
            Some((head, rest)) => {
                self.rest = rest;
                Ok(head)
            }
            None => Err(self.truncated(N)),
        }
    }

    #[cold]
    fn truncated(&self, wanted: usize) -> LoadError {
        self.error(LoadProblem::Truncated { wanted, left: self.rest.len() })
    }

    /// The marker of a conditional field.
    ///
    /// # Errors
    /// [`LoadProblem::Truncated`], [`LoadProblem::NotBool`].
    pub fn marker(&mut self) -> Result<Marker, LoadError> {
        if self.resolved && self.rest.first() == Some(&Marker::UNSTATED) {
            self.byte()?;
            return Ok(Marker::Unstated);
        }
        self.bool().map(|present| if present { Marker::Present } else { Marker::Absent })
    }

    /// An unsigned varint that fits `bits` (16, 32 or 64) bits, in its shortest form.
    ///
    /// # Errors
    /// [`LoadProblem::Truncated`], [`LoadProblem::VarintPadded`], [`LoadProblem::VarintTooLong`].
    #[inline]
    pub fn varint(&mut self, bits: u32) -> Result<u64, LoadError> {
        match self.rest {
            [first, rest @ ..] if *first < 0x80 => {
                self.rest = rest;
                Ok(u64::from(*first))
            }
            _ => self.varint_long(bits),
        }
    }

    fn varint_long(&mut self, bits: u32) -> Result<u64, LoadError> {
        let mut value = 0_u64;
        let longest = varint_bytes_max(bits);
        for (index, &byte) in self.rest.iter().take(longest).enumerate() {
            let shift = index * 7;
            let group = u64::from(byte & 0x7f);
            if index + 1 == longest && group >> (bits as usize - shift) != 0 {
                return Err(self.error(LoadProblem::VarintTooLong { bits }));
            }
            value |= group << shift;
            if byte < 0x80 {
                if byte == 0 && index > 0 {
                    return Err(self.error(LoadProblem::VarintPadded));
                }
                self.rest = &self.rest[index + 1..];
                return Ok(value);
            }
        }
        if self.rest.len() < longest {
            let wanted = self.rest.len() + 1;
            return Err(self.truncated(wanted));
        }
        Err(self.error(LoadProblem::VarintTooLong { bits }))
    }

    /// An unsigned varint of up to 128 bits, in its shortest form.
    ///
    /// # Errors
    /// As [`varint`](Self::varint).
    pub fn varint_u128(&mut self) -> Result<u128, LoadError> {
        const LONGEST: usize = varint_bytes_max(128);
        let mut value = 0_u128;
        for (index, &byte) in self.rest.iter().take(LONGEST).enumerate() {
            let group = u128::from(byte & 0x7f);
            if index + 1 == LONGEST && group >> (128 - index * 7) != 0 {
                return Err(self.error(LoadProblem::VarintTooLong { bits: 128 }));
            }
            value |= group << (index * 7);
            if byte < 0x80 {
                if byte == 0 && index > 0 {
                    return Err(self.error(LoadProblem::VarintPadded));
                }
                self.rest = &self.rest[index + 1..];
                return Ok(value);
            }
        }
        if self.rest.len() < LONGEST {
            let wanted = self.rest.len() + 1;
            return Err(self.truncated(wanted));
        }
        Err(self.error(LoadProblem::VarintTooLong { bits: 128 }))
    }

    /// A byte that is 0 or 1.
    ///
    /// # Errors
    /// [`LoadProblem::Truncated`], [`LoadProblem::NotBool`].
    #[inline]
    pub fn bool(&mut self) -> Result<bool, LoadError> {
        match self.rest {
            [0, rest @ ..] => {
                self.rest = rest;
                Ok(false)
            }
            [1, rest @ ..] => {
                self.rest = rest;
                Ok(true)
            }
            [] => Err(self.truncated(1)),
            [found, ..] => Err(self.error(LoadProblem::NotBool { found: *found })),
        }
    }

    /// The length of a sequence, map or string: at most `max`, and at most what the remaining
    /// bytes can hold when an element occupies at least `element_bytes_min` bytes.
    ///
    /// # Errors
    /// [`LoadProblem::TooLong`], [`LoadProblem::Truncated`] and those of [`varint`](Self::varint).
    #[inline]
    pub fn len(&mut self, max: u64, element_bytes_min: usize) -> Result<usize, LoadError> {
        let before = self.clone();
        let count = self.varint(64)?;
        if count > max {
            return Err(before.error(LoadProblem::TooLong { count, max }));
        }
        let Ok(count) = usize::try_from(count) else {
            return Err(before.error(LoadProblem::TooLong { count, max }));
        };
        if count.saturating_mul(element_bytes_min) > self.rest.len() {
            return Err(self.truncated(count.saturating_mul(element_bytes_min)));
        }
        Ok(count)
    }

    /// UTF-8 text of at most `max` bytes.
    ///
    /// # Errors
    /// [`LoadProblem::NotUtf8`] and those of [`len`](Self::len).
    pub fn str(&mut self, max: u64) -> Result<&'a str, LoadError> {
        let count = self.len(max, 1)?;
        let before = self.clone();
        let bytes = self.take(count)?;
        std::str::from_utf8(bytes).map_err(|_| before.error(LoadProblem::NotUtf8))
    }
}

/// Appends an unsigned varint.
#[inline]
pub fn put_varint(out: &mut Vec<u8>, value: u64) {
    if value < 0x80 {
        out.push(value.to_le_bytes()[0]);
    } else {
        put_varint_long(out, value);
    }
}

fn put_varint_long(out: &mut Vec<u8>, mut value: u64) {
    let mut groups = [0_u8; varint_bytes_max(64)];
    let mut count = 0;
    while value >= 0x80 {
        groups[count] = value.to_le_bytes()[0] | 0x80;
        value >>= 7;
        count += 1;
    }
    groups[count] = value.to_le_bytes()[0];
    out.extend_from_slice(&groups[..=count]);
}

/// Appends an unsigned varint of up to 128 bits.
pub fn put_varint_u128(out: &mut Vec<u8>, mut value: u128) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

/// Appends a string: its length in bytes, then its bytes.
pub fn put_str(out: &mut Vec<u8>, text: &str) {
    put_varint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Maps a signed integer to an unsigned one with small magnitudes first.
#[inline]
#[must_use]
pub const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

/// Undoes [`zigzag`].
#[inline]
#[must_use]
pub const fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
}

/// [`zigzag`] for 128 bits.
#[must_use]
pub const fn zigzag_i128(value: i128) -> u128 {
    ((value << 1) ^ (value >> 127)).cast_unsigned()
}

/// Undoes [`zigzag_i128`].
#[must_use]
pub const fn unzigzag_i128(value: u128) -> i128 {
    (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
}
