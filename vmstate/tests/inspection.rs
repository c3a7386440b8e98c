//! Dump, JSON, paths and diff of state whose device this build knows nothing of.
#![expect(clippy::unwrap_used, reason = "a failed helper is a failed test")]

use toy::{Toy, snapshot};
use vmstate::container::Snapshot;
use vmstate::diff::diff;
use vmstate::dump::{dump_instance, dump_value};
use vmstate::inspect::{Selection, Tree, select};
use vmstate::json::{json_instance, json_value};

#[path = "fixtures/toy.rs"]
mod toy;

/// What `path` shows of a snapshot, as text and as JSON.
fn show(bytes: &[u8], path: &str) -> Result<(String, String), String> {
    let snapshot = Snapshot::from_slice(bytes).map_err(|error| error.to_string())?;
    let tree = Tree::new(&snapshot).map_err(|error| error.to_string())?;
    let (mut text, mut json) = (String::new(), String::new());
    match select(snapshot.header().sections.iter(), path)? {
        Selection::Instances(sections) => {
            for section in sections {
                dump_instance(&mut text, &tree, section).map_err(|error| error.to_string())?;
                json_instance(&mut json, &tree, section).map_err(|error| error.to_string())?;
            }
        }
        Selection::Value(section, steps) => {
            dump_value(&mut text, &tree, section, &steps, path).map_err(|e| e.to_string())?;
            json_value(&mut json, &tree, section, &steps, path).map_err(|e| e.to_string())?;
        }
    }
    Ok((text, json))
}

#[test]
fn a_dump_names_fields_flags_and_variants() {
    let bytes = snapshot(&[("soc.toy0", &Toy::default())]);
    let (text, json) = show(&bytes, "soc.toy0").unwrap();
    let expected = "\
soc.toy0: Toy@1
  baud: 115200 (0x0001c200)
  counters: 10 elements
    [0]: 0x0 0x3 0x6 0x9 0xc 0xf 0x12 0x15
    [8]: 0x18 0x1b
  fifo: 61 62 63
  lsr: THRE | TEMT (0x60)
  names: 2 pairs
    [1]: \"one\"
    [768 (0x0300)]: \"mstatus\"
  offset: -5
  phase: Sending
    left: 7
  rom: 80 bytes
    000000:  00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  |................|
    *
    000040:  68 65 6c 6c 6f 00 00 00 00 00 00 00 00 00 00 00  |hello...........|
  timeout: absent
  timer: 1099511627776 (0x0000010000000000)
";
    assert_eq!(text, expected);
    let rom = format!("{}68656c6c6f{}", "00".repeat(64), "00".repeat(11));
    let expected = format!(
        "{{\"path\":\"soc.toy0\",\"type\":\"Toy\",\"version\":1,\"state\":{{\"baud\":115200,\
         \"counters\":[0,3,6,9,12,15,18,21,24,27],\"fifo\":\"616263\",\
         \"lsr\":{{\"value\":96,\"set\":[\"THRE\",\"TEMT\"]}},\
         \"names\":[[1,\"one\"],[768,\"mstatus\"]],\"offset\":-5,\
         \"phase\":{{\"variant\":\"Sending\",\"left\":7}},\"rom\":\"{rom}\",\
         \"timeout\":null,\"timer\":1099511627776}}}}"
    );
    assert_eq!(json, expected);
}

#[test]
fn a_path_selects_a_group_an_instance_a_field_or_an_element() {
    let toy = Toy::default();
    let bytes = snapshot(&[("soc.toy0", &toy), ("soc.toy1", &toy), ("ram", &toy)]);
    for (path, text, json) in [
        ("soc.toy0.baud", "soc.toy0.baud: 115200 (0x0001c200)\n", "115200"),
        ("soc.toy0.fifo[1]", "soc.toy0.fifo[1]: 98 (0x62)\n", "98"),
        ("soc.toy0.counters[0x2]", "soc.toy0.counters[0x2]: 6\n", "6"),
        ("soc.toy0.names[0x300]", "soc.toy0.names[0x300]: \"mstatus\"\n", "\"mstatus\""),
        ("soc.toy1.phase.left", "soc.toy1.phase.left: 7\n", "7"),
        ("soc.toy1.timeout", "soc.toy1.timeout: absent\n", "null"),
    ] {
        assert_eq!(show(&bytes, path).unwrap(), (text.to_owned(), json.to_owned()), "{path}");
    }
    let (text, _) = show(&bytes, "soc").unwrap();
    assert!(text.contains("soc.toy0: Toy@1") && text.contains("soc.toy1: Toy@1"));
    assert!(!text.contains("ram: Toy@1"));
}

#[test]
fn a_path_that_leads_nowhere_says_what_there_is() {
    let bytes = snapshot(&[("soc.toy0", &Toy::default())]);
    for (path, expected) in [
        ("uart", "`uart` names no instance; there are: soc.toy0"),
        ("soc.toy0.bauds", "there is no field `bauds`; there is: baud, counters, fifo"),
        ("soc.toy0.fifo[3]", "there is no element `[3]`; there is: 3 bytes"),
        ("soc.toy0.baud.x", "there is no field `x`; there is: nothing"),
        ("soc.toy0.fifo[3", "`[3` lacks its closing bracket"),
        ("soc.toy0..x", "a field name is missing"),
    ] {
        let error = show(&bytes, path).unwrap_err();
        assert!(error.contains(expected), "{path}: {error}");
    }
}

/// The differences between two snapshots, one a line.
fn differences(first: &[u8], second: &[u8]) -> Vec<String> {
    let (a, b) = (Snapshot::from_slice(first).unwrap(), Snapshot::from_slice(second).unwrap());
    diff(&a, &b).unwrap().iter().map(ToString::to_string).collect()
}

#[test]
fn a_diff_names_fields_flags_and_ranges() {
    let first = Toy::default();
    let mut second = Toy {
        baud: 9600,
        fifo: b"abXde".to_vec(),
        lsr: 0x41,
        names: vec![(2, "two"), (0x300, "mstatus")],
        left: None,
        timeout: Some(4),
        timer: None,
        ..first.clone()
    };
    second.rom[65] = 0;
    second.rom[70..72].fill(1);
    let found = differences(
        &snapshot(&[("a", &first), ("b", &first)]),
        &snapshot(&[("a", &second), ("c", &first)]),
    );
    assert_eq!(
        found,
        [
            "a.baud: 115200 (0x0001c200) -> 9600 (0x00002580)",
            "a.fifo: 3 bytes -> 5 bytes",
            "a.fifo[2]: 63 -> 58",
            "a.lsr: +DR -THRE",
            "a.names[1]: only in the first: \"one\"",
            "a.names[2]: only in the second: \"two\"",
            "a.phase: Sending -> Idle",
            "a.rom[65]: 65 -> 00",
            "a.rom[70..72]: 00 00 -> 01 01",
            "a.timeout: absent -> 4",
            "a.timer: 1099511627776 (0x0000010000000000) -> none",
            "b: only in the first: Toy@1",
            "c: only in the second: Toy@1",
        ]
    );
}

#[test]
fn equal_snapshots_have_no_differences() {
    let bytes = snapshot(&[("a", &Toy::default())]);
    assert!(differences(&bytes, &bytes).is_empty());
}

#[test]
fn bytes_that_are_no_value_are_refused_with_section_offset_and_field() {
    let toy = Toy { names: vec![(1, "one"); 9], ..Toy::default() };
    let bytes = snapshot(&[("toy0", &toy)]);
    let error = show(&bytes, "toy0").unwrap_err();
    let start = Snapshot::from_slice(&bytes).unwrap().header().sections[0].extent.offset;
    // Behind baud (3 bytes), counters (10), fifo (4) and lsr (1).
    let offset = start + 18;
    let expected = format!("section `toy0` at byte {offset} ({offset:#x}): `names`: 9 elements");
    assert!(error.starts_with(&expected), "{error}");
}
