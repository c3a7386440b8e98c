//! The body of the fuzz target for containers; ordinary tests run it over its fixed seeds.

use std::io::Cursor;

use vmstate::container::{CompressedPageMap, ContainerError, PageMap, Snapshot, SnapshotStream};

/// Reads `bytes` in every way there is. All ways must agree whether the file is whole, and what
/// is whole must be so to the last byte. Returns whether it is.
pub(crate) fn fuzz(bytes: &[u8]) -> bool {
    let slice = Snapshot::from_slice(bytes).and_then(|snapshot| prove(&snapshot));
    let seek = Snapshot::from_seekable(Cursor::new(bytes)).and_then(|snapshot| prove(&snapshot));
    let stream = SnapshotStream::open(bytes).and_then(|stream| {
        let state = stream.state();
        prove_state(state)?;
        stream.finish().map(drop)
    });
    assert_eq!(slice.is_ok(), seek.is_ok(), "by slice: {slice:?}, by seeking: {seek:?}");
    assert_eq!(slice.is_ok(), stream.is_ok(), "by slice: {slice:?}, as a stream: {stream:?}");
    slice.is_ok()
}

fn prove_state(snapshot: &Snapshot<'_>) -> Result<(), ContainerError> {
    for schema in &snapshot.header().schemas {
        snapshot.schema(schema)?;
    }
    for entry in &snapshot.header().sections {
        snapshot.section(entry)?;
    }
    Ok(())
}

fn prove(snapshot: &Snapshot<'_>) -> Result<(), ContainerError> {
    snapshot.header().check_loadable()?;
    snapshot.verify()?;
    for raw in &snapshot.header().raws {
        let bytes = snapshot.raw_map(raw)?;
        // A map may be nonsense in a file that is whole; reading it must end all the same.
        if let Ok(map) = PageMap::parse(raw, &bytes) {
            assert_eq!(map.data_len(), raw.data.length);
            assert!(map.runs().all(|(run, at)| map.find(run.first) == Some((run.kind, at))));
            assert_eq!(PageMap::parse(raw, &map.encode()).ok(), Some(map));
        }
        if let Ok(map) = CompressedPageMap::parse(raw, &bytes) {
            assert_eq!(CompressedPageMap::parse(raw, &map.encode()).ok(), Some(map));
        }
    }
    snapshot.fingerprint().map(drop)
}
