//! Chains of snapshots over a toy RAM of 2,000 pages.

use std::fs;
use std::path::{Path, PathBuf};

use vmstate::container::{
    AtomicFile, MachineName, PAGE_LEN, PageKind, PageMap, ParentRef, Position, Snapshot,
    SnapshotBuilder,
};

use super::chain::container_error;
use super::pages::PAGE;
use super::{
    Chain, ChainPages, PieceSource, RamBody, ReadPage, SnapshotError, flatten, write_pages,
};

const PAGES: u64 = 2000;

/// RAM whose page `n` is filled with one byte.
type Ram = Vec<u8>;

/// What to do with a page of a snapshot.
fn save(path: &Path, ram: &Ram, parent: Option<(&Path, &Ram)>, packed: bool) {
    let mut builder = SnapshotBuilder::new(
        "test",
        MachineName::default(),
        Position { steps: 7, ..Position::default() },
    );
    let mut map = PageMap::new(PAGE_LEN);
    for (number, value) in (0..).zip(ram) {
        let old = parent.map_or(0, |(_, old)| old[usize::try_from(number).unwrap()]);
        if *value != old {
            map.push(number, if *value == 0 { PageKind::Zero } else { PageKind::Data });
        }
    }
    if let Some((parent, _)) = parent {
        let fingerprint = Chain::open(parent).unwrap().newest().fingerprint().unwrap();
        let name = parent.file_name().unwrap().to_str().unwrap().to_owned();
        builder.parent(ParentRef { name, fingerprint, position: Position::default() });
    }
    let mut source =
        |number: u64, page: &mut [u8]| page.fill(ram[usize::try_from(number).unwrap()]);
    let mut body = RamBody::plain("ram0", PAGES, map);
    if packed {
        body = body.pack(&mut source).unwrap();
    }
    body.declare(&mut builder);
    let context = container_error(path);
    let mut writer = builder.begin(AtomicFile::create(path).unwrap()).unwrap();
    write_pages(&body, &mut writer, &mut source, &context).unwrap();
    writer.finish().unwrap().commit().unwrap();
}

fn load(path: &Path) -> Result<Ram, SnapshotError> {
    let chain = Chain::open(path)?;
    let mut pages = ChainPages::new(&chain, "ram0")?;
    assert_eq!(pages.page_count(), PAGES);
    let mut page = [0; PAGE];
    (0..PAGES)
        .map(|number| {
            pages.read_page(number, &mut page)?;
            assert!(page.iter().all(|byte| *byte == page[0]));
            Ok(page[0])
        })
        .collect()
}

/// Three RAMs, each a change of the one before: some pages set, some cleared, most left.
fn histories() -> [Ram; 3] {
    let first: Ram = (0..2000)
        .map(|n: u32| if n.is_multiple_of(3) { 0 } else { (n % 251).to_le_bytes()[0] })
        .collect();
    let mut second = first.clone();
    second[100..700].fill(9);
    second[1500..1600].fill(0);
    let mut third = second.clone();
    third[650..1550].iter_mut().step_by(2).for_each(|value| *value = value.wrapping_add(1));
    [first, second, third]
}

fn names(folder: &Path) -> [PathBuf; 3] {
    ["full.vmstate", "second.vmstate", "third.vmstate"].map(|name| folder.join(name))
}

#[test]
fn a_chain_loads_as_one_however_its_layers_are_packed() {
    for packing in 0..8 {
        let folder = tempfile::tempdir().unwrap();
        let ([a, b, c], [first, second, third]) = (names(folder.path()), histories());
        save(&a, &first, None, packing & 1 != 0);
        save(&b, &second, Some((&a, &first)), packing & 2 != 0);
        save(&c, &third, Some((&b, &second)), packing & 4 != 0);
        for (path, ram) in [(&a, &first), (&b, &second), (&c, &third)] {
            assert!(load(path).unwrap() == *ram, "packing {packing}: {}", path.display());
        }
        for compress in [false, true] {
            let out = folder.path().join("flat.vmstate");
            flatten(&Chain::open(&c).unwrap(), &out, compress).unwrap();
            let chain = Chain::open(&out).unwrap();
            assert_eq!(chain.layers().len(), 1, "a flat file rests on no other");
            assert_eq!(chain.newest().header().position.steps, 7);
            chain.newest().verify().unwrap();
            assert!(load(&out).unwrap() == third, "packing {packing}, flat");
        }
    }
}

#[test]
fn pieces_cover_every_page_once_and_plain_data_is_aligned() {
    let folder = tempfile::tempdir().unwrap();
    let ([a, b, c], [first, second, third]) = (names(folder.path()), histories());
    save(&a, &first, None, false);
    save(&b, &second, Some((&a, &first)), false);
    save(&c, &third, Some((&b, &second)), false);
    let mut next = 0;
    for piece in Chain::open(&c).unwrap().pieces("ram0").unwrap() {
        assert_eq!(piece.first, next);
        assert!(piece.pages > 0);
        if let PieceSource::File { offset, .. } = piece.source {
            assert!(offset.is_multiple_of(PAGE_LEN.into()));
        }
        next += piece.pages;
    }
    assert_eq!(next, PAGES);
}

#[test]
fn an_incremental_file_is_small() {
    let folder = tempfile::tempdir().unwrap();
    let ([a, b, _], [first, ..]) = (names(folder.path()), histories());
    save(&a, &first, None, false);
    let mut second = first.clone();
    second[4] = 77;
    save(&b, &second, Some((&a, &first)), false);
    assert!(fs::metadata(&a).unwrap().len() > 1300 * u64::from(PAGE_LEN));
    assert!(fs::metadata(&b).unwrap().len() < 4 * u64::from(PAGE_LEN));
}

#[test]
fn a_parent_that_was_replaced_is_refused_by_both_names() {
    let folder = tempfile::tempdir().unwrap();
    let ([a, b, _], [first, second, third]) = (names(folder.path()), histories());
    save(&a, &first, None, false);
    save(&b, &second, Some((&a, &first)), false);
    save(&a, &third, None, false);
    let error = Chain::open(&b).unwrap_err().to_string();
    assert!(
        error.contains("second.vmstate` rests on") && error.contains("full.vmstate`"),
        "{error}"
    );
    fs::remove_file(&a).unwrap();
    let error = Chain::open(&b).unwrap_err().to_string();
    assert!(error.contains("full.vmstate"), "{error}");
}

#[test]
fn a_file_that_is_its_own_ancestor_cannot_exist() {
    let folder = tempfile::tempdir().unwrap();
    let ([a, b, _], [first, second, _]) = (names(folder.path()), histories());
    save(&a, &first, None, false);
    save(&b, &second, Some((&a, &first)), false);
    fs::rename(&b, &a).unwrap();
    assert!(matches!(Chain::open(&a), Err(SnapshotError::ParentChanged { .. })));
}

#[test]
fn damaged_pages_are_refused_by_section_when_they_are_read() {
    for packed in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let ([a, ..], [first, ..]) = (names(folder.path()), histories());
        save(&a, &first, None, packed);
        let mut bytes = fs::read(&a).unwrap();
        let data = Snapshot::from_slice(&bytes).unwrap().header().raws[0].data;
        bytes[usize::try_from(data.offset + data.length / 2).unwrap()] ^= 1;
        fs::write(&a, bytes).unwrap();
        let error = load(&a).unwrap_err().to_string();
        assert!(error.contains("section `ram0`") && error.contains("checksum"), "{error}");
    }
}
