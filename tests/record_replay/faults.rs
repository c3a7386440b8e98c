//! A board with one thing wrong: a device, a processor or memory that misbehaves on purpose.
//!
//! The fault wraps the healthy part from outside, so nothing of it is in the emulator.

use std::cell::Cell;

use emulator::{
    bus::Width,
    clock::Clock,
    device::{Device, External, Io, LineInputs, LineOutputs, Mmio, Region, Timed},
    door::PowerOn,
    machine::board::{Board, BoardVersion, BuildError, Built, Config, CpuModels, Engine},
    vcpu::{Inspect, Slice, Surroundings, Vcpu},
};
use machines::BOARDS;
use vmstate::{
    Instance,
    define::TypeDef,
    error::{LoadError, SaveError},
    instance::Staged,
    schema::{Schema, SchemaTable},
};

/// What a faulty device keeps and does not save.
#[derive(Debug, Default)]
pub(crate) struct Hidden {
    pub(crate) count: u64,
    /// How often its lines were sampled.
    pub(crate) samples: Cell<u64>,
}

pub(crate) type Read = fn(&mut Hidden, u64, u64) -> u64;
pub(crate) type Write = fn(&mut Hidden, u64, u64) -> Option<u64>;
pub(crate) type Receive = fn(&mut Hidden, &[u8]) -> Vec<u8>;

/// What is wrong with a device.
#[derive(Clone, Copy, Default)]
pub(crate) struct DeviceFault {
    pub(crate) path: &'static str,
    /// Changes what is read: offset, value.
    pub(crate) read: Option<Read>,
    /// Changes what is written, or loses it: offset, value.
    pub(crate) write: Option<Write>,
    /// Changes what comes from outside.
    pub(crate) receive: Option<Receive>,
    /// What is saved in its place.
    pub(crate) blank: Option<fn() -> Box<dyn Device>>,
}

/// What is wrong with a processor.
#[derive(Clone, Copy)]
pub(crate) struct HartFault {
    /// Only while it translates.
    pub(crate) translated: bool,
    /// Done once it has passed the place of the fault.
    pub(crate) at: fn(&mut dyn Vcpu, &Surroundings<'_>),
}

/// What is wrong.
#[derive(Clone, Copy)]
pub(crate) enum Fault {
    Device(DeviceFault),
    Hart(HartFault),
    /// An interrupt line rises and the translated processor does not see it: the how-many-eth.
    LostLine(u64),
}

/// Changes the register called `name` by `change`.
pub(crate) fn change(
    hart: &mut dyn Vcpu,
    around: &Surroundings<'_>,
    name: &str,
    change: fn(u128) -> u128,
) {
    let inspect = hart.inspect_mut();
    let (number, _) = inspect.architecture().register(name).unwrap();
    let value = inspect.read_register(number, around.clock).unwrap();
    assert!(inspect.write_register(number, change(value), around.clock), "{name}");
}

/// `riscv64-virt` with a fault, at these steps if it is one of a moment.
pub(crate) struct Mutant {
    pub(crate) fault: Fault,
    pub(crate) at_steps: u64,
}

impl Board for Mutant {
    fn name(&self) -> &'static str {
        BOARDS[0].name()
    }

    fn about(&self) -> &'static str {
        "with one thing wrong"
    }

    fn versions(&self) -> &'static [BoardVersion] {
        BOARDS[0].versions()
    }

    fn console(&self) -> &'static str {
        BOARDS[0].console()
    }

    fn cpu_models(&self) -> CpuModels {
        BOARDS[0].cpu_models()
    }

    fn build(&self, version: &BoardVersion, config: &Config) -> Result<Built, BuildError> {
        let mut built = BOARDS[0].build(version, config)?;
        let machine = &mut built.machine;
        match self.fault {
            Fault::Device(fault) => {
                let number = machine.fabric().find(fault.path).unwrap();
                machine.fabric_mut().map_device(number, |inner| FaultyDevice::over(inner, fault));
            }
            Fault::Hart(HartFault { translated: true, .. }) | Fault::LostLine(_)
                if config.engine == Engine::Interpreter => {}
            Fault::Hart(_) | Fault::LostLine(_) => {
                let lost_line = if let Fault::LostLine(number) = self.fault { number } else { 0 };
                let at = if let Fault::Hart(fault) = self.fault { Some(fault.at) } else { None };
                machine.map_harts(|inner| {
                    Box::new(FaultyHart { inner, at_steps: self.at_steps, at, lost_line })
                });
            }
        }
        Ok(built)
    }
}

struct FaultyDevice {
    inner: Box<dyn Device>,
    fault: DeviceFault,
    regions: Vec<Region>,
    kinds: &'static [&'static str],
    hidden: Hidden,
}

impl FaultyDevice {
    fn over(mut inner: Box<dyn Device>, fault: DeviceFault) -> Box<dyn Device> {
        let regions = inner.mmio().map(|mmio| mmio.regions().to_vec()).unwrap_or_default();
        let kinds = inner.external().map(|external| external.kinds()).unwrap_or_default();
        Box::new(Self { inner, fault, regions, kinds, hidden: Hidden::default() })
    }
}

impl Instance for FaultyDevice {
    fn type_def(&self) -> &'static TypeDef {
        self.inner.type_def()
    }

    fn save(&self, version: u32, out: &mut Vec<u8>) -> Result<(), SaveError> {
        match self.fault.blank {
            Some(blank) => blank().save(version, out),
            None => self.inner.save(version, out),
        }
    }

    fn stage(
        &self,
        bytes: &[u8],
        writer: &Schema,
        table: &SchemaTable,
    ) -> Result<Staged, LoadError> {
        self.inner.stage(bytes, writer, table)
    }

    fn stage_adopting(
        &self,
        bytes: &[u8],
        writer: &Schema,
        table: &SchemaTable,
    ) -> Result<Staged, LoadError> {
        self.inner.stage_adopting(bytes, writer, table)
    }

    fn stage_newest(&self, bytes: &[u8]) -> Result<Staged, LoadError> {
        self.inner.stage_newest(bytes)
    }

    fn swap(&mut self, staged: &mut Staged) -> Result<(), LoadError> {
        // What is not saved stays as it is.
        if self.fault.blank.is_some() { Ok(()) } else { self.inner.swap(staged) }
    }

    fn finish(&mut self, staged: &Staged) -> Result<(), LoadError> {
        self.inner.finish(staged)
    }

    fn rebuild(&mut self) {
        self.inner.rebuild();
    }

    fn reset(&mut self) {
        self.inner.reset();
    }
}

impl Device for FaultyDevice {
    fn model(&self) -> &'static str {
        self.inner.model()
    }

    fn power_cycle(&mut self) {
        self.inner.power_cycle();
    }

    fn power_on(&mut self, outside: &PowerOn) {
        self.inner.power_on(outside);
    }

    fn mmio(&mut self) -> Option<&mut dyn Mmio> {
        Some(self)
    }

    fn timed(&mut self) -> Option<&mut dyn Timed> {
        self.inner.timed()
    }

    fn line_outputs(&self) -> Option<&dyn LineOutputs> {
        self.inner.line_outputs().map(|_| self as &dyn LineOutputs)
    }

    fn line_inputs(&mut self) -> Option<&mut dyn LineInputs> {
        self.inner.line_inputs()
    }

    fn external(&mut self) -> Option<&mut dyn External> {
        Some(self)
    }
}

impl Mmio for FaultyDevice {
    fn regions(&self) -> &[Region] {
        &self.regions
    }

    fn read(&mut self, io: &mut Io<'_>, region: usize, offset: u64, width: Width) -> u64 {
        let mmio = self.inner.mmio().unwrap();
        let value = mmio.read(io, region, offset, width);
        self.fault.read.map_or(value, |fault| fault(&mut self.hidden, offset, value))
    }

    fn write(&mut self, io: &mut Io<'_>, region: usize, offset: u64, width: Width, value: u64) {
        let value = match self.fault.write {
            Some(fault) => fault(&mut self.hidden, offset, value),
            None => Some(value),
        };
        if let (Some(value), Some(mmio)) = (value, self.inner.mmio()) {
            mmio.write(io, region, offset, width, value);
        }
    }
}

impl LineOutputs for FaultyDevice {
    fn levels(&self, now_ns: u64) -> u64 {
        self.hidden.samples.set(self.hidden.samples.get() + 1);
        self.inner.line_outputs().map_or(0, |outputs| outputs.levels(now_ns))
    }
}

impl External for FaultyDevice {
    fn kinds(&self) -> &'static [&'static str] {
        self.kinds
    }

    fn receive(&mut self, io: &mut Io<'_>, kind: &str, data: &[u8]) -> bool {
        let data = match self.fault.receive {
            Some(fault) => fault(&mut self.hidden, data),
            None => data.to_vec(),
        };
        self.inner.external().is_some_and(|external| external.receive(io, kind, &data))
    }
}

struct FaultyHart {
    inner: Box<dyn Vcpu>,
    at_steps: u64,
    at: Option<fn(&mut dyn Vcpu, &Surroundings<'_>)>,
    /// Rising edges until one is lost; 0 for none.
    lost_line: u64,
}

impl Vcpu for FaultyHart {
    fn run(&mut self, budget: u64, around: &mut Surroundings<'_>) -> Slice {
        let before = around.clock.position.steps;
        let slice = self.inner.run(budget, around);
        if let Some(fault) = self.at
            && (before + 1..=before + slice.steps).contains(&self.at_steps)
        {
            fault(&mut *self.inner, around);
        }
        slice
    }

    fn set_line(&mut self, line: u32, level: bool) {
        if level && self.lost_line > 0 {
            self.lost_line -= 1;
            if self.lost_line == 0 {
                return;
            }
        }
        self.inner.set_line(line, level);
    }

    fn lose_reservation(&mut self) {
        self.inner.lose_reservation();
    }

    fn deadline_ns(&self, clock: &Clock) -> Option<u64> {
        self.inner.deadline_ns(clock)
    }

    fn is_idle(&self, clock: &Clock) -> bool {
        self.inner.is_idle(clock)
    }

    fn reset(&mut self) {
        self.inner.reset();
    }

    fn instance(&self) -> &dyn Instance {
        self.inner.instance()
    }

    fn instance_mut(&mut self) -> &mut dyn Instance {
        self.inner.instance_mut()
    }

    fn transcript(&self) -> u64 {
        self.inner.transcript()
    }

    fn inspect(&self) -> &dyn Inspect {
        self.inner.inspect()
    }

    fn inspect_mut(&mut self) -> &mut dyn Inspect {
        self.inner.inspect_mut()
    }
}
