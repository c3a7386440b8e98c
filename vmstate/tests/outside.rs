//! A crate outside this workspace, with a lock of its own: it freezes, builds, and stops building when
//! something released is edited.

use std::fs;
use std::path::Path;
use std::process::Command;

const DEVICE: &str = r#"
use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1)]
pub struct Fifo {
    pub level: u8,
}

#[derive(VmState)]
#[vmstate(version = 1)]
pub struct Uart {
    pub fcr: u8,
    pub fifo: Fifo,
    #[vmstate(flags(READY = 0, ERROR = 7))]
    pub lsr: u8,
    pub slots: [u8; SLOTS],
    pub mode: Mode,
}

pub const SLOTS: usize = 4;

#[derive(VmState)]
#[vmstate(version = 1)]
pub enum Mode {
    #[vmstate(id = 1)]
    Idle,
    #[vmstate(id = 2)]
    Busy { left: u8 },
}

#[derive(VmState)]
#[vmstate(version = 1)]
pub struct Ring<T> {
    pub head: T,
}

vmstate::types![Fifo, Mode, Ring<u32>, Uart];
"#;

fn cargo(root: &Path, words: &[&str], freeze: &str) -> (bool, String) {
    let target = concat!(env!("CARGO_TARGET_TMPDIR"), "/outside");
    let output = Command::new(env!("CARGO"))
        .args(words)
        .args(["--offline", "--quiet"])
        .current_dir(root)
        .env("CARGO_TARGET_DIR", target)
        .env("VMSTATE_FREEZE", freeze)
        .env_remove("RUSTFLAGS")
        .output()
        .expect("cargo runs");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

fn write(root: &Path, source: &str) {
    fs::write(root.join("src/lib.rs"), source).expect("the folder is writable");
}

/// The edit must fail to build with every one of `expected` in its message, which is returned.
fn refuses(root: &Path, source: &str, expected: &[&str]) -> String {
    write(root, source);
    let (built, message) = cargo(root, &["check"], "0");
    assert!(!built, "this must not build:\n{source}");
    for part in expected {
        assert!(message.contains(part), "`{part}` is not in:\n{message}");
    }
    message
}

#[test]
fn a_crate_with_its_own_lock_freezes_and_refuses_unbumped_edits() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = folder.path();
    fs::create_dir(root.join("src")).expect("the folder is writable");
    let manifest = format!(
        "[package]\nname = \"outside\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\
         [dependencies]\nvmstate = {{ path = {:?} }}\n[workspace]\n",
        env!("CARGO_MANIFEST_DIR")
    );
    fs::write(root.join("Cargo.toml"), manifest).expect("the folder is writable");
    let lock = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock");
    fs::copy(lock, root.join("Cargo.lock")).expect("the workspace has a lock");
    fs::write(root.join("vmstate.lock"), "").expect("the folder is writable");
    write(root, DEVICE);

    let (frozen, message) = cargo(root, &["test", "--lib", "vmstate_lock"], "1");
    assert!(frozen, "{message}");
    let lock = fs::read_to_string(root.join("vmstate.lock")).expect("it was written");
    assert!(lock.contains("type Uart version 1"), "{lock}");
    // The changed lock alone makes cargo build again, and what was released still builds.
    let (tested, message) = cargo(root, &["test", "--lib"], "0");
    assert!(tested, "{message}");

    edits_are_refused(root);
    edits_are_refused_together(root);
    edits_are_refused_in_another_crate(root);
    let bumped_fifo = DEVICE.replacen("version = 1", "version = 2", 1).replace(
        "pub level: u8,",
        "pub level: u8, #[vmstate(since = 2, default = 16)] pub depth: u8,",
    );
    refuses(
        root,
        &bumped_fifo,
        &["`Uart.fifo`: a type in it has a newer version", "write `version = 2` on `Uart`"],
    );
    // Bumping the owner too is the way out; the released versions still check.
    write(root, &bumped_fifo.replace("version = 1", "version = 2"));
    let (tested, message) = cargo(root, &["test", "--lib"], "0");
    assert!(tested, "{message}");
    published(root);
    released_twice(root, &bumped_fifo.replace("version = 1", "version = 2"));
}

/// What docs/src/writing-a-device-state.md says that the compiler says, in one line.
fn refusal_in_the_book() -> String {
    let chapter = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/src/writing-a-device-state.md");
    let text = fs::read_to_string(chapter).expect("the chapter is there");
    let (_, rest) = text.split_once("```text\n").expect("it shows a message");
    let (block, _) = rest.split_once("```").expect("blocks end");
    block.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// One edit of something released at a time.
fn edits_are_refused(root: &Path) {
    refuses(root, &DEVICE.replace("pub fcr: u8", "pub fcr: u16"), &[&refusal_in_the_book()]);
    refuses(
        root,
        &DEVICE.replace("pub fcr: u8,", ""),
        &["`Uart.fcr` (u8) was released in version 1", "is gone", "removed(fcr"],
    );
    refuses(
        root,
        &DEVICE.replace("pub fcr: u8,", "pub fcr: u8, pub ier: u8,"),
        &["`Uart.ier` is not in the released version 1", "since = 2"],
    );
    refuses(
        root,
        &DEVICE.replace("ERROR = 7", "ERROR = 6"),
        &[
            "`Uart.lsr` was flags(u8, READY = 0, ERROR = 7) in the released version 1",
            "write `version = 2`",
            "`former_flags(until = 1, ..)` with the released names and bits",
        ],
    );
    refuses(
        root,
        &DEVICE.replace("SLOTS: usize = 4", "SLOTS: usize = 5"),
        &["`Uart` no longer has the shape that was released as version 1", "a constant length"],
    );
    refuses(
        root,
        &DEVICE.replace("pub head: T", "pub head: [T; 2]"),
        &["a released version of `Ring<u32>` changed", "restore it and raise `version`"],
    );
}

fn edits_are_refused_together(root: &Path) {
    refuses(
        root,
        &DEVICE
            .replace("id = 1)]\n    Idle", "id = 3)]\n    Idle")
            .replace("left: u8", "left: u16")
            .replace("pub level: u8", "pub depth: u8"),
        &[
            "`Mode::Idle` was released with id 1 in version 1",
            "`Mode.Busy.left` was u8 in the released version 1",
            "`Fifo.depth` is not in the released version 1 (vmstate.lock), and `Fifo.level` (u8) is gone",
            "if it was renamed, write `version = 2` and `#[vmstate(alias(\"level\", until = 1))]`",
        ],
    );
    refuses(
        root,
        &DEVICE.replace("Busy { left: u8 }", "Lost"),
        &[
            "variant `Busy` (id 2) of `Mode` was released in version 1",
            "`#[vmstate(name = \"Busy\")]`",
            "`Mode::Lost` is not in the released version 1",
            "write `version = 2` and `#[vmstate(since = 2)]` on it",
        ],
    );
}

/// A board with a lock of its own holds the `Uart` of the first crate, which holds the `Fifo`.
fn edits_are_refused_in_another_crate(root: &Path) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let board = folder.path();
    fs::create_dir(board.join("src")).expect("the folder is writable");
    let manifest = fs::read_to_string(root.join("Cargo.toml")).expect("it is there");
    let manifest = manifest
        .replace("name = \"outside\"", "name = \"board\"")
        .replace("[workspace]", &format!("outside = {{ path = {root:?} }}\n[workspace]"));
    fs::write(board.join("Cargo.toml"), manifest).expect("the folder is writable");
    fs::copy(root.join("Cargo.lock"), board.join("Cargo.lock")).expect("the folder is writable");
    let source = "#[derive(vmstate::VmState)]\n#[vmstate(version = 1)]\npub struct Board {\n    \
                  pub uart: outside::Uart,\n}\nvmstate::types![Board];\n";
    fs::write(board.join("vmstate.lock"), "").expect("the folder is writable");
    write(board, source);
    write(root, DEVICE);
    let (frozen, message) = cargo(board, &["test", "--lib", "vmstate_lock"], "1");
    assert!(frozen, "{message}");

    // The first crate has released nothing of its own.
    let lock = fs::read_to_string(root.join("vmstate.lock")).expect("it was written");
    fs::write(root.join("vmstate.lock"), "").expect("the folder is writable");
    write(root, &DEVICE.replace("pub level: u8", "pub level: u32"));
    refuses(board, source, &["`Board` no longer has the shape that was released as version 1"]);
    // The way out: a version of each from the bottom to the top.
    let bumped = DEVICE.replace("version = 1", "version = 2").replace(
        "pub level: u8,",
        "pub level: u8, #[vmstate(since = 2, default = 16)] pub depth: u8,",
    );
    fs::write(root.join("vmstate.lock"), &lock).expect("the folder is writable");
    write(root, &bumped);
    refuses(board, source, &["`Board.uart`: a type in it has a newer version", "`version = 2`"]);
    write(board, &source.replace("version = 1", "version = 2"));
    let (tested, message) = cargo(board, &["test", "--lib"], "0");
    assert!(tested, "{message}");
}

/// With two versions in the lock; and with a lock that somebody has edited.
fn released_twice(root: &Path, bumped: &str) {
    write(root, bumped);
    let (frozen, message) = cargo(root, &["test", "--lib", "vmstate_lock"], "1");
    assert!(frozen, "{message}");
    let file = root.join("vmstate.lock");
    let lock = fs::read_to_string(&file).expect("it was written");
    assert!(lock.contains("type Uart version 2"), "{lock}");
    let (frozen, message) = cargo(root, &["test", "--lib", "vmstate_lock"], "1");
    assert!(frozen, "{message}");
    assert_eq!(fs::read_to_string(&file).expect("it is there"), lock, "frozen once and for all");

    refuses(root, DEVICE, &["version 2 of `Fifo` was released", "`version` cannot go back"]);
    // What breaks both versions is one error, with what to write after the newer.
    for (edit, edited, message) in [
        ("pub fcr: u8", "pub fcr: u16", "`convert(from = .., until = 2, up = .., down = ..)`"),
        ("pub fcr: u8,", "", "`removed(fcr: .., until = 2, default = ..)` on the type"),
        ("pub fcr: u8,", "pub fcr: u8, pub ier: u8,", "`#[vmstate(since = 3, default = ..)]`"),
        ("SLOTS: usize = 4", "SLOTS: usize = 5", "released as version 2"),
    ] {
        let message = refuses(root, &bumped.replace(edit, edited), &["`version = 3`", message]);
        let errors = message.lines().filter(|line| line.starts_with("error")).count();
        assert_eq!(errors, 2, "one of ours and \"could not compile\":\n{message}");
    }
    // Of the older version there is nothing to bump.
    refuses(
        root,
        &bumped.replace("since = 2, default = 16)] ", "default = 16)] "),
        &[
            "`Fifo.depth` is not in the released version 1 (vmstate.lock): write `#[vmstate(since = 2",
        ],
    );
    fs::write(&file, lock.replace("variant 2 Busy", "variant two Busy")).expect("writable");
    refuses(root, bumped, &["vmstate.lock is malformed: restore it", "line "]);
}

/// The lock is among the files of the package, and guards the types where that is unpacked.
fn published(root: &Path) {
    write(root, DEVICE);
    let (listed, list) = cargo(root, &["package", "--list", "--allow-dirty"], "0");
    assert!(listed, "{list}");
    let unpacked = tempfile::tempdir().expect("a temporary folder");
    let unpacked = unpacked.path();
    fs::create_dir(unpacked.join("src")).expect("the folder is writable");
    for file in list.lines().filter(|file| root.join(file).is_file()) {
        fs::copy(root.join(file), unpacked.join(file)).expect("the folder is writable");
    }
    assert!(unpacked.join("vmstate.lock").is_file(), "not in the package:\n{list}");
    let (built, message) = cargo(unpacked, &["check"], "0");
    assert!(built, "{message}");
    refuses(
        unpacked,
        &DEVICE.replace("pub level: u8", "pub level: u32"),
        &["`Fifo.level` was u8 in the released version 1"],
    );
}
