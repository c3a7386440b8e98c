//! The command line: one file a verb, whose doc comment is its help.
//!
//! A verb is a module with `Args` (what clap parses) and `run`. Adding one is a file and a word in
//! [`Verb`]. Exit codes: 0 done or yes, 1 no (files differ, a file would not load), 2 wrong usage or
//! bad input. What a user asked for goes to standard output, everything else to standard error.

mod diff;
mod dump;
mod info;
mod output;
mod schema;
mod snapshot;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use output::{Answer, CliError, Output};

/// A deterministic full-system emulator with record, replay and reverse debugging.
#[derive(Debug, Parser)]
#[command(name = "emulator", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Diff(diff::Args),
    Dump(dump::Args),
    Info(info::Args),
    Schema(schema::Args),
    Snapshot(snapshot::Args),
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut output = Output::stdout();
    let result = match cli.verb {
        Verb::Diff(args) => diff::run(&args, &mut output),
        Verb::Dump(args) => dump::run(&args, &mut output),
        Verb::Info(args) => info::run(&args, &mut output),
        Verb::Schema(args) => schema::run(&args, &mut output),
        Verb::Snapshot(args) => snapshot::run(&args, &mut output),
    };
    output.finish(result)
}
