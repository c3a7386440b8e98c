//! `riscv64-virt`: RISC-V harts on the memory map of QEMU's `virt` board, so that existing
//! firmware, kernels and bare-metal programs run unchanged.
//!
//! Source of addresses and interrupt numbers: QEMU documentation, "'virt' Generic Virtual
//! Platform", and the device trees that it generates.

mod boot;
mod device_tree;
mod firmware;
mod processor;
mod versions;

use std::sync::Arc;

use emulator::{
    devices::{
        aclint::{Aclint, MAX_HARTS},
        goldfish_rtc::GoldfishRtc,
        htif::{self, Htif},
        ns16550a::Ns16550a,
        plic::Plic,
        sifive_test::SifiveTest,
        virtio_mmio::VirtioMmioSlot,
    },
    isa::riscv::features::{Features, FeaturesError, MODELS},
    loader::{ElfFile, Source},
    machine::{
        Image, ImageError, MachineBuilder, Sink,
        board::{Board, BoardVersion, BuildError, Built, Config, CpuModels},
    },
    memory::GuestMemory,
};

use boot::Boot;
use versions::Release;

/// The memory map and the interrupt numbers.
pub mod map {
    /// Reset vector and what firmware needs to know.
    pub const ROM: u64 = 0x1000;
    /// Length of the ROM.
    pub const ROM_BYTES: u64 = 0xf000;
    /// Test finisher.
    pub const TEST: u64 = 0x10_0000;
    /// Real-time clock.
    pub const RTC: u64 = 0x10_1000;
    /// Core-local interruptor.
    pub const CLINT: u64 = 0x200_0000;
    /// Platform-level interrupt controller.
    pub const PLIC: u64 = 0xc00_0000;
    /// Length of the interrupt controller as the device tree states it.
    pub const PLIC_BYTES: u64 = 0x60_0000;
    /// Sources of the interrupt controller.
    pub const PLIC_SOURCES: u32 = 95;
    /// Serial port.
    pub const UART: u64 = 0x1000_0000;
    /// First of the virtio transports.
    pub const VIRTIO: u64 = 0x1000_1000;
    /// Distance from one virtio transport to the next, and the length of one.
    pub const VIRTIO_BYTES: u64 = 0x1000;
    /// Interrupt source of the first virtio transport; the others follow.
    pub const VIRTIO_SOURCE: u32 = 1;
    /// Number of virtio transports.
    pub const VIRTIO_SLOTS: u32 = 8;
    /// Interrupt source of the serial port.
    pub const UART_SOURCE: u32 = 10;
    /// Interrupt source of the real-time clock.
    pub const RTC_SOURCE: u32 = 11;
    /// Memory.
    pub const RAM: u64 = 0x8000_0000;
    /// Frequency of `time` and `mtime` in hertz.
    pub const TIMEBASE_HZ: u32 = 10_000_000;
    /// Nanoseconds of one tick of the time base.
    pub const TICK_NS: u64 = 1_000_000_000 / TIMEBASE_HZ as u64;
}

/// Interrupt inputs of a hart (privileged specification, `mip`).
const MACHINE_SOFTWARE: u32 = 3;
const MACHINE_TIMER: u32 = 7;
const SUPERVISOR_EXTERNAL: u32 = 9;
const MACHINE_EXTERNAL: u32 = 11;

/// What runs when nothing is given: a bare-metal guest with a prompt.
const DEMO: &[u8] = include_bytes!("../guests/demo.elf");

const LEAST_MIB: u64 = 16;
const MOST_MIB: u64 = 64 << 10;

/// The board.
#[derive(Clone, Copy, Debug, Default)]
pub struct Riscv64Virt;

impl Board for Riscv64Virt {
    fn name(&self) -> &'static str {
        "riscv64-virt"
    }

    fn about(&self) -> &'static str {
        "RISC-V harts on the memory map of QEMU's virt board"
    }

    fn versions(&self) -> &'static [BoardVersion] {
        &versions::VERSIONS
    }

    fn console(&self) -> &'static str {
        "soc/uart0"
    }

    fn cpu_models(&self) -> CpuModels {
        CpuModels {
            models: MODELS.map(|(model, on)| (model, on.switches().collect())).to_vec(),
            switches: Features::all().switches().collect(),
        }
    }

    fn build(&self, version: &BoardVersion, config: &Config) -> Result<Built, BuildError> {
        check(config)?;
        let release = versions::release(version);
        let features = features(config, release)?;
        let ram_end = map::RAM + config.memory_bytes;
        let rom = map::ROM..map::ROM + map::ROM_BYTES;
        let memory = GuestMemory::new(&[rom.clone(), map::RAM..ram_end])?;
        memory.protect(rom);
        let name = format!("{}@{}", self.name(), version.version);
        let mut builder = MachineBuilder::new(&name, memory, config.step_ps, config.quantum);
        builder.save_as(version.types);
        add_devices(&mut builder, config.cpus, release);
        let device_tree = match &config.images {
            Some(images) => place_given(&mut builder, images, config.htif)?,
            None => place(&mut builder, config, features, Boot::read(config)?)?,
        };
        builder.property("cpu", features.to_string());
        for hart in 0..config.cpus {
            builder.hart(config.equip(processor::hart(hart, features))?);
        }
        Ok(Built { machine: builder.build(), device_tree })
    }
}

fn check(config: &Config) -> Result<(), BuildError> {
    let board = Riscv64Virt.name();
    let option = |option, value: String, expected: String| {
        Err(BuildError::Option { board, option, value, expected })
    };
    if config.cpus == 0 || config.cpus as usize > MAX_HARTS {
        return option("cpus", config.cpus.to_string(), format!("1 to {MAX_HARTS}"));
    }
    let mib = config.memory_bytes >> 20;
    if !config.memory_bytes.is_multiple_of(1 << 20) || !(LEAST_MIB..=MOST_MIB).contains(&mib) {
        let value = format!("{} bytes", config.memory_bytes);
        return option("memory", value, format!("{LEAST_MIB}M to {}G", MOST_MIB >> 10));
    }
    for (option, given) in
        [("initrd", config.initrd.is_some()), ("append", !config.append.is_empty())]
    {
        if given && config.kernel.is_none() {
            return Err(BuildError::Lacking { option, needed: "kernel" });
        }
    }
    if config.dtb.is_some() && !config.append.is_empty() {
        return Err(BuildError::Overruled { option: "append", by: "dtb" });
    }
    Ok(())
}

/// What the harts have.
fn features(config: &Config, release: &Release) -> Result<Features, BuildError> {
    let Some(cpu) = &config.cpu else { return Ok(release.features) };
    cpu.parse().map_err(|error: FeaturesError| BuildError::Option {
        board: Riscv64Virt.name(),
        option: "cpu",
        value: cpu.clone(),
        expected: format!("a CPU model with its switches: {error}"),
    })
}

/// Adds what a bare test program talks through.
fn add_htif(builder: &mut MachineBuilder, place: htif::Place) {
    builder.device("soc/htif", Box::new(Htif::new(place)));
    builder.property("htif", place.to_string());
}

fn add_devices(builder: &mut MachineBuilder, cpus: u32, release: &Release) {
    let harts = cpus as usize;
    let test = builder.device("soc/test", Box::new(SifiveTest::default()));
    let rtc = builder.device("soc/rtc", Box::new(GoldfishRtc::new(release.rtc)));
    let clint = builder.device("soc/clint", Box::new(Aclint::new(harts, map::TICK_NS)));
    let plic = builder.device("soc/plic", Box::new(Plic::new(2 * harts)));
    let uart = builder.device("soc/uart0", Box::new(Ns16550a::new(release.uart)));
    for (device, base) in [
        (test, map::TEST),
        (rtc, map::RTC),
        (clint, map::CLINT),
        (plic, map::PLIC),
        (uart, map::UART),
    ] {
        builder.map(device, 0, base);
    }
    for slot in 0..map::VIRTIO_SLOTS {
        let path = format!("soc/virtio{slot}");
        let virtio = builder.device(&path, Box::new(VirtioMmioSlot::default()));
        builder.map(virtio, 0, map::VIRTIO + u64::from(slot) * map::VIRTIO_BYTES);
        builder.wire(virtio, 0, Sink::Device { device: plic, line: map::VIRTIO_SOURCE + slot });
    }
    builder.wire(uart, 0, Sink::Device { device: plic, line: map::UART_SOURCE });
    builder.wire(rtc, 0, Sink::Device { device: plic, line: map::RTC_SOURCE });
    for (hart, first) in (0..harts).zip((0..).step_by(2)) {
        builder.wire(clint, first, Sink::Hart { hart, line: MACHINE_SOFTWARE });
        builder.wire(clint, first + 1, Sink::Hart { hart, line: MACHINE_TIMER });
        builder.wire(plic, first, Sink::Hart { hart, line: MACHINE_EXTERNAL });
        builder.wire(plic, first + 1, Sink::Hart { hart, line: SUPERVISOR_EXTERNAL });
    }
}

/// Places exactly these images and returns the device tree among them.
fn place_given(
    builder: &mut MachineBuilder,
    images: &[Image],
    htif: Option<htif::Place>,
) -> Result<Vec<u8>, BuildError> {
    for image in images {
        builder.image(image.clone())?;
    }
    if let Some(place) = htif {
        add_htif(builder, place);
    }
    let tree = images.iter().find(|image| image.name == DEVICE_TREE);
    Ok(tree.map_or_else(Vec::new, |tree| tree.bytes.to_vec()))
}

/// Name of the image that is the device tree.
const DEVICE_TREE: &str = "device tree";

/// Places all images and returns the device tree.
fn place(
    builder: &mut MachineBuilder,
    config: &Config,
    features: Features,
    boot: Boot,
) -> Result<Vec<u8>, BuildError> {
    let isa = processor::isa(features);
    let tree_contents = |initrd| device_tree::Contents {
        cpus: config.cpus,
        memory_bytes: config.memory_bytes,
        isa: &isa,
        mmu: processor::mmu(features),
        bootargs: &config.append,
        initrd,
    };
    // The tree lies at the end of memory and the initial file system below it; the length of the
    // tree does not depend on where that is.
    let ram_end = map::RAM + config.memory_bytes;
    let draft = match &boot.device_tree {
        Some(given) => given.bytes.len(),
        None => {
            device_tree::write(&tree_contents(boot.initrd.as_ref().map(|_| (0, 0))))?.bytes.len()
        }
    };
    let tree_at = (ram_end - draft as u64) & !0x1f_ffff;
    let initrd = boot.initrd.as_ref().map(|initrd| {
        let bytes = initrd.bytes.len() as u64;
        let start = tree_at.saturating_sub(bytes) & !0xfff;
        (start, start + bytes)
    });
    for image in boot.images {
        builder.image(image).map_err(|error| does_not_fit(config, error))?;
    }
    if let Some(place) = boot.htif {
        add_htif(builder, place);
    }
    if let (Some((start, _)), Some(initrd)) = (initrd, boot.initrd) {
        let image = Image::new("initrd", start, initrd.bytes);
        builder.image(image).map_err(|error| does_not_fit(config, error))?;
    }
    let (tree, seed_at) = match boot.device_tree {
        Some(given) => (given.bytes, None),
        None => {
            let tree = device_tree::write(&tree_contents(initrd))?;
            (tree.bytes, Some(tree.seed_at))
        }
    };
    let bytes: Arc<[u8]> = tree.clone().into();
    builder.image(Image { name: DEVICE_TREE.into(), addr: tree_at, bytes, seed_at })?;
    let vector = firmware::reset_vector(boot.entry, tree_at, boot.next);
    builder.image(Image::new("reset vector", map::ROM, vector))?;
    Ok(tree)
}

/// The complaint about an image with the file that it comes from.
fn does_not_fit(config: &Config, error: ImageError) -> BuildError {
    let (ImageError::Outside { name, .. } | ImageError::Overlap { name, .. }) = &error;
    let files =
        [("firmware", &config.bios), ("kernel", &config.kernel), ("initrd", &config.initrd)];
    let file = files.into_iter().find(|(role, _)| name.starts_with(role));
    match file.and_then(|(_, path)| path.clone()) {
        Some(path) => BuildError::DoesNotFit { path, source: error },
        None => error.into(),
    }
}

/// The embedded guest as a file.
fn demo() -> Source {
    Source { role: "demo guest", path: "(built in)".into(), bytes: DEMO.to_vec() }
}

/// An executable for this board.
fn executable(source: &Source, memory_bytes: u64) -> Result<ElfFile, BuildError> {
    const EM_RISCV: u16 = 243;
    Ok(ElfFile::read(source, EM_RISCV, "RISC-V", memory_bytes)?)
}
