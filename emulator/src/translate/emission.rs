//! One region as a Cranelift function.
//!
//! Registers are SSA variables over the whole region, so values stay in host registers around loops.
//! A write also goes to the processor's memory, but late: right in front of the next place where
//! the region may be left or entered (an access, a call that may change the mode, the end of the
//! block). So memory is exact wherever anyone can look, leaving needs nothing but a pc, and what is
//! overwritten in between is never stored. Small loops store only on their ways out ([`Loops`]).
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
    loops::{Loop, Loops},
    plan::{Block, Plan},
    usage::{self, Registers, Usage},
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

/// What is above a binary32 in a register.
pub(super) const SINGLE_BOX: u64 = !0xffff_ffff;

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
    /// A binary32 with zeros above it: as it comes from memory.
    Loaded(Value),
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
    /// Registers whose value memory does not have yet.
    dirty: Registers,
    loops: Loops,
    /// The loop being emitted, if it stores on its ways out only.
    kept: Option<Loop>,
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
    let notes = usage::notes::<G>(plan);
    let loops = Loops::of(plan, &notes);
    let usage = Usage::of(plan, &notes, &loops);
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
        loops,
        kept: None,
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
        self.kept = self.loops.at(start);
        self.dirty = self.kept.map_or(0, |kept| kept.written);
        let length = i64::try_from(block.steps.len()).expect("a region is small");
        let mut left = self.builder.use_var(self.left);
        if let Some(need) = block.need {
            let short = self.builder.ins().icmp_imm_s(IntCC::SignedLessThan, left, i64::from(need));
            let [out, on] = [self.builder.create_block(), self.builder.create_block()];
            self.builder.set_cold_block(out);
            self.builder.ins().brif(short, out, &[], on, &[]);
            self.builder.switch_to_block(out);
            self.store_dirty();
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
                self.settle();
                let told = self.load_frame(offset_of!(Frame, exit));
                let on = self.builder.create_block();
                self.leave_if(told, on);
            }
        }
        if !ended {
            self.goto(block.steps[count - 1].next_pc());
        }
    }

    /// Takes the common way out when `told` is not zero, else goes on in the block `on`.
    pub(super) fn leave_if(&mut self, told: Value, on: ir::Block) {
        if self.dirty == 0 {
            self.builder.ins().brif(told, self.refused, &[], on, &[]);
        } else {
            let out = self.builder.create_block();
            self.builder.set_cold_block(out);
            self.builder.ins().brif(told, out, &[], on, &[]);
            self.builder.switch_to_block(out);
            self.store_dirty();
            self.builder.ins().jump(self.refused, &[]);
        }
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

    /// Whether `target` is in the loop being emitted, which keeps its registers.
    fn stays(&self, target: u64) -> bool {
        self.kept.is_some() && self.kept == self.loops.at(target)
    }

    /// Goes on at a known pc: inside the region, through a linked exit, or by look-up.
    pub(super) fn goto(&mut self, target: u64) {
        if !self.stays(target) {
            self.flush();
        }
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

    /// Ends the block with a branch.
    pub(super) fn branch_to(&mut self, condition: Value, targets: [u64; 2]) {
        self.settle();
        let edges = targets.map(|target| match self.entries.get(&target) {
            Some(block) if self.dirty == 0 || self.stays(target) => (*block, false),
            _ => (self.builder.create_block(), true),
        });
        let [(taken, _), (next, _)] = edges;
        self.builder.ins().brif(condition, taken, &[], next, &[]);
        let dirty = self.dirty;
        for ((edge, is_new), target) in edges.into_iter().zip(targets) {
            if is_new {
                self.builder.switch_to_block(edge);
                self.dirty = dirty;
                self.goto(target);
            }
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

    /// In front of a place where the region may be left: stores, unless the way out does.
    pub(super) fn settle(&mut self) {
        if self.kept.is_none() {
            self.flush();
        }
    }

    /// Stores what memory does not have yet.
    fn flush(&mut self) {
        self.store_dirty();
        self.dirty = 0;
    }

    /// The same on a way out, beside which memory still does not have it.
    fn store_dirty(&mut self) {
        let mut dirty = self.dirty;
        while dirty != 0 {
            let index = dirty.trailing_zeros() as usize;
            dirty &= dirty - 1;
            let value = self.builder.use_var(self.variables[index]);
            let register = Register::try_from(index).expect("at most 128");
            let at = offset((self.layout.register)(register));
            self.builder.ins().store(self.memories.registers, value, self.processor, at);
        }
    }

    pub(super) fn cast(&mut self, kind: Type, value: Value) -> Value {
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
                let wide = self.integer(Operand::Loaded(value));
                let ones = self.builder.ins().iconst(I64, SINGLE_BOX.cast_signed());
                self.builder.ins().bor(wide, ones)
            }
            Operand::Loaded(value) => {
                let bits = self.cast(I32, value);
                self.builder.ins().uextend(I64, bits)
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
