//! `emulator manual`

use std::path::{Path, PathBuf};

use super::output::{Answer, CliError, Output};
use crate::machine::board::Board;

/// Print the manual page, or write those of all commands into a folder.
///
/// `man -l <(emulator manual)` reads it; with `--output ~/.local/share/man/man1`, `man emulator` and
/// `man emulator-dump` do.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Write one page for each command into this folder.
    #[arg(short, long, value_name = "FOLDER")]
    output: Option<PathBuf>,
}

/// Runs the verb.
///
/// # Errors
/// A folder that cannot be written to.
pub(super) fn run(
    args: &Args,
    _boards: &[&dyn Board],
    out: &mut Output,
) -> Result<Answer, CliError> {
    let mut command = super::command();
    command.build();
    match &args.output {
        None => {
            let page = render(command)?;
            out.text(&String::from_utf8_lossy(&page));
        }
        Some(folder) => {
            let failed = |path: &Path| {
                let path = path.display().to_string();
                move |error: std::io::Error| CliError::File { path, why: error.to_string() }
            };
            std::fs::create_dir_all(folder).map_err(failed(folder))?;
            for (name, page) in pages(command)? {
                let path = folder.join(name);
                std::fs::write(&path, page).map_err(failed(&path))?;
                out.line(format_args!("{}", path.display()));
            }
        }
    }
    Ok(Answer::Yes)
}

fn render(command: clap::Command) -> Result<Vec<u8>, CliError> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command)
        .render(&mut page)
        .map_err(|error| CliError::Usage(error.to_string()))?;
    Ok(page)
}

/// The pages of `command` and of all below it, with their file names.
fn pages(command: clap::Command) -> Result<Vec<(String, Vec<u8>)>, CliError> {
    let mut found = Vec::new();
    let mut left = vec![command];
    while let Some(command) = left.pop() {
        let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
        let below = command.get_subcommands().filter(|below| below.get_name() != "help");
        left.extend(below.cloned());
        found.push((format!("{name}.1"), render(command.display_name(name))?));
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_with_its_options_and_the_first_one_the_exit_codes() {
        let mut command = crate::cli::command();
        command.build();
        let verbs: Vec<_> =
            command.get_subcommands().map(|verb| verb.get_name().to_owned()).collect();
        let pages = pages(command).expect("a page is text");
        let page = |name: &str| {
            let found = pages.iter().find(|(file, _)| file == name);
            let (_, page) = found.unwrap_or_else(|| panic!("there is no {name}"));
            String::from_utf8_lossy(page).replace("\\-", "-")
        };
        let whole = page("emulator.1");
        for text in [".TH emulator 1", "--record", "--until", "Exit codes of a run", "signal N"] {
            assert!(whole.contains(text), "`{text}` is not on the page:\n{whole}");
        }
        for verb in verbs.iter().filter(|verb| *verb != "help") {
            let page = page(&format!("emulator-{verb}.1"));
            assert!(page.contains("NAME") && page.contains("SYNOPSIS"), "{verb}:\n{page}");
        }
        assert!(page("emulator-snapshot-verify.1").contains("--json"));
    }
}
