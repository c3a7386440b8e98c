//! Random walks of the engine against the oracle.

use std::rc::Rc;

use super::{
    oracle::{Answer, Oracle, Points, digest},
    program::{Operation, PROGRAM_LENGTH, Program, State, VIRTUAL_BASE},
    toy::Toy,
};
use vmstate::property::Random;

use crate::{
    clock::Position,
    debug::{Access, Breakpoint, BreakpointKind, Engine, Motion, Reason, Stop, Watchpoint},
};

/// Steps of a run. Long enough that checkpoints, halving and ladders all take part.
const STEPS: u64 = 6_000;

fn breakpoint(engine: &Engine, addr: u64, even: bool) -> Breakpoint {
    let condition = even.then(|| engine.parse_expression("r0 % 2 == 0").expect("it is one"));
    Breakpoint { addr, kind: BreakpointKind::Software, condition }
}

fn random_points(random: &mut Random) -> Points {
    let breakpoints = (0..random.below(3))
        .map(|_| (random.below(PROGRAM_LENGTH), random.below(2) == 0))
        .collect::<std::collections::BTreeMap<_, _>>();
    let watchpoints = (0..random.below(3))
        .map(|_| {
            let physical = 0x0ff0 + random.below(0x20);
            let hart = (random.below(3) > 0).then_some(0);
            Watchpoint {
                addr: physical + if hart.is_some() { VIRTUAL_BASE } else { 0 },
                bytes: 1 + random.below(16),
                access: [Access::Read, Access::Write, Access::Change, Access::Any]
                    [random.below(4) as usize],
                hart,
            }
        })
        .collect();
    Points { breakpoints: breakpoints.into_iter().collect(), watchpoints }
}

fn install(engine: &mut Engine, points: &Points) {
    engine.clear_stops();
    for (addr, even) in &points.breakpoints {
        let breakpoint = breakpoint(engine, *addr, *even);
        engine.add_breakpoint(breakpoint);
    }
    for watchpoint in &points.watchpoints {
        engine.add_watchpoint(*watchpoint);
    }
}

fn random_motion(random: &mut Random, harts: u64, oracle: &Oracle) -> Motion {
    let hart = random.below(harts) as usize;
    match random.below(11) {
        0..2 => Motion::Continue,
        2..4 => Motion::ReverseContinue,
        4..7 => Motion::Step { hart },
        7..10 => Motion::ReverseStep { hart },
        _ => {
            let moment = &oracle.moments[random.below(oracle.moments.len() as u64) as usize];
            let blurred = Position { sequence: random.below(2), ..moment.position };
            Motion::Seek(blurred.min(oracle.moments[oracle.end()].position))
        }
    }
}

fn matches(stop: &Stop, answer: &Answer) -> bool {
    match (&stop.reason, answer) {
        (Reason::Done, Answer::Done)
        | (Reason::Watchpoint { .. }, Answer::Watchpoint)
        | (Reason::Begin, Answer::Begin)
        | (Reason::End, Answer::End) => true,
        (Reason::Breakpoint { addr, complaint: None, .. }, Answer::Breakpoint(pc)) => addr == pc,
        _ => false,
    }
}

/// The state that the engine's machine would show, as the oracle computes it.
fn digest_at(engine: &Engine, program: &Program, oracle: &Oracle) -> u64 {
    // The engine owns the toy behind a trait: registers, memory and counts are what it shows.
    let index = oracle.index_of(engine.position());
    let mut state = State::new(program);
    for _ in 0..index {
        state.advance(program);
    }
    for (number, hart) in state.harts.iter().enumerate() {
        assert_eq!(engine.subject().hart(number).pc(), hart.pc);
        assert_eq!(engine.subject().hart_steps(number), hart.steps);
        for register in 0..4 {
            let (_, value) = engine.read_register(number, register).expect("it exists");
            assert_eq!(value, u128::from(hart.registers[register]));
        }
    }
    let mut memory = vec![0; state.memory.len()];
    assert_eq!(engine.read_memory(Some(0), VIRTUAL_BASE, &mut memory), memory.len());
    assert_eq!(memory, state.memory);
    digest(&state)
}

fn walk(seed: u64, harts: usize, motions: u32) {
    let mut random = Random::new(seed);
    let program = Rc::new(Program::random(&mut random, harts, STEPS));
    let (oracle, recorded) = Oracle::new(&program, STEPS);
    let end = oracle.moments[oracle.end()].position;
    let toy = Toy::new(Rc::clone(&program), end, recorded);
    // Room for two dozen captured states, so that thinning takes part.
    let mut engine = Engine::new(Box::new(toy), 24 * 0x3000);
    let mut points = Points::default();
    let mut reported: Option<(usize, usize)> = None;
    for number in 0..motions {
        if random.below(4) == 0 {
            points = random_points(&mut random);
            install(&mut engine, &points);
        }
        let index = oracle.index_of(engine.position());
        let motion = random_motion(&mut random, harts as u64, &oracle);
        // Whoever went elsewhere and comes back is told again.
        reported = reported.filter(|(at, _)| *at == index);
        let (expected, answer) = oracle.answer(index, &motion, &points, reported);
        let stop = engine.resume(motion.clone()).expect("the toy does not fail");
        let found = engine.position();
        let wanted = oracle.moments[expected].position;
        assert!(
            found == wanted && matches(&stop, &answer),
            "seed {seed}, {harts} harts, motion {number}: {motion:?} from {:?} with {points:?} \
             stopped at {found:?} as {stop:?}; the oracle says {wanted:?} as {answer:?}",
            oracle.moments[index].position,
        );
        if matches!(stop.reason, Reason::Breakpoint { .. }) {
            reported = Some((expected, stop.hart));
        }
        if number % 16 == 0 {
            let digest = digest_at(&engine, &program, &oracle);
            assert_eq!(digest, oracle.moments[expected].digest, "seed {seed}, motion {number}");
        }
    }
}

#[test]
fn every_stop_of_a_random_walk_is_where_the_oracle_says() {
    for seed in 0..40 {
        walk(seed, 1 + seed as usize % 3, 100);
    }
}

/// A hart that counts round and round; every round passes address 0.
fn rounds(steps: u64) -> (Engine, Rc<std::cell::Cell<u64>>) {
    let operations = (0..PROGRAM_LENGTH).map(|_| Operation::Add { to: 0, amount: 1 }).collect();
    let program = Program { operations, events: Vec::new(), harts: 1, quantum: 100 };
    let end = Position::at_steps(steps);
    let toy = Toy::new(Rc::new(program), end, Vec::new());
    let runs = toy.runs();
    (Engine::new(Box::new(toy), 1 << 20), runs)
}

#[test]
fn a_loop_with_many_hits_is_halved_instead_of_stopped_at() {
    let hits = 20_000;
    let (mut engine, runs) = rounds(hits * PROGRAM_LENGTH);
    engine.resume(Motion::Continue).expect("to the end");
    let breakpoint = breakpoint(&engine, 0, false);
    engine.add_breakpoint(breakpoint);
    let before = runs.get();
    engine.resume(Motion::ReverseContinue).expect("back to the last round");
    assert_eq!(engine.position().steps, (hits - 1) * PROGRAM_LENGTH);
    let used = runs.get() - before;
    assert!(used < hits / 2, "{used} runs for the last of {hits} hits");
}

#[test]
fn hits_that_are_no_stops_end_no_run() {
    let hits = 20_000;
    let (mut engine, runs) = rounds(hits * PROGRAM_LENGTH);
    engine.resume(Motion::Continue).expect("to the end");
    let condition = Some(engine.parse_expression("r0 == 1").expect("it is one"));
    engine.add_breakpoint(Breakpoint { condition, ..breakpoint(&engine, 0, false) });
    let before = runs.get();
    let stop = engine.resume(Motion::ReverseContinue).expect("back to the beginning");
    assert_eq!(stop.reason, Reason::Begin);
    let used = runs.get() - before;
    assert!(used < 100, "{used} runs past {hits} hits");
}

#[test]
fn an_interrupted_search_leaves_no_unseen_hit_behind() {
    let (mut engine, _) = rounds(5_000);
    let seek = Motion::Seek(Position { steps: 4_000, ..Position::default() });
    engine.resume(seek).expect("it is inside");
    let breakpoint = breakpoint(&engine, 0, false);
    engine.add_breakpoint(breakpoint);
    engine.attention().store(true, std::sync::atomic::Ordering::Relaxed);
    let stop = engine.resume(Motion::ReverseContinue).expect("interrupted");
    assert_eq!(stop.reason, Reason::Interrupted);
    assert_eq!(engine.position().steps, 4_000);
    let stop = engine.resume(Motion::ReverseContinue).expect("not interrupted");
    assert!(matches!(stop.reason, Reason::Breakpoint { addr: 0, .. }), "{stop:?}");
    assert_eq!(engine.position().steps, 4_000 - 4_000 % PROGRAM_LENGTH);
}

#[test]
fn a_replay_is_never_written_to() {
    let (mut engine, _) = rounds(100);
    let refused = engine.write_memory(None, 0, &[1]).expect_err("a replay is not changed");
    assert!(refused.to_string().contains("go-live"), "{refused}");
    let refused = engine.write_register(0, 0, 1).expect_err("a replay is not changed");
    assert!(refused.to_string().contains("go-live"), "{refused}");
}
