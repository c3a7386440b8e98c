//! A processor, memory and a bus of one device, twice.

use emulator::{
    bus::{Bus, BusFault, Width},
    clock::Clock,
    isa::riscv::{Configuration, Features, Hart},
    memory::GuestMemory,
    translate::{EngineConfig, Stats, Translated},
    vcpu::{Slice, Surroundings, Vcpu},
};
use vmstate::schema::SchemaTable;

pub(crate) const RAM: u64 = 0x8000_0000;
pub(crate) const RAM_BYTES: u64 = 4 << 20;
pub(crate) const DEVICE: u64 = 0x1000_0000;

/// A device that answers with a function of the step, and notes all that happens.
#[derive(Default)]
pub(crate) struct Device {
    pub(crate) accesses: Vec<(u64, u64, u64)>,
}

impl Bus for Device {
    fn read(&mut self, steps: u64, addr: u64, _: Width) -> Result<u64, BusFault> {
        if !(DEVICE..DEVICE + 0x1000).contains(&addr) {
            return Err(BusFault::Unmapped);
        }
        self.accesses.push((steps, addr, u64::MAX));
        Ok(steps.wrapping_mul(0x9e37) ^ addr)
    }

    fn write(&mut self, steps: u64, addr: u64, _: Width, value: u64) -> Result<(), BusFault> {
        if !(DEVICE..DEVICE + 0x1000).contains(&addr) {
            return Err(BusFault::Unmapped);
        }
        self.accesses.push((steps, addr, value));
        Ok(())
    }
}

/// A processor with what it needs.
pub(crate) struct Bench<V> {
    pub(crate) processor: V,
    pub(crate) memory: GuestMemory,
    pub(crate) device: Device,
    pub(crate) clock: Clock,
}

impl<V: Vcpu> Bench<V> {
    fn new(processor: V, image: &[u8]) -> Self {
        let memory = GuestMemory::at(RAM, RAM_BYTES).expect("memory");
        memory.write(RAM, image).expect("the image fits");
        Self { processor, memory, device: Device::default(), clock: Clock::new(1000) }
    }

    pub(crate) fn run(&mut self, budget: u64) -> Slice {
        let mut around =
            Surroundings { memory: &self.memory, bus: &mut self.device, clock: &self.clock };
        let slice = self.processor.run(budget, &mut around);
        self.clock.position.steps += slice.steps;
        slice
    }

    fn digest(&self) -> u64 {
        let mut page = vec![0; 4096];
        let mut digest = 0_u64;
        for addr in (RAM..RAM + RAM_BYTES).step_by(4096) {
            self.memory.read(addr, &mut page).expect("RAM");
            for word in page.chunks_exact(8) {
                let word = u64::from_le_bytes(word.try_into().expect("eight bytes"));
                digest = (digest.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            }
        }
        digest
    }
}

fn hart(features: Features) -> Hart {
    Hart::new(Configuration { features, reset_pc: RAM, ..Configuration::default() })
}

/// On the interpreter.
pub(crate) fn interpreted(features: Features, image: &[u8]) -> Bench<Hart> {
    Bench::new(hart(features), image)
}

/// On both tiers.
pub(crate) fn translated(
    features: Features,
    image: &[u8],
    config: EngineConfig,
) -> Bench<Translated<Hart>> {
    let processor = Translated::new(Box::new(hart(features)), config).map_err(|(_, error)| error);
    Bench::new(processor.expect("this host can be translated for"), image)
}

/// The same program on both engines.
pub(crate) struct Pair {
    one: Bench<Hart>,
    other: Bench<Translated<Hart>>,
    slices: u64,
}

impl Pair {
    pub(crate) fn new(image: &[u8], config: EngineConfig) -> Self {
        Self::with(Features::RVA22S64, image, config)
    }

    /// Processors that have these features.
    pub(crate) fn with(features: Features, image: &[u8], config: EngineConfig) -> Self {
        let one = interpreted(features, image);
        Self { one, other: translated(features, image, config), slices: 0 }
    }

    /// Prepares both processors alike.
    pub(crate) fn prepare(&mut self, prepare: impl Fn(&mut Hart)) {
        prepare(&mut self.one.processor);
        prepare(self.other.processor.guest_mut());
    }

    /// Runs one slice on both and compares everything.
    pub(crate) fn run(&mut self, budget: u64) -> u64 {
        let before = self.one.processor.state.pc;
        let (slice, other) = (self.one.run(budget), self.other.run(budget));
        self.slices += 1;
        let context = format!("slice {} of {budget} steps from pc {before:#x}", self.slices);
        assert_eq!(slice, other, "{context}");
        let (state, found) = (&self.one.processor.state, &self.other.processor.guest().state);
        assert_eq!(found.pc, state.pc, "{context}: pc {:#x}, not {:#x}", found.pc, state.pc);
        for register in 0..32 {
            assert_eq!(found.x[register], state.x[register], "{context}: x{register}");
            assert_eq!(found.f[register], state.f[register], "{context}: f{register}");
        }
        assert_eq!(found, state, "{context}");
        assert_eq!(self.one.device.accesses.len(), self.other.device.accesses.len(), "{context}");
        if self.slices.is_multiple_of(32) {
            assert_eq!(self.one.digest(), self.other.digest(), "{context}: memory");
            assert_eq!(self.one.device.accesses, self.other.device.accesses, "{context}");
        }
        slice.steps
    }

    /// Writes memory as a device does.
    pub(crate) fn write(&mut self, offset: u64, bytes: &[u8]) {
        self.one.memory.write(RAM + offset, bytes).expect("RAM");
        self.other.memory.write(RAM + offset, bytes).expect("RAM");
    }

    /// Drives an interrupt input of both.
    pub(crate) fn set_line(&mut self, line: u32, level: bool) {
        self.one.processor.set_line(line, level);
        self.other.processor.set_line(line, level);
    }

    /// Saves one processor and loads what was saved into the other engine's.
    pub(crate) fn exchange_state(&mut self) {
        let saved = self.one.processor.instance();
        let mut bytes = Vec::new();
        saved.save(saved.version(), &mut bytes).expect("a hart can be saved");
        let mut table = SchemaTable::default();
        let schema = saved.collect_schemas(saved.version(), &mut table);
        let schema = table.resolve(&schema).expect("it was collected").clone();
        let other = self.other.processor.instance_mut();
        let mut staged = other.stage(&bytes, &schema, &table).expect("it was just saved");
        other.swap(&mut staged).expect("it is of its type");
        other.finish(&staged).expect("a hart refuses no state");
    }

    /// The doubleword at an offset from the start of RAM.
    pub(crate) fn word(&self, offset: u64) -> u64 {
        self.one.memory.read_u64(RAM + offset).expect("RAM")
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.one.clock
    }

    pub(crate) fn flush_code(&mut self) {
        self.other.processor.flush();
    }

    pub(crate) fn flush_tlb(&mut self) {
        self.other.processor.guest_mut().forget_caches(&self.other.memory);
    }

    pub(crate) fn stats(&self) -> Stats {
        self.other.processor.stats()
    }

    pub(crate) fn translated_steps(&self) -> u64 {
        self.stats().translated_steps
    }

    pub(crate) fn interpreted(&self) -> &Hart {
        &self.one.processor
    }

    pub(crate) fn into_interpreted(self) -> Hart {
        self.one.processor
    }

    pub(crate) fn accesses(&self) -> &[(u64, u64, u64)] {
        assert_eq!(self.one.device.accesses, self.other.device.accesses);
        &self.one.device.accesses
    }
}
