//! Proving a snapshot and its parents by their checksums.

use vmstate::container::ContainerError;

use crate::progress;

use super::chain::{Chain, Layer, container_error};
use super::error::SnapshotError;

/// Proves every checksum of one file: schemas, state, and all RAM in it.
///
/// # Errors
/// The first section that is damaged.
pub fn verify_layer(layer: &Layer) -> Result<(), ContainerError> {
    let snapshot = layer.snapshot();
    let header = snapshot.header();
    progress::expect(header.raws.iter().map(|raw| raw.data.length).sum());
    for schema in &header.schemas {
        snapshot.schema(schema)?;
    }
    for entry in &header.sections {
        snapshot.section(entry)?;
    }
    for raw in &header.raws {
        snapshot.raw_map(raw)?;
        snapshot.raw_chunks(raw, |_, bytes| {
            progress::advance(bytes.len() as u64);
            Ok(())
        })?;
    }
    Ok(())
}

/// Proves a file and all its parents.
///
/// # Errors
/// As [`verify_layer`], with the file's name.
pub fn verify(chain: &Chain) -> Result<(), SnapshotError> {
    let prove = |layer: &Layer| verify_layer(layer).map_err(container_error(layer.path()));
    chain.layers().iter().try_for_each(prove)
}
