//! What is general knows no architecture: adding one touches its folder under `isa/` and a board.

use super::tree;

/// Modules of `emulator` that are about one architecture, or are lists of everything.
const PARTICULAR: &[&str] = &["isa/riscv", "isa.rs", "devices", "loader", "types.rs"];

/// How architectures are named in code.
const NAMES: &[&str] = &["riscv", "risc_v", "rv64", "aarch64", "arm64", "powerpc", "ppc64"];

/// The code of a line: neither its comment nor what it has in quotes.
fn code(line: &str) -> String {
    let line = line.split("//").next().unwrap_or_default();
    line.split('"').step_by(2).collect()
}

#[test]
fn the_scanner_sees_code_alone() {
    for (line, seen) in [
        ("use crate::isa::riscv::Hart;", true),
        ("/// Such as `riscv64-virt`.", false),
        ("let name = \"riscv64-virt\"; // riscv", false),
        ("if RiscV == rv64 {", true),
    ] {
        let code = code(line).to_lowercase();
        assert_eq!(NAMES.iter().any(|name| code.contains(name)), seen, "{line}");
    }
}

#[test]
fn general_modules_name_no_architecture() {
    let mut found = vec![];
    for (path, text) in tree::files(&[".rs"]) {
        let Ok(inside) = path.strip_prefix("emulator/src") else { continue };
        let is_test = inside.ends_with("tests.rs") || inside.iter().any(|part| part == "tests");
        if is_test || PARTICULAR.iter().any(|place| inside.starts_with(place)) {
            continue;
        }
        // A module's tests may use whatever processor is at hand.
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        for (number, line) in text.lines().enumerate() {
            let code = code(line).to_lowercase();
            if NAMES.iter().any(|name| code.contains(name)) {
                found.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "say it in the architecture's folder:\n{}", found.join("\n"));
}
