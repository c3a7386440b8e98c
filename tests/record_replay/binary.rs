//! Recordings as a user handles them: the built program, files, pipes and signals.

use std::{
    fs,
    io::{Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use emulator::{
    journal::{MARK, Reader, Record, Writer},
    machine::board::Engine,
    timeline::{Tuning, verify::verify},
};
use machines::BOARDS;

use super::typist::record_with;

const DEMO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/machines/guests/demo.elf");
/// What the demo guest is told so that it ends by itself.
const KEYS: &str = "help\ruptime\rdate\rpoweroff\r";

pub(super) fn emulator(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_emulator"));
    command.current_dir(folder).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs the program with `keys` as its input to the end.
pub(super) fn run(folder: &Path, arguments: &[&str], keys: &str) -> Output {
    let mut child = emulator(folder, arguments).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    // A program that ends without reading closes the pipe.
    input.write_all(keys.as_bytes()).unwrap_or_default();
    drop(input);
    child.wait_with_output().unwrap()
}

pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A folder with a kernel of its own and a recording of it.
fn recorded() -> (tempfile::TempDir, Output) {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(DEMO, folder.path().join("guest.elf")).unwrap();
    let options = ["--memory", "32M", "--bios", "guest.elf", "--record", "run.rec"];
    let output = run(folder.path(), &options, KEYS);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    (folder, output)
}

#[test]
fn a_packed_recording_replays_elsewhere_with_nothing_else() {
    let (folder, live) = recorded();
    let packed = run(folder.path(), &["pack", "run.rec", "-o", "all.rec"], "");
    assert!(packed.status.success(), "{}", text(&packed.stderr));
    let warning = text(&packed.stderr);
    assert!(warning.contains("passwords, keys and private data"), "{warning}");
    let elsewhere = tempfile::tempdir().unwrap();
    fs::rename(folder.path().join("all.rec"), elsewhere.path().join("all.rec")).unwrap();
    drop(folder);
    let replayed = run(elsewhere.path(), &["--replay", "all.rec"], "");
    assert_eq!(replayed.status.code(), Some(0), "{}", text(&replayed.stderr));
    assert_eq!(text(&replayed.stdout), text(&live.stdout));
}

#[test]
fn a_changed_kernel_is_refused_by_name_and_digests_before_it_runs() {
    let (folder, _) = recorded();
    let guest = folder.path().join("guest.elf");
    let mut bytes = fs::read(&guest).unwrap();
    let banner = bytes.windows(10).position(|window| window == b"demo guest").unwrap();
    bytes[banner] ^= 0x20;
    fs::write(&guest, bytes).unwrap();
    let replayed = run(folder.path(), &["--replay", "run.rec"], "");
    let message = text(&replayed.stderr);
    assert_eq!((replayed.status.code(), replayed.stdout.len()), (Some(2), 0), "{message}");
    assert!(message.contains("guest.elf") && message.contains("blake3"), "{message}");
    fs::remove_file(&guest).unwrap();
    let replayed = run(folder.path(), &["--replay", "run.rec"], "");
    let message = text(&replayed.stderr);
    assert!(replayed.status.code() == Some(2) && message.contains("guest.elf"), "{message}");
}

#[test]
fn a_replay_goes_live_and_its_child_replays_alone_and_names_its_parent() {
    let (folder, live) = recorded();
    let options =
        ["--replay", "run.rec", "--until", "event:2", "--go-live", "--record", "child.rec"];
    let left = run(folder.path(), &options, "echo\rpoweroff\r");
    assert_eq!(left.status.code(), Some(0), "{}", text(&left.stderr));
    let said = text(&left.stdout);
    assert_ne!(said, text(&live.stdout));
    fs::remove_file(folder.path().join("run.rec")).unwrap();
    let replayed = run(folder.path(), &["--replay", "child.rec"], "");
    assert_eq!((replayed.status.code(), text(&replayed.stdout)), (Some(0), said));
    let info = run(folder.path(), &["info", "child.rec"], "");
    assert!(text(&info.stdout).contains("continues run.rec"), "{}", text(&info.stdout));
    let verified = run(folder.path(), &["verify", "child.rec"], "");
    assert_eq!(verified.status.code(), Some(0), "{}", text(&verified.stdout));
}

#[test]
fn nothing_overwrites_the_recording_that_it_reads() {
    let (folder, _) = recorded();
    let before = fs::read(folder.path().join("run.rec")).unwrap();
    fs::hard_link(folder.path().join("run.rec"), folder.path().join("same.rec")).unwrap();
    for options in [
        &["--replay", "run.rec", "--until", "50%", "--go-live", "--record", "./run.rec"][..],
        &["pack", "run.rec", "-o", "run.rec"],
        &["pack", "run.rec", "-o", "same.rec"],
        &["timeline", "run.rec", "-o", "./run.rec"],
    ] {
        let refused = run(folder.path(), options, "");
        let error = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{options:?}: {error}");
        assert!(error.contains("would overwrite"), "{options:?}: {error}");
        assert_eq!(fs::read(folder.path().join("run.rec")).unwrap(), before, "{options:?}");
    }
}

/// Copies a recording and sets a mark at its third input; the steps of that, and of the end.
fn with_mark(from: &Path, to: &Path, name: &str) -> (u64, u64) {
    let reader = Reader::open(from).unwrap();
    let mut writer = Writer::create(to, reader.description()).unwrap();
    let mut marked = 0;
    for (number, record) in reader.records().unwrap().enumerate() {
        let record = record.unwrap();
        if number == 2 {
            marked = record.position.steps;
            let mark = Record {
                kind: MARK.into(),
                target: "".into(),
                needed: false,
                transcript: None,
                data: name.as_bytes().to_vec(),
                ..record
            };
            writer.record(&mark).unwrap();
        }
        writer.record(&record).unwrap();
    }
    writer.finish(reader.last()).unwrap();
    (marked, reader.last().steps)
}

#[test]
fn every_form_of_a_position_is_the_same_place_for_every_verb() {
    let (folder, _) = recorded();
    let at = |name| folder.path().join(name);
    let (marked, last) = with_mark(&at("run.rec"), &at("marked.rec"), "typed");
    let exact = format!("{marked}:0:0");
    let number = |text: &str, before: &str| -> u64 {
        let (_, behind) = text.split_once(before).unwrap_or_else(|| panic!("{before} in {text}"));
        let digits = behind.split(|letter: char| !letter.is_ascii_digit()).next();
        digits.unwrap_or_default().parse().unwrap_or_else(|_| panic!("{before} in {text}"))
    };
    for (form, steps) in [
        ("2000", 2000),
        ("0x500", 1280),
        ("1.5k", 1500),
        (exact.as_str(), marked),
        ("45%", last * 45 / 100),
        ("2us", 2000),
        ("event:2", marked),
        ("mark:typed", marked),
        ("end", last),
    ] {
        let ask = |arguments: &[&str]| {
            let output = run(folder.path(), arguments, "");
            assert!(output.status.success(), "{form}: {}", text(&output.stderr));
            (text(&output.stdout), text(&output.stderr))
        };
        let (_, replayed) = ask(&["--replay", "marked.rec", "--until", form]);
        // At the end the machine switches itself off, which needs no words.
        if form != "end" {
            assert_eq!(number(&replayed, "ends at instruction "), steps, "--until {form}");
        }
        let (drawn, _) = ask(&["timeline", "marked.rec", "-o", "page.html", "--to", form]);
        assert_eq!(number(&drawn, "from instruction 0 to "), steps, "timeline --to {form}");
        ask(&["query", "marked.rec", "device", "soc/uart0", "--at", form]);
        // Behind the end there is nothing.
        if form == "end" {
            continue;
        }
        let (drawn, _) = ask(&["timeline", "marked.rec", "-o", "page.html", "--from", form]);
        assert_eq!(number(&drawn, "from instruction "), steps, "timeline --from {form}");
        let far = format!("{}", steps + 3);
        let (traced, _) =
            ask(&["query", "marked.rec", "trace", "--from", form, "--to", &far, "--json"]);
        assert_eq!(number(&traced, "\"steps\":"), steps, "query trace --from {form}");
    }
    for (form, expected) in [
        ("mark:nowhere", "no mark `nowhere`; it has typed"),
        ("event:999", "no event 999"),
        ("soon", "not a position"),
    ] {
        for arguments in [
            &["--replay", "marked.rec", "--until", form][..],
            &["timeline", "marked.rec", "-o", "page.html", "--to", form],
            &["query", "marked.rec", "device", "--at", form],
        ] {
            let refused = run(folder.path(), arguments, "");
            let message = text(&refused.stderr);
            assert_eq!(refused.status.code(), Some(2), "{arguments:?}: {message}");
            assert!(message.contains(expected), "{arguments:?}: {message}");
        }
    }
}

/// A recorded run whose keys are typed while it runs.
struct Session {
    folder: tempfile::TempDir,
    child: Child,
}

impl Session {
    fn start(pace: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = ["--memory", "32M", "--pace", pace, "--record", "run.rec"];
        let child = emulator(folder.path(), &options).spawn().unwrap();
        Self { folder, child }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("run.rec")
    }

    fn type_keys(&mut self, keys: &str) {
        self.child.stdin.as_mut().unwrap().write_all(keys.as_bytes()).unwrap();
    }

    /// Reads what the guest says until it has said `words`.
    fn wait_for(&mut self, words: &str) -> String {
        let output = self.child.stdout.as_mut().unwrap();
        let mut said = Vec::new();
        while !text(&said).contains(words) {
            let mut byte = [0];
            assert_eq!(output.read(&mut byte).unwrap(), 1, "it ended after {}", text(&said));
            said.push(byte[0]);
        }
        text(&said)
    }

    /// Waits until the file holds `inputs` inputs and the power-on values.
    fn wait_for_inputs(&self, inputs: u64) -> Reader {
        let begin = Instant::now();
        loop {
            if let Ok(reader) = Reader::open(&self.path())
                && reader.input_count() >= inputs + 2
            {
                return reader;
            }
            assert!(begin.elapsed() < Duration::from_secs(60), "the input never came to the file");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.child.kill().unwrap_or_default();
        self.child.wait().unwrap();
    }
}

#[test]
fn what_was_typed_is_in_the_file_while_the_guest_waits_and_after_kill_9() {
    for pace in ["real", "max"] {
        let mut session = Session::start(pace);
        let mut said = session.wait_for("> ");
        session.type_keys("d");
        said += &session.wait_for("d");
        // The guest waits for more; nothing but the clock can bring this key into the file.
        let growing = session.wait_for_inputs(1);
        let verified = verify(&session.path(), BOARDS, Tuning::default(), 1).unwrap();
        assert_eq!(verified.divergence, None, "while it is written, up to {:?}", growing.last());
        session.child.kill().unwrap();
        session.child.wait().unwrap();
        let replayed = run(session.folder.path(), &["--replay", "run.rec"], "");
        let message = text(&replayed.stderr);
        assert!(
            replayed.status.success() && message.contains("its writer was killed"),
            "{message}"
        );
        assert!(text(&replayed.stdout).starts_with(&said), "{pace}: {}", text(&replayed.stdout));
    }
}

#[test]
fn verifying_on_many_threads_compares_every_digest_and_finds_what_one_finds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.rec");
    let lines = "help\rdate\ruptime\rhelp\r";
    record_with(&path, 8, lines, Engine::Auto, Some(Duration::ZERO));
    let alone = verify(&path, BOARDS, Tuning::default(), 1).unwrap();
    assert!(alone.divergence.is_none() && alone.compared > 20, "{alone:?}");
    for jobs in [2, 5] {
        let split = verify(&path, BOARDS, Tuning::default(), jobs).unwrap();
        assert_eq!((&split.end, split.steps), (&alone.end, alone.steps), "{jobs} jobs");
        assert_eq!(split.divergence, None, "{jobs} jobs");
        // What stands at the place of a checkpoint is compared on both sides of it.
        assert!(split.compared >= alone.compared, "{} of {}", split.compared, alone.compared);
    }
}

#[test]
fn a_recording_that_outgrows_a_limit_on_files_ends_the_run_and_replays_as_far_as_it_goes() {
    let folder = tempfile::tempdir().unwrap();
    let script = "ulimit -f 4; printf 'date\\rdate\\r' | exec \"$0\" --pace max --until 1s --no-checkpoints \
                  --digest-every 50 --record run.rec";
    let output = Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_emulator")])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("run.rec") && error.contains("File too large"), "{error}");
    let verified = run(folder.path(), &["verify", "run.rec"], "");
    assert!(verified.status.success(), "{}", text(&verified.stdout));
}

#[test]
fn a_machine_that_this_build_has_not_is_refused_by_name() {
    use emulator::journal::Description;
    let (folder, _) = recorded();
    let reader = Reader::open(&folder.path().join("run.rec")).unwrap();
    for machine in ["riscv64-virt@99.0", "pdp11@1.0"] {
        let description =
            Description { machine: machine.to_owned(), ..reader.description().clone() };
        drop(Writer::create(&folder.path().join("other.rec"), &description).unwrap());
        let refused = run(folder.path(), &["--replay", "other.rec"], "");
        let message = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{message}");
        assert!(message.contains(machine), "{message}");
    }
}
