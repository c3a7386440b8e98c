//! Whether a machine would load a snapshot, without loading it: every reason against it, not the first.

use super::chain::Chain;
use super::error::SnapshotError;
use super::machine::{external_files, machine_name};
use super::{check_external_file, ram};
use crate::machine::Machine;
use crate::machine::board::Config;

/// What keeps `machine` from loading a snapshot; empty if it would. Neither is changed, although the
/// machine's instances try the state on.
///
/// Without `images` (the machine was built without its kernel and firmware), the files that the snapshot
/// names are not compared. RAM of an incomplete chain is not looked at.
pub fn refusals(machine: &mut Machine, chain: &Chain, images: bool) -> Vec<SnapshotError> {
    let newest = chain.newest();
    let path = chain.layers()[0].path();
    let mut refusals = Vec::new();
    let found = machine_name(chain);
    if found != machine.name() {
        let (path, machine) = (path.to_owned(), machine.name().to_owned());
        refusals.push(SnapshotError::Machine { path, found, machine });
    }
    if images {
        let present = external_files(machine, &Config::default());
        let files = newest.header().external_files.iter();
        refusals.extend(files.filter_map(|file| check_external_file(chain, file, &present).err()));
    }
    if let Err(source) = machine.instances_mut().explain(newest) {
        refusals.push(SnapshotError::Instances { path: path.to_owned(), source });
    }
    if chain.is_complete() {
        refusals.extend(ram::stage(machine.memory(), chain).err());
    }
    refusals
}
