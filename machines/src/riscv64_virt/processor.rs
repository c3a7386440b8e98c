//! The one place that knows which processor the board has.

use emulator::isa::riscv::{Configuration, Features, Hart};

use super::map;

pub(super) fn hart(number: u32, features: Features) -> Hart {
    Hart::new(Configuration {
        hart: u64::from(number),
        features,
        reset_pc: map::ROM,
        tick_ns: map::TICK_NS,
    })
}

/// The instruction set as the device tree states it (binding `riscv,isa`): single letters first,
/// then the named extensions.
pub(super) fn isa(features: Features) -> String {
    let has = |feature| features.contains(feature);
    let mut isa = "rv64i".to_owned();
    for (feature, letter) in [
        (Features::M, 'm'),
        (Features::A, 'a'),
        (Features::F, 'f'),
        (Features::D, 'd'),
        (Features::C, 'c'),
    ] {
        isa.extend(has(feature).then_some(letter));
    }
    isa.push_str("_zicntr_zicsr_zifencei_zihpm");
    for (name, feature) in features.iter_names() {
        // A paging mode is no extension of its own: `mmu-type` tells it.
        if name.len() > 1 && feature != Features::SV48 {
            isa.push('_');
            isa.push_str(&name.to_lowercase());
        }
    }
    isa
}

/// The widest paging mode (binding `mmu-type`).
pub(super) fn mmu(features: Features) -> &'static str {
    if features.contains(Features::SV48) { "riscv,sv48" } else { "riscv,sv39" }
}
