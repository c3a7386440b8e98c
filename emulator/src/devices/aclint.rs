//! The RISC-V ACLINT in the layout of SiFive's CLINT: software interrupts and machine timers.
//!
//! Source: "RISC-V Advanced Core Local Interruptor Specification" 1.0-rc4, chapters 2 (MTIMER) and
//! 3 (MSWI), and its table of the backward-compatible CLINT layout: MSWI at 0, `mtimecmp` at
//! 0x4000, `mtime` at 0xbff8.
//!
//! `mtime` is virtual time divided by the period of the time base, plus what the guest has set it
//! ahead, and every hart's `time` shows it ([`TimeBase`]). The timer line of a hart is a pure function
//! of `mtime` and `mtimecmp`; no timer has to be kept.

use vmstate::VmState;

use crate::{
    bus::Width,
    clock::next_change_ns,
    device::{Device, Io, LineOutputs, Mmio, Region, TimeBase, Timed},
};

/// Most harts that a machine has.
pub const MAX_HARTS: usize = 8;

const CLINT: Region =
    Region { name: "clint", bytes: 0x1_0000, narrowest: Width::Word, widest: Width::Double };
const MTIMECMP: u64 = 0x4000;
const MTIME: u64 = 0xbff8;

/// The interruptor. Output line `2 n`: software interrupt of hart `n`; line `2 n + 1`: its timer.
#[derive(VmState, Clone, Debug, PartialEq, Eq)]
#[vmstate(version = 1, name = "riscv-aclint")]
pub struct Aclint {
    /// Harts that are there.
    #[vmstate(skip("configuration of the board"))]
    harts: usize,
    /// Nanoseconds of one tick of `mtime`.
    #[vmstate(skip("configuration of the board"))]
    tick_ns: u64,
    /// Software interrupt pending, one bit a hart.
    msip: u8,
    /// The specification leaves it undefined at reset; all ones never fires.
    #[vmstate(default = [u64::MAX; MAX_HARTS])]
    mtimecmp: [u64; MAX_HARTS],
    /// Ticks that `mtime` is ahead of virtual time, modulo 2^64.
    offset_ticks: u64,
}

impl Aclint {
    /// An interruptor for `harts` harts (at most [`MAX_HARTS`]) with ticks of `tick_ns`
    /// nanoseconds.
    ///
    /// # Panics
    /// When there are more harts, or a tick takes no time.
    #[must_use]
    pub fn new(harts: usize, tick_ns: u64) -> Self {
        assert!(harts <= MAX_HARTS && tick_ns > 0, "{harts} harts, {tick_ns} ns");
        Self { harts, tick_ns, msip: 0, mtimecmp: [u64::MAX; MAX_HARTS], offset_ticks: 0 }
    }

    fn mtime(&self, now_ns: u64) -> u64 {
        (now_ns / self.tick_ns).wrapping_add(self.offset_ticks)
    }

    /// The hart and the byte within its 64-bit register for an offset from [`MTIMECMP`].
    fn timer_of(&self, offset: u64) -> Option<usize> {
        let hart = usize::try_from(offset.checked_sub(MTIMECMP)? / 8).ok()?;
        (hart < self.harts).then_some(hart)
    }

    fn software_of(&self, offset: u64) -> Option<usize> {
        let hart = usize::try_from(offset / 4).ok()?;
        (hart < self.harts).then_some(hart)
    }

    fn word(&self, now_ns: u64, offset: u64) -> Option<u64> {
        if offset >= MTIME {
            return Some(self.mtime(now_ns));
        }
        if let Some(hart) = self.timer_of(offset) {
            return Some(self.mtimecmp[hart]);
        }
        self.software_of(offset).map(|hart| u64::from(self.msip >> hart & 1))
    }
}

impl Device for Aclint {
    fn model(&self) -> &'static str {
        "riscv-aclint"
    }

    fn mmio(&mut self) -> Option<&mut dyn Mmio> {
        Some(self)
    }

    fn timed(&mut self) -> Option<&mut dyn Timed> {
        Some(self)
    }

    fn time_base(&self) -> Option<&dyn TimeBase> {
        Some(self)
    }

    fn line_outputs(&self) -> Option<&dyn LineOutputs> {
        Some(self)
    }
}

impl TimeBase for Aclint {
    fn offset_ticks(&self) -> u64 {
        self.offset_ticks
    }
}

impl Mmio for Aclint {
    fn regions(&self) -> &[Region] {
        &[CLINT]
    }

    fn read(&mut self, io: &mut Io<'_>, _: usize, offset: u64, width: Width) -> u64 {
        let Some(value) = self.word(io.now_ns(), offset) else {
            io.guest_error(offset, "no hart has this register");
            return 0;
        };
        match (offset, width) {
            // Two neighbouring software-interrupt registers in one access.
            (..MTIMECMP, Width::Double) => {
                let next = self.word(io.now_ns(), offset + 4).unwrap_or(0);
                value | next << 32
            }
            (_, Width::Word) if offset % 8 == 4 && offset >= MTIMECMP => value >> 32,
            _ => value,
        }
    }

    fn write(&mut self, io: &mut Io<'_>, _: usize, offset: u64, width: Width, value: u64) {
        let join = |old: u64| match (width, offset % 8) {
            (Width::Double, _) => value,
            (_, 0) => old & !0xffff_ffff | value,
            _ => old & 0xffff_ffff | value << 32,
        };
        if offset >= MTIME {
            let set = join(self.mtime(io.now_ns()));
            self.offset_ticks = set.wrapping_sub(io.now_ns() / self.tick_ns);
            return;
        }
        if let Some(hart) = self.timer_of(offset) {
            self.mtimecmp[hart] = join(self.mtimecmp[hart]);
            return;
        }
        if let Some(hart) = self.software_of(offset) {
            self.set_software(hart, value & 1 != 0);
            if width == Width::Double && hart + 1 < self.harts {
                self.set_software(hart + 1, value >> 32 & 1 != 0);
            }
            return;
        }
        io.guest_error(offset, "no hart has this register");
    }
}

impl Aclint {
    fn set_software(&mut self, hart: usize, level: bool) {
        self.msip = self.msip & !(1 << hart) | u8::from(level) << hart;
    }
}

impl Timed for Aclint {
    fn deadline_ns(&self, now_ns: u64) -> Option<u64> {
        let timers = self.mtimecmp.iter().take(self.harts);
        let next = timers
            .filter_map(|&ticks| next_change_ns(now_ns, self.tick_ns, self.offset_ticks, ticks));
        next.min()
    }

    fn expire(&mut self, _: &mut Io<'_>) {}
}

impl LineOutputs for Aclint {
    fn levels(&self, now_ns: u64) -> u64 {
        let mtime = self.mtime(now_ns);
        (0..self.harts).fold(0, |levels, hart| {
            let software = u64::from(self.msip >> hart & 1);
            let timer = u64::from(mtime >= self.mtimecmp[hart]);
            levels | (software | timer << 1) << (2 * hart)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::bench::Bench;

    fn bench() -> Bench<Aclint> {
        Bench::new(Aclint::new(2, 100))
    }

    #[test]
    fn a_software_interrupt_is_its_harts_line() {
        let mut bench = bench();
        bench.write(0, Width::Word, 0xffff_ffff);
        assert_eq!((bench.levels(), bench.read(0, Width::Word)), (0b0001, 1));
        bench.write(4, Width::Word, 1);
        assert_eq!((bench.levels(), bench.read(0, Width::Double)), (0b0101, 1 << 32 | 1));
        bench.write(0, Width::Double, 1 << 32);
        assert_eq!(bench.levels(), 0b0100);
        bench.write(8, Width::Word, 1);
        assert_eq!((bench.levels(), bench.read(8, Width::Word)), (0b0100, 0));
    }

    #[test]
    fn a_timer_fires_at_its_tick_and_not_before() {
        let mut bench = bench();
        assert_eq!(bench.deadline_ns(), None);
        bench.write(0x4008, Width::Double, 7);
        assert_eq!(bench.deadline_ns(), Some(700));
        bench.advance_to(699);
        assert_eq!((bench.levels(), bench.read(MTIME, Width::Double)), (0, 6));
        bench.advance_to(700);
        assert_eq!((bench.levels(), bench.read(MTIME, Width::Double)), (0b1000, 7));
        assert_eq!(bench.deadline_ns(), None);
        bench.write(0x4008, Width::Double, 8);
        assert_eq!((bench.levels(), bench.deadline_ns()), (0, Some(800)));
    }

    #[test]
    fn a_counter_that_is_set_runs_on_from_there_and_timers_follow_it() {
        let mut bench = bench();
        bench.set_now_ns(1_000);
        bench.write(0x4000, Width::Double, 0x1_0000_0007);
        bench.write(MTIME, Width::Word, 5);
        bench.write(MTIME + 4, Width::Word, 1);
        assert_eq!(bench.read(MTIME, Width::Double), 0x1_0000_0005);
        assert_eq!((bench.levels(), bench.deadline_ns()), (0, Some(1_200)));
        bench.advance_to(1_200);
        assert_eq!((bench.levels(), bench.read(MTIME, Width::Double)), (0b10, 0x1_0000_0007));
        // Set back, the timer is ahead again.
        bench.write(MTIME, Width::Double, 0);
        assert_eq!((bench.levels(), bench.read(MTIME, Width::Double)), (0, 0));
        // It wraps around.
        bench.write(0x4008, Width::Double, 3);
        bench.write(MTIME, Width::Double, u64::MAX);
        assert_eq!((bench.levels(), bench.deadline_ns()), (0b1010, Some(1_300)));
        bench.advance_to(1_300);
        assert_eq!((bench.levels(), bench.deadline_ns()), (0, Some(1_600)));
        bench.device.power_cycle();
        assert_eq!(bench.read(MTIME, Width::Double), 13, "virtual time goes on");
    }

    #[test]
    fn registers_take_halves() {
        let mut bench = bench();
        bench.write(0x4000, Width::Word, 0x1111_2222);
        bench.write(0x4004, Width::Word, 0x3333_4444);
        assert_eq!(bench.read(0x4000, Width::Double), 0x3333_4444_1111_2222);
        assert_eq!(bench.read(0x4004, Width::Word) & 0xffff_ffff, 0x3333_4444);
        bench.set_now_ns(1 << 40);
        assert_eq!(bench.read(MTIME, Width::Double), (1 << 40) / 100);
        assert_eq!(bench.read(MTIME + 4, Width::Word), ((1 << 40) / 100) >> 32);
    }
}
