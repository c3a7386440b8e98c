//! `emulator completions`

use clap_complete::Shell;

use super::output::{Answer, CliError, Output};
use crate::machine::board::Board;

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
    _boards: &[&dyn Board],
    out: &mut Output,
) -> Result<Answer, CliError> {
    let mut command = super::command();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "emulator", &mut script);
    out.text(&String::from_utf8_lossy(&script));
    Ok(Answer::Yes)
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn every_shell_completes_every_verb() {
        for shell in Shell::value_variants() {
            let mut command = crate::cli::command();
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut command, "emulator", &mut script);
            let script = String::from_utf8(script).expect("a script is text");
            for verb in crate::cli::command().get_subcommands() {
                assert!(script.contains(verb.get_name()), "{shell} lacks {}", verb.get_name());
            }
        }
    }
}
