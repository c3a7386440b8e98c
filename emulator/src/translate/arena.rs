//! Memory for generated code, owned by one engine.
//!
//! Problem: code is produced all the time and must be given back (guests rewrite themselves), it
//! must never be writable and executable through one mapping, and memory must stay bounded.
//!
//! Strategy: one memory file mapped twice, once to write and once to execute; so installing code
//! flips no protection and disturbs nothing. The space is cut into equal segments that are filled
//! one after the other. When the space is full the oldest segment is given up whole, and everything
//! that was placed in it must be forgotten by the owner (the caller gets its number).
//!
//! Invariants: code is placed and segments are given up only while no generated code of this engine
//! runs (the owner holds `&mut`, and generated code only runs inside a call that borrows the
//! owner). Addresses that [`Arena::place`] returned stay valid until their segment is given up.
//!
//! Deliberately absent: freeing single pieces. A piece that is no longer wanted is simply not
//! reached any more; its room returns with its segment.

#![expect(unsafe_code, reason = "maps and fills the memory that generated code lives in")]

use rustix::{
    fs::{MemfdFlags, ftruncate, memfd_create},
    mm::{MapFlags, ProtFlags, mmap, munmap},
};
use std::ptr::NonNull;

/// Code starts at multiples of this many bytes.
const ALIGNMENT: usize = 16;

/// The host did not give memory for code.
#[derive(Debug, thiserror::Error)]
#[error(
    "the host gave no memory for translated code ({bytes} bytes, {action}): {source}; \
     run with the interpreter alone"
)]
pub struct ArenaError {
    bytes: usize,
    action: &'static str,
    source: rustix::io::Errno,
}

/// Where a piece of code stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Placed {
    /// Address to call.
    pub(crate) address: u64,
    /// The segment that holds it.
    pub(crate) segment: usize,
}

/// Two views of one memory file.
#[derive(Debug)]
pub(crate) struct Arena {
    write: NonNull<u8>,
    execute: NonNull<u8>,
    segment_bytes: usize,
    segments: usize,
    current: usize,
    used: usize,
}

// SAFETY: the mappings belong to this value alone, whichever thread holds it.
unsafe impl Send for Arena {}

impl Arena {
    /// Maps `segments` segments of `segment_bytes` bytes each.
    ///
    /// # Errors
    /// [`ArenaError`] when the host refuses the memory or forbids executable mappings.
    pub(crate) fn new(segments: usize, segment_bytes: usize) -> Result<Self, ArenaError> {
        assert!(segments >= 1, "code needs room");
        assert!(segment_bytes.is_multiple_of(4096), "segments are whole host pages");
        let bytes = segments * segment_bytes;
        let error = |action| move |source| ArenaError { bytes, action, source };
        let file = memfd_create("translated-code", MemfdFlags::CLOEXEC).map_err(error("create"))?;
        ftruncate(&file, bytes as u64).map_err(error("size"))?;
        let map = |protection| {
            // SAFETY: a fresh mapping at an address of the kernel's choice touches nothing else.
            let address = unsafe {
                mmap(std::ptr::null_mut(), bytes, protection, MapFlags::SHARED, &file, 0)
            }?;
            NonNull::new(address.cast::<u8>()).ok_or(rustix::io::Errno::NOMEM)
        };
        let write = map(ProtFlags::READ | ProtFlags::WRITE).map_err(error("map to write"))?;
        let execute = match map(ProtFlags::READ | ProtFlags::EXEC) {
            Ok(execute) => execute,
            Err(source) => {
                // SAFETY: `write` is the mapping made above and nothing refers to it.
                let unmapped = unsafe { munmap(write.as_ptr().cast(), bytes) };
                debug_assert!(unmapped.is_ok());
                return Err(error("map to execute")(source));
            }
        };
        Ok(Self { write, execute, segment_bytes, segments, current: 0, used: 0 })
    }

    /// Copies `code` in. When that needs room, the oldest segment is given up first and its number
    /// comes back: the caller must forget all that it had placed there, before running anything.
    pub(crate) fn place(&mut self, code: &[u8]) -> (Placed, Option<usize>) {
        assert!(
            code.len() <= self.segment_bytes,
            "one region's code ({} bytes) is larger than a segment",
            code.len()
        );
        let mut given_up = None;
        if self.used + code.len() > self.segment_bytes {
            self.current = (self.current + 1) % self.segments;
            self.used = 0;
            given_up = Some(self.current);
        }
        let offset = self.current * self.segment_bytes + self.used;
        // SAFETY: `offset` lies inside the mapping (checked above).
        let target = unsafe { self.write.as_ptr().add(offset) };
        // SAFETY: so does the end of what is copied; the source is a separate slice, and no
        // generated code runs meanwhile (`&mut self`).
        unsafe { std::ptr::copy_nonoverlapping(code.as_ptr(), target, code.len()) };
        self.used = (self.used + code.len()).next_multiple_of(ALIGNMENT);
        let address = (self.execute.as_ptr().expose_provenance() + offset) as u64;
        (Placed { address, segment: self.current }, given_up)
    }

    /// Forgets everything that was placed.
    pub(crate) fn clear(&mut self) {
        self.current = 0;
        self.used = 0;
    }

    /// The size of the whole space in bytes.
    pub(crate) fn capacity_bytes(&self) -> usize {
        self.segments * self.segment_bytes
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        for view in [self.write, self.execute] {
            // SAFETY: both mappings were made by `new` with this length and end here.
            let unmapped = unsafe { munmap(view.as_ptr().cast(), self.capacity_bytes()) };
            debug_assert!(unmapped.is_ok());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_arena_gives_up_its_oldest_segment_and_only_that() {
        let mut arena = Arena::new(3, 4096).unwrap();
        let piece = [0x90_u8; 2000];
        let events: Vec<_> = (0..8).map(|_| arena.place(&piece)).collect();
        let segments: Vec<_> = events.iter().map(|(placed, _)| placed.segment).collect();
        let given_up: Vec<_> = events.iter().map(|(_, given_up)| *given_up).collect();
        assert_eq!(segments, [0, 0, 1, 1, 2, 2, 0, 0]);
        // The first pass gives up empty segments, which costs the owner nothing.
        assert_eq!(given_up, [None, None, Some(1), None, Some(2), None, Some(0), None]);
        assert_eq!(events[0].0.address, events[6].0.address);
    }

    #[test]
    fn no_mapping_of_code_is_writable_and_executable() {
        let mut arena = Arena::new(2, 4096).unwrap();
        arena.place(&[0xc3]);
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let rights = |view: NonNull<u8>| {
            let start = format!("{:x}-", view.as_ptr().addr());
            let line = maps.lines().find(|line| line.starts_with(&start)).unwrap();
            line.split_whitespace().nth(1).unwrap().to_owned()
        };
        assert_eq!((rights(arena.write), rights(arena.execute)), ("rw-s".into(), "r-xs".into()));
    }

    #[test]
    fn pieces_are_aligned_and_do_not_overlap() {
        let mut arena = Arena::new(2, 4096).unwrap();
        let mut end = 0;
        for length in [1_usize, 15, 16, 17, 100] {
            let (placed, _) = arena.place(&vec![0xcc; length]);
            assert!(placed.address.is_multiple_of(ALIGNMENT as u64));
            assert!(placed.address >= end);
            end = placed.address + length as u64;
        }
    }
}
