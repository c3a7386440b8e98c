//! A virtio transport on the bus with nothing behind it: an empty slot.
//!
//! Source: "Virtual I/O Device (VIRTIO) Version 1.2", section 4.2.2 (MMIO device register layout).
//! A device number of 0 marks a placeholder: the driver reads magic, version and number and leaves
//! the rest alone (section 4.2.2.2).
//!
//! A board has its slots at fixed places whether or not they are filled, so what a guest finds on
//! the bus does not depend on what is plugged in.

use vmstate::VmState;

use crate::{
    bus::Width,
    device::{Device, Io, LineOutputs, Mmio, Region},
};

const REGISTERS: Region =
    Region { name: "registers", bytes: 0x1000, narrowest: Width::Byte, widest: Width::Word };

/// Offset of the magic number, `virt`.
pub const MAGIC: u64 = 0x000;
/// Offset of the version of the register layout.
pub const VERSION: u64 = 0x004;
/// Offset of the device's number; 0: nobody is there.
pub const DEVICE_ID: u64 = 0x008;
/// Offset of the vendor's number.
pub const VENDOR_ID: u64 = 0x00c;

const MAGIC_VALUE: u32 = u32::from_le_bytes(*b"virt");
/// The layout of virtio 1.0 and later; 1 is the legacy one.
const LAYOUT: u32 = 2;
/// The standard gives no numbers to vendors; this one names the program.
const VENDOR: u32 = u32::from_le_bytes(*b"emul");

/// An empty slot. It has no state. Output line 0: its interrupt, which never comes.
#[derive(VmState, Clone, Debug, Default, PartialEq, Eq)]
#[vmstate(version = 1, name = "virtio-mmio-slot")]
pub struct VirtioMmioSlot {}

impl Device for VirtioMmioSlot {
    fn model(&self) -> &'static str {
        "virtio-mmio"
    }

    fn mmio(&mut self) -> Option<&mut dyn Mmio> {
        Some(self)
    }

    fn line_outputs(&self) -> Option<&dyn LineOutputs> {
        Some(self)
    }
}

impl Mmio for VirtioMmioSlot {
    fn regions(&self) -> &[Region] {
        &[REGISTERS]
    }

    fn read(&mut self, io: &mut Io<'_>, _: usize, offset: u64, width: Width) -> u64 {
        let value = match (offset, width) {
            (MAGIC, Width::Word) => MAGIC_VALUE,
            (VERSION, Width::Word) => LAYOUT,
            (DEVICE_ID, Width::Word) => 0,
            (VENDOR_ID, Width::Word) => VENDOR,
            _ => {
                io.guest_error(offset, "the slot is empty");
                0
            }
        };
        u64::from(value)
    }

    fn write(&mut self, io: &mut Io<'_>, _: usize, offset: u64, _: Width, _: u64) {
        io.guest_error(offset, "the slot is empty");
    }
}

impl LineOutputs for VirtioMmioSlot {
    fn levels(&self, _: u64) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::bench::Bench;

    #[test]
    fn a_driver_finds_a_transport_and_nobody_behind_it() {
        let mut bench = Bench::new(VirtioMmioSlot::default());
        for (offset, value) in [
            (MAGIC, 0x7472_6976),
            (VERSION, 2),
            (DEVICE_ID, 0),
            (VENDOR_ID, 0x6c75_6d65),
            (0x010, 0),
            (0x070, 0),
            (0x100, 0),
        ] {
            bench.write(offset, Width::Word, 0xffff_ffff);
            assert_eq!(bench.read(offset, Width::Word), value, "{offset:#x}");
            assert_eq!(bench.levels(), 0);
        }
        assert_eq!(bench.read(MAGIC, Width::Byte), 0, "narrow reads are for configuration only");
    }
}
