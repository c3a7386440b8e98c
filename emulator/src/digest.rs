//! Hashes by which two runs are compared.
//!
//! Problem: a replay that goes another way must be noticed as it happens, at no cost worth
//! mentioning, whatever engine runs. Strategy: a *transcript*, one 64-bit rolling hash over
//! everything that crossed between processors and devices, and a *page tree* over RAM that rehashes
//! only what was written.
//!
//! Invariants: both depend on the guest's run alone, never on how it was cut into slices or
//! translated. The transcript is machine state: it is saved, and goes on after a restore. These
//! hashes find accidents, not forgeries; images are named by blake3.

mod pages;

pub use pages::{FAN, PageTree};

use vmstate::VmState;

/// Odd constants of the mixing steps (the fractional parts of the golden ratio and of sqrt 2).
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
const ROOT_TWO: u64 = 0x6a09_e667_f3bc_c909;

/// A rolling hash over the course of a run.
#[derive(VmState, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[vmstate(version = 1, name = "transcript")]
pub struct Transcript(
    /// The hash so far; 0 at power-on.
    pub u64,
);

impl Transcript {
    /// Takes in one word.
    #[inline]
    pub fn mix(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(GOLDEN).rotate_left(29).wrapping_add(ROOT_TWO);
    }

    /// Takes in one access to a device: at which step, where, how wide, which way, what value. A
    /// fault has the value `None`.
    #[inline]
    pub fn access(
        &mut self,
        steps: u64,
        addr: u64,
        bytes: u64,
        is_write: bool,
        value: Option<u64>,
    ) {
        self.mix(steps);
        self.mix(addr ^ bytes << 56 ^ u64::from(is_write) << 60 ^ u64::from(value.is_none()) << 61);
        self.mix(value.unwrap_or(0));
    }

    /// Takes in one change of a processor's interrupt input.
    #[inline]
    pub fn line(&mut self, steps: u64, hart: u64, line: u32, level: bool) {
        self.mix(steps);
        self.mix(hart << 40 ^ u64::from(line) << 8 ^ u64::from(level) ^ 1 << 62);
    }

    /// Takes in bytes that a device moved by itself.
    pub fn transfer(&mut self, steps: u64, addr: u64, data: &[u8]) {
        self.mix(steps);
        self.mix(addr ^ 1 << 63);
        for chunk in data.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.mix(u64::from_le_bytes(word));
        }
        self.mix(data.len() as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::Transcript;

    #[test]
    fn every_part_of_an_access_changes_the_transcript() {
        let of = |steps, addr, bytes, is_write, value| {
            let mut transcript = Transcript::default();
            transcript.access(steps, addr, bytes, is_write, value);
            transcript
        };
        let plain = of(9, 0x1000_0000, 1, false, Some(0));
        for (label, other) in [
            ("steps", of(10, 0x1000_0000, 1, false, Some(0))),
            ("address", of(9, 0x1000_0001, 1, false, Some(0))),
            ("width", of(9, 0x1000_0000, 2, false, Some(0))),
            ("direction", of(9, 0x1000_0000, 1, true, Some(0))),
            ("value", of(9, 0x1000_0000, 1, false, Some(1))),
            ("fault", of(9, 0x1000_0000, 1, false, None)),
        ] {
            assert_ne!(plain, other, "{label}");
        }
    }

    #[test]
    fn the_order_of_two_accesses_counts() {
        let (mut first, mut second) = (Transcript::default(), Transcript::default());
        first.mix(1);
        first.mix(2);
        second.mix(2);
        second.mix(1);
        assert_ne!(first, second);
    }
}
