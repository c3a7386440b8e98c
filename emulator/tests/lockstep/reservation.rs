//! Load-reserved and store-conditional: one rule on both engines.
//!
//! The rule (within RISC-V Unprivileged ISA, chapter "A"): the reservation is the virtual address and
//! the value that was loaded there. A store-conditional to that address succeeds when the reservation
//! stands and the value does, and ends the reservation however it goes. What else ends it: the end of
//! the hart's turn, so that no other hart can have stored; a store by a device or a debugger, whatever
//! the value; and whatever may give the address another meaning (`satp`, `mstatus.MPRV`, `sfence.vma`,
//! a trap or return between M and paged code). The hart's own stores end it only by changing the value.

use super::{
    bench::{Pair, RAM},
    case::{BREAKPOINT, Case, EBREAK},
    config,
};
use emulator::{isa::riscv::Features, translate::Compilation};

const PLACE: u64 = 0x4000;
const BEFORE: u64 = 0x1111_2222_3333_4444;

/// lr.d a0, (a1); sc.d a3, a2, (a1); sc.d a4, a2, (a1); sc.d a3, a2, (a5)
const LR_D: u32 = 0x1005_b52f;
const SC_D: u32 = 0x18c5_b6af;
const SC_D_AGAIN: u32 = 0x18c5_b72f;
const SC_D_ELSEWHERE: u32 = 0x18c7_b6af;
/// lr.w a0, (a1); sc.w a3, a2, (a1)
const LR_W: u32 = 0x1005_a52f;
const SC_W: u32 = 0x18c5_a6af;
/// sd a2, 0(a1); sd a0, 0(a1); sb a2, 7(a1); sd a2, 0(a5)
const SD_OTHER: u32 = 0x00c5_b023;
const SD_SAME: u32 = 0x00a5_b023;
const SB_INSIDE: u32 = 0x00c5_83a3;
const SD_ELSEWHERE: u32 = 0x00c7_b023;

#[test]
fn a_store_conditional_succeeds_where_the_reserved_value_still_stands() {
    const NEW: u64 = 0x5555_6666_7777_8888;
    for (code, result, again, after) in [
        (vec![LR_D, SC_D], 0, 9, NEW),
        (vec![SC_D], 1, 9, BEFORE),
        (vec![LR_D, SC_D, SC_D_AGAIN], 0, 1, NEW),
        (vec![LR_D, SC_D_ELSEWHERE], 1, 9, BEFORE),
        // A failing one ends the reservation, too.
        (vec![LR_D, SC_D_ELSEWHERE, SC_D_AGAIN], 1, 1, BEFORE),
        (vec![LR_D, SD_OTHER, SC_D], 1, 9, NEW),
        (vec![LR_D, SD_SAME, SC_D], 0, 9, NEW),
        (vec![LR_D, SB_INSIDE, SC_D], 1, 9, BEFORE & !(0xff << 56) | (NEW & 0xff) << 56),
        (vec![LR_D, SD_ELSEWHERE, SC_D], 0, 9, NEW),
        (vec![LR_W, SC_W], 0, 9, BEFORE & !0xffff_ffff | NEW & 0xffff_ffff),
        (vec![SC_W], 1, 9, BEFORE),
    ] {
        let words = [(PLACE, BEFORE), (PLACE + 8, BEFORE)];
        let case = Case { features: Features::all(), code: &code, words: &words };
        let left = case.run(|hart| {
            hart.state.x[11] = RAM + PLACE;
            hart.state.x[15] = RAM + PLACE + 8;
            hart.state.x[12] = NEW;
            hart.state.x[13] = 9;
            hart.state.x[14] = 9;
        });
        let found = (left.cause, left.x[13], left.x[14], left.words[0]);
        assert_eq!(found, (BREAKPOINT, result, again, after), "{code:x?}");
    }
}

/// csrw satp, a6; sfence.vma
const WRITE_SATP: u32 = 0x1808_1073;
const SFENCE: u32 = 0x1200_0073;
/// nop
const NOP: u32 = 0x13;

#[test]
fn a_reservation_ends_where_its_address_may_come_to_mean_something_else() {
    const BARE: u64 = 0;
    const SV39: u64 = 8 << 60;
    for (between, satp, result) in [
        (NOP, BARE, 0),
        (SFENCE, BARE, 1),
        // Writing what is there changes nothing.
        (WRITE_SATP, BARE, 0),
        (WRITE_SATP, SV39, 1),
    ] {
        let code = [LR_D, between, SC_D];
        let words = [(PLACE, BEFORE)];
        let case = Case { features: Features::all(), code: &code, words: &words };
        let left = case.run(|hart| {
            hart.state.x[11] = RAM + PLACE;
            hart.state.x[13] = 9;
            hart.state.x[16] = satp;
        });
        assert_eq!((left.cause, left.x[13]), (BREAKPOINT, result), "{between:#x}, satp {satp:#x}");
    }
}

#[test]
fn a_reservation_does_not_cross_from_paged_code_to_the_machine_and_back() {
    // lr; ecall to a handler at 0x100 that returns behind it; sc
    const ECALL: u32 = 0x73;
    let handler = [0x3410_2f73_u32, 0x004f_0f13, 0x341f_1073, 0x3020_0073];
    for (satp, result) in [(0, 0), (8 << 60 | (RAM + 0x2000) >> 12, 1)] {
        let mut image = vec![0; 0x3000];
        for (at, word) in [(0, LR_D), (4, ECALL), (8, SC_D), (12, EBREAK)] {
            image[at..at + 4].copy_from_slice(&word.to_le_bytes());
        }
        for (index, word) in handler.into_iter().enumerate() {
            image[0x100 + 4 * index..][..4].copy_from_slice(&word.to_le_bytes());
        }
        // One superpage that maps RAM to itself.
        let entry = RAM >> 12 << 10 | 0xcf;
        image[0x2010..0x2018].copy_from_slice(&entry.to_le_bytes());
        let mut pair = Pair::new(&image, config(Compilation::AtOnce));
        pair.prepare(|hart| {
            hart.state.privilege = 1;
            hart.state.satp = satp;
            hart.state.mtvec = RAM + 0x100;
            hart.state.pmp.configure(0, 0x1f);
            hart.state.pmp.set_address(0, u64::MAX >> 10);
            hart.state.x[11] = RAM + PLACE;
            hart.state.x[13] = 9;
        });
        pair.run(7);
        assert_eq!(pair.interpreted().state.x[13], result, "satp {satp:#x}");
    }
}

#[test]
fn others_who_write_memory_end_a_reservation_whatever_they_write() {
    use emulator::vcpu::Vcpu;
    let code = [LR_D, SC_D, EBREAK];
    let bytes: Vec<u8> = code.iter().flat_map(|word| word.to_le_bytes()).collect();
    for (lost, result) in [(false, 0), (true, 1)] {
        let mut pair = Pair::new(&bytes, config(Compilation::AtOnce));
        pair.prepare(|hart| {
            hart.state.x[11] = RAM + PLACE;
            hart.state.x[13] = 9;
        });
        pair.run(1);
        if lost {
            pair.prepare(Vcpu::lose_reservation);
        }
        pair.run(1);
        assert_eq!(pair.interpreted().state.x[13], result);
    }
}

#[test]
fn a_reservation_is_saved_with_the_hart() {
    let code = [LR_D, SC_D, EBREAK];
    let bytes: Vec<u8> = code.iter().flat_map(|word| word.to_le_bytes()).collect();
    let mut pair = Pair::new(&bytes, config(Compilation::AtOnce));
    pair.prepare(|hart| {
        hart.state.x[11] = RAM + PLACE;
        hart.state.x[12] = 7;
        hart.state.x[13] = 9;
    });
    pair.run(1);
    pair.exchange_state();
    pair.run(1);
    assert_eq!((pair.interpreted().state.x[13], pair.word(PLACE)), (0, 7));
}
