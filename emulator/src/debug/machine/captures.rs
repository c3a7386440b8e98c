//! Captured machine states, in memory.
//!
//! RAM is in shared pages; everything else goes through the same derived state that snapshots use,
//! so reverse debugging loads it all day long.

use std::collections::BTreeMap;

use vmstate::{
    container::{MachineName, SectionEntry, Snapshot, SnapshotBuilder},
    dump::{self, DumpError},
    inspect::Tree,
    instances::RawStates,
    json::json_instance,
};

use super::pages::{Content, Pages};
use crate::{clock::Position, debug::CaptureId, machine::Machine};

struct Capture {
    position: Position,
    memory: Content,
    /// Everything but RAM.
    state: RawStates,
}

/// The captured states.
#[derive(Default)]
pub(super) struct Captures {
    pages: Pages,
    held: BTreeMap<CaptureId, Capture>,
    next: u64,
    state_bytes: u64,
}

impl Captures {
    /// Captures `machine`.
    pub(super) fn take(&mut self, machine: &Machine) -> CaptureId {
        let id = CaptureId(self.next);
        self.next += 1;
        let capture = Capture {
            position: machine.position(),
            memory: self.pages.capture(machine.memory()),
            state: raw_state_of(machine),
        };
        self.state_bytes += capture.state.len() as u64;
        self.held.insert(id, capture);
        id
    }

    /// Puts `machine` back.
    pub(super) fn put_back(&mut self, machine: &mut Machine, id: CaptureId) {
        let capture = &self.held[&id];
        self.pages.put_back(machine.memory(), &capture.memory);
        let loaded = machine.instances_mut().load_raw(&capture.state);
        assert!(loaded.is_ok(), "a machine loads what it saved: {loaded:?}");
        machine.set_position(capture.position);
        machine.rewire();
    }

    /// Forgets a state.
    pub(super) fn release(&mut self, id: CaptureId) {
        let released = self.held.remove(&id);
        self.state_bytes -= released.map_or(0, |capture| capture.state.len() as u64);
    }

    /// Hash over RAM, equal for equal contents however they came about.
    pub(super) fn ram_root(&mut self, machine: &Machine) -> u128 {
        self.pages.root(machine.memory())
    }

    /// Host memory in use.
    pub(super) fn bytes(&self) -> u64 {
        self.pages.bytes() + self.state_bytes
    }
}

/// The state of everything but RAM, for this process.
fn raw_state_of(machine: &Machine) -> RawStates {
    match machine.instances().save_raw() {
        Ok(state) => state,
        Err(error) => panic!("every part of a machine can be saved in its own version: {error}"),
    }
}

/// The state of everything but RAM as a snapshot.
fn state_of(machine: &Machine) -> Vec<u8> {
    let position = vmstate::container::Position::default();
    let mut builder = SnapshotBuilder::new("debugger", MachineName::default(), position);
    let saved = machine
        .instances()
        .save(&mut builder, &|_, _| None)
        .map_err(|errors| errors.to_string())
        .and_then(|()| builder.to_bytes().map_err(|error| error.to_string()));
    match saved {
        Ok(bytes) => bytes,
        Err(error) => panic!("every part of a machine can be saved in its own version: {error}"),
    }
}

/// Instance paths of everything in `machine`.
pub(super) fn paths(machine: &Machine) -> Vec<String> {
    machine.instances().paths().map(str::to_owned).collect()
}

/// How an instance is written.
type Write = fn(&mut dyn std::fmt::Write, &Tree<'_, '_>, &SectionEntry) -> Result<(), DumpError>;

/// The instance at `path` as text.
pub(super) fn dump(machine: &Machine, path: &str) -> Option<String> {
    written(machine, path, dump::dump_instance)
}

/// The instance at `path` as JSON.
pub(super) fn dump_json(machine: &Machine, path: &str) -> Option<String> {
    written(machine, path, json_instance)
}

fn written(machine: &Machine, path: &str, write: Write) -> Option<String> {
    let bytes = state_of(machine);
    let snapshot = Snapshot::from_slice(&bytes).ok()?;
    let tree = Tree::new(&snapshot).ok()?;
    let section = tree.sections().find(|section| section.path == path)?;
    let mut text = String::new();
    write(&mut text, &tree, section).ok()?;
    Some(text)
}
