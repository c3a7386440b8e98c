//! The header: what every build, however old or new, can read of every snapshot.
//!
//! A fixed preamble of 32 bytes, then records of a four-byte tag, flags and a length. The promise
//! to the future is this frame alone: a reader skips records whose tag it does not know, unless
//! the writer flagged them as needed, and ignores bytes behind the fields it knows within a record.
//! So a later version may add records and lengthen them without making old builds blind.
//!
//! The header states the whole layout. Sections follow one another in the order of the table
//! without gaps except zero padding before aligned data, so the offsets could be computed; they are
//! stored anyway (a tool in another language needs no arithmetic) and must agree.

mod encode;
mod layout;

use std::collections::{BTreeMap, BTreeSet};

use super::error::{ContainerError, ErrorKind, Place};
use super::fields::{FieldReader, MAX_TEXT};
use super::{
    CONTAINER_VERSION, MAGIC, MAX_ALIGN, MAX_HEADER_LEN, MAX_PROPERTIES, MAX_RECORDS,
    MIN_CHUNK_LEN, PREAMBLE_LEN,
};

/// Flag of a header record that must be understood for the file to be loaded.
pub(crate) const FLAG_NEEDED: u32 = 1;
/// Records that stand at most once.
const SINGLE_RECORDS: [&[u8; 4]; 4] = [b"PROD", b"MACH", b"TIME", b"PRNT"];
/// Records without which a file still loads.
const UNNEEDED_RECORDS: [&[u8; 4]; 2] = [b"PROD", b"PROP"];

/// A machine type and its version, such as `riscv64-virt` and `1.0`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MachineName {
    /// The machine's type.
    pub machine: String,
    /// Its version.
    pub version: String,
}

/// A point of the deterministic timeline.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Retired instructions plus traps taken.
    pub steps: u64,
    /// Nanoseconds of guest time that passed while idle.
    pub idle_ns: u64,
    /// Order of events that share one step.
    pub sequence: u64,
}

/// A file that the machine needs and the snapshot does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalFile {
    /// What the machine uses it for: `kernel`, `firmware`, `disk0`.
    pub role: String,
    /// Its name when the snapshot was taken.
    pub name: String,
    /// Its length in bytes.
    pub length: u64,
    /// The BLAKE3 digest of its contents.
    pub blake3: [u8; 32],
}

/// The snapshot on which an incremental one rests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParentRef {
    /// Its file name when this snapshot was taken, a hint where to look.
    pub name: String,
    /// Its [fingerprint](super::Snapshot::fingerprint).
    pub fingerprint: [u8; 32],
    /// Its position on the timeline.
    pub position: Position,
}

/// One schema of the schema table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaEntry {
    /// Stable name of the type.
    pub type_name: String,
    /// Version of the type.
    pub version: u32,
    /// Hash by which sections refer to the schema.
    pub hash: [u8; 16],
    /// Where its encoding stands in the file.
    pub extent: Extent,
    /// CRC32C of the encoding.
    pub crc32c: u32,
}

/// Bytes of the file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Extent {
    /// First byte, from the start of the file.
    pub offset: u64,
    /// Number of bytes.
    pub length: u64,
}

impl Extent {
    /// The byte after the last. Checked when the header was read.
    pub fn end(self) -> u64 {
        self.offset.saturating_add(self.length)
    }
}

/// One section of the table of contents that is held whole: the state of one instance, or a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SectionEntry {
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
    /// Hash of its schema in the schema table (zero where the kind has none).
    pub schema: [u8; 16],
    /// Where it stands in the file.
    pub extent: Extent,
    /// CRC32C of its bytes.
    pub crc32c: u32,
}

/// A raw section: a small map, then aligned data, then the checksums of the data's chunks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawEntry {
    /// Path, such as `ram0`.
    pub path: String,
    /// How the map describes the data: [`super::ENCODING_PAGES`] or another name.
    pub encoding: String,
    /// Whether a build that does not know the encoding must refuse the file.
    pub needed: bool,
    /// Length in bytes of what the section stands for, such as the size of the RAM.
    pub logical_len: u64,
    /// The map.
    pub map: Extent,
    /// CRC32C of the map.
    pub map_crc32c: u32,
    /// Alignment of the data in the file, a power of two.
    pub align: u32,
    /// The data.
    pub data: Extent,
    /// Bytes of data that one checksum covers, a power of two.
    pub chunk_len: u32,
}

impl RawEntry {
    /// Number of chunks, the last of which may be short.
    pub fn chunk_count(&self) -> u64 {
        self.data.length.div_ceil(u64::from(self.chunk_len))
    }

    /// The table after the data: one CRC32C for each chunk, then the CRC32C of the table.
    pub fn table(&self) -> Extent {
        Extent {
            offset: self.data.end(),
            length: self.chunk_count().saturating_mul(4).saturating_add(4),
        }
    }
}

/// Everything a snapshot says before its sections.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Header {
    /// Version of the container format.
    pub container_version: u32,
    /// The build that wrote the file.
    pub producer: String,
    /// The machine.
    pub machine: MachineName,
    /// Where on the timeline it stood.
    pub position: Position,
    /// Free-form properties.
    pub properties: BTreeMap<String, String>,
    /// Files outside, with digests.
    pub external_files: Vec<ExternalFile>,
    /// The snapshot on which this one rests.
    pub parent: Option<ParentRef>,
    /// The schema table.
    pub schemas: Vec<SchemaEntry>,
    /// The sections held whole, in file order.
    pub sections: Vec<SectionEntry>,
    /// The raw sections, in file order, behind all others.
    pub raws: Vec<RawEntry>,
    /// Tags of records that this build does not know and may ignore.
    pub ignored_records: Vec<String>,
    /// Tags of records that this build does not know and needs: the file may be described, not
    /// loaded.
    pub unknown_needed: Vec<String>,
    /// Length of the header in bytes.
    pub header_len: u64,
    /// Length of the file in bytes.
    pub file_len: u64,
}

/// The fixed start of the file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Preamble {
    pub(crate) container_version: u32,
    pub(crate) header_len: u32,
    pub(crate) file_len: u64,
    crc32c: u32,
    records: u32,
}

impl Preamble {
    /// Reads the first [`PREAMBLE_LEN`] bytes.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, ContainerError> {
        let mut fields = FieldReader::new(super::HEADER, 0, bytes);
        let shown = bytes.len().min(MAGIC.len());
        if bytes[..shown] != MAGIC[..shown] {
            return Err(Place::header(0).error(ErrorKind::Magic));
        }
        fields.take(MAGIC.len())?;
        let container_version = fields.u32()?;
        let place = fields.place();
        let header_len = fields.u32()?;
        if (header_len as usize) < PREAMBLE_LEN {
            return Err(place.error(ErrorKind::malformed(
                "header length",
                format!("{header_len} is less than the preamble's {PREAMBLE_LEN}"),
            )));
        }
        if header_len > MAX_HEADER_LEN {
            return Err(place.error(ErrorKind::Limit {
                what: "header length",
                value: header_len.into(),
                limit: MAX_HEADER_LEN.into(),
            }));
        }
        let place = fields.place();
        let file_len = fields.u64()?;
        if file_len < u64::from(header_len) {
            return Err(place.error(ErrorKind::malformed("file length", "shorter than the header")));
        }
        let crc32c = fields.u32()?;
        let place = fields.place();
        let records = fields.u32()?;
        if records > MAX_RECORDS {
            return Err(place.error(ErrorKind::Limit {
                what: "number of header records",
                value: records.into(),
                limit: MAX_RECORDS.into(),
            }));
        }
        Ok(Self { container_version, header_len, file_len, crc32c, records })
    }
}

/// CRC32C of a header: all its bytes except the four of the checksum itself.
fn header_crc32c(header: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&header[..24]), &header[28..])
}

impl Header {
    /// Reads a header from exactly its own bytes (`header_len` of the preamble).
    ///
    /// A later container version is not an error here: whatever records this build knows are
    /// returned, so that the file can be described. [`Header::check_loadable`] refuses it.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, ContainerError> {
        let preamble = Preamble::parse(bytes)?;
        let computed = header_crc32c(bytes);
        if computed != preamble.crc32c {
            return Err(
                Place::header(24).error(ErrorKind::Checksum { stored: preamble.crc32c, computed })
            );
        }
        let mut fields =
            FieldReader::new(super::HEADER, PREAMBLE_LEN as u64, &bytes[PREAMBLE_LEN..]);
        let mut header = Self {
            container_version: preamble.container_version,
            header_len: preamble.header_len.into(),
            file_len: preamble.file_len,
            ..Self::default()
        };
        let mut singles = BTreeSet::new();
        for _ in 0..preamble.records {
            let place = fields.place();
            let tag: [u8; 4] = fields.array()?;
            if SINGLE_RECORDS.contains(&&tag) && !singles.insert(tag) {
                let why = format!("`{}` is given twice", tag.escape_ascii());
                return Err(place.error(ErrorKind::malformed("header record", why)));
            }
            let flags = fields.u32()?;
            let len = fields.u32()? as usize;
            let payload = fields.sub(len)?;
            if !header.record(tag, payload)? {
                let name = tag.escape_ascii().to_string();
                if flags & FLAG_NEEDED == 0 {
                    header.ignored_records.push(name);
                } else if preamble.container_version > CONTAINER_VERSION {
                    header.unknown_needed.push(name);
                } else {
                    let what = "header record";
                    return Err(place.error(ErrorKind::UnknownNeeded { what, name }));
                }
            }
        }
        if !fields.is_empty() {
            let extra = fields.remaining() as u64;
            return Err(fields.fail(ErrorKind::TrailingBytes { extra }));
        }
        if preamble.container_version <= CONTAINER_VERSION {
            header.check_layout()?;
        }
        Ok(header)
    }

    /// Refuses a file that this build can describe but not load.
    ///
    /// # Errors
    /// [`ErrorKind::Version`] for a container version of a later build, or 0.
    pub fn check_loadable(&self) -> Result<(), ContainerError> {
        if self.container_version > CONTAINER_VERSION || self.container_version == 0 {
            return Err(Place::header(8).error(ErrorKind::Version {
                found: self.container_version,
                supported: CONTAINER_VERSION,
            }));
        }
        Ok(())
    }

    /// Takes in one record; false if its tag is unknown.
    fn record(
        &mut self,
        tag: [u8; 4],
        mut fields: FieldReader<'_>,
    ) -> Result<bool, ContainerError> {
        let f = &mut fields;
        match &tag {
            b"PROD" => self.producer = f.name("producer")?,
            b"MACH" => {
                self.machine =
                    MachineName { machine: f.name("machine type")?, version: f.name("version")? }
            }
            b"TIME" => self.position = read_position(f)?,
            b"PROP" => {
                let place = f.place();
                let key = f.name("property name")?;
                let value = f.text("property value", MAX_TEXT)?.to_owned();
                if self.properties.len() == MAX_PROPERTIES || self.properties.contains_key(&key) {
                    let why = format!("`{key}` is given twice or is one too many");
                    return Err(place.error(ErrorKind::malformed("property", why)));
                }
                self.properties.insert(key, value);
            }
            b"EXTF" => self.external_files.push(ExternalFile {
                role: f.name("role of an external file")?,
                name: f.text("name of an external file", MAX_TEXT)?.to_owned(),
                length: f.u64()?,
                blake3: f.array()?,
            }),
            b"PRNT" => {
                self.parent = Some(ParentRef {
                    name: f.text("name of the parent", MAX_TEXT)?.to_owned(),
                    fingerprint: f.array()?,
                    position: read_position(f)?,
                });
            }
            b"SCHM" => self.schemas.push(SchemaEntry {
                type_name: f.name("type name")?,
                version: f.u32()?,
                hash: f.array()?,
                extent: read_extent(f)?,
                crc32c: f.u32()?,
            }),
            b"SECT" => self.sections.push(SectionEntry {
                kind: f.name("section kind")?,
                needed: read_bool(f)?,
                path: f.name("instance path")?,
                type_name: f.name("type name")?,
                version: f.u32()?,
                schema: f.array()?,
                extent: read_extent(f)?,
                crc32c: f.u32()?,
            }),
            b"RAWS" => self.raws.push(read_raw(f)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// First byte behind the schemas and the sections held whole, where the raw sections start.
    pub fn state_end(&self) -> u64 {
        let schemas = self.schemas.iter().map(|schema| schema.extent.end());
        let sections = self.sections.iter().map(|entry| entry.extent.end());
        schemas.chain(sections).fold(self.header_len, u64::max)
    }
}

/// How errors name a schema's bytes.
pub(crate) fn schema_section(schema: &SchemaEntry) -> String {
    format!("schema {}@{}", schema.type_name, schema.version)
}

fn read_extent(f: &mut FieldReader<'_>) -> Result<Extent, ContainerError> {
    Ok(Extent { offset: f.u64()?, length: f.u64()? })
}

fn read_bool(f: &mut FieldReader<'_>) -> Result<bool, ContainerError> {
    let place = f.place();
    match f.u32()? {
        0 => Ok(false),
        1 => Ok(true),
        other => {
            Err(place.error(ErrorKind::malformed("flag", format!("{other} is neither 0 nor 1"))))
        }
    }
}

fn read_position(f: &mut FieldReader<'_>) -> Result<Position, ContainerError> {
    Ok(Position { steps: f.u64()?, idle_ns: f.u64()?, sequence: f.u64()? })
}

fn read_raw(f: &mut FieldReader<'_>) -> Result<RawEntry, ContainerError> {
    let raw = RawEntry {
        path: f.name("path")?,
        encoding: f.name("encoding")?,
        needed: read_bool(f)?,
        logical_len: f.u64()?,
        map: read_extent(f)?,
        map_crc32c: f.u32()?,
        align: read_power_of_two(f, "alignment", 1, MAX_ALIGN)?,
        data: read_extent(f)?,
        chunk_len: read_power_of_two(f, "chunk length", MIN_CHUNK_LEN, MAX_ALIGN)?,
    };
    Ok(raw)
}

fn read_power_of_two(
    f: &mut FieldReader<'_>,
    what: &'static str,
    min: u32,
    max: u32,
) -> Result<u32, ContainerError> {
    let place = f.place();
    let value = f.u32()?;
    if value.is_power_of_two() && (min..=max).contains(&value) {
        return Ok(value);
    }
    let why = format!("{value} is not a power of two from {min} to {max}");
    Err(place.error(ErrorKind::malformed(what, why)))
}
