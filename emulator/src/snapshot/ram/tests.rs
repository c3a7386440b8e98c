//! Guest RAM through files and back.

use std::path::Path;

use vmstate::container::{AtomicFile, MachineName, ParentRef, Position, SnapshotBuilder};

use super::{declare, stage};
use crate::memory::{GuestMemory, PAGE_BYTES};
use crate::snapshot::chain::container_error;
use crate::snapshot::{Chain, SnapshotError, write_pages};

const BASE: u64 = 0x8000_0000;
const BYTES: u64 = 4 << 20;

fn save(memory: &GuestMemory, path: &Path, base: Option<&Path>, compress: bool) {
    let mut builder = SnapshotBuilder::new("test", MachineName::default(), Position::default());
    let chain = base.map(|path| Chain::open(path).unwrap());
    if let (Some(chain), Some(base)) = (&chain, base) {
        builder.parent(ParentRef {
            name: base.file_name().unwrap().to_str().unwrap().to_owned(),
            fingerprint: chain.newest().fingerprint().unwrap(),
            position: Position::default(),
        });
    }
    let mut declared = declare(memory, chain.as_ref(), compress, &mut builder).unwrap();
    let context = container_error(path);
    let mut writer = builder.begin(AtomicFile::create(path).unwrap()).unwrap();
    for ram in &mut declared {
        write_pages(&ram.body, &mut writer, &mut ram.pages, &context).unwrap();
    }
    writer.finish().unwrap().commit().unwrap();
}

fn load(path: &Path, memory: &GuestMemory) -> Result<(), SnapshotError> {
    stage(memory, &Chain::open(path)?).map(|staged| staged.commit(memory))
}

fn content(memory: &GuestMemory) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(BYTES).unwrap()];
    memory.read(BASE, &mut bytes).unwrap();
    bytes
}

#[test]
fn ram_comes_back_as_it_was_also_over_other_content() {
    for compress in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let [full, later] = ["full", "later"].map(|name| folder.path().join(name));
        let memory = GuestMemory::at(BASE, BYTES).unwrap();
        memory.write(BASE + 5000, b"across a page boundary".repeat(300).as_slice()).unwrap();
        memory.write(BASE + BYTES - 4, b"last").unwrap();
        let first = content(&memory);
        save(&memory, &full, None, compress);
        memory.write(BASE + BYTES - 4, &[0; 4]).unwrap();
        memory.write(BASE + 100 * PAGE_BYTES, b"new").unwrap();
        let second = content(&memory);
        save(&memory, &later, Some(&full), compress);
        assert!(std::fs::metadata(&later).unwrap().len() < 5 * PAGE_BYTES);

        let other = GuestMemory::at(BASE, BYTES).unwrap();
        other.write(BASE + 7 * PAGE_BYTES, &[1; 9000]).unwrap();
        load(&later, &other).unwrap();
        assert!(content(&other) == second, "compress {compress}");
        load(&full, &other).unwrap();
        assert!(content(&other) == first, "compress {compress}");
    }
}

#[test]
fn a_load_that_fails_leaves_ram_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("full");
    let memory = GuestMemory::at(BASE, BYTES).unwrap();
    memory.write(BASE, &[7; 10_000]).unwrap();
    // What is packed is read, and thereby proved; what is plain is mapped.
    save(&memory, &path, None, true);
    let mut bytes = std::fs::read(&path).unwrap();
    let data = Chain::open(&path).unwrap().newest().header().raws[0].data;
    bytes[usize::try_from(data.offset + data.length / 2).unwrap()] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    memory.write(BASE, b"live").unwrap();
    let before = content(&memory);
    let error = load(&path, &memory).unwrap_err().to_string();
    assert!(error.contains("section `ram0`") && error.contains("checksum"), "{error}");
    assert!(content(&memory) == before);
}

#[test]
fn ram_of_another_size_is_refused_with_both_sizes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("full");
    save(&GuestMemory::at(BASE, BYTES).unwrap(), &path, None, false);
    let error = load(&path, &GuestMemory::at(BASE, 2 * BYTES).unwrap()).unwrap_err().to_string();
    assert!(error.contains("it holds 4 MiB of RAM, the machine has 8 MiB"), "{error}");
}

#[test]
fn long_runs_are_mapped_and_the_file_stays_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("full");
    let memory = GuestMemory::at(BASE, BYTES).unwrap();
    let bytes: Vec<u8> = (0..300_000_u32).map(|n| (n % 251).to_le_bytes()[0]).collect();
    memory.write(BASE + 100, &bytes).unwrap();
    save(&memory, &path, None, false);
    let (before, file) = (content(&memory), std::fs::read(&path).unwrap());
    let other = GuestMemory::at(BASE, BYTES).unwrap();
    load(&path, &other).unwrap();
    assert!(content(&other) == before);
    other.write(BASE, &[1; 200_000]).unwrap();
    assert!(std::fs::read(&path).unwrap() == file, "the file is never modified");
    load(&path, &other).unwrap();
    assert!(content(&other) == before, "loaded over a mapped load");
    // Replacing the file leaves what is mapped alone.
    save(&GuestMemory::at(BASE, BYTES).unwrap(), &path, None, false);
    assert!(content(&other) == before);
}
