//! Single instructions as lines of text: `BYTES DISASSEMBLY ; BEFORE => AFTER`.
//!
//! * `BYTES` is the instruction as one hexadecimal number, four or eight digits.
//! * Registers have ABI names. Before the instruction, an integer register that is not given holds
//!   0x1000 and its number, a floating-point one 0x2000 and its number, `fcsr` and memory hold zero.
//!   `U` runs in user mode instead of machine mode.
//! * `m+8` is the doubleword 8 bytes above the middle of scratch memory, `@+8` its address, `pc+4`
//!   the address 4 bytes above the instruction.
//! * `AFTER` lists everything that changed: registers, memory, `fcsr`, `pc` unless it is the next
//!   instruction, `cause` and `tval` of a trap. What it does not list is the same as before.
//!
//! The lines are in `lines/`. With `ISA_BLESS=1` the test writes `AFTER` as Spike has it.

use std::{fmt::Write, fs, path::PathBuf};

use super::{
    generate::{Block, Mode, REACH, Under},
    program::{Program, State},
};

/// One line.
pub(crate) struct Line {
    /// File and number.
    pub(crate) place: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) disassembly: String,
    before: String,
    pub(crate) after: String,
}

const X: [&str; 32] = [
    "zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1", "a0", "a1", "a2", "a3", "a4",
    "a5", "a6", "a7", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4",
    "t5", "t6",
];
const F: [&str; 32] = [
    "ft0", "ft1", "ft2", "ft3", "ft4", "ft5", "ft6", "ft7", "fs0", "fs1", "fa0", "fa1", "fa2",
    "fa3", "fa4", "fa5", "fa6", "fa7", "fs2", "fs3", "fs4", "fs5", "fs6", "fs7", "fs8", "fs9",
    "fs10", "fs11", "ft8", "ft9", "ft10", "ft11",
];

/// `c.ebreak`, which fills the code around the instruction: wherever that goes, it traps.
const FILL: [u8; 2] = [0x02, 0x90];
const FILL_BYTES: usize = 256;
const BREAKPOINT: u64 = 3;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/isa/lines")
}

/// The files with their text, in the order of their names.
pub(crate) fn files() -> Vec<(PathBuf, String)> {
    let entries = fs::read_dir(folder()).expect("tests/isa/lines");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read_to_string(path).expect("text"))).collect()
}

/// All lines of a file.
pub(crate) fn parse(path: &std::path::Path, text: &str) -> Vec<Line> {
    let name = path.file_name().expect("a file").display().to_string();
    let numbered = text.lines().enumerate().filter(|(_, line)| is_case(line));
    numbered.map(|(number, line)| parse_line(format!("{name}:{}", number + 1), line)).collect()
}

fn is_case(line: &str) -> bool {
    !line.is_empty() && !line.starts_with('#')
}

fn parse_line(place: String, line: &str) -> Line {
    let parts = line.split_once(';').and_then(|(code, rest)| {
        let (bytes, disassembly) = code.trim().split_once(' ')?;
        let (before, after) = rest.split_once("=>")?;
        Some((bytes, disassembly, before, after))
    });
    let Some((bytes, disassembly, before, after)) = parts else {
        panic!("{place}: not `BYTES DISASSEMBLY ; BEFORE => AFTER`: {line}");
    };
    let number = u32::from_str_radix(bytes, 16).expect("hexadecimal bytes");
    Line {
        place,
        bytes: number.to_le_bytes()[..bytes.len() / 2].to_vec(),
        disassembly: disassembly.trim().to_owned(),
        before: before.trim().to_owned(),
        after: after.trim().to_owned(),
    }
}

fn number(text: &str, pc: u64, window: u64) -> u64 {
    let literal = |text: &str| {
        let digits = text.strip_prefix("0x");
        digits.map_or_else(|| text.parse(), |digits| u64::from_str_radix(digits, 16))
    };
    let relative = |base: u64, text: &str| match text.split_at_checked(1) {
        Some(("+", offset)) => base.wrapping_add(literal(offset).expect("a number")),
        Some(("-", offset)) => base.wrapping_sub(literal(offset).expect("a number")),
        _ => base,
    };
    if let Some(offset) = text.strip_prefix('@') {
        relative(window, offset)
    } else if let Some(offset) = text.strip_prefix("pc") {
        relative(pc, offset)
    } else {
        literal(text).unwrap_or_else(|_| panic!("{text} is no number"))
    }
}

impl Line {
    /// The state and memory that the line asks for, with the code at `address`.
    fn set_up(&self, address: u64, window: u64) -> (Block, State, Vec<u64>) {
        let mut code = FILL.repeat(FILL_BYTES / 2);
        code.extend(&self.bytes);
        code.extend(FILL.repeat(FILL_BYTES / 2));
        let entry = FILL_BYTES as u64;
        let mut under = Under::physical(Mode::Machine);
        let mut state = Self::untouched();
        let mut memory = vec![0; REACH as usize / 4];
        for item in self.before.split_whitespace() {
            if item == "U" {
                under = Under::physical(Mode::User);
                continue;
            }
            let (name, value) = item.split_once('=').expect("NAME=VALUE");
            let value = number(value, address + entry, window);
            if let Some(x) = X.iter().position(|x| *x == name) {
                state.x[x] = value;
            } else if let Some(f) = F.iter().position(|f| *f == name) {
                state.f[f] = value;
            } else if name == "fcsr" {
                state.fcsr = value;
            } else if let Some(offset) = name.strip_prefix('m') {
                memory[word_index(offset)] = value;
            } else {
                panic!("{}: {name} is no register", self.place);
            }
        }
        state.x[0] = 0;
        (Block { under, code, entry, listing: vec![] }, state, memory)
    }

    fn untouched() -> State {
        State {
            x: std::array::from_fn(|number| 0x1000 + number as u64),
            f: std::array::from_fn(|number| 0x2000 + number as u64),
            fcsr: 0,
        }
    }

    /// What changed, as `AFTER` has it.
    pub(crate) fn describe(&self, program: &Program, index: usize, left: &[u64]) -> String {
        let (pc, window) = (program.entry(index), program.window(index as u64));
        let (_, state, memory) = self.set_up(pc - FILL_BYTES as u64, window);
        let outcome = program.outcome(left, index);
        let mut text = String::new();
        let mut add = |name: &str, value: u64| {
            write!(text, "{name}={} ", render(value, pc, window)).expect("a string");
        };
        for (name, (number, before)) in X.iter().zip(state.x.into_iter().enumerate()) {
            if outcome.x(number) != before && number != 0 {
                add(name, outcome.x(number));
            }
        }
        for (name, (number, before)) in F.iter().zip(state.f.into_iter().enumerate()) {
            if outcome.f(number) != before {
                add(name, outcome.f(number));
            }
        }
        let after = program.memory(left, index);
        for (word, (before, after)) in memory.iter().zip(after).enumerate() {
            if before != after {
                let offset = word as i64 * 8 - i64::from(REACH);
                add(&format!("m{offset:+}"), *after);
            }
        }
        let [fcsr, cause, epc, tval] = outcome.csrs();
        if fcsr != state.fcsr {
            add("fcsr", fcsr);
        }
        if epc == pc || cause != BREAKPOINT {
            add("cause", cause);
            if epc != pc {
                add("epc", epc);
            }
            if tval != 0 {
                add("tval", tval);
            }
        } else if epc != pc + self.bytes.len() as u64 {
            add("pc", epc);
        }
        text.trim_end().to_owned()
    }
}

/// The index of the doubleword at a signed offset from the middle of the window.
fn word_index(offset: &str) -> usize {
    let offset: i32 = offset.parse().expect("m and a signed offset");
    (offset + REACH) as usize / 8
}

fn render(value: u64, pc: u64, window: u64) -> String {
    let near = |base: u64| i64::try_from(i128::from(value) - i128::from(base)).unwrap_or(i64::MAX);
    if near(pc).abs() <= FILL_BYTES as i64 {
        format!("pc{:+}", near(pc))
    } else if near(window).abs() <= i64::from(REACH) {
        format!("@{:+}", near(window))
    } else if value < 10 {
        value.to_string()
    } else {
        format!("{value:#x}")
    }
}

/// A program that runs each line.
pub(crate) fn program(lines: &[Line]) -> Program {
    Program::new(lines.len() as u64, |index, address, window| {
        lines[index as usize].set_up(address, window)
    })
}

/// Writes `AFTER` of every line as `runner` has it.
pub(crate) fn bless(runner: impl Fn(&Program) -> Vec<u64>) {
    for (path, text) in files() {
        let cases = parse(&path, &text);
        let program = program(&cases);
        let left = runner(&program);
        let mut after =
            cases.iter().enumerate().map(|(at, line)| line.describe(&program, at, &left));
        let lines = text.lines().map(|line| match line.split_once("=>") {
            Some((case, _)) if is_case(line) => {
                let after = after.next().expect("one for each line");
                format!("{}\n", format!("{case}=> {after}").trim_end())
            }
            _ => format!("{line}\n"),
        });
        fs::write(&path, lines.collect::<String>()).expect("the file is writable");
    }
}
