//! Every shell example of the README and the book runs, and prints what stands there.
//!
//! A block marked `console` holds commands (`$ ` in front, `> ` where one goes on in the next line)
//! and what they print. All blocks of a file run in order in one shell in a fresh folder, with the
//! emulator of this build in the path. `...` alone in a line stands for any lines, `[..]` for
//! anything inside a line, and `? N` in front of the output for the exit code N; without it a command
//! must succeed. `BOOK_UPDATE=1` writes what was printed into the files.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

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

/// Whether `line` is what `pattern` says, where `[..]` stands for anything.
fn line_matches(pattern: &str, line: &str) -> bool {
    let mut parts = pattern.split("[..]");
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    let parts: Vec<_> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// Whether `lines` are what `patterns` say, where a line `...` stands for any lines.
fn matches(patterns: &[String], lines: &[&str]) -> bool {
    match patterns.split_first() {
        None => lines.is_empty(),
        Some((first, rest)) if first == "..." => {
            (0..=lines.len()).any(|skip| matches(rest, &lines[skip..]))
        }
        Some((first, rest)) => lines
            .split_first()
            .is_some_and(|(line, more)| line_matches(first, line) && matches(rest, more)),
    }
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
}

/// Shell examples that no test can run here: they build or test everything.
const UNTESTED: &[&str] = &["scripts/", "cargo "];

/// A command without the variables that are set in front of it.
fn without_variables(line: &str) -> &str {
    let mut rest = line;
    while let Some((word, more)) = rest.split_once(' ')
        && word.contains('=')
    {
        rest = more.trim_start();
    }
    rest
}

#[test]
fn every_shell_example_stands_in_a_block_that_is_run() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let chapters = fs::read_dir(root.join("docs/src")).expect("the book is there");
    let mut paths: Vec<PathBuf> = chapters.map(|entry| entry.expect("readable").path()).collect();
    paths.push(root.join("README.md"));
    for path in paths {
        let text = fs::read_to_string(&path).expect("chapters are text");
        let name = path.strip_prefix(root).expect("below the root").to_string_lossy().into_owned();
        let listed = FILES.contains(&name.as_str());
        assert_eq!(listed, !examples(&text).is_empty(), "{name}: list it in this file, or not");
        let mut language = None;
        for line in text.lines() {
            if let Some(mark) = line.strip_prefix("```") {
                language = if language.is_some() { None } else { Some(mark.to_owned()) };
                continue;
            }
            let shell = matches!(language.as_deref(), Some("sh" | "bash" | "shell" | ""));
            let untested = UNTESTED.iter().any(|start| without_variables(line).starts_with(start));
            assert!(!shell || untested, "{name}: `{line}` is run by no test: make it `console`");
            let indented = language.is_none() && line.starts_with("    emulator ");
            assert!(!indented, "{name}: `{}` is run by no test: make it `console`", line.trim());
        }
    }
}

#[test]
fn a_pattern_matches_what_it_says_and_nothing_else() {
    for (pattern, line, expected) in [
        ("abc", "abc", true),
        ("abc", "abcd", false),
        ("a[..]c", "abbc", true),
        ("a[..]c", "abb", false),
        ("[..] of [..]", "3 of 4", true),
        ("[..]x[..]x", "x", false),
    ] {
        assert_eq!(line_matches(pattern, line), expected, "{pattern} on {line}");
    }
    let patterns = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    assert!(matches(&patterns("a\n...\nd"), &["a", "b", "c", "d"]));
    assert!(!matches(&patterns("a\n...\nd"), &["a", "b", "c"]));
    assert!(matches(&patterns("..."), &[]));
    assert!(!matches(&[], &["a"]));
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
