//! The library of the emulator.
