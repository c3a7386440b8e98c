//! `docs/src/snapshot-format.md` is right: this decodes committed snapshots by the chapter alone.
//!
//! Nothing of the library's reading code is used. `BLESS=1` writes the file anew, which is only right
//! for a container version that has not been released.
#![expect(clippy::unwrap_used, reason = "a failed helper is a failed test")]

use std::collections::BTreeMap;
use std::path::PathBuf;

#[path = "fixtures/opaque.rs"]
mod opaque;

mod format {
    mod values;
}

/// The fields of the chapter, read one after the other.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn bytes(&mut self, len: usize) -> &'a [u8] {
        let (head, tail) = self.0.split_at(len);
        self.0 = tail;
        head
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.bytes(4).try_into().unwrap())
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.bytes(8).try_into().unwrap())
    }

    fn text(&mut self) -> &'a str {
        let len = self.u32() as usize;
        std::str::from_utf8(self.bytes(len)).unwrap()
    }
}

/// The bytes of an extent.
fn extent<'a>(file: &'a [u8], fields: &mut Fields<'_>) -> &'a [u8] {
    let (offset, length) = (fields.u64(), fields.u64());
    &file[usize::try_from(offset).unwrap()..][..usize::try_from(length).unwrap()]
}

/// CRC32C by its definition: one bit at a time.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

/// The payloads of all records by tag, in order.
fn records(file: &[u8]) -> BTreeMap<&str, Vec<&[u8]>> {
    let mut fields = Fields(file);
    assert_eq!(fields.bytes(8), [0x93, 0x56, 0x4d, 0x53, 0x54, 0x0d, 0x0a, 0x1a]);
    assert_eq!(fields.u32(), 1, "container version");
    let header_len = fields.u32() as usize;
    assert_eq!(fields.u64(), file.len() as u64);
    let mut covered = file[..header_len].to_vec();
    covered.drain(24..28);
    assert_eq!(fields.u32(), crc32c(&covered));
    let count = fields.u32();
    let mut fields = Fields(&file[32..header_len]);
    let mut records = BTreeMap::new();
    for _ in 0..count {
        let tag = std::str::from_utf8(fields.bytes(4)).unwrap();
        let _flags = fields.u32();
        let len = fields.u32() as usize;
        records.entry(tag).or_insert_with(Vec::new).push(fields.bytes(len));
    }
    assert!(fields.0.is_empty());
    records
}

fn golden() -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/snapshots/container-v1-opaque.vmstate");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, opaque::with_ram()).unwrap();
    }
    std::fs::read(path).unwrap()
}

#[test]
fn the_chapter_describes_the_committed_file() {
    let file = golden();
    let records = records(&file);
    let one = |tag| Fields(records[tag][0]);
    assert_eq!(one("PROD").text(), "emulator 0.1.0");
    let mut machine = one("MACH");
    assert_eq!((machine.text(), machine.text()), ("toy", "1.0"));
    let mut time = one("TIME");
    assert_eq!((time.u64(), time.u64(), time.u64()), (1_000_000, 17, 2));
    let mut property = one("PROP");
    assert_eq!((property.text(), property.text()), ("comment", "before the upgrade"));
    let mut kernel = one("EXTF");
    assert_eq!((kernel.text(), kernel.text(), kernel.u64()), ("kernel", "vmlinux", 12345));
    assert_eq!(kernel.bytes(32), [9; 32]);
    let mut parent = one("PRNT");
    assert_eq!((parent.text(), parent.bytes(32)), ("base", [3; 32].as_slice()));

    let mut schema = one("SCHM");
    assert_eq!((schema.text(), schema.u32()), ("Uart", 3));
    let hash = schema.bytes(16);
    let body = extent(&file, &mut schema);
    assert_eq!((body, schema.u32()), (b"an opaque schema".as_slice(), crc32c(body)));

    assert_eq!(records["SECT"].len(), 2);
    let mut section = one("SECT");
    assert_eq!((section.text(), section.u32(), section.text()), ("state", 1, "uart0"));
    assert_eq!((section.text(), section.u32()), ("Uart", 3));
    assert_eq!(section.bytes(16), hash);
    let body = extent(&file, &mut section);
    assert_eq!((body, section.u32()), (b"state of uart0".as_slice(), crc32c(body)));
}

#[test]
fn the_chapter_describes_raw_pages() {
    let file = golden();
    let records = records(&file);
    let mut raw = Fields(records["RAWS"][0]);
    assert_eq!((raw.text(), raw.text(), raw.u32()), ("ram0", "pages", 1));
    assert_eq!(raw.u64(), 5 * 4096, "logical length");
    let map = extent(&file, &mut raw);
    assert_eq!(raw.u32(), crc32c(map));
    let align = u64::from(raw.u32());
    let data_offset = u64::from_le_bytes(raw.0[..8].try_into().unwrap());
    assert_eq!(data_offset % align, 0);
    let data = extent(&file, &mut raw);
    let chunk_len = raw.u32() as usize;

    let mut map = Fields(map);
    let (page_len, runs) = (map.u32() as usize, map.u32());
    let mut ram = vec![0; 5 * 4096];
    let mut left = data;
    for _ in 0..runs {
        let (first, pages, kind) = (map.u64(), map.u32(), map.u32());
        assert_eq!(kind, 1, "a full snapshot has data runs alone");
        let (now, later) = left.split_at(pages as usize * page_len);
        ram[usize::try_from(first).unwrap() * page_len..][..now.len()].copy_from_slice(now);
        left = later;
    }
    assert!(left.is_empty());
    let expected = opaque::ram().1;
    assert_eq!(ram[4096..3 * 4096], expected[..2 * 4096]);
    assert_eq!(ram[4 * 4096..], expected[2 * 4096..]);

    let end = usize::try_from(data_offset).unwrap() + data.len();
    let mut table = Fields(&file[end..]);
    let mut tableless = Vec::new();
    for chunk in data.chunks(chunk_len) {
        let crc = table.u32();
        assert_eq!(crc, crc32c(chunk));
        tableless.extend_from_slice(&crc.to_le_bytes());
    }
    assert_eq!(table.u32(), crc32c(&tableless));
    assert!(table.0.is_empty(), "the file ends with the table");
}

#[test]
fn the_writer_still_writes_the_committed_file() {
    assert!(golden() == opaque::with_ram(), "the same input gives other bytes than it did");
}
