//! The outside of a live run, as a debugger or a monitor needs it.

use std::{
    path::Path,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use crate::{
    door::{Door, Event},
    machine::Machine,
    timeline::{Attended, RecordSession, Stops},
};

/// How the console of a live run is opened when a replay goes live.
pub type GoLive = Box<dyn FnOnce(&Machine, Option<&Path>) -> Result<Box<dyn Live>, String>>;

/// The outside of a live run: a door that can also put events in by itself.
pub trait Live: Door {
    /// Queues an event that the debugger makes; the door delivers it at the next
    /// [`take`](Door::take), recorded as any other when it is a recorder.
    fn inject(&mut self, event: Event);

    /// What the door means that has asked `machine` to leave.
    fn left(&mut self, machine: &Machine) -> Leaving;

    /// Has the door come back from waiting soon after the flag is set.
    fn heed(&mut self, attention: Arc<AtomicBool>);

    /// The machine stood still for a while of the host's time, which it need not catch up with.
    fn rested(&mut self) {}

    /// Whether what passes is written down.
    fn is_recording(&self) -> bool {
        false
    }

    /// Names the present position in the recording; false when there is none.
    fn mark(&mut self, _machine: &Machine, _name: &str) -> bool {
        false
    }

    /// Counters of what is written down, as lines of text; empty when nothing is.
    fn stats(&self) -> String {
        String::new()
    }

    /// The run is over; `how` says how. A recording ends in good order.
    ///
    /// # Errors
    /// What the host says.
    fn close(self: Box<Self>, _machine: &Machine, _how: &str) -> Result<(), String> {
        Ok(())
    }
}

/// What a door means that has asked the machine to leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leaving {
    /// The run is over for good.
    Over {
        /// Exit code of the program.
        code: u8,
        /// How it ended.
        how: String,
    },
    /// The operator wants to be heard; the run may go on afterwards.
    Operator,
    /// Nothing that concerns the run.
    Nothing,
}

impl<L: Live> Live for RecordSession<L> {
    fn inject(&mut self, event: Event) {
        self.recorder_mut().inner_mut().inject(event);
    }

    fn left(&mut self, machine: &Machine) -> Leaving {
        match self.attend(machine) {
            Ok(Attended::RunOn) => Leaving::Nothing,
            Ok(Attended::Left) => self.recorder_mut().inner_mut().left(machine),
            Err(error) => Leaving::Over { code: 2, how: error.to_string() },
        }
    }

    fn heed(&mut self, attention: Arc<AtomicBool>) {
        self.recorder_mut().inner_mut().heed(attention);
    }

    fn rested(&mut self) {
        self.recorder_mut().inner_mut().rested();
    }

    fn is_recording(&self) -> bool {
        true
    }

    fn mark(&mut self, machine: &Machine, name: &str) -> bool {
        Self::mark(self, machine, name);
        true
    }

    fn stats(&self) -> String {
        let Stops { checkpoints, longest, total } = self.stops();
        let millis = |time: Duration| time.as_secs_f64() * 1e3;
        format!(
            "checkpoints    {checkpoints}, longest stop {:.3} ms, together {:.3} ms\n",
            millis(longest),
            millis(total)
        )
    }

    fn close(self: Box<Self>, machine: &Machine, how: &str) -> Result<(), String> {
        self.finish(machine, how).map(drop).map_err(|error| error.to_string())
    }
}
