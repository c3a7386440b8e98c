//! What an instruction costs: to decode, to interpret, to translate, and to run translated.
//!
//! One program throughout, integer arithmetic, loads, stores and a branch in a loop, so that the four
//! figures can be set against each other: translating pays after about as many runs of an
//! instruction as its cost divided by what running it translated saves.

#![allow(missing_docs, reason = "criterion's macros expand to undocumented items")]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use emulator::{
    bus::EmptyBus,
    clock::Clock,
    isa::riscv::{Configuration, Features, Hart, decode::decode},
    memory::GuestMemory,
    translate::{Compilation, EngineConfig, Translated},
    vcpu::{Surroundings, Vcpu},
};

const RAM: u64 = 0x8000_0000;
const RAM_BYTES: u64 = 1 << 20;
/// Steps of one run.
const STEPS: u64 = 1_000_000;

/// A loop: x5 points at data, x6 counts.
const BODY: [u32; 7] = [
    0x0013_0313, // addi x6, x6, 1
    0x0002_b383, // ld x7, 0(x5)
    0x0063_83b3, // add x7, x7, x6
    0x0073_de13, // srli x28, x7, 7
    0x01c3_c3b3, // xor x7, x7, x28
    0x0072_b023, // sd x7, 0(x5)
    0x0082_cf03, // lbu x30, 8(x5)
];

/// jal x0, offset
fn jump(offset: i32) -> u32 {
    let bits = offset.cast_unsigned();
    let high = (bits >> 20 & 1) << 31 | (bits >> 1 & 0x3ff) << 21;
    high | (bits >> 11 & 1) << 20 | (bits >> 12 & 0xff) << 12 | 0x6f
}

/// The body so many times over, and back to the start.
fn program(copies: i32) -> Vec<u8> {
    let words = (0..copies).flat_map(|_| BODY).chain([jump(-28 * copies)]);
    words.flat_map(u32::to_le_bytes).collect()
}

/// A hart in machine mode with `program` at its reset address.
fn hart(program: &[u8]) -> (Hart, GuestMemory) {
    let features = Features::of_model("rva22s64").expect("it is listed");
    let mut hart = Hart::new(Configuration { features, reset_pc: RAM, ..Configuration::default() });
    hart.state.x[5] = RAM + 0x1_0000;
    let memory = GuestMemory::at(RAM, RAM_BYTES).expect("the host has a mebibyte");
    memory.write(RAM, program).expect("it fits");
    (hart, memory)
}

fn run(processor: &mut impl Vcpu, memory: &GuestMemory, steps: u64) {
    let clock = Clock::new(1000);
    let mut around = Surroundings { memory, bus: &mut EmptyBus, clock: &clock };
    assert_eq!(processor.run(steps, &mut around).steps, steps);
}

fn translated(program: &[u8]) -> (Translated<Hart>, GuestMemory) {
    let (hart, memory) = hart(program);
    let config =
        EngineConfig { threshold: 1, compilation: Compilation::AtOnce, ..EngineConfig::default() };
    let processor = Translated::new(Box::new(hart), config).map_err(|(_, error)| error);
    (processor.expect("this host can be translated for"), memory)
}

fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("instructions");
    let bytes = program(1);
    let features = Features::of_model("rva22s64").expect("it is listed");
    group.throughput(Throughput::Elements(8));
    group.bench_function("decode", |bencher| {
        bencher.iter(|| {
            for word in bytes.chunks_exact(4) {
                black_box(decode(black_box(word), features));
            }
        });
    });

    group.throughput(Throughput::Elements(STEPS));
    let (mut interpreted, memory) = hart(&bytes);
    group.bench_function("interpret", |bencher| {
        bencher.iter(|| run(&mut interpreted, &memory, STEPS));
    });
    let (mut processor, memory) = translated(&bytes);
    group.bench_function("execute", |bencher| {
        bencher.iter(|| run(&mut processor, &memory, STEPS));
    });

    let (mut processor, memory) = translated(&program(57));
    run(&mut processor, &memory, 1_000);
    let before = processor.stats().instructions;
    processor.flush();
    run(&mut processor, &memory, 1_000);
    let instructions = processor.stats().instructions - before;
    assert!(instructions > 300, "one region of {instructions} instructions");
    group.throughput(Throughput::Elements(instructions));
    group.sample_size(20);
    group.bench_function("translate", |bencher| {
        bencher.iter_batched(
            || (),
            |()| {
                processor.flush();
                run(&mut processor, &memory, 1_000);
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(engines, benches);
criterion_main!(engines);
