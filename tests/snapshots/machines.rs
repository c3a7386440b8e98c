//! Machines for the tests: small, quick, and driven by a door without a memory.

use std::path::Path;

use emulator::{
    clock::Position,
    digest::PageTree,
    door::{Door, Event, Moment, Output, PowerOn, Reply, Wake, kind},
    machine::{
        Image, Machine, Stop,
        board::{self, Config},
    },
    memory::{PAGE_BYTES, PAGE_LEN},
    snapshot::{self, Chain, LoadOptions, SaveOptions, SnapshotError},
    timeline::StateDigest,
};

pub(crate) const OLD: &str = "riscv64-virt@1.0";
pub(crate) const NEW: &str = "riscv64-virt@1.1";
/// Virtual nanoseconds, and so at least the steps, after which the demo guest waits at its prompt.
pub(crate) const AT_PROMPT: u64 = 3_000_000;

pub(crate) fn config() -> Config {
    Config { memory_bytes: 16 << 20, ..Config::default() }
}

/// The machine called `name`, not yet switched on.
pub(crate) fn build(name: &str, config: &Config) -> Machine {
    let (board, version) = board::find(machines::BOARDS, name).expect("it is listed");
    board.build(version, config).expect("it can be built").machine
}

/// The demo guest, switched on.
pub(crate) fn demo(name: &str) -> Machine {
    let mut machine = build(name, &config());
    machine.power_on(&mut Keys::default());
    machine
}

/// The demo guest at its prompt.
pub(crate) fn demo_at_prompt(name: &str) -> Machine {
    let mut machine = demo(name);
    run(&mut machine, &mut Keys::default(), AT_PROMPT);
    machine
}

/// A machine that runs `code` from its reset vector, run until it spins.
pub(crate) fn program(name: &str, code: &[u32]) -> (Machine, Config) {
    let bytes: Vec<u8> = code.iter().flat_map(|word| word.to_le_bytes()).collect();
    let images = Some(vec![Image::new("program", 0x1000, bytes)]);
    let config = Config { images, ..config() };
    let mut machine = build(name, &config);
    machine.power_on(&mut Keys::default());
    run(&mut machine, &mut Keys::default(), 1000);
    (machine, config)
}

/// Runs up to a number of steps, or to the prompt when the guest only waits.
pub(crate) fn run(machine: &mut Machine, keys: &mut Keys, steps: u64) -> Stop {
    keys.limit_ns = AT_PROMPT;
    machine.run(keys, Position::at_steps(steps))
}

/// A keyboard on which text is typed at a virtual time. It forgets what it typed when it is made
/// anew, and needs no memory: what is due is later than the machine's present time.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    /// Virtual time and text, ascending.
    pub(crate) due: Vec<(u64, &'static str)>,
    pub(crate) said: String,
    pub(crate) limit_ns: u64,
}

impl Keys {
    /// Types `text` at `at_ns`.
    pub(crate) fn typing(at_ns: u64, text: &'static str) -> Self {
        Self { due: vec![(at_ns, text)], ..Self::default() }
    }
}

impl Door for Keys {
    fn power_on(&mut self) -> PowerOn {
        PowerOn { clock_base_ns: 1_700_000_000_000_000_000, seed: [42; 32] }
    }

    fn horizon(&mut self, now: Moment) -> u64 {
        // A step lasts a nanosecond.
        self.due.first().map_or(u64::MAX, |(at_ns, _)| now.position.steps + (at_ns - now.now_ns))
    }

    fn take(&mut self, now: Moment) -> Reply {
        if self.due.first().is_none_or(|(at_ns, _)| *at_ns > now.now_ns) {
            return Reply::Nothing;
        }
        let (_, text) = self.due.remove(0);
        let (kind, target) = (kind::SERIAL_INPUT.into(), "soc/uart0".into());
        Reply::Event(Event { kind, target, data: text.into() })
    }

    fn idle(&mut self, now: Moment, deadline_ns: Option<u64>) -> Wake {
        let due_ns = self.due.first().map(|(at_ns, _)| *at_ns);
        match due_ns {
            Some(at_ns) => Wake::After { idle_ns: at_ns - now.now_ns },
            None if deadline_ns.is_some_and(|at_ns| at_ns <= self.limit_ns) => Wake::Deadline,
            None => Wake::Leave,
        }
    }

    fn output(&mut self, _: Position, output: Output<'_>) {
        self.said.push_str(&String::from_utf8_lossy(output.data));
    }
}

/// Everything that a guest could ever notice of a machine.
#[derive(Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) position: Position,
    transcript: u64,
    parts: StateDigest,
    ram: u128,
}

pub(crate) fn seen(machine: &Machine) -> Seen {
    Seen {
        position: machine.position(),
        transcript: machine.moment().transcript,
        parts: StateDigest::of(machine).expect("it can be saved"),
        ram: PageTree::of(machine.memory()).root(),
    }
}

pub(crate) fn save(machine: &Machine, path: &Path, options: SaveOptions<'_>) {
    snapshot::save_machine(machine, &config(), path, options).expect("it can be saved");
}

pub(crate) fn load(machine: &mut Machine, path: &Path) -> Result<(), SnapshotError> {
    snapshot::load_machine(machine, &Chain::open(path)?, LoadOptions { verify: true })
}

/// Fills a stretch of RAM with what does not compress, so that saving it takes a while.
pub(crate) fn fill(machine: &Machine, pages: u64) {
    let mut word = 0x9e37_79b9_7f4a_7c15_u64;
    for page in 0..pages {
        let mut content = [0; PAGE_LEN];
        for chunk in content.chunks_mut(8) {
            word ^= word << 13;
            word ^= word >> 7;
            word ^= word << 17;
            chunk.copy_from_slice(&word.to_le_bytes());
        }
        let addr = 0x8010_0000 + page * PAGE_BYTES;
        machine.memory().write(addr, &content).expect("it is RAM");
    }
}
