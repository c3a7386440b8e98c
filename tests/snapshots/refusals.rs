//! What does not fit is refused by name, and the machine that was to load it stays as it was.

use std::fs::{self, OpenOptions};

use emulator::{
    machine::{Image, Machine, board::Config},
    snapshot::{self, Chain, LoadOptions, SaveOptions},
};

use super::machines::{
    Keys, NEW, OLD, build, config, demo, demo_at_prompt, fill, load, run, save, seen,
};

/// Loading `path` into the running `machine` fails with a message that holds `words`, changes nothing,
/// and the machine goes on as `twin`, which never tried.
fn refused(machine: &mut Machine, path: &std::path::Path, words: &[&str]) {
    let before = seen(machine);
    let error = load(machine, path).expect_err("it must be refused").to_string();
    for word in words {
        assert!(error.contains(word), "`{word}` is missing: {error}");
    }
    assert_eq!(seen(machine), before, "{error}");
}

#[test]
fn a_file_cut_at_any_byte_names_the_section_that_is_cut() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("s.vmstate");
    save(&demo_at_prompt(NEW), &path, SaveOptions { base: None, compress: true });
    let header_len = Chain::open(&path).expect("it opens").newest().header().header_len;
    let file = OpenOptions::new().write(true).open(&path).expect("the file");
    let length = file.metadata().expect("the file").len();
    let mut sections = std::collections::BTreeSet::new();
    for cut in (0..length).rev() {
        // Each byte of the header and around; every seventh of the data.
        if cut > header_len + 64 && cut % 7 != 0 {
            continue;
        }
        file.set_len(cut).expect("it can be cut");
        let error = Chain::open(&path).expect_err("it is cut").to_string();
        let section = error.split('`').nth(3).map(str::to_owned);
        assert!(error.contains("section") || error.contains("header"), "cut at {cut}: {error}");
        sections.extend(section);
    }
    for section in ["hart0", "machine", "ram1", "soc/uart0"] {
        assert!(sections.contains(section), "no cut named {section}: {sections:?}");
    }
}

#[test]
fn a_load_that_fails_leaves_the_running_machine_as_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("s.vmstate");
    let other = demo_at_prompt(NEW);
    fill(&other, 40);
    for compress in [false, true] {
        save(&other, &path, SaveOptions { base: None, compress });
        let good = fs::read(&path).expect("the file");
        let header = Chain::open(&path).expect("it opens").newest().header().clone();
        let state = header.sections.iter().find(|s| s.path == "hart0").expect("listed").extent;
        let ram = header.raws.last().expect("RAM").data;
        let (mut machine, mut twin) = (demo(NEW), demo(NEW));
        for running in [&mut machine, &mut twin] {
            run(running, &mut Keys::default(), 1_234_567);
        }
        for (at, word) in
            [(state.offset + state.length / 2, "hart0"), (ram.offset + ram.length / 2, "ram1")]
        {
            let mut bytes = good.clone();
            bytes[usize::try_from(at).expect("it is in memory")] ^= 0x10;
            fs::write(&path, bytes).expect("written");
            refused(&mut machine, &path, &[word, "checksum"]);
        }
        for running in [&mut machine, &mut twin] {
            run(running, &mut Keys::typing(4_000_000, "poweroff 3\r"), 50_000_000);
        }
        assert_eq!(seen(&machine), seen(&twin));
    }
}

#[test]
fn another_kernel_is_refused_by_its_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("s.vmstate");
    let image = |bytes: &[u8]| Config {
        images: Some(vec![
            Image::new("kernel", 0x8000_0000, bytes),
            Image::new("reset vector", 0x1000, [0x6f, 0, 0, 0]),
        ]),
        ..config()
    };
    let mut first = build(NEW, &image(b"the kernel"));
    first.power_on(&mut Keys::default());
    let named = Config { kernel: Some("/boot/vmlinux".into()), ..image(b"the kernel") };
    snapshot::save_machine(&first, &named, &path, SaveOptions::default()).expect("it can be saved");
    let mut second = build(NEW, &image(b"the kerneL"));
    second.power_on(&mut Keys::default());
    refused(&mut second, &path, &["taken with the kernel `/boot/vmlinux`", "another file"]);
}

#[test]
fn another_machine_another_shape_and_another_base_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let [old, new, small] = ["old", "new", "small"].map(|name| folder.path().join(name));
    save(&demo_at_prompt(OLD), &old, SaveOptions::default());
    let mut machine = demo_at_prompt(NEW);
    refused(&mut machine, &old, &["is of the machine riscv64-virt@1.0, not riscv64-virt@1.1"]);
    save(&machine, &new, SaveOptions::default());
    let larger = Config { memory_bytes: 32 << 20, ..config() };
    let mut other = build(NEW, &larger);
    other.power_on(&mut Keys::default());
    refused(&mut other, &new, &["device tree"]);
    let options = SaveOptions { base: Some(&new), compress: false };
    let error = snapshot::save_machine(&other, &larger, &small, options).expect_err("too small");
    assert!(error.to_string().contains("16 MiB of RAM, the machine has 32 MiB"), "{error}");
    let own = SaveOptions { base: Some(&new), compress: false };
    let error = snapshot::save_machine(&machine, &config(), &new, own).expect_err("itself");
    assert!(error.to_string().contains("cannot be its own base"), "{error}");
    assert!(Chain::open(&new).is_ok(), "and stands untouched");
}

#[test]
fn damage_in_plain_ram_is_found_by_verifying_and_names_the_section() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("s.vmstate");
    let mut machine = demo_at_prompt(NEW);
    fill(&machine, 64);
    save(&machine, &path, SaveOptions::default());
    let chain = Chain::open(&path).expect("it opens");
    let ram = chain.newest().header().raws.last().expect("RAM").data;
    let mut bytes = fs::read(&path).expect("the file");
    bytes[usize::try_from(ram.offset + ram.length - 100).expect("in memory")] ^= 1;
    fs::write(&path, bytes).expect("written");
    let chain = Chain::open(&path).expect("the metadata is whole");
    let error = snapshot::load_machine(&mut machine, &chain, LoadOptions { verify: true })
        .expect_err("it is damaged")
        .to_string();
    assert!(error.contains("ram1") && error.contains("checksum"), "{error}");
}
