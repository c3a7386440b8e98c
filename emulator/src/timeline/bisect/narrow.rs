//! Halves the stretch in which two machines part until one instruction is left.
//!
//! First both bounds move, from bookmark to bookmark, so that the whole search costs about two runs
//! through the interval. Translated code runs whole blocks and falls back to the interpreter where
//! a stretch ends inside one; so the last few thousand steps are searched from one fixed beginning,
//! and the instruction is the last in the block that touched what differs.

use std::collections::BTreeSet;

use vmstate::{
    container::Snapshot,
    diff::{Change, diff},
};

use crate::{
    machine::{Access, Machine},
    memory::PAGE_LEN,
};

use super::{
    BisectError, Pair,
    probe::Probe,
    report::{Accessed, Parting, ValueDifference},
};

/// A stretch this short is searched from a fixed beginning.
const SHORT: u64 = 4096;
/// Differing pieces of one page that are reported.
const PIECES: usize = 8;

/// Where `one` and `two` part on the way to `end` steps; `None` when they do not. Both stand at the
/// same place and are equal.
pub(super) fn narrow(
    one: &mut Probe,
    two: &mut Probe,
    end: u64,
    pair: Pair,
) -> Result<Option<Parting>, BisectError> {
    let mut low = one.machine().position().steps;
    for probe in [&mut *one, &mut *two] {
        probe.set_bookmark()?;
        probe.trace_accesses();
    }
    if both_to(one, two, end)? {
        return Ok(None);
    }
    let access = first_access(one, two);
    let at_end = differences(one, two)?;
    let mut high = end;
    while high - low > SHORT {
        let middle = low + (high - low) / 2;
        back(one, two)?;
        if both_to(one, two, middle)? {
            one.set_bookmark()?;
            two.set_bookmark()?;
            low = middle;
        } else {
            high = middle;
        }
    }
    back(one, two)?;
    if both_to(one, two, high)? {
        // What made the difference does not come back with the state.
        let hart = cursor(one.machine());
        let pc = one.machine().harts()[hart].inspect().pc();
        return Ok(Some(Parting {
            pair,
            steps: low,
            exact: false,
            to: end,
            hart,
            pc,
            instruction: None,
            differences: at_end,
            access,
        }));
    }
    let (mut equal, mut differs) = (low, high);
    while differs - equal > 1 {
        let middle = equal + (differs - equal) / 2;
        back(one, two)?;
        if both_to(one, two, middle)? {
            equal = middle;
        } else {
            differs = middle;
        }
    }
    back(one, two)?;
    both_to(one, two, differs)?;
    let found = differences(one, two)?;
    let steps = last_writer(one, low, differs, &found)?;
    one.rewind()?;
    one.run_to(steps)?;
    let (hart, pc, instruction) = next_instruction(one.machine());
    Ok(Some(Parting {
        pair,
        steps,
        exact: true,
        to: differs,
        hart,
        pc,
        instruction,
        differences: found,
        access,
    }))
}

fn back(one: &mut Probe, two: &mut Probe) -> Result<(), BisectError> {
    one.rewind()?;
    two.rewind()
}

/// Runs both to `steps`; whether they are equal there.
fn both_to(one: &mut Probe, two: &mut Probe, steps: u64) -> Result<bool, BisectError> {
    let ends = (one.run_to(steps)?, two.run_to(steps)?);
    Ok(ends.0 == ends.1 && one.equals(two)?)
}

/// The first access to a device that the two did not make alike.
fn first_access(one: &mut Probe, two: &mut Probe) -> Option<(Option<Accessed>, Option<Accessed>)> {
    let (mine, theirs) = (one.take_accesses(), two.take_accesses());
    let same = mine.iter().zip(&theirs).take_while(|(one, two)| one == two).count();
    let words = |probe: &Probe, access: &Access| {
        let (device, offset) = probe
            .machine()
            .fabric()
            .place_of(access.addr)
            .map_or_else(|| (String::new(), access.addr), |(path, at)| (path.to_owned(), at));
        let Access { steps, addr: _, bytes, is_write, value } = *access;
        Accessed { steps, device, offset, bytes, is_write, value }
    };
    let (mine, theirs) = (mine.get(same), theirs.get(same));
    (mine.is_some() || theirs.is_some())
        .then(|| (mine.map(|a| words(one, a)), theirs.map(|a| words(two, a))))
}

/// Everything in which the two differ, with both values.
fn differences(one: &Probe, two: &Probe) -> Result<Vec<ValueDifference>, BisectError> {
    let mut found = state_differences(&one.state()?, &two.state()?)?;
    let (mine, theirs) = (one.machine().position(), two.machine().position());
    if mine != theirs {
        let values = format!(
            "{}:{}:{} -> {}:{}:{}",
            mine.steps, mine.idle_ns, mine.sequence, theirs.steps, theirs.idle_ns, theirs.sequence
        );
        found.push(ValueDifference { path: "position".to_owned(), values });
    }
    let lines = one.machine().fabric().line_levels().zip(two.machine().fabric().line_levels());
    found.extend(lines.filter(|((_, mine), (_, theirs))| mine != theirs).map(
        |((path, mine), (_, theirs))| ValueDifference {
            path: format!("{path} (output lines)"),
            values: format!("{mine:#b} -> {theirs:#b}"),
        },
    ));
    if let Some(page) = one.differing_page(two) {
        found.extend(ram_differences(one, two, page));
    }
    Ok(found)
}

fn state_differences(one: &[u8], two: &[u8]) -> Result<Vec<ValueDifference>, BisectError> {
    let refused = |error: vmstate::container::ContainerError| BisectError::State(error.to_string());
    let mine = Snapshot::from_slice(one).map_err(refused)?;
    let theirs = Snapshot::from_slice(two).map_err(refused)?;
    let found = diff(&mine, &theirs).map_err(refused)?;
    let words = |change: &Change| match change {
        Change::Value(one, two) => format!("{one} -> {two}"),
        Change::Pages(count) => format!("{count} pages"),
        Change::OnlyFirst(value) => format!("{value} -> none"),
        Change::OnlySecond(value) => format!("none -> {value}"),
        Change::Flags { set, cleared } => {
            let set = set.iter().map(|name| format!("+{name}"));
            let cleared = cleared.iter().map(|name| format!("-{name}"));
            set.chain(cleared).collect::<Vec<_>>().join(" ")
        }
    };
    Ok(found
        .iter()
        .map(|difference| ValueDifference {
            path: difference.path.clone(),
            values: words(&difference.change),
        })
        .collect())
}

/// The first 8-byte pieces of a page that differ.
fn ram_differences(one: &Probe, two: &Probe, page: usize) -> Vec<ValueDifference> {
    let memory = one.machine().memory();
    let (mine, theirs) = (memory.copy_page(page), two.machine().memory().copy_page(page));
    let pieces = (0..PAGE_LEN).step_by(8).filter(|at| mine[*at..at + 8] != theirs[*at..at + 8]);
    pieces
        .take(PIECES)
        .map(|at| ValueDifference {
            path: format!("ram {:#x}", memory.address_of(page) + at as u64),
            values: format!("{} -> {}", hex(&mine[at..at + 8]), hex(&theirs[at..at + 8])),
        })
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Fields that every instruction changes, or that follow from all that went before.
fn is_running(path: &str) -> bool {
    ["pc", "transcript", "trap_hash", "quantum_left", "mcycle", "minstret"]
        .iter()
        .any(|name| path.split(['.', '[']).any(|part| part == *name))
        || path.contains("hart_steps")
        || path == "position"
}

/// Steps before the last instruction from `low` on that changed what differs at `high`, in the first
/// machine; the last of all when none did.
fn last_writer(
    one: &mut Probe,
    low: u64,
    high: u64,
    found: &[ValueDifference],
) -> Result<u64, BisectError> {
    let wanted: BTreeSet<&str> =
        found.iter().map(|found| found.path.as_str()).filter(|path| !is_running(path)).collect();
    let addrs: Vec<u64> = wanted
        .iter()
        .filter_map(|path| u64::from_str_radix(path.strip_prefix("ram 0x")?, 16).ok())
        .collect();
    one.rewind()?;
    let piece = |one: &Probe, addr: u64| one.machine().memory().read_u64(addr).ok();
    let mut last = high - 1;
    let mut state = one.state()?;
    let mut pieces: Vec<_> = addrs.iter().map(|addr| piece(one, *addr)).collect();
    for steps in low..high {
        if one.run_to(steps + 1)?.early.is_some() {
            break;
        }
        let next = one.state()?;
        let next_pieces: Vec<_> = addrs.iter().map(|addr| piece(one, *addr)).collect();
        let changed = state_differences(&state, &next)?;
        if next_pieces != pieces || changed.iter().any(|d| wanted.contains(d.path.as_str())) {
            last = steps;
        }
        (state, pieces) = (next, next_pieces);
    }
    Ok(last)
}

fn cursor(machine: &Machine) -> usize {
    machine.state().schedule.cursor as usize
}

/// The hart whose turn it is, its program counter and the instruction there.
fn next_instruction(machine: &Machine) -> (usize, u64, Option<String>) {
    const LONGEST: usize = 16;
    let hart = cursor(machine);
    let inspect = machine.harts()[hart].inspect();
    let pc = inspect.pc();
    let mut bytes = [0; LONGEST];
    let mut known = 0;
    for (offset, byte) in (0..).zip(&mut bytes) {
        let addr = inspect.translate(machine.memory(), pc.wrapping_add(offset));
        let read = addr.map(|addr| machine.memory().read(addr, std::slice::from_mut(byte)));
        if !matches!(read, Some(Ok(()))) {
            break;
        }
        known += 1;
    }
    let text = inspect.disassemble(&bytes[..known], pc).map(|found| found.text);
    (hart, pc, text)
}
