//! The boards of the emulator: one file each.
