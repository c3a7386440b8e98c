//! The emitter that semantics are run on to make code.

use super::{
    bases::Way,
    emission::{Emission, Operand, SINGLE_BOX, offset},
    exit::pack_access,
};
use crate::{
    bus::Width,
    frame::Frame,
    isa::emit::{Access, Binary, Condition, Emitter, HostFloat, Register, Unary},
    tlb,
};
use cranelift_codegen::ir::{
    Block, BlockArg, InstBuilder, Type, Value,
    condcodes::IntCC,
    types::{F32, F64, I8, I16, I32, I64},
};
use std::{convert::Infallible, mem::offset_of};

fn condition_code(condition: Condition) -> IntCC {
    match condition {
        Condition::Equal => IntCC::Equal,
        Condition::NotEqual => IntCC::NotEqual,
        Condition::LessSigned => IntCC::SignedLessThan,
        Condition::NotLessSigned => IntCC::SignedGreaterThanOrEqual,
        Condition::LessUnsigned => IntCC::UnsignedLessThan,
        Condition::NotLessUnsigned => IntCC::UnsignedGreaterThanOrEqual,
    }
}

/// The kind of value that an access is best done with.
fn kind_at_hand(access: Access) -> Type {
    match access.width {
        Width::Double if access.float && !access.big_endian => F64,
        Width::Word if access.float && !access.big_endian => F32,
        _ => I64,
    }
}

impl Emitter for Emission<'_, '_> {
    type Value = Operand;
    /// A truth value of 8 bits.
    type Bool = Value;
    type Stop = Infallible;

    fn constant(&mut self, value: u64) -> Operand {
        Operand::Constant(value)
    }

    fn get(&mut self, register: Register) -> Operand {
        self.read_register(register)
    }

    fn set(&mut self, register: Register, value: Operand) {
        self.write_register(register, value);
    }

    fn binary(&mut self, operation: Binary, a: Operand, b: Operand) -> Operand {
        match (operation, a, b) {
            (_, Operand::Constant(a), Operand::Constant(b)) => {
                return Operand::Constant(operation.eval(a, b));
            }
            (
                Binary::Add | Binary::Or | Binary::Xor | Binary::ShiftLeft | Binary::ShiftRight,
                other,
                Operand::Constant(0),
            )
            | (Binary::Add | Binary::Or | Binary::Xor, Operand::Constant(0), other) => {
                return other;
            }
            (Binary::Or, Operand::Loaded(value), Operand::Constant(SINGLE_BOX)) => {
                return Operand::Single(value);
            }
            (Binary::Add, a, Operand::Constant(b)) | (Binary::Add, Operand::Constant(b), a) => {
                if let Some(sum) = self.sum(a, b.cast_signed()) {
                    return sum;
                }
            }
            _ => {}
        }
        let shrunk = match (operation, b) {
            (Binary::ShiftRight, Operand::Constant(amount)) => {
                Some(self.width(a).saturating_sub((amount & 63) as u32))
            }
            (Binary::And, Operand::Constant(mask)) => Some(64 - mask.leading_zeros()),
            _ => None,
        };
        let (a, b) = (self.integer(a), self.integer(b));
        let value = self.compute(operation, a, b);
        if let Some(width) = shrunk {
            self.widths.insert(value, width);
        }
        Operand::Integer(value)
    }

    fn unary(&mut self, operation: Unary, a: Operand) -> Operand {
        if let Operand::Constant(a) = a {
            return Operand::Constant(operation.eval(a));
        }
        let width = self.width(a);
        let extended = match operation {
            Unary::ZeroExtend8 => Some(8),
            Unary::ZeroExtend16 => Some(16),
            Unary::ZeroExtend32 => Some(32),
            // Without its sign bit it stays what it is.
            Unary::SignExtend8 => Some(7),
            Unary::SignExtend16 => Some(15),
            Unary::SignExtend32 => Some(31),
            _ => None,
        };
        if extended.is_some_and(|bits| width <= bits) {
            return a;
        }
        let a = self.integer(a);
        let extend = |this: &mut Self, bits, signed| {
            let narrow = this.builder.ins().ireduce(bits, a);
            if signed {
                this.builder.ins().sextend(I64, narrow)
            } else {
                this.builder.ins().uextend(I64, narrow)
            }
        };
        let value = match operation {
            Unary::SignExtend8 => extend(self, I8, true),
            Unary::SignExtend16 => extend(self, I16, true),
            Unary::SignExtend32 => extend(self, I32, true),
            Unary::ZeroExtend8 => extend(self, I8, false),
            Unary::ZeroExtend16 => extend(self, I16, false),
            Unary::ZeroExtend32 => extend(self, I32, false),
            Unary::Not => self.builder.ins().bnot(a),
            Unary::LeadingZeros => self.builder.ins().clz(a),
            Unary::TrailingZeros => self.builder.ins().ctz(a),
            Unary::Ones => self.builder.ins().popcnt(a),
            Unary::ReverseBytes => self.builder.ins().bswap(a),
        };
        if let Some(bits @ (8 | 16 | 32)) = extended {
            self.widths.insert(value, bits);
        }
        Operand::Integer(value)
    }

    fn compare(&mut self, condition: Condition, a: Operand, b: Operand) -> Value {
        let a = self.integer(a);
        if let Operand::Constant(b) = b {
            let code = condition_code(condition);
            return self.builder.ins().icmp_imm_s(code, a, b.cast_signed());
        }
        let b = self.integer(b);
        self.builder.ins().icmp(condition_code(condition), a, b)
    }

    fn select(&mut self, condition: Value, a: Operand, b: Operand) -> Operand {
        let (a, b) = (self.integer(a), self.integer(b));
        Operand::Integer(self.builder.ins().select(condition, a, b))
    }

    fn bit(&mut self, condition: Value) -> Operand {
        Operand::Integer(self.builder.ins().uextend(I64, condition))
    }

    fn load(&mut self, addr: Operand, access: Access) -> Result<Operand, Infallible> {
        let field = if access.writes {
            offset_of!(tlb::Entry, write_tag)
        } else {
            offset_of!(tlb::Entry, read_tag)
        };
        let (host, [miss, done]) = self.look_up(addr, access, field);
        let kind = kind_at_hand(access);
        let value = match kind {
            I64 => self.load_host(host, access),
            kind => self.builder.ins().load(kind, self.memories.guest, host.0, host.1),
        };
        self.builder.append_block_param(done, kind);
        self.builder.ins().jump(done, &[BlockArg::Value(value)]);
        self.builder.switch_to_block(miss);
        let addr = self.integer(addr);
        let nothing = self.builder.ins().iconst(I64, 0);
        let shim = self.load_frame(offset_of!(Frame, load_shim));
        let mut result = self.call_shim(shim, pack_access(access), [addr, nothing]);
        if kind == F32 {
            result = self.builder.ins().ireduce(I32, result);
        }
        if kind != I64 {
            result = self.cast(kind, result);
        }
        self.builder.ins().jump(done, &[BlockArg::Value(result)]);
        self.builder.switch_to_block(done);
        let value = self.builder.block_params(done)[0];
        match kind {
            F32 => return Ok(Operand::Loaded(value)),
            F64 => return Ok(Operand::Double(value)),
            _ => {}
        }
        if !access.signed && access.width != Width::Double {
            self.widths.insert(value, 8 << access.width.bytes().trailing_zeros());
        }
        Ok(Operand::Integer(value))
    }

    fn store(&mut self, addr: Operand, access: Access, value: Operand) -> Result<(), Infallible> {
        let field = offset_of!(tlb::Entry, write_tag);
        let (host, [miss, done]) = self.look_up(addr, access, field);
        match (value, kind_at_hand(access)) {
            (Operand::Double(value), F64) | (Operand::Single(value), F32) => {
                self.builder.ins().store(self.memories.guest, value, host.0, host.1);
            }
            _ => {
                let value = self.integer(value);
                self.store_host(host, access, value);
            }
        }
        self.builder.ins().jump(done, &[]);
        self.builder.switch_to_block(miss);
        let (addr, value) = (self.integer(addr), self.integer(value));
        let shim = self.load_frame(offset_of!(Frame, store_shim));
        self.call_shim(shim, pack_access(access), [addr, value]);
        self.builder.ins().jump(done, &[]);
        self.builder.switch_to_block(done);
        Ok(())
    }

    fn call(&mut self, function: u32, values: [Operand; 3]) -> Operand {
        self.mode_may_change |= !self.float_mode.inexact_is_set;
        Operand::Integer(self.call_function(function, values))
    }

    fn float(&mut self, host: HostFloat, function: u32, values: [Operand; 3]) -> Operand {
        match self.host_float(host, function, values) {
            Some(result) => result,
            None => self.call(function, values),
        }
    }

    fn jump(&mut self, target: u64) {
        self.goto(target);
    }

    fn jump_to(&mut self, target: Operand) {
        match target {
            Operand::Constant(target) => self.goto(target),
            target => {
                let target = self.integer(target);
                self.goto_value(target);
            }
        }
    }

    fn branch(&mut self, condition: Value, taken: u64) {
        let next = self.site_next();
        self.branch_to(condition, [taken, next]);
    }
}

impl Emission<'_, '_> {
    fn compute(&mut self, operation: Binary, a: Value, b: Value) -> Value {
        let ins = self.builder.ins();
        match operation {
            Binary::Add => ins.iadd(a, b),
            Binary::Sub => ins.isub(a, b),
            Binary::And => ins.band(a, b),
            Binary::Or => ins.bor(a, b),
            Binary::Xor => ins.bxor(a, b),
            Binary::ShiftLeft => ins.ishl(a, b),
            Binary::ShiftRight => ins.ushr(a, b),
            Binary::ShiftRightSigned => ins.sshr(a, b),
            Binary::RotateLeft => ins.rotl(a, b),
            Binary::RotateRight => ins.rotr(a, b),
            Binary::Multiply => ins.imul(a, b),
            Binary::MultiplyHighSigned => ins.smulhi(a, b),
            Binary::MultiplyHighUnsigned => ins.umulhi(a, b),
            Binary::MultiplyHighMixed => {
                // The unsigned high half, less b when a is negative.
                let high = ins.umulhi(a, b);
                let sign = self.builder.ins().sshr_imm_u(a, 63);
                let excess = self.builder.ins().band(sign, b);
                self.builder.ins().isub(high, excess)
            }
            Binary::MinSigned => ins.smin(a, b),
            Binary::MinUnsigned => ins.umin(a, b),
            Binary::MaxSigned => ins.smax(a, b),
            Binary::MaxUnsigned => ins.umax(a, b),
            Binary::DivideSigned
            | Binary::DivideUnsigned
            | Binary::RemainderSigned
            | Binary::RemainderUnsigned => self.divide(operation, a, b),
        }
    }

    /// Division whose special cases are defined; the host's traps on them.
    fn divide(&mut self, operation: Binary, a: Value, b: Value) -> Value {
        let zero = self.builder.ins().icmp_imm_s(IntCC::Equal, b, 0);
        let one = self.builder.ins().iconst(I64, 1);
        let ones = self.builder.ins().iconst(I64, -1);
        let signed = matches!(operation, Binary::DivideSigned | Binary::RemainderSigned);
        if !signed {
            let divisor = self.builder.ins().select(zero, one, b);
            return if operation == Binary::DivideUnsigned {
                let quotient = self.builder.ins().udiv(a, divisor);
                self.builder.ins().select(zero, ones, quotient)
            } else {
                let remainder = self.builder.ins().urem(a, divisor);
                self.builder.ins().select(zero, a, remainder)
            };
        }
        // By -1 the quotient is -a and the remainder 0, the overflow included.
        let minus = self.builder.ins().icmp_imm_s(IntCC::Equal, b, -1);
        let special = self.builder.ins().bor(zero, minus);
        let divisor = self.builder.ins().select(special, one, b);
        if operation == Binary::DivideSigned {
            let quotient = self.builder.ins().sdiv(a, divisor);
            let negated = self.builder.ins().ineg(a);
            let quotient = self.builder.ins().select(minus, negated, quotient);
            self.builder.ins().select(zero, ones, quotient)
        } else {
            let remainder = self.builder.ins().srem(a, divisor);
            self.builder.ins().select(zero, a, remainder)
        }
    }

    /// How many low bits of the operand can be set.
    fn width(&self, operand: Operand) -> u32 {
        match operand {
            Operand::Constant(value) => 64 - value.leading_zeros(),
            Operand::Integer(value) => self.widths.get(&value).copied().unwrap_or(64),
            _ => 64,
        }
    }

    /// `a + b`, not yet added, when `b` is small.
    fn sum(&mut self, a: Operand, b: i64) -> Option<Operand> {
        let (base, before) = match a {
            Operand::Sum(base, constant) => (base, i64::from(constant)),
            other => (self.integer(other), 0),
        };
        let constant = i32::try_from(before.checked_add(b)?).ok()?;
        Some(Operand::Sum(base, constant))
    }

    /// Finds where in the host's memory `addr` is. Continues in the block of a hit with the host
    /// address, a value plus a constant; gives the blocks for a miss and for what comes after.
    fn look_up(
        &mut self,
        addr: Operand,
        access: Access,
        tag_field: usize,
    ) -> ((Value, i32), [Block; 2]) {
        // The slow path may refuse and leave.
        self.settle();
        let bytes = access.width.bytes();
        let (base, constant) = match addr {
            Operand::Sum(base, constant) => (base, constant),
            other => (self.integer(other), 0),
        };
        let way = self.ways.pop().expect("each access was followed");
        let ins = &mut *self.builder;
        let [hit, miss, done] = [ins.create_block(), ins.create_block(), ins.create_block()];
        ins.set_cold_block(miss);
        let addend = ins.append_block_param(hit, I64);
        // The page of the last byte: an access that crosses into the next page misses. One that
        // must be aligned keeps its low bits instead and so misses when it is not.
        let (past, mask) = if access.aligned || bytes == 1 {
            (0, tlb::PAGE_MASK | (bytes - 1))
        } else {
            ((bytes - 1).cast_signed(), tlb::PAGE_MASK)
        };
        let past = i64::from(constant) + past;
        let last = if past == 0 { base } else { ins.ins().iadd_imm_s(base, past) };
        let page = ins.ins().band_imm_s(last, mask.cast_signed());
        let writes = tag_field == offset_of!(tlb::Entry, write_tag);
        let keep = match way {
            Way::Table => None,
            Way::Keep(base) => Some(self.recent_at(base, writes)),
            Way::Recent(base) => {
                let at = self.recent_at(base, writes);
                self.look_at_recent(page, at, hit);
                Some(at)
            }
        };
        let found = self.builder.create_block();
        if matches!(way, Way::Recent(_)) {
            self.builder.set_cold_block(found);
        }
        let addr = self.integer(addr);
        self.look_into_table((addr, page), tag_field, keep, [found, hit, miss]);
        self.builder.switch_to_block(hit);
        ((self.builder.ins().iadd(addend, base), constant), [miss, done])
    }

    /// Offset of what is kept for a base register.
    fn recent_at(&self, base: Register, writes: bool) -> usize {
        let kind = usize::from(writes) * tlb::BASES;
        self.recent + (kind + usize::from(base) % tlb::BASES) * size_of::<tlb::Recent>()
    }

    /// Goes to `hit` when what is kept at `at` is for `page`; continues in a cold block otherwise.
    fn look_at_recent(&mut self, page: Value, at: usize, hit: Block) {
        let [same, other] = [self.builder.create_block(), self.builder.create_block()];
        self.builder.set_cold_block(other);
        let tag = self.load_at(at + offset_of!(tlb::Recent, tag), self.processor);
        let equal = self.builder.ins().icmp(IntCC::Equal, page, tag);
        self.builder.ins().brif(equal, same, &[], other, &[]);
        self.builder.switch_to_block(same);
        let addend = self.load_at(at + offset_of!(tlb::Recent, addend), self.processor);
        self.builder.ins().jump(hit, &[BlockArg::Value(addend)]);
        self.builder.switch_to_block(other);
    }

    /// Goes to `hit` with the addend that the TLB has for `page`, keeping it at `keep`, or to
    /// `miss`.
    fn look_into_table(
        &mut self,
        (addr, page): (Value, Value),
        tag_field: usize,
        keep: Option<usize>,
        [found, hit, miss]: [Block; 3],
    ) {
        let ins = &mut *self.builder;
        let entry_bits = size_of::<tlb::Entry>().trailing_zeros();
        let shift = i64::from(crate::memory::PAGE_SHIFT - entry_bits);
        let low = ins.ins().ushr_imm_u(addr, shift);
        let high = ins.ins().ushr_imm_u(addr, shift + i64::from(tlb::INDEX_BITS));
        let mixed = ins.ins().bxor(low, high);
        let entries = ((tlb::ENTRIES - 1) << entry_bits) as u64;
        let index = ins.ins().band_imm_u(mixed, entries.cast_signed());
        let entry = ins.ins().iadd(self.processor, index);
        let tag = self.load_at(self.tlb + tag_field, entry);
        let same = self.builder.ins().icmp(IntCC::Equal, page, tag);
        self.builder.ins().brif(same, found, &[], miss, &[]);
        self.builder.switch_to_block(found);
        let addend = self.load_at(self.tlb + offset_of!(tlb::Entry, addend), entry);
        if let Some(at) = keep {
            let fields =
                [(offset_of!(tlb::Recent, tag), page), (offset_of!(tlb::Recent, addend), addend)];
            for (field, value) in fields {
                let at = offset(at + field);
                self.builder.ins().store(self.memories.frame, value, self.processor, at);
            }
        }
        self.builder.ins().jump(hit, &[BlockArg::Value(addend)]);
    }

    fn load_at(&mut self, field: usize, base: Value) -> Value {
        self.builder.ins().load(I64, self.memories.frame, base, offset(field))
    }

    fn load_host(&mut self, (host, past): (Value, i32), access: Access) -> Value {
        let flags = self.memories.guest;
        let ins = self.builder.ins();
        let swaps = access.big_endian && access.width != Width::Byte;
        let value = match (access.width.bytes(), access.signed && !swaps) {
            (1, false) => ins.uload8(I64, flags, host, past),
            (1, true) => ins.sload8(I64, flags, host, past),
            (2, false) => ins.uload16(I64, flags, host, past),
            (2, true) => ins.sload16(I64, flags, host, past),
            (4, false) => ins.uload32(flags, host, past),
            (4, true) => ins.sload32(flags, host, past),
            _ => ins.load(I64, flags, host, past),
        };
        if !swaps {
            return value;
        }
        // The bytes come to the top in their order; shifting them down extends them.
        let top = self.builder.ins().bswap(value);
        let unused = 64 - 8 * access.width.bytes().cast_signed();
        if access.signed {
            self.builder.ins().sshr_imm_u(top, unused)
        } else {
            self.builder.ins().ushr_imm_u(top, unused)
        }
    }

    fn store_host(&mut self, (host, past): (Value, i32), access: Access, mut value: Value) {
        let flags = self.memories.guest;
        let bytes = access.width.bytes();
        if access.big_endian && bytes > 1 {
            let top = self.builder.ins().bswap(value);
            value = self.builder.ins().ushr_imm_u(top, 64 - 8 * bytes.cast_signed());
        }
        let ins = self.builder.ins();
        match bytes {
            1 => ins.istore8(flags, value, host, past),
            2 => ins.istore16(flags, value, host, past),
            4 => ins.istore32(flags, value, host, past),
            _ => ins.store(flags, value, host, past),
        };
    }

    /// Calls Rust for an access and leaves in front of the instruction when that refuses.
    fn call_shim(&mut self, shim: Value, detail: u32, [a, b]: [Value; 2]) -> Value {
        let site = self.builder.ins().iconst(I64, self.site.pack(detail).cast_signed());
        let values = [self.processor, site, a, b];
        self.builder.ins().call_indirect(self.shim, shim, &values);
        let refused = self.load_frame(offset_of!(Frame, exit));
        let on = self.builder.create_block();
        self.builder.set_cold_block(on);
        self.leave_if(refused, on);
        self.load_frame(offset_of!(Frame, result))
    }

    /// Calls one of the architecture's functions.
    pub(super) fn call_function(&mut self, function: u32, values: [Operand; 3]) -> Value {
        for (index, value) in values.into_iter().enumerate() {
            let value = self.integer(value);
            self.store_frame(offset_of!(Frame, values) + 8 * index, value);
        }
        let function = self.builder.ins().iconst(I64, i64::from(function));
        let site = self.builder.ins().iconst(I64, self.site.pack(0).cast_signed());
        let shim = self.load_frame(offset_of!(Frame, call_shim));
        let values = [self.processor, site, function, function];
        self.builder.ins().call_indirect(self.shim, shim, &values);
        self.load_frame(offset_of!(Frame, result))
    }
}
