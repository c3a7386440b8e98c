//! Every type of this crate that is saved: the list from which its lock and its property tests follow.
//!
//! A device adds its state type here. The tests below freeze and check `vmstate.lock` and try each
//! type (round trips, every field changed, every released version, hostile bytes); `emulator schema`
//! shows and freezes what is listed; a test over the source tree rejects a deriving type that is not.

use crate::devices::aclint::{Aclint, MAX_HARTS};
use crate::devices::goldfish_rtc::GoldfishRtc;
use crate::devices::htif::Htif;
use crate::devices::ns16550a::{Ns16550a, Timeout};
use crate::devices::plic::{self, Plic};
use crate::devices::sifive_test::SifiveTest;
use crate::devices::virtio_mmio::VirtioMmioSlot;
use crate::digest::Transcript;
use crate::isa::riscv::hart::{Configuration, Hart};
use crate::isa::riscv::pmp::Pmp;
use crate::isa::riscv::state::State;
use crate::machine::MachineState;
use crate::machine::schedule::Schedule;

vmstate::types![
    Aclint = Aclint::new(MAX_HARTS, 100),
    Htif,
    GoldfishRtc = GoldfishRtc::default(),
    Ns16550a = Ns16550a::default(),
    Timeout,
    plic::Context,
    Plic = Plic::new(plic::MAX_CONTEXTS),
    SifiveTest,
    VirtioMmioSlot,
    Configuration,
    Hart = Hart::new(Configuration::default()),
    Pmp,
    State,
    MachineState = MachineState {
        step_ps: 1000,
        schedule: Schedule::new(2, 100),
        off: None,
        seed: [0; 32],
        transcript: Transcript::default(),
    },
    Schedule = Schedule::new(2, 100),
    Transcript,
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::VMSTATE_TYPES;

    /// Snapshots and locks name types by these alone.
    #[test]
    fn no_two_types_have_one_stable_name() {
        let mut seen = BTreeSet::new();
        for entry in VMSTATE_TYPES {
            assert!(seen.insert(entry.def.full_name()), "{} stands twice", entry.def.full_name());
        }
    }
}
