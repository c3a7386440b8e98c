//! From a file to a machine that is ready to replay it.

use std::path::Path;

use crate::{
    journal::{JournalError, Reader},
    machine::{
        Machine,
        board::{self, Board, BuildError, Engine},
    },
    translate::Compilation,
};

use super::{
    ReplaySession, Replayer, Sink,
    checkpoint::{self, CheckpointError},
    described::{DescriptionError, check_images, config_of},
};

/// Why a recording cannot be replayed at all.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It cannot be read, or holds what this build cannot deliver.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Its description gives no machine, or another one.
    #[error(transparent)]
    Description(#[from] DescriptionError),
    /// A checkpoint cannot be used.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// This build has no such machine.
    #[error("recorded was the machine {machine}: {why}")]
    NoBoard {
        /// The recorded machine, with its version.
        machine: String,
        /// What there is.
        why: String,
    },
    /// The machine cannot be built.
    #[error("the recorded machine cannot be built: {0}")]
    Build(#[from] BuildError),
}

/// What of a replay is the replayer's own choice: it changes nothing that the guest computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tuning {
    /// What runs the instructions.
    pub engine: Engine,
    /// Executions after which code is translated.
    pub jit_threshold: Option<u32>,
    /// When it is translated.
    pub compilation: Compilation,
}

/// Builds the machine that `recording` describes and proves that it holds the recorded images. It
/// has not been switched on.
///
/// # Errors
/// [`OpenError`], naming what is missing or different.
pub fn build(
    recording: &mut Reader,
    boards: &[&dyn Board],
    tuning: Tuning,
) -> Result<Machine, OpenError> {
    let name = recording.description().machine.clone();
    let (board, version) = board::find(boards, &name)
        .map_err(|why| OpenError::NoBoard { machine: name.clone(), why })?;
    let mut config = config_of(recording)?;
    config.engine = tuning.engine;
    config.jit_threshold = tuning.jit_threshold;
    config.compilation = tuning.compilation;
    let machine = board.build(version, &config)?.machine;
    check_images(recording.description(), &machine)?;
    Ok(machine)
}

/// A recording, its machine at power-on, and the session that replays it.
#[derive(Debug)]
pub struct Opened<S> {
    /// The recording.
    pub recording: Reader,
    /// The machine.
    pub machine: Machine,
    /// What drives it along the recording.
    pub session: ReplaySession<S>,
}

impl<S: Sink> Opened<S> {
    /// Opens `path` for replay from power-on; what the guest sends out goes to `sink`.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn at_power_on(
        path: &Path,
        boards: &[&dyn Board],
        tuning: Tuning,
        sink: S,
    ) -> Result<Self, OpenError> {
        let (recording, machine, replayer) = start(path, boards, tuning, sink)?;
        let session = ReplaySession::new(&machine, replayer);
        Ok(Self { recording, machine, session })
    }

    /// Opens `path` for replay from its checkpoint `number`, counted from 0.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn at_checkpoint(
        path: &Path,
        boards: &[&dyn Board],
        tuning: Tuning,
        number: usize,
        sink: S,
    ) -> Result<Self, OpenError> {
        let (mut recording, mut machine, mut replayer) = start(path, boards, tuning, sink)?;
        let position = checkpoint::restore(&mut machine, &mut recording, number)?;
        replayer.seek(&recording, position)?;
        let session = ReplaySession::new(&machine, replayer);
        Ok(Self { recording, machine, session })
    }
}

/// The recording at `path`, its machine just switched on, and what replays it; what the guest sends
/// out goes to `sink`.
///
/// # Errors
/// [`OpenError`].
pub fn start<S: Sink>(
    path: &Path,
    boards: &[&dyn Board],
    tuning: Tuning,
    sink: S,
) -> Result<(Reader, Machine, Replayer<S>), OpenError> {
    let mut recording = Reader::open(path)?;
    let mut machine = build(&mut recording, boards, tuning)?;
    let mut replayer = Replayer::new(&recording, machine.clock().step_ps, sink)?;
    machine.power_on(&mut replayer);
    Ok((recording, machine, replayer))
}
