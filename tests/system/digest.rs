//! Whole states, compared.

use emulator::{digest::PageTree, machine::Machine, timeline::StateDigest};

/// The digest of a whole state: of every field, and of RAM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WholeDigest {
    fields: StateDigest,
    ram: u128,
}

/// The digest of the whole state of `machine`, RAM included.
pub(crate) fn digest(machine: &Machine) -> WholeDigest {
    let fields = StateDigest::of(machine).expect("every part can be saved");
    WholeDigest { fields, ram: PageTree::of(machine.memory()).root() }
}

/// What differs between two states, by name.
pub(crate) fn differences(one: &WholeDigest, other: &WholeDigest) -> Vec<String> {
    let mut found = one.fields.differences(&other.fields);
    if one.ram != other.ram {
        found.push("ram".to_owned());
    }
    found
}

/// What differs between two states but for what goes on through a reset: the timeline's own books
/// and the clock that shows it.
pub(crate) fn reset_differences(one: &WholeDigest, other: &WholeDigest) -> Vec<String> {
    let goes_on = |name: &String| {
        let is_clock = name.starts_with("hart") && name.ends_with(".time");
        let chance = "a field whose short hash is equal by chance";
        let books = ["machine.schedule.", "machine.transcript.", chance];
        is_clock || books.iter().any(|book| name.starts_with(book))
    };
    differences(one, other).into_iter().filter(|name| !goes_on(name)).collect()
}
