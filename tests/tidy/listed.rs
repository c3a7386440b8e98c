//! Everything that a user can name stands in the book.

use emulator::machine::board::Config;
use machines::BOARDS;

use super::tree;

fn chapter(name: &str) -> String {
    std::fs::read_to_string(tree::root().join("docs/src").join(name)).expect("the chapter is there")
}

/// First words in backquotes of the rows of the chapter's tables.
fn first_cells(text: &str) -> Vec<&str> {
    text.lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|rest| rest.split('`').next())
        .collect()
}

#[test]
fn every_verb_stands_in_the_chapter_on_the_command_line_and_nothing_else() {
    let chapter = chapter("command-line.md");
    let listed = first_cells(chapter.split("## What is printed").next().expect("the first part"));
    let command = emulator::cli::command();
    let mut verbs: Vec<_> = command.get_subcommands().map(clap::Command::get_name).collect();
    verbs.sort_unstable();
    assert_eq!(listed, verbs, "the table in docs/src/command-line.md, and the program");
    for verb in verbs {
        let file = tree::root().join(format!("emulator/src/cli/{verb}.rs"));
        assert!(file.is_file(), "{verb} has no file of its own");
    }
}

#[test]
fn every_verb_and_option_says_what_it_does() {
    fn look(command: &clap::Command, path: &str, silent: &mut Vec<String>) {
        let path = format!("{path} {}", command.get_name());
        if command.get_about().is_none() {
            silent.push(path.clone());
        }
        let arguments = command.get_arguments().filter(|argument| argument.get_help().is_none());
        silent.extend(arguments.map(|argument| format!("{path}: {}", argument.get_id())));
        command.get_subcommands().for_each(|below| look(below, &path, silent));
    }
    let mut silent = Vec::new();
    look(&emulator::cli::command(), "", &mut silent);
    assert!(silent.is_empty(), "no doc comment, so no help: {silent:?}");
}

#[test]
fn every_command_of_the_monitor_stands_in_the_chapter_on_it() {
    let chapter = chapter("console.md");
    for command in emulator::debug::monitor::COMMANDS {
        let known =
            [" ", "`"].iter().any(|end| chapter.contains(&format!("`{}{end}", command.name)));
        assert!(known, "`{}` is not in docs/src/console.md", command.name);
    }
}

#[test]
fn every_board_and_its_devices_stand_in_the_chapter_on_the_machines() {
    let chapter = chapter("machines.md");
    for board in BOARDS {
        assert!(chapter.contains(&format!("## {}\n", board.name())), "{}", board.name());
        let newest = board.versions().last().expect("a board has a version");
        let config = Config { memory_bytes: 16 << 20, ..Config::default() };
        let machine = board.build(newest, &config).expect("the board as it is").machine;
        for (path, model) in machine.fabric().devices() {
            // Numbered slots stand there with the first and the last of them.
            let plain = path.trim_end_matches(|letter: char| letter.is_ascii_digit());
            let known = chapter.lines().any(|line| {
                line.starts_with("| `")
                    && line.contains(plain)
                    && line.contains(&format!("`{model}`"))
            });
            assert!(known, "{path} ({model}) is not in docs/src/machines.md");
        }
    }
}

#[test]
fn every_device_model_stands_in_the_chapter_on_the_machines() {
    let chapter = chapter("machines.md");
    for (path, text) in tree::files(&[".rs"]) {
        if !path.starts_with("emulator/src/devices") {
            continue;
        }
        let Some((_, rest)) = text.split_once("fn model(&self) -> &'static str {") else {
            continue;
        };
        let model = rest.split('"').nth(1).expect("a model is a name");
        let known = chapter.contains(&format!("`{model}`"));
        assert!(known, "`{model}` of {} is not in docs/src/machines.md", path.display());
    }
}

#[test]
fn every_chapter_stands_in_the_summary_and_no_link_is_dead() {
    let summary = chapter("SUMMARY.md");
    let mut dead = Vec::new();
    for (path, text) in tree::files(&[".md"]) {
        if let Ok(name) = path.strip_prefix("docs/src") {
            let name = name.to_string_lossy();
            let listed = summary.contains(&format!("({name})")) || name == "SUMMARY.md";
            assert!(listed, "{name} is not in docs/src/SUMMARY.md");
        }
        let folder = path.parent().expect("a file stands in a folder");
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap_or_default();
            let outside = link.contains("://") || link.contains(' ') || file.is_empty();
            if !outside && !tree::root().join(folder).join(file).exists() {
                dead.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert!(dead.is_empty(), "dead links:\n{}", dead.join("\n"));
}

#[test]
fn every_file_that_the_book_names_is_there() {
    const TOP: &[&str] =
        &["benches/", "docs/", "emulator/", "machines/", "scripts/", "tests/", "vmstate/"];
    let (mut seen, mut missing) = (0, Vec::new());
    for (path, text) in tree::files(&[".md"]) {
        let quoted = text.split('`').skip(1).step_by(2);
        let words = quoted.filter_map(|quoted| quoted.split_whitespace().next());
        let named = words.filter(|word| TOP.iter().any(|top| word.starts_with(top)));
        for name in named.filter(|name| !name.contains(['*', '<', '['])) {
            seen += 1;
            // A target of the fuzzer is called by its crate and its name.
            let target = name.replacen('/', "/fuzz/fuzz_targets/", 1) + ".rs";
            if !tree::root().join(name).exists() && !tree::root().join(target).exists() {
                missing.push(format!("{}: {name}", path.display()));
            }
        }
    }
    assert!(seen > 40, "only {seen} names");
    assert!(missing.is_empty(), "not there:\n{}", missing.join("\n"));
}

#[test]
fn every_module_of_the_library_stands_in_the_chapter_on_architecture() {
    let chapter = chapter("architecture.md");
    let library = std::fs::read_to_string(tree::root().join("emulator/src/lib.rs")).expect("text");
    let modules = library.lines().filter_map(|line| line.strip_prefix("pub mod "));
    let rows: Vec<_> = chapter.lines().filter(|line| line.starts_with("| `")).collect();
    for module in modules.map(|module| module.trim_end_matches(';')) {
        let known = rows.iter().any(|row| row.contains(&format!("`{module}`")));
        assert!(known, "`{module}` is not in the table of docs/src/architecture.md");
    }
}
