//! How long snapshots of a real guest take: Debian at its prompt in 512 MiB.
//!
//! `scripts/bench-snapshots` runs it beside QEMU. Each figure is the best and the median of several
//! rounds; the sync to disk is measured apart from the writing.

#![expect(clippy::print_stdout, reason = "its output is the figures")]
#![expect(clippy::unwrap_used, reason = "a bench ends where something fails")]

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use emulator::{
    clock::Position,
    door::{Door, Moment, Output, PowerOn, Wake},
    machine::{
        Machine,
        board::{self, Config},
    },
    snapshot::{self, Chain, LoadOptions, SaveOptions},
};

const ROUNDS: usize = 7;
const PROMPT: &str = "guest# ";
const DIRTY_PAGES: u64 = 1_000;

/// Runs until the guest shows its prompt and waits.
#[derive(Default)]
struct Prompt {
    said: String,
}

impl Door for Prompt {
    fn power_on(&mut self) -> PowerOn {
        PowerOn { clock_base_ns: 1_700_000_000_000_000_000, seed: [42; 32] }
    }

    fn idle(&mut self, _: Moment, deadline_ns: Option<u64>) -> Wake {
        let waits = deadline_ns.is_none() || self.said.contains(PROMPT);
        if waits { Wake::Leave } else { Wake::Deadline }
    }

    fn output(&mut self, _: Position, output: Output<'_>) {
        self.said.push_str(&String::from_utf8_lossy(output.data));
    }
}

fn config() -> Config {
    let folder =
        std::env::var_os("GUEST_DIR").map_or_else(|| "target/guests".into(), PathBuf::from);
    Config {
        bios: Some(folder.join("fw_dynamic.bin")),
        kernel: Some(folder.join("Image")),
        initrd: Some(folder.join("initrd.gz")),
        append: "console=ttyS0".into(),
        ..Config::default()
    }
}

fn build(config: &Config) -> Machine {
    let (board, version) = board::find(machines::BOARDS, "riscv64-virt").unwrap();
    board.build(version, config).unwrap().machine
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let (best, median, worst) = (times[0], times[times.len() / 2], times[times.len() - 1]);
    println!("{what:44} {:9.2} {:9.2} {:9.2} ms", ms(best), ms(median), ms(worst));
}

fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let result = work();
    (start.elapsed(), result)
}

/// Times of writing and of the sync with the rename.
fn saves(
    machine: &Machine,
    config: &Config,
    path: &Path,
    options: SaveOptions<'_>,
    mut before: impl FnMut(&Machine),
) -> (Vec<Duration>, Vec<Duration>) {
    let round = |_| {
        before(machine);
        let (writing, written) =
            timed(|| snapshot::write_machine(machine, config, path, options).unwrap());
        let (syncing, ()) = timed(|| written.commit().unwrap());
        (writing, syncing)
    };
    (0..ROUNDS).map(round).unzip()
}

fn main() {
    let config = config();
    let folder = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    let folder =
        PathBuf::from(folder.unwrap_or_else(|| std::env::temp_dir().display().to_string()));
    let names = ["full", "packed", "base", "increment"];
    let [full, packed, base, increment] = names.map(|name| folder.join(format!("{name}.vmstate")));
    let mut machine = build(&config);
    let mut door = Prompt::default();
    machine.power_on(&mut door);
    machine.run(&mut door, Position::at_steps(10_000_000_000));
    assert!(door.said.contains(PROMPT), "no prompt: {}", door.said);
    println!("{:44} {:>9} {:>9} {:>9}", "Debian at its prompt, 512 MiB", "best", "median", "worst");
    report(
        "digests of kernel, firmware, initrd (once)",
        vec![timed(|| machine.image_digests().len()).0],
    );

    let (write, sync) = saves(&machine, &config, &full, SaveOptions::default(), |_| {});
    report("save: write", write);
    report("save: sync and rename", sync);
    let compressed = SaveOptions { base: None, compress: true };
    report("save --compress: write", saves(&machine, &config, &packed, compressed, |_| {}).0);

    snapshot::save_machine(&machine, &config, &base, SaveOptions::default()).unwrap();
    let dirty = |machine: &Machine| {
        // The base is loaded again, so that exactly these pages differ from it.
        machine.memory().mark_written(Chain::open(&base).unwrap().newest().fingerprint().unwrap());
        for page in 0..DIRTY_PAGES {
            let addr = 0x8800_0000 + page * 3 * 4096;
            machine.memory().write(addr, &page.to_le_bytes()).unwrap();
        }
    };
    let options = SaveOptions { base: Some(&base), compress: false };
    let (write, sync) = saves(&machine, &config, &increment, options, dirty);
    report("save --base, 1,000 dirty pages: write", write);
    report("save --base, 1,000 dirty pages: sync", sync);

    let first = |machine: &mut Machine, path: &Path| {
        let chain = Chain::open(path).unwrap();
        snapshot::load_machine(machine, &chain, LoadOptions::default()).unwrap();
        let next = Position { steps: machine.position().steps + 1, ..Position::default() };
        machine.run(&mut Prompt::default(), next);
    };
    let loads = |machine: &mut Machine, path: &Path| {
        (0..ROUNDS).map(|_| timed(|| first(machine, path)).0).collect::<Vec<_>>()
    };
    report("loadvm to the first instruction, mapped", loads(&mut machine, &full));
    report("loadvm to the first instruction, packed", loads(&mut machine, &packed));
    let fresh = (0..ROUNDS).map(|_| {
        let mut machine = build(&config);
        machine.power_on(&mut Prompt::default());
        assert!(!machine.image_digests().is_empty());
        timed(|| first(&mut machine, &full)).0
    });
    report("the same into a machine that has just been built", fresh.collect());
    for path in [&full, &packed, &increment] {
        let bytes = std::fs::metadata(path).unwrap().len();
        println!("{:44} {bytes:>9} bytes", path.file_name().unwrap().to_string_lossy());
    }
    for path in [full, packed, base, increment] {
        std::fs::remove_file(path).unwrap();
    }
}
