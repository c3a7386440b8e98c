//! Whole states, compared.

use emulator::{
    digest::PageTree,
    machine::Machine,
    memory::{PAGE_LEN, PageFlags},
    timeline::NamedDigest,
};

/// The digest of the whole state of `machine`, RAM included.
pub(crate) fn digest(machine: &Machine) -> NamedDigest {
    let memory = machine.memory();
    let mut tree = PageTree::new(memory.page_count());
    let mut content = [0; PAGE_LEN];
    for page in 0..memory.page_count() {
        if memory.page_flags(page).contains(PageFlags::TOUCHED) {
            memory.read(memory.address_of(page), &mut content).expect("it is RAM");
            tree.set(page, &content);
        }
    }
    NamedDigest::of(machine, tree.root()).expect("every part can be saved")
}

/// What differs between two states, by name.
pub(crate) fn differences(one: &NamedDigest, other: &NamedDigest) -> Vec<String> {
    one.differences(&other.names, &other.digest)
}

/// What differs between two states but for what goes on through a reset: the timeline's own books
/// and the clock that shows it.
pub(crate) fn reset_differences(one: &NamedDigest, other: &NamedDigest) -> Vec<String> {
    let goes_on = |name: &String| {
        let is_clock = name.starts_with("hart") && name.ends_with(".time");
        let chance = "a field whose short hash is equal by chance";
        is_clock || ["machine.schedule", "machine.transcript", chance].contains(&name.as_str())
    };
    differences(one, other).into_iter().filter(|name| !goes_on(name)).collect()
}
