//! Feeds any device random accesses, time, lines and events, and saves and restores it in between.
//!
//! Problem: what every device must hold (a restored one behaves as the one that was never saved,
//! nothing a guest does brings the program down, a deadline that has passed is gone) is tested by
//! nobody's register tests. Strategy: [`twins`] drives two of a kind alike. One lives on; the other is
//! saved and loaded into a fresh one at random moments, as a snapshot does it: state, then the levels
//! of the input lines. All that can be seen from outside is compared after each act. [`hurt`] loads
//! states with random damage and goes on with those that are accepted.
//!
//! Invariants: an act is drawn from the seed alone, so a seed that fails fails again.

use std::ops::Range;

use vmstate::{Instance, schema::SchemaTable};

use super::{Device, Effect, Io, Region};
use crate::{bus::Width, door::PowerOn, memory::GuestMemory};

/// Memory around the device, from address 0.
const MEMORY_BYTES: u64 = 0x1_0000;

/// Makes a device as a board does, ready to be switched on.
pub type Make = fn() -> Box<dyn Device>;

/// Random acts on a device.
#[derive(Clone, Debug)]
struct Random(vmstate::property::Random);

impl Random {
    fn new(seed: u64) -> Self {
        Self(vmstate::property::Random::new(seed))
    }

    fn next(&mut self) -> u64 {
        self.0.next()
    }

    /// 0 where there is nothing below `bound`.
    fn below(&mut self, bound: u64) -> u64 {
        self.0.below(bound.max(1))
    }

    /// A number of any size, the ends of ranges often.
    fn number(&mut self) -> u64 {
        let bits = self.next();
        match bits % 8 {
            0 => 0,
            1 => u64::MAX,
            2 => 1 << (bits >> 8 & 63),
            3 | 4 => bits >> 56,
            5 => bits >> 32,
            _ => bits,
        }
    }
}

/// What is done to a device.
#[derive(Clone, Debug)]
enum Act {
    Read { region: usize, offset: u64, width: Width },
    Write { region: usize, offset: u64, width: Width, value: u64 },
    Pass { ns: u64 },
    ToDeadline,
    Line { line: u32, level: bool },
    Event { kind: &'static str, data: Vec<u8> },
    Mail { addr: u64, value: u64 },
    PowerCycle,
}

/// All that a device shows after an act.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    value: u64,
    levels: Option<u64>,
    deadline_ns: Option<u64>,
    effects: Vec<Effect>,
    state: Vec<u8>,
}

/// A device and what is around it.
struct Subject {
    device: Box<dyn Device>,
    memory: GuestMemory,
    effects: Vec<Effect>,
    now_ns: u64,
    /// Levels of the input lines, as the board drives them.
    lines: Vec<bool>,
}

impl Subject {
    fn new(make: Make) -> Self {
        let mut device = make();
        device.power_on(&PowerOn { clock_base_ns: 1_700_000_000_000_000_000, seed: [7; 32] });
        device.power_cycle();
        let memory = GuestMemory::at(0, MEMORY_BYTES).expect("some pages of memory");
        let lines = inputs(&mut *device).map_or(0, |lines| lines.end as usize);
        Self { device, memory, effects: Vec::new(), now_ns: 0, lines: vec![false; lines] }
    }

    fn with<T>(&mut self, call: impl FnOnce(&mut dyn Device, &mut Io<'_>) -> T) -> T {
        let mut io = Io::new(self.now_ns, 0, "fuzz", &self.memory, &mut self.effects);
        call(&mut *self.device, &mut io)
    }

    fn deadline_ns(&mut self) -> Option<u64> {
        let now_ns = self.now_ns;
        self.device.timed()?.deadline_ns(now_ns)
    }

    /// Lets time pass, stopping at every deadline as the machine does.
    fn pass_to(&mut self, target_ns: u64) {
        // A device may have many deadlines on the way; time need not get to the end.
        for _ in 0..64 {
            let Some(deadline_ns) = self.deadline_ns().filter(|&due| due <= target_ns) else {
                self.now_ns = target_ns;
                return;
            };
            self.now_ns = self.now_ns.max(deadline_ns);
            self.with(|device, io| device.timed().expect("it has deadlines").expire(io));
            let again = self.deadline_ns();
            assert!(
                again.is_none_or(|again| again > self.now_ns),
                "{}: the deadline {deadline_ns} has passed and is still there: {again:?}",
                self.device.model()
            );
        }
    }

    fn act(&mut self, act: &Act) -> u64 {
        match act {
            Act::Read { region, offset, width } => self.with(|device, io| {
                let mmio = device.mmio().expect("it has registers");
                mmio.read(io, *region, *offset, *width) & width.mask()
            }),
            Act::Write { region, offset, width, value } => self.with(|device, io| {
                let mmio = device.mmio().expect("it has registers");
                mmio.write(io, *region, *offset, *width, value & width.mask());
                0
            }),
            Act::Pass { ns } => {
                self.pass_to(self.now_ns.saturating_add(*ns));
                0
            }
            Act::ToDeadline => {
                if let Some(deadline_ns) = self.deadline_ns() {
                    self.pass_to(deadline_ns);
                }
                0
            }
            Act::Line { line, level } => {
                self.lines[*line as usize] = *level;
                self.device.line_inputs().expect("it has inputs").set_level(*line, *level);
                0
            }
            Act::Event { kind, data } => self.with(|device, io| {
                u64::from(device.external().expect("it takes events").receive(io, kind, data))
            }),
            Act::Mail { addr, value } => {
                self.memory.store(*addr, &value.to_le_bytes()).expect("it lies in memory");
                self.with(|device, io| device.mailbox().expect("it has one").look(io));
                0
            }
            Act::PowerCycle => {
                self.device.power_cycle();
                self.drive_lines();
                0
            }
        }
    }

    /// Presents the levels of the inputs, as the machine does after a reset and a restore.
    fn drive_lines(&mut self) {
        let Some(range) = inputs(&mut *self.device) else { return };
        for line in range {
            let level = self.lines[line as usize];
            self.device.line_inputs().expect("it has inputs").set_level(line, level);
        }
    }

    /// All of memory, for devices that write it.
    fn content(&self) -> Vec<u8> {
        let mut bytes = vec![0; index(MEMORY_BYTES)];
        self.memory.read(0, &mut bytes).expect("it is all there");
        bytes
    }

    fn see(&mut self, value: u64) -> Seen {
        let levels = self.device.line_outputs().map(|outputs| outputs.levels(self.now_ns));
        Seen {
            value,
            levels,
            deadline_ns: self.deadline_ns(),
            effects: std::mem::take(&mut self.effects),
            state: save(&*self.device),
        }
    }

    /// Replaces the device by a fresh one with the state in `bytes`; false when it refuses them.
    fn restore(&mut self, make: Make, bytes: &[u8]) -> bool {
        let mut fresh = make();
        if !load(&mut *fresh, bytes) {
            return false;
        }
        self.device = fresh;
        self.drive_lines();
        true
    }
}

fn inputs(device: &mut dyn Device) -> Option<Range<u32>> {
    device.line_inputs().map(|inputs| inputs.lines())
}

fn save(device: &dyn Device) -> Vec<u8> {
    let mut bytes = Vec::new();
    let instance: &dyn Instance = device;
    let saved = instance.save(instance.version(), &mut bytes);
    assert!(saved.is_ok(), "{} cannot be saved: {saved:?}", device.model());
    bytes
}

/// Loads state as a snapshot does; false when the device refuses it.
fn load(device: &mut dyn Device, bytes: &[u8]) -> bool {
    let instance: &mut dyn Instance = device;
    let mut table = SchemaTable::new();
    let version = instance.version();
    let type_ref = instance.collect_schemas(version, &mut table);
    let schema = table.resolve(&type_ref).expect("it has just been collected");
    let Ok(mut staged) = instance.stage(bytes, schema, &table) else { return false };
    instance.swap(&mut staged).expect("it is its own");
    instance.finish(&staged).is_ok()
}

/// What can be done to a device.
struct Menu {
    regions: Vec<Region>,
    lines: Range<u32>,
    kinds: &'static [&'static str],
    mail: Vec<Range<u64>>,
    has_timers: bool,
}

impl Menu {
    fn of(device: &mut dyn Device) -> Self {
        Self {
            regions: device.mmio().map_or_else(Vec::new, |mmio| mmio.regions().to_vec()),
            lines: inputs(device).unwrap_or(0..0),
            kinds: device.external().map_or(&[], |external| external.kinds()),
            mail: device.mailbox().map_or_else(Vec::new, |mailbox| mailbox.ranges()),
            has_timers: device.timed().is_some(),
        }
    }

    fn choose(&self, random: &mut Random) -> Act {
        loop {
            let act = match random.below(16) {
                0..9 if !self.regions.is_empty() => self.access(random),
                0..9 if !self.mail.is_empty() => self.letter(random),
                9 | 10 => Act::Pass { ns: random.number() >> 16 },
                11 if self.has_timers => Act::ToDeadline,
                12 | 13 if !self.lines.is_empty() => {
                    let count = u64::from(self.lines.end - self.lines.start);
                    let ahead = u32::try_from(random.below(count)).expect("lines are few");
                    Act::Line { line: self.lines.start + ahead, level: random.next() & 1 != 0 }
                }
                14 if !self.kinds.is_empty() => {
                    let kind = self.kinds[index(random.below(self.kinds.len() as u64))];
                    let most = [4, 40, 400][index(random.below(3))];
                    let length = random.below(most);
                    let data = (0..length).map(|_| random.next().to_le_bytes()[0]).collect();
                    Act::Event { kind, data }
                }
                15 if random.below(16) == 0 => Act::PowerCycle,
                _ => continue,
            };
            return act;
        }
    }

    /// A word for a mailbox, or one somewhere in memory to which a word may point.
    fn letter(&self, random: &mut Random) -> Act {
        let own = &self.mail[index(random.below(self.mail.len() as u64))];
        if random.below(3) == 0 {
            return Act::Mail { addr: random.below(MEMORY_BYTES - 8), value: random.number() };
        }
        let value = match random.below(3) {
            0 => random.below(MEMORY_BYTES),
            1 => random.below(3) << 56 | random.below(3) << 48 | random.below(256),
            _ => random.number(),
        };
        Act::Mail { addr: own.start, value }
    }

    /// An access that the bus lets through.
    fn access(&self, random: &mut Random) -> Act {
        let region = index(random.below(self.regions.len() as u64));
        let shape = &self.regions[region];
        let widths = [Width::Byte, Width::Half, Width::Word, Width::Double];
        let fitting =
            widths.into_iter().filter(|&width| width >= shape.narrowest && width <= shape.widest);
        let fitting: Vec<_> = fitting.collect();
        let width = fitting[index(random.below(fitting.len() as u64))];
        // Most registers stand at the start of a region or of one of its powers of two.
        let offset = match random.below(4) {
            0 => random.below(shape.bytes),
            1 => random.below(64),
            _ => (1 << random.below(u64::from(shape.bytes.ilog2()))) + random.below(64),
        };
        let offset = offset % shape.bytes / width.bytes() * width.bytes();
        if random.next() & 1 != 0 {
            return Act::Read { region, offset, width };
        }
        Act::Write { region, offset, width, value: random.number() }
    }
}

/// Indices drawn here are far below the host's limits.
fn index(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Drives two devices alike for `acts` acts; one of them is saved and restored now and then.
///
/// # Panics
/// When they differ, naming the act, or when a device does what none may.
pub fn twins(make: Make, seed: u64, acts: u64) {
    let mut random = Random::new(seed);
    let (mut lasting, mut restored) = (Subject::new(make), Subject::new(make));
    let menu = Menu::of(&mut *lasting.device);
    for number in 0..acts {
        let act = menu.choose(&mut random);
        let (value, twin) = (lasting.act(&act), restored.act(&act));
        let (seen, twin) = (lasting.see(value), restored.see(twin));
        assert_eq!(seen, twin, "seed {seed}, act {number}: {act:?}");
        if random.below(16) == 0 && !menu.mail.is_empty() {
            assert!(lasting.content() == restored.content(), "seed {seed}, act {number}: memory");
        }
        if random.below(8) == 0 {
            let taken = restored.restore(make, &seen.state);
            assert!(taken, "seed {seed}, act {number}: the device refuses what it saved");
        }
    }
}

/// Loads states with damage into a device and goes on with those that it takes, `acts` acts in all.
/// Returns how many were tried and how many taken.
///
/// # Panics
/// When a device does what none may: with whatever state it accepts it must go on.
pub fn hurt(make: Make, seed: u64, acts: u64) -> (u64, u64) {
    let mut random = Random::new(seed);
    let mut subject = Subject::new(make);
    let menu = Menu::of(&mut *subject.device);
    let (mut tried, mut taken) = (0, 0);
    for _ in 0..acts {
        let act = menu.choose(&mut random);
        let value = subject.act(&act);
        let mut state = subject.see(value).state;
        if random.below(4) == 0 && !state.is_empty() {
            for _ in 0..=random.below(3) {
                let place = index(random.below(state.len() as u64));
                state[place] ^= 1 << random.below(8);
            }
            tried += 1;
            taken += u64::from(subject.restore(make, &state));
        }
    }
    (tried, taken)
}
