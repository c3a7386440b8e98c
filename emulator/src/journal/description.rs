//! The machine description with which a recording begins: all that replay must build again.
//!
//! It is JSON, because it must be readable for ever and by anything: names, not positions, and a
//! later build adds keys without ceremony. What a reader must understand to replay at all it lists
//! in `needs`, by name.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::JournalError;

/// Abilities of a reader that this build has; a recording names those it needs in
/// [`Description::needs`].
pub const KNOWN_NEEDS: &[&str] = &["records-1"];

/// The expanded description of the recorded machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// Who wrote the recording, such as `emulator 0.1.0`.
    pub producer: String,
    /// Abilities that a reader must have, by name.
    pub needs: Vec<String>,
    /// Full name of the machine type, version included: `riscv64-virt@1.1`.
    pub machine: String,
    /// Every property of the machine by name: memory, harts, instruction time, quantum, CPU
    /// features, device versions, ...
    pub properties: BTreeMap<String, String>,
    /// The files that the machine was built from.
    pub images: Vec<Image>,
    /// Steps from one transcript digest to the next.
    pub transcript_every: u64,
    /// Steps from one state digest to the next.
    pub state_every: u64,
    /// The recording that this one left, if it was recorded by going live from another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Parent>,
}

/// What the machine holds from outside: firmware, kernel, initial RAM disk, device tree, disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// What it is for: `firmware`, `kernel`, `initrd`, `disk0`.
    pub role: String,
    /// Where it was: the path as the user gave it; empty when the board made it.
    pub file: String,
    /// Physical address at which it is placed; 0 for what is not placed in memory.
    #[serde(default)]
    pub addr: u64,
    /// Offset at which the machine's seed goes, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed_at: Option<u64>,
    /// Its length in bytes.
    pub length: u64,
    /// blake3 of its content, 64 hexadecimal digits.
    pub digest: String,
}

impl Image {
    /// Describes `content`, read from `file`.
    #[must_use]
    pub fn of(role: &str, file: &str, content: &[u8]) -> Self {
        Self {
            role: role.to_owned(),
            file: file.to_owned(),
            addr: 0,
            seed_at: None,
            length: content.len() as u64,
            digest: blake3::hash(content).to_hex().to_string(),
        }
    }

    /// Checks that `content` is the image that was recorded.
    ///
    /// # Errors
    /// [`JournalError::ImageChanged`] with both digests.
    pub fn check(&self, content: &[u8]) -> Result<(), JournalError> {
        let found = blake3::hash(content).to_hex().to_string();
        if found == self.digest {
            return Ok(());
        }
        Err(JournalError::ImageChanged {
            role: self.role.clone(),
            file: self.file.clone(),
            recorded: self.digest.clone(),
            found,
        })
    }
}

/// The recording from which another was continued.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// Its file, as the user gave it.
    pub file: String,
    /// Its identity: the number that every frame of it carries.
    pub recording: u32,
    /// Steps at which it was left.
    pub steps: u64,
    /// Idle nanoseconds at which it was left.
    pub idle_ns: u64,
    /// Sequence at which it was left.
    pub sequence: u64,
}

impl Description {
    /// The payload of the description's frame.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        match serde_json::to_vec(self) {
            Ok(bytes) => bytes,
            Err(error) => unreachable!("strings and numbers are always JSON: {error}"),
        }
    }

    /// Reads the payload and refuses what this build cannot replay, by name.
    pub(super) fn from_bytes(payload: &[u8]) -> Result<Self, JournalError> {
        let description: Self =
            serde_json::from_slice(payload).map_err(JournalError::Description)?;
        let unknown: Vec<String> = description
            .needs
            .iter()
            .filter(|need| !KNOWN_NEEDS.contains(&need.as_str()))
            .cloned()
            .collect();
        if unknown.is_empty() {
            return Ok(description);
        }
        Err(JournalError::Needs { needs: unknown, producer: description.producer })
    }
}
