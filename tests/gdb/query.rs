//! `emulator query` as a user calls it, over a program whose every step is known.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use emulator::{
    clock::Position,
    door::Closed,
    machine::{Image, board::Config},
};
use serde_json::{Value, json};

use super::recording::{record_behind};

/// From 0x1000 on.
const PROGRAM: [u32; 7] = [
    0x0010_0413, // 0: li s0, 1
    0x01f4_1413, // 1: slli s0, s0, 31   RAM
    0x0070_0313, // 2: li t1, 7
    0x0064_3023, // 3: sd t1, 0(s0)
    0x0013_0313, // 4: addi t1, t1, 1
    0x0064_3023, // 5: sd t1, 0(s0)
    0x0000_006f, // 6: j .
];

fn recorded(folder: &Path) -> PathBuf {
    let path = folder.join("program.rec");
    let bytes: Vec<u8> = PROGRAM.iter().flat_map(|word| word.to_le_bytes()).collect();
    let config = Config {
        memory_bytes: 16 << 20,
        images: Some(vec![Image::new("program", 0x1000, bytes)]),
        ..Config::default()
    };
    record_behind(Closed, &path, &config, Position::at_steps(20));
    path
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
    let folder = tempfile::tempdir().expect("a folder");
    let file = recorded(folder.path());
    for (words, code, expected) in [
        (
            &["last-write", "0x80000000"][..],
            0,
            "5  hart 0  0x1014  sd t1, 0(s0)\n\
             07 00 00 00 00 00 00 00 -> 08 00 00 00 00 00 00 00\n",
        ),
        (&["last-write", "s0", "1", "--at", "5"], 0, "3  hart 0  0x100c  sd t1, 0(s0)\n00 -> 07\n"),
        (&["last-write", "0x80000000", "--at", "25%", "--physical"], 0, "3  hart 0  0x100c"),
        (&["last-write", "s0", "--at", "3"], 1, "nothing wrote 8 bytes at 0x80000000 before\n"),
        (&["last-exec", "0x1010"], 0, "4  hart 0  0x1010  addi t1, t1, 1\n"),
        (&["last-exec", "pc", "--at", "10"], 0, "9  hart 0  0x1018  j 0x1018\n"),
        (&["last-exec", "0x1010", "--at", "4"], 1, "0x1010 was not executed before\n"),
        (&["device"], 0, "soc/uart0\n"),
        (&["device", "soc/uart0", "--at", "45%"], 0, "divisor: "),
        (&["device", "hart0", "--at", "5"], 0, "pc: "),
    ] {
        let (found, said, complaint) = query(&file, words);
        assert_eq!((found, complaint.as_str()), (code, ""), "{words:?}: {said}");
        assert!(said.contains(expected), "{words:?}: {said}");
    }
    let write = json!({
        "position": { "steps": 5, "idle_ns": 0, "sequence": 0 },
        "hart": 0,
        "pc": "0x1014",
        "instruction": "sd t1, 0(s0)",
        "before": [7],
        "after": [8],
    });
    assert_eq!(json(&file, &["last-write", "s0", "1"]), [write]);
    assert_eq!(json(&file, &["last-write", "s0", "--at", "3"]), [Value::Null]);
    let executed = &json(&file, &["last-exec", "0x1010"])[0];
    assert_eq!((&executed["position"]["steps"], &executed["before"]), (&json!(4), &Value::Null));
    let paths = &json(&file, &["device"])[0];
    assert!(paths.as_array().expect("a list").contains(&json!("soc/uart0")), "{paths}");
}

#[test]
fn a_device_is_told_in_json_as_it_was_then() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = recorded(folder.path());
    let hart = |at| {
        let mut words = vec!["device", "hart0", "--at", at, "--json"];
        let (code, said, complaint) = query(&file, &words);
        words.clear();
        assert_eq!((code, complaint.as_str()), (0, ""));
        said.parse::<Value>().expect("it is JSON")
    };
    assert_ne!(hart("3"), hart("4"));
    assert_eq!(hart("4"), hart("20%"));
}

#[test]
fn a_trace_tells_each_instruction_and_the_registers_that_it_changed() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = recorded(folder.path());
    let (code, said, _) = query(&file, &["trace", "--from", "1", "--to", "5"]);
    let lines: Vec<Vec<&str>> = said.lines().map(|line| line.split("  ").collect()).collect();
    assert_eq!((code, lines.len()), (0, 4), "{said}");
    for (line, (instruction, change)) in said.lines().zip([
        ("slli s0, s0, 31", "s0=0x80000000"),
        ("li t1, 7", "t1=0x7"),
        ("sd t1, 0(s0)", ""),
        ("addi t1, t1, 1", "t1=0x8"),
    ]) {
        assert!(
            line.contains(instruction)
                && line.ends_with(if change.is_empty() { instruction } else { change }),
            "{line}"
        );
    }
    let steps = json(&file, &["trace", "--from", "2", "--to", "4"]);
    assert_eq!(steps.len(), 2);
    assert_eq!(steps[0]["registers"], json!({ "t1": "0x7" }));
    assert_eq!((&steps[1]["position"]["steps"], &steps[1]["pc"]), (&json!(3), &json!("0x100c")));
    // Where there is nothing between the two, there is nothing to tell.
    for range in [["--from", "5", "--to", "5"], ["--from", "7", "--to", "5"]] {
        let words: Vec<_> = std::iter::once("trace").chain(range).collect();
        assert_eq!(query(&file, &words), (0, String::new(), String::new()), "{range:?}");
    }
}

#[test]
fn what_cannot_be_answered_is_refused_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = recorded(folder.path());
    for (words, complaint) in [
        (&["last-write", "0xzz"][..], "0xzz"),
        (&["last-write", "no_register + 1"], "no_register"),
        (&["last-write", "0x10", "--physical"], "0x10"),
        (&["last-write", "0x80000000", "0 - 4"], "length"),
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
