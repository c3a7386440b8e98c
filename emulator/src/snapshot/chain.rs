//! An incremental snapshot with all its parents, as one.
//!
//! Each layer's page map says which pages it holds; a page in no run is the parent's. Resolving a
//! stretch of RAM walks the newest layer and descends into its gaps, so each page is decided once.

use std::fs::File;
use std::path::{Path, PathBuf};

use vmstate::container::{
    CompressedPageMap, ContainerError, ENCODING_ZSTD_PAGES, PAGE_LEN, PageKind, PageMap, PageRun,
    RawEntry, Snapshot,
};

use super::error::SnapshotError;

/// Most snapshots in a chain.
const MAX_LAYERS: usize = 1000;

/// One file of a chain.
#[derive(Debug)]
pub struct Layer {
    path: PathBuf,
    file: File,
    snapshot: Snapshot<'static>,
}

impl Layer {
    /// The file's name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The open file, to map pages from.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The snapshot in it.
    pub fn snapshot(&self) -> &Snapshot<'static> {
        &self.snapshot
    }

    fn open(path: &Path) -> Result<Self, SnapshotError> {
        let io = |source| SnapshotError::Io { path: path.to_owned(), source };
        let file = File::open(path).map_err(io)?;
        if file.metadata().map_err(io)?.is_dir() {
            return Err(io(std::io::ErrorKind::IsADirectory.into()));
        }
        let reader = file.try_clone().map_err(io)?;
        let snapshot = Snapshot::from_seekable(reader).map_err(container_error(path))?;
        Ok(Self { path: path.to_owned(), file, snapshot })
    }

    /// A raw section's entry by path.
    ///
    /// # Errors
    /// [`SnapshotError::Shape`] when the file has no such section.
    pub fn raw(&self, section: &str) -> Result<&RawEntry, SnapshotError> {
        let raws = &self.snapshot.header().raws;
        raws.iter().find(|raw| raw.path == section).ok_or_else(|| SnapshotError::Shape {
            path: self.path.clone(),
            section: section.to_owned(),
            why: "the file has no such section".to_owned(),
        })
    }

    /// The page map of a raw section, and how its data is packed.
    pub(super) fn map(&self, raw: &RawEntry) -> Result<LayerMap, SnapshotError> {
        let parse = || -> Result<LayerMap, ContainerError> {
            let bytes = self.snapshot.raw_map(raw)?;
            if raw.encoding != ENCODING_ZSTD_PAGES {
                let pages = PageMap::parse(raw, &bytes)?;
                return Ok(LayerMap { runs: pages.runs().collect(), pages, packed: None });
            }
            let map = CompressedPageMap::parse(raw, &bytes)?;
            Ok(LayerMap {
                runs: map.pages.runs().collect(),
                pages: map.pages.clone(),
                packed: Some(map),
            })
        };
        let map = parse().map_err(container_error(&self.path))?;
        if map.pages.page_len() == PAGE_LEN {
            return Ok(map);
        }
        Err(SnapshotError::Shape {
            path: self.path.clone(),
            section: raw.path.clone(),
            why: format!("its pages are {} bytes long, not {PAGE_LEN}", map.pages.page_len()),
        })
    }
}

/// A layer's map of one raw section, with the runs ready to be searched.
#[derive(Debug)]
pub(super) struct LayerMap {
    runs: Vec<(PageRun, u64)>,
    pages: PageMap,
    pub(super) packed: Option<CompressedPageMap>,
}

/// Pages in a row whose content is found in one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// First page.
    pub first: u64,
    /// Number of pages.
    pub pages: u64,
    /// Where they are.
    pub source: PieceSource,
}

/// Where the content of pages is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PieceSource {
    /// Nowhere: they are zero.
    Zero,
    /// In a layer's file, one after the other from a page-aligned offset.
    File {
        /// Index of the layer, 0 the newest.
        layer: usize,
        /// Offset in the file.
        offset: u64,
    },
    /// In a layer's compressed data.
    Packed {
        /// Index of the layer, 0 the newest.
        layer: usize,
        /// Index of the first page among the layer's data pages.
        index: u64,
    },
}

/// A snapshot with all its parents.
#[derive(Debug)]
pub struct Chain {
    layers: Vec<Layer>,
}

impl Chain {
    /// Opens a snapshot and, if it is incremental, its parents, which are looked for under the name
    /// it gives, in its own folder.
    ///
    /// # Errors
    /// A file that cannot be opened or is damaged; a parent that is not the one it was.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, SnapshotError> {
        let path = path.as_ref();
        let mut layers = Self::open_alone(path)?.layers;
        layers[0].snapshot.header().check_loadable().map_err(container_error(path))?;
        while let Some(layer) = layers.last()
            && let Some(parent) = layer.snapshot.header().parent.clone()
        {
            if layers.len() == MAX_LAYERS {
                return Err(SnapshotError::ChainTooLong {
                    path: path.to_owned(),
                    limit: MAX_LAYERS,
                });
            }
            let folder = layer.path.parent().unwrap_or(Path::new(""));
            let opened = Layer::open(&folder.join(&parent.name)).map_err(|source| {
                SnapshotError::Parent { child: layer.path.clone(), source: Box::new(source) }
            })?;
            opened.snapshot.header().check_loadable().map_err(container_error(&opened.path))?;
            let found = opened.snapshot.fingerprint().map_err(container_error(&opened.path))?;
            if found != parent.fingerprint {
                return Err(SnapshotError::ParentChanged {
                    child: layer.path.clone(),
                    parent: opened.path,
                    found: blake3::Hash::from_bytes(found).to_hex().to_string(),
                    expected: blake3::Hash::from_bytes(parent.fingerprint).to_hex().to_string(),
                });
            }
            layers.push(opened);
        }
        Ok(Self { layers })
    }

    /// Opens one file without its parents, and even if only its header can be read: enough to
    /// describe it, not to load its RAM.
    ///
    /// # Errors
    /// A file that cannot be opened or is damaged.
    pub fn open_alone(path: &Path) -> Result<Self, SnapshotError> {
        Ok(Self { layers: vec![Layer::open(path)?] })
    }

    /// Whether all parents are here.
    pub fn is_complete(&self) -> bool {
        self.layers.last().is_some_and(|layer| layer.snapshot.header().parent.is_none())
    }

    /// The files, newest first.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The newest snapshot, whose state is the chain's.
    pub fn newest(&self) -> &Snapshot<'static> {
        self.layers[0].snapshot()
    }

    /// Paths of the raw sections: `ram0` and so on.
    pub fn raw_sections(&self) -> impl Iterator<Item = &str> {
        self.newest().header().raws.iter().map(|raw| raw.path.as_str())
    }

    /// Where each page of a raw section is, ascending and without gaps.
    ///
    /// # Errors
    /// A damaged map; a parent whose section is of another length.
    pub fn pieces(&self, section: &str) -> Result<Vec<Piece>, SnapshotError> {
        let mut maps = Vec::with_capacity(self.layers.len());
        let length = self.layers[0].raw(section)?.logical_len;
        for layer in &self.layers {
            let raw = layer.raw(section)?;
            if raw.logical_len != length {
                return Err(SnapshotError::Shape {
                    path: layer.path.clone(),
                    section: section.to_owned(),
                    why: format!("it is {} bytes long, not {length}", raw.logical_len),
                });
            }
            maps.push((raw.data.offset, layer.map(raw)?));
        }
        let mut pieces = Vec::new();
        fill(&maps, 0, 0, length.div_ceil(PAGE_LEN.into()), &mut pieces);
        Ok(pieces)
    }
}

/// The mapping of a container's error to one that names the file.
pub(super) fn container_error(path: &Path) -> impl Fn(ContainerError) -> SnapshotError + '_ {
    |source| SnapshotError::Container { path: path.to_owned(), source }
}

/// Appends the pieces for the pages `first..end` as `layer` and those below it have them.
fn fill(maps: &[(u64, LayerMap)], layer: usize, first: u64, end: u64, out: &mut Vec<Piece>) {
    if first == end {
        return;
    }
    let Some((data_offset, map)) = maps.get(layer) else {
        out.push(Piece { first, pages: end - first, source: PieceSource::Zero });
        return;
    };
    let mut at = first;
    let behind = |run: &PageRun| run.first + u64::from(run.pages);
    let start = map.runs.partition_point(|(run, _)| behind(run) <= first);
    for (run, offset) in &map.runs[start..] {
        if run.first >= end {
            break;
        }
        fill(maps, layer + 1, at, run.first.max(at), out);
        at = at.max(run.first);
        let stop = behind(run).min(end);
        let offset = offset + (at - run.first) * u64::from(PAGE_LEN);
        let source = match (run.kind, &map.packed) {
            (PageKind::Zero, _) => PieceSource::Zero,
            (PageKind::Data, None) => PieceSource::File { layer, offset: data_offset + offset },
            (PageKind::Data, Some(_)) => {
                PieceSource::Packed { layer, index: offset / u64::from(PAGE_LEN) }
            }
        };
        out.push(Piece { first: at, pages: stop - at, source });
        at = stop;
    }
    fill(maps, layer + 1, at, end, out);
}
