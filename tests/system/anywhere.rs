//! The property of snapshots: a Linux guest that is saved anywhere, loaded and run on is, instruction
//! for instruction, the guest that was never touched.
//!
//! Positions are chosen at random and then moved to where it hurts: just behind a trap, into the gap
//! between LR and SC, into the wait for an interrupt (and into the middle of that wait). Each choice must
//! really have been met. The short form runs with the other tests; `scripts/snapshots-anywhere` runs
//! 200 positions over the whole boot. A failure prints seed and position.

use std::collections::BTreeMap;

use emulator::{
    clock::Position,
    door::{Door, Moment, PowerOn, Wake},
    machine::{
        Machine,
        board::{Config, Engine},
    },
    snapshot::{self, Chain, LoadOptions, SaveOptions},
};
use vmstate::property::Random;

use super::{
    digest::{WholeDigest, differences, digest},
    guests::{linux, machine},
};

/// Where in the guest's work a position lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Anywhere,
    Handler,
    Reserved,
    Waiting,
}

/// How many positions, over how many steps from power-on, and how far each loaded guest is run.
#[derive(Clone, Copy, Debug)]
struct Plan {
    positions: u64,
    span: u64,
    run: u64,
    kinds: &'static [Kind],
    seed: u64,
}

const SHORT: Plan = Plan {
    positions: 6,
    span: 8_000_000,
    run: 200_000,
    kinds: &[Kind::Anywhere, Kind::Handler, Kind::Reserved],
    seed: 0x5eed,
};

/// Some choices, above all those in the wait for an interrupt, meet at one position; 200 are left.
const LONG: Plan = Plan {
    positions: 280,
    span: 900_000_000,
    run: 10_000_000,
    kinds: &[Kind::Anywhere, Kind::Handler, Kind::Reserved, Kind::Waiting],
    seed: 0x10_5eed,
};

/// Single steps after which a place that was looked for must have been found.
const SEARCH_STEPS: u64 = 20_000_000;

/// Nobody types. Time passes while the guest waits, unless waiting is what is looked for.
struct Nobody {
    leaves_when_idle: bool,
}

impl Door for Nobody {
    fn power_on(&mut self) -> PowerOn {
        PowerOn { clock_base_ns: 1_700_000_000_000_000_000, seed: [42; 32] }
    }

    fn idle(&mut self, _: Moment, deadline_ns: Option<u64>) -> Wake {
        if deadline_ns.is_some() && !self.leaves_when_idle { Wake::Deadline } else { Wake::Leave }
    }
}

const ON: Nobody = Nobody { leaves_when_idle: false };

fn started(config: &Config) -> Machine {
    let mut machine = machine(config);
    machine.power_on(&mut { ON });
    machine
}

fn step(machine: &mut Machine) {
    let next = machine.position().steps + 1;
    machine.run(&mut { ON }, Position::at_steps(next));
}

/// Steps until `found`; false if it did not come.
fn search(machine: &mut Machine, mut found: impl FnMut(&Machine) -> bool) -> bool {
    let end = machine.position().steps + SEARCH_STEPS;
    while machine.position().steps < end {
        step(machine);
        if found(machine) {
            return true;
        }
    }
    false
}

fn traps(machine: &Machine) -> u64 {
    machine.harts().iter().fold(0, |all, hart| all.rotate_left(7) ^ hart.transcript())
}

/// Whether the next instruction of the hart whose turn it is stores conditionally.
fn is_before_store_conditional(machine: &Machine) -> bool {
    let hart = &machine.harts()[machine.state().schedule.cursor as usize];
    let inspect = hart.inspect();
    let Some(addr) = inspect.translate(machine.memory(), inspect.pc()) else { return false };
    let mut bytes = [0; 4];
    let read = machine.memory().read(addr, &mut bytes).is_ok();
    let text = inspect.disassemble(&bytes, inspect.pc()).filter(|_| read);
    text.is_some_and(|disassembly| disassembly.text.starts_with("sc."))
}

/// Moves the machine to the next place of this kind.
fn go_to(machine: &mut Machine, kind: Kind, random: &mut Random) -> bool {
    match kind {
        Kind::Anywhere => true,
        Kind::Handler => {
            let before = traps(machine);
            let found = search(machine, |machine| traps(machine) != before);
            for _ in 0..random.below(60) {
                step(machine);
            }
            found
        }
        Kind::Reserved => search(machine, is_before_store_conditional),
        Kind::Waiting => {
            let end = machine.position().steps + 40 * SEARCH_STEPS;
            machine.run(&mut Nobody { leaves_when_idle: true }, Position::at_steps(end));
            let waits = machine.harts().iter().all(|hart| hart.is_idle(machine.clock()));
            if waits && random.below(2) == 0 {
                let Position { steps, idle_ns, .. } = machine.position();
                let idle_ns = idle_ns + 1 + random.below(50_000);
                machine.run(&mut { ON }, Position { steps, idle_ns, sequence: 0 });
            }
            waits
        }
    }
}

/// Ascending positions of all kinds.
fn positions(plan: Plan, cpus: u32) -> Vec<(Position, Kind)> {
    let mut random = Random::new(plan.seed + u64::from(cpus));
    let mut starts: Vec<u64> = (0..plan.positions).map(|_| random.below(plan.span)).collect();
    starts.sort_unstable();
    let mut machine = started(&config(cpus, Engine::Auto));
    let (mut picked, mut count) = (Vec::new(), BTreeMap::new());
    for (start, kind) in starts.into_iter().zip(plan.kinds.iter().cycle()) {
        machine.run(&mut { ON }, Position::at_steps(start));
        if go_to(&mut machine, *kind, &mut random) {
            *count.entry(*kind).or_insert(0_usize) += 1;
        }
        picked.push((machine.position(), *kind));
    }
    picked.dedup_by_key(|(position, _)| *position);
    let least = plan.positions * 5 / 7;
    assert!(picked.len() as u64 >= least, "{} distinct positions, {least} wanted", picked.len());
    eprintln!("seed {:#x}, {cpus} harts: {count:?}", plan.seed);
    for kind in plan.kinds {
        let met = count.get(kind).copied().unwrap_or_default();
        let wanted = starts_of(plan);
        assert!(met * 2 >= wanted, "{kind:?} was met {met} times of {wanted}");
    }
    picked
}

/// Positions of each kind.
fn starts_of(plan: Plan) -> usize {
    usize::try_from(plan.positions).expect("few") / plan.kinds.len()
}

fn config(cpus: u32, engine: Engine) -> Config {
    Config { engine, memory_bytes: 192 << 20, ..linux(cpus) }
}

/// Everything that the guest could notice.
fn seen(machine: &Machine) -> (Position, u64, WholeDigest) {
    (machine.position(), machine.moment().transcript, digest(machine))
}

/// What to do where the untouched guest stops.
enum Stop {
    Save(usize),
    Compare(usize),
}

fn goes_on_as_if_never_saved(plan: Plan, cpus: u32, engine: Engine) {
    let picked = positions(plan, cpus);
    let end = |position: Position| Position::at_steps(position.steps + plan.run);
    let mut stops = BTreeMap::new();
    for (number, (position, _)) in picked.iter().enumerate() {
        stops.insert((*position, number), Stop::Save(number));
        stops.insert((end(*position), number), Stop::Compare(number));
    }
    let folder = tempfile::tempdir().expect("a folder");
    let file = |number: usize| folder.path().join(format!("{number}.vmstate"));
    let config = config(cpus, engine);
    let mut untouched = started(&config);
    let mut loaded = machine(&config);
    let (mut base, mut compared) = (None, 0);
    for ((position, _), stop) in &stops {
        untouched.run(&mut { ON }, *position);
        match stop {
            Stop::Save(number) => {
                assert_eq!(untouched.position(), *position, "it was met before");
                // Full ones and increments, plain and packed.
                let base_path = base.filter(|_| number % 3 != 0).map(&file);
                let options = SaveOptions { base: base_path.as_deref(), compress: number % 2 == 0 };
                snapshot::save_machine(&untouched, &config, &file(*number), options)
                    .expect("it can be saved");
                base = Some(*number);
            }
            Stop::Compare(number) => {
                let (saved, kind) = picked[*number];
                let chain = Chain::open(file(*number)).expect("it opens");
                snapshot::load_machine(&mut loaded, &chain, LoadOptions::default())
                    .expect("it loads");
                assert_eq!(loaded.position(), saved);
                loaded.run(&mut { ON }, *position);
                let (found, wanted) = (seen(&loaded), seen(&untouched));
                assert!(
                    found == wanted,
                    "{engine:?}, {cpus} harts, saved at {saved:?} ({kind:?}), run to {position:?}: \
                     {:?}",
                    differences(&found.2, &wanted.2)
                );
                compared += 1;
            }
        }
    }
    assert_eq!(compared, picked.len());
    eprintln!("{engine:?}, {cpus} harts: {compared} positions, {} steps each", plan.run);
}

#[test]
fn linux_saved_anywhere_goes_on_as_if_it_never_was() {
    if std::env::var_os("SNAPSHOTS_ANYWHERE").is_some() {
        for (cpus, engine) in
            [(1, Engine::Interpreter), (1, Engine::Jit), (4, Engine::Interpreter), (4, Engine::Jit)]
        {
            goes_on_as_if_never_saved(LONG, cpus, engine);
        }
        return;
    }
    for (cpus, engine) in [(1, Engine::Interpreter), (1, Engine::Jit), (4, Engine::Auto)] {
        goes_on_as_if_never_saved(SHORT, cpus, engine);
    }
}
