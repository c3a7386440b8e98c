//! The versions of the board: THE table of what each of them has.
//!
//! Problem: a guest that was saved on one build must find the same machine on the next, and a fix that a
//! guest can see is a difference. Strategy: whatever a guest can see, or an older build would not find
//! in a file, hangs on a row here: the version in which each type of state is saved, the processor's
//! features, the quirks of devices. The code of a device asks its quirk, never the version.
//!
//! Rules: a released row never changes; a change that a guest can see is a new row. The compiler
//! compares each row with the locks ([`BoardVersion::assert_saved`]), a test compares it with the machine.

use emulator::{
    devices::{
        aclint::Aclint,
        goldfish_rtc::{AlarmRegisters, GoldfishRtc},
        htif::Htif,
        ns16550a::{BelowTrigger, Ns16550a},
        plic::Plic,
        sifive_test::SifiveTest,
        virtio_mmio::VirtioMmioSlot,
    },
    isa::riscv::{Features, Hart},
    machine::{MachineState, board::BoardVersion},
};
use vmstate::VmState;

/// What the code needs of a version, beside what files need.
#[derive(Clone, Copy, Debug)]
pub(super) struct Release {
    version: BoardVersion,
    /// What the processors have.
    pub(super) features: Features,
    /// What the serial port does below its trigger level.
    pub(super) uart: BelowTrigger,
    /// What the clock's alarm registers read.
    pub(super) rtc: AlarmRegisters,
}

/// Oldest first.
const RELEASES: [Release; 2] = [
    Release {
        version: BoardVersion {
            version: "1.0",
            about: "the first",
            types: &[
                (&MachineState::DEF, 1),
                (&Hart::DEF, 1),
                (&SifiveTest::DEF, 1),
                (&GoldfishRtc::DEF, 1),
                (&Aclint::DEF, 1),
                (&Plic::DEF, 1),
                (&VirtioMmioSlot::DEF, 1),
                (&Htif::DEF, 1),
                (&Ns16550a::DEF, 1),
            ],
        },
        features: Features::RVA22S64,
        uart: BelowTrigger::Interrupt,
        rtc: AlarmRegisters::Zero,
    },
    Release {
        version: BoardVersion {
            version: "1.1",
            about: "timer interrupts for S mode (Sstc), the UART's character timeout, alarm \
                    registers that read back",
            types: &[
                (&MachineState::DEF, 1),
                (&Hart::DEF, 1),
                (&SifiveTest::DEF, 1),
                (&GoldfishRtc::DEF, 2),
                (&Aclint::DEF, 1),
                (&Plic::DEF, 1),
                (&VirtioMmioSlot::DEF, 1),
                (&Htif::DEF, 1),
                (&Ns16550a::DEF, 2),
            ],
        },
        features: Features::RVA22S64.union(Features::SSTC),
        uart: BelowTrigger::Timeout,
        rtc: AlarmRegisters::Keep,
    },
];

/// The same for the outside.
pub(super) const VERSIONS: [BoardVersion; RELEASES.len()] = {
    let mut versions = [RELEASES[0].version; RELEASES.len()];
    let mut index = 0;
    while index < RELEASES.len() {
        RELEASES[index].version.assert_saved();
        versions[index] = RELEASES[index].version;
        index += 1;
    }
    versions
};

/// The row of a version.
pub(super) fn release(version: &BoardVersion) -> &'static Release {
    const { &RELEASES }
        .iter()
        .find(|release| release.version.version == version.version)
        .expect("the version is one of this board's")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use emulator::machine::board::{Board, Config};

    use super::super::Riscv64Virt;
    use super::*;

    #[test]
    fn every_version_has_a_row_for_each_type_of_the_machine_and_no_other() {
        for version in Riscv64Virt.versions() {
            let htif = Some("0x80001000,0x80001040".parse().expect("a place"));
            let images = Some(Vec::new());
            let config = Config { memory_bytes: 16 << 20, htif, images, ..Config::default() };
            let machine = Riscv64Virt.build(version, &config).expect("it builds").machine;
            let instances = machine.instances();
            let found: BTreeSet<String> = instances
                .paths()
                .map(|path| instances.get(path).expect("it is listed").type_name())
                .collect();
            let listed: BTreeSet<String> =
                version.types.iter().map(|(def, _)| def.full_name()).collect();
            assert_eq!(found, listed, "{}", version.version);
        }
    }

    #[test]
    fn the_newest_version_saves_every_type_in_its_newest_version() {
        let newest = VERSIONS.last().expect("there is one");
        for (def, version) in newest.types {
            assert_eq!(*version, def.version, "{}: give it a row in a new version", def.name);
        }
    }
}
