//! `cargo +nightly fuzz run container vmstate/fuzz/corpus/container vmstate/fuzz/seeds/container`
#![no_main]

#[path = "../src/container.rs"]
mod container;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    container::fuzz(bytes);
});
