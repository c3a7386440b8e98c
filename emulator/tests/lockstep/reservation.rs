//! Load-reserved and store-conditional: one rule on both engines.
//!
//! The rule (RISC-V Unprivileged ISA, chapter "A", leaves room for it): the reservation is the virtual
//! address and the value that was loaded there. A store-conditional to that address succeeds when the
//! value is still there, whoever stored in between, and ends the reservation however it goes.

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
