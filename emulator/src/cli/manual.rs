//! `emulator manual`

use std::path::{Path, PathBuf};

use super::output::{Answer, CliError, Output};

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
    mut command: clap::Command,
    out: &mut Output,
) -> Result<Answer, CliError> {
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
