//! A machine: harts, memory and devices on one timeline.
//!
//! Problem: several harts, timers, input from outside, an idle guest and a debugger all want to
//! decide what happens next, and a run must come out the same however it is cut into slices.
//! Strategy: one loop. It *settles* (timers that are due, lines, power requests, whose turn it is),
//! asks the door, and runs one hart for a budget that ends before anything else can happen: the
//! next deadline of a device or hart, the end of the hart's quantum, the door's horizon, the
//! caller's limit.
//!
//! Invariants:
//! * A [`Position`] has exactly one machine state: settling follows every change of position at
//!   once and depends on state alone, so it may be repeated, and where a slice was cut cannot be
//!   seen afterwards.
//! * Harts take turns in order, each for a quantum of steps; a hart that waits for an interrupt
//!   takes none, and what is left of its quantum lapses. Virtual time advances by one instruction
//!   time for each step of any hart.
//! * Only when every hart waits does the door decide how far virtual time warps, never beyond the
//!   next deadline.
//! * A machine has no globals and can be moved between threads; several run side by side.
//!
//! A reset is a power cycle: memory is zero but for the images, every device and hart is at its
//! defaults. Position and virtual time go on.

pub mod board;
mod builder;
mod fabric;
mod image;
mod onlooker;
pub mod report;
pub mod schedule;
mod slice;
#[cfg(test)]
mod tests;

pub use builder::MachineBuilder;
pub use fabric::{Activity, Fabric, Mapping, Sink};
pub use image::{Image, ImageError};
pub use onlooker::{Nobody, Onlooker};
pub use schedule::Schedule;
pub use slice::Access;

use std::{collections::BTreeMap, sync::OnceLock};

use vmstate::{Instance, VmState, instances::Instances};

use crate::{
    clock::{Clock, Position},
    device::{Effect, PowerRequest},
    digest::Transcript,
    door::{Door, Event, Moment, Output, PowerOn, Reply, Wake, kind},
    memory::GuestMemory,
    vcpu::Vcpu,
};

/// Why [`Machine::run`] returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The position given as the limit is reached; an event due there has not been delivered.
    Until,
    /// The guest or the operator switched the machine off.
    PoweredOff {
        /// Exit code; 0 is success.
        code: u8,
    },
    /// The door asked to leave, and knows why.
    Left,
    /// A breakpoint or a watchpoint of the debugger.
    Debug {
        /// The hart that met it.
        hart: usize,
    },
    /// The door handed in an event that this machine cannot take.
    Undeliverable(Event),
}

/// The state of the machine itself, beside harts, devices and memory.
#[derive(VmState, Clone, Debug, PartialEq, Eq)]
#[vmstate(version = 1, name = "machine")]
pub struct MachineState {
    /// Virtual picoseconds of one step; at least 1.
    #[vmstate(equal)]
    pub step_ps: u64,
    /// Whose turn it is.
    pub schedule: Schedule,
    /// Exit code once the machine is off, 0 for success; `None` while it is on.
    pub off: Option<u8>,
    /// Seed of everything random that the guest sees, as taken at power-on.
    pub seed: [u8; 32],
    /// Everything that crossed the bus and every change of a hart's lines, as a rolling hash.
    pub transcript: Transcript,
}

/// A whole machine.
pub struct Machine {
    name: String,
    memory: GuestMemory,
    harts: Vec<Box<dyn Vcpu>>,
    fabric: Fabric,
    clock: Clock,
    images: Vec<Image>,
    /// BLAKE3 of each image, once somebody asked.
    image_digests: OnceLock<Vec<[u8; 32]>>,
    properties: BTreeMap<&'static str, String>,
    types: &'static [board::SavedType],
    state: MachineState,
    /// Accesses to devices, while somebody wants them noted.
    accesses: Option<Vec<Access>>,
}

impl Machine {
    /// The machine type's full name, such as `riscv64-virt@1.0`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Guest memory.
    #[must_use]
    pub fn memory(&self) -> &GuestMemory {
        &self.memory
    }

    /// The harts, by number.
    #[must_use]
    pub fn harts(&self) -> &[Box<dyn Vcpu>] {
        &self.harts
    }

    /// The harts, to change them.
    pub fn harts_mut(&mut self) -> &mut [Box<dyn Vcpu>] {
        &mut self.harts
    }

    /// Puts something around each hart or in its place, such as one that observes or misbehaves.
    pub fn map_harts(&mut self, wrap: impl FnMut(Box<dyn Vcpu>) -> Box<dyn Vcpu>) {
        self.harts = std::mem::take(&mut self.harts).into_iter().map(wrap).collect();
    }

    /// The devices.
    #[must_use]
    pub fn fabric(&self) -> &Fabric {
        &self.fabric
    }

    /// The devices, to change their state; [`Machine::rewire`] must follow.
    pub fn fabric_mut(&mut self) -> &mut Fabric {
        &mut self.fabric
    }

    /// The virtual clock.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Where the run stands.
    #[must_use]
    pub fn position(&self) -> Position {
        self.clock.position
    }

    /// The state of the machine itself.
    #[must_use]
    pub fn state(&self) -> &MachineState {
        &self.state
    }

    /// What a reset loads into memory; no two overlap.
    #[must_use]
    pub fn images(&self) -> &[Image] {
        &self.images
    }

    /// What the board decided beyond the configuration and the images, by name: with these three the
    /// same machine can be built again.
    #[must_use]
    pub fn properties(&self) -> &BTreeMap<&'static str, String> {
        &self.properties
    }

    /// The BLAKE3 digest of each of [`Machine::images`], in their order. Taken once: images never change.
    #[must_use]
    pub fn image_digests(&self) -> &[[u8; 32]] {
        self.image_digests.get_or_init(|| {
            self.images.iter().map(|image| *blake3::hash(&image.bytes).as_bytes()).collect()
        })
    }

    /// Replaces the state of the machine itself and the position, as a restore does;
    /// [`Machine::rewire`] must follow.
    pub fn set_state(&mut self, state: MachineState, position: Position) {
        self.state = state;
        self.clock.position = position;
    }

    /// Everything that is saved, but RAM and the position: `machine` (its own state), `hart0` and so on, and
    /// the devices by their paths, in this order. `docs/src/snapshot-format.md` says what becomes of it in a
    /// file.
    #[must_use]
    pub fn instances(&self) -> Instances<&dyn Instance> {
        let mut instances = Instances::new();
        instances.add("machine", &self.state as &dyn Instance);
        for (number, hart) in self.harts.iter().enumerate() {
            instances.add(format!("hart{number}"), hart.instance());
        }
        for (path, device) in self.fabric.instances() {
            instances.add(path, device);
        }
        instances
    }

    /// The version in which this machine's version saves instances of the type called `type_name`; `None`
    /// for the newest.
    #[must_use]
    pub fn version_of(&self, type_name: &str) -> Option<u32> {
        self.types.iter().find(|(def, _)| def.is_named(type_name)).map(|(_, version)| *version)
    }

    /// The same, to load state. [`Machine::rewire`] must follow.
    #[must_use]
    pub fn instances_mut(&mut self) -> Instances<&mut dyn Instance> {
        self.instances_and_memory().0
    }

    /// The same, with the memory that is loaded together with them.
    pub fn instances_and_memory(&mut self) -> (Instances<&mut dyn Instance>, &GuestMemory) {
        let mut instances = Instances::new();
        instances.add("machine", &mut self.state as &mut dyn Instance);
        for (number, hart) in self.harts.iter_mut().enumerate() {
            instances.add(format!("hart{number}"), hart.instance_mut());
        }
        for (path, device) in self.fabric.instances_mut() {
            instances.add(path, device);
        }
        (instances, &self.memory)
    }

    /// Notes every access to a device from now on, the first million of them; or no longer.
    pub fn trace_accesses(&mut self, wanted: bool) {
        self.accesses = wanted.then(Vec::new);
    }

    /// The accesses noted since the last call.
    pub fn take_accesses(&mut self) -> Vec<Access> {
        self.accesses.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Moves the timeline, as the last act but one of a restore; [`Machine::rewire`] must follow.
    pub fn set_position(&mut self, position: Position) {
        self.clock.position = position;
    }

    /// Drives every line anew from the state of the devices: the last act of a restore.
    pub fn rewire(&mut self) {
        self.clock.offset_ticks = self.fabric.offset_ticks();
        self.fabric.rewire(self.clock.now_ns());
        self.drive_harts();
    }

    /// Switches the machine on: takes what is fixed for its life from the door, and resets.
    pub fn power_on(&mut self, door: &mut dyn Door) {
        let outside = door.power_on();
        self.power_on_with(&outside);
    }

    /// Switches the machine on with values from elsewhere, such as the head of a recording.
    pub fn power_on_with(&mut self, outside: &PowerOn) {
        self.clock.position = Position::default();
        self.state.seed = outside.seed;
        self.state.schedule.hart_steps.fill(0);
        self.state.transcript = Transcript::default();
        self.fabric.power_on(outside);
        self.reset();
    }

    /// A power cycle: memory is zero but for the images, devices and harts are at their defaults.
    pub fn reset(&mut self) {
        self.memory.clear();
        for image in &self.images {
            image.place(&self.memory, &self.state.seed);
        }
        self.state.off = None;
        self.state.schedule.reset();
        self.fabric.reset();
        for hart in &mut self.harts {
            hart.reset();
        }
        self.rewire();
    }

    /// Runs until `until` or until something stops the machine, whichever comes first. A limit in idle time
    /// that does not come is passed by one step; any other is met exactly.
    ///
    /// # Panics
    /// When a hart takes more steps than it was given: a bug of ours.
    pub fn run(&mut self, door: &mut dyn Door, until: Position) -> Stop {
        self.run_before(&mut Nobody, door, until)
    }

    /// The same before the eyes of an `onlooker`, which says whether the run stays where a debugger
    /// has set something.
    ///
    /// # Panics
    /// As [`Machine::run`].
    pub fn run_before(
        &mut self,
        onlooker: &mut dyn Onlooker,
        door: &mut dyn Door,
        until: Position,
    ) -> Stop {
        self.settle(door);
        loop {
            if let Some(code) = self.state.off {
                return Stop::PoweredOff { code };
            }
            if self.clock.position >= until {
                return Stop::Until;
            }
            let before = self.clock.position;
            let hart = self.state.schedule.cursor();
            let stop = match door.take(self.moment()) {
                Reply::Leave => return Stop::Left,
                Reply::Event(event) => {
                    if self.deliver(&event).is_none() {
                        return Stop::Undeliverable(event);
                    }
                    self.clock.position.sequence += 1;
                    None
                }
                Reply::Nothing if self.is_idle() => self.warp(door, until),
                Reply::Nothing => self.slice(onlooker, door, until),
            };
            self.settle(door);
            if onlooker.stays_behind(self, before, hart) {
                return Stop::Debug { hart };
            }
            if let Some(stop) = stop {
                return stop;
            }
        }
    }

    /// The present position with what goes with it.
    #[must_use]
    pub fn moment(&self) -> Moment {
        let mut transcript = self.state.transcript;
        for hart in &self.harts {
            transcript.mix(hart.transcript());
        }
        Moment {
            position: self.clock.position,
            now_ns: self.clock.now_ns(),
            transcript: transcript.0,
        }
    }

    /// Steps at which a timer of a device or a hart is due.
    fn horizon_steps(&mut self) -> u64 {
        let now_ns = self.clock.now_ns();
        self.deadline_ns(now_ns).map_or(u64::MAX, |deadline_ns| self.clock.steps_at(deadline_ns))
    }

    /// Virtual time of the next timer of a device or a hart, later than `now_ns`.
    fn deadline_ns(&mut self, now_ns: u64) -> Option<u64> {
        let harts = self.harts.iter().filter_map(|hart| hart.deadline_ns(&self.clock));
        let harts = harts.filter(|&deadline_ns| deadline_ns > now_ns).min();
        [self.fabric.deadline_ns(now_ns), harts].into_iter().flatten().min()
    }

    fn is_idle(&self) -> bool {
        self.harts.iter().all(|hart| hart.is_idle(&self.clock))
    }

    /// Every hart waits: virtual time goes on without steps.
    fn warp(&mut self, door: &mut dyn Door, until: Position) -> Option<Stop> {
        let position = self.clock.position;
        let now_ns = self.clock.now_ns();
        let deadline_ns = self.deadline_ns(now_ns);
        let left_ns = deadline_ns.map(|deadline_ns| deadline_ns - now_ns);
        let mut warp_ns = match (door.idle(self.moment(), deadline_ns), left_ns) {
            (Wake::Leave, _) => return Some(Stop::Left),
            (Wake::After { idle_ns }, left_ns) => idle_ns.min(left_ns.unwrap_or(idle_ns)),
            (Wake::Deadline, Some(left_ns)) => left_ns,
            (Wake::Deadline, None) => return Some(Stop::Left),
        };
        if until.steps == position.steps && until.idle_ns > position.idle_ns {
            warp_ns = warp_ns.min(until.idle_ns - position.idle_ns);
        }
        if warp_ns > 0 {
            let idle_ns = position.idle_ns + warp_ns;
            self.clock.position = Position { idle_ns, sequence: 0, ..position };
        }
        None
    }

    /// Brings everything that follows from the present position up to date.
    fn settle(&mut self, door: &mut dyn Door) {
        self.fabric.expire(&self.memory, self.clock.now_ns());
        self.fabric.look(&self.memory, self.clock.now_ns());
        self.carry_out(door);
        for line in &self.fabric.hart_lines {
            let hart = line.hart as u64;
            self.state.transcript.line(self.clock.position.steps, hart, line.line, line.level);
        }
        self.drive_harts();
        self.clock.offset_ticks = self.fabric.offset_ticks();
        let Self { harts, clock, .. } = self;
        let cursor = self.state.schedule.cursor();
        self.state.schedule.settle(|hart| harts[hart].is_idle(clock));
        if self.state.schedule.cursor() != cursor {
            harts[cursor].lose_reservation();
        }
    }

    /// Carries out what devices did beyond their own state.
    fn carry_out(&mut self, door: &mut dyn Door) {
        if self.fabric.effects.is_empty() {
            return;
        }
        let position = self.clock.position;
        let mut request = None;
        for effect in std::mem::take(&mut self.fabric.effects) {
            match effect {
                Effect::Output { device, kind, data } => {
                    let source = self.fabric.path(device);
                    door.output(position, Output { kind, source, data: &data });
                }
                Effect::Power(power) => request = request.or(Some(power)),
                Effect::Stored => self.lose_reservations(),
            }
        }
        match request {
            Some(PowerRequest::Off { code }) => self.state.off = Some(code),
            Some(PowerRequest::Reset) => self.reset(),
            None => {}
        }
    }

    /// Memory was written by nobody who holds a reservation.
    fn lose_reservations(&mut self) {
        for hart in &mut self.harts {
            hart.lose_reservation();
        }
    }

    fn drive_harts(&mut self) {
        for line in self.fabric.hart_lines.drain(..) {
            self.harts[line.hart].set_line(line.line, line.level);
        }
    }

    /// Delivers an event; `None` when this machine has nobody who takes it.
    fn deliver(&mut self, event: &Event) -> Option<()> {
        let now_ns = self.clock.now_ns();
        if !event.target.is_empty() && &*event.kind != kind::WRITE_REGISTER {
            let device = self.fabric.find(&event.target)?;
            return self.fabric.receive(&self.memory, now_ns, device, &event.kind, &event.data);
        }
        match &*event.kind {
            kind::RESET => self.reset(),
            kind::POWER_OFF => self.state.off = Some(0),
            kind::WRITE_MEMORY => {
                let (addr, bytes) = event.data.split_first_chunk()?;
                self.memory.write(u64::from_le_bytes(*addr), bytes).ok()?;
                self.lose_reservations();
            }
            kind::WRITE_REGISTER => {
                let hart: usize = event.target.strip_prefix("hart")?.parse().ok()?;
                let (register, value) = event.data.split_first_chunk()?;
                let register = usize::try_from(u32::from_le_bytes(*register)).ok()?;
                let mut wide = [0; 16];
                wide.get_mut(..value.len())?.copy_from_slice(value);
                let hart = self.harts.get_mut(hart)?.inspect_mut();
                hart.write_register(register, u128::from_le_bytes(wide), &self.clock)
                    .then_some(())?;
            }
            _ => return None,
        }
        Some(())
    }
}

impl std::fmt::Debug for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Machine")
            .field("name", &self.name)
            .field("position", &self.clock.position)
            .finish_non_exhaustive()
    }
}
