//! Guest RAM.

/// Guest RAM: one handle through which every write goes.
#[derive(Debug)]
pub struct GuestMemory {}
