//! The fuzz target for guest code over its committed seeds and over random bytes.

use std::{fs, path::Path};

#[path = "../fuzz/src/code.rs"]
mod code;

#[test]
fn seeds_of_guest_code_end_in_defined_traps() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/code");
    let mut traps = 0;
    for entry in fs::read_dir(folder).expect("the seeds") {
        traps += code::fuzz(&fs::read(entry.expect("an entry").path()).expect("a seed"));
    }
    assert!(traps > 0, "no seed traps");
}

/// `FUZZ_SEED=N` tries other bytes.
#[test]
fn random_bytes_as_code_end_in_defined_traps() {
    let seed = std::env::var("FUZZ_SEED").map_or(1, |text| text.parse().expect("a number"));
    let mut state: u64 = seed;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    let mut traps = 0;
    for _ in 0..400 {
        let bytes: Vec<u8> = (0..120).map(|_| next()).collect();
        traps += code::fuzz(&bytes);
    }
    assert!(traps > 400, "FUZZ_SEED={seed}: only {traps} traps");
}
