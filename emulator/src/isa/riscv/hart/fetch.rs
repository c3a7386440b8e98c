//! Fetching: from a virtual address to a decoded block, or to the one instruction that none holds.
//!
//! A block stands for a stretch of a page that this privilege may execute as a whole. What crosses
//! into the next page, and everything on a page in which memory protection changes, is fetched half by
//! half and run alone, so that a trap is taken exactly at the half that may not be executed.

use super::{
    super::{
        access::Kind,
        decode::decode,
        instruction::Instruction,
        interpreter::{self, End, Outcome},
        mmu::Fault,
        trap::Trap,
    },
    Hart,
};
use crate::{
    isa::{code::CodeCache, emit::Flow},
    memory::GuestMemory,
    tlb::{self, PAGE_MASK},
    vcpu::Surroundings,
};

impl Hart {
    /// The RAM page of the code at virtual `pc`.
    ///
    /// # Errors
    /// The trap that the fetch takes.
    #[inline]
    fn fetch_page(&mut self, memory: &GuestMemory, pc: u64) -> Result<usize, Trap> {
        let context = self.fetch_context();
        if let Some(host) = self.tlb.host(context, tlb::Kind::Execute, pc, 2) {
            return Ok(memory.page_of_host(host));
        }
        let physical = self.translate(memory, pc, 2, Kind::Fetch)?;
        let fault = Trap::memory(Fault::Access, Kind::Fetch, pc);
        memory.page_of(physical).ok_or(fault)
    }

    /// The RAM page of the code at virtual `pc`, if a fetch there succeeds; changes nothing that
    /// the guest sees.
    pub fn code_page(&mut self, memory: &GuestMemory, pc: u64) -> Option<usize> {
        let context = self.fetch_context();
        let generation = self.fetch_generation(self.state.privilege());
        if self.code.follows(context, generation)
            && let Some(block) = self.code.shortcut(context, pc)
        {
            return Some(block.page as usize);
        }
        let host = self.tlb.host(context, tlb::Kind::Execute, pc, 2)?;
        Some(memory.page_of_host(host))
    }

    /// The bits of the instruction at `pc`, for `tval`.
    pub(in crate::isa::riscv) fn instruction_bits(&mut self, memory: &GuestMemory, pc: u64) -> u64 {
        // It has just been fetched.
        self.fetch(memory, pc).map_or(0, |bytes| u32::from_le_bytes(bytes).into())
    }

    /// Makes the block at pc known, decoding it if need be; or runs the one instruction there that
    /// no block can hold.
    #[cold]
    pub(super) fn find_block(
        &mut self,
        code: &mut CodeCache<Instruction>,
        around: &mut Surroundings<'_>,
    ) -> Outcome {
        let pc = self.state.pc;
        let page = match self.fetch_page(around.memory, pc) {
            Ok(page) => page,
            Err(trap) => return Outcome { end: End::Trapped(trap), attention: false },
        };
        let context = self.fetch_context();
        if self.tlb.host(context, tlb::Kind::Execute, pc, 2).is_none() {
            // Protection ends inside the page: every fetch has to be asked about.
            return self.alone(around);
        }
        let offset = (pc & !PAGE_MASK) as usize;
        let features = self.configuration.features;
        let block = code.block_at(page, offset).or_else(|| {
            code.decode(around.memory, page, offset, |bytes| {
                let instruction = decode(bytes, features)?;
                let last = !matches!(instruction.flow(0), Flow::Next | Flow::Branch { .. });
                Some((instruction, instruction.length, last))
            })
        });
        match block {
            Some(block) => {
                // The next round runs it, after write tags for the page are gone.
                code.note(context, pc, block);
                Outcome { end: End::Unknown, attention: false }
            }
            None => self.alone(around),
        }
    }

    /// Runs the instruction at pc without keeping it: one that crosses into the next page, or one on
    /// a page in which protection changes.
    fn alone(&mut self, around: &mut Surroundings<'_>) -> Outcome {
        let pc = self.state.pc;
        match self.fetch(around.memory, pc) {
            Ok(bytes) => {
                let instruction = decode(&bytes, self.configuration.features);
                let instruction = instruction.expect("four bytes are an instruction");
                interpreter::run_one(self, around, &instruction)
            }
            Err(trap) => Outcome { end: End::Trapped(trap), attention: false },
        }
    }

    /// Fetches the instruction at virtual `pc`, half by half; the second half is zero when there is
    /// none.
    fn fetch(&mut self, memory: &GuestMemory, pc: u64) -> Result<[u8; 4], Trap> {
        let mut bytes = [0; 4];
        let (low, high) = bytes.split_at_mut(2);
        self.fetch_half(memory, pc, low)?;
        if low[0] & 3 == 3 {
            self.fetch_half(memory, pc.wrapping_add(2), high)?;
        }
        Ok(bytes)
    }

    fn fetch_half(&mut self, memory: &GuestMemory, addr: u64, half: &mut [u8]) -> Result<(), Trap> {
        let context = self.fetch_context();
        let physical = match self.tlb.host(context, tlb::Kind::Execute, addr, 2) {
            Some(host) => memory.address_of(memory.page_of_host(host)) | (addr & !PAGE_MASK),
            None => self.translate(memory, addr, 2, Kind::Fetch)?,
        };
        memory.read(physical, half).map_err(|_| Trap::memory(Fault::Access, Kind::Fetch, addr))
    }
}
