//! Spike, the RISC-V foundation's simulator, as the oracle.
//!
//! `scripts/setup` installs it under `target/tools`; else it is the `spike` of the path, or what
//! `SPIKE` names. A missing oracle fails the test.

use std::{fs, path::PathBuf, process::Command};

use super::program::{BASE, Program, TOHOST};

/// Everything that the blocks use.
const ISA: &str = "rv64gc_zba_zbb_zbs_zicond_zfhmin_zicbom_zicboz_zicbop_zicntr_zihpm_zicclsm_svadu_svinval_svpbmt";

/// Runs `program` and gives what it leaves in `program.changed()`.
pub(crate) fn run(program: &Program) -> Vec<u64> {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let elf = folder.path().join("program.elf");
    let signature = folder.path().join("signature");
    fs::write(&elf, elf_of(program)).expect("the program is written");
    let mut command = Command::new(executable());
    command.arg(format!("--isa={ISA}")).arg("-m0x80000000:0x10000000");
    // No program of ours is this long: a runaway one ends here.
    command.arg("--instructions=200000000");
    command.arg(format!("+signature={}", signature.display())).arg("+signature-granularity=8");
    command.arg(&elf);
    let output = command.output().expect("scripts/setup installs spike; SPIKE names another");
    let text = fs::read_to_string(&signature).unwrap_or_else(|error| {
        let said = String::from_utf8_lossy(&output.stderr);
        panic!("spike left no signature ({error}): {said}")
    });
    text.lines().map(|line| u64::from_str_radix(line, 16).expect("hexadecimal")).collect()
}

fn executable() -> PathBuf {
    let installed =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/tools/spike/riscv/data/bin/spike");
    match std::env::var_os("SPIKE") {
        Some(path) => path.into(),
        None if installed.exists() => installed,
        None => "spike".into(),
    }
}

/// A little-endian ELF file of the program (System V ABI, chapter 4): one segment, and the symbols
/// that Spike looks for.
fn elf_of(program: &Program) -> Vec<u8> {
    const HEADER: u64 = 64;
    const SEGMENT: u64 = 56;
    const DATA: u64 = 0x1000;
    let changed = program.changed();
    let symbols = [
        ("tohost", TOHOST),
        ("fromhost", TOHOST + 8),
        ("begin_signature", changed.start),
        ("end_signature", changed.end),
    ];
    let mut names = b"\0.symtab\0.strtab\0".to_vec();
    let mut table = vec![0; 24];
    for (name, address) in symbols {
        table.extend((names.len() as u32).to_le_bytes());
        // A global object in the first section.
        table.extend([0x11, 0, 1, 0]);
        table.extend(address.to_le_bytes());
        table.extend(0_u64.to_le_bytes());
        names.extend(name.bytes().chain([0]));
    }
    let size = program.image.len() as u64;
    let table_at = DATA + size.next_multiple_of(8);
    let names_at = table_at + table.len() as u64;
    let sections_at = (names_at + names.len() as u64).next_multiple_of(8);
    let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1];
    file.resize(16, 0);
    // Executable, RISC-V, version, entry, program headers, section headers.
    file.extend([2, 0, 243, 0, 1, 0, 0, 0]);
    for value in [BASE, HEADER, sections_at] {
        file.extend(value.to_le_bytes());
    }
    // Flags: compressed code, double-precision ABI.
    file.extend(5_u32.to_le_bytes());
    for value in [HEADER, SEGMENT, 1, 64, 4, 3] {
        file.extend((value as u16).to_le_bytes());
    }
    file.extend([1, 0, 0, 0, 7, 0, 0, 0]);
    for value in [DATA, BASE, BASE, size, size, 0x1000] {
        file.extend(value.to_le_bytes());
    }
    file.resize(DATA as usize, 0);
    file.extend(&program.image);
    file.resize(table_at as usize, 0);
    file.extend(&table);
    file.extend(&names);
    file.resize(sections_at as usize, 0);
    // name, type, flags, address, offset, size, link, info, alignment, entry size
    let sections = [
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        [0, 1, 7, BASE, DATA, size, 0, 0, 0x1000, 0],
        [1, 2, 0, 0, table_at, table.len() as u64, 3, 1, 8, 24],
        [9, 3, 0, 0, names_at, names.len() as u64, 0, 0, 1, 0],
    ];
    for section in sections {
        for (field, value) in section.into_iter().enumerate() {
            if matches!(field, 0 | 1 | 6 | 7) {
                file.extend((value as u32).to_le_bytes());
            } else {
                file.extend(value.to_le_bytes());
            }
        }
    }
    file
}
