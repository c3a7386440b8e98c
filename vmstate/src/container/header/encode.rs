//! From a header to its bytes, offsets included.

use super::{Extent, FLAG_NEEDED, Header, Position, RawEntry, UNNEEDED_RECORDS, header_crc32c};
use crate::container::fields::{FieldWriter, len_u32};
use crate::container::{MAGIC, PREAMBLE_LEN};

impl Header {
    /// Gives every extent its offset, in file order, and returns the header's bytes.
    pub(crate) fn lay_out(&mut self) -> Vec<u8> {
        self.header_len = self.encode().len() as u64;
        let mut next = self.header_len;
        let mut place = |extent: &mut Extent, align: u64| {
            extent.offset = next.next_multiple_of(align);
            next = extent.end();
        };
        for schema in &mut self.schemas {
            place(&mut schema.extent, 1);
        }
        for entry in &mut self.sections {
            place(&mut entry.extent, 1);
        }
        for raw in &mut self.raws {
            place(&mut raw.map, 1);
            place(&mut raw.data, raw.align.into());
            place(&mut raw.table(), 1);
        }
        self.file_len = next;
        self.encode()
    }

    /// The header's bytes. Every field is of fixed width, so the length does not depend on offsets.
    fn encode(&self) -> Vec<u8> {
        let records = self.encode_records();
        let mut body = FieldWriter::default();
        for (tag, payload) in &records {
            let flags = if UNNEEDED_RECORDS.contains(tag) { 0 } else { FLAG_NEEDED };
            body.raw(*tag).u32(flags).u32(len_u32(payload.len())).raw(payload);
        }
        let body = body.into_bytes();
        let mut out = FieldWriter::default();
        out.raw(&MAGIC)
            .u32(self.container_version)
            .u32(len_u32(PREAMBLE_LEN + body.len()))
            .u64(self.file_len)
            .u32(0)
            .u32(len_u32(records.len()))
            .raw(&body);
        let mut bytes = out.into_bytes();
        let crc = header_crc32c(&bytes);
        bytes[24..28].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    fn encode_records(&self) -> Vec<(&'static [u8; 4], Vec<u8>)> {
        let mut records = Vec::new();
        let mut add = |tag, fill: &dyn Fn(&mut FieldWriter)| {
            let mut fields = FieldWriter::default();
            fill(&mut fields);
            records.push((tag, fields.into_bytes()));
        };
        add(b"PROD", &|f| {
            f.text(&self.producer);
        });
        add(b"MACH", &|f| {
            f.text(&self.machine.machine).text(&self.machine.version);
        });
        add(b"TIME", &|f| write_position(f, self.position));
        for (key, value) in &self.properties {
            add(b"PROP", &|f| {
                f.text(key).text(value);
            });
        }
        for file in &self.external_files {
            add(b"EXTF", &|f| {
                f.text(&file.role).text(&file.name).u64(file.length).raw(&file.blake3);
            });
        }
        if let Some(parent) = &self.parent {
            add(b"PRNT", &|f| {
                f.text(&parent.name).raw(&parent.fingerprint);
                write_position(f, parent.position);
            });
        }
        for schema in &self.schemas {
            add(b"SCHM", &|f| {
                f.text(&schema.type_name).u32(schema.version).raw(&schema.hash);
                write_extent(f, schema.extent).u32(schema.crc32c);
            });
        }
        for entry in &self.sections {
            add(b"SECT", &|f| {
                f.text(&entry.kind).u32(entry.needed.into()).text(&entry.path);
                f.text(&entry.type_name).u32(entry.version).raw(&entry.schema);
                write_extent(f, entry.extent).u32(entry.crc32c);
            });
        }
        for raw in &self.raws {
            add(b"RAWS", &|f| write_raw(f, raw));
        }
        records
    }
}

fn write_extent(f: &mut FieldWriter, extent: Extent) -> &mut FieldWriter {
    f.u64(extent.offset).u64(extent.length)
}

fn write_position(f: &mut FieldWriter, position: Position) {
    f.u64(position.steps).u64(position.idle_ns).u64(position.sequence);
}

fn write_raw(f: &mut FieldWriter, raw: &RawEntry) {
    f.text(&raw.path).text(&raw.encoding).u32(raw.needed.into()).u64(raw.logical_len);
    write_extent(f, raw.map).u32(raw.map_crc32c).u32(raw.align);
    write_extent(f, raw.data).u32(raw.chunk_len);
}
