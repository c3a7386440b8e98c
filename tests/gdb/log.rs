//! A log of every access to memory, made by brute force: an interpreter goes forward one position at a
//! time and each instruction is decoded once more. Watches in both directions are held against it.

use std::{ops::Range, path::Path};

use emulator::{
    clock::Position,
    debug::{Access, Engine, Motion, Reason, Watchpoint},
    machine::Machine,
};
use vmstate::property::Random;

use super::{
    oracle::access::{access, length},
    recording::Forward,
};

/// One access, with the positions in front of it and behind it.
#[derive(Clone, Debug)]
pub(crate) struct Logged {
    before: Position,
    after: Position,
    range: Range<u64>,
    write: bool,
}

/// Goes through the recording at `path` up to the instruction at `end` and logs every access, and the
/// position there in steps. What the processor does not write, `beside` has to know: it is told the
/// address of the instruction that was executed, or `None` for an event from outside.
pub(crate) fn brute_force(
    path: &Path,
    end: u64,
    beside: &mut dyn FnMut(Option<u64>) -> Vec<Range<u64>>,
) -> (Vec<Logged>, u64) {
    let mut forward = Forward::new(path);
    let mut log = Vec::new();
    loop {
        let before = forward.machine.position();
        let pc = forward.machine.harts()[0].inspect().pc();
        if pc == end {
            return (log, before.steps);
        }
        let mut expected = next_access(&forward.machine, pc);
        forward.run_to(Position { sequence: before.sequence + 1, ..before });
        let after = forward.machine.position();
        let is_event = after.steps == before.steps;
        if is_event {
            expected.clear();
        } else {
            assert_eq!(after.steps, before.steps + 1, "one step at a time");
        }
        let beside = beside((!is_event).then_some(pc));
        expected.extend(beside.into_iter().map(|range| (range, true)));
        let logged = |(range, write)| Logged { before, after, range, write };
        log.extend(expected.into_iter().map(logged));
    }
}

/// The accesses of the instruction at `pc`.
fn next_access(machine: &Machine, pc: u64) -> Vec<(Range<u64>, bool)> {
    let mut word = [0; 4];
    if machine.memory().read(pc, &mut word).is_err() {
        return Vec::new();
    }
    let hart = machine.harts()[0].inspect();
    let x: Vec<u64> = (0..32)
        .map(|number| hart.read_register(number, machine.clock()).unwrap_or_default())
        .map(|value| u64::try_from(value).expect("64 bits"))
        .collect();
    let word = u32::from_le_bytes(word);
    assert_eq!(length(word), 4, "the program has no short instructions");
    let Some(found) = access(word, &x) else { return Vec::new() };
    let range = found.addr..found.addr + found.bytes;
    [(found.read, false), (found.write, true)]
        .into_iter()
        .filter(|(is, _)| *is)
        .map(|(_, write)| (range.clone(), write))
        .collect()
}

fn is_hit(known: &Logged, watchpoint: &Watchpoint) -> bool {
    let end = watchpoint.addr + watchpoint.bytes;
    let kind = if known.write { watchpoint.access.writes() } else { watchpoint.access.reads() };
    kind && known.range.start < end && watchpoint.addr < known.range.end
}

/// Watches `count` random stretches that begin in `addrs` (physical), from a random place of the first
/// `steps` steps and in a random direction. Every stop has to be the log's.
pub(crate) fn watch_at_random(
    engine: &mut Engine,
    log: &[Logged],
    addrs: Range<u64>,
    steps: u64,
    count: u64,
) {
    let kinds = [Access::Write, Access::Write, Access::Read, Access::Any];
    for seed in 0..count {
        let mut random = Random::new(seed);
        let kind = kinds[usize::try_from(random.below(4)).expect("small")];
        let watchpoint = Watchpoint {
            addr: addrs.start + random.below(addrs.end - addrs.start),
            bytes: 1 + random.below(12),
            access: kind,
            hart: None,
        };
        let start = Position::at_steps(random.below(steps));
        engine.resume(Motion::Seek(start)).expect("it is inside");
        let here = engine.position();
        engine.clear_stops();
        engine.add_watchpoint(watchpoint);
        let back = random.below(3) > 0;
        let motion = if back { Motion::ReverseContinue } else { Motion::Continue };
        let stop = engine.resume(motion).expect("it moves");
        let mut hits = log.iter().filter(|known| is_hit(known, &watchpoint));
        let expected = if back {
            hits.rfind(|known| known.after <= here).map(|known| known.before)
        } else {
            hits.find(|known| known.before >= here).map(|known| known.after)
        };
        let found = matches!(stop.reason, Reason::Watchpoint { .. }).then(|| engine.position());
        assert_eq!(found, expected, "seed {seed}: {watchpoint:?} from {here:?}, back: {back}");
    }
}
