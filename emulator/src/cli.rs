//! The command line: one file a verb, whose doc comment is its help.
//!
//! A verb is a module with `Args` (what clap parses) and `run`. Adding one is a file, declared here, and
//! its word in `verbs!`. Without a verb the command line runs a machine ([`run`]). Exit codes of verbs: 0 done or
//! yes, 1 no (files differ, a file would not load), 2 wrong usage or bad input; a run ends with the
//! guest's code. What a user asked for goes to standard output, everything else to standard error.

mod bisect;
mod check;
mod completions;
mod convert;
mod diff;
mod dump;
mod gdb;
mod info;
mod kind;
mod live;
mod machines;
mod manual;
mod output;
mod pack;
mod progress;
mod query;
mod recording;
mod run;
mod saving;
mod schema;
mod snapshot;
mod timeline;
mod verify;

use std::{
    process::ExitCode,
    sync::{Arc, atomic::AtomicBool},
};

use clap::{CommandFactory, Parser, Subcommand};

use crate::machine::board::Board;

pub use output::{Answer, CliError, Output};

/// A deterministic full-system emulator with record, replay and reverse debugging.
///
/// Without a command it runs a machine: the built-in demo guest, unless a kernel or firmware is
/// given.
#[derive(Debug, Parser)]
#[command(
    name = "emulator",
    version,
    propagate_version = true,
    args_conflicts_with_subcommands = true,
    after_long_help = run::EXIT_CODES
)]
struct Cli {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// Say more on standard error: -v notes of the emulator and of guest mistakes, -vv everything.
    /// RUST_LOG says it in detail.
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    verbose: u8,
    #[command(flatten)]
    run: run::Args,
}

/// The verbs: each is a module with `Args`, whose doc comment is its help, and `run`.
macro_rules! verbs {
    ($($verb:ident),+ $(,)?) => {
        #[derive(Debug, Subcommand)]
        #[expect(non_camel_case_types, reason = "one word is a verb's module and its name")]
        enum Verb {
            $($verb($verb::Args)),+
        }

        impl Verb {
            fn run(
                &self,
                boards: &'static [&'static dyn Board],
                out: &mut Output,
            ) -> Result<Answer, CliError> {
                match self {
                    $(Self::$verb(args) => $verb::run(args, boards, out)),+
                }
            }
        }
    };
}

verbs![
    bisect,
    check,
    completions,
    convert,
    diff,
    dump,
    info,
    machines,
    manual,
    pack,
    query,
    schema,
    snapshot,
    timeline,
    verify,
];

/// The command line as clap knows it: man page, completions and the book's tests are made from it.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}

/// Runs the command line of this process.
pub fn main(boards: &'static [&'static dyn Board]) -> ExitCode {
    let cli = Cli::parse();
    start_tracing(cli.verbose);
    outlive_file_limits();
    let mut output = Output::stdout();
    let Some(verb) = cli.verb else { return run::run(&cli.run, boards) };
    let result = verb.run(boards, &mut output);
    output.finish(result)
}

/// A write beyond the host's limit on the size of files is an error that names the file, and no end of the
/// process, which would leave the terminal raw.
fn outlive_file_limits() {
    let nobody_looks = Arc::new(AtomicBool::new(false));
    if let Err(error) = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, nobody_looks) {
        tracing::debug!(%error, "SIGXFSZ");
    }
}

/// Notes go to standard error; `RUST_LOG` has the last word on which.
fn start_tracing(verbose: u8) {
    use tracing_subscriber::EnvFilter;
    let default = match verbose {
        0 => "warn",
        1 => "warn,emulator=debug,guest=debug",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}
