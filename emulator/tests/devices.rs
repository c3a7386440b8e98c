//! What every device must hold, whoever wrote it.
//!
//! Random tests print their seed; `DEVICE_SEED=n` runs that one alone, `DEVICE_RUNS=n` that many.

use std::collections::BTreeSet;

use emulator::{device::fuzz, devices::DEVICES};

fn seeds(few: u64) -> Vec<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    match number("DEVICE_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("DEVICE_RUNS").unwrap_or(few)).collect(),
    }
}

#[test]
fn a_device_that_is_saved_and_restored_behaves_as_the_one_that_was_not() {
    for (model, make) in DEVICES {
        for seed in seeds(20) {
            eprintln!("{model} DEVICE_SEED={seed}");
            fuzz::twins(*make, seed, 1_500);
        }
    }
}

#[test]
fn a_device_goes_on_with_every_state_that_it_accepts() {
    for (model, make) in DEVICES {
        for seed in seeds(10) {
            eprintln!("{model} DEVICE_SEED={seed}");
            let (tried, taken) = fuzz::hurt(*make, seed, 1_000);
            assert!(taken > 0 || tried == 0, "{model} takes none of {tried} states");
        }
    }
}

#[test]
fn the_list_of_devices_names_their_models_once() {
    let mut seen = BTreeSet::new();
    for (model, make) in DEVICES {
        assert_eq!(make().model(), *model);
        assert!(seen.insert(*model), "{model} stands twice");
    }
}
