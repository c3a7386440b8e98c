//! Guest RAM to and from raw sections.
//!
//! Saving reads each touched page twice (is it zero? then write it); nothing is copied as a whole.
//! Loading reads everything into staging first, so that a damaged page leaves the guest as it was,
//! and then writes through [`GuestMemory`], which tells whoever caches code, page tables or tags.

use vmstate::container::{PAGE_LEN, PageKind, PageMap, SnapshotBuilder};

use super::chain::{Chain, PieceSource};
use super::error::SnapshotError;
use super::pages::{ChainPages, PAGE, RamBody, ReadPage};
use super::ram_base_property;
use crate::memory::{GuestMemory, PAGE_BYTES, PageFlags, Region};

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
    fn full_map(&mut self) -> Result<PageMap, SnapshotError> {
        let mut map = PageMap::new(PAGE_LEN);
        let mut page = [0; PAGE];
        for number in 0..self.page_count() {
            if self.is_touched(number) {
                self.read_page(number, &mut page)?;
                if !is_zero(&page) {
                    map.push(number, PageKind::Data);
                }
            }
        }
        Ok(map)
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
    for (index, region) in memory.regions().iter().enumerate() {
        let section = section_name(index);
        let mut pages = RegionPages { memory, region: *region };
        let map = match base {
            None => pages.full_map()?,
            Some(chain) => {
                let mut old = ChainPages::new(chain, &section)?;
                check_length(chain, &section, old.page_count(), region)?;
                pages.map_since(&mut old)?
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

/// RAM read from a chain, proved and not yet in place.
#[derive(Debug)]
pub(super) struct StagedRam {
    /// For each region, runs of pages: first page and their bytes.
    regions: Vec<Vec<(u64, Vec<u8>)>>,
}

/// Most pages in one run of staging.
const RUN_PAGES: u64 = 256;

/// Reads all RAM of a chain; the machine's is only compared in shape.
///
/// # Errors
/// RAM of another shape; damage.
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
    let mut regions = Vec::new();
    for (index, region) in memory.regions().iter().enumerate() {
        let section = section_name(index);
        let mut pages = ChainPages::new(chain, &section)?;
        check_length(chain, &section, pages.page_count(), region)?;
        let mut runs = Vec::new();
        for piece in pages.pieces().to_vec() {
            if piece.source == PieceSource::Zero {
                continue;
            }
            let mut first = piece.first;
            while first < piece.first + piece.pages {
                let count = RUN_PAGES.min(piece.first + piece.pages - first);
                let mut bytes = vec![0; usize::try_from(count).expect("256 at most") * PAGE];
                for (number, page) in (first..).zip(bytes.chunks_mut(PAGE)) {
                    pages.read_page(number, page)?;
                }
                runs.push((first, bytes));
                first += count;
            }
        }
        regions.push(runs);
    }
    Ok(StagedRam { regions })
}

impl StagedRam {
    /// Puts the RAM in place. Cannot fail.
    pub(super) fn commit(self, memory: &GuestMemory) {
        memory.clear();
        for (region, runs) in memory.regions().iter().zip(self.regions) {
            for (first, bytes) in runs {
                let written = memory.write(region.base + first * PAGE_BYTES, &bytes);
                assert!(written.is_ok(), "staged RAM has the machine's shape");
            }
        }
    }
}

#[cfg(test)]
mod tests;
