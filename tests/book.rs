//! Every shell example of the README and the book runs, and prints what stands there.
//!
//! A block marked `console` holds commands (`$ ` in front, `> ` where one goes on in the next line)
//! and what they print. All blocks of a file run in order in one shell in a fresh folder, with the
//! emulator of this build in the path. `...` alone in a line stands for any lines, `[..]` for
//! anything inside a line, and `? N` in front of the output for the exit code N; without it a command
//! must succeed. `BOOK_UPDATE=1` writes what was printed into the files.
//!
//! What stands in blocks of other kinds is held to the truth elsewhere, and [`KINDS`] says where.

#[path = "book/pattern.rs"]
mod pattern;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use pattern::matches;

/// One command of a block, with what follows it.
#[derive(Debug, PartialEq, Eq)]
struct Example {
    /// Line of the file, from 1.
    line: usize,
    command: String,
    code: i32,
    expected: Vec<String>,
    /// Lines of the file that hold what is expected.
    span: std::ops::Range<usize>,
}

fn examples(text: &str) -> Vec<Example> {
    let mut found: Vec<Example> = Vec::new();
    let (mut inside, mut open) = (false, false);
    for (index, line) in text.lines().enumerate() {
        if let Some(language) = line.strip_prefix("```") {
            (inside, open) = (!inside && language == "console", false);
        } else if let (true, Some(command)) = (inside, line.strip_prefix("$ ")) {
            let command = command.to_owned();
            let span = index + 1..index + 1;
            found.push(Example { line: index + 1, command, code: 0, expected: Vec::new(), span });
            open = true;
        } else if let (true, Some(example)) = (inside && open, found.last_mut()) {
            match (line.strip_prefix("> "), line.strip_prefix("? ")) {
                (Some(more), _) if example.command.ends_with('\\') => {
                    example.command.push('\n');
                    example.command.push_str(more);
                    example.span = index + 1..index + 1;
                }
                (_, Some(code)) if example.expected.is_empty() => {
                    example.code = code.parse().expect("an exit code behind `? `");
                    example.span = index + 1..index + 1;
                }
                _ => {
                    example.expected.push(line.to_owned());
                    example.span.end = index + 1;
                }
            }
        } else {
            assert!(!inside, "line {}: a console block begins with a command", index + 1);
        }
    }
    found
}

/// What each of `examples` printed, and its exit code.
fn run(examples: &[Example], folder: &Path) -> Vec<(String, i32)> {
    let mut script = String::from("exec 2>&1 </dev/null\n");
    for example in examples {
        script.push_str(&example.command);
        script.push_str("\nprintf '\\001%d\\001' $?\n");
    }
    script.push_str("kill $(jobs -p) 2>/dev/null\n");
    let binaries = Path::new(env!("CARGO_BIN_EXE_emulator")).parent().expect("a folder");
    let path = std::env::var("PATH").expect("PATH is set");
    let out = Command::new("timeout")
        .args(["--kill-after=5", "120", "bash", "-c", &script])
        .current_dir(folder)
        .env("PATH", format!("{}:{path}", binaries.display()))
        .env("ROOT", env!("CARGO_MANIFEST_DIR"))
        .env("HOME", folder)
        .env("COLUMNS", "100")
        .env_remove("RUST_LOG")
        .output()
        .expect("bash runs");
    let text = String::from_utf8_lossy(&out.stdout).replace('\r', "");
    let mut parts = text.split('\u{1}');
    let mut found = Vec::new();
    while let (Some(printed), Some(code)) = (parts.next(), parts.next()) {
        found.push((printed.to_owned(), code.parse().unwrap_or(-1)));
    }
    assert_eq!(found.len(), examples.len(), "the shell did not come to its end:\n{text}");
    found
}

/// The lines that the shell of a file printed instead of those expected.
fn differences(path: &Path, text: &str) -> Vec<String> {
    let examples = examples(text);
    if examples.is_empty() {
        return Vec::new();
    }
    let folder = tempfile::tempdir().expect("a folder");
    let printed = run(&examples, folder.path());
    let mut wrong = Vec::new();
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    for (example, (found, code)) in examples.iter().zip(printed).rev() {
        let found: Vec<_> = found.lines().map(str::trim_end).collect();
        if code == example.code && matches(&example.expected, &found) {
            continue;
        }
        lines.splice(example.span.clone(), found.iter().map(|line| (*line).to_owned()));
        wrong.push(format!(
            "{}:{}: $ {}\nexit code {code}, printed:\n{}\nexpected (exit code {}):\n{}\n",
            path.display(),
            example.line,
            example.command,
            found.join("\n"),
            example.code,
            example.expected.join("\n"),
        ));
    }
    if !wrong.is_empty() && std::env::var_os("BOOK_UPDATE").is_some() {
        fs::write(path, lines.join("\n") + "\n").expect("the file can be written");
    }
    wrong
}

fn check(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let text = fs::read_to_string(&path).expect("the file is there");
    assert!(!examples(&text).is_empty(), "{name} has no example: take it out of the list");
    let wrong = differences(&path, &text);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Files with examples: a test each, so that they run side by side.
macro_rules! files {
    ($($test:ident: $file:literal,)*) => {
        const FILES: &[&str] = &[$($file),*];
        $(#[test]
        fn $test() {
            check($file);
        })*
    };
}

files! {
    readme: "README.md",
    record_and_replay: "docs/src/record-and-replay.md",
    snapshots: "docs/src/snapshots.md",
    reverse_debugging: "docs/src/reverse-debugging.md",
    command_line: "docs/src/command-line.md",
    pictures: "docs/src/pictures.md",
    test_programs: "docs/src/test-programs.md",
    console: "docs/src/console.md",
    debugging: "docs/src/debugging.md",
}

/// Shell examples that no test runs, and why. That what they name is there is tested.
const UNTESTED: &[(&str, &str)] = &[
    ("scripts/test", "it runs this test"),
    ("scripts/demo", "it builds the program; `scripts/test` runs it behind the tests"),
    ("scripts/fetch-guests &&", "`tests/system/readme.rs` runs what stands behind the `&&`"),
    ("cargo ", "it builds and runs tests: those that it names run in their short form"),
    ("rm ", "it writes the goldens of a release"),
];

/// Kinds of blocks, and what shows that they are right.
const KINDS: &[(&str, &str)] = &[
    ("console", "this test"),
    ("monitor", "tests/console/transcript.rs"),
    ("report", "tests/record_replay/report.rs"),
    ("rust", "they are documentation tests of `machines`"),
    ("sh", "`UNTESTED`"),
    ("c", "`QUOTED`"),
    ("text", "`QUOTED`"),
];

/// Chapters that quote something in blocks marked `text` or `c`, and where it stands or comes from.
const QUOTED: &[(&str, &str)] = &[
    ("docs/src/testing.md", "tests/isa/lines/m.txt"),
    ("docs/src/reverse-debugging.md", "machines/guests/demo/main.c"),
    // The compiler's message is compared with the chapter's by the test of a crate outside.
    ("docs/src/writing-a-device-state.md", "vmstate/tests/outside.rs"),
];

/// The README and the chapters with their names.
fn chapters() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let chapters = fs::read_dir(root.join("docs/src")).expect("the book is there");
    let mut paths: Vec<PathBuf> = chapters.map(|entry| entry.expect("readable").path()).collect();
    paths.push(root.join("README.md"));
    let named = paths.into_iter().map(|path| {
        let text = fs::read_to_string(&path).expect("chapters are text");
        let name = path.strip_prefix(root).expect("below the root").to_string_lossy().into_owned();
        (name, text)
    });
    named.collect()
}

/// The lines of `text` with the kind of the block that each stands in.
fn lines_of_blocks(text: &str) -> Vec<(Option<&str>, &str)> {
    let mut kind = None;
    let mut found = Vec::new();
    for line in text.lines() {
        match line.trim_start().strip_prefix("```") {
            Some(mark) => kind = if kind.is_some() { None } else { Some(mark) },
            None => found.push((kind, line)),
        }
    }
    found
}

/// A command without the variables that are set in front of it, and these.
fn split_variables(line: &str) -> (Vec<&str>, &str) {
    let (mut rest, mut variables) = (line.trim_start(), Vec::new());
    while let Some((word, more)) = rest.split_once(' ')
        && let Some((name, _)) = word.split_once('=')
    {
        variables.push(name);
        rest = more.trim_start();
    }
    (variables, rest)
}

#[test]
fn every_shell_example_stands_in_a_block_that_is_run() {
    let list =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("machines/src/lib.rs"));
    let list = list.expect("the list of documentation tests is there");
    for (name, text) in chapters() {
        let listed = FILES.contains(&name.as_str());
        assert_eq!(listed, !examples(&text).is_empty(), "{name}: list it in this file, or not");
        for (kind, line) in lines_of_blocks(&text) {
            let Some(kind) = kind else {
                let indented = line.starts_with("    emulator ") || line.starts_with("    $ ");
                assert!(
                    !indented,
                    "{name}: `{}` is run by no test: make it `console`",
                    line.trim()
                );
                continue;
            };
            assert!(
                KINDS.iter().any(|known| known.0 == kind),
                "{name}: who shows that `{kind}` is right?"
            );
            let held = match kind {
                "monitor" => name == "docs/src/console.md",
                "report" => name == "docs/src/record-and-replay.md",
                "rust" => list.contains(&name),
                "sh" => UNTESTED.iter().any(|known| split_variables(line).1.starts_with(known.0)),
                "c" | "text" => QUOTED.iter().any(|known| known.0 == name),
                _ => true,
            };
            assert!(held, "{name}: `{line}` is shown by no test: make it `console`");
        }
    }
}

#[test]
fn what_the_book_quotes_stands_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let chapters = chapters();
    for (name, source) in QUOTED {
        let (_, text) = chapters.iter().find(|known| known.0 == *name).expect("a chapter");
        let source_text = fs::read_to_string(root.join(source)).expect("the source is there");
        let quotes = lines_of_blocks(text);
        let quotes = quotes.iter().filter(|(kind, _)| matches!(kind, Some("c" | "text")));
        for (_, line) in quotes {
            let compared = source_text.contains(name) || source_text.contains(line.trim());
            assert!(compared, "{name}: `{line}` is not in {source}");
        }
    }
}

#[test]
fn commands_that_no_test_runs_name_what_there_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources = ["tests", "emulator/tests", "emulator/src", "vmstate/src", "scripts"];
    let sources: String = sources.iter().map(|folder| text_below(&root.join(folder))).collect();
    let mut seen = 0;
    for (name, text) in chapters() {
        let blocks = lines_of_blocks(&text);
        let table = text.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
        let lines = blocks.iter().filter(|(kind, _)| *kind == Some("sh")).map(|(_, line)| *line);
        for line in lines.chain(table) {
            let (variables, command) = split_variables(line);
            let mut words = command.split_whitespace();
            let first = words.next().unwrap_or_default();
            if first.starts_with("scripts/") {
                assert!(root.join(first).is_file(), "{name}: there is no {first}");
            } else if first != "cargo" {
                continue;
            }
            seen += 1;
            for variable in variables {
                assert!(
                    sources.contains(&format!("\"{variable}\"")),
                    "{name}: who reads {variable}?"
                );
            }
            let words: Vec<_> = command.split_whitespace().collect();
            for pair in words.windows(2).filter(|pair| pair[0] == "--test") {
                let file = format!("tests/{}.rs", pair[1]);
                let found = ["", "emulator", "vmstate"]
                    .iter()
                    .any(|of| root.join(of).join(&file).is_file());
                assert!(found, "{name}: there is no {file}");
            }
        }
    }
    assert!(seen > 10, "only {seen} commands");
}

/// All text of the files below `folder`.
fn text_below(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            text += &text_below(&path);
        } else {
            // What is not text names no variable.
            text += &fs::read_to_string(&path).unwrap_or_default();
        }
    }
    text
}

#[test]
fn a_block_is_commands_with_their_output() {
    let text = "```console\n$ one \\\n> two\nout\n$ false\n? 1\n```\n\n```text\n$ not this\n```\n";
    let found = examples(text);
    assert_eq!(found.len(), 2);
    assert_eq!(
        (found[0].command.as_str(), found[0].expected.as_slice()),
        ("one \\\ntwo", &["out".to_owned()][..])
    );
    assert_eq!((found[1].code, found[1].line), (1, 5));
}
