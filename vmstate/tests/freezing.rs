//! What the generated test `vmstate_lock` says of a lock that does not fit the code: all at once.

use std::fs;

use vmstate::VmState;
use vmstate::lock::{self, Entry};

#[derive(VmState)]
#[vmstate(version = 2)]
struct Timer {
    #[vmstate(default = 4)]
    count: u8,
}

#[derive(VmState)]
#[vmstate(version = 1, name = "Timer")]
struct OtherTimer {
    period: u8,
}

#[derive(VmState)]
#[vmstate(version = 1)]
struct Fifo {
    level: u8,
}

fn entry(version: u32) -> String {
    Entry::of(&Timer::DEF, version).to_text()
}

#[test]
fn every_difference_between_lock_and_code_is_said_at_once_and_nothing_is_written() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("vmstate.lock");
    let gone = entry(1).replace("type Timer", "type Clock");
    let text = [
        entry(1).replace("default 04", "default 05"),
        gone.clone(),
        gone.replace("version 1", "version 2"),
        entry(2),
        entry(2),
        entry(2).replace("version 2", "version 3"),
    ]
    .join("\n");
    fs::write(&path, &text).expect("the folder is writable");

    let error = lock::freeze(&[&Timer::DEF], &path).expect_err("the code is not what was released");
    let message = error.to_string();
    let lines: Vec<&str> = message.lines().skip(1).collect();
    let expected = [
        "Timer@2 stands twice in the lock: keep the first",
        "Timer@1 is not what was released.",
        "Clock@1 was released, but `vmstate::types!` lists no `Clock`: renamed? write `#[vmstate(name = \
         \"Clock\")]` on it",
        "Timer@3 was released; `version` cannot go back",
    ];
    let found: Vec<&&str> = lines.iter().filter(|line| line.contains('@')).collect();
    assert_eq!(found, expected.iter().collect::<Vec<_>>(), "{message}");
    assert!(message.contains("released:") && message.contains("default 05"), "{message}");
    assert_eq!(fs::read_to_string(&path).expect("it is there"), text);
}

#[test]
fn two_types_of_one_name_are_not_frozen() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("vmstate.lock");
    let types = [&Timer::DEF, &OtherTimer::DEF, &Fifo::DEF];
    let error = lock::freeze(&types, &path).expect_err("a file could not tell them apart");
    let expected = "`vmstate::types!` lists `Timer` twice; if these are two types, write \
                    `#[vmstate(name = \"..\")]` on one";
    assert_eq!(error.to_string().lines().nth(1), Some(expected));
    assert!(!path.exists());
    let frozen = lock::freeze(&[&Timer::DEF, &Fifo::DEF], &path).expect("two names");
    assert_eq!(frozen, ["Timer@1", "Timer@2", "Fifo@1"]);
}
