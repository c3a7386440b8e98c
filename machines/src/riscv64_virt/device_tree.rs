//! The device tree of the board.
//!
//! Source: Devicetree Specification 0.4 and the Linux bindings of each `compatible`.

use emulator::{devices::ns16550a, machine::board::BuildError};
use vm_fdt::FdtWriter;

use super::map;

/// What of the tree depends on the configuration.
pub(super) struct Contents<'a> {
    pub(super) cpus: u32,
    pub(super) memory_bytes: u64,
    pub(super) isa: &'a str,
    pub(super) mmu: &'a str,
    pub(super) bootargs: &'a str,
    /// First and last address of the initial file system.
    pub(super) initrd: Option<(u64, u64)>,
}

/// A tree and where the seed goes.
pub(super) struct Tree {
    pub(super) bytes: Vec<u8>,
    pub(super) seed_at: usize,
}

/// Content of the seed property before the machine puts its own there; unlikely to occur elsewhere.
const SEED_PLACE: [u8; 32] = *b"the seed of the machine is here.";

const PLIC_PHANDLE: u32 = 1;
const TEST_PHANDLE: u32 = 2;
const CPU_PHANDLE: u32 = 16;

/// Interrupts of a hart as the tree numbers them: supervisor and machine external, machine software
/// and timer.
const SUPERVISOR_EXTERNAL: u32 = 9;
const MACHINE_EXTERNAL: u32 = 11;
const MACHINE_SOFTWARE: u32 = 3;
const MACHINE_TIMER: u32 = 7;

pub(super) fn write(contents: &Contents<'_>) -> Result<Tree, BuildError> {
    let bytes = tree(contents).map_err(|error| BuildError::DeviceTree(error.to_string()))?;
    let seed_at = bytes.windows(SEED_PLACE.len()).position(|window| window == SEED_PLACE);
    Ok(Tree { seed_at: seed_at.expect("the tree holds the property"), bytes })
}

fn tree(contents: &Contents<'_>) -> Result<Vec<u8>, vm_fdt::Error> {
    let mut fdt = FdtWriter::new()?;
    let root = fdt.begin_node("")?;
    fdt.property_u32("#address-cells", 2)?;
    fdt.property_u32("#size-cells", 2)?;
    fdt.property_string("compatible", "riscv-virtio")?;
    fdt.property_string("model", "riscv-virtio,emulator")?;
    chosen(&mut fdt, contents)?;
    let memory = fdt.begin_node(&format!("memory@{:x}", map::RAM))?;
    fdt.property_string("device_type", "memory")?;
    fdt.property_array_u64("reg", &[map::RAM, contents.memory_bytes])?;
    fdt.end_node(memory)?;
    cpus(&mut fdt, contents)?;
    power(&mut fdt)?;
    let soc = fdt.begin_node("soc")?;
    fdt.property_u32("#address-cells", 2)?;
    fdt.property_u32("#size-cells", 2)?;
    fdt.property_string("compatible", "simple-bus")?;
    fdt.property_null("ranges")?;
    devices(&mut fdt, contents.cpus)?;
    fdt.end_node(soc)?;
    fdt.end_node(root)?;
    fdt.finish()
}

fn chosen(fdt: &mut FdtWriter, contents: &Contents<'_>) -> Result<(), vm_fdt::Error> {
    let chosen = fdt.begin_node("chosen")?;
    if !contents.bootargs.is_empty() {
        fdt.property_string("bootargs", contents.bootargs)?;
    }
    fdt.property_string("stdout-path", &format!("/soc/serial@{:x}", map::UART))?;
    if let Some((start, end)) = contents.initrd {
        fdt.property_u64("linux,initrd-start", start)?;
        fdt.property_u64("linux,initrd-end", end)?;
    }
    fdt.property("rng-seed", &SEED_PLACE)?;
    fdt.end_node(chosen)
}

fn cpus(fdt: &mut FdtWriter, contents: &Contents<'_>) -> Result<(), vm_fdt::Error> {
    let cpus = fdt.begin_node("cpus")?;
    fdt.property_u32("#address-cells", 1)?;
    fdt.property_u32("#size-cells", 0)?;
    fdt.property_u32("timebase-frequency", map::TIMEBASE_HZ)?;
    for hart in 0..contents.cpus {
        let cpu = fdt.begin_node(&format!("cpu@{hart:x}"))?;
        fdt.property_string("device_type", "cpu")?;
        fdt.property_u32("reg", hart)?;
        fdt.property_string("status", "okay")?;
        fdt.property_string("compatible", "riscv")?;
        fdt.property_string("riscv,isa", contents.isa)?;
        fdt.property_string("mmu-type", contents.mmu)?;
        for block in ["riscv,cbom-block-size", "riscv,cboz-block-size", "riscv,cbop-block-size"] {
            fdt.property_u32(block, 64)?;
        }
        let controller = fdt.begin_node("interrupt-controller")?;
        fdt.property_u32("#interrupt-cells", 1)?;
        fdt.property_u32("#address-cells", 0)?;
        fdt.property_null("interrupt-controller")?;
        fdt.property_string("compatible", "riscv,cpu-intc")?;
        fdt.property_phandle(CPU_PHANDLE + hart)?;
        fdt.end_node(controller)?;
        fdt.end_node(cpu)?;
    }
    fdt.end_node(cpus)
}

/// The generic power-off and reboot drivers, which write a word into the test finisher.
fn power(fdt: &mut FdtWriter) -> Result<(), vm_fdt::Error> {
    use emulator::devices::sifive_test::{PASS, RESET};
    for (name, compatible, value) in
        [("poweroff", "syscon-poweroff", PASS), ("reboot", "syscon-reboot", RESET)]
    {
        let node = fdt.begin_node(name)?;
        fdt.property_string("compatible", compatible)?;
        fdt.property_u32("regmap", TEST_PHANDLE)?;
        fdt.property_u32("offset", 0)?;
        fdt.property_u32("value", value)?;
        fdt.end_node(node)?;
    }
    Ok(())
}

/// For every hart, the given interrupts of it as a property's cells.
fn hart_interrupts(cpus: u32, interrupts: [u32; 2]) -> Vec<u32> {
    let [first, second] = interrupts;
    (CPU_PHANDLE..CPU_PHANDLE + cpus).flat_map(|hart| [hart, first, hart, second]).collect()
}

fn devices(fdt: &mut FdtWriter, cpus: u32) -> Result<(), vm_fdt::Error> {
    let test = fdt.begin_node(&format!("test@{:x}", map::TEST))?;
    let compatible = ["sifive,test1", "sifive,test0", "syscon"];
    fdt.property_string_list("compatible", compatible.map(str::to_owned).to_vec())?;
    fdt.property_array_u64("reg", &[map::TEST, 0x1000])?;
    fdt.property_phandle(TEST_PHANDLE)?;
    fdt.end_node(test)?;

    let rtc = fdt.begin_node(&format!("rtc@{:x}", map::RTC))?;
    fdt.property_string("compatible", "google,goldfish-rtc")?;
    fdt.property_array_u64("reg", &[map::RTC, 0x1000])?;
    fdt.property_u32("interrupt-parent", PLIC_PHANDLE)?;
    fdt.property_u32("interrupts", map::RTC_SOURCE)?;
    fdt.end_node(rtc)?;

    let clint = fdt.begin_node(&format!("clint@{:x}", map::CLINT))?;
    let compatible = ["sifive,clint0", "riscv,clint0"];
    fdt.property_string_list("compatible", compatible.map(str::to_owned).to_vec())?;
    fdt.property_array_u64("reg", &[map::CLINT, 0x1_0000])?;
    let interrupts = hart_interrupts(cpus, [MACHINE_SOFTWARE, MACHINE_TIMER]);
    fdt.property_array_u32("interrupts-extended", &interrupts)?;
    fdt.end_node(clint)?;

    let plic = fdt.begin_node(&format!("plic@{:x}", map::PLIC))?;
    let compatible = ["sifive,plic-1.0.0", "riscv,plic0"];
    fdt.property_string_list("compatible", compatible.map(str::to_owned).to_vec())?;
    fdt.property_array_u64("reg", &[map::PLIC, map::PLIC_BYTES])?;
    fdt.property_u32("#interrupt-cells", 1)?;
    fdt.property_u32("#address-cells", 0)?;
    fdt.property_null("interrupt-controller")?;
    fdt.property_u32("riscv,ndev", map::PLIC_SOURCES)?;
    let interrupts = hart_interrupts(cpus, [MACHINE_EXTERNAL, SUPERVISOR_EXTERNAL]);
    fdt.property_array_u32("interrupts-extended", &interrupts)?;
    fdt.property_phandle(PLIC_PHANDLE)?;
    fdt.end_node(plic)?;

    for slot in 0..map::VIRTIO_SLOTS {
        let base = map::VIRTIO + u64::from(slot) * map::VIRTIO_BYTES;
        let virtio = fdt.begin_node(&format!("virtio_mmio@{base:x}"))?;
        fdt.property_string("compatible", "virtio,mmio")?;
        fdt.property_array_u64("reg", &[base, map::VIRTIO_BYTES])?;
        fdt.property_u32("interrupt-parent", PLIC_PHANDLE)?;
        fdt.property_u32("interrupts", map::VIRTIO_SOURCE + slot)?;
        fdt.end_node(virtio)?;
    }

    let uart = fdt.begin_node(&format!("serial@{:x}", map::UART))?;
    fdt.property_string("compatible", "ns16550a")?;
    fdt.property_array_u64("reg", &[map::UART, 0x100])?;
    fdt.property_u32("clock-frequency", ns16550a::CLOCK_HZ)?;
    fdt.property_u32("interrupt-parent", PLIC_PHANDLE)?;
    fdt.property_u32("interrupts", map::UART_SOURCE)?;
    fdt.end_node(uart)
}
