//! The page map of a raw section: which pages the data holds, so that zero pages cost nothing.
//!
//! A map is a list of runs in ascending order. Pages of a `Data` run lie in the section's data, run
//! after run, each page-aligned in the file, so a run of pages can be mapped at once. Pages of a
//! `Zero` run are zero. Pages in no run are the parent's in an incremental snapshot and zero in a
//! full one; a full snapshot therefore needs no `Zero` runs.

use super::error::{ContainerError, ErrorKind, Place};
use super::fields::{FieldReader, FieldWriter, len_u32};
use super::header::RawEntry;

/// Bytes of one run in the encoding.
const RUN_LEN: usize = 16;
/// Longest frame of compressed pages, uncompressed: 16 MiB. Bounds what unpacking one allocates.
const MAX_FRAME_LEN: u32 = 16 << 20;

/// What the pages of a run are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageKind {
    /// The next pages of the data.
    Data,
    /// Zero.
    Zero,
}

/// Pages in a row that are of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRun {
    /// Index of the first page.
    pub first: u64,
    /// Number of pages, at least one.
    pub pages: u32,
    /// What they are.
    pub kind: PageKind,
}

/// The runs of a raw section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageMap {
    page_len: u32,
    runs: Vec<PageRun>,
}

impl PageMap {
    /// An empty map of pages of `page_len` bytes, a power of two.
    ///
    /// # Panics
    /// When `page_len` is none.
    pub fn new(page_len: u32) -> Self {
        assert!(page_len.is_power_of_two(), "a page is a power of two long");
        Self { page_len, runs: Vec::new() }
    }

    /// Bytes in a page.
    pub fn page_len(&self) -> u32 {
        self.page_len
    }

    /// Adds a page behind all others, lengthening the last run if it continues it.
    ///
    /// # Panics
    /// If the page does not come after all others, which is the caller's mistake.
    pub fn push(&mut self, page: u64, kind: PageKind) {
        if let Some(last) = self.runs.last_mut() {
            let next = last.first + u64::from(last.pages);
            assert!(page >= next, "page {page} comes after page {next}");
            if page == next && last.kind == kind && last.pages < u32::MAX {
                last.pages += 1;
                return;
            }
        }
        self.runs.push(PageRun { first: page, pages: 1, kind });
    }

    /// The runs in ascending order, each with the offset of its first page within the data (of a
    /// `Zero` run: where the next data lies).
    pub fn runs(&self) -> impl Iterator<Item = (PageRun, u64)> + '_ {
        let mut offset = 0;
        self.runs.iter().map(move |run| {
            let at = offset;
            if run.kind == PageKind::Data {
                offset += u64::from(run.pages) * u64::from(self.page_len);
            }
            (*run, at)
        })
    }

    /// Number of pages of a kind.
    pub fn pages(&self, kind: PageKind) -> u64 {
        self.runs.iter().filter(|run| run.kind == kind).map(|run| u64::from(run.pages)).sum()
    }

    /// Length in bytes of the data that the map describes.
    pub fn data_len(&self) -> u64 {
        self.pages(PageKind::Data) * u64::from(self.page_len)
    }

    /// What a page is, and the offset of its bytes within the data; `None` if no run holds it.
    pub fn find(&self, page: u64) -> Option<(PageKind, u64)> {
        self.runs().find_map(|(run, offset)| {
            let within = page.checked_sub(run.first).filter(|i| *i < run.pages.into())?;
            Some((run.kind, offset + within * u64::from(self.page_len)))
        })
    }

    /// The map's bytes in a raw section.
    pub fn encode(&self) -> Vec<u8> {
        let mut fields = FieldWriter::default();
        fields.u32(self.page_len).u32(len_u32(self.runs.len()));
        for run in &self.runs {
            let kind = match run.kind {
                PageKind::Data => 1,
                PageKind::Zero => 2,
            };
            fields.u64(run.first).u32(run.pages).u32(kind);
        }
        fields.into_bytes()
    }

    /// Reads the map of a raw section whose encoding is [`super::ENCODING_PAGES`].
    ///
    /// # Errors
    /// Another encoding, runs out of order or beyond the section's logical length, a data length
    /// other than the section's.
    pub fn parse(raw: &RawEntry, bytes: &[u8]) -> Result<Self, ContainerError> {
        check_encoding(raw, super::ENCODING_PAGES)?;
        let mut fields = FieldReader::new(&raw.path, raw.map.offset, bytes);
        let map = Self::parse_runs(raw, &mut fields)?;
        if !fields.is_empty() {
            let extra = fields.remaining() as u64;
            return Err(fields.fail(ErrorKind::TrailingBytes { extra }));
        }
        if map.pages(PageKind::Data).checked_mul(map.page_len.into()) != Some(raw.data.length) {
            let (pages, length) = (map.pages(PageKind::Data), raw.data.length);
            let why = format!("{pages} pages of {} bytes in data of {length} bytes", map.page_len);
            return Err(malformed_map(raw, why));
        }
        Ok(map)
    }

    fn parse_runs(raw: &RawEntry, fields: &mut FieldReader<'_>) -> Result<Self, ContainerError> {
        let page_len = fields.u32()?;
        if !page_len.is_power_of_two() {
            let why = format!("{page_len} is not a power of two");
            return Err(Place::new(&raw.path, raw.map.offset)
                .error(ErrorKind::malformed("page length", why)));
        }
        let count = fields.u32()? as usize;
        if count > fields.remaining() / RUN_LEN {
            let why = format!("{count} runs in {} bytes", fields.remaining());
            return Err(fields.fail(ErrorKind::malformed("page map", why)));
        }
        let mut runs = Vec::new();
        runs.try_reserve_exact(count)
            .map_err(|_| fields.fail(ErrorKind::Allocation { bytes: (count * RUN_LEN) as u64 }))?;
        let limit = raw.logical_len.div_ceil(page_len.into());
        let mut next = 0;
        for _ in 0..count {
            let place = fields.place();
            let (first, pages, kind) = (fields.u64()?, fields.u32()?, fields.u32()?);
            let kind = match kind {
                1 => PageKind::Data,
                2 => PageKind::Zero,
                other => {
                    let why = format!("{other} is no kind of page");
                    return Err(place.error(ErrorKind::malformed("page run", why)));
                }
            };
            let end = first.checked_add(pages.into()).filter(|end| *end <= limit);
            let (Some(end), true, true) = (end, first >= next, pages > 0) else {
                let why = format!("{pages} pages from {first}, after {next} and up to {limit}");
                return Err(place.error(ErrorKind::malformed("page run", why)));
            };
            runs.push(PageRun { first, pages, kind });
            next = end;
        }
        Ok(Self { page_len, runs })
    }
}

/// The map of compressed pages: [`super::ENCODING_ZSTD_PAGES`].
///
/// The data pages in their order are cut into groups of `frame_pages` (the last may be short), and
/// each group is one independent zstd frame, so that groups can be packed and unpacked in parallel and
/// one page can be read without those before it. This crate packs nothing itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompressedPageMap {
    /// What the pages are. Offsets within the data count uncompressed bytes.
    pub pages: PageMap,
    /// Pages in a frame.
    pub frame_pages: u32,
    /// Compressed length of each frame in bytes, in order.
    pub frame_lens: Vec<u32>,
}

impl CompressedPageMap {
    /// The map's bytes in a raw section: those of the page map, then the frames.
    pub fn encode(&self) -> Vec<u8> {
        let mut fields = FieldWriter::default();
        fields.raw(&self.pages.encode()).u32(self.frame_pages).u32(len_u32(self.frame_lens.len()));
        for len in &self.frame_lens {
            fields.u32(*len);
        }
        fields.into_bytes()
    }

    /// Reads the map of a raw section whose encoding is [`super::ENCODING_ZSTD_PAGES`].
    ///
    /// # Errors
    /// As [`PageMap::parse`], and frames that are not as many and as long as pages and data want.
    pub fn parse(raw: &RawEntry, bytes: &[u8]) -> Result<Self, ContainerError> {
        check_encoding(raw, super::ENCODING_ZSTD_PAGES)?;
        let mut fields = FieldReader::new(&raw.path, raw.map.offset, bytes);
        let pages = PageMap::parse_runs(raw, &mut fields)?;
        let (frame_pages, count) = (fields.u32()?, fields.u32()?);
        let frame_len = frame_pages.checked_mul(pages.page_len).filter(|len| *len <= MAX_FRAME_LEN);
        if frame_pages == 0 || frame_len.is_none() {
            let why =
                format!("{frame_pages} pages in a frame, which holds up to {MAX_FRAME_LEN} B");
            return Err(malformed_map(raw, why));
        }
        let expected = pages.pages(PageKind::Data).div_ceil(frame_pages.into());
        if expected != u64::from(count) || fields.remaining() as u64 != expected * 4 {
            let why = format!("{count} frames in {} bytes, {expected} due", fields.remaining());
            return Err(malformed_map(raw, why));
        }
        let mut frame_lens = Vec::new();
        frame_lens
            .try_reserve_exact(fields.remaining() / 4)
            .map_err(|_| fields.fail(ErrorKind::Allocation { bytes: expected * 4 }))?;
        let mut total = 0_u64;
        while !fields.is_empty() {
            let len = fields.u32()?;
            total += u64::from(len);
            frame_lens.push(len);
        }
        if total != raw.data.length {
            let why = format!("frames of {total} bytes in data of {} bytes", raw.data.length);
            return Err(malformed_map(raw, why));
        }
        Ok(Self { pages, frame_pages, frame_lens })
    }
}

fn check_encoding(raw: &RawEntry, expected: &str) -> Result<(), ContainerError> {
    if raw.encoding == expected {
        return Ok(());
    }
    let name = raw.encoding.clone();
    Err(Place::new(&raw.path, raw.map.offset)
        .error(ErrorKind::UnknownNeeded { what: "encoding of a raw section", name }))
}

fn malformed_map(raw: &RawEntry, why: String) -> ContainerError {
    Place::new(&raw.path, raw.map.offset).error(ErrorKind::malformed("page map", why))
}
