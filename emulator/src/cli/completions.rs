//! `emulator completions`

use clap_complete::Shell;

use super::output::{Answer, CliError, Output};

/// Print the completions of a shell.
///
/// For bash: `emulator completions bash > ~/.local/share/bash-completion/completions/emulator`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The shell.
    shell: Shell,
}

/// Runs the verb.
///
/// # Errors
/// None: those of the output are kept in it.
pub(super) fn run(
    args: &Args,
    mut command: clap::Command,
    out: &mut Output,
) -> Result<Answer, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "emulator", &mut script);
    out.text(&String::from_utf8_lossy(&script));
    Ok(Answer::Yes)
}
