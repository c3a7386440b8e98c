//! `emulator schema`

use std::path::PathBuf;

use vmstate::inspect::describe;

use super::output::{Answer, CliError, Output};
use crate::snapshot::Chain;

/// Look at the descriptions of state types.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    work: Work,
}

#[derive(Debug, clap::Subcommand)]
enum Work {
    /// Show a type as a snapshot describes it: its fields, kinds, versions and defaults.
    Show {
        /// Name of the type; with @VERSION, that version alone.
        type_name: String,
        /// The snapshot.
        #[arg(long)]
        file: PathBuf,
    },
}

/// Runs the verb.
///
/// # Errors
/// A file that cannot be read, a type that it does not have.
pub(super) fn run(args: &Args, out: &mut Output) -> Result<Answer, CliError> {
    let Work::Show { type_name, file } = &args.work;
    let chain = Chain::open(file)?;
    let table = chain.newest().schema_table().map_err(|error| CliError::container(file, error))?;
    let shown: Vec<_> = table
        .iter()
        .filter(|schema| {
            schema.type_name == *type_name || schema.type_ref().to_string() == *type_name
        })
        .collect();
    if shown.is_empty() {
        let known: Vec<_> = table.iter().map(|schema| schema.type_ref().to_string()).collect();
        let known = known.join(", ");
        return Err(CliError::Usage(format!("no type `{type_name}`; there are: {known}")));
    }
    for schema in shown {
        // Errors of the output are kept in it.
        describe(out, schema, &table).unwrap_or_default();
    }
    Ok(Answer::Yes)
}
