//! Damaged and hostile files: refused by name, without a panic, within the bound on memory.
//!
//! Flips come from a seed that is printed and can be given as `VMSTATE_SEED`.
#![expect(clippy::unwrap_used, reason = "a failed helper is a failed test")]

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use allocation::peak;
use board::Board;
use vmstate::container::{
    ContainerError, ErrorKind, PageMap, SectionBody, Snapshot, SnapshotBuilder, SnapshotStream,
};
use vmstate::diff::diff;
use vmstate::dump::dump_instance;
use vmstate::inspect::Tree;
use vmstate::json::json_instance;
use vmstate::schema::Schema;

#[path = "fixtures/allocation.rs"]
mod allocation;
#[path = "fixtures/board.rs"]
mod board;

/// What a reader may hold beyond twice the file.
const ALLOWANCE: usize = 1 << 20;

/// The committed containers; the machine's snapshots beside them hold pages in encodings of the
/// emulator's, and are its tests' to damage.
fn goldens() -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/snapshots");
    let mut found: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "vmstate"))
        .filter(|path| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("container-"))
        })
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    found.sort();
    assert!(!found.is_empty(), "tests/snapshots holds no snapshot");
    found
}

/// Random places and choices.
struct Random(vmstate::property::Random);

impl Random {
    fn seeded() -> Self {
        let seed = std::env::var("VMSTATE_SEED").map_or(0x5eed, |seed| seed.parse().unwrap());
        eprintln!("VMSTATE_SEED={seed}");
        Self(vmstate::property::Random::new(seed))
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.0.below(limit as u64)).unwrap()
    }
}

/// Reads and proves everything, by slice, by seeking or as a stream.
fn read_all(bytes: &[u8], way: usize) -> Result<(), ContainerError> {
    if way == 2 {
        let mut stream = SnapshotStream::open(bytes)?;
        prove_state(stream.state())?;
        while stream.raw(|raw, map| PageMap::parse(raw, map).map(drop), |_, _| Ok(()))?.is_some() {}
        return stream.finish().map(drop);
    }
    let snapshot = match way {
        0 => Snapshot::from_slice(bytes)?,
        _ => Snapshot::from_seekable(Cursor::new(bytes))?,
    };
    snapshot.header().check_loadable()?;
    prove_state(&snapshot)?;
    snapshot.verify()
}

fn prove_state(snapshot: &Snapshot<'_>) -> Result<(), ContainerError> {
    for schema in &snapshot.header().schemas {
        snapshot.schema(schema)?;
    }
    for entry in &snapshot.header().sections {
        snapshot.section(entry)?;
    }
    Ok(())
}

/// Checks one damaged file: refused, with a place inside it, within the bound.
fn assert_refused(bytes: &[u8], way: usize, what: &str) {
    let mut result = Ok(());
    let held = peak(|| result = read_all(bytes, way));
    let error = result.expect_err(what);
    assert!(!error.place.section.is_empty(), "{what}: {error}");
    assert!(error.place.offset <= bytes.len() as u64, "{what}: {error}");
    assert!(held <= 2 * bytes.len() + ALLOWANCE, "{what}: held {held} bytes");
}

#[test]
fn ten_thousand_flips_of_goldens_are_refused_by_name_within_the_bound() {
    let mut random = Random::seeded();
    let goldens = goldens();
    for round in 0..10_000 {
        let (path, golden) = &goldens[round % goldens.len()];
        let mut damaged = golden.clone();
        let (at, bit) = (random.below(golden.len()), random.below(8));
        damaged[at] ^= 1 << bit;
        assert_refused(&damaged, round % 3, &format!("{}: bit {bit} of {at}", path.display()));
    }
}

#[test]
fn every_truncation_of_every_golden_is_refused_by_name_within_the_bound() {
    for (path, golden) in goldens() {
        for end in 0..golden.len() {
            assert_refused(&golden[..end], end % 3, &format!("{} cut at {end}", path.display()));
        }
    }
}

#[test]
fn a_whole_golden_is_read_within_the_bound() {
    for (path, golden) in goldens() {
        for way in 0..3 {
            let mut result = Ok(());
            let held = peak(|| result = read_all(&golden, way));
            result.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert!(held <= 2 * golden.len() + ALLOWANCE, "{}: held {held}", path.display());
        }
    }
}

/// A header as a hostile writer makes it: records of his own, lengths and checksum right.
fn forged(records: &[(&[u8; 4], Vec<u8>)], file_len: Option<u64>) -> Vec<u8> {
    let mut body = Vec::new();
    for (tag, payload) in records {
        body.extend_from_slice(*tag);
        body.extend_from_slice(&0_u32.to_le_bytes());
        body.extend_from_slice(&u32::try_from(payload.len()).unwrap().to_le_bytes());
        body.extend_from_slice(payload);
    }
    let mut bytes = b"\x93VMST\r\n\x1a\x01\0\0\0".to_vec();
    let len = u32::try_from(32 + body.len()).unwrap();
    bytes.extend_from_slice(&len.to_le_bytes());
    bytes.extend_from_slice(&file_len.unwrap_or(len.into()).to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&u32::try_from(records.len()).unwrap().to_le_bytes());
    bytes.extend_from_slice(&body);
    let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes[..24]), &bytes[28..]);
    bytes[24..28].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// A SECT record of a section with this path and extent.
fn section(path: &str, offset: u64, length: u64) -> Vec<u8> {
    let mut payload = Vec::new();
    let text = |payload: &mut Vec<u8>, text: &str| {
        payload.extend_from_slice(&u32::try_from(text.len()).unwrap().to_le_bytes());
        payload.extend_from_slice(text.as_bytes());
    };
    text(&mut payload, "state");
    payload.extend_from_slice(&1_u32.to_le_bytes());
    text(&mut payload, path);
    text(&mut payload, "");
    payload.extend_from_slice(&[0; 20]);
    payload.extend_from_slice(&offset.to_le_bytes());
    payload.extend_from_slice(&length.to_le_bytes());
    payload.extend_from_slice(&[0; 4]);
    payload
}

#[test]
fn the_most_records_a_header_may_have_stay_within_the_bound() {
    let many = |tag: &'static [u8; 4], payload: &dyn Fn(usize) -> Vec<u8>| {
        let records: Vec<_> = (0..8192).map(|i| (tag, payload(i))).collect();
        forged(&records, None)
    };
    let empty_text = vec![0; 4];
    let external: Vec<u8> = [empty_text.as_slice(), &empty_text, &[0; 40]].concat();
    let sections = |offset| many(b"SECT", &|i| section(&format!("{i:04}"), offset, 0));
    let end = sections(0).len() as u64;
    read_all(&sections(end), 0).unwrap();
    for (what, bytes) in [
        ("sections", sections(end)),
        ("external files", many(b"EXTF", &|_| external.clone())),
        ("unknown records", many(b"ABCD", &|_| Vec::new())),
    ] {
        for way in 0..3 {
            let held = peak(|| drop(read_all(&bytes, way)));
            assert!(held <= 2 * bytes.len() + ALLOWANCE, "{what}: held {held} of {}", bytes.len());
        }
    }
}

#[test]
fn an_exabyte_section_is_refused_before_anything_is_allocated_for_it() {
    for length in [u64::MAX, 1 << 60, 1 << 33] {
        let offset = forged(&[(b"SECT", section("bomb", 0, 0))], None).len() as u64;
        let record = section("bomb", offset, length);
        let bytes = forged(&[(b"SECT", record)], offset.checked_add(length).or(Some(u64::MAX)));
        for way in 0..3 {
            assert_refused(&bytes, way, &format!("{length} bytes claimed"));
        }
        let error = read_all(&bytes, 2).unwrap_err();
        assert_eq!(error.place.section, "bomb", "{error}");
        let named = matches!(*error.kind, ErrorKind::Truncated { .. } | ErrorKind::Limit { .. });
        assert!(named, "{error}");
    }
}

#[test]
fn sections_that_overlap_or_leave_gaps_are_refused() {
    let end = forged(&[(b"SECT", section("a", 0, 0)), (b"SECT", section("b", 0, 0))], None).len();
    let end = end as u64;
    for (a, b) in [(end, end), (end, end + 5), (end - 1, end + 3)] {
        let records = [(b"SECT", section("a", a, 4)), (b"SECT", section("b", b, 4))];
        let mut bytes = forged(&records, Some(end + 8));
        bytes.resize(bytes.len() + 8, 0);
        let error = Snapshot::from_slice(&bytes).unwrap_err();
        assert!(error.to_string().contains("it should start at byte"), "{error}");
    }
}

/// What a board's instances may occupy: far more than their declared maxima.
const BOARD_MAXIMA: usize = 4096;

/// A whole file with `change` made to one section or schema, every checksum right.
fn altered(golden: &[u8], random: &mut Random, in_schema: bool) -> Vec<u8> {
    let snapshot = Snapshot::from_slice(golden).unwrap();
    let header = snapshot.header();
    let mut builder = SnapshotBuilder::new("hostile", header.machine.clone(), header.position);
    let count = if in_schema { header.schemas.len() } else { header.sections.len() };
    let victim = random.below(count);
    let mut renamed = None;
    for (i, entry) in header.schemas.iter().enumerate() {
        let mut bytes = snapshot.schema(entry).unwrap().into_owned();
        let (mut name, mut version, mut hash) =
            (entry.type_name.clone(), entry.version, entry.hash);
        if in_schema && i == victim {
            alter(&mut bytes, random);
            // A hostile writer states the hash that his schema has.
            if let Ok(schema) = Schema::decode(&bytes) {
                (name, version) = (schema.type_name.clone(), schema.version);
                hash = schema.hash.to_bytes();
                renamed = Some((entry.hash, (name.clone(), version, hash)));
            }
        }
        builder.schema(&name, version, hash, bytes);
    }
    for (i, entry) in header.sections.iter().enumerate() {
        let mut bytes = snapshot.section(entry).unwrap().into_owned();
        if !in_schema && i == victim {
            alter(&mut bytes, random);
        }
        let (type_name, version, schema) = match &renamed {
            Some((old, new)) if *old == entry.schema => new.clone(),
            _ => (entry.type_name.clone(), entry.version, entry.schema),
        };
        let (kind, path) = (entry.kind.clone(), entry.path.clone());
        builder.section(SectionBody {
            kind,
            needed: true,
            path,
            type_name,
            version,
            schema,
            bytes,
        });
    }
    builder.to_bytes().unwrap_or_default()
}

/// Flips, overwrites, cuts or lengthens.
fn alter(bytes: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(bytes.len());
    match random.below(5) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => bytes[at] = 0xff,
        2 => bytes.truncate(at),
        3 => bytes.insert(at, random.below(256).to_le_bytes()[0]),
        _ => bytes[at..].iter_mut().take(9).for_each(|byte| *byte |= 0x80),
    }
}

/// Loads, dumps and compares a file, none of which may panic, and a load that fails changes nothing.
fn exercise(bytes: &[u8], golden: &[u8], what: &str) {
    let mut live = Board::new();
    let mut result = Ok(());
    let held = peak(|| {
        result = Snapshot::from_slice(bytes)
            .map_err(Into::into)
            .and_then(|snapshot| live.instances_mut().load(&snapshot));
    });
    assert!(held <= 2 * bytes.len() + ALLOWANCE + BOARD_MAXIMA, "{what}: held {held} bytes");
    if let Err(error) = result {
        assert_eq!(live, Board::new(), "{what}: {error}");
    } else {
        live.save().unwrap();
    }
    let Ok(snapshot) = Snapshot::from_slice(bytes) else { return };
    let held = peak(|| {
        let Ok(tree) = Tree::new(&snapshot) else { return };
        let mut text = String::new();
        for section in tree.sections() {
            // Damage is an error; that there is no panic and no explosion is the claim.
            drop(dump_instance(&mut text, &tree, section));
            text.clear();
            drop(json_instance(&mut text, &tree, section));
            text.clear();
        }
        drop(diff(&snapshot, &Snapshot::from_slice(golden).unwrap()));
    });
    assert!(held <= 4 * bytes.len() + ALLOWANCE, "{what}: a dump held {held} bytes");
}

#[test]
fn five_thousand_altered_values_and_schemas_never_panic_and_never_half_load() {
    let mut random = Random::seeded();
    let golden = Board::busy().save().unwrap();
    let mut refused = 0;
    for round in 0..5000 {
        let bytes = altered(&golden, &mut random, round % 2 == 0);
        exercise(&bytes, &golden, &format!("round {round}"));
        let load = |bytes| Board::new().instances_mut().load(&Snapshot::from_slice(bytes)?);
        let result: Result<(), vmstate::instances::InstanceErrors> = load(&bytes);
        refused += u32::from(result.is_err());
    }
    assert!(refused > 2500, "only {refused} of 5000 were refused: the alterations do nothing");
}
