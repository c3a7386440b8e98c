//! Decoded code: blocks of instructions by physical page.
//!
//! Problem: decoding costs more than executing. Strategy: a straight line of instructions (a
//! *block*) is decoded once and kept with the physical page it is from, so that neither a change of
//! page tables nor of the process makes it stale; only a write to the page does, which
//! [`GuestMemory`] tells. Instructions are position-independent.
//!
//! A block ends with the first instruction that never goes on to the next, at the end of the page or
//! after [`BLOCK_OPS`] instructions; so a branch that is not taken costs nothing. Blocks that overlap
//! are decoded twice.
//!
//! Finding a block by page and offset takes several dependent loads, and the page takes a look into
//! the TLB. So what was found is also noted by virtual address, a *shortcut*. Shortcuts are good as
//! long as the owner's number for "fetches mean what they meant" stays the same.

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

/// A block: consecutive instructions of a page.
#[derive(Clone, Copy, Debug)]
pub struct Block {
    /// Its page.
    pub page: u32,
    /// Index of the first instruction among all.
    first: u32,
    /// Number of instructions, at least one.
    length: u16,
    /// Offset behind the last one in the page; 4096 at its end.
    pub end: u16,
}

/// The blocks of one page.
#[derive(Debug)]
struct CodePage {
    /// Index of the block at each possible start plus one, or zero.
    starts: Box<[u16]>,
    blocks: Vec<Block>,
}

/// A block by virtual address.
#[derive(Clone, Copy, Debug)]
struct Shortcut {
    pc: u64,
    block: Block,
}

impl Shortcut {
    /// Stands for nothing: code begins at even addresses.
    const NONE: Self = Self { pc: u64::MAX, block: Block { page: 0, first: 0, length: 0, end: 0 } };
}

/// log2 of the shortcuts of one context.
const SHORTCUT_BITS: u32 = 11;

/// Contexts that shortcuts are kept for.
const CONTEXTS: usize = 4;

/// Instructions that are kept at most; those of forgotten pages count until all go.
const MOST_OPS: usize = 1 << 20;

/// All decoded code of a processor. It shows only what memory holds now: whoever writes code tells
/// it through the change log.
#[derive(Debug)]
pub struct CodeCache<Op> {
    pages: Vec<Option<Box<CodePage>>>,
    /// The instructions of all blocks, one after the other.
    ops: Vec<Placed<Op>>,
    /// Empty until the first is noted.
    shortcuts: Vec<Shortcut>,
    /// Where shortcuts of each context were noted, so that forgetting costs no more than noting did.
    noted: [Vec<u32>; CONTEXTS],
    /// The owner's number when they were noted.
    generations: [u64; CONTEXTS],
}

impl<Op> Default for CodeCache<Op> {
    fn default() -> Self {
        Self {
            pages: Vec::new(),
            ops: Vec::new(),
            shortcuts: Vec::new(),
            noted: Default::default(),
            generations: [0; CONTEXTS],
        }
    }
}

impl<Op> CodeCache<Op> {
    /// The block at `offset` of RAM page `page`, if it is decoded.
    #[must_use]
    pub fn block_at(&self, page: usize, offset: usize) -> Option<Block> {
        let page = self.pages.get(page)?.as_deref()?;
        let number = usize::from(page.starts[offset & (PAGE_LEN - 1)]);
        (number != 0).then(|| page.blocks[number - 1])
    }

    /// The instructions of a block.
    #[inline(always)]
    #[must_use]
    pub fn ops(&self, block: &Block) -> &[Placed<Op>] {
        let first = block.first as usize;
        &self.ops[first..first + usize::from(block.length)]
    }

    /// Forgets the shortcuts of a context when `generation` is another than before.
    #[inline]
    pub fn follow(&mut self, context: usize, generation: u64) {
        if self.generations[context] != generation {
            self.generations[context] = generation;
            forget(&mut self.shortcuts, &mut self.noted[context]);
        }
    }

    /// Whether the shortcuts of a context are good while the owner's number is `generation`.
    #[inline]
    #[must_use]
    pub fn follows(&self, context: usize, generation: u64) -> bool {
        self.generations[context] == generation
    }

    /// The block at virtual `pc` in a context (what fetches depend on beside the address).
    #[inline(always)]
    #[must_use]
    pub fn shortcut(&self, context: usize, pc: u64) -> Option<&Block> {
        let found = self.shortcuts.get(shortcut_index(context, pc))?;
        (found.pc == pc).then_some(&found.block)
    }

    /// Notes that `block` is at virtual `pc` in a context.
    pub fn note(&mut self, context: usize, pc: u64, block: Block) {
        if self.shortcuts.is_empty() {
            self.shortcuts = vec![Shortcut::NONE; CONTEXTS << SHORTCUT_BITS];
        }
        let index = shortcut_index(context, pc);
        let replaced = std::mem::replace(&mut self.shortcuts[index], Shortcut { pc, block });
        if replaced.pc == Shortcut::NONE.pc {
            self.noted[context].push(index as u32);
        }
    }

    fn forget_shortcuts(&mut self) {
        for noted in &mut self.noted {
            forget(&mut self.shortcuts, noted);
        }
    }

    /// Forgets a page.
    pub fn forget(&mut self, page: usize) {
        if let Some(slot) = self.pages.get_mut(page) {
            *slot = None;
        }
        self.forget_shortcuts();
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.pages.clear();
        self.ops.clear();
        self.forget_shortcuts();
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
        if self.ops.len() + BLOCK_OPS > MOST_OPS {
            self.clear();
        }
        let content = memory.copy_page(page);
        let first = self.ops.len();
        let mut at = offset;
        while at < PAGE_LEN && self.ops.len() - first < BLOCK_OPS {
            let Some((op, length, last)) = decode(&content[at..]) else { break };
            self.ops.push(Placed { op, offset: at as u16 });
            at += usize::from(length);
            if last {
                break;
            }
        }
        let length = (self.ops.len() - first) as u16;
        if length == 0 {
            return None;
        }
        memory.mark_code(page, offset as u64..at as u64);
        if self.pages.len() <= page {
            self.pages.resize_with(page + 1, || None);
        }
        let block = Block { page: page as u32, first: first as u32, length, end: at as u16 };
        let code = self.pages[page].get_or_insert_with(|| {
            Box::new(CodePage { starts: vec![0; PAGE_LEN].into(), blocks: Vec::new() })
        });
        code.blocks.push(block);
        code.starts[offset] = code.blocks.len() as u16;
        Some(block)
    }
}

fn forget(shortcuts: &mut [Shortcut], noted: &mut Vec<u32>) {
    for index in noted.drain(..) {
        shortcuts[index as usize] = Shortcut::NONE;
    }
}

#[inline(always)]
fn shortcut_index(context: usize, pc: u64) -> usize {
    let within = (pc >> 1) as usize & ((1 << SHORTCUT_BITS) - 1);
    (context & (CONTEXTS - 1)) << SHORTCUT_BITS | within
}
