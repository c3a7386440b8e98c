//! The options of a run that load and save snapshots.

use std::path::PathBuf;

use super::{CliError, kind::open_snapshot, progress::shown};
use crate::machine::{Machine, board::Config};
use crate::snapshot::{self, Chain, LoadOptions, SaveOptions};

/// From and to snapshots.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(super) struct Args {
    /// Continue from a snapshot. The machine is the one in the file; so are its kernel and firmware,
    /// which must still be there.
    #[arg(long, value_name = "FILE", conflicts_with_all = [
        "machine", "cpus", "cpu", "memory", "bios", "kernel", "initrd", "append", "dtb", "insn_time",
        "rtc_base", "seed", "record", "replay",
    ])]
    load: Option<PathBuf>,
    /// Prove all RAM of the snapshot by its checksums before it runs.
    #[arg(long, requires = "load")]
    verify: bool,
    /// Save a snapshot when the run ends, however it ends.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["gdb", "replay"])]
    save_on_exit: Option<PathBuf>,
    /// Save only what differs from this snapshot, which must be kept.
    #[arg(long, value_name = "FILE", requires = "save_on_exit")]
    base: Option<PathBuf>,
    /// Compress the RAM in the saved snapshot.
    #[arg(long, requires = "save_on_exit")]
    compress: bool,
}

impl Args {
    /// The snapshot to continue from, with its parents.
    pub(super) fn open(&self) -> Result<Option<Chain>, CliError> {
        self.load.as_ref().map(open_snapshot).transpose()
    }

    /// Loads it into a machine that has been switched on.
    pub(super) fn load(&self, machine: &mut Machine, chain: &Chain) -> Result<(), CliError> {
        let options = LoadOptions { verify: self.verify };
        Ok(shown("load", || snapshot::load_machine(machine, chain, options))?)
    }

    /// Whether the run ends with a save.
    pub(super) fn is_asked(&self) -> bool {
        self.save_on_exit.is_some()
    }

    /// Saves the machine, which was built from `config`, if that was asked for.
    pub(super) fn save(&self, machine: &Machine, config: &Config) -> Result<(), CliError> {
        let Some(path) = &self.save_on_exit else { return Ok(()) };
        let options = SaveOptions { base: self.base.as_deref(), compress: self.compress };
        Ok(shown("save", || snapshot::save_machine(machine, config, path, options))?)
    }
}
