//! Versioned, self-describing state for emulated devices.
