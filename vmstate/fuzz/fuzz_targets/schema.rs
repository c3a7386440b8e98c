//! `cargo +nightly fuzz run schema vmstate/fuzz/corpus/schema vmstate/fuzz/seeds/schema`
#![no_main]

#[path = "../src/schema.rs"]
mod schema;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    schema::fuzz(bytes);
});
