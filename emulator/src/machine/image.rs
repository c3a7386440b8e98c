//! What a reset puts into memory: firmware, kernel, device tree.

use std::sync::Arc;

use crate::memory::{GuestMemory, NotRam};

/// Bytes that are in memory at power-on and after every reset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// What it is, such as `kernel`; unique within the machine.
    pub name: String,
    /// First physical address.
    pub addr: u64,
    /// The content.
    pub bytes: Arc<[u8]>,
    /// Offset at which the machine's 32 bytes of seed go, if any.
    pub seed_at: Option<usize>,
}

/// An image that does not fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// It lies outside memory.
    #[error("{name}: {bytes} bytes at {addr:#x} do not lie in the machine's memory; give it more")]
    Outside {
        /// Name of the image.
        name: String,
        /// Its length.
        bytes: usize,
        /// Its address.
        addr: u64,
        /// What memory said.
        source: NotRam,
    },
    /// It covers another image.
    #[error("{name} ({start:#x}..{end:#x}) overlaps {other}; with more memory they may lie apart")]
    Overlap {
        /// Name of the image.
        name: String,
        /// Its first address.
        start: u64,
        /// The first address behind it.
        end: u64,
        /// Name of the other.
        other: String,
    },
}

impl Image {
    /// An image without a seed.
    #[must_use]
    pub fn new(name: &str, addr: u64, bytes: impl Into<Arc<[u8]>>) -> Self {
        Self { name: name.to_owned(), addr, bytes: bytes.into(), seed_at: None }
    }

    /// The first address behind it.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.addr.saturating_add(self.bytes.len() as u64)
    }

    /// Checks that the image lies in memory and apart from `others`.
    ///
    /// # Errors
    /// [`ImageError`] otherwise.
    pub fn check(&self, memory: &GuestMemory, others: &[Self]) -> Result<(), ImageError> {
        let end = self.addr.checked_add(self.bytes.len() as u64);
        let last = end.map_or(u64::MAX, |end| end.saturating_sub(1));
        let ends = memory.read(self.addr, &mut [0]).and_then(|()| memory.read(last, &mut [0]));
        ends.map_err(|source| ImageError::Outside {
            name: self.name.clone(),
            bytes: self.bytes.len(),
            addr: self.addr,
            source,
        })?;
        match others.iter().find(|other| self.addr < other.end() && other.addr < self.end()) {
            None => Ok(()),
            Some(other) => Err(ImageError::Overlap {
                name: self.name.clone(),
                start: self.addr,
                end: self.end(),
                other: other.name.clone(),
            }),
        }
    }

    pub(super) fn place(&self, memory: &GuestMemory, seed: &[u8; 32]) {
        memory.write(self.addr, &self.bytes).expect("images are checked when they are added");
        if let Some(offset) = self.seed_at {
            memory.write(self.addr + offset as u64, seed).expect("the seed lies in the image");
        }
    }
}
