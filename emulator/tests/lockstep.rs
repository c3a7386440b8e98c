//! Interpreter and translator in lockstep: after every slice, of random length, registers, memory,
//! counts and everything that reached the bus are equal.
//!
//! Random tests print their seed; `LOCKSTEP_SEED=n` runs that one alone, `LOCKSTEP_PROGRAMS=n` that
//! many.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "instructions are put together from random bits"
)]

#[path = "lockstep/bench.rs"]
mod bench;
#[path = "lockstep/case.rs"]
mod case;
#[path = "lockstep/control.rs"]
mod control;
#[path = "lockstep/links.rs"]
mod links;
#[path = "lockstep/paging.rs"]
mod paging;
#[path = "lockstep/program.rs"]
mod program;
#[path = "lockstep/reservation.rs"]
mod reservation;
#[path = "lockstep/supervisor.rs"]
mod supervisor;
#[path = "lockstep/switches.rs"]
mod switches;
#[path = "lockstep/traps.rs"]
mod traps;

use bench::{Pair, interpreted, translated};
use emulator::{
    isa::riscv::{Configuration, Features, Hart},
    translate::{Compilation, EngineConfig},
};
use program::Program;
use vmstate::property::Random;

pub(crate) fn config(compilation: Compilation) -> EngineConfig {
    EngineConfig { threshold: 2, compilation, ..EngineConfig::default() }
}

/// Random programs of one test.
pub(crate) const PROGRAMS: usize = 12;

pub(crate) fn seeds() -> Vec<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    match number("LOCKSTEP_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("LOCKSTEP_PROGRAMS").unwrap_or(PROGRAMS as u64)).collect(),
    }
}

/// Runs random programs on both engines with random budgets, doing `disturb` between slices.
fn random_programs(
    compilation: Compilation,
    salt: u64,
    longest: u64,
    mut disturb: impl FnMut(&mut Pair, &mut Random),
) {
    let mut translated_steps = 0;
    for seed in seeds() {
        eprintln!("LOCKSTEP_SEED={seed}");
        let mut random = Random::new(seed.wrapping_mul(0x1_0001).wrapping_add(salt));
        let program = Program::random(&mut random);
        let mut pair = Pair::new(&program.bytes, config(compilation));
        pair.prepare(|hart| program.prepare(hart));
        for _ in 0..400 {
            disturb(&mut pair, &mut random);
            pair.run(1 + random.below(longest));
        }
        translated_steps += pair.translated_steps();
    }
    // One program alone may spend its time in traps.
    let enough = seeds().len() < PROGRAMS || translated_steps > 4_000;
    assert!(enough, "only {translated_steps} steps ran translated");
}

#[test]
fn random_programs_run_alike_when_compiled_at_once() {
    random_programs(Compilation::AtOnce, 1, 500, |_, _| {});
}

#[test]
fn random_programs_run_alike_with_tiny_budgets() {
    random_programs(Compilation::AtOnce, 2, 12, |_, _| {});
}

#[test]
fn delayed_compilation_changes_nothing() {
    random_programs(Compilation::Delayed { dispatches: 37 }, 3, 500, |_, _| {});
}

#[test]
fn background_compilation_changes_nothing() {
    random_programs(Compilation::Background, 4, 3000, |_, _| {});
}

#[test]
fn forced_flushes_of_code_and_tlb_change_nothing() {
    random_programs(Compilation::AtOnce, 5, 300, |pair, random| match random.below(8) {
        0 => pair.flush_code(),
        1 => pair.flush_tlb(),
        _ => {}
    });
}

#[test]
fn a_saved_and_loaded_processor_goes_on_alike() {
    random_programs(Compilation::AtOnce, 7, 300, |pair, random| {
        if random.below(6) == 0 {
            pair.exchange_state();
        }
    });
}

#[test]
fn stores_of_devices_and_debuggers_into_code_are_seen() {
    random_programs(Compilation::AtOnce, 6, 300, |pair, random| {
        if random.below(4) == 0 {
            // A harmless instruction over another one: addi x31, x31, n.
            let word = 0x000f_8f93 | (random.below(2048) as u32) << 20;
            let offset = program::ENTRY + 4 * random.below(200);
            pair.write(offset, &word.to_le_bytes());
        }
    });
}

#[test]
fn random_programs_run_alike_under_paging() {
    const ROOT: u64 = 0x3f_0000;
    let mut translated_steps = 0;
    for seed in seeds() {
        eprintln!("LOCKSTEP_SEED={seed}");
        let mut random = Random::new(seed.wrapping_mul(0x1_0001).wrapping_add(7));
        let program = Program::random(&mut random);
        let mut pair = Pair::new(&program.bytes, config(Compilation::AtOnce));
        for (index, entry) in
            (0..).zip(Program::prepare_identity(&mut Hart::new(Configuration::default()), ROOT))
        {
            pair.write(ROOT + 8 * index, &entry.to_le_bytes());
        }
        pair.prepare(|hart| {
            program.prepare(hart);
            Program::prepare_identity(hart, ROOT);
        });
        for _ in 0..200 {
            if random.below(16) == 0 {
                pair.flush_tlb();
            }
            pair.run(1 + random.below(500));
        }
        translated_steps += pair.translated_steps();
    }
    assert!(translated_steps > 1_000, "only {translated_steps} steps ran translated");
}

#[test]
fn code_translated_for_one_rounding_mode_or_fs_runs_in_no_other() {
    let program = Program::changing_modes();
    for compilation in [Compilation::AtOnce, Compilation::Background] {
        let mut pair = Pair::new(&program.bytes, config(compilation));
        pair.prepare(Program::prepare_modes);
        let mut random = Random::new(13);
        for _ in 0..300 {
            pair.run(1 + random.below(300));
        }
        let traps = pair.interpreted().state.x[29];
        assert!(traps > 100, "{traps} traps");
        // In the background it is ready when the host has had time for it, which may be never.
        let translated = pair.translated_steps();
        assert!(translated > 1000 || compilation == Compilation::Background, "{}", pair.stats());
    }
}

#[test]
fn engines_in_one_process_share_nothing() {
    let program = Program::many_pages();
    let work = || {
        let mut bench =
            translated(Features::RVA22S64, &program.bytes, config(Compilation::Background));
        let steps: u64 = (0..100).map(|_| bench.run(5_000).steps).sum();
        (steps, bench.processor.guest().state.clone())
    };
    let results: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().expect("it ran")).collect()
    });
    assert_eq!(results[0].0, 500_000);
    assert!(results.iter().all(|result| *result == results[0]));
}

#[test]
fn statistics_add_up() {
    let program = Program::many_pages();
    let mut bench = translated(Features::RVA22S64, &program.bytes, config(Compilation::AtOnce));
    let steps: u64 = (0..50).map(|_| bench.run(10_000).steps).sum();
    let stats = bench.processor.stats();
    assert_eq!(stats.interpreted_steps + stats.translated_steps, steps, "{stats}");
    assert!(stats.regions >= 80, "one for each page: {stats}");
    assert!(stats.instructions >= 40 * stats.regions, "{stats}");
    assert!(stats.code_bytes > stats.instructions && stats.compile_ns > 0, "{stats}");
    assert!(stats.entries > 0 && stats.invalidated == 0 && stats.evicted == 0, "{stats}");
}

#[test]
fn code_memory_that_is_too_small_changes_nothing() {
    let program = Program::many_pages();
    let config = EngineConfig {
        threshold: 1,
        compilation: Compilation::AtOnce,
        code_segments: 2,
        segment_bytes: 16 << 12,
    };
    let mut pair = Pair::new(&program.bytes, config);
    let mut random = Random::new(9);
    for _ in 0..300 {
        pair.run(1 + random.below(2000));
    }
    assert!(pair.stats().evicted > 0, "{}", pair.stats());
}

/// Runs a few instructions in one slice on both engines and gives the steps and the hart.
fn run_words(words: &[u32], budget: u64) -> (u64, Hart) {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let mut pair = Pair::new(&bytes, config(Compilation::AtOnce));
    let mut steps = 0;
    while steps < budget {
        steps += pair.run(budget - steps);
    }
    (steps, pair.into_interpreted())
}

#[test]
fn a_budget_is_taken_exactly_wherever_it_ends_in_a_loop() {
    // 0: addi x5, x5, 1;  addi x6, x6, 2;  add x7, x5, x6;  jal x0, 0b
    let words = [0x0012_8293, 0x0023_0313, 0x0062_83b3, 0xff5f_f06f];
    for budget in (1..40).chain(990..1010) {
        let (steps, hart) = run_words(&words, budget);
        assert_eq!(steps, budget);
        assert_eq!(hart.state.x[5], budget.div_ceil(4), "budget {budget}");
        assert_eq!(hart.state.minstret, budget);
    }
}

#[test]
fn a_device_in_a_loop_sees_every_access_at_its_exact_step() {
    let program = Program::device_loop();
    let mut pair = Pair::new(&program.bytes, config(Compilation::AtOnce));
    let mut random = Random::new(3);
    for _ in 0..500 {
        pair.run(1 + random.below(40));
    }
    let accesses = pair.accesses();
    assert!(accesses.len() > 100, "{} accesses", accesses.len());
    assert!(
        accesses.windows(2).all(|two| two[0].0 < two[1].0),
        "each access has a step of its own"
    );
    assert!(pair.translated_steps() > 0, "the loop was translated");
}

#[test]
fn code_that_rewrites_itself_in_a_loop_runs_what_it_wrote() {
    let program = Program::self_modifying();
    for compilation in [Compilation::AtOnce, Compilation::Background] {
        let mut pair = Pair::new(&program.bytes, config(compilation));
        for _ in 0..50 {
            pair.run(997);
        }
        assert!(pair.interpreted().state.x[10] > 1000);
    }
}

#[test]
fn page_tables_rewritten_under_translated_code_are_obeyed() {
    let program = Program::remapping();
    for compilation in [Compilation::AtOnce, Compilation::Background] {
        let mut pair = Pair::new(&program.bytes, config(compilation));
        pair.prepare(Program::prepare_paging);
        let mut random = Random::new(11);
        for _ in 0..200 {
            pair.run(1 + random.below(400));
        }
        let hart = pair.interpreted();
        let (first, second) = (hart.state.x[20], hart.state.x[21]);
        assert!(first > 100 && second > 100, "both pages were read: {first} and {second} times");
        assert!(pair.translated_steps() > 1000, "{}", pair.stats());
    }
}

#[test]
fn an_engine_can_move_to_another_thread() {
    fn is_send<T: Send>(_: &T) {}
    let bytes = 0x0000_006f_u32.to_le_bytes();
    is_send(&interpreted(Features::RVA22S64, &bytes));
    is_send(&translated(Features::RVA22S64, &bytes, EngineConfig::default()));
}
