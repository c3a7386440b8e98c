//! The hart as the translator sees it.

use std::mem::offset_of;

use super::decode::decode;
use super::features::Features;
use super::float;
use super::hart::{Hart, RESERVATION_ADDRESS, RESERVATION_VALUE};
use super::instruction::{Body, Instruction};
use super::state::{Privilege, State};
use super::table;
use crate::{
    frame::Frame,
    isa::{
        emit::{Access, Emitter, Flow, Register},
        guest::{Decoded, FloatMode, Guest, Layout},
    },
    memory::GuestMemory,
    vcpu::{Breakpoints, ExecutedPages, Slice, SliceEnd, Surroundings},
};

/// Where the features stand in a mode.
const FEATURES_SHIFT: u32 = 16;
const _: () = assert!(Features::all().bits() < 1 << (64 - FEATURES_SHIFT));
/// `mstatus.FS` says *dirty*.
const DIRTY: u64 = 3;

fn register_offset(register: Register) -> usize {
    let within = match register {
        0..32 => offset_of!(State, x) + 8 * usize::from(register),
        32..64 => offset_of!(State, f) + 8 * usize::from(register - 32),
        RESERVATION_ADDRESS => offset_of!(State, reservation_address),
        RESERVATION_VALUE => offset_of!(State, reservation_value),
        other => unreachable!("no instruction names register {other}"),
    };
    offset_of!(Hart, state) + within
}

impl Guest for Hart {
    type Instruction = Instruction;

    const LAYOUT: Layout = Layout {
        pc: offset_of!(Hart, state) + offset_of!(State, pc),
        frame: offset_of!(Hart, frame),
        tlb: offset_of!(Hart, tlb),
        register: register_offset,
        zero: Some(0),
        float_registers: (32, 64),
    };

    fn frame(&mut self) -> &mut Frame {
        &mut self.frame
    }

    fn pc(&self) -> u64 {
        self.state.pc
    }

    fn mode(&self) -> u64 {
        Self::mode(self) | self.configuration().features.bits() << FEATURES_SHIFT
    }

    fn float_mode(mode: u64) -> FloatMode {
        FloatMode { rounds_to_nearest: mode >> 6 & 7 == 0, inexact_is_set: mode >> 9 & 1 != 0 }
    }

    fn tlb_context(mode: u64) -> usize {
        (mode >> 2 & 3) as usize
    }

    fn is_unpaged(mode: u64) -> bool {
        mode >> 10 & 1 == 0
    }

    fn fetch_generation(&self, mode: u64) -> u64 {
        Self::fetch_generation(self, Privilege::from_bits(mode))
    }

    fn protection_generation(&self) -> u64 {
        Self::protection_generation(self)
    }

    fn code_page(&mut self, memory: &GuestMemory, pc: u64) -> Option<usize> {
        Self::code_page(self, memory, pc)
    }

    fn was_entered(&self, page: usize, offset: usize) -> bool {
        Self::was_entered(self, page, offset)
    }

    fn decode(bytes: &[u8], pc: u64, mode: u64) -> Option<Decoded<Instruction>> {
        let features = Features::from_bits_truncate(mode >> FEATURES_SHIFT);
        let instruction = decode(bytes, features)?;
        let flow = match instruction.body {
            Body::Float(float) => {
                // The interpreter turns FS dirty and raises what is illegal.
                let usable = mode >> 4 & 3 == DIRTY;
                let rounds = !float.rounds_dynamically() || mode >> 6 & 7 <= 4;
                if usable && rounds { Flow::Next } else { Flow::Interpret }
            }
            _ => instruction.flow(pc),
        };
        Some(Decoded { instruction, length: instruction.length, flow })
    }

    fn emit<E: Emitter>(
        instruction: &Instruction,
        pc: u64,
        emitter: &mut E,
    ) -> Result<(), E::Stop> {
        match &instruction.body {
            Body::Table(id, operands) => table::emit(emitter, *id, operands, pc),
            Body::Float(float) => float.execute(emitter),
            Body::Illegal(bits) => unreachable!("{bits:#x} is for the interpreter"),
        }
    }

    fn slow_load(&mut self, memory: &GuestMemory, addr: u64, access: Access) -> Option<u64> {
        Self::slow_load(self, memory, addr, access)
    }

    fn slow_store(&mut self, memory: &GuestMemory, addr: u64, access: Access, value: u64) -> bool {
        Self::slow_store(self, memory, addr, access, value)
    }

    fn call(&mut self, function: u32, values: [u64; 3]) -> u64 {
        float::call(function, values, self.state.frm, &mut self.state.fflags)
    }

    fn synchronize(&mut self, memory: &GuestMemory) -> Option<SliceEnd> {
        self.follow(memory)
    }

    fn count(&mut self, steps: u64) {
        Self::count(self, steps);
    }

    fn begin(&mut self, budget: u64, around: &mut Surroundings<'_>) -> Slice {
        self.begin_slice();
        if budget == 0 {
            return Slice { steps: 0, end: SliceEnd::Budget };
        }
        match self.sample_interrupts(around.clock) {
            None => Slice { steps: 0, end: SliceEnd::Idle },
            Some(()) => Slice { steps: self.slice_steps(), end: SliceEnd::Budget },
        }
    }

    fn took_nothing(&mut self) {
        Self::took_nothing(self);
    }

    fn breakpoints(&self) -> &Breakpoints {
        &self.breakpoints
    }

    fn executed(&mut self) -> &mut ExecutedPages {
        &mut self.executed
    }

    fn interpret(&mut self, budget: u64, around: &mut Surroundings<'_>) -> Slice {
        Self::interpret(self, budget, around)
    }

    fn interpret_until(
        &mut self,
        budget: u64,
        around: &mut Surroundings<'_>,
        mut watch: impl FnMut(u64) -> bool,
    ) -> Slice {
        self.interpret_while(budget, around, true, &mut watch)
    }
}
