//! Recordings of the demo guest, replayed in every way; faults planted to be found.

#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

#[path = "book/pattern.rs"]
mod pattern;

mod record_replay {
    mod binary;
    mod demo;
    mod faults;
    mod format;
    mod goldens;
    mod mutants;
    mod report;
    mod typist;
}
