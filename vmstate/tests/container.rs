//! The container as a file: what is written reads back in every way of reading, and nothing
//! damaged is taken for whole.

#![expect(clippy::unwrap_used, reason = "a failed helper is a failed test")]

use std::io::{self, Cursor, Write};

use opaque::{builder, ram, section, with_ram, with_ram_of};
use vmstate::container::{
    ContainerError, ErrorKind, KIND_STATE, PAGE_LEN, PageKind, PageMap, Position, RawDeclaration,
    Snapshot, SnapshotStream,
};

#[path = "fixtures/opaque.rs"]
mod opaque;

/// Reads everything there is, in one of three ways.
fn read_all(bytes: &[u8], way: usize) -> Result<(), ContainerError> {
    match way {
        0 => everything(&Snapshot::from_slice(bytes)?),
        1 => everything(&Snapshot::from_seekable(Cursor::new(bytes))?),
        _ => {
            let mut stream = SnapshotStream::open(bytes)?;
            let state = stream.state();
            for schema in &state.header().schemas {
                state.schema(schema)?;
            }
            for entry in &state.header().sections {
                state.section(entry)?;
            }
            stream.raw(|raw, map| PageMap::parse(raw, map).map(drop), |_, _| Ok(()))?;
            stream.finish().map(drop)
        }
    }
}

fn everything(snapshot: &Snapshot<'_>) -> Result<(), ContainerError> {
    snapshot.header().check_loadable()?;
    snapshot.verify()?;
    for raw in &snapshot.header().raws {
        PageMap::parse(raw, &snapshot.raw_map(raw)?)?;
    }
    Ok(())
}

#[test]
fn header_and_sections_read_back_as_written() {
    let bytes = with_ram();
    let snapshot = Snapshot::from_slice(&bytes).unwrap();
    let header = snapshot.header();
    assert_eq!(header.producer, "emulator 0.1.0");
    assert_eq!((header.machine.machine.as_str(), header.machine.version.as_str()), ("toy", "1.0"));
    assert_eq!(header.position, Position { steps: 1_000_000, idle_ns: 17, sequence: 2 });
    assert_eq!(header.properties["comment"], "before the upgrade");
    assert_eq!(header.external_files[0].blake3, [9; 32]);
    assert_eq!(header.parent.as_ref().unwrap().fingerprint, [3; 32]);
    let uart1 = snapshot.find("uart1").unwrap();
    assert_eq!(&*snapshot.section(uart1).unwrap(), b"state of uart1");
    assert_eq!(&*snapshot.schema(&header.schemas[0]).unwrap(), b"an opaque schema");
    assert_eq!(header.schemas.len(), 1, "a schema is stored once");
}

#[test]
fn all_three_ways_of_reading_accept_what_was_written() {
    let bytes = with_ram();
    for way in 0..3 {
        read_all(&bytes, way).unwrap();
    }
}

#[test]
fn raw_data_is_page_aligned_and_found_by_its_map() {
    let bytes = with_ram();
    let snapshot = Snapshot::from_slice(&bytes).unwrap();
    let raw = &snapshot.header().raws[0];
    assert_eq!(raw.data.offset % u64::from(PAGE_LEN), 0);
    let (map, data) = ram();
    assert_eq!(PageMap::parse(raw, &snapshot.raw_map(raw).unwrap()).unwrap(), map);
    assert_eq!(snapshot.raw_data(raw).unwrap(), data);
    assert_eq!(map.find(0), None);
    assert_eq!(map.find(4), Some((PageKind::Data, 2 * u64::from(PAGE_LEN))));
    let mut part = Vec::new();
    snapshot.raw_reader(raw).unwrap().read(5000, 4000, &mut part).unwrap();
    assert_eq!(part, &data[5000..9000]);
    assert_eq!(
        map.runs().map(|(run, _)| (run.first, run.pages)).collect::<Vec<_>>(),
        [(1, 2), (4, 1)]
    );
}

#[test]
fn every_truncation_is_refused_by_name_in_every_way_of_reading() {
    let bytes = with_ram();
    for end in 0..bytes.len() {
        for way in 0..3 {
            let error = read_all(&bytes[..end], way).unwrap_err();
            let expected = matches!(*error.kind, ErrorKind::Truncated { .. });
            assert!(expected, "cut at {end}, way {way}: {error}");
            assert!(error.place.offset <= end as u64, "cut at {end}, way {way}: {error}");
        }
    }
    let error = read_all(&bytes[..bytes.len() - 1], 0).unwrap_err();
    assert_eq!(error.place.section, "ram0");
}

#[test]
fn every_byte_is_covered_so_every_flip_is_refused() {
    let bytes = with_ram();
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        // One way a byte is enough, and all three come by turns.
        let error = read_all(&damaged, at % 3).expect_err("a flipped bit was not noticed");
        assert!(!error.place.section.is_empty(), "{error}");
    }
}

#[test]
fn a_flip_in_ram_names_the_section_and_its_chunk() {
    let mut bytes = with_ram();
    let data = Snapshot::from_slice(&bytes).unwrap().header().raws[0].data;
    bytes[usize::try_from(data.offset).unwrap() + 5000] ^= 4;
    let snapshot = Snapshot::from_slice(&bytes).expect("a mapped open does not read the data");
    let error = snapshot.verify().unwrap_err();
    assert_eq!((error.place.section.as_str(), error.place.offset), ("ram0", data.offset));
    assert!(matches!(*error.kind, ErrorKind::Checksum { .. }));
}

#[test]
fn bytes_behind_the_end_are_refused() {
    let mut bytes = with_ram();
    bytes.push(0);
    for way in 0..3 {
        let error = read_all(&bytes, way).unwrap_err();
        assert!(matches!(*error.kind, ErrorKind::TrailingBytes { .. }), "{error}");
        assert_eq!(error.place.section, "ram0");
    }
}

#[test]
fn two_sections_of_one_path_are_refused_when_writing() {
    let mut builder = builder();
    builder.section(section("uart0", KIND_STATE, Vec::new()));
    let error = builder.to_bytes().unwrap_err();
    assert!(error.to_string().contains("two sections have the path `uart0`"), "{error}");
}

#[test]
fn a_later_version_with_unknown_records_is_described_but_not_loaded() {
    let mut bytes = builder().to_bytes().unwrap();
    patch_header(&mut bytes, |bytes| {
        bytes[8] = 9;
        // The tag of the record that names the external file becomes one from the future.
        let at = bytes.windows(4).position(|tag| tag == b"EXTF").unwrap();
        bytes[at..at + 4].copy_from_slice(b"XYZ2");
    });
    let snapshot = Snapshot::from_slice(&bytes).unwrap();
    assert_eq!(snapshot.header().machine.machine, "toy");
    assert_eq!(snapshot.header().unknown_needed, ["XYZ2"]);
    let error = snapshot.header().check_loadable().unwrap_err();
    assert!(error.to_string().contains("container version 9 is newer than 1"), "{error}");
}

#[test]
fn an_unknown_record_is_ignored_unless_it_is_needed() {
    for (needed, tag) in [(false, b"PROP"), (true, b"EXTF")] {
        let mut bytes = builder().to_bytes().unwrap();
        patch_header(&mut bytes, |bytes| {
            let at = bytes.windows(4).position(|at| at == tag).unwrap();
            bytes[at..at + 4].copy_from_slice(b"XYZ2");
        });
        match Snapshot::from_slice(&bytes) {
            Ok(snapshot) => {
                assert!(!needed);
                assert_eq!(snapshot.header().ignored_records, ["XYZ2"]);
            }
            Err(error) => {
                assert!(needed && error.to_string().contains("`XYZ2` is needed"), "{error}");
            }
        }
    }
}

/// Changes the header and makes its checksum right again, as a hostile writer would.
fn patch_header(bytes: &mut [u8], change: impl FnOnce(&mut [u8])) {
    let len = u32::from_le_bytes(bytes[12..16].try_into().unwrap()) as usize;
    change(&mut bytes[..len]);
    let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes[..24]), &bytes[28..len]);
    bytes[24..28].copy_from_slice(&crc.to_le_bytes());
}

#[test]
fn the_writer_is_held_to_its_declaration() {
    let declare = |length| {
        let mut builder = builder();
        builder.raw(RawDeclaration {
            path: "ram0".into(),
            encoding: "other".into(),
            logical_len: length,
            map: Vec::new(),
            data_len: length,
        });
        builder.begin(io::sink()).unwrap()
    };
    let error = declare(10).finish().unwrap_err().to_string();
    assert!(error.contains("10 bytes of `ram0` never came"), "{error}");
    let error = declare(10).write_raw("ram0", &[0; 11]).unwrap_err().to_string();
    assert!(error.contains("more data than the declared 10 bytes"), "{error}");
    let error = declare(10).write_raw("ram1", &[0; 1]).unwrap_err().to_string();
    assert!(error.contains("`ram0` is due"), "{error}");
    declare(0).finish().expect("an empty raw section is complete at once");
}

#[test]
fn the_fingerprint_differs_if_only_a_byte_of_ram_does() {
    let digest = |change: u8| {
        let (_, mut data) = ram();
        data[9000] ^= change;
        let bytes = with_ram_of(data);
        Snapshot::from_slice(&bytes).unwrap().fingerprint().unwrap()
    };
    assert_eq!(digest(0), digest(0));
    assert_ne!(digest(0), digest(1));
}

/// Takes `room` bytes and then fails as a full disk does.
struct FullDisk {
    room: usize,
}

impl Write for FullDisk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.room == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let taken = bytes.len().min(self.room);
        self.room -= taken;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_disk_that_fills_at_any_byte_is_an_error_that_names_the_section() {
    let length = builder().to_bytes().unwrap().len();
    for room in 0..length {
        let error = builder().begin(FullDisk { room }).map(drop).unwrap_err();
        assert!(matches!(*error.kind, ErrorKind::Io(_)), "room {room}: {error}");
    }
    let error = builder().begin(FullDisk { room: length - 1 }).map(drop).unwrap_err();
    assert_eq!(error.place.section, "uart1");
}
