use super::*;
use crate::vcpu::SliceEnd;

/// addi a0, a0, 1; addi a1, a1, -1; bnez a1, -8; j 0
const COUNT: [u32; 4] = [0x0015_0513, 0xfff5_8593, 0xfe05_9ce3, 0x0000_006f];

#[test]
fn a_slice_takes_exactly_its_budget() {
    let mut bench = Bench::with(&COUNT);
    bench.hart.state.x[11] = 1 << 40;
    for budget in [1, 2, 3, 5, 7, 64, 65, 1000] {
        let before = bench.hart.state.minstret;
        assert_eq!(bench.slice(budget), Slice { steps: budget, end: SliceEnd::Budget });
        assert_eq!(bench.hart.state.minstret - before, budget);
    }
    let steps = bench.clock.position.steps;
    assert_eq!(bench.hart.state.x[10], steps.div_ceil(3));
    assert_eq!(bench.hart.state.pc, RAM + 4 * (steps % 3));
}

#[test]
fn a_device_access_ends_the_slice_at_its_exact_position() {
    // addi a0, a0, 1; ld a2, 0(a3); sd a0, 0(a3); j -12
    let program = [0x0015_0513, 0x0006_b603, 0x00a6_b023, 0xff5f_f06f];
    let mut bench = Bench::with(&program);
    bench.hart.state.x[13] = DEVICE;
    assert_eq!(bench.slice(100), Slice { steps: 2, end: SliceEnd::Attention });
    assert_eq!(bench.slice(100), Slice { steps: 1, end: SliceEnd::Attention });
    bench.run(6);
    assert_eq!(bench.bus.accesses, [(1, 0), (2, 1), (5, 1), (6, 2)]);
}

#[test]
fn time_and_its_timer_follow_the_time_base_that_the_guest_has_set() {
    // rdtime a0; addi a1, a1, 1
    let mut bench = Bench::with(&[0xc010_2573, 0x0015_8593]);
    bench.clock.offset_ticks = 1_000_000;
    bench.clock.position.steps = 500;
    bench.run(1);
    assert_eq!(bench.hart.state.x[10], 1_000_005, "100 ns a tick");
    let state = &mut bench.hart.state;
    (state.menvcfg, state.mie, state.stimecmp) = (1 << 63, 1 << 5, 1_000_009);
    assert_eq!(bench.hart.deadline_ns(&bench.clock), Some(900));
}

#[test]
fn enabling_the_interrupt_of_a_timer_ends_the_slice_before_its_new_deadline() {
    for (word, name) in [(0x3045_2073, "csrs mie, a0"), (0x1045_2073, "csrs sie, a0")] {
        // addi a1, a1, 1 after it
        let mut bench = Bench::with(&[word, 0x0015_8593, 0x0015_8593, 0x0015_8593]);
        let state = &mut bench.hart.state;
        (state.menvcfg, state.mideleg, state.stimecmp) = (1 << 63, 1 << 5, 9);
        state.x[10] = 1 << 5;
        assert_eq!(bench.hart.deadline_ns(&bench.clock), None, "{name}");
        assert_eq!(bench.slice(3), Slice { steps: 1, end: SliceEnd::Attention }, "{name}");
        assert_eq!(bench.hart.deadline_ns(&bench.clock), Some(900), "{name}");
    }
}

#[test]
fn a_store_to_rom_is_an_access_fault_and_changes_nothing() {
    const ROM: u64 = RAM + 0x2000;
    for (word, name, address) in [
        (0x00a5_b023, "sd a0, 0(a1)", ROM),
        (0x00a5_b62f, "amoadd.d a2, a0, (a1)", ROM),
        (0xfea5_be23, "sd a0, -4(a1), across the edge", ROM - 4),
    ] {
        let mut bench = Bench::with(&[word]);
        bench.memory.write(ROM, &[7; 8]).unwrap();
        bench.memory.protect(ROM..ROM + 0x1000);
        (bench.hart.state.x[10], bench.hart.state.x[11]) = (u64::MAX, ROM);
        bench.run(1);
        let state = &bench.hart.state;
        assert_eq!((state.mcause, state.mtval, state.mepc), (7, address, RAM), "{name}");
        assert_eq!(bench.memory.read_u64(ROM), Ok(0x0707_0707_0707_0707), "{name}");
        assert_eq!(bench.memory.read_u64(ROM - 8), Ok(0), "{name}");
    }
}
