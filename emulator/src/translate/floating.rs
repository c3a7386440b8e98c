//! Floating point on host instructions.
//!
//! With rounding to nearest and the "inexact" flag set already, an operation can be done by the
//! host whenever its RESULT proves that no other flag is raised: a finite result above the smallest
//! normal number was not invalid, did not divide by zero, overflow or underflow. Sums and
//! differences cannot underflow inexactly, so there any finite result will do. Everything else (all
//! NaNs, whose bits differ between hosts) calls the architecture's function.
//!
//! The host's own exception flags are never read: the code generator treats floating point as
//! pure, and may fold or move it.

use super::emission::{Emission, Operand};
use crate::isa::emit::{HostFloat, HostFormat, HostOperation, HostRounding};
use cranelift_codegen::ir::{
    BlockArg, InstBuilder, MemFlagsData, Type, Value,
    condcodes::FloatCC,
    types::{F32, F64, I32, I64},
};

/// What a result must be for the host's answer to stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proof {
    /// Finite.
    Finite,
    /// Finite and larger in magnitude than the smallest normal number.
    Normal,
}

impl Emission<'_, '_> {
    /// Does `host` on the host where that is exact, calling `function` otherwise at run time.
    /// `None` when it must always be called.
    pub(super) fn host_float(
        &mut self,
        host: HostFloat,
        function: u32,
        values: [Operand; 3],
    ) -> Option<Operand> {
        let nearest = match host.rounding {
            HostRounding::Nearest => true,
            HostRounding::Dynamic => self.float_mode.rounds_to_nearest,
            HostRounding::Other => false,
        };
        let fused = matches!(host.operation, HostOperation::MultiplyAdd { .. });
        if !nearest || !self.float_mode.inexact_is_set || (fused && !self.host_fuses) {
            return None;
        }
        // What must hold beside the proof.
        let mut conditions = Vec::new();
        let (result, kind, proof) = match host.operation {
            HostOperation::Equal | HostOperation::Less | HostOperation::LessOrEqual => {
                let [a, b] =
                    [0, 1].map(|i| self.float_operand(host.format, values[i], &mut conditions));
                let code = match host.operation {
                    HostOperation::Equal => FloatCC::Equal,
                    HostOperation::Less => FloatCC::LessThan,
                    _ => FloatCC::LessThanOrEqual,
                };
                conditions.push(self.builder.ins().fcmp(FloatCC::Ordered, a, b));
                let truth = self.builder.ins().fcmp(code, a, b);
                (self.builder.ins().uextend(I64, truth), I64, None)
            }
            HostOperation::ToSigned32 | HostOperation::ToSigned64 => {
                let a = self.float_operand(host.format, values[0], &mut conditions);
                let result = self.truncated(host.operation, host.format, a, &mut conditions);
                (result, I64, None)
            }
            HostOperation::FromSigned32 | HostOperation::FromSigned64 => {
                let mut integer = self.integer(values[0]);
                if host.operation == HostOperation::FromSigned32 {
                    integer = self.builder.ins().ireduce(I32, integer);
                }
                let kind = kind_of(host.format);
                (self.builder.ins().fcvt_from_sint(kind, integer), kind, None)
            }
            HostOperation::Narrow => {
                let a = self.float_operand(HostFormat::Double, values[0], &mut conditions);
                (self.builder.ins().fdemote(F32, a), F32, Some(Proof::Normal))
            }
            HostOperation::Widen => {
                let a = self.float_operand(HostFormat::Single, values[0], &mut conditions);
                (self.builder.ins().fpromote(F64, a), F64, Some(Proof::Finite))
            }
            _ => self.arithmetic(host, values, &mut conditions),
        };
        if let Some(proof) = proof {
            conditions.push(self.prove(proof, kind, result));
        }
        Some(self.or_call(&conditions, kind, result, function, values))
    }

    fn float_operand(
        &mut self,
        format: HostFormat,
        operand: Operand,
        conditions: &mut Vec<Value>,
    ) -> Value {
        match format {
            HostFormat::Double => self.double(operand),
            HostFormat::Single => {
                let (value, is_boxed) = self.single(operand);
                conditions.extend(is_boxed);
                value
            }
        }
    }

    fn arithmetic(
        &mut self,
        host: HostFloat,
        values: [Operand; 3],
        conditions: &mut Vec<Value>,
    ) -> (Value, Type, Option<Proof>) {
        let kind = kind_of(host.format);
        let a = self.float_operand(host.format, values[0], conditions);
        if host.operation == HostOperation::SquareRoot {
            return (self.builder.ins().sqrt(a), kind, Some(Proof::Normal));
        }
        let b = self.float_operand(host.format, values[1], conditions);
        let (result, proof) = match host.operation {
            HostOperation::Add => (self.builder.ins().fadd(a, b), Proof::Finite),
            HostOperation::Sub => (self.builder.ins().fsub(a, b), Proof::Finite),
            HostOperation::Multiply => (self.builder.ins().fmul(a, b), Proof::Normal),
            HostOperation::Divide => (self.builder.ins().fdiv(a, b), Proof::Normal),
            HostOperation::MultiplyAdd { negate_product, negate_addend } => {
                let c = self.float_operand(host.format, values[2], conditions);
                let a = if negate_product { self.builder.ins().fneg(a) } else { a };
                let c = if negate_addend { self.builder.ins().fneg(c) } else { c };
                (self.builder.ins().fma(a, b, c), Proof::Normal)
            }
            other => unreachable!("{other:?} is no arithmetic"),
        };
        (result, kind, Some(proof))
    }

    fn truncated(
        &mut self,
        operation: HostOperation,
        format: HostFormat,
        a: Value,
        conditions: &mut Vec<Value>,
    ) -> Value {
        // Strictly inside the range, so that truncation cannot leave it; false for NaN.
        let limit: f64 = if operation == HostOperation::ToSigned32 {
            2_147_483_648.0
        } else {
            9_223_372_036_854_775_808.0
        };
        let magnitude = self.builder.ins().fabs(a);
        let limit = self.float_constant(kind_of(format), limit);
        let inside = self.builder.ins().fcmp(FloatCC::LessThan, magnitude, limit);
        conditions.push(inside);
        // 32-bit results are in range of the 64-bit conversion, too.
        self.builder.ins().fcvt_to_sint_sat(I64, a)
    }

    fn float_constant(&mut self, kind: Type, value: f64) -> Value {
        if kind == F32 {
            #[expect(clippy::cast_possible_truncation, reason = "only powers of two are asked for")]
            let single = value as f32;
            self.builder.ins().f32const(single)
        } else {
            self.builder.ins().f64const(value)
        }
    }

    /// What is not zero when `result` is as `proof` wants it; it may also be zero for the largest
    /// numbers.
    fn prove(&mut self, proof: Proof, kind: Type, result: Value) -> Value {
        let (integer, fraction_bits, exponents) =
            if kind == F32 { (I32, 23, 0xff) } else { (I64, 52, 0x7ff) };
        // Adding to the exponent turns those that will not do into small ones: all ones wraps to
        // zero or one, and zero and one stay below four.
        let (shift, mask) = match proof {
            Proof::Normal => (2, exponents & !3),
            Proof::Finite => (1, exponents),
        };
        let bits = self.builder.ins().bitcast(integer, MemFlagsData::new(), result);
        let exponent = self.builder.ins().ushr_imm_u(bits, fraction_bits);
        let shifted = self.builder.ins().iadd_imm_s(exponent, shift);
        self.builder.ins().band_imm_u(shifted, mask)
    }

    /// `result` when no condition is zero, else what the function answers.
    fn or_call(
        &mut self,
        conditions: &[Value],
        kind: Type,
        result: Value,
        function: u32,
        values: [Operand; 3],
    ) -> Operand {
        if conditions.is_empty() {
            return operand(kind, result);
        }
        let [cold, done] = [self.builder.create_block(), self.builder.create_block()];
        self.builder.set_cold_block(cold);
        for condition in conditions {
            let on = self.builder.create_block();
            self.builder.ins().brif(*condition, on, &[], cold, &[]);
            self.builder.switch_to_block(on);
        }
        self.builder.append_block_param(done, kind);
        self.builder.ins().jump(done, &[BlockArg::Value(result)]);
        self.builder.switch_to_block(cold);
        let bits = self.call_function(function, values);
        let value = match kind {
            I64 => bits,
            F64 => self.builder.ins().bitcast(F64, MemFlagsData::new(), bits),
            _ => {
                // A function's single is always boxed: its low half says everything.
                let low = self.builder.ins().ireduce(I32, bits);
                self.builder.ins().bitcast(F32, MemFlagsData::new(), low)
            }
        };
        self.builder.ins().jump(done, &[BlockArg::Value(value)]);
        self.builder.switch_to_block(done);
        operand(kind, self.builder.block_params(done)[0])
    }
}

fn kind_of(format: HostFormat) -> Type {
    match format {
        HostFormat::Single => F32,
        HostFormat::Double => F64,
    }
}

fn operand(kind: Type, value: Value) -> Operand {
    match kind {
        F64 => Operand::Double(value),
        F32 => Operand::Single(value),
        _ => Operand::Integer(value),
    }
}
