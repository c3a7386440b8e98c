//! Our processor in the same place as Spike: a hart, memory and nothing else.

use emulator::{
    bus::EmptyBus,
    clock::Clock,
    isa::riscv::{
        features::Features,
        hart::{Configuration, Hart},
    },
    memory::GuestMemory,
    translate::{Compilation, EngineConfig, equip},
    vcpu::{Slice, SliceEnd, Surroundings, Vcpu},
};

use super::program::{BASE, Program, TOHOST};

/// What a run left, and how many steps it took.
pub(crate) struct Run {
    pub(crate) left: Vec<u64>,
    pub(crate) steps: u64,
}

/// What runs the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Interpreter,
    /// Translates everything at once.
    Translator,
}

/// Both.
pub(crate) const ENGINES: [Engine; 2] = [Engine::Interpreter, Engine::Translator];

fn processor(engine: Engine) -> Box<dyn Vcpu> {
    let features = Features::of_model("rva22s64").expect("a model")
        | Features::ZICOND
        | Features::SV48
        | Features::SVADU;
    let configuration = Configuration { features, reset_pc: BASE, ..Configuration::default() };
    let hart = Box::new(Hart::new(configuration));
    let config =
        EngineConfig { threshold: 1, compilation: Compilation::AtOnce, ..EngineConfig::default() };
    let config = (engine == Engine::Translator).then_some(config);
    equip(hart, config, true).expect("this host can be translated for")
}

/// Runs `program` in slices whose budgets `budget` gives.
pub(crate) fn run(program: &Program, engine: Engine, mut budget: impl FnMut() -> u64) -> Run {
    let bytes = (program.image.len() as u64).next_multiple_of(0x1000);
    let memory = GuestMemory::at(BASE, bytes).expect("memory for the program");
    memory.write(BASE, &program.image).expect("the program fits");
    let mut hart = processor(engine);
    let mut clock = Clock::new(1_000);
    while memory.read_u64(TOHOST).expect("memory") == 0 {
        let around = &mut Surroundings { memory: &memory, bus: &mut EmptyBus, clock: &clock };
        let Slice { steps, end } = hart.run(budget(), around);
        assert!(end != SliceEnd::Idle && steps > 0, "stopped at step {:?}", clock.position);
        clock.position.steps += steps;
        assert!(clock.position.steps < 200_000_000, "the program does not end");
    }
    let words = program.changed().step_by(8);
    let left = words.map(|at| memory.read_u64(at).expect("memory")).collect();
    Run { left, steps: clock.position.steps }
}
