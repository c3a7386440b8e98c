//! The verbs that look at state without running it: dump, diff, check and schema.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use emulator::machine::board::{self, Config};
use emulator::snapshot::{SaveOptions, save_machine};
use vmstate::VmState;
use vmstate::container::{
    AtomicFile, MachineName, Position, SectionBody, Snapshot, SnapshotBuilder,
};
use vmstate::instance::Instance;
use vmstate::instances::Instances;

/// Runs the command line: exit code, standard output, standard error.
fn emulator(words: &[&str]) -> (i32, String, String) {
    let program = env!("CARGO_BIN_EXE_emulator");
    let output = Command::new(program).args(words).output().expect("the program runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it speaks UTF-8");
    let code = output.status.code().expect("it ends by itself");
    (code, text(output.stdout), text(output.stderr))
}

fn name(path: &Path) -> &str {
    path.to_str().expect("temporary folders have UTF-8 names")
}

/// A device of somebody else's build.
#[derive(VmState)]
#[vmstate(version = 4)]
struct Foreign {
    #[vmstate(flags(READY = 0, ERROR = 7))]
    status: u8,
    #[vmstate(max_len = 4)]
    queue: Vec<u16>,
    #[vmstate(since = 3, default = 5)]
    divisor: u32,
}

/// A snapshot of devices that this build lacks.
fn foreign(folder: &Path, file: &str, device: &Foreign) -> PathBuf {
    let machine = MachineName { machine: "elsewhere".into(), version: "7".into() };
    let mut builder = SnapshotBuilder::new("another build", machine, Position::default());
    let mut instances: Instances<&dyn Instance> = Instances::new();
    instances.add("soc/foreign", device);
    instances.save(&mut builder, &|_, _| None).expect("it can be saved");
    write(&folder.join(file), &builder.to_bytes().expect("it fits together"))
}

fn write(path: &Path, bytes: &[u8]) -> PathBuf {
    let mut file = AtomicFile::create(path).expect("the folder is writable");
    std::io::Write::write_all(&mut file, bytes).expect("there is room");
    file.commit().expect("the folder is writable");
    path.to_owned()
}

#[test]
fn state_of_devices_that_this_build_lacks_is_dumped_compared_and_described() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let device = |status, divisor| Foreign { status, queue: vec![7, 513], divisor };
    let a = foreign(folder.path(), "a.vmstate", &device(0x81, 9));
    let b = foreign(folder.path(), "b.vmstate", &device(0x01, 300));
    let (a, b) = (name(&a), name(&b));

    let (code, text, _) = emulator(&["dump", a, "soc/foreign"]);
    assert_eq!(code, 0);
    for line in ["READY | ERROR", "0x201", "divisor"] {
        assert!(text.contains(line), "`{line}` is not in:\n{text}");
    }
    let (code, text, _) = emulator(&["dump", a, "soc/foreign.queue[1]", "--json"]);
    assert_eq!((code, text.as_str()), (0, "513\n"));

    let (code, text, _) = emulator(&["diff", a, a]);
    assert_eq!((code, text.as_str()), (0, ""));
    let (code, text, _) = emulator(&["diff", a, b]);
    assert_eq!(code, 1, "different is exit code 1");
    for line in ["soc/foreign.status: ", "ERROR", "soc/foreign.divisor: 9", "300"] {
        assert!(text.contains(line), "`{line}` is not in:\n{text}");
    }

    let (code, text, _) = emulator(&["schema", "show", "Foreign", "--file", a]);
    assert_eq!(code, 0);
    for line in ["Foreign@4", "status: flags(u8, READY = 0, ERROR = 7)", "since 3, default 5"] {
        assert!(text.contains(line), "`{line}` is not in:\n{text}");
    }
    let (_, text, _) = emulator(&["schema", "show", "Foreign", "--file", a, "--json"]);
    let value: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    assert_eq!((&value[0]["type"], &value[0]["version"]), (&"Foreign".into(), &4.into()));
    let divisor = serde_json::json!({
        "name": "divisor", "kind": "u32", "presence": "always", "since": 3, "aliases": [],
        "default": "05",
    });
    assert_eq!(value[0]["fields"][0], divisor);
    let (code, text, error) = emulator(&["schema", "show", "Nobody", "--file", a]);
    assert_eq!((code, text.as_str()), (2, ""));
    assert!(error.contains("no type `Nobody`; there are: Foreign@4"), "{error}");
}

#[test]
fn a_damaged_file_is_refused_by_section_and_offset() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let device = Foreign { status: 1, queue: vec![], divisor: 5 };
    let path = foreign(folder.path(), "a.vmstate", &device);
    let mut bytes = fs::read(&path).expect("it was written");
    let at = bytes.len() - 1;
    bytes[at] ^= 1;
    fs::write(&path, bytes).expect("the folder is writable");
    let (code, _, error) = emulator(&["dump", name(&path)]);
    assert_eq!(code, 2);
    assert!(error.contains("section `soc/foreign` at byte"), "{error}");
    let (code, _, error) = emulator(&["dump", "/nonexistent.vmstate"]);
    assert_eq!(code, 2);
    assert!(error.contains("/nonexistent.vmstate"), "{error}");
}

/// A snapshot of the demo guest's machine, not yet run, on the oldest version.
fn demo(folder: &Path) -> (PathBuf, String) {
    let config = Config { memory_bytes: 32 << 20, ..Config::default() };
    let versions = machines::BOARDS[0].versions();
    let full = format!("{}@{}", machines::BOARDS[0].name(), versions[0].version);
    let (board, version) = board::find(machines::BOARDS, &full).expect("it is listed");
    let machine = board.build(version, &config).expect("it can be built").machine;
    let path = folder.join("demo.vmstate");
    save_machine(&machine, &config, &path, SaveOptions::default()).expect("it can be saved");
    (path, full)
}

#[test]
fn a_snapshot_of_this_build_is_found_loadable() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (path, machine) = demo(folder.path());
    let expected = format!("{}: loads into {machine}\n", path.display());
    assert_eq!(emulator(&["check", name(&path)]), (0, expected.clone(), String::new()));
    let found = emulator(&["check", name(&path), "--machine", &machine]);
    assert_eq!(found, (0, expected, String::new()));
}

/// The state sections of a snapshot after `change`, its RAM left out.
fn rewritten(path: &Path, change: impl Fn(&mut Vec<SectionBody>)) -> Vec<u8> {
    let bytes = fs::read(path).expect("it was written");
    let snapshot = Snapshot::from_slice(&bytes).expect("it is whole");
    let header = snapshot.header();
    let mut builder = SnapshotBuilder::new("test", header.machine.clone(), header.position);
    for (key, value) in header.properties.iter().filter(|(key, _)| !key.starts_with("ram")) {
        builder.property(key, value);
    }
    for file in &header.external_files {
        let mut file = file.clone();
        if file.role == header.external_files[0].role {
            file.blake3[0] ^= 1;
        }
        builder.external_file(file);
    }
    for schema in &header.schemas {
        let bytes = snapshot.schema(schema).expect("it is whole").into_owned();
        builder.schema(&schema.type_name, schema.version, schema.hash, bytes);
    }
    let mut bodies: Vec<_> = header
        .sections
        .iter()
        .map(|entry| SectionBody {
            kind: entry.kind.clone(),
            needed: entry.needed,
            path: entry.path.clone(),
            type_name: entry.type_name.clone(),
            version: entry.version,
            schema: entry.schema,
            bytes: snapshot.section(entry).expect("it is whole").into_owned(),
        })
        .collect();
    change(&mut bodies);
    bodies.into_iter().for_each(|body| {
        builder.section(body);
    });
    builder.to_bytes().expect("it fits together")
}

#[test]
fn every_reason_against_a_load_is_named_at_once() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (path, machine) = demo(folder.path());
    let bytes = rewritten(&path, |bodies| {
        bodies.retain(|body| body.path != "soc/rtc");
        for body in bodies {
            match body.path.as_str() {
                "soc/plic" => body.path = "soc/apic".into(),
                "soc/uart0" => body.bytes.truncate(3),
                // The first field of a hart is an `equal` one.
                "hart0" => body.bytes[0] ^= 1,
                _ => {}
            }
        }
    });
    let broken = write(&folder.path().join("broken.vmstate"), &bytes);
    let (code, text, error) = emulator(&["check", name(&broken), "--machine", &machine]);
    assert_eq!((code, error.as_str()), (1, ""), "{text}");
    for reason in [
        format!("does not load into {machine}"),
        "`soc/rtc` (goldfish-rtc) is in the machine but not in the file".into(),
        "`soc/plic` (sifive-plic) is in the machine but not in the file".into(),
        "`soc/apic` (sifive-plic) is in the file but not in the machine".into(),
        "section `soc/uart0` at byte".into(),
        "section `hart0` at byte".into(),
        "the file has 0 stretches of RAM".into(),
        "this machine's".into(),
    ] {
        assert!(text.contains(&reason), "`{reason}` is not in:\n{text}");
    }
    let (code, text, _) = emulator(&["check", name(&broken), "--json"]);
    assert_eq!(code, 1);
    assert!(text.starts_with("{\"machine\":") && text.contains("\"loads\":false"), "{text}");
}

#[test]
fn a_check_that_cannot_be_made_is_exit_code_2() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let device = Foreign { status: 1, queue: vec![], divisor: 5 };
    let path = foreign(folder.path(), "a.vmstate", &device);
    let (code, text, error) = emulator(&["check", name(&path)]);
    assert_eq!((code, text.as_str()), (2, ""));
    assert!(error.contains("no machine is called elsewhere"), "{error}");
    // Asked about a machine of ours, it says what is in the way.
    let (code, text, _) = emulator(&["check", name(&path), "--machine", "riscv64-virt"]);
    assert_eq!(code, 1, "{text}");
    let (code, ..) = emulator(&["check", "/nonexistent.vmstate"]);
    assert_eq!(code, 2);
}

#[test]
fn types_of_this_build_are_shown_without_a_file() {
    let (code, names, _) = emulator(&["schema", "show"]);
    assert_eq!(code, 0);
    for entry in emulator::types::VMSTATE_TYPES {
        let name = format!("{}@{}", entry.def.full_name(), entry.def.version);
        assert!(names.lines().any(|line| line == name), "`{name}` is not in:\n{names}");
    }
    let (code, text, _) = emulator(&["schema", "show", "riscv-pmp"]);
    assert_eq!(code, 0);
    assert!(text.contains("configuration: [u8; 16]"), "{text}");
}

#[test]
fn a_freeze_releases_once_and_refuses_what_was_changed_since() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let workspace = name(folder.path());
    let (code, _, error) = emulator(&["schema", "freeze", "--workspace", workspace]);
    assert_eq!(code, 2);
    assert!(error.contains("is no workspace with the crate emulator"), "{error}");

    let lock = folder.path().join("emulator/vmstate.lock");
    fs::create_dir(folder.path().join("emulator")).expect("the folder is writable");
    fs::write(folder.path().join("emulator/Cargo.toml"), "").expect("the folder is writable");
    let (code, text, _) = emulator(&["schema", "freeze", "--workspace", workspace]);
    assert_eq!(code, 0);
    assert!(text.contains("released riscv-hart@"), "{text}");
    let released = fs::read_to_string(&lock).expect("it was written");
    let (code, text, _) = emulator(&["schema", "freeze", "--workspace", workspace]);
    assert_eq!((code, text.ends_with("nothing new\n")), (0, true), "{text}");
    assert_eq!(fs::read_to_string(&lock).expect("it is there"), released);

    let edited = released.replace("kind [u8; 16]", "kind [u8; 64]");
    assert_ne!(edited, released);
    fs::write(&lock, &edited).expect("the folder is writable");
    let (code, text, _) = emulator(&["schema", "freeze", "--workspace", workspace]);
    assert_eq!(code, 1);
    assert!(text.contains("riscv-pmp@1 is not what was released"), "{text}");
    assert_eq!(fs::read_to_string(&lock).expect("it is there"), edited, "nothing was written");
}

/// Three fields of a type in two versions.
const OLD: &str = "\
type Uart version 1 semantic 0 hash 00112233445566778899aabbccddeeff
  field divisor revision 0 always default 03 kind u16
  field fcr revision 0 always default 00 kind u8
";
const NEW: &str = "\
type Uart version 2 semantic 0 hash ffeeddccbbaa99887766554433221100
  field divisor revision 0 always default 03 kind u16
  field fcr revision 1 always default 00 kind u16
  field ier revision 0 always default 00 kind u8
";

#[test]
fn findings_between_locks_are_graded_worst_first() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let lock = |file: &str, text: &str| write(&folder.path().join(file), text.as_bytes());
    let old = lock("old.lock", OLD);
    let grown = lock("grown.lock", &format!("{OLD}{NEW}"));
    let (code, text, _) = emulator(&["schema", "check", name(&old), name(&grown)]);
    assert_eq!(
        (code, text.as_str()),
        (
            0,
            "needs attention: Uart@2.fcr: was u8, is u16: check both ways of its conversion\n\
             fine: Uart@2.ier: is new; older state gets 00\n"
        )
    );
    let edited = lock("edited.lock", &format!("{}{NEW}", OLD.replace("kind u8", "kind u32")));
    let (code, text, _) = emulator(&["schema", "check", name(&old), name(&edited)]);
    assert_eq!(code, 1);
    let first = text.lines().next().unwrap_or_default();
    assert!(first.starts_with("breaking: Uart@1: a released version was edited"), "{text}");
    let (code, text, _) = emulator(&["schema", "check", name(&grown), name(&old), "--json"]);
    assert_eq!(code, 1);
    assert!(text.contains("\"grade\":\"breaking\"") && text.contains("Uart@2"), "{text}");
    let broken = lock("broken.lock", "type Uart\n");
    let (code, _, error) = emulator(&["schema", "check", name(&old), name(&broken)]);
    assert_eq!(code, 2);
    assert!(error.contains("line 1 of the lock"), "{error}");
}
