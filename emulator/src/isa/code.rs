//! Decoded code: blocks of instructions by physical page.
//!
//! Problem: decoding costs more than executing. Strategy: a straight line of instructions (a
//! *block*) is decoded once and kept with the physical page it is from, so that neither a change of
//! page tables nor of the process makes it stale; only a write to the page does, which
//! [`GuestMemory`] tells. Instructions are position-independent.
//!
//! A block ends with the first instruction that does not simply go on, at the end of the page or
//! after [`BLOCK_OPS`] instructions. Blocks that overlap are decoded twice.

use crate::memory::{GuestMemory, PAGE_LEN};

/// Most instructions of a block.
pub const BLOCK_OPS: usize = 64;

/// An instruction and where it is in its page.
#[derive(Clone, Copy, Debug)]
pub struct Placed<Op> {
    /// The instruction.
    pub op: Op,
    /// Offset of its first byte in the page.
    pub offset: u16,
}

/// A block: consecutive instructions of a [`CodePage`].
#[derive(Clone, Copy, Debug)]
pub struct Block {
    /// Index of the first.
    pub first: u32,
    /// Number of instructions, at least one.
    pub length: u16,
    /// Offset behind the last one in the page; 4096 at its end.
    pub end: u16,
}

/// The blocks of one page.
#[derive(Debug)]
pub struct CodePage<Op> {
    /// Index of the block at each possible start plus one, or zero.
    starts: Box<[u16]>,
    blocks: Vec<Block>,
    ops: Vec<Placed<Op>>,
}

impl<Op> CodePage<Op> {
    fn new() -> Self {
        Self { starts: vec![0; PAGE_LEN].into(), blocks: Vec::new(), ops: Vec::new() }
    }

    /// The block that starts at `offset`, if it is decoded.
    #[inline]
    #[must_use]
    pub fn block_at(&self, offset: usize) -> Option<Block> {
        let number = usize::from(self.starts[offset & (PAGE_LEN - 1)]);
        (number != 0).then(|| self.blocks[number - 1])
    }

    /// The instructions of a block.
    #[inline]
    #[must_use]
    pub fn ops(&self, block: Block) -> &[Placed<Op>] {
        let first = block.first as usize;
        &self.ops[first..first + usize::from(block.length)]
    }
}

/// All decoded code of a processor. It shows only what memory holds now: whoever writes code tells
/// it through the change log.
#[derive(Debug)]
pub struct CodeCache<Op> {
    pages: Vec<Option<Box<CodePage<Op>>>>,
}

impl<Op> Default for CodeCache<Op> {
    fn default() -> Self {
        Self { pages: Vec::new() }
    }
}

impl<Op> CodeCache<Op> {
    /// The decoded code of RAM page `page`.
    #[inline]
    #[must_use]
    pub fn page(&self, page: usize) -> Option<&CodePage<Op>> {
        self.pages.get(page)?.as_deref()
    }

    /// Forgets a page.
    pub fn forget(&mut self, page: usize) {
        if let Some(slot) = self.pages.get_mut(page) {
            *slot = None;
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.pages.clear();
    }

    /// Decodes the block at `offset` of RAM page `page`. `decode` gives an instruction, its length
    /// and whether it is the last of its block, or `None` when the bytes end inside it. Returns
    /// `None` when not even one instruction is whole on the page.
    pub fn decode(
        &mut self,
        memory: &GuestMemory,
        page: usize,
        offset: usize,
        decode: impl Fn(&[u8]) -> Option<(Op, u8, bool)>,
    ) -> Option<Block> {
        let content = memory.copy_page(page);
        let mut ops = Vec::new();
        let mut at = offset;
        while at < PAGE_LEN && ops.len() < BLOCK_OPS {
            let Some((op, length, last)) = decode(&content[at..]) else { break };
            ops.push(Placed { op, offset: at as u16 });
            at += usize::from(length);
            if last {
                break;
            }
        }
        if ops.is_empty() {
            return None;
        }
        memory.mark_code(page, offset as u64..at as u64);
        if self.pages.len() <= page {
            self.pages.resize_with(page + 1, || None);
        }
        let code = self.pages[page].get_or_insert_with(|| Box::new(CodePage::new()));
        let first = code.ops.len() as u32;
        let block = Block { first, length: ops.len() as u16, end: at as u16 };
        code.ops.append(&mut ops);
        code.blocks.push(block);
        code.starts[offset] = code.blocks.len() as u16;
        Some(block)
    }
}
