//! What a guest can see has no way to the host.

use std::path::Path;

use super::tree;

/// Modules of `emulator` that run on the host's side of the door, or between both sides. All others
/// are the guest's: there the lints of `clippy.toml` are denied.
const HOST_SIDE: &[&str] = &[
    "cli",
    "console",
    "debug",
    "journal",
    "picture",
    "progress",
    "snapshot",
    "timeline",
    "translate",
    "types",
];

const DENIED: &str = "#[deny(clippy::disallowed_methods, clippy::disallowed_types)]";

/// Words for the host in the text of a device: its time, threads, randomness, files, environment.
const HOST_WORDS: &[&str] = &[
    "std::time",
    "std::thread",
    "std::env",
    "std::fs",
    "std::io",
    "std::net",
    "std::process",
    "std::os",
    "Instant::",
    "SystemTime",
    "HashMap",
    "HashSet",
    "RandomState",
    "rustix",
    "libc::",
    "rand::",
    "getrandom",
    "static mut",
    "thread_local!",
];

/// Code of a file without comments.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate();
    lines.map(|(number, line)| (number + 1, line.split("//").next().unwrap_or_default()))
}

#[test]
fn devices_and_boards_do_not_name_the_host() {
    let mut found = Vec::new();
    let mut seen = 0;
    for (path, text) in tree::files(&[".rs"]) {
        let is_ours = path.starts_with("emulator/src/devices") || path.starts_with("machines/src");
        // A board looks for firmware where packages put it, and says so when it is not there.
        let looks_for_files = path.ends_with("riscv64_virt/boot.rs");
        if !is_ours || looks_for_files {
            continue;
        }
        seen += 1;
        for (number, line) in code(&text) {
            for word in HOST_WORDS.iter().filter(|word| line.contains(**word)) {
                found.push(format!("{}:{number}: {word}", path.display()));
            }
        }
    }
    assert!(seen > 5, "only {seen} files of devices and boards");
    assert!(found.is_empty(), "the door is the only way to the host:\n{}", found.join("\n"));
}

#[test]
fn the_lints_against_the_host_are_denied_in_every_module_of_the_guest() {
    let text = std::fs::read_to_string(tree::root().join("emulator/src/lib.rs")).expect("text");
    let mut before = "";
    let mut free = Vec::new();
    for line in text.lines() {
        let module = line.strip_prefix("pub mod ").map(|rest| rest.trim_end_matches(';'));
        if let Some(module) = module
            && before != DENIED
        {
            free.push(module);
        }
        before = line;
    }
    assert_eq!(free, HOST_SIDE, "every other module carries {DENIED}");
    let machines = std::fs::read_to_string(tree::root().join("machines/src/lib.rs"));
    assert!(machines.expect("text").contains(&DENIED.replace("#[", "#![")));
}

#[test]
fn every_file_of_a_device_is_in_the_list_of_devices() {
    let list = std::fs::read_to_string(tree::root().join("emulator/src/devices.rs")).expect("text");
    let (modules, list) = list.split_once("pub const DEVICES").expect("the list");
    let folder = Path::new("emulator/src/devices");
    let mut seen = 0;
    for (path, _) in tree::files(&[".rs"]) {
        if path.parent() != Some(folder) {
            continue;
        }
        let name = path.file_stem().and_then(|name| name.to_str()).expect("UTF-8");
        assert!(modules.contains(&format!("pub mod {name};")), "{name}");
        assert!(list.contains(&format!("Box::new({name}::")), "{name} is not in DEVICES");
        seen += 1;
    }
    assert!(seen > 5, "only {seen} devices");
}
