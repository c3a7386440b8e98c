//! What an operator may do to the real machine while it is live.

use std::path::Path;

use super::{MachineSubject, Outside, failed};
use crate::{
    debug::{DebugError, Operator},
    door::{Closed, kind},
    machine::Machine,
    snapshot::{self, Chain, LoadOptions, SaveOptions},
};

impl Operator for MachineSubject {
    fn machine(&self) -> &Machine {
        &self.machine
    }

    fn reset(&mut self) -> Result<(), DebugError> {
        self.operate(kind::RESET)
    }

    fn power_off(&mut self) -> Result<(), DebugError> {
        self.operate(kind::POWER_OFF)
    }

    fn save(&mut self, file: &Path, options: SaveOptions<'_>) -> Result<(), DebugError> {
        snapshot::save_machine(&self.machine, &self.config, file, options).map_err(failed)
    }

    fn load(&mut self, file: &Path) -> Result<(), DebugError> {
        if let Outside::Live(door) = &self.outside
            && door.is_recording()
        {
            let why = "a recording cannot take in a snapshot: its replay would not have it";
            return Err(DebugError::Usage(why.to_owned()));
        }
        let chain = Chain::open(file).map_err(failed)?;
        let options = LoadOptions { verify: false };
        snapshot::load_machine(&mut self.machine, &chain, options).map_err(failed)?;
        self.rested();
        Ok(())
    }

    fn rested(&mut self) {
        if let Outside::Live(door) = &mut self.outside {
            door.rested();
        }
    }

    fn close(&mut self, how: &str) -> Result<(), DebugError> {
        match std::mem::replace(&mut self.outside, Outside::Closed(Closed)) {
            Outside::Live(door) => door.close(&self.machine, how).map_err(DebugError::Subject),
            Outside::Replay(_) | Outside::Closed(_) => Ok(()),
        }
    }
}
