//! Traps: every cause with its value, who takes it, where it leads, and what wakes a hart that waits.

use std::collections::BTreeSet;

use vmstate::property::Random;

use super::{
    bench::{Pair, RAM},
    case::{BREAKPOINT, CODE, Case, MACHINE_HANDLER, Outcome, SUPERVISOR_HANDLER},
    config,
};
use emulator::{
    isa::riscv::{Features, Hart},
    translate::Compilation,
    vcpu::Vcpu,
};

/// Nothing is there.
const NOWHERE: u64 = 0x7000_0000;
/// `nop`.
const NOP: u32 = 0x13;

fn run(code: &[u32], prepare: impl Fn(&mut Hart)) -> Outcome {
    Case { features: Features::all(), code, words: &[] }.run(prepare)
}

/// One line: instruction, privilege, a1, then cause and value.
const CAUSES: [(u32, u8, u64, u64, u64); 24] = [
    // jalr x0, 0(a1): the target's fetch faults
    (0x0005_8067, 3, NOWHERE, 1, NOWHERE),
    (0x0005_8067, 0, NOWHERE, 1, NOWHERE),
    // Nothing, a compressed nothing, all ones
    (0x0000_0000, 3, 0, 2, 0),
    (0x0000_0000, 0, 0, 2, 0),
    (0xffff_ffff, 3, 0, 2, 0xffff_ffff),
    // c.ebreak's neighbour in the lower half, a reserved half above: 16 bits are told
    (0x0000_8002, 3, 0, 2, 0x8002),
    // ebreak, c.ebreak
    (0x0010_0073, 1, 0, 3, RAM + CODE),
    (0x0000_9002, 0, 0, 3, RAM + CODE),
    // lr.w, lr.d of no multiple
    (0x1005_a52f, 3, RAM + 0x4002, 4, RAM + 0x4002),
    (0x1005_b52f, 0, RAM + 0x4004, 4, RAM + 0x4004),
    // ld, lr.d, flw
    (0x0005_b503, 3, NOWHERE, 5, NOWHERE),
    (0x1005_b52f, 1, NOWHERE, 5, NOWHERE),
    (0x0005_a507, 0, NOWHERE, 5, NOWHERE),
    // sc.w, amoadd.d of no multiple
    (0x18c5_a52f, 3, RAM + 0x4001, 6, RAM + 0x4001),
    (0x00c5_b52f, 0, RAM + 0x4004, 6, RAM + 0x4004),
    // sd, amoadd.w, cbo.zero, cbo.clean, fsd
    (0x00c5_b023, 3, NOWHERE + 1, 7, NOWHERE + 1),
    (0x00c5_a52f, 0, NOWHERE, 7, NOWHERE),
    (0x0045_a00f, 3, NOWHERE, 7, NOWHERE),
    (0x0015_a00f, 3, NOWHERE + 5, 7, NOWHERE + 5),
    (0x00c5_b027, 1, NOWHERE, 7, NOWHERE),
    // ecall
    (0x0000_0073, 0, 0, 8, 0),
    (0x0000_0073, 1, 0, 9, 0),
    (0x0000_0073, 3, 0, 11, 0),
    // fadd.d with a rounding mode that is none
    (0x02c5_d553, 3, 0, 2, 0x02c5_d553),
];

#[test]
fn every_cause_comes_with_its_value_and_its_place() {
    let mut seen = BTreeSet::new();
    for (word, privilege, a1, cause, tval) in CAUSES {
        let left = run(&[word, NOP], |hart| {
            hart.state.privilege = privilege;
            hart.state.x[11] = a1;
        });
        let epc = if cause == 1 { a1 } else { RAM + CODE };
        let found = (left.cause, left.tval, left.epc, left.privilege, left.hart_is_at);
        let case = format!("{word:#010x} from {privilege}, a1 {a1:#x}");
        assert_eq!(found, (cause, tval, epc, 3, MACHINE_HANDLER), "{case}");
        assert_eq!(left.mstatus >> 11 & 3, u64::from(privilege), "{case}: MPP");
        seen.insert(cause);
    }
    // Page faults have tests of their own; 0 cannot happen where instructions may be 2 bytes long.
    assert_eq!(seen, BTreeSet::from([1, 2, 3, 4, 5, 6, 7, 8, 9, 11]));
}

#[test]
fn exceptions_go_to_the_supervisor_where_they_are_delegated_and_he_is_not_above() {
    for (word, privilege, a1, cause, tval) in CAUSES {
        for delegated in [true, false] {
            let left = run(&[word, NOP], |hart| {
                hart.state.privilege = privilege;
                hart.state.x[11] = a1;
                hart.state.medeleg = if delegated { 1 << cause } else { !(1 << cause) };
            });
            let supervisor = delegated && privilege < 3;
            let handler = if supervisor { SUPERVISOR_HANDLER } else { MACHINE_HANDLER };
            let case = format!("{word:#010x} from {privilege}, delegated: {delegated}");
            assert_eq!((left.hart_is_at, left.cause, left.tval), (handler, cause, tval), "{case}");
            if supervisor {
                assert_eq!(left.mstatus >> 8 & 1, u64::from(privilege), "{case}: SPP");
            }
        }
    }
}

#[test]
fn exceptions_go_to_the_base_also_of_a_vector() {
    let left = run(&[0x73], |hart| hart.state.mtvec = MACHINE_HANDLER | 1);
    assert_eq!((left.hart_is_at, left.cause), (MACHINE_HANDLER, 11));
}

/// Takes one step of a hart in a loop with these inputs high; where it then is, and the cause.
fn interrupted(prepare: impl Fn(&mut Hart), lines: &[u32]) -> (u64, u64, u64) {
    // j 0
    let code = [0x6f_u32; 1024];
    let bytes: Vec<u8> = code.iter().flat_map(|word| word.to_le_bytes()).collect();
    let mut pair = Pair::with(Features::all(), &bytes, config(Compilation::AtOnce));
    let mut found = vec![];
    for _ in 0..3 {
        pair.prepare(|hart| {
            hart.state = Hart::new(*hart.configuration()).state;
            hart.state.pc = RAM + 0x800;
            hart.state.mtvec = RAM;
            hart.state.stvec = RAM + 0x400;
            hart.state.pmp.configure(0, 0x1f);
            hart.state.pmp.set_address(0, u64::MAX >> 10);
            prepare(hart);
            hart.state_replaced();
        });
        // Some steps first, so that the loop is translated in later rounds.
        pair.run(7);
        for line in lines {
            pair.set_line(*line, true);
        }
        pair.run(1);
        let state = &pair.interpreted().state;
        let cause = if state.privilege == 1 && state.pc != RAM + 0x800 {
            state.scause
        } else {
            state.mcause
        };
        found.push((state.pc, cause, u64::from(state.privilege)));
        for line in lines {
            pair.set_line(*line, false);
        }
    }
    assert!(found.iter().all(|one| one == &found[0]), "{found:x?}");
    found[0]
}

const INTERRUPT: u64 = 1 << 63;
const NOT_TAKEN: u64 = RAM + 0x800;

#[test]
fn interrupts_are_taken_by_priority_and_lead_into_the_vector() {
    // Machine external, software, timer, then the supervisor's.
    let mut pending = vec![1, 3, 5, 7, 9, 11];
    for number in [11, 3, 7, 9, 1, 5] {
        for vectored in [0, 1] {
            let found = interrupted(
                |hart| {
                    hart.state.privilege = 0;
                    hart.state.mie = 0xaaa;
                    hart.state.mtvec |= vectored;
                },
                &pending,
            );
            let place = RAM + vectored * 4 * u64::from(number);
            let cause = INTERRUPT | u64::from(number);
            // One step takes it.
            assert_eq!(found, (place, cause, 3), "{number} of {pending:?}, vectored {vectored}");
        }
        pending.retain(|one| *one != number);
    }
}

#[test]
fn an_interrupt_is_taken_where_it_is_enabled_and_only_by_who_is_not_below() {
    const MIE: u64 = 1 << 3;
    const SIE: u64 = 1 << 1;
    let s = |number: u64| (RAM + 0x400, INTERRUPT | number, 1);
    let m = |number: u64| (RAM, INTERRUPT | number, 3);
    for (line, privilege, mstatus, mie, mideleg, expected) in [
        // Machine mode: its own enable counts.
        (7, 3, MIE, 0x80, 0, Some(m(7))),
        (7, 3, 0, 0x80, 0, None),
        (7, 3, MIE, 0, 0, None),
        // Below, machine interrupts are always on.
        (7, 1, 0, 0x80, 0, Some(m(7))),
        (7, 0, 0, 0x80, 0, Some(m(7))),
        // The supervisor's, not delegated, are the machine's.
        (9, 1, 0, 0x200, 0, Some(m(9))),
        (9, 3, MIE, 0x200, 0, Some(m(9))),
        // Delegated: by his own enable in S, always in U, never in M.
        (9, 1, SIE, 0x200, 0x222, Some(s(9))),
        (9, 1, 0, 0x200, 0x222, None),
        (9, 0, 0, 0x200, 0x222, Some(s(9))),
        (9, 3, MIE | SIE, 0x200, 0x222, None),
        (5, 0, 0, 0x20, 0x222, Some(s(5))),
        (1, 0, 0, 0x2, 0x222, Some(s(1))),
    ] {
        let found = interrupted(
            |hart| {
                hart.state.privilege = privilege;
                hart.state.mstatus = mstatus;
                hart.state.mie = mie;
                hart.state.mideleg = mideleg;
            },
            &[line],
        );
        let case =
            format!("{line} in {privilege}, {mstatus:#x}, {mie:#x}, {mideleg:#x}: {found:x?}");
        match expected {
            Some(expected) => assert_eq!(found, expected, "{case}"),
            None => assert_eq!(found.0, NOT_TAKEN, "{case}"),
        }
    }
}

#[test]
fn an_instruction_that_enables_an_interrupt_is_the_last_before_it() {
    use emulator::isa::riscv::csr::number;
    // csrs mstatus, a1; nop: the interrupt stands in front of the nop.
    let set = 0x2073 | u32::from(number::MSTATUS) << 20 | 11 << 15;
    let case = Case { features: Features::all(), code: &[NOP, set, NOP, NOP], words: &[] };
    let left = case.run(|hart| {
        hart.state.x[11] = 1 << 3;
        hart.state.mie = 0x2;
        hart.state.mip = 0x2;
    });
    assert_eq!((left.cause, left.epc), (INTERRUPT | 1, RAM + CODE + 8));
    // The same for the enable and for the pending bit itself.
    for (csr, value) in [(number::MIE, 0x2), (number::MIP, 0x2)] {
        let set = 0x2073 | u32::from(csr) << 20 | 11 << 15;
        let case = Case { features: Features::all(), code: &[set, NOP], words: &[] };
        let left = case.run(|hart| {
            hart.state.x[11] = value;
            hart.state.mstatus |= 1 << 3;
            hart.state.mie = if csr == number::MIE { 0 } else { 0x2 };
            hart.state.mip = if csr == number::MIP { 0 } else { 0x2 };
        });
        assert_eq!((left.cause, left.epc), (INTERRUPT | 1, RAM + CODE + 4), "{csr:#x}");
    }
    // mret and sret that restore the enable.
    for (word, status) in [(0x3020_0073, 3 << 11 | 1 << 7), (0x1020_0073, 1 << 8 | 1 << 5)] {
        let case = Case { features: Features::all(), code: &[word, NOP, NOP], words: &[] };
        let left = case.run(|hart| {
            hart.state.mstatus = status;
            hart.state.mepc = RAM + CODE + 4;
            hart.state.sepc = RAM + CODE + 4;
            hart.state.mie = 0x2;
            hart.state.mip = 0x2;
        });
        assert_eq!((left.cause, left.epc), (INTERRUPT | 1, RAM + CODE + 4), "{word:#x}");
    }
}

#[test]
fn returns_restore_privilege_and_enables() {
    // (mret or sret, mstatus before) => privilege in which the next instruction is, mstatus after
    const MPRV: u64 = 1 << 17;
    for (word, before, privilege, after) in [
        (0x3020_0073, 3 << 11 | 1 << 7, 3, 1 << 3 | 1 << 7),
        (0x3020_0073, 1 << 11, 1, 1 << 7),
        (0x3020_0073, 1 << 3, 0, 1 << 7),
        // Leaving M ends MPRV; returning to M does not.
        (0x3020_0073, 3 << 11 | MPRV, 3, 1 << 7 | MPRV),
        (0x3020_0073, 1 << 11 | MPRV, 1, 1 << 7),
        (0x1020_0073, 1 << 8 | 1 << 5, 1, 1 << 1 | 1 << 5),
        (0x1020_0073, 1 << 1, 0, 1 << 5),
        (0x1020_0073, 1 << 8 | MPRV, 1, 1 << 5),
    ] {
        let left = run(&[word, NOP], |hart| {
            hart.state.mstatus = before;
            hart.state.mepc = RAM + CODE + 4;
            hart.state.sepc = RAM + CODE + 4;
        });
        // The ebreak behind it tells from where it came; its trap moves MIE to MPIE.
        let enabled = after >> 3 & 1;
        let expected = after & !(1 << 3 | 1 << 7) | enabled << 7 | privilege << 11;
        assert_eq!((left.cause, left.mstatus), (BREAKPOINT, expected), "{word:#x} {before:#x}");
    }
}

#[test]
fn what_a_privilege_must_not_do_is_illegal() {
    const TSR: u64 = 1 << 22;
    const TW: u64 = 1 << 21;
    const TVM: u64 = 1 << 20;
    // mret, sret, wfi, sfence.vma, sinval.vma, sfence.w.inval, sfence.inval.ir
    for (word, privilege, mstatus) in [
        (0x3020_0073, 1, 0),
        (0x3020_0073, 0, 0),
        (0x1020_0073, 0, 0),
        (0x1020_0073, 1, TSR),
        (0x1050_0073, 0, 0),
        (0x1050_0073, 1, TW),
        (0x1200_0073, 0, 0),
        (0x1200_0073, 1, TVM),
        (0x1600_0073, 0, 0),
        (0x1600_0073, 1, TVM),
        (0x1800_0073, 0, 0),
        (0x1810_0073, 0, 0),
    ] {
        let left = run(&[word], |hart| {
            hart.state.privilege = privilege;
            hart.state.mstatus = mstatus;
        });
        assert_eq!((left.cause, left.tval), (2, u64::from(word)), "{word:#x} from {privilege}");
    }
    for (word, privilege, mstatus) in [
        (0x1200_0073, 1, 0),
        (0x1200_0073, 3, TVM),
        (0x1600_0073, 1, 0),
        (0x1600_0073, 3, TVM),
        (0x1800_0073, 1, TVM),
        (0x1810_0073, 1, TVM),
    ] {
        let left = run(&[word], |hart| {
            hart.state.privilege = privilege;
            hart.state.mstatus = mstatus;
        });
        assert_eq!(left.cause, BREAKPOINT, "{word:#x} from {privilege}");
    }
}

#[test]
fn floating_point_that_is_off_is_illegal() {
    // fadd.d, fld, fsd, fmv.x.d
    for word in [0x02c5_f553_u32, 0x0005_b507, 0x00c5_b027, 0xe205_8553] {
        let left = run(&[word], |hart| {
            hart.state.mstatus = 0;
            hart.state.x[11] = RAM + 0x4000;
        });
        assert_eq!((left.cause, left.tval), (2, u64::from(word)), "{word:#x}");
    }
    // frm that is no mode makes only dynamic rounding illegal.
    for (word, legal) in [(0x02c5_f553_u32, false), (0x02c5_8553, true), (0xe205_8553, true)] {
        for frm in [5, 6, 7] {
            let left = run(&[word], |hart| hart.state.frm = frm);
            assert_eq!(left.cause == BREAKPOINT, legal, "{word:#x}, frm {frm}");
        }
    }
}

#[test]
fn cache_block_operations_need_their_enables_below_machine_mode() {
    const CBIE: u64 = 3 << 4;
    const CBCFE: u64 = 1 << 6;
    const CBZE: u64 = 1 << 7;
    // cbo.inval, cbo.clean, cbo.flush, cbo.zero (a1)
    for (word, field) in
        [(0x0005_a00f, CBIE), (0x0015_a00f, CBCFE), (0x0025_a00f, CBCFE), (0x0045_a00f, CBZE)]
    {
        for (privilege, machine, supervisor, legal) in [
            (3, 0, 0, true),
            (1, field, 0, true),
            (1, !field, field, false),
            (0, field, field, true),
            (0, field, 0, false),
            (0, 0, field, false),
        ] {
            let left = run(&[word], |hart| {
                hart.state.privilege = privilege;
                hart.state.menvcfg = machine & 0xf0;
                hart.state.senvcfg = supervisor & 0xf0;
                hart.state.x[11] = RAM + 0x4000;
            });
            assert_eq!(left.cause == BREAKPOINT, legal, "{word:#x} from {privilege}");
        }
    }
}

#[test]
fn a_hart_that_waits_takes_no_steps_until_something_enabled_is_pending() {
    // wfi; addi a0, a0, 1; j -8
    let words = [0x1050_0073_u32, 0x0015_0513, 0xff9f_f06f];
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let mut pair = Pair::new(&bytes, config(Compilation::AtOnce));
    pair.prepare(|hart| hart.state.mie = 1 << 7);
    let mut random = Random::new(1);
    for wakes in 0..50 {
        while pair.run(1 + random.below(5)) > 0 {}
        assert_eq!(pair.interpreted().state.x[10], wakes);
        assert!(pair.interpreted().is_idle(pair.clock()));
        // Pending and not enabled: it sleeps on.
        pair.set_line(3, true);
        assert_eq!(pair.run(5), 0);
        // Enabled, though interrupts as a whole are off: it wakes and goes on behind the wfi.
        pair.set_line(7, true);
        assert!(pair.run(1) > 0);
        pair.set_line(7, false);
        pair.set_line(3, false);
    }
    assert_eq!(pair.interpreted().state.mcause, 0);
}

#[test]
fn the_supervisors_own_timer_is_pending_from_its_time_on() {
    // csrr a0, mip; j -4
    let words = [0x3440_2573_u32, 0xffdf_f06f];
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let mut pair = Pair::with(Features::all(), &bytes, config(Compilation::AtOnce));
    pair.prepare(|hart| {
        hart.state.menvcfg = 1 << 63;
        // One tick is 100 steps of one nanosecond.
        hart.state.stimecmp = 3;
        hart.state.mie = 1 << 5;
    });
    pair.run(299);
    assert_eq!(pair.interpreted().state.x[10] & 0x20, 0);
    assert_eq!(pair.interpreted().deadline_ns(pair.clock()), Some(300));
    pair.run(3);
    assert_eq!(pair.interpreted().state.x[10] & 0x20, 0x20);
}

#[test]
fn with_sstc_software_cannot_set_the_supervisors_timer() {
    use emulator::isa::riscv::csr::number;
    // csrrs x0, mip, a1; csrr a0, mip; csrrw x0, menvcfg, x0; csrr a2, mip
    let code = [
        0x2073 | 11 << 15 | u32::from(number::MIP) << 20,
        0x2073 | 10 << 7 | u32::from(number::MIP) << 20,
        0x1073 | u32::from(number::MENVCFG) << 20,
        0x2073 | 12 << 7 | u32::from(number::MIP) << 20,
    ];
    for (menvcfg, pending) in [(1 << 63, 0x202), (0, 0x222)] {
        let left = run(&code, |hart| {
            hart.state.menvcfg = menvcfg;
            hart.state.x[11] = 0xfff;
        });
        assert_eq!((left.x[10], left.x[12]), (pending, pending), "menvcfg {menvcfg:#x}");
    }
}
