//! Imports inside `emulator` run downwards only.
//!
//! The table below is the order; a module may use what stands in an earlier row, and itself.

use super::tree;

/// Rows of the house from the ground up. A module of `emulator` that is in no row fails the test.
const ROWS: &[&[&str]] = &[
    &["float", "clock", "memory", "progress"],
    &["digest"],
    &["bus", "frame"],
    &["vcpu", "tlb", "door"],
    &["device"],
    &["isa", "devices", "loader"],
    &["translate"],
    &["machine"],
    &["snapshot", "journal", "types"],
    &["timeline"],
    &["debug", "picture"],
    &["console"],
    &["cli"],
];

fn row_of(module: &str) -> Option<usize> {
    ROWS.iter().position(|row| row.contains(&module))
}

/// The module names that `line` reaches through `crate::`, in any of its places.
fn reached(line: &str) -> Vec<String> {
    let code = line.split("//").next().unwrap_or_default();
    let mut found = Vec::new();
    for rest in code.split("crate::").skip(1) {
        if let Some(list) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut name = String::new();
            for letter in list.chars() {
                match letter {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => found.push(std::mem::take(&mut name)),
                    _ if depth == 0 => name.push(letter),
                    _ => {}
                }
            }
            found.push(name);
        } else {
            found.push(rest.to_owned());
        }
    }
    found
        .into_iter()
        .map(|path| {
            path.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>()
        })
        .filter(|name| name.starts_with(char::is_lowercase))
        .collect()
}

#[test]
fn the_scanner_finds_every_form_of_import() {
    for (line, modules) in [
        ("use crate::bus::Bus;", vec!["bus"]),
        ("use crate::{bus::{Bus, Width}, clock::Clock};", vec!["bus", "clock"]),
        ("    let x: crate::memory::Page = crate::isa::go();", vec!["memory", "isa"]),
        ("// crate::cli is not used here", vec![]),
        ("use crate::Position;", vec![]),
    ] {
        assert_eq!(reached(line), modules, "{line}");
    }
}

#[test]
fn imports_run_downwards_only() {
    let mut wrong = Vec::new();
    for (path, text) in tree::files(&[".rs"]) {
        let Ok(inside) = path.strip_prefix("emulator/src") else { continue };
        let top = inside.components().next().expect("a file has a name").as_os_str();
        let module = top.to_str().expect("names are UTF-8").trim_end_matches(".rs");
        if module == "lib" {
            continue;
        }
        let Some(own) = row_of(module) else {
            wrong.push(format!("{}: `{module}` is in no row of the table", path.display()));
            continue;
        };
        // Imports may span lines: judge the text up to each semicolon as one line.
        for statement in text.split(';') {
            let flat: String =
                statement.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
            for name in reached(&flat) {
                match row_of(&name) {
                    Some(row) if row < own || name == module => {}
                    Some(_) => wrong.push(format!("{}: uses crate::{name}", path.display())),
                    None => {}
                }
            }
        }
    }
    wrong.sort();
    wrong.dedup();
    assert!(wrong.is_empty(), "imports that run up or sideways:\n{}", wrong.join("\n"));
}

#[test]
fn only_the_gdb_front_end_knows_gdbs_types() {
    let crate_name = "gdbstub";
    let mut users: Vec<_> = tree::files(&[".rs"])
        .into_iter()
        .filter(|(_, text)| {
            text.lines()
                .any(|line| line.split("//").next().is_some_and(|it| it.contains(crate_name)))
        })
        .map(|(path, _)| path.display().to_string())
        .collect();
    assert!(!users.is_empty(), "the scanner finds nothing");
    let front_end =
        ["emulator/src/debug/gdb.rs", "emulator/src/debug/gdb/", "tests/tidy/layers.rs"];
    users.retain(|path| !front_end.iter().any(|begin| path.starts_with(begin)));
    assert!(users.is_empty(), "the debug engine is for any front end: {users:?}");
}
