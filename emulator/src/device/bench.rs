//! A bench for testing one device alone: registers, time and what it did.

use super::{Device, Effect, Io};
use crate::{bus::Width, memory::GuestMemory};

/// A device with nothing around it.
#[derive(Debug)]
pub struct Bench<D> {
    /// The device under test.
    pub device: D,
    memory: GuestMemory,
    effects: Vec<Effect>,
    now_ns: u64,
}

impl<D: Device> Bench<D> {
    /// The device at time zero, with one page of memory at address 0.
    ///
    /// # Panics
    /// When the host has no memory for a page.
    #[must_use]
    pub fn new(device: D) -> Self {
        let memory =
            GuestMemory::new(std::slice::from_ref(&(0..0x1000))).expect("one page of memory");
        Self { device, memory, effects: Vec::new(), now_ns: 0 }
    }

    /// Runs `call` with the device and its surroundings.
    pub fn with<T>(&mut self, call: impl FnOnce(&mut D, &mut Io<'_>) -> T) -> T {
        let mut io = Io::new(self.now_ns, 0, "bench", &self.memory, &mut self.effects);
        call(&mut self.device, &mut io)
    }

    /// Reads from the first region.
    ///
    /// # Panics
    /// When the device has no registers.
    pub fn read(&mut self, offset: u64, width: Width) -> u64 {
        self.with(|device, io| device.mmio().expect("registers").read(io, 0, offset, width))
    }

    /// Writes to the first region.
    ///
    /// # Panics
    /// When the device has no registers.
    pub fn write(&mut self, offset: u64, width: Width, value: u64) {
        self.with(|device, io| {
            device.mmio().expect("registers").write(io, 0, offset, width, value)
        });
    }

    /// Delivers an event from outside; false when the device does not know it.
    ///
    /// # Panics
    /// When the device takes no events.
    pub fn receive(&mut self, kind: &str, data: &[u8]) -> bool {
        self.with(|device, io| device.external().expect("takes events").receive(io, kind, data))
    }

    /// The levels of the output lines.
    ///
    /// # Panics
    /// When the device has no output lines.
    #[must_use]
    pub fn levels(&self) -> u64 {
        self.device.line_outputs().expect("output lines").levels(self.now_ns)
    }

    /// The next deadline.
    ///
    /// # Panics
    /// When the device has no timers.
    pub fn deadline_ns(&mut self) -> Option<u64> {
        let now_ns = self.now_ns;
        self.device.timed().expect("timers").deadline_ns(now_ns)
    }

    /// Sets the time without looking at timers.
    pub fn set_now_ns(&mut self, now_ns: u64) {
        self.now_ns = now_ns;
    }

    /// Lets time pass until `now_ns`, stopping at every deadline on the way.
    ///
    /// # Panics
    /// When the device has no timers.
    pub fn advance_to(&mut self, now_ns: u64) {
        while let Some(deadline_ns) = self.deadline_ns().filter(|&deadline| deadline <= now_ns) {
            self.now_ns = self.now_ns.max(deadline_ns);
            self.with(|device, io| device.timed().expect("timers").expire(io));
        }
        self.now_ns = now_ns;
    }

    /// What the device did beyond its own state since the last call.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }
}
