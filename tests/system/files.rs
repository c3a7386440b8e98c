//! Files that a machine cannot start from: each is named, with what was expected.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use emulator::machine::board::{self, Config};

/// Files of all sorts, none of them useful.
struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    fn write(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).expect("it is written");
        path
    }

    /// A file of that length that takes no space.
    fn sparse(&self, name: &str, bytes: u64) -> PathBuf {
        let path = self.folder.path().join(name);
        File::create(&path).and_then(|file| file.set_len(bytes)).expect("a sparse file");
        path
    }
}

/// What a file is to the machine, and a configuration that names it.
type Named = (&'static str, fn(PathBuf) -> Config);

/// The options that name a file.
const OPTIONS: [Named; 4] = [
    ("firmware", |path| Config { bios: Some(path), ..Config::default() }),
    ("kernel", |path| Config { kernel: Some(path), ..bare() }),
    ("initrd", |path| Config { initrd: Some(path), kernel: Some(demo()), ..bare() }),
    ("device tree", |path| Config { dtb: Some(path), ..Config::default() }),
];

/// A configuration for a kernel without firmware, with little memory.
fn bare() -> Config {
    Config { bios: Some("none".into()), memory_bytes: MEMORY_BYTES, ..Config::default() }
}

const MEMORY_BYTES: u64 = 32 << 20;

/// An executable that could be a kernel.
fn demo() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("machines/guests/demo.elf")
}

/// The complaint about a configuration.
#[track_caller]
fn complaint(config: &Config) -> String {
    let (board, version) = board::find(machines::BOARDS, "riscv64-virt").expect("it is listed");
    let built = board.build(version, config).map(|_| ());
    built.expect_err("the configuration cannot be used").to_string()
}

#[test]
fn a_missing_file_is_named_with_its_role() {
    for (role, config) in OPTIONS {
        let said = complaint(&config("/nowhere/file".into()));
        let message = format!("{role} /nowhere/file: cannot be read: No such file or directory");
        assert!(said.starts_with(&message), "{said}");
    }
}

#[test]
fn a_folder_is_no_file() {
    let files = Files::new();
    for (role, config) in OPTIONS {
        let said = complaint(&config(files.folder.path().to_owned()));
        assert!(said.starts_with(role) && said.contains("is a directory"), "{said}");
    }
}

#[test]
fn an_empty_file_is_named_with_its_role() {
    let files = Files::new();
    let path = files.write("empty", b"");
    for (role, config) in OPTIONS {
        let message = format!("{role} {}: the file is empty, which is no {role}", path.display());
        assert_eq!(complaint(&config(path.clone())), message);
    }
}

#[test]
fn a_file_for_another_machine_or_of_another_kind_says_what_was_expected() {
    let files = Files::new();
    // Its first page: whole, this test is larger than the machine's memory.
    let mut host = vec![0; 4096];
    let test = std::env::current_exe().expect("a test is an executable");
    File::open(test).and_then(|mut file| file.read_exact(&mut host)).expect("it is larger");
    let host = files.write("host.elf", &host);
    let text = files.write("notes.txt", b"not a kernel, far too short");
    let mut image = [0_u8; 4096];
    image[56..60].copy_from_slice(b"ARM\x64");
    let arm = files.write("Image", &image);
    let mut small = std::fs::read(demo()).expect("the demo guest");
    small[4] = 1;
    let small = files.write("small.elf", &small);
    let torn = files.write("torn.elf", &std::fs::read(demo()).expect("the demo guest")[..100]);
    let packed = files.write("Image.gz", &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1, 2, 3]);
    let riscv = "a 64-bit ELF executable for RISC-V";
    let kernel = "a RISC-V Linux Image, an ELF executable, or either of them in gzip";
    for (option, path, problem, expected) in [
        (0, &host, "an ELF file for machine number", riscv),
        (0, &small, "not a 64-bit ELF file", riscv),
        (0, &torn, "", riscv),
        (0, &packed, "damaged gzip data", "a whole gzip file"),
        (1, &host, "an ELF file for machine number", riscv),
        (1, &small, "not a 64-bit ELF file", riscv),
        (1, &text, "neither a Linux Image nor ELF", kernel),
        (1, &arm, "a Linux Image for another architecture", kernel),
        (3, &text, "no device tree blob", "a flattened device tree"),
    ] {
        let (role, config) = OPTIONS[option];
        let said = complaint(&config(path.clone()));
        assert!(said.starts_with(&format!("{role} {}: {problem}", path.display())), "{said}");
        assert!(said.contains(&format!("; expected {expected}")), "{said}");
    }
}

#[test]
fn a_file_that_does_not_fit_is_named_with_the_room_there_is() {
    let files = Files::new();
    let huge = files.sparse("huge", MEMORY_BYTES + 1);
    for (role, config) in &OPTIONS[..3] {
        let config = Config { memory_bytes: MEMORY_BYTES, ..config(huge.clone()) };
        let said = complaint(&config);
        assert!(said.starts_with(&format!("{role} {}: larger than", huge.display())), "{said}");
        assert!(said.contains(&format!("{MEMORY_BYTES} bytes")) && said.contains("--memory"));
    }
    let (_, device_tree) = OPTIONS[3];
    let said = complaint(&device_tree(huge.clone()));
    assert!(said.contains("expected a flattened device tree of at most 2 MiB"), "{said}");

    // It is smaller than memory, and the kernel is there already.
    let (_, initrd) = OPTIONS[2];
    let snug = files.sparse("snug", MEMORY_BYTES - (2 << 20));
    let said = complaint(&initrd(snug.clone()));
    assert!(said.starts_with(&format!("{}: initrd", snug.display())), "{said}");
    assert!(said.contains("overlaps kernel"), "{said}");
}
