//! The binary `emulator`.

fn main() {}
