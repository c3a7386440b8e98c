//! The program at a terminal, on pipes and behind a monitor's socket, as a user has it.
//!
//! Every wait is for a text, with a deadline that only a program that hangs can miss.

#[path = "book/pattern.rs"]
mod pattern;

mod console {
    mod keys;
    mod monitor;
    mod pipes;
    mod restore;
    mod socket;
    pub(crate) mod terminal;
    mod transcript;
}
