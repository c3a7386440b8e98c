//! Puts a machine together: what a board does once.

use std::{collections::BTreeMap, sync::OnceLock};

use super::{Fabric, Image, ImageError, Machine, MachineState, Schedule, Sink, board::SavedType};
use crate::{clock::Clock, device::Device, digest::Transcript, memory::GuestMemory, vcpu::Vcpu};

/// A machine in the making. Mistakes of a board (overlapping regions, lines that nobody takes,
/// wires in a cycle) are bugs and panic.
pub struct MachineBuilder {
    name: String,
    memory: GuestMemory,
    clock: Clock,
    quantum: u64,
    harts: Vec<Box<dyn Vcpu>>,
    fabric: Fabric,
    images: Vec<Image>,
    properties: BTreeMap<&'static str, String>,
    types: &'static [SavedType],
}

impl MachineBuilder {
    /// A machine called `name` (with its version) whose steps last `step_ps` picoseconds and whose
    /// harts take turns of `quantum` steps.
    #[must_use]
    pub fn new(name: &str, memory: GuestMemory, step_ps: u64, quantum: u64) -> Self {
        Self {
            name: name.to_owned(),
            memory,
            clock: Clock::new(step_ps),
            quantum,
            harts: Vec::new(),
            fabric: Fabric::new(),
            images: Vec::new(),
            properties: BTreeMap::new(),
            types: &[],
        }
    }

    /// States the versions in which instances of these types are saved; others are saved in their newest.
    pub fn save_as(&mut self, types: &'static [SavedType]) {
        self.types = types;
    }

    /// Adds the next hart.
    pub fn hart(&mut self, hart: Box<dyn Vcpu>) {
        self.harts.push(hart);
    }

    /// Adds a device under its instance path and returns its number.
    pub fn device(&mut self, path: &str, device: Box<dyn Device>) -> usize {
        self.fabric.add(path, device)
    }

    /// Maps a region of a device at a physical address.
    pub fn map(&mut self, device: usize, region: usize, base: u64) {
        self.fabric.map(device, region, base);
    }

    /// Wires an output line of a device.
    pub fn wire(&mut self, device: usize, line: u32, sink: Sink) {
        self.fabric.wire(device, line, sink);
    }

    /// Adds what is in memory after every reset.
    ///
    /// # Errors
    /// [`ImageError`] when it does not lie in RAM, or overlaps another.
    pub fn image(&mut self, image: Image) -> Result<(), ImageError> {
        image.check(&self.memory, &self.images)?;
        self.images.push(image);
        Ok(())
    }

    /// Notes what the board decided, under the name by which [`Config`] takes it back.
    ///
    /// [`Config`]: super::board::Config
    pub fn property(&mut self, name: &'static str, value: String) {
        self.properties.insert(name, value);
    }

    /// The machine, not yet switched on.
    #[must_use]
    pub fn build(mut self) -> Machine {
        self.fabric.seal();
        self.memory.set_mailboxes(&self.fabric.mailbox_ranges());
        let state = MachineState {
            step_ps: self.clock.step_ps,
            schedule: Schedule::new(self.harts.len(), self.quantum),
            off: None,
            seed: [0; 32],
            transcript: Transcript::default(),
        };
        Machine {
            name: self.name,
            memory: self.memory,
            harts: self.harts,
            fabric: self.fabric,
            clock: self.clock,
            images: self.images,
            image_digests: OnceLock::new(),
            properties: self.properties,
            types: self.types,
            state,
            accesses: None,
        }
    }
}
