//! The RISC-V platform-level interrupt controller in the layout of SiFive's.
//!
//! Source: "RISC-V Platform-Level Interrupt Controller Specification" 1.0.0. Sources 1 to 95
//! (0 means none), one context for each privilege mode of each hart that takes external
//! interrupts. Sections: "Memory Map", "Interrupt Priorities", "Interrupt Pending Bits", "Interrupt Enables",
//! "Priority Thresholds", "Interrupt Claim Process", "Interrupt Completion".
//!
//! Gateways: a source whose line is high and which is neither pending nor in service becomes
//! pending; a claim takes it into service; completion lets the gateway look at the line again.
//! Outputs are a pure function of state, so no line is kept. The levels of the inputs are kept; the
//! machine presents them anew after a reset and a restore.

use std::ops::Range;

use vmstate::VmState;

use crate::{
    bus::Width,
    device::{Device, Io, LineInputs, LineOutputs, Mmio, Region},
};

/// Sources with number 0, which does not exist.
pub const SOURCES: usize = 96;
/// Most contexts: machine and supervisor mode of eight harts.
pub const MAX_CONTEXTS: usize = 16;

const WORDS: usize = SOURCES / 32;
/// A priority has three bits.
const PRIORITY_MASK: u8 = 7;

const PENDING: u64 = 0x1000;
const ENABLE: u64 = 0x2000;
const ENABLE_STRIDE: u64 = 0x80;
const CONTEXT: u64 = 0x20_0000;
const CONTEXT_STRIDE: u64 = 0x1000;

/// What one context has programmed.
#[derive(VmState, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[vmstate(version = 1, name = "sifive-plic-context")]
pub struct Context {
    /// Bit `n % 32` of word `n / 32`: source `n` may interrupt this context.
    enabled: [u32; WORDS],
    /// Only priorities above it interrupt, 0 to 7.
    threshold: u8,
}

/// The controller. Input line `n`: source `n`; output line `n`: context `n`.
#[derive(VmState, Clone, Debug, PartialEq, Eq)]
#[vmstate(version = 1, name = "sifive-plic")]
pub struct Plic {
    /// Contexts that are there.
    #[vmstate(skip("configuration of the board"))]
    contexts: usize,
    /// The registers.
    #[vmstate(skip("configuration of the board"))]
    region: Region,
    /// Priority of each source, 0 (never) to 7.
    priority: [u8; SOURCES],
    /// Levels of the input lines, a bit a source.
    level: [u32; WORDS],
    /// Sources that wait to be claimed, a bit a source.
    pending: [u32; WORDS],
    /// Claimed and not yet completed.
    in_service: [u32; WORDS],
    context: [Context; MAX_CONTEXTS],
}

/// What an offset means.
enum Register {
    Priority(usize),
    Pending(usize),
    Enable(usize, usize),
    Threshold(usize),
    Claim(usize),
}

impl Plic {
    /// A controller with `contexts` contexts, at most [`MAX_CONTEXTS`].
    ///
    /// # Panics
    /// When there are more.
    #[must_use]
    pub fn new(contexts: usize) -> Self {
        assert!(contexts <= MAX_CONTEXTS, "{contexts} contexts");
        let bytes = CONTEXT + MAX_CONTEXTS as u64 * CONTEXT_STRIDE;
        let region = Region { name: "plic", bytes, narrowest: Width::Word, widest: Width::Word };
        Self {
            contexts,
            region,
            priority: [0; SOURCES],
            level: [0; WORDS],
            pending: [0; WORDS],
            in_service: [0; WORDS],
            context: [Context::default(); MAX_CONTEXTS],
        }
    }

    fn register(&self, offset: u64) -> Option<Register> {
        let (register, context) = match offset {
            ..PENDING => {
                let source = usize::try_from(offset / 4).ok().filter(|&source| source < SOURCES)?;
                return Some(Register::Priority(source));
            }
            PENDING..ENABLE => {
                let word = usize::try_from((offset - PENDING) / 4).ok()?;
                return (word < WORDS).then_some(Register::Pending(word));
            }
            ENABLE..CONTEXT => {
                let context = usize::try_from((offset - ENABLE) / ENABLE_STRIDE).ok()?;
                let word = usize::try_from((offset - ENABLE) % ENABLE_STRIDE / 4).ok()?;
                ((word < WORDS).then_some(Register::Enable(context, word))?, context)
            }
            _ => {
                let context = usize::try_from((offset - CONTEXT) / CONTEXT_STRIDE).ok()?;
                match (offset - CONTEXT) % CONTEXT_STRIDE {
                    0 => (Register::Threshold(context), context),
                    4 => (Register::Claim(context), context),
                    _ => return None,
                }
            }
        };
        (context < self.contexts).then_some(register)
    }

    /// The pending source that `context` would claim: the highest priority, then the lowest number.
    fn best(&self, context: usize) -> Option<usize> {
        let enabled = &self.context[context].enabled;
        let mut best: Option<usize> = None;
        for (word, (pending, enabled)) in self.pending.iter().zip(enabled).enumerate() {
            let mut ready = pending & enabled;
            while ready != 0 {
                let source = word * 32 + ready.trailing_zeros() as usize;
                ready &= ready - 1;
                let least = best.map_or(0, |best| self.priority[best]);
                if self.priority[source] > least {
                    best = Some(source);
                }
            }
        }
        best
    }

    fn claim(&mut self, context: usize) -> u32 {
        let Some(source) = self.best(context) else { return 0 };
        let (word, bit) = (source / 32, 1 << (source % 32));
        self.pending[word] &= !bit;
        self.in_service[word] |= bit;
        u32::try_from(source).expect("there are fewer than 2^32 sources")
    }

    fn complete(&mut self, context: usize, source: usize) -> bool {
        let (word, bit) = (source / 32, 1_u32 << (source % 32));
        if source >= SOURCES || self.context[context].enabled[word] & bit == 0 {
            return false;
        }
        self.in_service[word] &= !bit;
        self.pass_gateways(word);
        true
    }

    fn pass_gateways(&mut self, word: usize) {
        self.pending[word] |= self.level[word] & !self.in_service[word];
    }
}

impl Device for Plic {
    fn model(&self) -> &'static str {
        "sifive-plic"
    }

    fn mmio(&mut self) -> Option<&mut dyn Mmio> {
        Some(self)
    }

    fn line_outputs(&self) -> Option<&dyn LineOutputs> {
        Some(self)
    }

    fn line_inputs(&mut self) -> Option<&mut dyn LineInputs> {
        Some(self)
    }
}

impl Mmio for Plic {
    fn regions(&self) -> &[Region] {
        std::slice::from_ref(&self.region)
    }

    fn read(&mut self, io: &mut Io<'_>, _: usize, offset: u64, _: Width) -> u64 {
        let value = match self.register(offset) {
            Some(Register::Priority(source)) => u32::from(self.priority[source]),
            Some(Register::Pending(word)) => self.pending[word],
            Some(Register::Enable(context, word)) => self.context[context].enabled[word],
            Some(Register::Threshold(context)) => u32::from(self.context[context].threshold),
            Some(Register::Claim(context)) => self.claim(context),
            None => {
                io.guest_error(offset, "no such register");
                0
            }
        };
        u64::from(value)
    }

    fn write(&mut self, io: &mut Io<'_>, _: usize, offset: u64, _: Width, value: u64) {
        let [low, ..] = value.to_le_bytes();
        let word_value = u32::try_from(value).expect("the region takes words only");
        match self.register(offset) {
            Some(Register::Priority(0)) => io.guest_error(offset, "there is no source 0"),
            Some(Register::Priority(source)) => self.priority[source] = low & PRIORITY_MASK,
            Some(Register::Enable(context, word)) => {
                // Bit 0 of the first word stands for source 0, which does not exist.
                let there = if word == 0 { !1 } else { !0 };
                self.context[context].enabled[word] = word_value & there;
            }
            Some(Register::Threshold(context)) => {
                self.context[context].threshold = low & PRIORITY_MASK;
            }
            Some(Register::Claim(context)) => {
                let source = usize::try_from(value).unwrap_or(usize::MAX);
                if !self.complete(context, source) {
                    io.guest_error(offset, "completion of a source that is not enabled here");
                }
            }
            Some(Register::Pending(_)) => io.guest_error(offset, "pending bits are read-only"),
            None => io.guest_error(offset, "no such register"),
        }
    }
}

impl LineInputs for Plic {
    fn lines(&self) -> Range<u32> {
        1..u32::try_from(SOURCES).expect("there are fewer than 2^32 sources")
    }

    fn set_level(&mut self, line: u32, level: bool) {
        let source = line as usize;
        assert!((1..SOURCES).contains(&source), "the board wired source {source}");
        let (word, bit) = (source / 32, 1 << (source % 32));
        if level {
            self.level[word] |= bit;
            self.pass_gateways(word);
        } else {
            self.level[word] &= !bit;
        }
    }
}

impl LineOutputs for Plic {
    fn levels(&self, _: u64) -> u64 {
        if self.pending == [0; WORDS] {
            return 0;
        }
        (0..self.contexts).fold(0, |levels, context| {
            let raised = self
                .best(context)
                .is_some_and(|source| self.priority[source] > self.context[context].threshold);
            levels | u64::from(raised) << context
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::bench::Bench;

    const CLAIM0: u64 = CONTEXT + 4;
    const CLAIM1: u64 = CLAIM0 + CONTEXT_STRIDE;

    /// Two contexts; source 10 at priority 3 and source 33 at priority 5 enabled in context 1.
    fn bench() -> Bench<Plic> {
        let mut bench = Bench::new(Plic::new(2));
        bench.write(4 * 10, Width::Word, 3);
        bench.write(4 * 33, Width::Word, 5);
        bench.write(ENABLE + ENABLE_STRIDE, Width::Word, 1 << 10 | 1);
        bench.write(ENABLE + ENABLE_STRIDE + 4, Width::Word, 1 << 1);
        bench
    }

    #[test]
    fn the_highest_priority_is_claimed_first_then_the_lowest_number() {
        let mut bench = bench();
        bench.device.set_level(10, true);
        bench.device.set_level(33, true);
        assert_eq!(bench.levels(), 0b10);
        assert_eq!(bench.read(PENDING, Width::Word), 1 << 10);
        assert_eq!(bench.read(CLAIM0, Width::Word), 0);
        assert_eq!(bench.read(CLAIM1, Width::Word), 33);
        assert_eq!(bench.read(CLAIM1, Width::Word), 10);
        assert_eq!((bench.read(CLAIM1, Width::Word), bench.levels()), (0, 0));
    }

    #[test]
    fn equal_priorities_go_by_number() {
        let mut bench = bench();
        bench.write(4 * 33, Width::Word, 3);
        bench.device.set_level(33, true);
        bench.device.set_level(10, true);
        assert_eq!(bench.read(CLAIM1, Width::Word), 10);
    }

    #[test]
    fn a_level_still_high_at_completion_is_pending_again() {
        let mut bench = bench();
        bench.device.set_level(10, true);
        assert_eq!(bench.read(CLAIM1, Width::Word), 10);
        assert_eq!(bench.levels(), 0, "in service");
        bench.write(CLAIM1, Width::Word, 10);
        assert_eq!(bench.levels(), 0b10, "the line is still high");
        assert_eq!(bench.read(CLAIM1, Width::Word), 10);
        bench.device.set_level(10, false);
        bench.write(CLAIM1, Width::Word, 10);
        assert_eq!(bench.levels(), 0);
    }

    #[test]
    fn a_threshold_masks_the_line_and_not_the_claim() {
        let mut bench = bench();
        bench.device.set_level(10, true);
        bench.write(CONTEXT + CONTEXT_STRIDE, Width::Word, 3);
        assert_eq!(bench.levels(), 0);
        bench.write(CONTEXT + CONTEXT_STRIDE, Width::Word, 2);
        assert_eq!(bench.levels(), 0b10);
        bench.write(CONTEXT + CONTEXT_STRIDE, Width::Word, 7);
        assert_eq!(bench.read(CLAIM1, Width::Word), 10);
    }

    #[test]
    fn priority_zero_never_interrupts_and_source_zero_does_not_exist() {
        let mut bench = bench();
        bench.write(4 * 10, Width::Word, 0);
        bench.device.set_level(10, true);
        assert_eq!((bench.levels(), bench.read(CLAIM1, Width::Word)), (0, 0));
        assert_eq!(bench.read(ENABLE + ENABLE_STRIDE, Width::Word), 1 << 10);
        bench.write(0, Width::Word, 7);
        assert_eq!(bench.read(0, Width::Word), 0);
    }

    #[test]
    fn completion_in_a_context_that_does_not_enable_the_source_is_ignored() {
        let mut bench = bench();
        bench.device.set_level(10, true);
        assert_eq!(bench.read(CLAIM1, Width::Word), 10);
        bench.write(CLAIM0, Width::Word, 10);
        assert_eq!(bench.levels(), 0);
        bench.write(CLAIM1, Width::Word, 10);
        assert_eq!(bench.levels(), 0b10);
    }
}
