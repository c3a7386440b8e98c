//! The fixed pieces of generated code: the way in, the way out, and calls back into Rust.
//!
//! - `enter`: called from Rust as an ordinary C function; calls a region.
//! - `leave`: where an exit that is linked to nothing goes; stores the pc and returns to `enter`'s
//!   caller.
//! - shims: generated code calls Rust with the convention that preserves every register, so that
//!   the hot path around a cold call saves nothing. A shim saves what C may clobber.

use super::{
    TranslatorError,
    arena::Arena,
    host::{Host, region_signature, shim_signature, signature},
};
use cranelift_codegen::{
    ir::{InstBuilder, MemFlagsData, Signature, Value, types::I64},
    isa::CallConv,
};
use cranelift_frontend::FunctionBuilder;

/// Compiles a one-block function and places it.
fn piece(
    host: &mut Host,
    arena: &mut Arena,
    signature: Signature,
    build: impl FnOnce(&mut FunctionBuilder<'_>, &[Value]),
) -> Result<u64, TranslatorError> {
    let code = host.compile(signature, |builder| {
        let block = builder.create_block();
        builder.append_block_params_for_function_params(block);
        builder.switch_to_block(block);
        let params = builder.block_params(block).to_vec();
        build(builder, &params);
    })?;
    Ok(arena.place(code).0.address)
}

/// `extern "C" fn(processor, steps left, pc, code) -> steps left`.
pub(super) fn enter(host: &mut Host, arena: &mut Arena) -> Result<u64, TranslatorError> {
    piece(host, arena, signature(CallConv::SystemV, 4, true), |builder, params| {
        let callee = builder.import_signature(region_signature());
        let call = builder.ins().call_indirect(callee, params[3], &params[..3]);
        let left = builder.inst_results(call)[0];
        builder.ins().return_(&[left]);
    })
}

/// A region that stores its `pc` parameter at `pc_offset` in the processor and returns.
pub(super) fn leave(
    host: &mut Host,
    arena: &mut Arena,
    pc_offset: i32,
) -> Result<u64, TranslatorError> {
    piece(host, arena, region_signature(), |builder, params| {
        builder.ins().store(MemFlagsData::trusted(), params[2], params[0], pc_offset);
        builder.ins().return_(&[params[1]]);
    })
}

/// A call that preserves all registers around `target`, an `extern "C"` function of four words.
pub(super) fn shim(
    host: &mut Host,
    arena: &mut Arena,
    target: u64,
) -> Result<u64, TranslatorError> {
    piece(host, arena, shim_signature(), |builder, params| {
        let callee = builder.import_signature(signature(CallConv::SystemV, 4, false));
        let target = builder.ins().iconst(I64, target.cast_signed());
        builder.ins().call_indirect(callee, target, params);
        builder.ins().return_(&[]);
    })
}

#[cfg(test)]
#[expect(unsafe_code, reason = "runs generated code to prove that it keeps registers")]
mod tests {
    use super::*;
    use cranelift_codegen::ir::types::F64;

    /// Overwrites every register that a C function may.
    extern "C" fn clobber(memory: *mut u64, a: u64, b: u64, c: u64) {
        // SAFETY: only registers that the C convention lets a callee clobber are named.
        unsafe {
            std::arch::asm!(
                "mov rax, -1", "mov rcx, -1", "mov rdx, -1", "mov rsi, -1", "mov rdi, -1",
                "mov r8, -1", "mov r9, -1", "mov r10, -1", "mov r11, -1",
                "pcmpeqd xmm0, xmm0", "pcmpeqd xmm1, xmm1", "pcmpeqd xmm2, xmm2",
                "pcmpeqd xmm3, xmm3", "pcmpeqd xmm4, xmm4", "pcmpeqd xmm5, xmm5",
                "pcmpeqd xmm6, xmm6", "pcmpeqd xmm7, xmm7", "pcmpeqd xmm8, xmm8",
                "pcmpeqd xmm9, xmm9", "pcmpeqd xmm10, xmm10", "pcmpeqd xmm11, xmm11",
                "pcmpeqd xmm12, xmm12", "pcmpeqd xmm13, xmm13", "pcmpeqd xmm14, xmm14",
                "pcmpeqd xmm15, xmm15",
                out("rax") _, out("rcx") _, out("rdx") _, out("rsi") _, out("rdi") _,
                out("r8") _, out("r9") _, out("r10") _, out("r11") _,
                out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _, out("xmm4") _,
                out("xmm5") _, out("xmm6") _, out("xmm7") _, out("xmm8") _, out("xmm9") _,
                out("xmm10") _, out("xmm11") _, out("xmm12") _, out("xmm13") _, out("xmm14") _,
                out("xmm15") _,
            );
        }
        // SAFETY: the test passes the address of a live word.
        unsafe { *memory = a ^ b.rotate_left(1) ^ c.rotate_left(2) };
    }

    #[test]
    fn a_shim_keeps_more_live_values_than_there_are_registers() {
        const LIVE: usize = 40;
        let mut host = Host::new().unwrap();
        let mut arena = Arena::new(2, 1 << 16).unwrap();
        let shim = shim(&mut host, &mut arena, clobber as *const () as u64).unwrap();
        let enter = enter(&mut host, &mut arena).unwrap();
        // Forty integers and forty doubles stay alive across the call, half of each from before.
        let region = piece(&mut host, &mut arena, region_signature(), |builder, params| {
            let mut integers = Vec::new();
            let mut doubles = Vec::new();
            for index in 0..LIVE {
                let integer = builder.ins().imul_imm_s(params[1], 2 * index as i64 + 3);
                integers.push(integer);
                doubles.push(builder.ins().bitcast(F64, MemFlagsData::new(), integer));
            }
            let callee = builder.import_signature(shim_signature());
            let target = builder.ins().iconst(I64, shim.cast_signed());
            builder.ins().call_indirect(
                callee,
                target,
                &[params[0], params[1], params[2], params[1]],
            );
            let mut sum = params[2];
            for (integer, double) in integers.into_iter().zip(doubles) {
                let bits = builder.ins().bitcast(I64, MemFlagsData::new(), double);
                let both = builder.ins().bxor(integer, bits);
                let both = builder.ins().bor(both, integer);
                sum = builder.ins().iadd(sum, both);
            }
            builder.ins().return_(&[sum]);
        })
        .unwrap();
        type Enter = extern "C" fn(*mut u64, u64, u64, u64) -> u64;
        // SAFETY: `enter` was generated with exactly this signature and lives in `arena`.
        let enter: Enter = unsafe { std::mem::transmute(enter) };
        let mut memory = 0;
        let (left, pc) = (0x1234_5678_9abc_def1_u64, 77_u64);
        let sum = enter(&raw mut memory, left, pc, region);
        let expected = (0..LIVE as u64)
            .fold(pc, |sum, index| sum.wrapping_add(left.wrapping_mul(2 * index + 3)));
        assert_eq!(sum, expected);
        assert_eq!(memory, left ^ pc.rotate_left(1) ^ left.rotate_left(2));
    }
}
