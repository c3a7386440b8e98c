//! One full snapshot from an incremental one and its parents.

use std::io::BufWriter;
use std::path::Path;

use vmstate::container::{AtomicFile, PAGE_LEN, PageKind, PageMap, ReplaceError, SnapshotBuilder};

use super::chain::{Chain, PieceSource, container_error};
use super::error::SnapshotError;
use super::pages::{ChainPages, PAGE, RamBody, ReadPage, write_pages};

/// Writes the machine of `chain` to `output` as a file that rests on no other; `compress` packs its
/// RAM.
///
/// # Errors
/// Damage in any file of the chain, by name; a failed write, which leaves `output` as it was.
pub fn flatten(chain: &Chain, output: &Path, compress: bool) -> Result<(), SnapshotError> {
    let newest = &chain.layers()[0];
    let mut builder =
        SnapshotBuilder::copy_of(chain.newest()).map_err(container_error(newest.path()))?;
    let mut sections = Vec::new();
    for section in chain.raw_sections() {
        let mut pages = ChainPages::new(chain, section)?;
        let map = full_map(&mut pages)?;
        let mut body = RamBody::plain(section, pages.page_count(), map);
        if compress {
            body = body.pack(&mut pages)?;
        }
        body.declare(&mut builder);
        sections.push((body, pages));
    }
    let file = AtomicFile::create(output)?;
    let context = container_error(output);
    let mut writer = builder.begin(BufWriter::new(file)).map_err(&context)?;
    for (body, pages) in &mut sections {
        write_pages(body, &mut writer, pages, &context)?;
    }
    let file = writer.finish().map_err(&context)?.into_inner().map_err(|error| {
        let (path, source) = (output.to_owned(), error.into_error());
        ReplaceError::Untouched { step: "write", path, source }
    })?;
    Ok(file.commit()?)
}

/// The data pages of a full snapshot: those of the chain that are not zero.
fn full_map(pages: &mut ChainPages<'_>) -> Result<PageMap, SnapshotError> {
    let mut map = PageMap::new(PAGE_LEN);
    let mut page = [0; PAGE];
    for piece in pages.pieces().to_vec() {
        if piece.source == PieceSource::Zero {
            continue;
        }
        for number in piece.first..piece.first + piece.pages {
            pages.read_page(number, &mut page)?;
            if page.iter().any(|byte| *byte != 0) {
                map.push(number, PageKind::Data);
            }
        }
    }
    Ok(map)
}
