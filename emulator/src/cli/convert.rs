//! `emulator convert`

use std::path::PathBuf;

use super::kind::open_snapshot;
use super::output::{Answer, CliError, Output};
use super::progress::shown;
use crate::machine::board::{self, Board, Config};
use crate::snapshot::{self, CPU, SaveOptions};

/// Rewrite a snapshot for another version of its machine, older or newer.
///
/// Values that the other version cannot hold are refused by name, and nothing is written. The kernel
/// and firmware named in the snapshot must still be there.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The snapshot.
    file: PathBuf,
    /// The machine's version to write, such as riscv64-virt@1.0.
    #[arg(long, value_name = "NAME[@VERSION]")]
    machine: String,
    /// The file to write.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Compress the RAM in it.
    #[arg(long)]
    compress: bool,
}

/// Runs the verb.
///
/// # Errors
/// A file that cannot be read or written, another machine, a value that cannot be held.
pub(super) fn run(
    args: &Args,
    boards: &[&dyn Board],
    out: &mut Output,
) -> Result<Answer, CliError> {
    let chain = open_snapshot(&args.file)?;
    let found = snapshot::machine_name(&chain);
    let (board, version) = board::find(boards, &found).map_err(CliError::Usage)?;
    let (other, wanted) = board::find(boards, &args.machine).map_err(CliError::Usage)?;
    if other.name() != board.name() {
        return Err(CliError::Usage(format!(
            "`{}` is of the machine {found}, which is no {}",
            args.file.display(),
            other.name()
        )));
    }
    let config = snapshot::config_of(&chain)?;
    let mut from = board.build(version, &config)?.machine;
    // The version's own CPU model becomes the other's own; one that was asked for stays.
    let bare = Config { images: Some(Vec::new()), cpu: None, ..config.clone() };
    let own = board.build(version, &bare)?.machine.properties().get(CPU).cloned();
    let cpu = config.cpu.clone().filter(|cpu| own.as_ref() != Some(cpu));
    let mut to = board.build(wanted, &Config { cpu, ..config.clone() })?.machine;
    let changed = shown("load", || snapshot::convert(&chain, &mut from, &mut to))?;
    let options = SaveOptions { base: None, compress: args.compress };
    shown("save", || snapshot::save_machine(&to, &config, &args.output, options))?;
    out.line(format_args!("{}: {found} -> {}", args.output.display(), to.name()));
    for line in changed {
        out.line(format_args!("changed: {line}"));
    }
    Ok(Answer::Yes)
}
