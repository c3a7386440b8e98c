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
    pub(crate) mod listing;
    pub(crate) mod program;
    pub(crate) mod random;
    pub(crate) mod spaces;
    pub(crate) mod spike;
}

use std::collections::BTreeSet;

use emulator::isa::riscv::{
    self, Features, disassemble::disassemble, instruction::Format, table::PATTERNS,
};

use isa::{
    emulated::{self, ENGINES, Engine},
    encode, generate,
    lines::{self, Line},
    listing,
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
    for engine in ENGINES {
        let run = |program: &Program| emulated::run(program, engine, || 1_000_000).left;
        let wrong = wrong_lines(&all_lines(), run);
        assert!(wrong.is_empty(), "{engine:?}:\n{}", wrong.join("\n"));
    }
}

#[test]
fn a_million_random_instructions_leave_what_they_leave_on_spike() {
    let seed = number("ISA_SEED", 1);
    let blocks = number("ISA_BLOCKS", 4_000);
    let mut executed = 0;
    for part in 0.. {
        let seed = seed + part;
        let program = Program::random(seed, blocks);
        let mut budgets = Random::new(seed);
        let budget = || 1 + u64::from(budgets.below(500));
        let ours = emulated::run(&program, Engine::Interpreter, budget);
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

/// The processor of these tests.
fn features() -> Features {
    Features::of_model("rva22s64").expect("a model") | Features::ZICOND
}

#[test]
fn lines_disassemble_as_written() {
    const ADDRESS: u64 = 0x8000_0000;
    for line in all_lines().iter().flatten() {
        let found = disassemble(&line.bytes, features(), ADDRESS);
        // A line has targets relative to itself.
        let text = &line.disassembly;
        let written = match text.rfind(".+").or(text.rfind(".-")) {
            Some(dot) => {
                let offset: i64 = text[dot + 1..].parse().expect("a signed offset");
                format!("{}{:#x}", &text[..dot], ADDRESS.wrapping_add_signed(offset))
            }
            None => text.clone(),
        };
        match found {
            Some((text, bytes)) => {
                assert_eq!((text, bytes), (written, line.bytes.len()), "{}", line.place);
            }
            None => assert_eq!(written, "c.unimp", "{}", line.place),
        }
    }
}

/// Every line of the table with random operands, and a quarter of all half-words.
fn sample_of_all_encodings(seed: u64) -> Vec<Vec<u8>> {
    let mut random = Random::new(seed);
    let halves = (0..=u16::MAX).filter(|half| half & 3 != 3 && random.once_in(4));
    let registers: Vec<u16> = (0..4096).filter(|csr| riscv::csr::name(*csr).is_some()).collect();
    let mut all: Vec<Vec<u8>> = halves.map(|half| half.to_le_bytes().into()).collect();
    // These are newer than the assembler.
    let known = PATTERNS.iter().filter(|pattern| !pattern.needs.contains(Features::ZICOND));
    for pattern in known {
        for _ in 0..12 {
            let mut word = pattern.bits | random.bits() as u32 & !pattern.mask;
            if matches!(pattern.format, Format::Csr | Format::CsrImmediate) {
                word = word & 0xf_ffff | u32::from(*random.pick(&registers)) << 20;
            }
            all.push(word.to_le_bytes().into());
        }
    }
    // They know these, which never round, with one rounding mode only.
    let exact = ["fcvt.d.s", "fcvt.d.w", "fcvt.d.wu", "fcvt.d.h", "fcvt.s.h"];
    for op in encode::FLOAT {
        for _ in 0..12 {
            let word = generate::filled(&mut random, *op);
            let word = if exact.contains(&op.0) { word & !0x7000 } else { word };
            all.push(word.to_le_bytes().into());
        }
    }
    all
}

#[test]
fn instructions_disassemble_as_the_gnu_tools_write_them() {
    let seed = number("ISA_SEED", 7);
    let all = sample_of_all_encodings(seed);
    let listing = listing::of(&all);
    let mut offset = 0;
    let mut wrong = vec![];
    let mut compared = 0;
    for bytes in &all {
        let theirs = listing.get(&offset).map_or("(nothing)", |text| text);
        // What is no instruction is data to them, but for the one that is all zeros.
        let none = theirs.starts_with('.') || theirs == "c.unimp";
        let ours = disassemble(bytes, features(), offset).map(|(text, _)| text);
        // They write the targets of an object file without `0x`.
        let bare = ours.as_ref().and_then(|text| text.rsplit_once("0x"));
        let bare = bare.map(|(start, target)| format!("{start}{target}"));
        let theirs = Some(theirs).filter(|_| !none);
        if ours.as_deref() != theirs && bare.as_deref() != theirs {
            wrong.push(format!("{bytes:02x?}: {ours:?}, not {theirs:?}"));
        }
        compared += usize::from(ours.is_some());
        offset += bytes.len() as u64;
    }
    wrong.sort();
    assert!(wrong.is_empty(), "ISA_SEED={seed}, {}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(compared > 10_000, "only {compared} instructions");
}

#[test]
fn every_instruction_has_a_line() {
    let files = all_lines();
    let written: BTreeSet<&str> = files
        .iter()
        .flatten()
        .map(|line| line.disassembly.split([' ', ';']).next().unwrap_or_default())
        .collect();
    let table = PATTERNS.iter().map(|pattern| pattern.mnemonic);
    let float = encode::FLOAT.iter().map(|op| op.0);
    let memory = encode::LOADS.iter().map(|op| op.0).chain(encode::STORES.iter().map(|op| op.0));
    let short = compressed_mnemonics();
    let all = table.chain(float).chain(memory).chain(short);
    let missing: BTreeSet<_> = all.filter(|name| !written.contains(name)).collect();
    assert!(missing.is_empty(), "no line for {missing:?}");
}

fn compressed_mnemonics() -> impl Iterator<Item = &'static str> {
    (0..=u16::MAX)
        .filter(|half| half & 3 != 3)
        .filter_map(|half| riscv::compressed::mnemonic(half).map(|(name, _)| name))
}

/// Compiling takes longer than one run of a block, so these are fewer.
#[test]
fn translated_random_programs_leave_what_they_leave_on_spike() {
    let seed = number("ISA_SEED", 1_000_000);
    let blocks = number("ISA_BLOCKS", 150);
    let program = Program::random(seed, blocks);
    let mut budgets = Random::new(seed);
    let ours = emulated::run(&program, Engine::Translator, || 1 + u64::from(budgets.below(5_000)));
    let differences = program.differences(&ours.left, &spike::run(&program));
    let report = differences.join("\n");
    assert!(differences.is_empty(), "ISA_SEED={seed} ISA_BLOCKS={blocks}:\n{report}");
}

#[test]
fn random_programs_hold_every_instruction() {
    let program = Program::random(1, 2_000);
    let missing: Vec<_> =
        generate::names().into_iter().filter(|name| !program.mentions(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    // And every instruction of the table is one of them: atomics without their width. Waiting would
    // never end in these programs, and returns are the driver's.
    let drawn = generate::names();
    let is_drawn = |name: &str| {
        let atomic = name.strip_suffix(".w").or(name.strip_suffix(".d"));
        drawn.contains(&name) || atomic.is_some_and(|name| drawn.contains(&name))
    };
    let names = PATTERNS.iter().map(|pattern| pattern.mnemonic);
    let never: Vec<_> = names.filter(|name| !is_drawn(name)).collect();
    assert_eq!(never, ["sret", "mret", "wfi"]);
}
