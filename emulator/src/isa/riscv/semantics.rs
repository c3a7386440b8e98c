//! What integer, memory and atomic instructions do, on the emitter.
//!
//! Each function is the semantics of a family; the table passes what distinguishes its members.
//! Words (`..W`) compute on 64 bits and sign-extend the low 32.

use super::hart::{RESERVATION_ADDRESS, RESERVATION_VALUE};
use super::instruction::Operands;
use crate::bus::Width;
use crate::isa::emit::{Access, Binary, Condition, Emitter, Unary};

type Done<E> = Result<(), <E as Emitter>::Stop>;

/// Writes `rd` unless it is x0.
#[inline(always)]
pub(super) fn set<E: Emitter>(e: &mut E, rd: u8, value: E::Value) {
    if rd != 0 {
        e.set(rd, value);
    }
}

#[inline(always)]
fn constant_of<E: Emitter>(e: &mut E, imm: i32) -> E::Value {
    e.constant(i64::from(imm).cast_unsigned())
}

#[inline(always)]
fn address<E: Emitter>(e: &mut E, o: &Operands) -> E::Value {
    let base = e.get(o.rs1);
    let offset = constant_of(e, o.imm);
    e.binary(Binary::Add, base, offset)
}

/// A hint, or something that a coherent single-threaded machine need not do.
#[expect(clippy::unnecessary_wraps, reason = "all semantics have one shape")]
#[inline(always)]
pub(super) fn nothing<E: Emitter>(_: &mut E, _: &Operands, _: u64) -> Done<E> {
    Ok(())
}

/// rd = rs1 op rs2.
#[inline(always)]
pub(super) fn binary<E: Emitter>(e: &mut E, o: &Operands, _: u64, op: Binary) -> Done<E> {
    let (a, b) = (e.get(o.rs1), e.get(o.rs2));
    let value = e.binary(op, a, b);
    set(e, o.rd, value);
    Ok(())
}

/// rd = rs1 op !rs2.
#[inline(always)]
pub(super) fn binary_inverted<E: Emitter>(e: &mut E, o: &Operands, _: u64, op: Binary) -> Done<E> {
    let (a, b) = (e.get(o.rs1), e.get(o.rs2));
    let b = e.unary(Unary::Not, b);
    let value = e.binary(op, a, b);
    set(e, o.rd, value);
    Ok(())
}

/// rd = !(rs1 ^ rs2).
#[inline(always)]
pub(super) fn xnor<E: Emitter>(e: &mut E, o: &Operands, _: u64) -> Done<E> {
    let (a, b) = (e.get(o.rs1), e.get(o.rs2));
    let value = e.binary(Binary::Xor, a, b);
    let value = e.unary(Unary::Not, value);
    set(e, o.rd, value);
    Ok(())
}

/// rd = rs1 op immediate.
#[inline(always)]
pub(super) fn immediate<E: Emitter>(e: &mut E, o: &Operands, _: u64, op: Binary) -> Done<E> {
    let a = e.get(o.rs1);
    let b = constant_of(e, o.imm);
    let value = e.binary(op, a, b);
    set(e, o.rd, value);
    Ok(())
}

/// rd = rs1 < rs2, or < immediate.
#[inline(always)]
pub(super) fn less<E: Emitter>(e: &mut E, o: &Operands, _: u64, c: Condition) -> Done<E> {
    let (a, b) = (e.get(o.rs1), e.get(o.rs2));
    let truth = e.compare(c, a, b);
    let value = e.bit(truth);
    set(e, o.rd, value);
    Ok(())
}

/// rd = rs1 < immediate.
#[inline(always)]
pub(super) fn less_immediate<E: Emitter>(e: &mut E, o: &Operands, _: u64, c: Condition) -> Done<E> {
    let a = e.get(o.rs1);
    let b = constant_of(e, o.imm);
    let truth = e.compare(c, a, b);
    let value = e.bit(truth);
    set(e, o.rd, value);
    Ok(())
}

/// Brings a word's operands to 64 bits as `op` needs them and gives the sign-extended result.
#[inline(always)]
fn word_operation<E: Emitter>(e: &mut E, op: Binary, a: E::Value, b: E::Value) -> E::Value {
    let (a, b) = match op {
        Binary::ShiftLeft => {
            let mask = e.constant(31);
            (a, e.binary(Binary::And, b, mask))
        }
        Binary::ShiftRight => {
            let mask = e.constant(31);
            (e.unary(Unary::ZeroExtend32, a), e.binary(Binary::And, b, mask))
        }
        Binary::ShiftRightSigned => {
            let mask = e.constant(31);
            (e.unary(Unary::SignExtend32, a), e.binary(Binary::And, b, mask))
        }
        Binary::DivideSigned | Binary::RemainderSigned => {
            (e.unary(Unary::SignExtend32, a), e.unary(Unary::SignExtend32, b))
        }
        Binary::DivideUnsigned | Binary::RemainderUnsigned => {
            (e.unary(Unary::ZeroExtend32, a), e.unary(Unary::ZeroExtend32, b))
        }
        _ => (a, b),
    };
    let value = e.binary(op, a, b);
    e.unary(Unary::SignExtend32, value)
}

/// rd = word of (rs1 op rs2).
#[inline(always)]
pub(super) fn binary_word<E: Emitter>(e: &mut E, o: &Operands, _: u64, op: Binary) -> Done<E> {
    let (a, b) = (e.get(o.rs1), e.get(o.rs2));
    let value = word_operation(e, op, a, b);
    set(e, o.rd, value);
    Ok(())
}

/// rd = word of (rs1 op immediate).
#[inline(always)]
pub(super) fn immediate_word<E: Emitter>(e: &mut E, o: &Operands, _: u64, op: Binary) -> Done<E> {
    let a = e.get(o.rs1);
    let b = constant_of(e, o.imm);
    let value = word_operation(e, op, a, b);
    set(e, o.rd, value);
    Ok(())
}

/// Rotates the low word of `a` by the low five bits of `amount`: left when `left`.
#[inline(always)]
fn rotate_low<E: Emitter>(e: &mut E, a: E::Value, amount: E::Value, left: bool) -> E::Value {
    // Two copies of the word side by side rotate as one: by n < 32 the low (or high) half is it.
    let mask = e.constant(31);
    let amount = e.binary(Binary::And, amount, mask);
    let low = e.unary(Unary::ZeroExtend32, a);
    let half = e.constant(32);
    let high = e.binary(Binary::ShiftLeft, low, half);
    let both = e.binary(Binary::Or, high, low);
    let op = if left { Binary::RotateLeft } else { Binary::RotateRight };
    let rotated = e.binary(op, both, amount);
    e.unary(Unary::SignExtend32, rotated)
}

/// rolw, rorw.
#[inline(always)]
pub(super) fn rotate_word<E: Emitter>(e: &mut E, o: &Operands, _: u64, left: bool) -> Done<E> {
    let (a, b) = (e.get(o.rs1), e.get(o.rs2));
    let value = rotate_low(e, a, b, left);
    set(e, o.rd, value);
    Ok(())
}

/// roriw.
#[inline(always)]
pub(super) fn rotate_word_immediate<E: Emitter>(e: &mut E, o: &Operands, _: u64) -> Done<E> {
    let a = e.get(o.rs1);
    let b = constant_of(e, o.imm);
    let value = rotate_low(e, a, b, false);
    set(e, o.rd, value);
    Ok(())
}

/// rd = op rs1.
#[inline(always)]
pub(super) fn unary<E: Emitter>(e: &mut E, o: &Operands, _: u64, op: Unary) -> Done<E> {
    let a = e.get(o.rs1);
    let value = e.unary(op, a);
    set(e, o.rd, value);
    Ok(())
}

/// clzw: leading zeros of the low word.
#[inline(always)]
pub(super) fn leading_zeros_word<E: Emitter>(e: &mut E, o: &Operands, _: u64) -> Done<E> {
    let a = e.get(o.rs1);
    // The word on top and a one behind it: at most 32 zeros.
    let half = e.constant(32);
    let high = e.binary(Binary::ShiftLeft, a, half);
    let stop = e.constant(1 << 31);
    let bounded = e.binary(Binary::Or, high, stop);
    let value = e.unary(Unary::LeadingZeros, bounded);
    set(e, o.rd, value);
    Ok(())
}

/// ctzw: trailing zeros of the low word.
#[inline(always)]
pub(super) fn trailing_zeros_word<E: Emitter>(e: &mut E, o: &Operands, _: u64) -> Done<E> {
    let a = e.get(o.rs1);
    let stop = e.constant(1 << 32);
    let bounded = e.binary(Binary::Or, a, stop);
    let value = e.unary(Unary::TrailingZeros, bounded);
    set(e, o.rd, value);
    Ok(())
}

/// cpopw: ones of the low word.
#[inline(always)]
pub(super) fn ones_word<E: Emitter>(e: &mut E, o: &Operands, _: u64) -> Done<E> {
    let a = e.get(o.rs1);
    let low = e.unary(Unary::ZeroExtend32, a);
    let value = e.unary(Unary::Ones, low);
    set(e, o.rd, value);
    Ok(())
}

/// orc.b: 0xff for every byte that is not zero.
#[inline(always)]
pub(super) fn or_combine<E: Emitter>(e: &mut E, o: &Operands, _: u64) -> Done<E> {
    let a = e.get(o.rs1);
    // Bit 7 of each byte: set by the byte's low bits plus 0x7f, or by itself; then spread.
    let low = e.constant(0x7f7f_7f7f_7f7f_7f7f);
    let bits = e.binary(Binary::And, a, low);
    let carry = e.binary(Binary::Add, bits, low);
    let any = e.binary(Binary::Or, carry, a);
    let top = e.constant(0x8080_8080_8080_8080);
    let marks = e.binary(Binary::And, any, top);
    let seven = e.constant(7);
    let ones = e.binary(Binary::ShiftRight, marks, seven);
    let byte = e.constant(0xff);
    let value = e.binary(Binary::Multiply, ones, byte);
    set(e, o.rd, value);
    Ok(())
}

/// sh1add and its kin: rd = (rs1 << amount) + rs2, rs1 cut to a word first when `word`.
#[inline(always)]
pub(super) fn shift_add<E: Emitter>(
    e: &mut E,
    o: &Operands,
    _: u64,
    amount: u64,
    word: bool,
) -> Done<E> {
    let (mut a, b) = (e.get(o.rs1), e.get(o.rs2));
    if word {
        a = e.unary(Unary::ZeroExtend32, a);
    }
    let amount = e.constant(amount);
    let shifted = e.binary(Binary::ShiftLeft, a, amount);
    let value = e.binary(Binary::Add, shifted, b);
    set(e, o.rd, value);
    Ok(())
}

/// slli.uw.
#[inline(always)]
pub(super) fn shift_left_unsigned_word<E: Emitter>(e: &mut E, o: &Operands, _: u64) -> Done<E> {
    let a = e.get(o.rs1);
    let low = e.unary(Unary::ZeroExtend32, a);
    let amount = constant_of(e, o.imm);
    let value = e.binary(Binary::ShiftLeft, low, amount);
    set(e, o.rd, value);
    Ok(())
}

/// What a single-bit instruction does with the bit.
#[derive(Clone, Copy)]
pub(super) enum Bit {
    Clear,
    Extract,
    Invert,
    Set,
}

/// bclr, bext, binv, bset and their immediate forms.
#[inline(always)]
pub(super) fn single_bit<E: Emitter>(
    e: &mut E,
    o: &Operands,
    _: u64,
    what: Bit,
    is_immediate: bool,
) -> Done<E> {
    let a = e.get(o.rs1);
    let index = if is_immediate { constant_of(e, o.imm) } else { e.get(o.rs2) };
    let one = e.constant(1);
    let value = match what {
        Bit::Extract => {
            let shifted = e.binary(Binary::ShiftRight, a, index);
            e.binary(Binary::And, shifted, one)
        }
        Bit::Clear => {
            let mask = e.binary(Binary::ShiftLeft, one, index);
            let mask = e.unary(Unary::Not, mask);
            e.binary(Binary::And, a, mask)
        }
        Bit::Invert => {
            let mask = e.binary(Binary::ShiftLeft, one, index);
            e.binary(Binary::Xor, a, mask)
        }
        Bit::Set => {
            let mask = e.binary(Binary::ShiftLeft, one, index);
            e.binary(Binary::Or, a, mask)
        }
    };
    set(e, o.rd, value);
    Ok(())
}

/// czero.eqz and czero.nez: zero when the condition holds for rs2, else rs1.
#[inline(always)]
pub(super) fn conditional_zero<E: Emitter>(
    e: &mut E,
    o: &Operands,
    _: u64,
    c: Condition,
) -> Done<E> {
    let (a, b) = (e.get(o.rs1), e.get(o.rs2));
    let zero = e.constant(0);
    let truth = e.compare(c, b, zero);
    let value = e.select(truth, zero, a);
    set(e, o.rd, value);
    Ok(())
}

/// lui.
#[inline(always)]
pub(super) fn load_upper<E: Emitter>(e: &mut E, o: &Operands, _: u64) -> Done<E> {
    let value = constant_of(e, o.imm);
    set(e, o.rd, value);
    Ok(())
}

fn relative(pc: u64, imm: i32) -> u64 {
    pc.wrapping_add_signed(i64::from(imm))
}

/// auipc.
#[inline(always)]
pub(super) fn auipc<E: Emitter>(e: &mut E, o: &Operands, pc: u64) -> Done<E> {
    let value = e.constant(relative(pc, o.imm));
    set(e, o.rd, value);
    Ok(())
}

/// jal. `o.rs2` holds the length of the instruction.
#[inline(always)]
pub(super) fn jump<E: Emitter>(e: &mut E, o: &Operands, pc: u64) -> Done<E> {
    if o.rd != 0 {
        let link = e.constant(pc.wrapping_add(u64::from(o.rs2)));
        e.set(o.rd, link);
    }
    e.jump(relative(pc, o.imm));
    Ok(())
}

/// jalr. `o.rs2` holds the length of the instruction.
#[inline(always)]
pub(super) fn jump_register<E: Emitter>(e: &mut E, o: &Operands, pc: u64) -> Done<E> {
    let target = address(e, o);
    let mask = e.constant(!1);
    let target = e.binary(Binary::And, target, mask);
    if o.rd != 0 {
        let link = e.constant(pc.wrapping_add(u64::from(o.rs2)));
        e.set(o.rd, link);
    }
    e.jump_to(target);
    Ok(())
}

/// Conditional branches.
#[inline(always)]
pub(super) fn branch<E: Emitter>(e: &mut E, o: &Operands, pc: u64, c: Condition) -> Done<E> {
    let (a, b) = (e.get(o.rs1), e.get(o.rs2));
    let truth = e.compare(c, a, b);
    e.branch(truth, relative(pc, o.imm));
    Ok(())
}

/// Loads.
#[inline(always)]
pub(super) fn load<E: Emitter>(
    e: &mut E,
    o: &Operands,
    _: u64,
    width: Width,
    signed: bool,
) -> Done<E> {
    let addr = address(e, o);
    let value = e.load(addr, Access { signed, ..Access::new(width) })?;
    set(e, o.rd, value);
    Ok(())
}

/// Stores.
#[inline(always)]
pub(super) fn store<E: Emitter>(e: &mut E, o: &Operands, _: u64, width: Width) -> Done<E> {
    let addr = address(e, o);
    let value = e.get(o.rs2);
    e.store(addr, Access::new(width), value)
}

/// A word as loaded by an atomic is sign-extended; a doubleword fills the register.
const fn atomic(width: Width) -> Access {
    Access::new(width).atomic().signed()
}

/// What an atomic memory operation stores.
#[derive(Clone, Copy)]
pub(super) enum Amo {
    Swap,
    Of(Binary),
}

/// Atomic memory operations. One hart runs at a time, so load and store are atomic together.
#[inline(always)]
pub(super) fn amo<E: Emitter>(e: &mut E, o: &Operands, _: u64, width: Width, what: Amo) -> Done<E> {
    let addr = e.get(o.rs1);
    let b = e.get(o.rs2);
    let old = e.load(addr, atomic(width))?;
    let new = match what {
        Amo::Swap => b,
        // Words compare as words: both sides extended alike keep signed and unsigned order.
        Amo::Of(op) if width == Width::Word => {
            let b = e.unary(Unary::SignExtend32, b);
            e.binary(op, old, b)
        }
        Amo::Of(op) => e.binary(op, old, b),
    };
    e.store(addr, atomic(width), new)?;
    set(e, o.rd, old);
    Ok(())
}

/// lr.w, lr.d: the reservation is the virtual address and the value that was there.
#[inline(always)]
pub(super) fn load_reserved<E: Emitter>(e: &mut E, o: &Operands, _: u64, width: Width) -> Done<E> {
    let addr = e.get(o.rs1);
    let access = Access { aligned: true, signed: true, ..Access::new(width) };
    let value = e.load(addr, access)?;
    e.set(RESERVATION_ADDRESS, addr);
    e.set(RESERVATION_VALUE, value);
    set(e, o.rd, value);
    Ok(())
}

/// sc.w, sc.d: succeeds when the reservation is for this address and the value is still there. A
/// failing one stores what it found, so that both outcomes need the same permissions.
#[inline(always)]
pub(super) fn store_conditional<E: Emitter>(
    e: &mut E,
    o: &Operands,
    _: u64,
    width: Width,
) -> Done<E> {
    let addr = e.get(o.rs1);
    let b = e.get(o.rs2);
    let found = e.load(addr, atomic(width))?;
    let reserved = e.get(RESERVATION_ADDRESS);
    let expected = e.get(RESERVATION_VALUE);
    let other_address = e.binary(Binary::Xor, reserved, addr);
    let other_value = e.binary(Binary::Xor, expected, found);
    let different = e.binary(Binary::Or, other_address, other_value);
    let zero = e.constant(0);
    let failed = e.compare(Condition::NotEqual, different, zero);
    let new = e.select(failed, found, b);
    e.store(addr, atomic(width), new)?;
    let none = e.constant(u64::MAX);
    e.set(RESERVATION_ADDRESS, none);
    let result = e.bit(failed);
    set(e, o.rd, result);
    Ok(())
}
