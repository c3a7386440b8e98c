//! A processor that runs in both tiers.

use vmstate::Instance;

use super::{EngineConfig, Stats, TranslatorError, engine::Engine};
use crate::{
    clock::Clock,
    isa::guest::Guest,
    vcpu::{Inspect, Slice, Surroundings, Vcpu},
};

/// A processor with an engine. To everyone else it is the processor itself.
#[derive(Debug)]
pub struct Translated<G: Guest> {
    guest: Box<G>,
    engine: Engine<G>,
}

impl<G: Guest + Vcpu> Translated<G> {
    /// Gives `guest` an engine.
    ///
    /// # Errors
    /// [`TranslatorError`], with the processor back, when this host cannot be translated for.
    pub fn new(guest: Box<G>, config: EngineConfig) -> Result<Self, (Box<G>, TranslatorError)> {
        match Engine::new(config) {
            Ok(engine) => Ok(Self { guest, engine }),
            Err(error) => Err((guest, error)),
        }
    }

    /// What the engine did so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.engine.stats()
    }

    /// The processor.
    #[must_use]
    pub fn guest(&self) -> &G {
        &self.guest
    }

    /// The processor, to change it.
    pub fn guest_mut(&mut self) -> &mut G {
        &mut self.guest
    }

    /// Drops all translated code, which nothing that the guest sees depends on.
    pub fn flush(&mut self) {
        self.engine.flush();
    }
}

impl<G: Guest + Vcpu> Vcpu for Translated<G> {
    fn run(&mut self, budget: u64, around: &mut Surroundings<'_>) -> Slice {
        self.engine.run(&mut self.guest, budget, around)
    }

    fn set_line(&mut self, line: u32, level: bool) {
        self.guest.set_line(line, level);
    }

    fn lose_reservation(&mut self) {
        self.guest.lose_reservation();
    }

    fn deadline_ns(&self, clock: &Clock) -> Option<u64> {
        self.guest.deadline_ns(clock)
    }

    fn is_idle(&self, clock: &Clock) -> bool {
        self.guest.is_idle(clock)
    }

    fn reset(&mut self) {
        self.guest.reset();
    }

    fn instance(&self) -> &dyn Instance {
        self.guest.instance()
    }

    fn instance_mut(&mut self) -> &mut dyn Instance {
        self.guest.instance_mut()
    }

    fn transcript(&self) -> u64 {
        self.guest.transcript()
    }

    fn inspect(&self) -> &dyn Inspect {
        self.guest.inspect()
    }

    fn inspect_mut(&mut self) -> &mut dyn Inspect {
        self.guest.inspect_mut()
    }

    fn report(&self) -> Option<String> {
        Some(self.engine.stats().to_string())
    }
}

/// `guest` with the engine that the user wants: the interpreter alone when `config` is absent. An
/// engine that this host cannot have is an error when it is `required`, else done without.
///
/// # Errors
/// [`TranslatorError`].
pub fn equip<G: Guest + Vcpu>(
    guest: Box<G>,
    config: Option<EngineConfig>,
    required: bool,
) -> Result<Box<dyn Vcpu>, TranslatorError> {
    let Some(config) = config else { return Ok(guest) };
    match Translated::new(guest, config) {
        Ok(translated) => Ok(Box::new(translated)),
        Err((_, error)) if required => Err(error),
        Err((guest, _)) => Ok(guest),
    }
}
