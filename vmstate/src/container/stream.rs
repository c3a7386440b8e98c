//! Streaming reading: from a pipe or a socket, front to back, without seeking.
//!
//! The file's order makes it possible: header, schemas, state, and only then the raw sections, of
//! which each has its map before its data. What precedes the raw sections is small and is read
//! whole into a [`Snapshot`], with which the caller stages its devices; raw data then passes
//! through chunk by chunk, to be placed by the map. A chunk's checksum stands behind the data, so
//! a caller must hold what it was given as unproved until [`SnapshotStream::raw`] returns.

use std::io::Read;

use super::error::{ContainerError, ErrorKind, Place};
use super::header::{Extent, Header, RawEntry};
use super::reader::{
    Snapshot, check_padding, last_section, parse_checksums, prove, read_header, read_into,
};

/// A snapshot being read from a stream.
#[derive(Debug)]
pub struct SnapshotStream<R> {
    input: R,
    state: Snapshot<'static>,
    next_raw: usize,
}

impl<R: Read> SnapshotStream<R> {
    /// Reads the header and everything before the raw sections.
    ///
    /// # Errors
    /// Whatever is wrong with the magic or the header; a version this build cannot load; an early
    /// end.
    pub fn open(mut input: R) -> Result<Self, ContainerError> {
        let mut bytes = Vec::new();
        let header = read_header(&mut input, &mut bytes)?;
        header.check_loadable()?;
        let mut read = |name: &str, extent: Extent| {
            read_into(&mut input, &mut bytes, extent.length, name, extent.offset)
        };
        for schema in &header.schemas {
            read(&super::header::schema_section(schema), schema.extent)?;
        }
        for entry in &header.sections {
            read(&entry.path, entry.extent)?;
        }
        Ok(Self { input, state: Snapshot::from_prefix(header, bytes), next_raw: 0 })
    }

    /// What the file says of itself.
    pub fn header(&self) -> &Header {
        self.state.header()
    }

    /// The schemas and the sections held whole. Its raw sections cannot be read through it.
    pub fn state(&self) -> &Snapshot<'static> {
        &self.state
    }

    /// Reads the next raw section: its proved map goes to `map`, its data to `data` in chunks of
    /// the declared length (the last may be short) with their offsets. `None` behind the last one.
    ///
    /// # Errors
    /// An early end, damaged bytes (after all data has been given out), what the closures return.
    pub fn raw(
        &mut self,
        map: impl FnOnce(&RawEntry, &[u8]) -> Result<(), ContainerError>,
        mut data: impl FnMut(u64, &[u8]) -> Result<(), ContainerError>,
    ) -> Result<Option<RawEntry>, ContainerError> {
        let Some(raw) = self.state.header().raws.get(self.next_raw).cloned() else {
            return Ok(None);
        };
        self.next_raw += 1;
        let bytes = self.read(&raw, raw.map)?;
        prove(&raw.path, raw.map, &bytes, raw.map_crc32c)?;
        map(&raw, &bytes)?;
        let end = raw.map.end();
        let padding = Extent { offset: end, length: raw.data.offset - end };
        check_padding(&raw.path, padding, &self.read(&raw, padding)?)?;
        let mut chunk = Vec::new();
        let mut computed = Vec::new();
        let mut at = 0;
        while at < raw.data.length {
            let length = u64::from(raw.chunk_len).min(raw.data.length - at);
            chunk.clear();
            read_into(&mut self.input, &mut chunk, length, &raw.path, raw.data.offset + at)?;
            computed.push(crc32c::crc32c(&chunk));
            data(at, &chunk)?;
            at += length;
        }
        let stored = parse_checksums(&raw.path, raw.table(), &self.read(&raw, raw.table())?)?;
        let chunk_len = u64::from(raw.chunk_len);
        for ((stored, computed), index) in stored.into_iter().zip(computed).zip(0..) {
            if stored != computed {
                let offset = raw.data.offset + index * chunk_len;
                return Err(
                    Place::new(&raw.path, offset).error(ErrorKind::Checksum { stored, computed })
                );
            }
        }
        Ok(Some(raw))
    }

    /// Reads what is left, proving it, and checks that the stream ends where the header says.
    ///
    /// # Errors
    /// As [`SnapshotStream::raw`], and bytes behind the end.
    pub fn finish(mut self) -> Result<Snapshot<'static>, ContainerError> {
        while self.raw(|_, _| Ok(()), |_, _| Ok(()))?.is_some() {}
        let header = self.state.header();
        let place = || Place::new(last_section(header), header.file_len);
        let mut byte = [0];
        match self.input.read(&mut byte) {
            Ok(0) => Ok(self.state),
            Ok(extra) => Err(place().error(ErrorKind::TrailingBytes { extra: extra as u64 })),
            Err(error) => Err(place().error(ErrorKind::Io(error))),
        }
    }

    fn read(&mut self, raw: &RawEntry, extent: Extent) -> Result<Vec<u8>, ContainerError> {
        let mut bytes = Vec::new();
        read_into(&mut self.input, &mut bytes, extent.length, &raw.path, extent.offset)?;
        Ok(bytes)
    }
}
