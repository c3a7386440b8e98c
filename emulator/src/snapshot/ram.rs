//! Guest RAM to and from raw sections.
//!
//! Saving reads each touched page twice (is it zero? then write it); nothing is copied as a whole.
//! Loading maps runs of pages privately from the file, copies short ones out of a mapping of the whole,
//! and unpacks packed ones into staging, so that a damaged frame or a host that fails leaves the
//! guest as it was; then all is put in place through
//! [`GuestMemory`], which tells whoever caches code, page tables or tags. What is mapped is not proved,
//! for that would read it: [`super::LoadOptions::verify`] does.

use vmstate::container::{PAGE_LEN, PageKind, PageMap, SnapshotBuilder};

use super::chain::{Chain, Layer, Piece, PieceSource, container_error};
use super::error::SnapshotError;
use super::pages::{ChainPages, PAGE, RamBody, ReadPage};
use super::ram_base_property;
use crate::memory::{FilePages, GuestMemory, PAGE_BYTES, PageFlags, PageSet, Region};

/// The name of the raw section of the `index`-th stretch of RAM.
pub(super) fn section_name(index: usize) -> String {
    format!("ram{index}")
}

/// The pages of one region of guest RAM.
pub(super) struct RegionPages<'m> {
    memory: &'m GuestMemory,
    region: Region,
}

impl ReadPage for RegionPages<'_> {
    fn read_page(&mut self, number: u64, page: &mut [u8]) -> Result<(), SnapshotError> {
        let read = self.memory.read(self.region.base + number * PAGE_BYTES, page);
        assert!(read.is_ok(), "page {number} belongs to the region");
        Ok(())
    }
}

impl<'m> RegionPages<'m> {
    fn page_count(&self) -> u64 {
        self.region.bytes / PAGE_BYTES
    }

    /// Whether a page was written since power-on; otherwise it is zero.
    fn is_touched(&self, number: u64) -> bool {
        let index = usize::try_from(number).expect("guest RAM is mapped, so its pages count");
        let page = self.region.first_page + index;
        self.memory.page_flags(page).contains(PageFlags::TOUCHED)
    }

    /// The pages of a full snapshot.
    fn full_map(&self) -> PageMap {
        let mut map = PageMap::new(PAGE_LEN);
        for (number, page) in (0..self.page_count()).zip(self.region.first_page..) {
            if !self.memory.is_zero(page) {
                map.push(number, PageKind::Data);
            }
        }
        map
    }

    /// The pages of a snapshot that rests on the one since which `written` was written.
    fn written_map(&self, written: &PageSet) -> PageMap {
        let mut map = PageMap::new(PAGE_LEN);
        let first = self.region.first_page;
        let mut next = written.next(first);
        while let Some(page) = next {
            let number = (page - first) as u64;
            if number >= self.page_count() {
                break;
            }
            let kind = if self.memory.is_zero(page) { PageKind::Zero } else { PageKind::Data };
            map.push(number, kind);
            next = written.next(page + 1);
        }
        map
    }

    /// The pages that differ from what `base` holds.
    fn map_since(&mut self, base: &mut ChainPages<'_>) -> Result<PageMap, SnapshotError> {
        let mut map = PageMap::new(PAGE_LEN);
        let (mut page, mut old) = ([0; PAGE], [0; PAGE]);
        for number in 0..self.page_count() {
            if !self.is_touched(number) && base.is_zero(number) {
                continue;
            }
            self.read_page(number, &mut page)?;
            base.read_page(number, &mut old)?;
            if page != old {
                let kind = if is_zero(&page) { PageKind::Zero } else { PageKind::Data };
                map.push(number, kind);
            }
        }
        Ok(map)
    }
}

/// Whether all bytes are zero.
pub(super) fn is_zero(page: &[u8]) -> bool {
    let (words, rest) = page.as_chunks::<16>();
    words.iter().all(|word| u128::from_ne_bytes(*word) == 0) && rest.iter().all(|byte| *byte == 0)
}

/// RAM that has been declared and waits to be written.
pub(super) struct DeclaredRam<'m> {
    pub(super) body: RamBody,
    pub(super) pages: RegionPages<'m>,
}

/// Declares all of guest RAM, or what of it differs from `base`, with its addresses.
pub(super) fn declare<'m>(
    memory: &'m GuestMemory,
    base: Option<&Chain>,
    compress: bool,
    builder: &mut SnapshotBuilder,
) -> Result<Vec<DeclaredRam<'m>>, SnapshotError> {
    let mut declared = Vec::new();
    // What was written since the base was saved or loaded here need not be compared with it.
    let written = match base {
        None => None,
        Some(chain) => memory.written_since(&fingerprint(chain)?),
    };
    for (index, region) in memory.regions().iter().enumerate() {
        let section = section_name(index);
        let mut pages = RegionPages { memory, region: *region };
        let map = match base {
            None => pages.full_map(),
            Some(chain) => {
                let raw = chain.layers()[0].raw(&section)?;
                check_length(chain, &section, raw.logical_len / PAGE_BYTES, region)?;
                match &written {
                    Some(written) => pages.written_map(written),
                    None => pages.map_since(&mut ChainPages::new(chain, &section)?)?,
                }
            }
        };
        let mut body = RamBody::plain(section.clone(), pages.page_count(), map);
        if compress {
            body = body.pack(&mut pages)?;
        }
        body.declare(builder);
        builder.property(ram_base_property(&section), format!("{:#x}", region.base));
        declared.push(DeclaredRam { body, pages });
    }
    Ok(declared)
}

/// The fingerprint of the newest file of a chain.
pub(super) fn fingerprint(chain: &Chain) -> Result<[u8; 32], SnapshotError> {
    let newest = &chain.layers()[0];
    newest.snapshot().fingerprint().map_err(container_error(newest.path()))
}

fn check_length(
    chain: &Chain,
    section: &str,
    pages: u64,
    region: &Region,
) -> Result<(), SnapshotError> {
    let expected = region.bytes / PAGE_BYTES;
    if pages == expected {
        return Ok(());
    }
    let mib = |pages: u64| (pages * PAGE_BYTES) >> 20;
    Err(SnapshotError::Shape {
        path: chain.layers()[0].path().to_owned(),
        section: section.to_owned(),
        why: format!("it holds {} MiB of RAM, the machine has {} MiB", mib(pages), mib(expected)),
    })
}

/// RAM of a chain, complete and not yet in place.
#[derive(Debug)]
pub(super) struct StagedRam {
    /// For each region, runs of pages: first page and content.
    regions: Vec<Vec<(u64, Content)>>,
    /// The plain data of whole sections.
    files: Vec<FilePages>,
}

#[derive(Debug)]
enum Content {
    /// Read and proved.
    Bytes(Vec<u8>),
    /// Mapped from the file.
    Mapped(FilePages),
    /// To be copied from a mapping: its index, first page in it, number of pages.
    Copied(usize, u64, u64),
}

/// Most pages in one run that is read.
const RUN_PAGES: u64 = 256;
/// Fewest pages that are worth a mapping of their own: two calls of the host against a copy.
const MAPPED_PAGES_MIN: u64 = 4;
/// Most mappings. The host allows 65,530 in a process by default.
const MAPPINGS_MAX: usize = 16_384;

/// Reads or maps all RAM of a chain; the machine's is only compared in shape.
///
/// # Errors
/// RAM of another shape; damage in what is read.
pub(super) fn stage(memory: &GuestMemory, chain: &Chain) -> Result<StagedRam, SnapshotError> {
    let sections = chain.raw_sections().count();
    if sections != memory.regions().len() {
        return Err(SnapshotError::Shape {
            path: chain.layers()[0].path().to_owned(),
            section: section_name(sections.min(memory.regions().len())),
            why: format!(
                "the file has {sections} stretches of RAM, the machine {}",
                memory.regions().len()
            ),
        });
    }
    let mut mappings = 0;
    let (mut regions, mut files) = (Vec::new(), Vec::new());
    for (index, region) in memory.regions().iter().enumerate() {
        let section = section_name(index);
        let mut pages = ChainPages::new(chain, &section)?;
        check_length(chain, &section, pages.page_count(), region)?;
        let mut runs = Vec::new();
        // For each layer, which of `files` holds this section.
        let mut whole = vec![None; chain.layers().len()];
        for piece in pages.pieces().to_vec() {
            match piece.source {
                PieceSource::Zero => {}
                PieceSource::File { layer, offset }
                    if piece.pages >= MAPPED_PAGES_MIN && mappings < MAPPINGS_MAX =>
                {
                    let mapped = map(&chain.layers()[layer], offset, piece.pages)?;
                    runs.push((piece.first, Content::Mapped(mapped)));
                    mappings += 1;
                }
                PieceSource::File { layer, offset } => {
                    let newest = &chain.layers()[layer];
                    let data = newest.raw(&section)?.data;
                    let file = match whole[layer] {
                        Some(file) => file,
                        None => {
                            files.push(map(newest, data.offset, data.length / PAGE_BYTES)?);
                            *whole[layer].insert(files.len() - 1)
                        }
                    };
                    let first = (offset - data.offset) / PAGE_BYTES;
                    runs.push((piece.first, Content::Copied(file, first, piece.pages)));
                }
                PieceSource::Packed { .. } => read_piece(&mut pages, piece, &mut runs)?,
            }
        }
        regions.push(runs);
    }
    Ok(StagedRam { regions, files })
}

fn map(layer: &Layer, offset: u64, pages: u64) -> Result<FilePages, SnapshotError> {
    FilePages::map(layer.file(), offset, pages)
        .map_err(|source| SnapshotError::Io { path: layer.path().into(), source })
}

fn read_piece(
    pages: &mut ChainPages<'_>,
    piece: Piece,
    runs: &mut Vec<(u64, Content)>,
) -> Result<(), SnapshotError> {
    let (mut first, end) = (piece.first, piece.first + piece.pages);
    while first < end {
        let count = RUN_PAGES.min(end - first);
        let mut bytes = vec![0; usize::try_from(count).expect("256 at most") * PAGE];
        for (number, page) in (first..).zip(bytes.chunks_mut(PAGE)) {
            pages.read_page(number, page)?;
        }
        runs.push((first, Content::Bytes(bytes)));
        first += count;
    }
    Ok(())
}

impl StagedRam {
    /// Puts the RAM in place. Cannot fail.
    pub(super) fn commit(self, memory: &GuestMemory) {
        memory.clear();
        for (region, runs) in memory.regions().iter().zip(self.regions) {
            let write = |first: u64, bytes: &[u8]| {
                let written = memory.write(region.base + first * PAGE_BYTES, bytes);
                assert!(written.is_ok(), "staged RAM has the machine's shape");
            };
            for (first, content) in runs {
                let index = usize::try_from(first).expect("guest RAM is mapped");
                match content {
                    Content::Mapped(pages) => memory.adopt(region.first_page + index, pages),
                    Content::Bytes(bytes) => write(first, &bytes),
                    Content::Copied(file, at, pages) => {
                        write(first, self.files[file].bytes(at, pages));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
