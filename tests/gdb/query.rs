//! `emulator query` as a user calls it, over a program whose every step is known.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use emulator::{clock::Position, door::Closed, machine::board::Config};
use serde_json::{Value, json};

use super::recording::{Forward, record_behind};

/// Physical address of the program.
const START: u64 = 0x8000_0000;

/// At [`START`], with the steps from there.
const PROGRAM: [u32; 7] = [
    0x0010_0413, // 0: li s0, 1
    0x01f4_1413, // 1: slli s0, s0, 31
    0x0070_0313, // 2: li t1, 7
    0x4064_3023, // 3: sd t1, 1024(s0)
    0x0013_0313, // 4: addi t1, t1, 1
    0x4064_3023, // 5: sd t1, 1024(s0)
    0x0000_006f, // 6: j .
];

struct Recorded {
    folder: tempfile::TempDir,
    file: PathBuf,
    /// Steps that the reset vector takes.
    start: u64,
}

impl Recorded {
    /// The position so many steps behind the start, as it is written.
    fn at(&self, step: u64) -> String {
        (self.start + step).to_string()
    }
}

fn recorded() -> Recorded {
    let folder = tempfile::tempdir().expect("a folder");
    let (program, file) = (folder.path().join("program"), folder.path().join("program.rec"));
    let bytes: Vec<u8> = PROGRAM.iter().flat_map(|word| word.to_le_bytes()).collect();
    std::fs::write(&program, bytes).expect("a file");
    let config = Config { memory_bytes: 16 << 20, bios: Some(program), ..Config::default() };
    record_behind(Closed, &file, &config, Position::at_steps(40));
    let mut forward = Forward::new(&file);
    while forward.machine.harts()[0].inspect().pc() != START {
        forward.run_to(Position::at_steps(forward.machine.position().steps + 1));
    }
    Recorded { folder, file, start: forward.machine.position().steps }
}

/// Exit code, what is printed and what is complained about.
fn query(file: &Path, words: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_emulator"));
    let output = command.arg("query").arg(file).args(words).output().expect("the emulator starts");
    let text = |bytes| String::from_utf8(bytes).expect("it is text");
    (output.status.code().expect("it ends"), text(output.stdout), text(output.stderr))
}

/// The answer as JSON, an object a line.
fn json(file: &Path, words: &[&str]) -> Vec<Value> {
    let words: Vec<_> = words.iter().copied().chain(["--json"]).collect();
    let (_, said, complaint) = query(file, &words);
    assert_eq!(complaint, "", "{words:?}");
    said.lines().map(|line| line.parse().expect("each line is JSON")).collect()
}

#[test]
fn the_past_is_told_in_words_and_in_json() {
    let recorded = recorded();
    let file = &recorded.file;
    let [two, three, four, five, nine, ten] = [2, 3, 4, 5, 9, 10].map(|step| recorded.at(step));
    for (words, code, expected) in [
        (
            &["last-write", "0x80000400"][..],
            0,
            format!(
                "{five}  hart 0  0x80000014  sd t1,1024(s0)\n\
                 07 00 00 00 00 00 00 00 -> 08 00 00 00 00 00 00 00\n"
            ),
        ),
        (
            &["last-write", "fp + 1024", "1", "--at", &five],
            0,
            format!("{three}  hart 0  0x8000000c  sd t1,1024(s0)\n00 -> 07\n"),
        ),
        (
            &["last-write", "0x80000404", "4", "--at", "50%", "--physical"],
            0,
            format!("{five}  hart 0  0x80000014"),
        ),
        (
            &["last-write", "fp + 1024", "--at", &three],
            1,
            "nothing wrote 8 bytes at 0x80000400 before\n".into(),
        ),
        (&["last-exec", "0x80000010"], 0, format!("{four}  hart 0  0x80000010  addi t1,t1,1\n")),
        (
            &["last-exec", "pc", "--at", &ten],
            0,
            format!("{nine}  hart 0  0x80000018  jal zero,0x80000018"),
        ),
        (
            &["last-exec", "0x80000010", "--at", &two],
            1,
            "0x80000010 was not executed before\n".into(),
        ),
        (&["device"], 0, "soc/uart0\n".into()),
        (&["device", "soc/uart0", "--at", "45%"], 0, "divisor: ".into()),
        (&["device", "hart0", "--at", &five], 0, "pc: ".into()),
    ] {
        let (found, said, complaint) = query(file, words);
        assert_eq!((found, complaint.as_str()), (code, ""), "{words:?}: {said}");
        assert!(said.contains(&expected), "{words:?}: {said}");
    }
    let write = json!({
        "position": { "steps": recorded.start + 5, "idle_ns": 0, "sequence": 0 },
        "hart": 0,
        "pc": "0x80000014",
        "instruction": "sd t1,1024(s0)",
        "before": [7],
        "after": [8],
    });
    assert_eq!(json(file, &["last-write", "0x80000400", "1"]), [write]);
    assert_eq!(json(file, &["last-write", "0x80000400", "--at", &three]), [Value::Null]);
    let executed = &json(file, &["last-exec", "0x80000010"])[0];
    assert_eq!(executed["position"]["steps"], json!(recorded.start + 4));
    assert_eq!(executed["before"], Value::Null);
    let paths = &json(file, &["device"])[0];
    assert!(paths.as_array().expect("a list").contains(&json!("soc/uart0")), "{paths}");
}

#[test]
fn a_device_is_told_in_json_as_it_was_then() {
    let recorded = recorded();
    let hart = |at: &str| {
        let (code, said, complaint) =
            query(&recorded.file, &["device", "hart0", "--at", at, "--json"]);
        assert_eq!((code, complaint.as_str()), (0, ""));
        said.parse::<Value>().expect("it is JSON")
    };
    assert_ne!(hart(&recorded.at(3)), hart(&recorded.at(4)));
    assert_eq!(hart("20"), hart("50%"));
}

#[test]
fn a_trace_tells_each_instruction_and_the_registers_that_it_changed() {
    let recorded = recorded();
    let file = &recorded.file;
    let (code, said, _) =
        query(file, &["trace", "--from", &recorded.at(1), "--to", &recorded.at(5)]);
    assert_eq!((code, said.lines().count()), (0, 4), "{said}");
    for (line, (instruction, changed)) in said.lines().zip([
        ("slli s0,s0,0x1f", "fp=0x80000000"),
        ("addi t1,zero,7", "t1=0x7"),
        ("sd t1,1024(s0)", "sd t1,1024(s0)"),
        ("addi t1,t1,1", "t1=0x8"),
    ]) {
        assert!(line.contains(instruction) && line.ends_with(changed), "{line}");
    }
    let steps = json(file, &["trace", "--from", &recorded.at(2), "--to", &recorded.at(4)]);
    assert_eq!(steps.len(), 2);
    assert_eq!(steps[0]["registers"], json!({ "t1": "0x7" }));
    assert_eq!(steps[1]["position"]["steps"], json!(recorded.start + 3));
    assert_eq!(steps[1]["pc"], json!("0x8000000c"));
    // Where there is nothing between the two, there is nothing to tell.
    let nothing = query(file, &["trace", "--from", "5", "--to", "5"]);
    assert_eq!(nothing, (0, String::new(), String::new()));
}

#[test]
fn what_cannot_be_answered_is_refused_by_name() {
    let Recorded { folder, file, .. } = recorded();
    for (words, complaint) in [
        (&["last-write", "0xzz"][..], "0xzz"),
        (&["trace", "--from", "7", "--to", "5"], "--from 7 lies behind --to 5"),
        (&["last-write", "no_register + 1"], "no_register"),
        (&["last-write", "0x10", "--physical"], "0x10"),
        (&["last-exec", "0x1000", "--at", "soon"], "soon"),
        (&["last-exec", "0x1000", "--at", "mark:none"], "none"),
        (&["last-exec", "0x1000", "--at", "event:99"], "99"),
        (&["last-exec", "0x1000", "--at", "120%"], "120%"),
        (&["device", "soc/uart9"], "soc/uart0"),
        (&["device", "soc/uart9", "--json"], "soc/uart9"),
        (&["trace", "--from", "0"], "--to"),
        (&["trace", "--from", "x", "--to", "9"], "`x`"),
        (&["last-words"], "last-words"),
    ] {
        let (code, said, complained) = query(&file, words);
        assert_eq!((code, said.as_str()), (2, ""), "{words:?}: {complained}");
        assert!(complained.contains(complaint), "{words:?}: {complained}");
    }
    let (code, _, complained) = query(&folder.path().join("nowhere.rec"), &["device"]);
    assert!(code == 2 && complained.contains("nowhere.rec"), "{complained}");
    std::fs::write(folder.path().join("text"), "no recording").expect("a file");
    let (code, _, complained) = query(&folder.path().join("text"), &["device"]);
    assert!(code == 2 && complained.contains("text"), "{complained}");
}
