//! Random walks on the whole machine with several harts against an interpreter that only goes forward:
//! every stop where its log of transitions says, and the state there, devices included, its own.

use std::{
    collections::BTreeMap,
    ops::Range,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use emulator::{
    clock::Position,
    debug::{
        Access, Breakpoint, BreakpointKind, Digest, Engine, Halt, Heed, Motion, Reason, Subject,
        View, Watchpoint, machine::MachineSubject,
    },
    digest::PageTree,
    machine::board::{self, Config},
    timeline::{StateDigest, Tuning},
    translate::Compilation,
};
use vmstate::property::Random;

use super::recording::{Forward, record, subject};

/// The counter that the harts of [`PROGRAM`] share, and 64 bytes apart a slot for each.
const SLOTS: Range<u64> = 0x8000_2000..0x8000_2140;

/// What the demo guest keeps while it runs: books, what was typed, ticks.
const BOOKS: Range<u64> = 0x8000_10e8..0x8000_1310;

/// The program of all harts, at 0x8000_0000: they count together, and each arms its timer now and then,
/// waits for it and sends what it counted. `li t4` at `wait` has to hold 96 times the harts.
const PROGRAM: [u32; 38] = [
    0xf140_22f3, //        csrr t0, mhartid
    0x0000_2417, //        auipc s0, 2
    0xffc4_0413, //        addi s0, s0, -4    the counter
    0x0062_9313, //        slli t1, t0, 6
    0x0064_04b3, //        add s1, s0, t1     the slot, 8 bytes on
    0x0200_49b7, //        lui s3, 0x2004
    0x0032_9313, //        slli t1, t0, 3
    0x0069_89b3, //        add s3, s3, t1     mtimecmp
    0x0200_ca37, //        lui s4, 0x200c     mtime, 8 bytes on
    0x1000_0ab7, //        lui s5, 0x10000    UART
    0x0800_0313, //        li t1, 0x80
    0x3043_2073, //        csrs mie, t1       timer
    0x0600_0913, //        li s2, 96
    0x0010_0e13, //        li t3, 1
    0x01c4_33af, // round: amoadd.d t2, t3, (s0)
    0x0074_b423, //        sd t2, 8(s1)
    0x0274_9fa3, //        sh t2, 63(s1)      unaligned
    0x0084_2e83, //        lw t4, 8(s0)
    0x0079_7e93, //        andi t4, s2, 7
    0x000e_9c63, //        bnez t4, over
    0xff8a_3f03, //        ld t5, -8(s4)
    0x028f_0f13, //        addi t5, t5, 40
    0x01e9_b023, //        sd t5, (s3)
    0x1050_0073, //        wfi
    0x007a_8023, //        sb t2, (s5)
    0x005a_cf83, // over:  lbu t6, 5(s5)      line status
    0xfff9_0913, //        addi s2, s2, -1
    0xfc09_16e3, //        bnez s2, round
    0x0202_9063, //        bnez t0, park
    0x0004_3383, // wait:  ld t2, (s0)
    0x0c00_0e93, //        li t4, 192
    0xffd3_9ce3, //        bne t2, t4, wait
    0x0010_02b7, //        lui t0, 0x100
    0x0000_5337, //        lui t1, 5
    0x5553_0313, //        addi t1, t1, 0x555
    0x0062_a023, //        sw t1, (t0)        power off
    0x1050_0073, // park:  wfi
    0xffdf_f06f, //        j park
];

/// The word of `li t4` at `wait`.
const TOTAL: usize = 30;

/// A state and the transition that leads away from it.
struct Moment {
    position: Position,
    /// The hart that takes the next step and where it stands, when it executes the instruction there.
    step: Option<(usize, u64)>,
    /// The hart that takes the next step, be it an interrupt.
    hart: Option<usize>,
    held: Vec<u8>,
}

/// Every position of a recording, and what memory held in `area`.
struct Log {
    moments: Vec<Moment>,
    area: Range<u64>,
    /// The guest switches the machine off at the end.
    is_off: bool,
}

impl Log {
    fn of(path: &Path, area: Range<u64>) -> Self {
        let mut forward = Forward::new(path);
        let mut moments = Vec::new();
        loop {
            let machine = &forward.machine;
            let position = machine.position();
            let mut held = vec![0; usize::try_from(area.end - area.start).expect("small")];
            machine.memory().read(area.start, &mut held).expect("RAM");
            let state = |hart: usize| {
                let inspect = machine.harts()[hart].inspect();
                let steps = machine.state().schedule.hart_steps[hart];
                (steps, inspect.traps().interrupts, inspect.pc())
            };
            let before: Vec<_> = (0..machine.harts().len()).map(state).collect();
            let is_off = machine.state().off.is_some();
            if is_off || position >= forward.end() {
                moments.push(Moment { position, step: None, hart: None, held });
                return Self { moments, area, is_off };
            }
            forward.run_to(Position { sequence: position.sequence + 1, ..position });
            let machine = &forward.machine;
            let hart = (0..before.len())
                .find(|hart| machine.state().schedule.hart_steps[*hart] != before[*hart].0);
            let step = hart.and_then(|hart| {
                let (_, interrupts, pc) = before[hart];
                let is_interrupt = machine.harts()[hart].inspect().traps().interrupts != interrupts;
                (!is_interrupt).then_some((hart, pc))
            });
            moments.push(Moment { position, step, hart, held });
        }
    }

    fn end(&self) -> usize {
        self.moments.len() - 1
    }

    fn index_of(&self, position: Position) -> usize {
        let found = self.moments.binary_search_by_key(&position, |moment| moment.position);
        found.unwrap_or_else(|_| panic!("{position:?} is no position of the run"))
    }

    fn first_at(&self, position: Position) -> usize {
        self.moments.partition_point(|moment| moment.position < position)
    }

    /// Whether the transition away from `index` changes what `watched` holds.
    fn changes(&self, index: usize, watched: &Range<u64>) -> bool {
        let at = |addr: u64| usize::try_from(addr - self.area.start).expect("small");
        let (from, to) = (at(watched.start), at(watched.end));
        self.moments[index].held[from..to] != self.moments[index + 1].held[from..to]
    }
}

/// What a motion may stop at.
#[derive(Clone, Debug, Default)]
struct Points {
    breakpoint: Option<u64>,
    watched: Option<Range<u64>>,
}

/// Where a motion ends, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Done,
    Breakpoint { hart: usize },
    Watchpoint,
    Begin,
    End,
}

impl Points {
    fn breaks(&self, log: &Log, at: usize) -> Option<usize> {
        let (hart, pc) = log.moments[at].step?;
        (self.breakpoint == Some(pc)).then_some(hart)
    }

    fn watches(&self, log: &Log, at: usize) -> bool {
        self.watched.as_ref().is_some_and(|watched| log.changes(at, watched))
    }

    fn install(&self, engine: &mut Engine) {
        engine.clear_stops();
        if let Some(addr) = self.breakpoint {
            let kind = BreakpointKind::Software;
            engine.add_breakpoint(Breakpoint { addr, kind, condition: None });
        }
        if let Some(Range { start, end }) = self.watched {
            let (bytes, access) = (end - start, Access::Change);
            engine.add_watchpoint(Watchpoint { addr: start, bytes, access, hart: None });
        }
    }

    fn forward(
        &self,
        log: &Log,
        from: usize,
        seen: Option<(usize, usize)>,
        stepping: Option<usize>,
    ) -> (usize, Answer) {
        for at in from..log.end() {
            let fresh = |hart: &usize| seen != Some((at, *hart)) && stepping != Some(*hart);
            if let Some(hart) = self.breaks(log, at).filter(fresh) {
                return (at, Answer::Breakpoint { hart });
            }
            if self.watches(log, at) {
                return (at + 1, Answer::Watchpoint);
            }
            if stepping.is_some() && log.moments[at].hart == stepping {
                // The step that switches the machine off is the last.
                let is_last = at + 1 == log.end() && log.is_off;
                return (at + 1, if is_last { Answer::End } else { Answer::Done });
            }
        }
        (log.end(), Answer::End)
    }

    /// Back from `from` to `landing` at most, over the breakpoints of `stepping`.
    fn back(
        &self,
        log: &Log,
        from: usize,
        landing: usize,
        stepping: Option<usize>,
    ) -> Option<(usize, Answer)> {
        (landing..from).rev().find_map(|at| {
            if self.watches(log, at) {
                return Some((at, Answer::Watchpoint));
            }
            let hart = self.breaks(log, at).filter(|hart| stepping != Some(*hart))?;
            Some((at, Answer::Breakpoint { hart }))
        })
    }

    fn answer(
        &self,
        log: &Log,
        from: usize,
        motion: &Motion,
        seen: Option<(usize, usize)>,
    ) -> (usize, Answer) {
        match *motion {
            Motion::Continue => self.forward(log, from, seen, None),
            Motion::Step { hart } => self.forward(log, from, seen, Some(hart)),
            Motion::ReverseContinue => self.back(log, from, 0, None).unwrap_or((0, Answer::Begin)),
            Motion::ReverseStep { hart } => {
                let last = (0..from).rev().find(|at| log.moments[*at].hart == Some(hart));
                // In front of everything that happened at the count of steps.
                let first_at = |steps| log.first_at(Position::at_steps(steps));
                let landing = last.map(|at| first_at(log.moments[at].position.steps));
                let nothing = landing.map_or((0, Answer::Begin), |at| (at, Answer::Done));
                self.back(log, from, landing.unwrap_or(0), Some(hart)).unwrap_or(nothing)
            }
            Motion::Seek(target) => (log.first_at(target), Answer::Done),
            Motion::StepRange { .. } => unreachable!("not part of the mix"),
        }
    }
}

fn random_points(random: &mut Random, log: &Log) -> Points {
    let breakpoint = (random.below(2) == 0).then(|| log.moments[random.index(log.end())].step);
    let breakpoint = breakpoint.flatten().map(|(_, pc)| pc);
    let watched = (random.below(3) == 0).then(|| {
        let start = log.area.start + random.below(log.area.end - log.area.start - 8);
        start..start + 1 + random.below(8)
    });
    Points { breakpoint, watched }
}

fn random_motion(random: &mut Random, harts: usize, log: &Log) -> Motion {
    let hart = random.index(harts);
    match random.below(12) {
        0..2 => Motion::Continue,
        2..5 => Motion::ReverseContinue,
        5..7 => Motion::Step { hart },
        7..11 => Motion::ReverseStep { hart },
        _ => Motion::Seek(log.moments[random.index(log.moments.len())].position),
    }
}

fn as_answer(reason: &Reason, hart: usize) -> Option<Answer> {
    Some(match reason {
        Reason::Done => Answer::Done,
        Reason::Breakpoint { complaint: None, .. } => Answer::Breakpoint { hart },
        Reason::Watchpoint { .. } => Answer::Watchpoint,
        Reason::Begin => Answer::Begin,
        Reason::End | Reason::PowerOff { code: 0 } => Answer::End,
        _ => return None,
    })
}

/// A whole state as hashes, now and then also as text, for each instance.
struct State {
    digest: Digest,
    dumps: Option<Vec<Option<String>>>,
}

fn digest_of(subject: &mut dyn Subject) -> Digest {
    subject.digest().expect("it can be hashed")
}

fn dumps_of(subject: &dyn Subject) -> Vec<Option<String>> {
    subject.device_paths().into_iter().map(|path| subject.dump_device(&path)).collect()
}

/// A recording of all harts at work.
fn work(folder: &Path, harts: u32) -> (PathBuf, Range<u64>) {
    let (program, path) = (folder.join("program"), folder.join("recording"));
    let mut words = PROGRAM;
    words[TOTAL] = (96 * harts) << 20 | 0xe93;
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    std::fs::write(&program, bytes).expect("a file");
    let config = Config { quantum: 37, bios: Some(program), ..small(harts) };
    record(&path, &config, "", Position::at_steps(1_000_000));
    (path, SLOTS)
}

/// A recording of the demo guest, which takes interrupts and input and reads the clock on hart 0.
fn demo(folder: &Path, harts: u32) -> (PathBuf, Range<u64>) {
    let path = folder.join("recording");
    record(&path, &small(harts), "date\rlist\r", Position::at_steps(24_000));
    (path, BOOKS)
}

fn small(harts: u32) -> Config {
    Config { cpus: harts, memory_bytes: 16 << 20, ..Config::default() }
}

/// Makes a recording in a folder, with so many harts.
type Make = fn(&Path, u32) -> (PathBuf, Range<u64>);

/// Walks with `motions` motions and holds each stop against the log, and then, in one way forward, each
/// state against that of a machine that never went back.
fn walk(seed: u64, make: Make, harts: usize, motions: u32) {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, area) = make(folder.path(), u32::try_from(harts).expect("few"));
    let log = Log::of(&path, area);
    let tuning = Tuning {
        engine: board::Engine::Auto,
        jit_threshold: Some(3),
        compilation: Compilation::AtOnce,
    };
    let mut engine = Engine::new(Box::new(subject(&path, tuning)), 4 << 20);
    let mut random = Random::new(seed);
    let (mut points, mut seen) = (Points::default(), None);
    let mut states: BTreeMap<Position, State> = BTreeMap::new();
    for number in 0..motions {
        if random.below(3) == 0 {
            points = random_points(&mut random, &log);
            points.install(&mut engine);
        }
        let from = log.index_of(engine.position());
        seen = seen.filter(|(at, _)| *at == from);
        let motion = random_motion(&mut random, harts, &log);
        let (expected, answer) = points.answer(&log, from, &motion, seen);
        let stop = engine.resume(motion.clone()).expect("it moves");
        let (found, wanted) = (engine.position(), log.moments[expected].position);
        assert!(
            found == wanted && as_answer(&stop.reason, stop.hart) == Some(answer),
            "seed {seed}, {harts} harts, motion {number}: {motion:?} from {:?} with {points:x?} \
             stopped at {found:?}: {stop:?}; the log says {wanted:?}: {answer:?}",
            log.moments[from].position
        );
        if let Answer::Breakpoint { hart } = answer {
            seen = Some((expected, hart));
        }
        let digest = digest_of(engine.subject_mut());
        let dumps = (number % 16 == 0).then(|| dumps_of(engine.subject()));
        let known = states.entry(found).or_insert(State { digest, dumps });
        assert_eq!(known.digest, digest, "seed {seed}, motion {number}: two states at {found:?}");
    }
    compare_with_forward(&path, &states, seed);
}

fn compare_with_forward(path: &Path, states: &BTreeMap<Position, State>, seed: u64) {
    let tuning = Tuning { engine: board::Engine::Interpreter, ..Tuning::default() };
    let mut forward: MachineSubject = subject(path, tuning);
    let quiet = AtomicBool::new(false);
    for (number, (position, state)) in states.iter().enumerate() {
        let halt = forward.run(*position, Heed::Nothing, &quiet).expect("it runs");
        assert!(matches!(halt, Halt::Until | Halt::PowerOff { .. }), "{halt:?}");
        assert_eq!(forward.position(), *position);
        assert_eq!(digest_of(&mut forward), state.digest, "seed {seed} at {position:?}");
        if let Some(dumps) = &state.dumps {
            assert_eq!(dumps_of(&forward), *dumps, "at {position:?}");
        }
        if number % 32 == 0 {
            // And hashed from nothing.
            let machine = forward.machine();
            let whole = StateDigest::whole_of(machine).expect("it can be hashed");
            let fresh = Digest { state: whole, ram: PageTree::of(machine.memory()).root() };
            assert_eq!(fresh, state.digest, "at {position:?}");
        }
    }
}

/// WALK_SEEDS=N is the long form.
#[test]
fn walks_on_two_and_four_harts_stop_and_leave_every_device_as_a_replay_forward_does() {
    let seeds = std::env::var("WALK_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(4);
    // At 12 a hart stands at a breakpoint when it wakes.
    for seed in (0..seeds).chain([12]) {
        let (make, harts): (Make, usize) = [(work as Make, 2), (demo, 4), (work, 4), (demo, 2)]
            [usize::try_from(seed % 4).expect("small")];
        walk(seed, make, harts, 60);
    }
}
