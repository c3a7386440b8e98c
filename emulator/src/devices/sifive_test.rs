//! The test finisher of SiFive's boards: one register with which a guest switches itself off.
//!
//! Linux and OpenSBI drive it through the generic `syscon-poweroff` and `syscon-reboot` bindings.
//! Source: SiFive E31/U54 core-complex manuals ("Test Finisher"), and the `sifive,test1` and
//! `syscon-*` device-tree bindings.

use vmstate::VmState;

use crate::{
    bus::Width,
    device::{Device, Io, Mmio, PowerRequest, Region},
};

const FINISHER: Region =
    Region { name: "finisher", bytes: 0x1000, narrowest: Width::Half, widest: Width::Word };

/// Low half of the register: switch off with the code in the high half.
pub const FAIL: u32 = 0x3333;
/// Low half of the register: switch off, success.
pub const PASS: u32 = 0x5555;
/// Low half of the register: reset.
pub const RESET: u32 = 0x7777;

/// The test finisher. It has no state: what is written takes effect after the instruction.
#[derive(VmState, Clone, Debug, Default, PartialEq, Eq)]
#[vmstate(version = 1, name = "sifive-test")]
pub struct SifiveTest {}

impl Device for SifiveTest {
    fn model(&self) -> &'static str {
        "sifive-test"
    }

    fn mmio(&mut self) -> Option<&mut dyn Mmio> {
        Some(self)
    }
}

impl Mmio for SifiveTest {
    fn regions(&self) -> &[Region] {
        &[FINISHER]
    }

    fn read(&mut self, _: &mut Io<'_>, _: usize, _: u64, _: Width) -> u64 {
        0
    }

    fn write(&mut self, io: &mut Io<'_>, _: usize, offset: u64, _: Width, value: u64) {
        let [low0, low1, high0, ..] = value.to_le_bytes();
        match (offset, u32::from(u16::from_le_bytes([low0, low1]))) {
            (0, PASS) => io.request(PowerRequest::Off { code: 0 }),
            // A failure with code 0 is a failure all the same.
            (0, FAIL) => io.request(PowerRequest::Off { code: high0.max(1) }),
            (0, RESET) => io.request(PowerRequest::Reset),
            _ => io.guest_error(offset, "the finisher knows 0x3333, 0x5555 and 0x7777 only"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::{Effect, bench::Bench};

    #[test]
    fn each_word_asks_for_what_the_manual_says() {
        for (word, effects) in [
            (0x5555, vec![Effect::Power(PowerRequest::Off { code: 0 })]),
            (0x0000_3333, vec![Effect::Power(PowerRequest::Off { code: 1 })]),
            (0x0007_3333, vec![Effect::Power(PowerRequest::Off { code: 7 })]),
            (0x7777, vec![Effect::Power(PowerRequest::Reset)]),
            (0x1234, vec![]),
        ] {
            let mut bench = Bench::new(SifiveTest::default());
            bench.write(0, Width::Word, word);
            assert_eq!(bench.take_effects(), effects, "{word:#x}");
            assert_eq!(bench.read(0, Width::Word), 0);
        }
    }
}
