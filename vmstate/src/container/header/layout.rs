//! The check that bodies follow one another without gaps up to the end of the file.

use std::collections::BTreeSet;

use super::{Extent, Header, schema_section};
use crate::container::error::{ContainerError, ErrorKind, Place};

impl Header {
    /// Checks that the sections follow one another up to the end of the file, each once.
    pub(super) fn check_layout(&self) -> Result<(), ContainerError> {
        let mut layout = Layout { next: self.header_len };
        let mut schemas = BTreeSet::new();
        for schema in &self.schemas {
            let section = schema_section(schema);
            layout.follow(&section, "schema", schema.extent, 1)?;
            if !schemas.insert(schema.hash) {
                return Err(Place::new(section, schema.extent.offset).error(ErrorKind::malformed(
                    "schema table",
                    "the same hash stands in it twice",
                )));
            }
        }
        let mut paths = BTreeSet::new();
        for entry in &self.sections {
            layout.follow(&entry.path, "section", entry.extent, 1)?;
            unique(&mut paths, &entry.path, entry.extent.offset)?;
            if entry.schema != [0; 16] && !schemas.contains(&entry.schema) {
                return Err(Place::new(&entry.path, entry.extent.offset).error(
                    ErrorKind::malformed("table of contents", "its schema is not in the file"),
                ));
            }
        }
        for raw in &self.raws {
            layout.follow(&raw.path, "map of a raw section", raw.map, 1)?;
            layout.follow(&raw.path, "data of a raw section", raw.data, raw.align)?;
            layout.follow(&raw.path, "checksum table", raw.table(), 1)?;
            unique(&mut paths, &raw.path, raw.map.offset)?;
        }
        if layout.next != self.file_len {
            return Err(Place::header(16).error(ErrorKind::malformed(
                "file length",
                format!("it is {} but the sections end at {}", self.file_len, layout.next),
            )));
        }
        Ok(())
    }
}

fn unique(paths: &mut BTreeSet<String>, path: &str, offset: u64) -> Result<(), ContainerError> {
    if paths.insert(path.to_owned()) {
        return Ok(());
    }
    let why = format!("two sections have the path `{path}`");
    Err(Place::new(path, offset).error(ErrorKind::malformed("table of contents", why)))
}

/// Walks the extents in file order.
struct Layout {
    next: u64,
}

impl Layout {
    fn follow(
        &mut self,
        section: &str,
        what: &'static str,
        extent: Extent,
        align: u32,
    ) -> Result<(), ContainerError> {
        let place = || Place::new(section, extent.offset);
        let expected = self.next.checked_next_multiple_of(align.into());
        if expected != Some(extent.offset) {
            return Err(place().error(ErrorKind::malformed(
                what,
                format!("it should start at byte {}, behind what precedes it", self.next),
            )));
        }
        self.next = extent.offset.checked_add(extent.length).ok_or_else(|| {
            place().error(ErrorKind::Limit {
                what: "length",
                value: extent.length,
                limit: u64::MAX - extent.offset,
            })
        })?;
        Ok(())
    }
}
