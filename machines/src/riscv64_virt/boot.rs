//! Which files a configuration starts from, and where they go.

use std::path::{Path, PathBuf};

use emulator::{
    devices::htif::Place,
    loader::{self, ElfFile, ImageMagic, LinuxImage, LoaderError, Source},
    machine::{
        Image,
        board::{BuildError, Config},
    },
};

use super::{demo, executable, firmware::Next, map};

/// Where Debian's package `opensbi` and its kin put the firmware for generic boards.
const FIRMWARE_PLACES: [&str; 3] = [
    "/usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin",
    "/usr/share/opensbi/lp64/generic/firmware/fw_dynamic.bin",
    "/usr/share/qemu/opensbi-riscv64-generic-fw_dynamic.bin",
];

/// A kernel without a header goes to the second 2 MiB of memory, behind the firmware.
const KERNEL_OFFSET: u64 = 0x20_0000;

/// Everything that is loaded, read and checked.
pub(super) struct Boot {
    /// What goes to fixed places.
    pub(super) images: Vec<Image>,
    /// First instruction after the reset vector.
    pub(super) entry: u64,
    /// What firmware starts.
    pub(super) next: Option<Next>,
    pub(super) initrd: Option<Source>,
    /// Where the first program talks to the host, if it asks for that.
    pub(super) htif: Option<Place>,
    /// A device tree from the user.
    pub(super) device_tree: Option<Source>,
}

impl Boot {
    pub(super) fn read(config: &Config) -> Result<Self, BuildError> {
        let limit = config.memory_bytes;
        let mut images = Vec::new();
        let kernel = config.kernel.as_deref().map(|path| read_kernel(path, limit)).transpose()?;
        let mut htif = None;
        let next = kernel.map(|kernel| {
            images.extend(kernel.images);
            htif = kernel.htif;
            Next { addr: kernel.entry }
        });
        let firmware = match config.bios.as_deref() {
            Some(path) if path == Path::new("none") => None,
            Some(path) => Some(read_program("firmware", path, limit)?),
            None if next.is_some() => Some(read_program("firmware", &find_firmware()?, limit)?),
            None => Some(program_of("demo guest", demo(), limit)?),
        };
        let entry = match (firmware, next) {
            (Some(firmware), _) => {
                images.extend(firmware.images);
                htif = firmware.htif.or(htif);
                firmware.entry
            }
            (None, Some(next)) => next.addr,
            (None, None) => {
                return Err(BuildError::Lacking { option: "bios none", needed: "kernel" });
            }
        };
        let initrd = config.initrd.as_deref();
        let initrd = initrd.map(|path| loader::read("initrd", path, limit)).transpose()?;
        let device_tree = config.dtb.as_deref().map(read_device_tree).transpose()?;
        Ok(Self { images, entry, next, initrd, htif, device_tree })
    }
}

/// A program in memory.
struct Program {
    images: Vec<Image>,
    entry: u64,
    htif: Option<Place>,
}

fn find_firmware() -> Result<PathBuf, BuildError> {
    let found = FIRMWARE_PLACES.iter().map(PathBuf::from).find(|path| path.exists());
    found.ok_or_else(|| BuildError::NoFirmware { searched: FIRMWARE_PLACES.join(", ") })
}

fn read_program(role: &'static str, path: &Path, limit: u64) -> Result<Program, BuildError> {
    program_of(role, loader::read_unpacked(role, path, limit)?, limit)
}

/// An ELF executable, or raw bytes for the start of memory.
fn program_of(role: &'static str, source: Source, limit: u64) -> Result<Program, BuildError> {
    if ElfFile::is_elf(&source.bytes) {
        return elf_program(role, &source, limit);
    }
    let image = Image::new(role, map::RAM, source.bytes);
    Ok(Program { images: vec![image], entry: map::RAM, htif: None })
}

fn elf_program(role: &str, source: &Source, limit: u64) -> Result<Program, BuildError> {
    let elf = executable(source, limit)?;
    let htif = elf.tohost.map(|tohost| Place { tohost, fromhost: elf.fromhost });
    let inside = |addr: u64| {
        let ram = map::RAM..(map::RAM + limit).saturating_sub(7);
        ram.contains(&addr) && addr.is_multiple_of(8)
    };
    if elf.tohost.is_some_and(|tohost| !inside(tohost)) {
        let expected = "`tohost` to be a doubleword in memory";
        return Err(source.unexpected("a symbol `tohost` outside memory", expected).into());
    }
    let images = elf.segments.into_iter().enumerate().map(|(index, segment)| {
        Image::new(&format!("{role} segment {index}"), segment.addr, segment.bytes)
    });
    Ok(Program { images: images.collect(), entry: elf.entry, htif })
}

fn read_kernel(path: &Path, limit: u64) -> Result<Program, BuildError> {
    let source = loader::read_unpacked("kernel", path, limit)?;
    if ElfFile::is_elf(&source.bytes) {
        return elf_program("kernel", &source, limit);
    }
    let expected = "a RISC-V Linux Image, an ELF executable, or either of them in gzip";
    let Some(header) = LinuxImage::parse(&source.bytes) else {
        return Err(source.unexpected("neither a Linux Image nor ELF", expected).into());
    };
    if header.magic != ImageMagic::RISCV {
        return Err(source.unexpected("a Linux Image for another architecture", expected).into());
    }
    let offset = if header.image_bytes == 0 { KERNEL_OFFSET } else { header.text_offset };
    let addr = map::RAM.saturating_add(offset);
    if header.image_bytes > limit {
        return Err(source
            .unexpected(
                format!("a kernel that takes {} bytes of memory", header.image_bytes),
                format!("at most {limit}; give --memory more"),
            )
            .into());
    }
    // The kernel's zeroed data belong to it, so that nothing else is placed there.
    let mut bytes = source.bytes;
    let whole = usize::try_from(header.image_bytes).unwrap_or(usize::MAX);
    bytes.resize(bytes.len().max(whole), 0);
    Ok(Program { images: vec![Image::new("kernel", addr, bytes)], entry: addr, htif: None })
}

fn read_device_tree(path: &Path) -> Result<Source, BuildError> {
    /// A tree larger than this cannot be one.
    const LIMIT: u64 = 2 << 20;
    let expected = "a flattened device tree of at most 2 MiB (dtc -O dtb makes one)";
    let source = loader::read("device tree", path, LIMIT).map_err(|error| match error {
        // More memory would not help.
        LoaderError::TooLarge { role, path, .. } => {
            let (problem, expected) = ("a larger file".to_owned(), expected.to_owned());
            LoaderError::Unexpected { role, path, problem, expected }
        }
        other => other,
    })?;
    if !source.bytes.starts_with(&[0xd0, 0x0d, 0xfe, 0xed]) {
        return Err(source.unexpected("no device tree blob", expected).into());
    }
    Ok(source)
}
