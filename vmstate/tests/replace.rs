//! Replacing a file: whoever looks, whenever the writer dies, sees the old content or the new.

#![expect(clippy::unwrap_used, reason = "a failed helper is a failed test")]

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use vmstate::container::{
    AtomicFile, ContainerError, ErrorKind, MachineName, Position, SectionBody, SnapshotBuilder,
};

/// Names in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_commit_replaces_the_file_and_leaves_nothing_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.vmstate");
    for content in ["old", "new"] {
        let mut file = AtomicFile::create(&path).unwrap();
        file.write_all(content.as_bytes()).unwrap();
        file.commit().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
        assert_eq!(names(folder.path()), ["a.vmstate"]);
    }
}

#[test]
fn a_failed_write_leaves_the_old_file_and_nothing_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.vmstate");
    fs::write(&path, "old").unwrap();
    let write = || -> io::Result<()> {
        let mut file = AtomicFile::create(&path).unwrap();
        file.write_all(b"half of the ne")?;
        assert_eq!(names(folder.path()).len(), 2, "the new content goes to a file of its own");
        Err(io::ErrorKind::StorageFull.into())
    };
    assert_eq!(write().unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!(fs::read_to_string(&path).unwrap(), "old");
    assert_eq!(names(folder.path()), ["a.vmstate"]);
}

#[test]
fn a_rename_that_fails_says_so_and_removes_the_temporary_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.vmstate");
    fs::create_dir(&path).unwrap();
    let error = AtomicFile::create(&path).unwrap().commit().unwrap_err().to_string();
    assert!(error.contains("cannot replace") && error.contains("untouched"), "{error}");
    assert_eq!(names(folder.path()), ["a.vmstate"]);
}

#[test]
fn a_missing_folder_is_an_error_that_names_the_file() {
    let error = AtomicFile::create("/nonexistent/a.vmstate").unwrap_err().to_string();
    assert!(error.contains("cannot write `/nonexistent/a.vmstate`"), "{error}");
}

const VICTIM: &str = "VMSTATE_TEST_VICTIM";

/// Not a test of its own: the process that the next test kills, in the middle of its write.
#[test]
#[ignore = "run by the next test alone, as a process of its own"]
fn victim_of_the_kill() {
    let path = std::env::var_os(VICTIM).unwrap();
    let mut file = AtomicFile::create(path).unwrap();
    file.write_all(b"half of the new content").unwrap();
    println!("ready");
    io::stdout().flush().unwrap();
    // Until the parent kills this process or is gone itself.
    drop(io::stdin().read_to_end(&mut Vec::new()));
    panic!("the parent did not kill this process");
}

#[test]
fn a_killed_writer_leaves_the_old_file_and_at_worst_a_temporary_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.vmstate");
    fs::write(&path, "old").unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "victim_of_the_kill", "--nocapture"])
        .env(VICTIM, &path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut seen = String::new();
    let mut stdout = child.stdout.take().unwrap();
    while !seen.contains("ready") {
        let mut byte = [0];
        stdout.read_exact(&mut byte).unwrap();
        seen.push(byte[0].into());
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "old");
    let names = names(folder.path());
    assert_eq!(names.len(), 2);
    assert!(names[0].starts_with(".a.vmstate.") && names[0].ends_with(".tmp"), "{names:?}");
    // The leftover is in nobody's way.
    let mut file = AtomicFile::create(&path).unwrap();
    file.write_all(b"new").unwrap();
    file.commit().unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "new");
}

/// A snapshot of a MiB.
fn large() -> SnapshotBuilder {
    let machine = MachineName { machine: "toy".into(), version: "1".into() };
    let mut builder = SnapshotBuilder::new("test", machine, Position::default());
    builder.schema("Disk", 1, [0; 16], vec![0; 16]);
    builder.section(SectionBody {
        kind: "state".into(),
        needed: true,
        path: "disk".into(),
        type_name: "Disk".into(),
        version: 1,
        schema: [0; 16],
        bytes: vec![0x5a; 1 << 20],
    });
    builder
}

/// Not a test of its own: the process whose files may not grow beyond what the next test allows it.
#[test]
#[ignore = "run by the next test alone, as a process of its own"]
fn victim_of_the_limit() {
    let path = PathBuf::from(std::env::var_os(VICTIM).unwrap());
    let file = AtomicFile::create(&path).unwrap();
    let error = large().begin(file).map(drop).expect_err("the file may not become so large");
    assert!(matches!(*error.kind, ErrorKind::Io(_)), "{error}");
    assert_eq!(error.place.section, "disk", "{error}");
}

/// The host's own refusal, by `RLIMIT_FSIZE` (in units of 512 bytes).
#[test]
fn a_host_that_refuses_to_write_on_is_an_error_and_leaves_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.vmstate");
    fs::write(&path, "old").unwrap();
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "victim_of_the_limit"])
        .env(VICTIM, &path)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "old");
    assert_eq!(names(folder.path()), ["a.vmstate"]);
}

/// Whether it is the kernel's word about a full disk, and says of which section.
fn assert_full(error: &ContainerError, section: &str) {
    let ErrorKind::Io(cause) = &*error.kind else { panic!("{error}") };
    assert_eq!(cause.kind(), io::ErrorKind::StorageFull, "{error}");
    assert_eq!(error.place.section, section, "{error}");
}

#[test]
fn a_device_without_room_is_an_error_that_names_the_section() {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    assert_full(&large().begin(full).map(drop).expect_err("it is always full"), "header");
}

/// Not a test of its own: saves to a file system with less room than it needs.
#[test]
#[ignore = "run by the next test alone, as a process of its own"]
fn victim_of_the_full_disk() {
    let path = PathBuf::from(std::env::var_os(VICTIM).unwrap());
    fs::write(&path, "old").unwrap();
    let file = AtomicFile::create(&path).unwrap();
    assert_full(&large().begin(file).map(drop).expect_err("64 KiB are not enough"), "disk");
    assert_eq!(fs::read_to_string(&path).unwrap(), "old");
    assert_eq!(names(path.parent().unwrap()), ["a.vmstate"], "the room is free again");
    // There is room for what fits.
    let mut file = AtomicFile::create(&path).unwrap();
    file.write_all(b"new").unwrap();
    file.commit().unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "new");
}

/// A file system of 64 KiB, mounted for one process. Where the host forbids namespaces, `scripts/test`
/// leaves it out and says so.
#[test]
fn a_full_disk_is_an_error_and_leaves_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c"])
        .arg("mount -t tmpfs -o size=64k tmpfs \"$0\" && exec \"$@\"")
        .arg(folder.path())
        .arg(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "victim_of_the_full_disk"])
        .env(VICTIM, folder.path().join("a.vmstate"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}{error}");
}
