#![expect(clippy::single_range_in_vec_init, reason = "lists of ranges, some with one")]

use super::*;

fn memory() -> GuestMemory {
    GuestMemory::new(&[0x1000..0x3000, 0x8000_0000..0x8001_0000]).unwrap()
}

#[test]
fn ram_reads_back_what_was_written_in_every_region() {
    let memory = memory();
    for addr in [0x1000, 0x2ff8, 0x8000_0000, 0x8000_0ffc, 0x8000_fff8] {
        memory.write(addr, &addr.to_le_bytes()).unwrap();
        assert_eq!(memory.read_u64(addr), Ok(addr));
    }
    assert_eq!(memory.page_of(0x8000_1234), Some(3));
    assert_eq!(memory.address_of(3), 0x8000_1000);
}

#[test]
fn an_access_that_leaves_ram_does_nothing() {
    let memory = memory();
    for addr in [0, 0xffc, 0x2ffc, 0x8000_fffc, u64::MAX - 3] {
        assert_eq!(memory.write(addr, &[1; 8]), Err(NotRam { addr, bytes: 8 }), "{addr:#x}");
        assert_eq!(memory.read_u64(addr), Err(NotRam { addr, bytes: 8 }), "{addr:#x}");
    }
    assert_eq!(memory.dirty_count(), 0);
}

#[test]
fn bad_ranges_are_refused() {
    for ranges in [vec![0..0], vec![1..0x1000], vec![0..0x2000, 0x1000..0x3000]] {
        assert!(GuestMemory::new(&ranges).is_err(), "{ranges:?}");
    }
}

#[test]
fn the_first_write_of_an_epoch_preserves_the_page() {
    let memory = memory();
    memory.write(0x1000, &[1]).unwrap();
    memory.begin_epoch(true);
    memory.write(0x1000, &[2]).unwrap();
    memory.write(0x1001, &[3]).unwrap();
    memory.write(0x2fff, &[4]).unwrap();
    assert_eq!(memory.dirty_pages(), [0, 1]);
    memory.rewind_epoch();
    let mut bytes = [0; 2];
    memory.read(0x1000, &mut bytes).unwrap();
    assert_eq!(bytes, [1, 0]);
    let preserved = memory.begin_epoch(false);
    assert_eq!(preserved[&0].as_deref().unwrap()[..2], [1, 0]);
    assert_eq!(preserved[&1], None, "an untouched page is kept as zero");
}

#[test]
fn listeners_hear_of_writes_and_keep_the_page_slow() {
    let memory = memory();
    memory.write(0x8000_0000, &[1]).unwrap();
    assert!(memory.is_fast_writable(2));
    memory.mark_tagged(2);
    let seen = memory.change_count();
    memory.mark_code(2, 0xc..0x10);
    assert_eq!(memory.changes_since(seen), Changes::Since(vec![Change::Revoked { page: 2 }]));
    let (seen, version) = (memory.change_count(), memory.page_version(2));
    memory.add_table_user(2);
    memory.watch(&[0x8000_0010..0x8000_0018]);
    assert!(!memory.is_fast_writable(2));
    memory.write(0x8000_000c, &[0; 8]).unwrap();
    memory.write(0x8000_0018, &[0; 8]).unwrap();
    assert_eq!(
        memory.changes_since(seen),
        Changes::Since(vec![
            Change::Code { page: 2 },
            Change::Table { page: 2, offset: 0xc, bytes: 8 },
            Change::Watched { addr: 0x8000_000c, bytes: 8 },
            Change::Table { page: 2, offset: 0x18, bytes: 8 },
        ])
    );
    assert_ne!(memory.page_version(2), version);
    memory.remove_table_user(2);
    memory.watch(&[]);
    assert!(memory.is_fast_writable(2));
}

#[test]
fn a_reader_that_fell_behind_is_told_to_drop_everything() {
    let memory = memory();
    memory.add_table_user(0);
    for _ in 0..5000 {
        memory.write(0x1000, &[0]).unwrap();
    }
    assert_eq!(memory.changes_since(0), Changes::Everything);
    assert!(matches!(memory.changes_since(4999), Changes::Since(changes) if changes.len() == 1));
}

#[test]
fn clear_zeroes_and_is_a_write() {
    let memory = memory();
    memory.write(0x1000, &[1; 0x2000]).unwrap();
    memory.mark_code(0, 0..2);
    memory.begin_epoch(true);
    let seen = memory.change_count();
    memory.clear();
    assert_eq!(memory.read_u64(0x2ff8), Ok(0));
    assert_eq!(memory.changes_since(seen), Changes::Since(vec![Change::Code { page: 0 }]));
    assert_eq!(memory.begin_epoch(false).len(), 2);
}

#[test]
fn data_beside_code_leaves_the_code_alone() {
    let memory = memory();
    memory.mark_code(0, 0x3c..0x44);
    for (addr, stale) in [(0x1080, false), (0x1ff8, false), (0x107c, true), (0x1000, false)] {
        let seen = memory.change_count();
        memory.write(addr, &[0; 4]).unwrap();
        assert_eq!(memory.change_count() != seen, stale, "{addr:#x}");
    }
}

#[test]
fn rom_is_written_by_the_host_and_not_by_the_guest() {
    let memory = memory();
    memory.write(0x1000, &[1; 8]).unwrap();
    memory.protect(0x1000..0x2000);
    for (addr, bytes, taken) in
        [(0x1000, 4, false), (0x1ffe, 4, false), (0x2000, 4, true), (0x2ffe, 2, true)]
    {
        assert_eq!(memory.store(addr, &vec![9; bytes]).is_ok(), taken, "{addr:#x}");
    }
    assert!(!memory.is_fast_writable(0) && !memory.make_writable(0));
    assert!(!memory.is_writable(0x1000) && memory.is_writable(0x2000));
    assert_eq!(memory.read_u64(0x1000), Ok(0x0101_0101_0101_0101));
    memory.write(0x1000, &[2; 8]).unwrap();
    memory.begin_epoch(false);
    assert_eq!(memory.read_u64(0x1000), Ok(0x0202_0202_0202_0202));
    assert_eq!(memory.store(0x5000, &[1]), Err(NotRam { addr: 0x5000, bytes: 1 }));
}
