//! What a device is: registers, state and behaviour, in one file and without the board.
//!
//! Problem: a device that knows its address, its interrupt number or the host's clock cannot be
//! put on another board, cannot be replayed and cannot be tested alone. Strategy: a device offers
//! *capabilities*, each a trait of its own that the compiler checks ([`Mmio`], [`Mailbox`], [`Timed`],
//! [`TimeBase`], [`LineOutputs`], [`LineInputs`], [`External`]), and sees only what an [`Io`] hands it: virtual
//! time, guest memory, and a place for what it wants to tell the outside.
//!
//! Invariants:
//! * The level of every output line is a pure function of the device's state and of virtual time
//!   ([`LineOutputs::levels`]). So nothing has to be raised after a restore: the machine samples
//!   all lines in wiring order and everything stands as it stood.
//! * A timer is state: its deadline is a field, and the machine ends a slice exactly there.
//! * An access that the region does not take (width, alignment) never reaches the device. What a
//!   device dislikes beyond that is guest misbehaviour: it answers as its manual says and reports
//!   it with [`Io::guest_error`].
//!
//! Deliberately absent: addresses, interrupt numbers, host time, randomness, threads, and edges or
//! pulses on lines (a level that a register clears says the same and survives a save).

pub mod bench;
pub mod fuzz;

use std::ops::Range;

use vmstate::Instance;

use crate::{
    bus::Width,
    door::PowerOn,
    memory::{GuestMemory, NotRam},
};

/// A stretch of a device's registers that the board maps somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// Name within the device, as in its manual; shown by `emulator machines`.
    pub name: &'static str,
    /// Length in bytes.
    pub bytes: u64,
    /// Narrowest access that it takes.
    pub narrowest: Width,
    /// Widest access that it takes.
    pub widest: Width,
}

/// What the guest asks of the machine through a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerRequest {
    /// Switch the machine off; the code reaches the host (0: success).
    Off {
        /// Exit code.
        code: u8,
    },
    /// Reset the whole machine.
    Reset,
}

/// Something that a device did beyond its own state, carried out after the slice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Data for the outside world; see [`Output`](crate::door::Output).
    Output {
        /// Number of the device within the machine.
        device: usize,
        /// What the data are.
        kind: &'static str,
        /// The data.
        data: Vec<u8>,
    },
    /// The guest switches or resets the machine.
    Power(PowerRequest),
    /// The device wrote guest memory.
    Stored,
}

/// What a device may use during one call.
pub struct Io<'a> {
    now_ns: u64,
    device: usize,
    name: &'a str,
    memory: &'a GuestMemory,
    effects: &'a mut Vec<Effect>,
}

impl<'a> Io<'a> {
    /// The surroundings of device number `device`, called `name`, at `now_ns` of virtual time.
    #[must_use]
    pub fn new(
        now_ns: u64,
        device: usize,
        name: &'a str,
        memory: &'a GuestMemory,
        effects: &'a mut Vec<Effect>,
    ) -> Self {
        Self { now_ns, device, name, memory, effects }
    }

    /// Virtual time in nanoseconds since power-on.
    #[must_use]
    pub fn now_ns(&self) -> u64 {
        self.now_ns
    }

    /// Guest memory, for a device that reads it by itself.
    #[must_use]
    pub fn memory(&self) -> &'a GuestMemory {
        self.memory
    }

    /// Writes guest memory, ROM excepted; the harts lose their reservations.
    ///
    /// # Errors
    /// [`NotRam`] as [`GuestMemory::store`].
    pub fn store(&mut self, addr: u64, bytes: &[u8]) -> Result<(), NotRam> {
        self.memory.store(addr, bytes)?;
        if self.effects.last() != Some(&Effect::Stored) {
            self.effects.push(Effect::Stored);
        }
        Ok(())
    }

    /// Sends data to the outside world, such as a byte that left a serial port.
    pub fn send(&mut self, kind: &'static str, data: &[u8]) {
        // A guest that prints writes byte after byte; one effect holds them all.
        if let Some(Effect::Output { device, kind: last, data: bytes }) = self.effects.last_mut()
            && *device == self.device
            && *last == kind
        {
            bytes.extend_from_slice(data);
            return;
        }
        self.effects.push(Effect::Output { device: self.device, kind, data: data.to_vec() });
    }

    /// Asks the machine to switch off or to reset, after the present instruction.
    pub fn request(&mut self, request: PowerRequest) {
        self.effects.push(Effect::Power(request));
    }

    /// Notes something that the guest should not have done. It changes nothing for the guest;
    /// `-v` shows it.
    pub fn guest_error(&self, offset: u64, what: &str) {
        tracing::debug!(target: "guest", device = self.name, offset, "{what}");
    }
}

/// A device has registers on the bus.
pub trait Mmio {
    /// The regions, in a fixed order; the index is the `region` of an access.
    fn regions(&self) -> &[Region];

    /// Reads at `offset` bytes into `region`; width and alignment have been checked. Bits above
    /// the width are ignored.
    fn read(&mut self, io: &mut Io<'_>, region: usize, offset: u64, width: Width) -> u64;

    /// Writes the low `width` bits of `value`; the bits above are zero.
    fn write(&mut self, io: &mut Io<'_>, region: usize, offset: u64, width: Width, value: u64);
}

/// A device does something at a time of its own.
pub trait Timed {
    /// Virtual time of the next moment at which [`Timed::expire`] must be called or the level of
    /// an output line changes by itself; `None` when there is none. It is computed from state.
    fn deadline_ns(&self, now_ns: u64) -> Option<u64>;

    /// The deadline has come (`io.now_ns()` is at or behind it). Afterwards the deadline lies in
    /// the future or there is none.
    fn expire(&mut self, io: &mut Io<'_>);
}

/// A device drives lines.
pub trait LineOutputs {
    /// The level of every output line, line `n` in bit `n`. A pure function.
    fn levels(&self, now_ns: u64) -> u64;
}

/// A device is driven by lines.
pub trait LineInputs {
    /// The lines that there are; a board that wires another has a bug.
    fn lines(&self) -> Range<u32>;

    /// Input `line` now has this level. Called on changes and, with the present level, after a
    /// restore.
    fn set_level(&mut self, line: u32, level: bool);
}

/// A device takes events from outside the machine.
pub trait External {
    /// The kinds of events that it knows.
    fn kinds(&self) -> &'static [&'static str];

    /// Takes an event; returns false when it does not know the kind.
    fn receive(&mut self, io: &mut Io<'_>, kind: &str, data: &[u8]) -> bool;
}

/// A device has the counter from which the harts take their time.
pub trait TimeBase {
    /// How many ticks the counter is ahead of virtual time, modulo 2^64, because the guest has set it.
    fn offset_ticks(&self) -> u64;
}

/// A device listens to words of guest memory: a mailbox instead of registers.
pub trait Mailbox {
    /// The physical ranges that it listens to, fixed for its life.
    fn ranges(&self) -> Vec<Range<u64>>;

    /// Looks into the mailbox after an instruction that wrote there, and at other moments too: what
    /// it does depends on its state and on memory alone, and looking twice does nothing more.
    fn look(&mut self, io: &mut Io<'_>);
}

/// A device: its state (`#[derive(VmState)]`) and the abilities it has.
pub trait Device: Instance + Send {
    /// The device's name in its manual, such as `ns16550a`.
    fn model(&self) -> &'static str;

    /// Returns to the power-on state. Configuration and wiring stay, and what a battery keeps.
    fn power_cycle(&mut self) {
        self.reset();
    }

    /// The machine is switched on for the first time.
    fn power_on(&mut self, _: &PowerOn) {}

    /// Registers on the bus.
    fn mmio(&mut self) -> Option<&mut dyn Mmio> {
        None
    }

    /// Words of guest memory that it listens to.
    fn mailbox(&mut self) -> Option<&mut dyn Mailbox> {
        None
    }

    /// Timers.
    fn timed(&mut self) -> Option<&mut dyn Timed> {
        None
    }

    /// The harts' time. A board has one such device at most.
    fn time_base(&self) -> Option<&dyn TimeBase> {
        None
    }

    /// Output lines.
    fn line_outputs(&self) -> Option<&dyn LineOutputs> {
        None
    }

    /// Input lines.
    fn line_inputs(&mut self) -> Option<&mut dyn LineInputs> {
        None
    }

    /// Events from outside.
    fn external(&mut self) -> Option<&mut dyn External> {
        None
    }
}
