//! Writing: declare everything, then write front to back without seeking.
//!
//! The header stands first and holds all offsets, so every length is declared before the first byte
//! goes out: state is small and encoded in memory, raw data states its length and streams through.
//! (The alternative, a table at the end or a header patched later, would cost streaming reading or
//! streaming writing.) The writer checks the caller against its declaration; the checksums of raw
//! data are taken as it passes and follow it.

use std::io::{self, Write};

use super::error::{ContainerError, ErrorKind, Place};
use super::fields::{MAX_NAME, MAX_TEXT};
use super::header::{
    Extent, ExternalFile, Header, MachineName, ParentRef, Position, RawEntry, SchemaEntry,
    SectionEntry,
};
use super::reader::Snapshot;
use super::{
    CONTAINER_VERSION, DEFAULT_CHUNK_LEN, MAX_HEADER_LEN, MAX_PROPERTIES, MAX_RECORDS, PAGE_LEN,
};

/// A section held whole, to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SectionBody {
    /// [`super::KIND_STATE`] or the name of another kind.
    pub kind: String,
    /// Whether a build that does not know the kind must refuse the file.
    pub needed: bool,
    /// Path of the instance.
    pub path: String,
    /// Stable name of the type (empty where the kind has none).
    pub type_name: String,
    /// Version of the type.
    pub version: u32,
    /// Hash of its schema, which must be added too (zero where the kind has none).
    pub schema: [u8; 16],
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// A raw section, to be written once the rest is out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawDeclaration {
    /// Path, such as `ram0`.
    pub path: String,
    /// How `map` describes the data: [`super::ENCODING_PAGES`] or another name.
    pub encoding: String,
    /// Length in bytes of what the section stands for.
    pub logical_len: u64,
    /// The map.
    pub map: Vec<u8>,
    /// Length in bytes of the data that will follow.
    pub data_len: u64,
}

/// Everything of a snapshot except raw data, gathered before anything is written.
#[derive(Debug, Clone, Default)]
pub struct SnapshotBuilder {
    header: Header,
    bodies: Vec<Vec<u8>>,
    schema_bodies: Vec<Vec<u8>>,
    maps: Vec<Vec<u8>>,
}

impl SnapshotBuilder {
    /// A snapshot by `producer` (build and version) of `machine` at `position`.
    pub fn new(producer: impl Into<String>, machine: MachineName, position: Position) -> Self {
        let header = Header {
            container_version: CONTAINER_VERSION,
            producer: producer.into(),
            machine,
            position,
            ..Header::default()
        };
        Self { header, ..Self::default() }
    }

    /// All that `snapshot` says and holds, except its parent and its raw sections.
    ///
    /// # Errors
    /// A section or schema that is damaged.
    pub fn copy_of(snapshot: &Snapshot<'_>) -> Result<Self, ContainerError> {
        let from = snapshot.header();
        let mut copy = Self::new(&from.producer, from.machine.clone(), from.position);
        copy.header.properties.clone_from(&from.properties);
        copy.header.external_files.clone_from(&from.external_files);
        for schema in &from.schemas {
            let bytes = snapshot.schema(schema)?.into_owned();
            copy.schema(&schema.type_name, schema.version, schema.hash, bytes);
        }
        for entry in &from.sections {
            copy.section(SectionBody {
                kind: entry.kind.clone(),
                needed: entry.needed,
                path: entry.path.clone(),
                type_name: entry.type_name.clone(),
                version: entry.version,
                schema: entry.schema,
                bytes: snapshot.section(entry)?.into_owned(),
            });
        }
        Ok(copy)
    }

    /// Sets a free-form property.
    pub fn property(&mut self, key: impl Into<String>, value: impl Into<String>) -> &mut Self {
        self.header.properties.insert(key.into(), value.into());
        self
    }

    /// Names a file that the machine needs and the snapshot does not hold.
    pub fn external_file(&mut self, file: ExternalFile) -> &mut Self {
        self.header.external_files.push(file);
        self
    }

    /// Makes the snapshot incremental.
    pub fn parent(&mut self, parent: ParentRef) -> &mut Self {
        self.header.parent = Some(parent);
        self
    }

    /// Adds a schema to the table, unless one with its hash is there already.
    pub fn schema(
        &mut self,
        type_name: &str,
        version: u32,
        hash: [u8; 16],
        bytes: Vec<u8>,
    ) -> &mut Self {
        if self.header.schemas.iter().all(|schema| schema.hash != hash) {
            self.header.schemas.push(SchemaEntry {
                type_name: type_name.to_owned(),
                version,
                hash,
                extent: extent_of(&bytes),
                crc32c: crc32c::crc32c(&bytes),
            });
            self.schema_bodies.push(bytes);
        }
        self
    }

    /// Adds a section.
    pub fn section(&mut self, body: SectionBody) -> &mut Self {
        self.header.sections.push(SectionEntry {
            extent: extent_of(&body.bytes),
            crc32c: crc32c::crc32c(&body.bytes),
            kind: body.kind,
            needed: body.needed,
            path: body.path,
            type_name: body.type_name,
            version: body.version,
            schema: body.schema,
        });
        self.bodies.push(body.bytes);
        self
    }

    /// Declares a raw section; its data is written through [`SnapshotWriter::write_raw`], in the
    /// order of the declarations.
    pub fn raw(&mut self, raw: RawDeclaration) -> &mut Self {
        self.header.raws.push(RawEntry {
            path: raw.path,
            encoding: raw.encoding,
            needed: true,
            logical_len: raw.logical_len,
            map: extent_of(&raw.map),
            map_crc32c: crc32c::crc32c(&raw.map),
            align: PAGE_LEN,
            data: Extent { offset: 0, length: raw.data_len },
            chunk_len: DEFAULT_CHUNK_LEN,
        });
        self.maps.push(raw.map);
        self
    }

    /// Writes the header, the schemas and the sections held whole.
    ///
    /// # Errors
    /// A name or count beyond what the format allows, two sections of one path, a section whose
    /// schema was not added, a failed write.
    pub fn begin<W: Write>(mut self, output: W) -> Result<SnapshotWriter<W>, ContainerError> {
        self.check()?;
        let bytes = self.header.lay_out();
        // The reader's own checks: nothing is written that could not be read.
        let header = Header::parse(&bytes)?;
        debug_assert_eq!(header, self.header, "the header must read back as written");
        let mut writer = SnapshotWriter {
            output,
            header,
            maps: self.maps,
            at: 0,
            raw: 0,
            raw_written: 0,
            chunk: 0,
            table: Vec::new(),
        };
        writer.put(super::HEADER, &bytes)?;
        for (schema, body) in self.header.schemas.iter().zip(&self.schema_bodies) {
            writer.put(&super::header::schema_section(schema), body)?;
        }
        for (entry, body) in self.header.sections.iter().zip(&self.bodies) {
            writer.put(&entry.path, body)?;
        }
        writer.start_raw()?;
        Ok(writer)
    }

    /// Writes a snapshot without raw sections into memory.
    ///
    /// # Errors
    /// As [`SnapshotBuilder::begin`].
    pub fn to_bytes(self) -> Result<Vec<u8>, ContainerError> {
        self.begin(Vec::new())?.finish()
    }

    /// Refuses what the reader would refuse, before any length is narrowed.
    fn check(&self) -> Result<(), ContainerError> {
        let header = &self.header;
        let limit = |what, value: usize, limit: usize| {
            let (value, limit) = (value as u64, limit as u64);
            if value <= limit {
                return Ok(());
            }
            Err(Place::header(0).error(ErrorKind::Limit { what, value, limit }))
        };
        limit("number of properties", header.properties.len(), MAX_PROPERTIES)?;
        let records = header.properties.len()
            + header.external_files.len()
            + header.schemas.len()
            + header.sections.len()
            + header.raws.len();
        limit("number of header records", records + 4, MAX_RECORDS as usize)?;
        for value in header.properties.values() {
            limit("length of a property", value.len(), MAX_TEXT)?;
        }
        for file in &header.external_files {
            limit("length of a file name", file.name.len(), MAX_TEXT)?;
        }
        let sections = header.sections.iter().flat_map(|s| [&s.kind, &s.path, &s.type_name]);
        let raws = header.raws.iter().flat_map(|raw| [&raw.path, &raw.encoding]);
        let names = sections
            .chain(raws)
            .chain(header.properties.keys())
            .chain(header.schemas.iter().map(|schema| &schema.type_name))
            .chain(header.external_files.iter().map(|file| &file.role))
            .chain([&header.producer, &header.machine.machine, &header.machine.version]);
        let mut total = 0;
        for name in names {
            limit("length of a name", name.len(), MAX_NAME)?;
            total += name.len();
        }
        limit("length of all names", total, MAX_HEADER_LEN as usize / 2)
    }
}

fn extent_of(bytes: &[u8]) -> Extent {
    Extent { offset: 0, length: bytes.len() as u64 }
}

/// A snapshot being written: raw data is due.
#[derive(Debug)]
pub struct SnapshotWriter<W> {
    output: W,
    header: Header,
    maps: Vec<Vec<u8>>,
    /// Bytes written so far.
    at: u64,
    /// Index of the raw section being written.
    raw: usize,
    /// Bytes of its data written so far.
    raw_written: u64,
    /// CRC32C of the chunk begun.
    chunk: u32,
    /// Checksums of the finished chunks.
    table: Vec<u8>,
}

impl<W: Write> SnapshotWriter<W> {
    /// The header as written.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Writes the next bytes of the data of the raw section `path`.
    ///
    /// # Errors
    /// Another section is due or the data exceeds its declared length; a failed write.
    pub fn write_raw(&mut self, path: &str, mut bytes: &[u8]) -> Result<(), ContainerError> {
        let due = self.header.raws.get(self.raw);
        let Some(raw) = due.filter(|raw| raw.path == path) else {
            let due = due.map_or("none", |raw| &raw.path);
            return Err(self.broken(path, format!("data of `{path}` came, `{due}` is due")));
        };
        let (length, chunk_len) = (raw.data.length, u64::from(raw.chunk_len));
        if bytes.len() as u64 > length - self.raw_written {
            return Err(self.broken(path, format!("more data than the declared {length} bytes")));
        }
        while !bytes.is_empty() {
            let room = chunk_len - self.raw_written % chunk_len;
            let step = usize::try_from(room).map_or(bytes.len(), |room| room.min(bytes.len()));
            let (now, later) = bytes.split_at(step);
            self.chunk = crc32c::crc32c_append(self.chunk, now);
            self.put(path, now)?;
            self.raw_written += now.len() as u64;
            if self.raw_written.is_multiple_of(chunk_len) {
                self.end_chunk();
            }
            bytes = later;
        }
        if self.raw_written == length { self.end_raw() } else { Ok(()) }
    }

    /// Checks that everything declared has been written and returns the output, flushed.
    ///
    /// # Errors
    /// Raw data is missing; a failed flush.
    pub fn finish(mut self) -> Result<W, ContainerError> {
        if let Some(raw) = self.header.raws.get(self.raw) {
            let missing = raw.data.length - self.raw_written;
            let path = raw.path.clone();
            return Err(self.broken(&path, format!("{missing} bytes of `{path}` never came")));
        }
        debug_assert_eq!(self.at, self.header.file_len, "the layout is what was written");
        let end = Place::new(super::reader::last_section(&self.header), self.at);
        self.output.flush().map_err(|error| end.error(ErrorKind::Io(error)))?;
        Ok(self.output)
    }

    fn broken(&self, path: &str, why: String) -> ContainerError {
        Place::new(path, self.at).error(ErrorKind::Declaration { why })
    }

    fn put(&mut self, section: &str, bytes: &[u8]) -> Result<(), ContainerError> {
        self.output
            .write_all(bytes)
            .map_err(|error: io::Error| Place::new(section, self.at).error(ErrorKind::Io(error)))?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    fn end_chunk(&mut self) {
        self.table.extend_from_slice(&self.chunk.to_le_bytes());
        self.chunk = 0;
    }

    /// Writes map and padding of the next raw section; an empty one is finished at once.
    fn start_raw(&mut self) -> Result<(), ContainerError> {
        let Some(raw) = self.header.raws.get(self.raw) else { return Ok(()) };
        let (path, data) = (raw.path.clone(), raw.data);
        let map = std::mem::take(&mut self.maps[self.raw]);
        self.put(&path, &map)?;
        let padding = usize::try_from(data.offset - self.at).unwrap_or_default();
        self.put(&path, &vec![0; padding])?;
        if data.length == 0 { self.end_raw() } else { Ok(()) }
    }

    fn end_raw(&mut self) -> Result<(), ContainerError> {
        let raw = &self.header.raws[self.raw];
        let path = raw.path.clone();
        if !self.raw_written.is_multiple_of(raw.chunk_len.into()) {
            self.end_chunk();
        }
        let mut table = std::mem::take(&mut self.table);
        table.extend_from_slice(&crc32c::crc32c(&table).to_le_bytes());
        self.put(&path, &table)?;
        self.raw += 1;
        self.raw_written = 0;
        self.start_raw()
    }
}
