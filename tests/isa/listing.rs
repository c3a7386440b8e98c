//! The GNU disassembler as the oracle for how instructions are written.

use std::{collections::BTreeMap, fmt::Write, fs, process::Command};

/// Everything that the assembler of a stable Debian knows of what we have.
const ARCHITECTURE: &str = "rv64gc_zba_zbb_zbs_zfhmin_zicbom_zicbop_zicboz_svinval";

fn tool(name: &str, arguments: &[&str]) -> String {
    let output = Command::new(format!("riscv64-linux-gnu-{name}")).args(arguments).output();
    let output = output.expect("scripts/setup installs the binary utilities for RISC-V");
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("a listing is text")
}

/// The text of each instruction (2 or 4 bytes), placed one after the other from address 0, by the
/// offset of each.
pub(crate) fn of(instructions: &[Vec<u8>]) -> BTreeMap<u64, String> {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let mut source = ".text\n".to_owned();
    for bytes in instructions {
        let number = bytes.iter().rev().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        writeln!(source, ".insn {}, {number:#x}", bytes.len()).expect("a string");
    }
    fs::write(path("code.s"), source).expect("the source is written");
    tool("as", &["-march", ARCHITECTURE, "-o", &path("code.o"), &path("code.s")]);
    let listing = tool("objdump", &["-d", "-z", "-M", "no-aliases", &path("code.o")]);
    listing.lines().filter_map(parse).collect()
}

/// A line of a listing: offset, colon, tab, digits, tab, mnemonic, tab, operands and a comment.
fn parse(line: &str) -> Option<(u64, String)> {
    let (offset, rest) = line.trim_start().split_once(":\t")?;
    let offset = u64::from_str_radix(offset, 16).ok()?;
    let (_, text) = rest.split_once('\t')?;
    let text = text.split(" #").next().unwrap_or_default();
    let text = text.split(" <").next().unwrap_or_default();
    Some((offset, text.trim().replace('\t', " ")))
}
