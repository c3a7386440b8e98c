//! ELF files: segments at their physical addresses, entry, and a few symbols.
//!
//! Source: System V Application Binary Interface, chapters "Object Files" and "Program Loading and Dynamic
//! Linking".

use object::{
    Endianness, Object, ObjectSymbol,
    elf::FileHeader64,
    read::elf::{ElfFile64, FileHeader, ProgramHeader},
};

use super::{LoaderError, Source};

/// A stretch of an ELF file that is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Physical address.
    pub addr: u64,
    /// Content; the zero-filled rest is included.
    pub bytes: Vec<u8>,
}

/// What matters of an ELF executable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElfFile {
    /// Loadable segments, in the file's order.
    pub segments: Vec<Segment>,
    /// Physical address of the first instruction.
    pub entry: u64,
    /// Physical address of the symbol `tohost`, through which bare test programs end.
    pub tohost: Option<u64>,
    /// Physical address of the symbol `fromhost`, through which they are answered.
    pub fromhost: Option<u64>,
}

impl ElfFile {
    /// Whether a file's content looks like ELF.
    #[must_use]
    pub fn is_elf(bytes: &[u8]) -> bool {
        bytes.starts_with(b"\x7fELF")
    }

    /// Reads a 64-bit executable for `machine` (an `EM_` number), called `machine_name`, whose
    /// segments take at most `limit` bytes of memory.
    ///
    /// # Errors
    /// [`LoaderError`] for a damaged file, another machine or class, or segments that are too large.
    pub fn read(
        source: &Source,
        machine: u16,
        machine_name: &str,
        limit: u64,
    ) -> Result<Self, LoaderError> {
        let expected = || format!("a 64-bit ELF executable for {machine_name}");
        let damaged = |error: object::Error| source.unexpected(error.to_string(), expected());
        let bytes = &source.bytes[..];
        if bytes.get(4) != Some(&2) {
            return Err(source.unexpected("not a 64-bit ELF file", expected()));
        }
        let header = FileHeader64::<Endianness>::parse(bytes).map_err(damaged)?;
        let endian = header.endian().map_err(damaged)?;
        let found = header.e_machine(endian);
        if found.0 != machine {
            let problem = format!("an ELF file for machine number {}", found.0);
            return Err(source.unexpected(problem, format!("{} ({machine})", expected())));
        }
        let mut segments = Vec::new();
        let mut total = 0_u64;
        // Symbols and the entry are virtual addresses; the harts start without paging.
        let mut moves = Vec::new();
        for program in header.program_headers(endian, bytes).map_err(damaged)? {
            if program.p_type(endian) != object::elf::PT_LOAD {
                continue;
            }
            let (start, memory_bytes) = (program.p_paddr(endian), program.p_memsz(endian));
            total = total.saturating_add(memory_bytes);
            if total > limit {
                return Err(source.unexpected(
                    "segments that need more memory than there is",
                    format!("at most {limit} bytes"),
                ));
            }
            let data = program
                .data(endian, bytes)
                .map_err(|()| source.unexpected("a segment outside the file", expected()))?;
            let mut content = data.to_vec();
            content.resize(usize::try_from(memory_bytes).unwrap_or(usize::MAX), 0);
            let virt = program.p_vaddr(endian);
            moves.push((virt..virt.saturating_add(memory_bytes), start));
            if !content.is_empty() {
                segments.push(Segment { addr: start, bytes: content });
            }
        }
        if segments.is_empty() {
            return Err(source.unexpected("an ELF file without loadable segments", expected()));
        }
        let symbols = ElfFile64::<Endianness>::parse(bytes).map_err(damaged)?;
        let physical = |virt: u64| {
            let inside = moves.iter().find(|(range, _)| range.contains(&virt));
            inside.map_or(virt, |(range, start)| virt - range.start + start)
        };
        let symbol = |name| symbols.symbol_by_name(name).map(|symbol| physical(symbol.address()));
        let (tohost, fromhost) = (symbol("tohost"), symbol("fromhost"));
        Ok(Self { segments, entry: physical(header.e_entry(endian)), tohost, fromhost })
    }
}
