//! The hash of a schema: FNV-1a, 128 bits.
//!
//! It has to run in constants, where the compiler compares the shapes of this build with the released
//! ones across crates, so a cryptographic hash is out of reach. Collisions by accident are as
//! unlikely as for any 128-bit hash; collisions by intent gain nothing, because bytes decoded
//! under a forged hash pass the same strict decoder.
//!
//! Source: "The FNV Non-Cryptographic Hash Algorithm", RFC 9923, section 3 (128-bit prime and
//! offset basis).

use std::fmt;

/// A running FNV-1a hash.
#[derive(Clone, Copy, Debug)]
pub struct Fnv128(u128);

impl Fnv128 {
    const OFFSET_BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;

    /// The hash of nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self(Self::OFFSET_BASIS)
    }

    /// With one more byte.
    #[must_use]
    pub const fn byte(self, byte: u8) -> Self {
        Self((self.0 ^ byte as u128).wrapping_mul(Self::PRIME))
    }

    /// With more bytes.
    #[must_use]
    pub const fn bytes(mut self, bytes: &[u8]) -> Self {
        let mut index = 0;
        while index < bytes.len() {
            self = self.byte(bytes[index]);
            index += 1;
        }
        self
    }

    /// The hash.
    #[must_use]
    pub const fn finish(self) -> u128 {
        self.0
    }
}

impl Default for Fnv128 {
    fn default() -> Self {
        Self::new()
    }
}

/// Identifies the shape of one version of one type: 128 bits, little-endian in files, 32 hex
/// digits in text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SchemaHash(pub u128);

impl SchemaHash {
    /// The hash of canonical shape bytes.
    #[must_use]
    pub const fn of(shape: &[u8]) -> Self {
        Self(Fnv128::new().bytes(shape).finish())
    }

    /// As it stands in files.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.to_le_bytes()
    }

    /// From a file.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_le_bytes(bytes))
    }
}

impl fmt::Display for SchemaHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for SchemaHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
