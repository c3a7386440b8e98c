//! The one door through which everything from outside enters the machine.
//!
//! Problem: a run can be repeated only when every input is known with the position at which it
//! came. Strategy: devices have no host to ask. The machine asks one [`Door`] between slices, and
//! hands the [`Event`] it gets to the device that the event names. Live input, a recording in the
//! making and a replay are three doors behind the same three questions; the machine cannot tell
//! them apart.
//!
//! Invariants: an event takes effect exactly at the position given to [`Door::take`]; when the
//! machine splits its slices elsewhere, nothing that the guest sees changes. Timers, interrupts,
//! disk data and clock reads are computed and never pass through here. Why a door asked the machine
//! to leave is known to the door, so that no host error crosses the machine.

use std::{borrow::Cow, time::Duration};

use crate::clock::Position;

/// Event kinds that every machine knows. A device adds its own beside its registers.
pub mod kind {
    /// Bytes typed at a serial port; the data are the bytes.
    pub const SERIAL_INPUT: &str = "serial.input";
    /// The real-time clock's base, once, before the first step ([`PowerOn`](super::PowerOn));
    /// nanoseconds since 1970-01-01 UTC as 8 little-endian bytes.
    pub const CLOCK_BASE: &str = "clock.base";
    /// The random seed, once, before the first step ([`PowerOn`](super::PowerOn)); 32 bytes.
    pub const SEED: &str = "seed";
    /// The operator resets the machine; no data.
    pub const RESET: &str = "machine.reset";
    /// The operator switches the machine off; no data.
    pub const POWER_OFF: &str = "machine.power-off";
    /// A debugger writes guest memory: 8 little-endian bytes of physical address, then the bytes.
    pub const WRITE_MEMORY: &str = "debug.write-memory";
    /// A debugger writes a register of the hart that the target names: 4 little-endian bytes of
    /// GDB register number, then the value.
    pub const WRITE_REGISTER: &str = "debug.write-register";
}

/// Something that came from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What it is, by name: one of [`kind`] or a device's own.
    pub kind: Cow<'static, str>,
    /// Instance path of the device it goes to; empty for the machine itself.
    pub target: Cow<'static, str>,
    /// The content, as the kind defines it.
    pub data: Vec<u8>,
}

/// What the machine takes from the outside world once, before its first step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PowerOn {
    /// Base of the real-time clock: nanoseconds since 1970-01-01 UTC at position zero.
    pub clock_base_ns: u64,
    /// Seed of everything random that the guest sees.
    pub seed: [u8; 32],
}

/// Something that the guest sends to the outside world. It never influences the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Output<'a> {
    /// What it is, by name, such as `serial.output`.
    pub kind: &'static str,
    /// Instance path of the device that sent it.
    pub source: &'a str,
    /// The content, as the kind defines it.
    pub data: &'a [u8],
}

/// A moment of the run, as the machine tells it to its door.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// Where the timeline stands.
    pub position: Position,
    /// Virtual time there, in nanoseconds.
    pub now_ns: u64,
    /// The machine's transcript hash there: everything that crossed the bus, every trap and every
    /// interrupt so far, on every hart.
    pub transcript: u64,
}

/// What the door has for the machine at a position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Deliver this now, then ask again at the same steps.
    Event(Event),
    /// Nothing: run on, at most to the horizon.
    Nothing,
    /// Stop running; the door knows why.
    Leave,
}

/// What the door says when every hart waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// Nothing came before the deadline: warp exactly to it.
    Deadline,
    /// Warp by this many virtual nanoseconds (at most to the deadline), then ask for the event.
    After {
        /// Idle nanoseconds to add to the position.
        idle_ns: u64,
    },
    /// Stop running; the door knows why.
    Leave,
}

/// The outside world as the machine sees it. A door says only what it has: one that says nothing
/// leads nowhere, like [`Closed`].
pub trait Door {
    /// Asked once, before the first step of a machine that is switched on (not of one that is
    /// restored).
    fn power_on(&mut self) -> PowerOn {
        PowerOn::default()
    }

    /// Absolute steps at which the machine must ask [`Door::take`] again at the latest, greater
    /// than those of `now`; `u64::MAX` when it need not.
    fn horizon(&mut self, _now: Moment) -> u64 {
        u64::MAX
    }

    /// What is due at `now`. Asked before every slice until it has nothing. A live door
    /// holds a machine back here that runs ahead of the host's clock.
    fn take(&mut self, _now: Moment) -> Reply {
        Reply::Nothing
    }

    /// Every hart waits at `now`; the machine's next deadline is at `deadline_ns` of virtual time,
    /// or there is none.
    ///
    /// A door that has nothing and sees no deadline must answer [`Wake::Leave`] or wait for its
    /// host: the machine never spins.
    fn idle(&mut self, _now: Moment, deadline_ns: Option<u64>) -> Wake {
        if deadline_ns.is_some() { Wake::Deadline } else { Wake::Leave }
    }

    /// From now on, a door that waits for its host in [`Door::idle`] comes back after this long at
    /// the latest, with [`Wake::After`] no time at all; `None` lets it wait as long as it likes. A door
    /// that never waits need not know.
    fn wait_at_most(&mut self, _: Option<Duration>) {}

    /// The guest has sent something out.
    fn output(&mut self, _now: Position, _output: Output<'_>) {}
}

/// A door behind which there is nothing: the machine runs until it waits for ever.
#[derive(Clone, Copy, Debug, Default)]
pub struct Closed;

impl Door for Closed {}
