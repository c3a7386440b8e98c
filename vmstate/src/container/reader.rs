//! Indexed reading: from a borrowed slice (a mapped file) or a seekable file, only what is asked.
//!
//! [`Snapshot::from_slice`] and [`Snapshot::from_seekable`] prove the header, the file's length
//! and the padding; each section is proved when it is asked for, so a caller never holds bytes
//! that no checksum covered. The data of raw sections is the exception, on purpose: a mapped load
//! of gigabytes must not read them. [`Snapshot::verify_raw`] proves it chunk by chunk.

use std::borrow::Cow;
use std::cell::RefCell;
use std::io::{Read, Seek, SeekFrom};

use super::error::{ContainerError, ErrorKind, Place};
use super::header::{
    Extent, Header, Preamble, RawEntry, SchemaEntry, SectionEntry, schema_section,
};
use super::{PREAMBLE_LEN, READ_STEP};

/// A file that can be read from any place.
pub trait ReadSeek: Read + Seek {}
impl<T: Read + Seek> ReadSeek for T {}

/// Where the bytes are.
enum Source<'a> {
    /// All of the file, or (from a stream) all of it up to the first raw section.
    Bytes(Cow<'a, [u8]>),
    /// A file read on demand.
    File(RefCell<Box<dyn ReadSeek + 'a>>),
}

/// A snapshot whose header has been read and proved.
pub struct Snapshot<'a> {
    header: Header,
    source: Source<'a>,
}

impl std::fmt::Debug for Snapshot<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot").field("header", &self.header).finish_non_exhaustive()
    }
}

impl<'a> Snapshot<'a> {
    /// Reads the header of a whole file in memory, such as a mapped one.
    ///
    /// # Errors
    /// Whatever is wrong with the magic, the header, the file's length or the padding.
    pub fn from_slice(bytes: &'a [u8]) -> Result<Self, ContainerError> {
        let header = header_of_slice(bytes)?;
        check_file_len(&header, bytes.len() as u64)?;
        Self { header, source: Source::Bytes(Cow::Borrowed(bytes)) }.with_padding_checked()
    }

    /// Reads the header of a seekable file; sections are read when asked for.
    ///
    /// # Errors
    /// As [`Snapshot::from_slice`], and those of the file itself.
    pub fn from_seekable(mut file: impl ReadSeek + 'a) -> Result<Self, ContainerError> {
        let at_start = |error| Place::header(0).error(ErrorKind::Io(error));
        let file_len = file.seek(SeekFrom::End(0)).map_err(at_start)?;
        file.seek(SeekFrom::Start(0)).map_err(at_start)?;
        let mut bytes = Vec::new();
        let header = read_header(&mut file, &mut bytes)?;
        check_file_len(&header, file_len)?;
        Self { header, source: Source::File(RefCell::new(Box::new(file))) }.with_padding_checked()
    }

    /// Of the first part of a file, up to its raw sections, whose bytes are all here.
    pub(super) fn from_prefix(header: Header, bytes: Vec<u8>) -> Snapshot<'static> {
        Snapshot { header, source: Source::Bytes(Cow::Owned(bytes)) }
    }

    /// What the file says of itself.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The entry of the section with this path.
    ///
    /// # Errors
    /// [`ErrorKind::NoSection`], listing those there are.
    pub fn find(&self, path: &str) -> Result<&SectionEntry, ContainerError> {
        self.header.sections.iter().find(|entry| entry.path == path).ok_or_else(|| {
            let paths: Vec<_> =
                self.header.sections.iter().map(|entry| entry.path.as_str()).collect();
            Place::new(path, 0).error(ErrorKind::NoSection { known: paths.join(", ") })
        })
    }

    /// The bytes of a section, proved by its checksum.
    ///
    /// # Errors
    /// Too few bytes, or a checksum that is not theirs.
    pub fn section(&self, entry: &SectionEntry) -> Result<Cow<'_, [u8]>, ContainerError> {
        self.proved(&entry.path, entry.extent, entry.crc32c)
    }

    /// The encoding of a schema, proved by its checksum.
    ///
    /// # Errors
    /// As [`Snapshot::section`].
    pub fn schema(&self, entry: &SchemaEntry) -> Result<Cow<'_, [u8]>, ContainerError> {
        self.proved(&schema_section(entry), entry.extent, entry.crc32c)
    }

    /// The entry of the schema that a section names.
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`] if the file holds no such schema.
    pub fn schema_of(&self, entry: &SectionEntry) -> Result<&SchemaEntry, ContainerError> {
        self.header.schemas.iter().find(|schema| schema.hash == entry.schema).ok_or_else(|| {
            Place::new(&entry.path, entry.extent.offset)
                .error(ErrorKind::malformed("section", "the file holds no schema of it"))
        })
    }

    /// The map of a raw section, proved by its checksum.
    ///
    /// # Errors
    /// As [`Snapshot::section`].
    pub fn raw_map(&self, raw: &RawEntry) -> Result<Cow<'_, [u8]>, ContainerError> {
        self.proved(&raw.path, raw.map, raw.map_crc32c)
    }

    /// The checksums of a raw section's chunks, themselves proved.
    ///
    /// # Errors
    /// As [`Snapshot::section`].
    pub fn raw_checksums(&self, raw: &RawEntry) -> Result<Vec<u32>, ContainerError> {
        let extent = raw.table();
        let bytes = self.read(&raw.path, extent)?;
        parse_checksums(&raw.path, extent, &bytes)
    }

    /// The data of a raw section as it lies in memory, unproved; `None` unless the snapshot was
    /// made by [`Snapshot::from_slice`].
    pub fn raw_data(&self, raw: &RawEntry) -> Option<&[u8]> {
        match &self.source {
            Source::Bytes(bytes) => slice(bytes, raw.data),
            Source::File(_) => None,
        }
    }

    /// Calls `each` with every chunk of a raw section's data in order, proved, and its offset
    /// within the data.
    ///
    /// # Errors
    /// The first chunk whose checksum is wrong, by its offset in the file; what `each` returns.
    pub fn raw_chunks(
        &self,
        raw: &RawEntry,
        mut each: impl FnMut(u64, &[u8]) -> Result<(), ContainerError>,
    ) -> Result<(), ContainerError> {
        let mut at = 0;
        for stored in self.raw_checksums(raw)? {
            let length = u64::from(raw.chunk_len).min(raw.data.length - at);
            let extent = Extent { offset: raw.data.offset + at, length };
            each(at, &self.proved(&raw.path, extent, stored)?)?;
            at += length;
        }
        Ok(())
    }

    /// A reader of parts of a raw section's data. It reads the checksums once.
    ///
    /// # Errors
    /// As [`Snapshot::raw_checksums`].
    pub fn raw_reader<'s>(
        &'s self,
        raw: &'s RawEntry,
    ) -> Result<RawReader<'s, 'a>, ContainerError> {
        Ok(RawReader { checksums: self.raw_checksums(raw)?, snapshot: self, raw })
    }

    /// Proves all data of a raw section.
    ///
    /// # Errors
    /// As [`Snapshot::raw_chunks`].
    pub fn verify_raw(&self, raw: &RawEntry) -> Result<(), ContainerError> {
        self.raw_chunks(raw, |_, _| Ok(()))
    }

    /// Proves every checksum of the file.
    ///
    /// # Errors
    /// The first section that is damaged.
    pub fn verify(&self) -> Result<(), ContainerError> {
        for schema in &self.header.schemas {
            self.schema(schema)?;
        }
        for entry in &self.header.sections {
            self.section(entry)?;
        }
        for raw in &self.header.raws {
            self.raw_map(raw)?;
            self.verify_raw(raw)?;
        }
        Ok(())
    }

    /// A digest of the whole content, had from the metadata alone: BLAKE3 over the header (which
    /// holds the checksum of every section and map) and the checksum tables of the raw sections.
    ///
    /// # Errors
    /// A checksum table that is damaged.
    pub fn fingerprint(&self) -> Result<[u8; 32], ContainerError> {
        let header = Extent { offset: 0, length: self.header.header_len };
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.read(super::HEADER, header)?);
        for raw in &self.header.raws {
            for crc in self.raw_checksums(raw)? {
                hasher.update(&crc.to_le_bytes());
            }
        }
        Ok(*hasher.finalize().as_bytes())
    }

    fn with_padding_checked(self) -> Result<Self, ContainerError> {
        if self.header.check_loadable().is_ok() {
            for raw in &self.header.raws {
                let offset = raw.map.end();
                let padding = Extent { offset, length: raw.data.offset - offset };
                check_padding(&raw.path, padding, &self.read(&raw.path, padding)?)?;
            }
        }
        Ok(self)
    }

    fn proved(
        &self,
        section: &str,
        extent: Extent,
        stored: u32,
    ) -> Result<Cow<'_, [u8]>, ContainerError> {
        let bytes = self.read(section, extent)?;
        prove(section, extent, &bytes, stored)?;
        Ok(bytes)
    }

    fn read(&self, section: &str, extent: Extent) -> Result<Cow<'_, [u8]>, ContainerError> {
        let place = || Place::new(section, extent.offset);
        match &self.source {
            Source::Bytes(bytes) => slice(bytes, extent).map(Cow::Borrowed).ok_or_else(|| {
                let available = (bytes.len() as u64).saturating_sub(extent.offset);
                place().error(ErrorKind::Truncated { needed: extent.length, available })
            }),
            Source::File(file) => {
                let mut file = file.borrow_mut();
                file.seek(SeekFrom::Start(extent.offset))
                    .map_err(|error| place().error(ErrorKind::Io(error)))?;
                let mut bytes = Vec::new();
                read_into(&mut **file, &mut bytes, extent.length, section, extent.offset)?;
                Ok(Cow::Owned(bytes))
            }
        }
    }
}

/// Reads parts of one raw section's data, proving each chunk that it touches.
#[derive(Debug)]
pub struct RawReader<'s, 'a> {
    snapshot: &'s Snapshot<'a>,
    raw: &'s RawEntry,
    checksums: Vec<u32>,
}

impl RawReader<'_, '_> {
    /// The section that is read.
    pub fn entry(&self) -> &RawEntry {
        self.raw
    }

    /// Appends `length` bytes at `offset` of the data to `out`.
    ///
    /// # Errors
    /// A range beyond the data, or a chunk whose checksum is wrong.
    pub fn read(&self, offset: u64, length: u64, out: &mut Vec<u8>) -> Result<(), ContainerError> {
        let raw = self.raw;
        let end = offset.checked_add(length).filter(|end| *end <= raw.data.length);
        let Some(end) = end else {
            return Err(Place::new(&raw.path, raw.data.end()).error(ErrorKind::Truncated {
                needed: length,
                available: raw.data.length.saturating_sub(offset),
            }));
        };
        reserve(out, length, || Place::new(&raw.path, raw.data.offset))?;
        let chunk_len = u64::from(raw.chunk_len);
        let mut start = offset - offset % chunk_len;
        while start < end {
            let extent = Extent {
                offset: raw.data.offset + start,
                length: chunk_len.min(raw.data.length - start),
            };
            let stored = usize::try_from(start / chunk_len).ok();
            let stored = stored.and_then(|chunk| self.checksums.get(chunk)).copied();
            let chunk = self.snapshot.proved(&raw.path, extent, stored.unwrap_or_default())?;
            let from = offset.saturating_sub(start);
            let wanted = Extent { offset: from, length: (end - start).min(extent.length) - from };
            out.extend_from_slice(slice(&chunk, wanted).unwrap_or_default());
            start += chunk_len;
        }
        Ok(())
    }
}

/// The header of a file whose first bytes are in memory.
fn header_of_slice(bytes: &[u8]) -> Result<Header, ContainerError> {
    let short = |needed: usize| {
        Place::header(bytes.len() as u64)
            .error(ErrorKind::Truncated { needed: (needed - bytes.len()) as u64, available: 0 })
    };
    let preamble = Preamble::parse(&bytes[..bytes.len().min(PREAMBLE_LEN)])?;
    let header_len = preamble.header_len as usize;
    Header::parse(bytes.get(..header_len).ok_or_else(|| short(header_len))?)
}

/// Reads a header from the front of a stream; its bytes are left in `bytes`.
pub(super) fn read_header(
    input: &mut (impl Read + ?Sized),
    bytes: &mut Vec<u8>,
) -> Result<Header, ContainerError> {
    if let Err(error) = read_into(input, bytes, PREAMBLE_LEN as u64, super::HEADER, 0) {
        // Something that is no snapshot at all is better called that than cut short.
        Preamble::parse(bytes)?;
        return Err(error);
    }
    let preamble = Preamble::parse(bytes)?;
    let rest = u64::from(preamble.header_len) - PREAMBLE_LEN as u64;
    read_into(input, bytes, rest, super::HEADER, PREAMBLE_LEN as u64)?;
    Header::parse(bytes)
}

/// Appends exactly `length` bytes, which start at `offset` of the file, to `bytes`.
///
/// Memory grows with the bytes that arrive, so a stated length alone allocates nothing.
pub(super) fn read_into(
    input: &mut (impl Read + ?Sized),
    bytes: &mut Vec<u8>,
    length: u64,
    section: &str,
    offset: u64,
) -> Result<(), ContainerError> {
    let mut done = 0;
    while done < length {
        let step = (length - done).min((bytes.len() as u64).max(READ_STEP));
        let place = || Place::new(section, offset + done);
        reserve(bytes, step, place)?;
        let got = (&mut *input)
            .take(step)
            .read_to_end(bytes)
            .map_err(|error| place().error(ErrorKind::Io(error)))? as u64;
        if got < step {
            return Err(Place::new(section, offset + done + got)
                .error(ErrorKind::Truncated { needed: length - done - got, available: 0 }));
        }
        done += step;
    }
    Ok(())
}

fn reserve(
    bytes: &mut Vec<u8>,
    additional: u64,
    place: impl Fn() -> Place,
) -> Result<(), ContainerError> {
    usize::try_from(additional)
        .ok()
        .and_then(|additional| bytes.try_reserve_exact(additional).ok())
        .ok_or_else(|| place().error(ErrorKind::Allocation { bytes: additional }))
}

fn check_file_len(header: &Header, actual: u64) -> Result<(), ContainerError> {
    if actual > header.file_len {
        let extra = actual - header.file_len;
        let last = last_section(header);
        return Err(Place::new(last, header.file_len).error(ErrorKind::TrailingBytes { extra }));
    }
    if actual < header.file_len {
        return Err(truncated(header, actual));
    }
    Ok(())
}

/// The error for a file that ends at byte `actual`, naming the section that is cut.
pub(super) fn truncated(header: &Header, actual: u64) -> ContainerError {
    let schemas = header.schemas.iter().map(|s| (schema_section(s), s.extent.end()));
    let sections = header.sections.iter().map(|s| (s.path.clone(), s.extent.end()));
    let raws = header.raws.iter().map(|r| (r.path.clone(), r.table().end()));
    let cut = schemas.chain(sections).chain(raws).find(|(_, end)| *end > actual);
    let (section, end) = cut.unwrap_or((super::HEADER.to_owned(), header.file_len));
    Place::new(section, actual).error(ErrorKind::Truncated { needed: end - actual, available: 0 })
}

/// The path of the section that stands last in the file.
pub(super) fn last_section(header: &Header) -> String {
    let raw = header.raws.last().map(|raw| raw.path.clone());
    let section = || header.sections.last().map(|entry| entry.path.clone());
    raw.or_else(section).unwrap_or_else(|| super::HEADER.to_owned())
}

pub(super) fn check_padding(
    section: &str,
    extent: Extent,
    bytes: &[u8],
) -> Result<(), ContainerError> {
    match bytes.iter().position(|byte| *byte != 0) {
        None => Ok(()),
        Some(at) => Err(Place::new(section, extent.offset + at as u64)
            .error(ErrorKind::malformed("padding", "a byte of it is not zero"))),
    }
}

/// Checks bytes against the checksum stored for them.
pub(super) fn prove(
    section: &str,
    extent: Extent,
    bytes: &[u8],
    stored: u32,
) -> Result<(), ContainerError> {
    let computed = crc32c::crc32c(bytes);
    if computed == stored {
        return Ok(());
    }
    Err(Place::new(section, extent.offset).error(ErrorKind::Checksum { stored, computed }))
}

/// The checksums in a raw section's table.
pub(super) fn parse_checksums(
    section: &str,
    extent: Extent,
    bytes: &[u8],
) -> Result<Vec<u32>, ContainerError> {
    let (words, _) = bytes.as_chunks::<4>();
    let Some((last, table)) = words.split_last() else {
        return Err(Place::new(section, extent.offset)
            .error(ErrorKind::Truncated { needed: 4, available: bytes.len() as u64 }));
    };
    prove(section, extent, &bytes[..table.len() * 4], u32::from_le_bytes(*last))?;
    Ok(table.iter().map(|word| u32::from_le_bytes(*word)).collect())
}

fn slice(bytes: &[u8], extent: Extent) -> Option<&[u8]> {
    let start = usize::try_from(extent.offset).ok()?;
    let length = usize::try_from(extent.length).ok()?;
    bytes.get(start..start.checked_add(length)?)
}
