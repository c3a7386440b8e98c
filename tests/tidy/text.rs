//! The tree speaks of the project alone.

use super::tree;

#[test]
fn no_file_names_a_package_registry_or_a_path_of_one_machine() {
    // Put together here so that this file does not name them either.
    let hosts = ["deb.debian", "static.crates", "files.pythonhosted", "registry.npmjs"]
        .map(|host| format!("{host}."));
    let places = ["work", "farm"].map(|top| format!("\"/{top}/"));
    let mut found = Vec::new();
    for (path, text) in tree::files(&[]) {
        for (number, line) in text.lines().enumerate() {
            if hosts.iter().chain(&places).any(|word| line.contains(word.as_str())) {
                found.push(format!("{}:{}: {line}", path.display(), number + 1));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn nothing_is_left_half_done() {
    let words = ["todo", "unimplemented"].map(|word| format!("{word}!("));
    let marks =
        ["FIX", "XX"].map(|word| format!("{word}{}", if word == "FIX" { "ME" } else { "X" }));
    let mut found = Vec::new();
    for (path, text) in tree::files(&[".rs", "scripts/test", "scripts/setup"]) {
        for (number, line) in text.lines().enumerate() {
            // The body of a child process that another test starts is no skipped test.
            let ignored = line.trim_start().starts_with("#[ignore")
                && !line.contains("run by the next test alone");
            if ignored || words.iter().chain(&marks).any(|word| line.contains(word.as_str())) {
                found.push(format!("{}:{}: {line}", path.display(), number + 1));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
