//! Instructions against an independent oracle: random programs on Spike and on our processor.
//!
//! `ISA_SEED=N` replays a run that failed or tries another; `ISA_BLOCKS=N` makes it longer. Every
//! failure prints its seed, the code of the block and what differs.
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "instruction fields are bits"
)]

mod isa {
    pub(crate) mod compressed;
    pub(crate) mod emulated;
    pub(crate) mod encode;
    pub(crate) mod generate;
    pub(crate) mod lines;
    pub(crate) mod program;
    pub(crate) mod random;
    pub(crate) mod spike;
}

use isa::{
    emulated, generate,
    lines::{self, Line},
    program::{DRIVER_STEPS, Program},
    random::Random,
    spike,
};

/// Instructions that the random programs of one test execute at least, the driver's not counted.
const INSTRUCTIONS: u64 = 1_000_000;

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| {
        text.parse().unwrap_or_else(|_| panic!("{variable} is a decimal number, not {text}"))
    })
}

/// What `runner` makes of each line, where that is not what the line says.
fn wrong_lines(files: &[Vec<Line>], runner: impl Fn(&Program) -> Vec<u64>) -> Vec<String> {
    let mut wrong = vec![];
    for file in files {
        let program = lines::program(file);
        let left = runner(&program);
        for (index, line) in file.iter().enumerate() {
            let found = line.describe(&program, index, &left);
            if found != line.after {
                let Line { place, disassembly, after, .. } = line;
                wrong.push(format!("{place}: {disassembly}: says {after}, found {found}"));
            }
        }
    }
    wrong
}

fn all_lines() -> Vec<Vec<Line>> {
    lines::files().iter().map(|(path, text)| lines::parse(path, text)).collect()
}

#[test]
fn lines_say_what_spike_does() {
    if std::env::var_os("ISA_BLESS").is_some() {
        lines::bless(spike::run);
    }
    let wrong = wrong_lines(&all_lines(), spike::run);
    assert!(wrong.is_empty(), "ISA_BLESS=1 rewrites the lines\n{}", wrong.join("\n"));
}

#[test]
fn instructions_do_what_the_lines_say() {
    let wrong = wrong_lines(&all_lines(), |program| emulated::run(program, || 1_000_000).left);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn random_programs_leave_what_they_leave_on_spike() {
    let seed = number("ISA_SEED", 1);
    let blocks = number("ISA_BLOCKS", 4_000);
    let mut executed = 0;
    for part in 0.. {
        let seed = seed + part;
        let program = Program::random(seed, blocks);
        let mut budgets = Random::new(seed);
        let ours = emulated::run(&program, || 1 + u64::from(budgets.below(500)));
        let theirs = spike::run(&program);
        let differences = program.differences(&ours.left, &theirs);
        let report = differences.join("\n");
        assert!(differences.is_empty(), "ISA_SEED={seed} ISA_BLOCKS={blocks}:\n{report}");
        executed += ours.steps - blocks * DRIVER_STEPS;
        if executed >= INSTRUCTIONS || std::env::var_os("ISA_SEED").is_some() {
            break;
        }
    }
    println!("{executed} instructions from seed {seed}");
}

#[test]
fn lines_of_floating_point_disassemble_as_written() {
    let files = lines::files();
    let all = files.iter().flat_map(|(path, text)| lines::parse(path, text));
    let mut checked = 0;
    for line in all.filter(|line| line.bytes.len() == 4) {
        let word = u32::from_le_bytes(*line.bytes.first_chunk().expect("four bytes"));
        if let Some(instruction) = emulator::isa::riscv::float::decode(word) {
            assert_eq!(instruction.to_string(), line.disassembly, "{}", line.place);
            checked += 1;
        }
    }
    assert!(checked > 150, "only {checked} lines are floating point");
}

#[test]
fn random_programs_hold_every_instruction() {
    let program = Program::random(1, 2_000);
    let missing: Vec<_> =
        generate::names().into_iter().filter(|name| !program.mentions(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
