//! Control and status registers: all of them, and of each the bits that software can write.

use std::collections::BTreeMap;

use super::{
    bench::RAM,
    case::{BREAKPOINT, Case, csrr, csrrw},
    program::i,
};
use emulator::isa::riscv::{
    Features, Hart,
    csr::{self, number as n},
};

const ILLEGAL: u64 = 2;
const ALL: u64 = u64::MAX;

/// Every register: what a write of all ones leaves in it, and then one of zeros.
///
/// Fields that hold only some values keep what they had when another is written (WARL); those have
/// tests of their own below.
fn rows() -> BTreeMap<u16, (u64, u64)> {
    let status = 0x8000_000a_007e_79aa;
    let mut rows = BTreeMap::from([
        (n::FFLAGS, (0x1f, 0)),
        (n::FRM, (7, 0)),
        (n::FCSR, (0xff, 0)),
        (n::SSTATUS, (0x8000_0002_000c_6122, 0x2_0000_0000)),
        (n::SIE, (0x222, 0)),
        // Modes 2 and 3 are reserved: all ones change nothing.
        (n::STVEC, (RAM + 0x100, 0)),
        (n::SCOUNTEREN, (0xffff_ffff, 0)),
        (n::SENVCFG, (0xf1, 0)),
        (n::SSCRATCH, (ALL, 0)),
        (n::SEPC, (ALL - 1, 0)),
        (n::SCAUSE, (ALL, 0)),
        (n::STVAL, (ALL, 0)),
        (n::SIP, (2, 0)),
        (n::STIMECMP, (ALL, 0)),
        // Mode 15 is reserved.
        (n::SATP, (0, 0)),
        (n::MSTATUS, (status, 0xa_0000_0000)),
        (n::MISA, (0x8000_0000_0014_112d, 0x8000_0000_0014_112d)),
        (n::MEDELEG, (0xb3ff, 0)),
        (n::MIDELEG, (0x222, 0)),
        (n::MIE, (0xaaa, 0)),
        (n::MTVEC, (RAM, 0)),
        (n::MCOUNTEREN, (0xffff_ffff, 0)),
        (n::MENVCFG, (0xe000_0000_0000_00f1, 0)),
        (n::MCOUNTINHIBIT, (0xffff_fffd, 0)),
        (n::MSCRATCH, (ALL, 0)),
        (n::MEPC, (ALL - 1, 0)),
        (n::MCAUSE, (ALL, 0)),
        (n::MTVAL, (ALL, 0)),
        (n::MIP, (0x222, 0)),
        // Locked by its own ones; the reserved bits 5 and 6 of each entry are zero.
        (n::PMPCFG0, (0x9f9f_9f9f_9f9f_9f9f, 0x9f9f_9f9f_9f9f_9f9f)),
        (n::PMPCFG2, (0x9f9f_9f9f_9f9f_9f9f, 0x9f9f_9f9f_9f9f_9f9f)),
        // A counter that was written reads as written in the next instruction.
        (n::MCYCLE, (ALL, 0)),
        (n::MINSTRET, (ALL, 0)),
    ]);
    rows.extend((n::PMPADDR0..=n::PMPADDR15).map(|csr| (csr, (ALL >> 10, 0))));
    // No triggers, and event counters that stand at zero.
    let zero = (n::MHPMEVENT3..=n::MHPMEVENT31)
        .chain(n::MHPMCOUNTER3..=n::MHPMCOUNTER31)
        .chain(n::TSELECT..=n::TDATA3);
    rows.extend(zero.map(|csr| (csr, (0, 0))));
    rows
}

/// Registers that cannot be written, with what they read as here.
fn constants() -> BTreeMap<u16, u64> {
    let mut rows = BTreeMap::from([
        (n::MVENDORID, 0),
        (n::MARCHID, 0),
        (n::MIMPID, 0),
        (n::MHARTID, 0),
        (n::MCONFIGPTR, 0),
        // One instruction and less than a tick after reset.
        (n::CYCLE, 1),
        (n::TIME, 0),
        (n::INSTRET, 1),
    ]);
    rows.extend((n::HPMCOUNTER3..=n::HPMCOUNTER31).map(|csr| (csr, 0)));
    rows
}

fn run(code: &[u32], prepare: impl Fn(&mut Hart)) -> super::case::Outcome {
    Case { features: Features::all(), code, words: &[] }.run(prepare)
}

/// Delegates what can be, so that the supervisor's registers show their bits.
fn delegate(hart: &mut Hart) {
    hart.state.mideleg = 0x222;
}

#[test]
fn each_register_keeps_exactly_its_writable_bits() {
    for (csr, (ones, zeros)) in rows() {
        let code = [csrrw(0, csr, 11), csrr(12, csr), csrrw(0, csr, 0), csrr(13, csr)];
        let left = run(&code, |hart| {
            if csr != n::MIDELEG {
                delegate(hart);
            }
            hart.state.x[11] = ALL;
        });
        let name = csr::name(csr).expect("it has a name");
        // Interrupts and locked protection may keep the code from its end, not from its result.
        assert_eq!((left.x[12], left.x[13]), (ones, zeros), "{name}: {left:x?}");
    }
}

#[test]
fn every_register_there_is_has_a_row_and_all_others_are_illegal() {
    let (rows, constants) = (rows(), constants());
    for csr in 0..4096 {
        let left = run(&[0x13, csrr(12, csr)], |_| {});
        let expected = rows.contains_key(&csr) || constants.contains_key(&csr);
        assert_eq!(left.cause == BREAKPOINT, expected, "{csr:#x}: {left:x?}");
        if !expected {
            let word = u64::from(csrr(12, csr));
            assert_eq!((left.cause, left.tval), (ILLEGAL, word), "{csr:#x}");
        }
        assert_eq!(csr::name(csr).is_some(), expected, "{csr:#x}");
        if let Some(value) = constants.get(&csr) {
            assert_eq!(left.x[12], *value, "{csr:#x}");
            let written = run(&[csrrw(12, csr, 0)], |_| {});
            assert_eq!(written.cause, ILLEGAL, "{csr:#x} is read-only");
        }
    }
}

#[test]
fn a_field_keeps_what_it_had_when_it_does_not_take_the_value() {
    const CBIE: u64 = 3 << 4;
    for (csr, before, written, after) in [
        // Vector modes 2 and 3.
        (n::MTVEC, RAM | 1, RAM | 2, RAM | 1),
        (n::MTVEC, RAM, RAM | 3, RAM),
        (n::STVEC, 0x8000_0101, 0x8000_0102, 0x8000_0101),
        // MPP 2 is no mode; the rest of the write counts.
        (n::MSTATUS, 0x1800, 0x1000, 0xa_0000_1800),
        (n::MSTATUS, 0x0800, 0x1008, 0xa_0000_0808),
        // Paging modes 1 and 10 leave the whole register as it was.
        (n::SATP, 8 << 60 | 5, 1 << 60 | 7, 8 << 60 | 5),
        (n::SATP, 8 << 60 | 5, 10 << 60 | 7, 8 << 60 | 5),
        (n::SATP, 8 << 60 | 5, 9 << 60 | 7, 9 << 60 | 7),
        (n::SATP, 8 << 60 | 5, 0, 0),
        (n::SATP, 0, 8 << 60 | 0xffff << 44 | 9, 8 << 60 | 0xffff << 44 | 9),
        // CBIE 2 is reserved.
        (n::MENVCFG, CBIE, 2 << 4, CBIE),
        (n::MENVCFG, 1 << 4, 2 << 4, 1 << 4),
        (n::SENVCFG, 1 << 4, 2 << 4, 1 << 4),
        // Protection that may be written must be readable.
        (n::PMPCFG0, 0x1f, 0x1a, 0x1f),
        (n::PMPCFG0, 0x1f, 0x1800, 0x1800),
    ] {
        let code = [csrrw(0, csr, 11), csrrw(0, csr, 12), csrr(13, csr)];
        let left = run(&code, |hart| {
            hart.state.x[11] = before;
            hart.state.x[12] = written;
        });
        let name = csr::name(csr).expect("it has a name");
        assert_eq!(left.x[13], after, "{name}: {before:#x}, then {written:#x}");
    }
}

#[test]
fn counters_count_exactly_and_stand_while_they_are_inhibited() {
    // Three instructions between two reads.
    let nops = [0x13; 2];
    let reads = |csr| [&[csrr(12, csr)][..], &nops, &[csrr(13, csr)]].concat();
    for (csr, bit) in [(n::MINSTRET, 4), (n::MCYCLE, 1)] {
        for (inhibited, between) in [(0, 3), (bit, 0), (5 & !bit, 3), (5, 0)] {
            let left = run(&reads(csr), |hart| hart.state.mcountinhibit = inhibited);
            let name = csr::name(csr).expect("it has a name");
            assert_eq!(left.x[13] - left.x[12], between, "{name}, mcountinhibit {inhibited}");
        }
    }
    // Written inside the program: the write itself counts by what held before it.
    let code = [
        csrr(12, n::MINSTRET),
        csrrw(0, n::MCOUNTINHIBIT, 11),
        0x13,
        csrr(13, n::MINSTRET),
        csrrw(0, n::MCOUNTINHIBIT, 0),
        0x13,
        csrr(14, n::MINSTRET),
    ];
    let left = run(&code, |hart| hart.state.x[11] = 4);
    assert!((1..=2).contains(&(left.x[13] - left.x[12])), "{left:x?}");
    assert!((1..=2).contains(&(left.x[14] - left.x[13])), "{left:x?}");
}

#[test]
fn a_trap_is_a_cycle_but_no_retired_instruction() {
    // ecall from M comes back to the next instruction by way of the handler's registers.
    let left = Case { features: Features::all(), code: &[0x73], words: &[] }.run(|_| {});
    assert_eq!(left.cause, 11);
    let hart = |code: &[u32]| {
        let bytes: Vec<u8> = code.iter().flat_map(|word| word.to_le_bytes()).collect();
        let mut pair = super::bench::Pair::new(&bytes, super::config(Default::default()));
        pair.prepare(|hart| hart.state.mtvec = RAM + 8);
        pair.run(6);
        pair.into_interpreted()
    };
    // nop; ecall; handler: nop, j 0b
    let hart = hart(&[0x13, 0x73, 0x13, 0xffdf_f06f]);
    assert_eq!((hart.state.mcycle, hart.state.minstret), (6, 5));
}

#[test]
fn counters_are_readable_below_machine_mode_where_both_enables_say_so() {
    for counter in [n::CYCLE, n::TIME, n::INSTRET, n::HPMCOUNTER3, n::HPMCOUNTER31] {
        let bit = 1_u32 << (counter & 31);
        for (privilege, machine, supervisor, legal) in [
            (3, 0, 0, true),
            (1, 0, !0, false),
            (1, !bit, !0, false),
            (1, bit, 0, true),
            (0, bit, 0, false),
            (0, 0, bit, false),
            (0, bit, !bit, false),
            (0, bit, bit, true),
        ] {
            let left = run(&[csrr(12, counter)], |hart| {
                hart.state.privilege = privilege;
                hart.state.mcounteren = machine;
                hart.state.scounteren = supervisor;
            });
            let expected = if legal { BREAKPOINT } else { ILLEGAL };
            let case = format!("{counter:#x} from {privilege}, {machine:#x}, {supervisor:#x}");
            assert_eq!(left.cause, expected, "{case}");
        }
    }
}

#[test]
fn registers_belong_to_a_privilege_and_traps_of_virtualisation_take_some_away() {
    const TVM: u64 = 1 << 20;
    for (csr, privilege, mstatus, legal) in [
        (n::MSTATUS, 1, 0, false),
        (n::MSTATUS, 3, 0, true),
        (n::SSTATUS, 0, 0, false),
        (n::SSTATUS, 1, 0, true),
        (n::SATP, 1, 0, true),
        (n::SATP, 1, TVM, false),
        (n::SATP, 3, TVM, true),
        (n::STIMECMP, 1, 0, false),
        (n::STIMECMP, 3, 0, true),
        (n::FCSR, 0, 3 << 13, true),
        (n::FCSR, 3, 0, false),
        (n::FFLAGS, 0, 0, false),
    ] {
        let left = run(&[csrr(12, csr)], |hart| {
            hart.state.privilege = privilege;
            hart.state.mstatus = mstatus;
        });
        let expected = if legal { BREAKPOINT } else { ILLEGAL };
        assert_eq!(left.cause, expected, "{csr:#x} from {privilege} with {mstatus:#x}");
    }
    // The supervisor's timer is his when both switches of the machine give it to him.
    for (menvcfg, mcounteren, legal) in [(1 << 63, 2, true), (1 << 63, 0, false), (0, 2, false)] {
        let left = run(&[csrr(12, n::STIMECMP)], |hart| {
            hart.state.privilege = 1;
            hart.state.menvcfg = menvcfg;
            hart.state.mcounteren = mcounteren;
        });
        assert_eq!(left.cause == BREAKPOINT, legal, "{menvcfg:#x}, {mcounteren}");
    }
}

#[test]
fn firmware_that_probes_for_triggers_finds_none() {
    // Select the first, write it, read it back: type 0 says that there is none.
    let code = [
        csrrw(0, n::TSELECT, 0),
        csrrw(0, n::TSELECT + 1, 11),
        csrr(12, n::TSELECT + 1),
        csrrw(0, n::TSELECT, 11),
        csrr(13, n::TSELECT),
    ];
    let left = run(&code, |hart| hart.state.x[11] = ALL);
    assert_eq!((left.cause, left.x[12], left.x[13]), (BREAKPOINT, 0, 0));
}

#[test]
fn set_and_clear_with_x0_only_read() {
    // csrrs and csrrc of a read-only register are legal with x0 and with an immediate of zero alone.
    let mhartid = u32::from(n::MHARTID) << 20;
    for (word, legal) in [
        (0x2073 | 12 << 7 | mhartid, true),
        (0x3073 | 12 << 7 | mhartid, true),
        (0x6073 | 12 << 7 | mhartid, true),
        (0x7073 | 12 << 7 | mhartid, true),
        (0x2073 | 12 << 7 | 11 << 15 | mhartid, false),
        (0x6073 | 12 << 7 | 1 << 15 | mhartid, false),
        (0x1073 | 12 << 7 | mhartid, false),
        (0x5073 | 12 << 7 | mhartid, false),
    ] {
        let left = run(&[word], |_| {});
        assert_eq!(left.cause, if legal { BREAKPOINT } else { ILLEGAL }, "{word:#x}");
    }
    // addi x0 keeps x0.
    assert_eq!(run(&[i(0x13, 0, 0, 0, 5)], |_| {}).x[0], 0);
}
