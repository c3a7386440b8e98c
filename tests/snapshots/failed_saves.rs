//! A save that fails, by a full disk or a kill, leaves the file that was there; and the options of a run.

use std::{
    ffi::OsStr,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::Duration,
};

use emulator::snapshot::{Chain, SaveOptions};

use super::machines::{NEW, demo_at_prompt, fill, save};

fn emulator() -> Command {
    Command::new(env!("CARGO_BIN_EXE_emulator"))
}

/// Runs the emulator with `input` typed.
fn run(args: &[&OsStr], input: &str) -> Output {
    let mut child = emulator()
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    // A machine that is refused ends before it reads.
    let _sent = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait_with_output().expect("it ends")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("the folder");
    let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
    let mut names: Vec<_> = entries.map(|entry| text(name(entry).as_encoded_bytes())).collect();
    names.sort();
    names
}

/// A snapshot of 12 MB.
fn large(folder: &Path) -> PathBuf {
    let path = folder.join("large");
    let machine = demo_at_prompt(NEW);
    fill(&machine, 3000);
    save(&machine, &path, SaveOptions::default());
    path
}

/// On a file system of 256 KiB, mounted for one process. Where the host forbids namespaces,
/// `scripts/test` leaves it out and says so.
#[test]
fn a_full_disk_is_an_error_that_names_the_file_and_leaves_the_old_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let source = large(folder.path());
    let disk = folder.path().join("disk");
    fs::create_dir(&disk).expect("the folder is writable");
    let script = "mount -t tmpfs -o size=256k tmpfs \"$2\" && printf old >\"$2/target\" || exit 9
        \"$0\" snapshot flatten \"$1\" -o \"$2/target\"
        code=$?
        cat \"$2\"/*
        ls -A \"$2\"
        exit $code";
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", script])
        .args([Path::new(env!("CARGO_BIN_EXE_emulator")), &source, &disk])
        .output()
        .expect("it starts");
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("disk/target") && error.contains("No space left"), "{error}");
    assert_eq!(text(&output.stdout), "oldtarget\n", "the old content, and nothing beside it");
}

#[test]
fn a_limit_on_files_is_an_error_that_names_the_file_and_leaves_the_old_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let source = large(folder.path());
    let target = folder.path().join("target");
    fs::write(&target, b"what was there").expect("written");
    let script = "ulimit -f 64; exec \"$0\" snapshot flatten \"$1\" -o \"$2\"";
    let output = Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_emulator")])
        .args([&source, &target])
        .output()
        .expect("it starts");
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("target") && error.contains("File too large"), "{error}");
    assert_eq!(fs::read(&target).expect("it is there"), b"what was there");
    assert_eq!(names(folder.path()), ["large", "target"]);
}

#[test]
fn a_killed_save_leaves_the_old_file_or_the_new_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let source = large(folder.path());
    let target = folder.path().join("target");
    let old = demo_at_prompt(NEW);
    save(&old, &target, SaveOptions::default());
    let before = fs::read(&target).expect("it is there");
    let mut replaced = 0;
    for round in 0..24 {
        let mut child = emulator()
            .args(["snapshot", "flatten"])
            .arg(&source)
            .arg("-o")
            .arg(&target)
            .spawn()
            .expect("it starts");
        std::thread::sleep(Duration::from_millis(round * 3));
        child.kill().expect("it is ours");
        child.wait().expect("it ends");
        let chain = Chain::open(&target).expect("whole, whichever it is");
        chain.newest().verify().expect("whole, whichever it is");
        replaced += usize::from(fs::read(&target).expect("it is there") != before);
        // At worst a temporary file lies beside it, which nothing reads.
        for name in names(folder.path()) {
            let is_temporary = name.starts_with(".target.") && name.ends_with(".tmp");
            assert!(is_temporary || ["large", "target"].contains(&name.as_str()), "{name}");
        }
    }
    eprintln!("replaced after {replaced} of 24 kills");
}

#[test]
fn a_run_saves_on_exit_and_goes_on_where_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let [first, second] = ["first", "second"].map(|name| folder.path().join(name));
    let arg = OsStr::new;
    let args = [
        arg("-m"),
        arg("16M"),
        arg("--until"),
        arg("5ms"),
        arg("--save-on-exit"),
        first.as_os_str(),
    ];
    let output = run(&args, "");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let args = [
        arg("--load"),
        first.as_os_str(),
        arg("--verify"),
        arg("--until"),
        arg("90ms"),
        arg("--save-on-exit"),
        second.as_os_str(),
        arg("--base"),
        first.as_os_str(),
        arg("--compress"),
    ];
    let output = run(&args, "uptime\r");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("up 0."), "{}", text(&output.stdout));
    assert_eq!(Chain::open(&second).expect("it opens").layers().len(), 2);
    let output = run(&[arg("--load"), second.as_os_str()], "poweroff 6\r");
    assert_eq!(output.status.code(), Some(6), "{}", text(&output.stderr));
}

#[test]
fn a_snapshot_that_cannot_be_loaded_ends_the_run_before_it_starts() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("s.vmstate");
    save(&demo_at_prompt(NEW), &path, SaveOptions::default());
    let bytes = fs::read(&path).expect("it is there");
    fs::write(&path, &bytes[..bytes.len() / 2]).expect("cut");
    let output = run(&[OsStr::new("--load"), path.as_os_str()], "");
    assert_eq!(output.status.code(), Some(2));
    let error = text(&output.stderr);
    assert!(error.contains("s.vmstate") && error.contains("section `ram1`"), "{error}");
}
