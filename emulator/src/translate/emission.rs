//! One region as a Cranelift function.
//!
//! Registers are SSA variables over the whole region, so values stay in host registers around loops.
//! A write also goes to the processor's memory, but late: right in front of the next place where
//! the region may be left or entered (an access, a call that may change the mode, the end of the
//! block). So memory is exact wherever anyone can look, leaving needs nothing but a pc, and what is
//! overwritten in between is never stored.
//!
//! The count of steps left is a variable too; a block subtracts its whole length when it begins.
//! An access that cannot be served inline calls Rust; when that refuses as well (a device, a fault,
//! code or page tables written), the region leaves IN FRONT of the instruction, gives back the
//! steps that were not taken, and the interpreter runs the instruction. Since semantics set
//! registers after their last access, nothing of it has happened yet.

use super::{
    bases::{self, Way},
    exit::{Exit, Site},
    host::{region_signature, shim_signature},
    jumps,
    plan::{Block, Plan},
};
use crate::frame::Frame;
use crate::isa::{
    emit::{Flow, Register},
    guest::{FloatMode, Guest, Layout},
};
use crate::tlb::{BASES, ENTRIES, Entry, Recent, Tlb};
use cranelift_codegen::ir::{
    self, AliasRegionData, InstBuilder, MemFlagsData, SigRef, Type, Value,
    condcodes::IntCC,
    types::{F32, F64, I32, I64},
};
use cranelift_frontend::{FunctionBuilder, Variable};
use std::collections::BTreeMap;
use std::mem::offset_of;

/// A value of the guest in the form in which it is at hand.
#[derive(Clone, Copy, Debug)]
pub(super) enum Operand {
    /// Known now.
    Constant(u64),
    /// 64 bits in an integer register.
    Integer(Value),
    /// 64 bits in a floating-point register.
    Double(Value),
    /// A binary32 whose guest form has all ones above it.
    Single(Value),
    /// An integer plus a constant, not yet added: addresses.
    Sum(Value, i32),
}

/// Memory flags; disjoint kinds of memory do not alias.
#[derive(Clone, Copy, Debug)]
pub(super) struct Memories {
    /// Registers of the processor.
    pub(super) registers: MemFlagsData,
    /// The rest of the processor, exit slots and jump tables.
    pub(super) frame: MemFlagsData,
    /// Guest RAM.
    pub(super) guest: MemFlagsData,
}

impl Memories {
    fn of(builder: &mut FunctionBuilder<'_>) -> Self {
        let mut memory = |id: u32, description: &'static str| {
            let data = AliasRegionData { user_id: id, description: description.into() };
            let region = builder.func.dfg.alias_regions.insert(data);
            MemFlagsData::new().with_notrap().with_alias_region(Some(region))
        };
        Self {
            registers: memory(0, "registers").with_aligned(),
            frame: memory(1, "frame").with_aligned(),
            guest: memory(2, "guest"),
        }
    }
}

/// A region under construction.
pub(super) struct Emission<'a, 'f> {
    pub(super) builder: &'a mut FunctionBuilder<'f>,
    pub(super) layout: Layout,
    pub(super) memories: Memories,
    pub(super) float_mode: FloatMode,
    /// Whether the host has a fused multiply-add (elsewhere it would be a library call).
    pub(super) host_fuses: bool,
    /// Offset of the context of the TLB that the mode uses.
    pub(super) tlb: usize,
    /// Offset of its recent pages.
    pub(super) recent: usize,
    /// How the accesses of the block being emitted find memory, next one last.
    pub(super) ways: Vec<Way>,
    pub(super) processor: Value,
    pub(super) shim: SigRef,
    /// Where the common way out starts.
    pub(super) refused: ir::Block,
    /// The instruction being emitted.
    pub(super) site: Site,
    /// The instruction made a call after which the mode may be another.
    pub(super) mode_may_change: bool,
    mode: u64,
    page: u64,
    unpaged: bool,
    region: SigRef,
    left: Variable,
    variables: Vec<Variable>,
    /// What each register holds, when that is known better than by its variable.
    known: Vec<Option<Operand>>,
    /// Registers whose value memory does not have yet, one bit each.
    dirty: u128,
    /// How many low bits of a value can be set, where that is known to be fewer than all.
    pub(super) widths: BTreeMap<Value, u32>,
    entries: BTreeMap<u64, ir::Block>,
    /// Address of the exit slots and what each is for.
    slots: u64,
    exits: Vec<u64>,
}

/// Fills `builder` with the region and returns the pcs that its exit slots are for, in order.
pub(super) fn emit_region<G: Guest>(
    builder: &mut FunctionBuilder<'_>,
    plan: &Plan<G::Instruction>,
    slots: u64,
    host_fuses: bool,
) -> Vec<u64> {
    let layout = G::LAYOUT;
    let memories = Memories::of(builder);
    let floats = layout.floats();
    let usage = super::usage::Usage::of::<G>(plan);
    let variables: Vec<_> = (0..usage.registers())
        .map(|register| builder.declare_var(if floats.contains(&register) { F64 } else { I64 }))
        .collect();
    let left = builder.declare_var(I64);
    let entry = builder.create_block();
    builder.append_block_params_for_function_params(entry);
    builder.switch_to_block(entry);
    let [processor, budget] = [builder.block_params(entry)[0], builder.block_params(entry)[1]];
    builder.def_var(left, budget);
    for register in usage.live_in() {
        let kind = if floats.contains(&register) { F64 } else { I64 };
        let offset = offset((layout.register)(register));
        let value = builder.ins().load(kind, memories.registers, processor, offset);
        builder.def_var(variables[usize::from(register)], value);
    }
    let entries: BTreeMap<_, _> =
        plan.blocks.keys().map(|start| (*start, builder.create_block())).collect();
    builder.ins().jump(entries[&plan.entry], &[]);
    let refused = builder.create_block();
    builder.set_cold_block(refused);
    let context = G::tlb_context(plan.mode);
    let mut ways = bases::ways::<G>(plan);
    let mut emission = Emission {
        layout,
        memories,
        float_mode: G::float_mode(plan.mode),
        host_fuses,
        tlb: layout.tlb + offset_of!(Tlb, contexts) + context * size_of::<[Entry; ENTRIES]>(),
        recent: layout.tlb + offset_of!(Tlb, recent) + context * size_of::<[[Recent; BASES]; 2]>(),
        ways: Vec::new(),
        processor,
        shim: builder.import_signature(shim_signature()),
        region: builder.import_signature(region_signature()),
        refused,
        site: Site::default(),
        mode_may_change: false,
        mode: plan.mode,
        page: plan.entry & !(crate::memory::PAGE_BYTES - 1),
        unpaged: G::is_unpaged(plan.mode),
        left,
        known: vec![None; variables.len()],
        dirty: 0,
        widths: BTreeMap::new(),
        variables,
        entries,
        slots,
        exits: Vec::new(),
        builder,
    };
    for (start, block) in &plan.blocks {
        emission.ways = ways.remove(start).unwrap_or_default();
        emission.ways.reverse();
        emission.block::<G>(*start, block);
        debug_assert!(emission.ways.is_empty(), "each access has taken its way");
    }
    emission.way_out();
    debug_assert_eq!(emission.mode, plan.mode);
    emission.exits
}

/// Offsets inside a processor fit the immediate of a load.
pub(super) fn offset(bytes: usize) -> i32 {
    i32::try_from(bytes).expect("a processor is smaller than 2 GiB")
}

impl Emission<'_, '_> {
    fn block<G: Guest>(&mut self, start: u64, block: &Block<G::Instruction>) {
        self.builder.switch_to_block(self.entries[&start]);
        self.known.fill(None);
        let length = i64::try_from(block.steps.len()).expect("a region is small");
        let mut left = self.builder.use_var(self.left);
        if let Some(need) = block.need {
            let short = self.builder.ins().icmp_imm_s(IntCC::SignedLessThan, left, i64::from(need));
            let [out, on] = [self.builder.create_block(), self.builder.create_block()];
            self.builder.set_cold_block(out);
            self.builder.ins().brif(short, out, &[], on, &[]);
            self.builder.switch_to_block(out);
            self.leave_with(Exit::Budget, start, left);
            self.builder.switch_to_block(on);
            left = self.builder.use_var(self.left);
        }
        let left = self.builder.ins().iadd_imm_s(left, -length);
        self.builder.def_var(self.left, left);
        let count = block.steps.len();
        let mut ended = false;
        for (index, step) in block.steps.iter().enumerate() {
            self.site = Site::new(step.pc, step.decoded.length, count - index);
            self.mode_may_change = false;
            ended = step.decoded.flow != Flow::Next;
            if let Err(never) = G::emit(&step.decoded.instruction, step.pc, self) {
                match never {}
            }
            if self.mode_may_change && !ended {
                self.flush();
                self.leave_if_told();
            }
        }
        if !ended {
            self.goto(block.steps[count - 1].next_pc());
        }
    }

    /// Leaves behind the instruction when the last call said so.
    fn leave_if_told(&mut self) {
        let on = self.builder.create_block();
        let exit = self.load_frame(offset_of!(Frame, exit));
        self.builder.ins().brif(exit, self.refused, &[], on, &[]);
        self.builder.switch_to_block(on);
    }

    /// The common way out: the shim has written where to go on and how many steps to give back.
    fn way_out(&mut self) {
        self.builder.switch_to_block(self.refused);
        let within = self.load_frame(offset_of!(Frame, offset));
        let page = self.builder.ins().iconst(I64, self.page.cast_signed());
        let pc = self.builder.ins().iadd(page, within);
        let at = offset(self.layout.pc);
        self.builder.ins().store(self.memories.registers, pc, self.processor, at);
        let skipped = self.load_frame(offset_of!(Frame, skipped));
        let left = self.builder.use_var(self.left);
        let left = self.builder.ins().iadd(left, skipped);
        self.builder.ins().return_(&[left]);
    }

    /// Returns to the dispatcher.
    fn leave_with(&mut self, exit: Exit, pc: u64, left: Value) {
        let pc = self.builder.ins().iconst(I64, pc.cast_signed());
        let at = offset(self.layout.pc);
        self.builder.ins().store(self.memories.registers, pc, self.processor, at);
        let exit = self.builder.ins().iconst(I64, i64::from(exit as u8));
        self.store_frame(offset_of!(Frame, exit), exit);
        self.builder.ins().return_(&[left]);
    }

    pub(super) fn load_frame(&mut self, field: usize) -> Value {
        let at = offset(self.layout.frame + field);
        self.builder.ins().load(I64, self.memories.frame, self.processor, at)
    }

    pub(super) fn store_frame(&mut self, field: usize, value: Value) {
        let at = offset(self.layout.frame + field);
        self.builder.ins().store(self.memories.frame, value, self.processor, at);
    }

    /// Goes on at a known pc: inside the region, through a linked exit, or by look-up.
    pub(super) fn goto(&mut self, target: u64) {
        self.flush();
        if let Some(&block) = self.entries.get(&target) {
            self.builder.ins().jump(block, &[]);
        } else if self.unpaged || target & !(crate::memory::PAGE_BYTES - 1) == self.page {
            let index = i32::try_from(self.exits.len()).expect("a region has few exits");
            self.exits.push(target);
            let slots = self.builder.ins().iconst(I64, self.slots.cast_signed());
            let code = self.builder.ins().load(I64, self.memories.frame, slots, 8 * index);
            let pc = self.builder.ins().iconst(I64, target.cast_signed());
            self.tail_call(code, pc);
        } else {
            // Another page may come to mean other memory while this region lives.
            let pc = self.builder.ins().iconst(I64, target.cast_signed());
            self.goto_value(pc);
        }
    }

    fn tail_call(&mut self, code: Value, pc: Value) {
        let left = self.builder.use_var(self.left);
        let values = [self.processor, left, pc];
        self.builder.ins().return_call_indirect(self.region, code, &values);
    }

    /// Goes on at a computed pc, through the jump table.
    pub(super) fn goto_value(&mut self, pc: Value) {
        self.flush();
        let table = self.load_frame(offset_of!(Frame, jumps));
        let scaled = self.builder.ins().ishl_imm_u(pc, jumps::SHIFT);
        let index = self.builder.ins().band_imm_u(scaled, jumps::MASK.cast_signed());
        let entry = self.builder.ins().iadd(table, index);
        let tag = self.builder.ins().load(I64, self.memories.frame, entry, 0);
        let same = self.builder.ins().icmp(IntCC::Equal, tag, pc);
        let [hit, miss] = [self.builder.create_block(), self.builder.create_block()];
        self.builder.set_cold_block(miss);
        self.builder.ins().brif(same, hit, &[], miss, &[]);
        self.builder.switch_to_block(hit);
        let code = self.builder.ins().load(I64, self.memories.frame, entry, 8);
        self.tail_call(code, pc);
        self.builder.switch_to_block(miss);
        let at = offset(self.layout.pc);
        self.builder.ins().store(self.memories.registers, pc, self.processor, at);
        let left = self.builder.use_var(self.left);
        self.builder.ins().return_(&[left]);
    }

    /// The pc of the next instruction.
    pub(super) fn site_next(&self) -> u64 {
        self.page.wrapping_add(self.site.behind().0)
    }

    /// The target's block, or a new one that leaves for it (to be filled by the caller).
    pub(super) fn block_for(&mut self, target: u64) -> (ir::Block, bool) {
        match self.entries.get(&target) {
            Some(block) => (*block, false),
            None => (self.builder.create_block(), true),
        }
    }

    pub(super) fn read_register(&mut self, register: Register) -> Operand {
        if Some(register) == self.layout.zero {
            return Operand::Constant(0);
        }
        let index = usize::from(register);
        if let Some(known) = self.known[index] {
            return known;
        }
        let value = self.builder.use_var(self.variables[index]);
        let operand = if self.layout.floats().contains(&register) {
            Operand::Double(value)
        } else {
            Operand::Integer(value)
        };
        self.known[index] = Some(operand);
        operand
    }

    pub(super) fn write_register(&mut self, register: Register, operand: Operand) {
        let index = usize::from(register);
        let value = if self.layout.floats().contains(&register) {
            self.double(operand)
        } else {
            self.integer(operand)
        };
        self.builder.def_var(self.variables[index], value);
        self.dirty |= 1 << register;
        self.known[index] = Some(match operand {
            Operand::Integer(_) if self.layout.floats().contains(&register) => {
                Operand::Double(value)
            }
            Operand::Sum(..) => Operand::Integer(value),
            other => other,
        });
    }

    /// Stores what memory does not have yet.
    pub(super) fn flush(&mut self) {
        while self.dirty != 0 {
            let index = self.dirty.trailing_zeros() as usize;
            self.dirty &= self.dirty - 1;
            let value = self.builder.use_var(self.variables[index]);
            let register = Register::try_from(index).expect("at most 128");
            let at = offset((self.layout.register)(register));
            self.builder.ins().store(self.memories.registers, value, self.processor, at);
        }
    }

    fn cast(&mut self, kind: Type, value: Value) -> Value {
        self.builder.ins().bitcast(kind, MemFlagsData::new(), value)
    }

    /// The operand's 64 bits as an integer.
    pub(super) fn integer(&mut self, operand: Operand) -> Value {
        match operand {
            Operand::Constant(bits) => self.builder.ins().iconst(I64, bits.cast_signed()),
            Operand::Integer(value) => value,
            Operand::Sum(value, constant) => {
                self.builder.ins().iadd_imm_s(value, i64::from(constant))
            }
            Operand::Double(value) => self.cast(I64, value),
            Operand::Single(value) => {
                let bits = self.cast(I32, value);
                let wide = self.builder.ins().uextend(I64, bits);
                let ones = self.builder.ins().iconst(I64, !0xffff_ffff);
                self.builder.ins().bor(wide, ones)
            }
        }
    }

    /// The operand's 64 bits as a binary64.
    pub(super) fn double(&mut self, operand: Operand) -> Value {
        if let Operand::Double(value) = operand {
            return value;
        }
        let bits = self.integer(operand);
        self.cast(F64, bits)
    }

    /// The binary32 in the operand and, unless that is certain, whether it is properly boxed.
    pub(super) fn single(&mut self, operand: Operand) -> (Value, Option<Value>) {
        if let Operand::Single(value) = operand {
            return (value, None);
        }
        let bits = self.integer(operand);
        let high = self.builder.ins().sshr_imm_u(bits, 32);
        let boxed = self.builder.ins().icmp_imm_s(IntCC::Equal, high, -1);
        let low = self.builder.ins().ireduce(I32, bits);
        (self.cast(F32, low), Some(boxed))
    }
}
