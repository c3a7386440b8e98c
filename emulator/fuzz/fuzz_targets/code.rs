//! `cargo +nightly fuzz run code emulator/fuzz/corpus/code emulator/fuzz/seeds/code`
#![no_main]

#[path = "../src/code.rs"]
mod code;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    code::fuzz(bytes);
});
