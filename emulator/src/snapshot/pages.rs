//! The pages of one stretch of RAM: written plain or packed, read back through a chain.

use std::io::Write;

use vmstate::container::{
    CompressedPageMap, ContainerError, ENCODING_PAGES, ENCODING_ZSTD_PAGES, PAGE_LEN, PageKind,
    PageMap, RawDeclaration, RawReader, SnapshotBuilder, SnapshotWriter,
};

use crate::progress::{advance, expect};

use super::chain::{Chain, LayerMap, Piece, PieceSource, container_error};
use super::error::SnapshotError;

/// Bytes in a page, as an index.
pub(super) const PAGE: usize = PAGE_LEN as usize;
/// Pages in a compressed frame: 1 MiB, long enough to compress well, short enough to read one page.
const FRAME_PAGES: u32 = 256;
/// zstd's fastest standard level: saving is interactive.
const LEVEL: i32 = 1;
/// Pages that are handed to the writer at a time.
const BATCH_PAGES: usize = 64;

/// Reads page `number` into a buffer of one page.
pub trait ReadPage {
    /// Fills `page`.
    ///
    /// # Errors
    /// Whatever the source reports; RAM reports nothing.
    fn read_page(&mut self, number: u64, page: &mut [u8]) -> Result<(), SnapshotError>;
}

impl<F: FnMut(u64, &mut [u8])> ReadPage for F {
    fn read_page(&mut self, number: u64, page: &mut [u8]) -> Result<(), SnapshotError> {
        self(number, page);
        Ok(())
    }
}

/// RAM that is ready to be declared and written as a raw section.
#[derive(Debug)]
pub struct RamBody {
    section: String,
    logical_len: u64,
    pages: PageMap,
    /// Compressed frames, if they are to be.
    frames: Option<Vec<Vec<u8>>>,
}

impl RamBody {
    /// RAM of `page_count` pages, of which `pages` says what to write.
    pub fn plain(section: impl Into<String>, page_count: u64, pages: PageMap) -> Self {
        let logical_len = page_count * u64::from(PAGE_LEN);
        Self { section: section.into(), logical_len, pages, frames: None }
    }

    /// Packs the data pages, of which the container wants to know the length beforehand.
    ///
    /// # Errors
    /// Those of the source.
    pub fn pack(mut self, source: &mut impl ReadPage) -> Result<Self, SnapshotError> {
        expect(self.pages.data_len());
        let mut frames = Vec::new();
        let mut frame = Vec::with_capacity(FRAME_PAGES as usize * PAGE);
        for number in data_pages(&self.pages) {
            append_page(source, number, &mut frame)?;
            if frame.len() == FRAME_PAGES as usize * PAGE {
                frames.push(pack_frame(&frame));
                advance(frame.len() as u64);
                frame.clear();
            }
        }
        if !frame.is_empty() {
            advance(frame.len() as u64);
            frames.push(pack_frame(&frame));
        }
        self.frames = Some(frames);
        Ok(self)
    }

    /// Declares the section.
    ///
    /// # Panics
    /// When a packed frame, which holds about 1 MiB, is longer than 4 GiB: a bug of ours.
    pub fn declare(&self, builder: &mut SnapshotBuilder) {
        let (encoding, map, data_len) = match &self.frames {
            None => (ENCODING_PAGES, self.pages.encode(), self.pages.data_len()),
            Some(frames) => {
                let map = CompressedPageMap {
                    pages: self.pages.clone(),
                    frame_pages: FRAME_PAGES,
                    frame_lens: frames
                        .iter()
                        .map(|frame| u32::try_from(frame.len()).expect("a frame is about 1 MiB"))
                        .collect(),
                };
                let length = frames.iter().map(|frame| frame.len() as u64).sum();
                (ENCODING_ZSTD_PAGES, map.encode(), length)
            }
        };
        builder.raw(RawDeclaration {
            path: self.section.clone(),
            encoding: encoding.to_owned(),
            logical_len: self.logical_len,
            map,
            data_len,
        });
    }
}

/// Writes the data of a section that was declared; `context` turns the container's errors into ones
/// that name the file.
///
/// # Errors
/// Those of the writer and of the source.
pub fn write_pages<W: Write>(
    body: &RamBody,
    writer: &mut SnapshotWriter<W>,
    source: &mut impl ReadPage,
    context: &dyn Fn(ContainerError) -> SnapshotError,
) -> Result<(), SnapshotError> {
    if let Some(frames) = &body.frames {
        for frame in frames {
            writer.write_raw(&body.section, frame).map_err(context)?;
        }
        return Ok(());
    }
    expect(body.pages.data_len());
    let mut batch = Vec::with_capacity(BATCH_PAGES * PAGE);
    for number in data_pages(&body.pages) {
        append_page(source, number, &mut batch)?;
        if batch.len() == BATCH_PAGES * PAGE {
            writer.write_raw(&body.section, &batch).map_err(context)?;
            advance(batch.len() as u64);
            batch.clear();
        }
    }
    if batch.is_empty() {
        return Ok(());
    }
    writer.write_raw(&body.section, &batch).map_err(context)
}

/// Numbers of the pages whose content goes into the file.
fn data_pages(map: &PageMap) -> impl Iterator<Item = u64> + '_ {
    map.runs()
        .filter(|(run, _)| run.kind == PageKind::Data)
        .flat_map(|(run, _)| run.first..run.first + u64::from(run.pages))
}

fn append_page(
    source: &mut impl ReadPage,
    number: u64,
    out: &mut Vec<u8>,
) -> Result<(), SnapshotError> {
    let at = out.len();
    out.resize(at + PAGE, 0);
    source.read_page(number, &mut out[at..])
}

fn pack_frame(frame: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(frame, LEVEL).expect("packing memory into memory of any size succeeds")
}

/// Reads single pages of one raw section through a chain.
#[derive(Debug)]
pub struct ChainPages<'c> {
    chain: &'c Chain,
    section: &'c str,
    pieces: Vec<Piece>,
    layers: Vec<(LayerMap, RawReader<'c, 'static>)>,
    /// The frame unpacked last: its layer, its index, its pages.
    frame: Option<(usize, u64, Vec<u8>)>,
    /// Bytes as they stand in the file.
    stored: Vec<u8>,
}

impl<'c> ChainPages<'c> {
    /// A reader of the section `section` of `chain`.
    ///
    /// # Errors
    /// As [`Chain::pieces`]; a damaged checksum table.
    pub fn new(chain: &'c Chain, section: &'c str) -> Result<Self, SnapshotError> {
        let mut layers = Vec::new();
        for layer in chain.layers() {
            let raw = layer.raw(section)?;
            let reader = layer.snapshot().raw_reader(raw).map_err(container_error(layer.path()))?;
            layers.push((layer.map(raw)?, reader));
        }
        let pieces = chain.pieces(section)?;
        Ok(Self { chain, section, pieces, layers, frame: None, stored: Vec::new() })
    }

    /// Where the pages are, ascending and without gaps.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// Number of pages.
    pub fn page_count(&self) -> u64 {
        self.pieces.last().map_or(0, |piece| piece.first + piece.pages)
    }

    /// Whether the page is zero by its map.
    pub fn is_zero(&self, number: u64) -> bool {
        self.piece(number).source == PieceSource::Zero
    }

    fn piece(&self, number: u64) -> Piece {
        let behind = self.pieces.partition_point(|piece| piece.first <= number);
        self.pieces[behind.checked_sub(1).expect("pieces start at page 0")]
    }

    fn unpack(&mut self, layer: usize, frame: u64) -> Result<(), SnapshotError> {
        if matches!(&self.frame, Some((l, f, _)) if (*l, *f) == (layer, frame)) {
            return Ok(());
        }
        let (map, reader) = &self.layers[layer];
        let path = self.chain.layers()[layer].path();
        let packed = map.packed.as_ref().expect("the piece says that the layer is packed");
        let index = usize::try_from(frame).expect("a frame has a length in memory");
        let before: u64 = packed.frame_lens[..index].iter().map(|len| u64::from(*len)).sum();
        let length = packed.frame_lens[index];
        self.stored.clear();
        reader.read(before, length.into(), &mut self.stored).map_err(container_error(path))?;
        let in_frame = u64::from(packed.frame_pages);
        let pages = in_frame.min(packed.pages.pages(PageKind::Data) - frame * in_frame);
        let expected = usize::try_from(pages).expect("a frame is at most 16 MiB") * PAGE;
        let failed = |why: String| SnapshotError::Unpack {
            path: path.to_owned(),
            section: self.section.to_owned(),
            offset: reader.entry().data.offset + before,
            why,
        };
        let unpacked = zstd::bulk::decompress(&self.stored, expected)
            .map_err(|error| failed(error.to_string()))?;
        if unpacked.len() != expected {
            return Err(failed(format!("{} bytes, {expected} expected", unpacked.len())));
        }
        self.frame = Some((layer, frame, unpacked));
        Ok(())
    }
}

impl ReadPage for ChainPages<'_> {
    fn read_page(&mut self, number: u64, page: &mut [u8]) -> Result<(), SnapshotError> {
        let piece = self.piece(number);
        let within = number - piece.first;
        assert!(within < piece.pages, "page {number} is beyond the section's end");
        match piece.source {
            PieceSource::Zero => page.fill(0),
            PieceSource::File { layer, offset } => {
                let (_, reader) = &self.layers[layer];
                let at = offset - reader.entry().data.offset + within * u64::from(PAGE_LEN);
                self.stored.clear();
                reader
                    .read(at, PAGE_LEN.into(), &mut self.stored)
                    .map_err(container_error(self.chain.layers()[layer].path()))?;
                page.copy_from_slice(&self.stored);
            }
            PieceSource::Packed { layer, index } => {
                let packed = self.layers[layer].0.packed.as_ref();
                let in_frame = u64::from(packed.map_or(1, |packed| packed.frame_pages));
                let index = index + within;
                self.unpack(layer, index / in_frame)?;
                let at = usize::try_from(index % in_frame).expect("a frame is in memory") * PAGE;
                let (_, _, frame) = self.frame.as_ref().expect("it has just been unpacked");
                page.copy_from_slice(&frame[at..at + PAGE]);
            }
        }
        Ok(())
    }
}
