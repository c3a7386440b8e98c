//! `cargo +nightly fuzz run value vmstate/fuzz/corpus/value vmstate/fuzz/seeds/value`
#![no_main]

#[path = "../src/value.rs"]
mod value;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    value::fuzz(bytes);
});
