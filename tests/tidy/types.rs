//! Every type that derives `VmState` stands in its crate's `vmstate::types!`.

use std::path::Path;

use super::tree;

/// The crates whose released state is locked.
const CRATES: &[&str] = &["emulator", "machines"];

/// The names of the deriving types in `text`, a source file.
fn deriving(text: &str) -> Vec<String> {
    let flat: String = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .flat_map(|line| [line.trim(), " "])
        .collect();
    flat.split("#[derive(")
        .skip(1)
        .filter_map(|rest| {
            let (derives, rest) = rest.split_once(")]")?;
            let derives_it = derives
                .split(',')
                .any(|word| matches!(word.trim(), "VmState" | "vmstate::VmState"));
            let mut words = rest.split(|c: char| !c.is_alphanumeric() && c != '_');
            words.find(|word| matches!(*word, "struct" | "enum"))?;
            derives_it.then(|| words.find(|word| !word.is_empty()).map(str::to_owned))?
        })
        .collect()
}

/// What `vmstate::types![..]` lists in `text`, without paths and without ways to make them.
fn listed(text: &str) -> Option<Vec<String>> {
    let (_, list) = text.split_once("\nvmstate::types![")?;
    let (list, _) = list.split_once("];")?;
    let items = list.lines().map(|line| {
        let path = line.split('=').next().unwrap_or_default().trim().trim_end_matches(',');
        path.rsplit("::").next().unwrap_or_default().to_owned()
    });
    Some(items.filter(|name| !name.is_empty()).collect())
}

/// Test code may derive what nobody releases.
fn is_test(path: &Path) -> bool {
    let within = |name: &str| path.components().any(|part| part.as_os_str() == name);
    path.file_name().is_some_and(|name| name == "tests.rs") || within("tests") || within("fuzz")
}

#[test]
fn the_scanner_finds_deriving_and_listed_types() {
    let source = "#[derive(Clone, VmState)]\n#[vmstate(version = 1)] // struct Not\npub struct A(u8);\n\
                  #[derive(\n    vmstate::VmState,\n)]\nenum B {}\n#[derive(Clone)]\nstruct C;\n";
    assert_eq!(deriving(source), ["A", "B"]);
    let list = "use x;\nvmstate::types![\n    A = A::new(3),\n    b::B,\n];\n";
    assert_eq!(listed(list), Some(vec!["A".to_owned(), "B".to_owned()]));
}

#[test]
fn every_deriving_type_is_listed_where_the_lock_and_the_property_tests_find_it() {
    let mut found = 0;
    for name in CRATES {
        let files = tree::files(&[".rs"]);
        let sources: Vec<_> =
            files.iter().filter(|(path, _)| path.starts_with(name) && !is_test(path)).collect();
        let lists: Vec<_> = sources.iter().filter_map(|(_, text)| listed(text)).collect();
        assert!(lists.len() <= 1, "`{name}` has several `vmstate::types!`");
        let list = lists.concat();
        for (path, text) in sources {
            for deriving in deriving(text) {
                found += 1;
                assert!(
                    list.contains(&deriving),
                    "{}: `{deriving}` derives `VmState`; add it to `vmstate::types!` of `{name}`",
                    path.display()
                );
            }
        }
    }
    assert!(found > 10, "only {found} deriving types were found");
}
