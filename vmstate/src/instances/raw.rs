//! States for this process alone: no schemas, no container, newest shapes.
//!
//! A debugger captures and restores hundreds of states a second. They never leave the process, so
//! what makes a snapshot readable elsewhere would only be in the way. Everything else is the same:
//! the same encoding, the same checks, all or nothing.

use std::ops::{Deref, DerefMut};

use super::{InstanceErrors, InstanceProblem, Instances, StagedInstances, refuse};
use crate::instance::Instance;

/// The state of every instance of one machine, in the order of its list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawStates {
    bytes: Vec<u8>,
    /// Where each instance's bytes end.
    ends: Vec<usize>,
}

impl RawStates {
    /// Length of the states in bytes.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is no state at all.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

impl<'a, R: Deref<Target = dyn Instance + 'a>> Instances<R> {
    /// The state of every instance, for [`Instances::load_raw`] of the same machine in this process.
    ///
    /// # Errors
    /// Every instance whose state cannot be written.
    pub fn save_raw(&self) -> Result<RawStates, InstanceErrors> {
        let mut raw = RawStates::default();
        let mut problems = Vec::new();
        for entry in &self.entries {
            let version = entry.instance.version();
            if let Err(error) = entry.instance.save(version, &mut raw.bytes) {
                problems.push(InstanceProblem::Save { path: entry.path.clone(), error });
            }
            raw.ends.push(raw.bytes.len());
        }
        refuse(problems)?;
        Ok(raw)
    }
}

impl<'a, R: DerefMut<Target = dyn Instance + 'a>> Instances<R> {
    /// Puts every instance back to a state from [`Instances::save_raw`].
    ///
    /// # Errors
    /// Every instance that refuses; the live state is as it was before.
    ///
    /// # Panics
    /// If the states are those of another list of instances.
    pub fn load_raw(&mut self, raw: &RawStates) -> Result<(), InstanceErrors> {
        assert_eq!(raw.ends.len(), self.entries.len(), "states of another list");
        let order = self.restore_order()?;
        let mut problems = Vec::new();
        let mut staged = Vec::with_capacity(self.entries.len());
        let mut start = 0;
        for (entry, end) in self.entries.iter().zip(&raw.ends) {
            match entry.instance.stage_newest(&raw.bytes[start..*end]) {
                Ok(value) => staged.push(value),
                Err(error) => {
                    problems.push(InstanceProblem::Finish { path: entry.path.clone(), error });
                }
            }
            start = *end;
        }
        refuse(problems)?;
        self.commit(&mut StagedInstances { staged, order })
    }
}
