//! The devices of a machine, where they are mapped and how they are wired.
//!
//! Devices are numbered in the order in which the board adds them. A line goes from an output of a
//! device to an input of another or to a hart; wires form no cycle, so sampling the devices in
//! wiring order ([`Fabric::rewire`]) settles all lines in one pass, after a reset as after a
//! restore. Lines of harts are collected and driven between slices.

use std::ops::Range;

use vmstate::Instance;

use crate::{
    bus::{BusFault, Width},
    device::{Device, Effect, Io, Region, TimeBase},
    door::PowerOn,
    memory::GuestMemory,
};

/// Where a wire ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sink {
    /// An input line of a device.
    Device {
        /// Number of the device.
        device: usize,
        /// Its input line.
        line: u32,
    },
    /// An interrupt input of a hart.
    Hart {
        /// Number of the hart.
        hart: usize,
        /// The line, as the architecture numbers its causes.
        line: u32,
    },
}

/// A region on the physical address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// First physical address.
    pub base: u64,
    /// Number of the device.
    pub device: usize,
    /// Index of the region within the device.
    pub region: usize,
    /// What the device says of the region.
    pub shape: Region,
}

/// How often a device was called. Counted since the machine was built and no part of its saved
/// state: of two counts the difference says something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// Reads of its registers.
    pub reads: u64,
    /// Writes to its registers.
    pub writes: u64,
    /// Events from outside.
    pub events: u64,
    /// Timers of its own that expired.
    pub timers: u64,
}

struct Slot {
    path: String,
    device: Box<dyn Device>,
    activity: Activity,
    /// Levels of the output lines as last propagated. A cache of `LineOutputs::levels`.
    levels: u64,
    wires: Vec<(u32, Sink)>,
}

/// A change of a hart's interrupt input, to be driven between slices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HartLine {
    pub(super) hart: usize,
    pub(super) line: u32,
    pub(super) level: bool,
}

/// All devices of a machine.
pub struct Fabric {
    slots: Vec<Slot>,
    /// Ascending and without overlap.
    mappings: Vec<Mapping>,
    /// Devices in wiring order: sources before sinks.
    order: Vec<usize>,
    /// Numbers of the devices that have timers.
    timed: Vec<usize>,
    /// Numbers of the devices that listen to words of memory.
    mailboxes: Vec<usize>,
    pub(super) effects: Vec<Effect>,
    pub(super) hart_lines: Vec<HartLine>,
}

impl Fabric {
    pub(super) fn new() -> Self {
        Self {
            slots: Vec::new(),
            mappings: Vec::new(),
            order: Vec::new(),
            timed: Vec::new(),
            mailboxes: Vec::new(),
            effects: Vec::new(),
            hart_lines: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, path: &str, mut device: Box<dyn Device>) -> usize {
        assert!(self.slots.iter().all(|slot| slot.path != path), "two devices are called {path}");
        let number = self.slots.len();
        if device.timed().is_some() {
            self.timed.push(number);
        }
        if device.mailbox().is_some() {
            self.mailboxes.push(number);
        }
        self.slots.push(Slot {
            path: path.to_owned(),
            device,
            activity: Activity::default(),
            levels: 0,
            wires: Vec::new(),
        });
        number
    }

    pub(super) fn map(&mut self, device: usize, region: usize, base: u64) {
        let slot = &mut self.slots[device];
        let mmio = slot.device.mmio().expect("a device that is mapped has registers");
        let mapping = Mapping { base, device, region, shape: mmio.regions()[region] };
        let at = self.mappings.partition_point(|other| other.base < base);
        let before = at.checked_sub(1).map(|index| self.mappings[index]);
        assert!(
            before.is_none_or(|other| other.base + other.shape.bytes <= base)
                && self.mappings.get(at).is_none_or(|next| base + mapping.shape.bytes <= next.base),
            "the region of {} at {base:#x} overlaps another",
            slot.path
        );
        self.mappings.insert(at, mapping);
    }

    pub(super) fn wire(&mut self, device: usize, line: u32, sink: Sink) {
        assert!(self.slots[device].device.line_outputs().is_some() && line < 64);
        if let Sink::Device { device: to, line } = sink {
            let inputs = self.slots[to].device.line_inputs();
            assert!(
                inputs.is_some_and(|inputs| inputs.lines().contains(&line)),
                "{} has no input line {line}",
                self.slots[to].path
            );
        }
        self.slots[device].wires.push((line, sink));
    }

    /// Finds the wiring order. Called once, when the board is complete.
    pub(super) fn seal(&mut self) {
        let count = self.slots.len();
        let mut sources = vec![0_usize; count];
        for (_, sink) in self.slots.iter().flat_map(|slot| &slot.wires) {
            if let Sink::Device { device, .. } = sink {
                sources[*device] += 1;
            }
        }
        let mut ready: Vec<usize> = (0..count).rev().filter(|&slot| sources[slot] == 0).collect();
        self.order.clear();
        while let Some(slot) = ready.pop() {
            self.order.push(slot);
            for (_, sink) in &self.slots[slot].wires {
                if let Sink::Device { device, .. } = sink {
                    sources[*device] -= 1;
                    if sources[*device] == 0 {
                        ready.push(*device);
                    }
                }
            }
        }
        assert!(self.order.len() == count, "the wires of the board form a cycle");
    }

    /// The mapped regions, by ascending address.
    #[must_use]
    pub fn mappings(&self) -> &[Mapping] {
        &self.mappings
    }

    /// Instance paths and models of the devices, by number.
    pub fn devices(&self) -> impl Iterator<Item = (&str, &'static str)> {
        self.slots.iter().map(|slot| (slot.path.as_str(), slot.device.model()))
    }

    /// What each device was called for so far, by number.
    pub fn activity(&self) -> impl Iterator<Item = Activity> {
        self.slots.iter().map(|slot| slot.activity)
    }

    /// Instance path of the device whose registers are at `addr`, and the offset in them.
    #[must_use]
    pub fn place_of(&self, addr: u64) -> Option<(&str, u64)> {
        let before =
            self.mappings.partition_point(|mapping| mapping.base <= addr).checked_sub(1)?;
        let mapping = self.mappings[before];
        let offset = addr - mapping.base;
        (offset < mapping.shape.bytes).then(|| (self.path(mapping.device), offset))
    }

    /// The number of the device with this instance path.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<usize> {
        self.slots.iter().position(|slot| slot.path == path)
    }

    /// Instance paths of the devices and the levels of their output lines, line `n` in bit `n`.
    pub fn line_levels(&self) -> impl Iterator<Item = (&str, u64)> {
        self.slots.iter().map(|slot| (slot.path.as_str(), slot.levels))
    }

    /// The instance path of a device.
    #[must_use]
    pub fn path(&self, device: usize) -> &str {
        &self.slots[device].path
    }

    /// A device by number.
    #[must_use]
    pub fn device(&self, device: usize) -> &dyn Device {
        &*self.slots[device].device
    }

    /// A device by number, to change its state. [`Fabric::rewire`] must follow.
    pub fn device_mut(&mut self, device: usize) -> &mut dyn Device {
        &mut *self.slots[device].device
    }

    /// Puts something around a device or in its place, such as one that observes or misbehaves: path,
    /// mappings and wires stay, and so must registers and lines. [`Fabric::rewire`] must follow.
    pub fn map_device(
        &mut self,
        device: usize,
        wrap: impl FnOnce(Box<dyn Device>) -> Box<dyn Device>,
    ) {
        let Slot { device: inner, path, levels, wires, activity } = self.slots.remove(device);
        let device_in_place = wrap(inner);
        self.slots.insert(device, Slot { device: device_in_place, path, levels, wires, activity });
    }

    /// Instance paths and states of the devices, by number.
    pub fn instances(&self) -> impl Iterator<Item = (&str, &dyn Instance)> {
        self.slots.iter().map(|slot| (slot.path.as_str(), &*slot.device as &dyn Instance))
    }

    /// The same, to load state. [`Fabric::rewire`] must follow.
    pub fn instances_mut(&mut self) -> impl Iterator<Item = (&str, &mut dyn Instance)> {
        self.slots.iter_mut().map(|slot| {
            let Slot { path, device, .. } = slot;
            (path.as_str(), &mut **device as &mut dyn Instance)
        })
    }

    fn decode(&self, addr: u64, width: Width) -> Result<(Mapping, u64), BusFault> {
        let after = self.mappings.partition_point(|mapping| mapping.base <= addr);
        let index = after.checked_sub(1).ok_or(BusFault::Unmapped)?;
        let mapping = self.mappings[index];
        let offset = addr - mapping.base;
        if offset >= mapping.shape.bytes {
            return Err(BusFault::Unmapped);
        }
        if width < mapping.shape.narrowest || width > mapping.shape.widest {
            return Err(BusFault::Width);
        }
        // Regions are whole multiples of their widest access, so an aligned one fits.
        if !addr.is_multiple_of(width.bytes()) {
            return Err(BusFault::Misaligned);
        }
        Ok((mapping, offset))
    }

    pub(super) fn read(
        &mut self,
        memory: &GuestMemory,
        now_ns: u64,
        addr: u64,
        width: Width,
    ) -> Result<u64, BusFault> {
        let (Mapping { device, region, .. }, offset) = self.decode(addr, width)?;
        self.slots[device].activity.reads += 1;
        let value = self.call(device, memory, now_ns, |device, io| {
            device.mmio().expect("it is mapped").read(io, region, offset, width)
        });
        Ok(value & width.mask())
    }

    pub(super) fn write(
        &mut self,
        memory: &GuestMemory,
        now_ns: u64,
        addr: u64,
        width: Width,
        value: u64,
    ) -> Result<(), BusFault> {
        let (Mapping { device, region, .. }, offset) = self.decode(addr, width)?;
        self.slots[device].activity.writes += 1;
        self.call(device, memory, now_ns, |device, io| {
            let value = value & width.mask();
            device.mmio().expect("it is mapped").write(io, region, offset, width, value);
        });
        Ok(())
    }

    /// Delivers an event to a device; `None` when it takes none of this kind.
    pub(super) fn receive(
        &mut self,
        memory: &GuestMemory,
        now_ns: u64,
        device: usize,
        kind: &str,
        data: &[u8],
    ) -> Option<()> {
        self.slots[device].activity.events += 1;
        let known = self.call(device, memory, now_ns, |device, io| {
            device.external().is_some_and(|external| external.receive(io, kind, data))
        });
        known.then_some(())
    }

    /// Calls a device and propagates what its lines do.
    fn call<T>(
        &mut self,
        device: usize,
        memory: &GuestMemory,
        now_ns: u64,
        call: impl FnOnce(&mut dyn Device, &mut Io<'_>) -> T,
    ) -> T {
        let slot = &mut self.slots[device];
        let mut io = Io::new(now_ns, device, &slot.path, memory, &mut self.effects);
        let result = call(&mut *slot.device, &mut io);
        self.sample(device, now_ns, false);
        result
    }

    /// Propagates the changed lines of a device, or all of them with their present level.
    fn sample(&mut self, device: usize, now_ns: u64, all: bool) {
        let slot = &mut self.slots[device];
        let Some(outputs) = slot.device.line_outputs() else { return };
        let levels = outputs.levels(now_ns);
        let changed = if all { u64::MAX } else { levels ^ slot.levels };
        if changed == 0 {
            return;
        }
        slot.levels = levels;
        for index in 0..self.slots[device].wires.len() {
            let (output, sink) = self.slots[device].wires[index];
            if changed >> output & 1 == 0 {
                continue;
            }
            let level = levels >> output & 1 != 0;
            match sink {
                Sink::Hart { hart, line } => self.hart_lines.push(HartLine { hart, line, level }),
                Sink::Device { device: to, line } => {
                    let inputs = self.slots[to].device.line_inputs();
                    inputs.expect("checked when it was wired").set_level(line, level);
                    if !all {
                        self.sample(to, now_ns, false);
                    }
                }
            }
        }
    }

    /// Drives every line with its present level, sources first.
    pub fn rewire(&mut self, now_ns: u64) {
        self.hart_lines.clear();
        for index in 0..self.order.len() {
            self.sample(self.order[index], now_ns, true);
        }
    }

    /// The physical ranges that devices listen to.
    pub(super) fn mailbox_ranges(&mut self) -> Vec<Range<u64>> {
        let Self { slots, mailboxes, .. } = self;
        let of = |&device: &usize| slots[device].device.mailbox().map(|mailbox| mailbox.ranges());
        mailboxes.iter().filter_map(of).flatten().collect()
    }

    /// Lets every device look into its mailbox.
    pub(super) fn look(&mut self, memory: &GuestMemory, now_ns: u64) {
        for index in 0..self.mailboxes.len() {
            self.call(self.mailboxes[index], memory, now_ns, |device, io| {
                device.mailbox().expect("it is in the list").look(io);
            });
        }
    }

    /// Fires the timers that are due.
    pub(super) fn expire(&mut self, memory: &GuestMemory, now_ns: u64) {
        for index in 0..self.timed.len() {
            let device = self.timed[index];
            if self.deadline_of(device, now_ns).is_some_and(|deadline| deadline <= now_ns) {
                self.slots[device].activity.timers += 1;
                self.call(device, memory, now_ns, |device, io| {
                    device.timed().expect("it is in the list").expire(io);
                });
                let again = self.deadline_of(device, now_ns);
                assert!(
                    again.is_none_or(|deadline| deadline > now_ns),
                    "{} does not move its timer on",
                    self.slots[device].path
                );
            } else {
                // Lines may change with time alone.
                self.sample(device, now_ns, false);
            }
        }
    }

    fn deadline_of(&mut self, device: usize, now_ns: u64) -> Option<u64> {
        self.slots[device].device.timed()?.deadline_ns(now_ns)
    }

    /// Virtual time of the next timer of any device.
    pub(super) fn deadline_ns(&mut self, now_ns: u64) -> Option<u64> {
        let mut next = None;
        for index in 0..self.timed.len() {
            let deadline = self.deadline_of(self.timed[index], now_ns);
            next = [next, deadline].into_iter().flatten().min();
        }
        next
    }

    /// How many ticks the harts' time base is ahead of virtual time.
    pub(super) fn offset_ticks(&self) -> u64 {
        let bases = self.slots.iter().filter_map(|slot| slot.device.time_base());
        bases.map(TimeBase::offset_ticks).next().unwrap_or(0)
    }

    pub(super) fn power_on(&mut self, outside: &PowerOn) {
        for slot in &mut self.slots {
            slot.device.power_on(outside);
        }
    }

    pub(super) fn reset(&mut self) {
        self.effects.clear();
        for slot in &mut self.slots {
            slot.device.power_cycle();
        }
    }
}
