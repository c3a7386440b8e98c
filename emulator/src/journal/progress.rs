//! Progress marks: the shortest frame, which says only that the run has come further.
//!
//! A recording must say up to where its run went when the writer is killed, so something has to be
//! written ten times a second of the host's even while nothing comes from outside. That is the one
//! part of a recording that grows with the host's time instead of the guest's doing, so it is made
//! small: 20 bytes in place of a frame header and an empty batch. What a header repeats to be read by
//! itself (number, recording, first position) a mark leaves out of the file and keeps in its checksum.

use crate::clock::Position;

use super::Damage;

/// Bytes of a progress mark.
pub(super) const MARK_LEN: usize = 20;
/// The four bytes with which a progress mark begins.
pub(super) const MARK_MAGIC: [u8; 4] = *b"PRG1";
/// Bytes of each of the two differences.
const DIFFERENCE_LEN: usize = 6;

/// How far the run has come since the last position that the file speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ProgressMark {
    steps: u64,
    idle_ns: u64,
}

impl ProgressMark {
    /// From `last` to `now`; `None` when that is further than a mark can say, or goes back.
    pub(super) fn between(last: Position, now: Position) -> Option<Self> {
        let difference = |from: u64, to: u64| {
            to.checked_sub(from).filter(|far| far >> (8 * DIFFERENCE_LEN) == 0)
        };
        let steps = difference(last.steps, now.steps)?;
        let idle_ns = difference(last.idle_ns, now.idle_ns)?;
        Some(Self { steps, idle_ns })
    }

    /// Where a run stands that stood at `last`.
    pub(super) fn after(self, last: Position) -> Result<Position, Damage> {
        let steps = last.steps.checked_add(self.steps);
        let idle_ns = last.idle_ns.checked_add(self.idle_ns);
        match (steps, idle_ns) {
            (Some(steps), Some(idle_ns)) => Ok(Position { steps, idle_ns, sequence: 0 }),
            _ => Err(Damage::PositionOrder),
        }
    }

    /// The mark as frame `number` of `recording`.
    pub(super) fn to_bytes(self, recording: u32, number: u32) -> [u8; MARK_LEN] {
        let mut bytes = [0; MARK_LEN];
        bytes[..4].copy_from_slice(&MARK_MAGIC);
        bytes[4..10].copy_from_slice(&self.steps.to_le_bytes()[..DIFFERENCE_LEN]);
        bytes[10..16].copy_from_slice(&self.idle_ns.to_le_bytes()[..DIFFERENCE_LEN]);
        let crc = checksum(&bytes, recording, number);
        bytes[16..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads and checks what should be frame `number` of `recording`.
    pub(super) fn from_bytes(
        bytes: &[u8; MARK_LEN],
        recording: u32,
        number: u32,
    ) -> Result<Self, Damage> {
        if bytes[..4] != MARK_MAGIC {
            return Err(Damage::FrameMagic);
        }
        if checksum(bytes, recording, number).to_le_bytes() != bytes[16..] {
            return Err(Damage::MarkChecksum);
        }
        let difference = |at: usize| {
            let mut word = [0; 8];
            word[..DIFFERENCE_LEN].copy_from_slice(&bytes[at..at + DIFFERENCE_LEN]);
            u64::from_le_bytes(word)
        };
        Ok(Self { steps: difference(4), idle_ns: difference(10) })
    }
}

/// Over the recording, the number and all but the checksum itself.
fn checksum(bytes: &[u8; MARK_LEN], recording: u32, number: u32) -> u32 {
    let place = [recording.to_le_bytes(), number.to_le_bytes()].concat();
    crc32c::crc32c_append(crc32c::crc32c(&place), &bytes[..16])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(steps: u64, idle_ns: u64) -> Position {
        Position { steps, idle_ns, sequence: 0 }
    }

    #[test]
    fn a_mark_reads_back_as_written() {
        for (last, now) in [(at(0, 0), at(1, 0)), (at(7, 9), at((1 << 48) + 6, 9))] {
            let mark = ProgressMark::between(last, now).expect("it is not too far");
            let read = ProgressMark::from_bytes(&mark.to_bytes(5, 6), 5, 6);
            assert_eq!(read.and_then(|mark| mark.after(last)), Ok(now));
        }
    }

    #[test]
    fn what_goes_back_or_too_far_is_no_mark() {
        for (last, now) in [(at(1, 0), at(0, 5)), (at(0, 1), at(5, 0)), (at(0, 0), at(0, 1 << 48))]
        {
            assert_eq!(ProgressMark::between(last, now), None, "{last:?} to {now:?}");
        }
        let far = ProgressMark { steps: 1, idle_ns: 0 };
        assert_eq!(far.after(at(u64::MAX, 0)), Err(Damage::PositionOrder));
    }

    #[test]
    fn every_single_bit_flip_another_recording_and_another_place_are_found() {
        let mark = ProgressMark { steps: 123_456_789, idle_ns: 77 };
        let bytes = mark.to_bytes(0xdead_beef, 3);
        for bit in 0..MARK_LEN * 8 {
            let mut hurt = bytes;
            hurt[bit / 8] ^= 1 << (bit % 8);
            assert!(ProgressMark::from_bytes(&hurt, 0xdead_beef, 3).is_err(), "bit {bit}");
        }
        for (recording, number) in [(0xdead_beef, 4), (0xdead_bee7, 3)] {
            let read = ProgressMark::from_bytes(&bytes, recording, number);
            assert_eq!(read, Err(Damage::MarkChecksum), "{recording:x}, {number}");
        }
    }
}
