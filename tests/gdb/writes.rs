//! Reverse watchpoints against a brute-force log of every write: by the processor (overlapping,
//! unaligned, across pages, of equal values, conditional, atomic) and by somebody beside it; and loops
//! with a million hits. WRITES_LONG=1 is the long form.

use std::{collections::VecDeque, path::PathBuf};

use emulator::{
    clock::Position,
    debug::{
        Access, Breakpoint, BreakpointKind, Digest, Engine, Motion, Reason, Watchpoint,
        machine::MachineSubject,
    },
    digest::PageTree,
    door::{Door, Event, Moment, PowerOn, Reply, Wake, kind},
    machine::{board, board::Config},
    timeline::{StateDigest, Tuning},
};

use super::{
    log::{Logged, brute_force, watch_at_random},
    recording::{Forward, record_behind, subject},
};

/// Where the program's data are.
const DATA: u64 = 0x8000_2000;

/// The program, at 0x8000_0000. `lui s1` in front of `long` sets the rounds of the long loop.
const PROGRAM: [u32; 28] = [
    0x0000_2417, //        auipc s0, 2
    0x0280_0493, //        li s1, 40
    0x0000_0313, //        li t1, 0
    0x0013_0313, // round: addi t1, t1, 1
    0x0064_3023, //        sd t1, 0(s0)
    0x0064_2223, //        sw t1, 4(s0)
    0x0064_03a3, //        sb t1, 7(s0)
    0x0064_12a3, //        sh t1, 5(s0)      unaligned
    0xfe64_3e23, //        sd t1, -4(s0)     across a page border
    0x0004_3823, //        sd zero, 16(s0)   the same value each time
    0x0064_33af, //        amoadd.d t2, t1, (s0)
    0x0184_0e13, //        addi t3, s0, 24
    0x100e_2eaf, //        lr.w t4, (t3)
    0x186e_2f2f, //        sc.w t5, t1, (t3)
    0x186e_2faf, //        sc.w t6, t1, (t3) fails, and stores what it found
    0x0024_2e83, //        lw t4, 2(s0)
    0x0264_2023, //        sw t1, 32(s0)
    0xfff4_8493, //        addi s1, s1, -1
    0xfc04_92e3, //        bnez s1, round
    0x0000_54b7, //        lui s1, 5         0xf4 in the long form: a million
    0x0494_0023, // long:  sb s1, 64(s0)
    0xfff4_8493, //        addi s1, s1, -1
    0xfe04_9ce3, //        bnez s1, long
    0x0010_02b7, //        lui t0, 0x100
    0x0000_5337, //        lui t1, 5
    0x5553_0313, //        addi t1, t1, 0x555
    0x0062_a023, //        sw t1, 0(t0)      power off
    0x0000_006f, //        j .
];

const LONG_LOOP: u64 = 0x8000_0050;

/// Writes memory beside the processor, as a device would: 3 bytes each 37 steps, two at a time.
struct Meddler {
    due: VecDeque<(u64, u64)>,
}

impl Meddler {
    fn new() -> Self {
        let at = |number: u64| {
            let addr = DATA - 8 + number * 5 % 48;
            [(50 + number * 37, addr), (50 + number * 37, addr + 1)]
        };
        Self { due: (0..12).flat_map(at).collect() }
    }
}

impl Door for Meddler {
    fn power_on(&mut self) -> PowerOn {
        PowerOn { clock_base_ns: 0, seed: [1; 32] }
    }

    fn horizon(&mut self, now: Moment) -> u64 {
        self.due.front().map_or(u64::MAX, |(steps, _)| (*steps).max(now.position.steps + 1))
    }

    fn take(&mut self, now: Moment) -> Reply {
        match self.due.front() {
            Some((steps, addr)) if *steps <= now.position.steps => {
                let mut data = addr.to_le_bytes().to_vec();
                data.extend([0xaa, 0, 0x55]);
                self.due.pop_front();
                Reply::Event(Event { kind: kind::WRITE_MEMORY.into(), target: "".into(), data })
            }
            _ => Reply::Nothing,
        }
    }

    fn idle(&mut self, _: Moment, _: Option<u64>) -> Wake {
        Wake::Leave
    }
}

struct Recorded {
    folder: tempfile::TempDir,
    path: PathBuf,
    engine: Engine,
    log: Vec<Logged>,
    /// Position in front of the first round of the long loop.
    long_loop: u64,
    rounds: u64,
}

fn recorded() -> Recorded {
    let long = std::env::var_os("WRITES_LONG").is_some();
    let folder = tempfile::tempdir().expect("a folder");
    let (program, path) = (folder.path().join("program"), folder.path().join("recording"));
    let mut words = PROGRAM;
    let upper = if long { 0xf4 } else { 5 };
    words[19] = upper << 12 | 0x4b7;
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    std::fs::write(&program, bytes).expect("a file");
    let config = Config { memory_bytes: 16 << 20, bios: Some(program), ..Config::default() };
    record_behind(Meddler::new(), &path, &config, Position::at_steps(10_000_000));
    let tuning = Tuning { engine: board::Engine::Auto, ..Tuning::default() };
    let subject: MachineSubject = subject(&path, tuning);
    // An event writes 3 bytes; which, only the meddler's own list knows.
    let mut written = Meddler::new().due.into_iter().map(|(_, addr)| addr..addr + 3);
    let mut meddled = |pc: Option<u64>| match pc {
        Some(_) => Vec::new(),
        None => written.next().into_iter().collect(),
    };
    let (log, long_loop) = brute_force(&path, LONG_LOOP, &mut meddled);
    let engine = Engine::new(Box::new(subject), 8 << 20);
    Recorded { folder, path, engine, log, long_loop, rounds: u64::from(upper) << 12 }
}

#[test]
fn every_write_is_found_in_both_directions_whoever_made_it() {
    let Recorded { folder: _folder, mut engine, log, long_loop, .. } = recorded();
    watch_at_random(&mut engine, &log, DATA - 8..DATA + 48, long_loop, 400);
}

#[test]
fn a_loop_with_a_million_hits_gives_its_last_one_and_false_conditions_none() {
    let Recorded { folder: _folder, mut engine, long_loop, rounds, .. } = recorded();
    let watchpoint = Watchpoint { addr: DATA + 64, bytes: 1, access: Access::Write, hart: Some(0) };
    engine.resume(Motion::Continue).expect("to the end");
    engine.add_watchpoint(watchpoint);
    for round in (rounds - 3..rounds).rev() {
        engine.resume(Motion::ReverseContinue).expect("it moves");
        assert_eq!(engine.position().steps, long_loop + 3 * round, "in front of the write");
    }
    engine.clear_stops();
    let condition = engine.parse_expression("s1 == 4").expect("it is one");
    let breakpoint = |condition| Breakpoint {
        addr: LONG_LOOP,
        kind: BreakpointKind::Monitor,
        condition: Some(condition),
    };
    engine.add_breakpoint(breakpoint(condition));
    engine.resume(Motion::ReverseContinue).expect("it moves");
    assert_eq!(engine.position().steps, long_loop + 3 * (rounds - 4), "the round with s1 = 4");
    let never = engine.parse_expression("s1 == 0 && [0x80002040]:1 == 77").expect("it is one");
    engine.add_breakpoint(breakpoint(never));
    let stop = engine.resume(Motion::ReverseContinue).expect("it moves");
    assert_eq!((stop.reason, engine.position()), (Reason::Begin, Position::default()));
    let stop = engine.resume(Motion::Continue).expect("it moves");
    assert_eq!(stop.reason, Reason::PowerOff { code: 0 });
}

/// Digests of a machine that goes forward only, each `apart` steps.
fn fresh_digests(path: &std::path::Path, apart: u64, end: u64) -> Vec<(Position, Digest)> {
    let mut forward = Forward::new(path);
    let mut digests = Vec::new();
    for steps in (0..end).step_by(usize::try_from(apart).expect("small")) {
        forward.run_to(Position::at_steps(steps));
        let machine = &forward.machine;
        let state = StateDigest::whole_of(machine).expect("it can be hashed");
        digests.push((
            machine.position(),
            Digest { state, ram: PageTree::of(machine.memory()).root() },
        ));
    }
    digests
}

#[test]
fn the_state_after_any_way_back_is_that_of_a_replay_that_only_went_forward() {
    let Recorded { folder: _folder, mut engine, long_loop, path, .. } = recorded();
    let digests = fresh_digests(&path, 29, long_loop);
    engine.resume(Motion::Continue).expect("to the end");
    for (number, (position, digest)) in digests.iter().enumerate().rev() {
        // By a seek, or by steps back behind one.
        let steps = position.steps + number as u64 % 4;
        engine.resume(Motion::Seek(Position::at_steps(steps))).expect("it is inside");
        while engine.position().steps > position.steps {
            engine.resume(Motion::ReverseStep { hart: 0 }).expect("it moves");
        }
        assert_eq!(engine.position(), *position);
        let found = engine.subject_mut().digest().expect("it can be hashed");
        assert_eq!(found, *digest, "{position:?}");
    }
}
