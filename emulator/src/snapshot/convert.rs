//! A snapshot of one version of a machine as a snapshot of another.
//!
//! State goes from instance to instance: the machine that the file is of saves itself in the shapes of
//! the other version, which refuses every value that they cannot hold, and the other machine
//! takes that in under its own configuration. A processor that lost a feature refuses state that uses
//! it. What no state shows (a program in RAM that found a feature in the device tree and
//! uses it) cannot be seen: so the configuration that changed is reported.

use vmstate::container::{ContainerError, Snapshot, SnapshotBuilder, SnapshotWriter};

use super::chain::{Chain, container_error};
use super::error::SnapshotError;
use super::machine::load_machine;
use super::ram;
use super::save::LoadOptions;
use crate::machine::Machine;

/// Loads `chain` into `from`, a machine of its version, and from there into `to`, one of another version and
/// otherwise built alike. Returns what of the configuration changed, a line each.
///
/// # Errors
/// As [`load_machine`]; every value that the other version cannot hold. `to` is as it was.
pub fn convert(
    chain: &Chain,
    from: &mut Machine,
    to: &mut Machine,
) -> Result<Vec<String>, SnapshotError> {
    let path = chain.layers()[0].path();
    let refused = |source| SnapshotError::Instances { path: path.to_owned(), source };
    load_machine(from, chain, LoadOptions { verify: true })?;
    let mut builder = SnapshotBuilder::new("", Default::default(), Default::default());
    from.instances()
        .save(&mut builder, &|_, type_name| to.version_of(type_name))
        .map_err(refused)?;
    let bytes = state_bytes(builder).map_err(container_error(path))?;
    let state = Snapshot::from_slice(&bytes).map_err(container_error(path))?;
    let position = from.position();
    let (mut instances, memory) = to.instances_and_memory();
    let differences = instances.stage(&state).map(drop);
    let mut staged = instances.stage_adopting(&state).map_err(refused)?;
    let ram = ram::stage(memory, chain)?;
    instances.commit(&mut staged).map_err(refused)?;
    ram.commit(memory);
    to.set_position(position);
    to.rewire();
    Ok(differences.map_or_else(
        |errors| errors.problems().iter().map(ToString::to_string).collect(),
        |()| Vec::new(),
    ))
}

/// The state alone, in memory.
fn state_bytes(builder: SnapshotBuilder) -> Result<Vec<u8>, ContainerError> {
    builder.begin(Vec::new()).and_then(SnapshotWriter::finish)
}
