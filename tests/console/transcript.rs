//! The dialogue with the monitor that the book shows.
//!
//! A block marked `monitor` is what stands on a terminal behind `Ctrl-A c`: lines that begin with the
//! prompt are typed, the others are what must come, in the patterns of `tests/book.rs`.

use std::path::Path;

use super::terminal::{GUEST, MONITOR, Terminal, emulator};
use crate::pattern::matches;

/// Typed lines of the `monitor` blocks of `text`, each with the lines that stand below it.
fn dialogues(text: &str) -> Vec<(&str, Vec<String>)> {
    let mut found: Vec<(&str, Vec<String>)> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if let Some(language) = line.strip_prefix("```") {
            inside = language == "monitor";
        } else if let (true, Some(typed)) = (inside, line.strip_prefix(MONITOR)) {
            found.push((typed, Vec::new()));
        } else if inside {
            let (_, expected) = found.last_mut().expect("a dialogue begins with a typed line");
            expected.push(line.to_owned());
        }
    }
    found
}

#[test]
fn the_dialogue_of_the_book_is_what_a_terminal_shows() {
    let chapter = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/src/console.md");
    let text = std::fs::read_to_string(chapter).expect("the chapter is there");
    let dialogues = dialogues(&text);
    let typed: Vec<_> = dialogues.iter().map(|(typed, _)| *typed).collect();
    assert!(typed.len() > 1 && typed.last() == Some(&"cont"), "{typed:?}");

    let mut terminal = Terminal::run(emulator().args(["--rtc-base", "1700000000"]));
    terminal.expect(GUEST);
    terminal.type_keys("\x01c");
    terminal.expect(MONITOR);
    for (typed, expected) in &dialogues {
        let said = if *typed == "cont" {
            terminal.type_keys("cont\r");
            terminal.expect("cont");
            terminal.expect("\n");
            terminal.expect("guest\r\n") + "guest"
        } else {
            terminal.ask(typed)
        };
        // What the editor does to the terminal in front of the next prompt is no text.
        let said = said.replace('\r', "");
        let shown: Vec<_> = said.lines().filter(|line| !line.starts_with('\x1b')).collect();
        assert!(matches(expected, &shown), "{typed}:\n{said:?}\nexpected:\n{expected:#?}");
    }
    terminal.type_keys("date\r");
    terminal.expect("2023-11-14 ");
    terminal.type_keys("\x01x");
    assert_eq!(terminal.wait(), Some(0));
}
