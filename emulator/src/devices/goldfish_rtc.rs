//! The Goldfish real-time clock: nanoseconds since 1970 in two 32-bit halves, and one alarm.
//!
//! Source: "Goldfish virtual hardware", section "Goldfish real-time clock" (Android's
//! `GOLDFISH-VIRTUAL-HARDWARE.TXT`), and the Linux driver's register use.
//!
//! The clock is virtual time plus an offset. The offset is fixed when the machine is switched on
//! (the base comes through the door) and changes when the guest sets the clock.

use vmstate::{Instance, VmState};

use crate::{
    bus::Width,
    device::{Device, Io, LineOutputs, Mmio, Region, Timed},
    door::PowerOn,
};

const REGISTERS: Region =
    Region { name: "registers", bytes: 0x1000, narrowest: Width::Word, widest: Width::Word };

/// Low half of the time; reading it latches the high half.
pub const TIME_LOW: u64 = 0x00;
/// High half of the time as latched; writing [`TIME_LOW`] after it sets the clock.
pub const TIME_HIGH: u64 = 0x04;
/// Low half of the alarm; writing it arms the alarm.
pub const ALARM_LOW: u64 = 0x08;
/// High half of the alarm, written first.
pub const ALARM_HIGH: u64 = 0x0c;
/// 1: the alarm's interrupt reaches the line.
pub const IRQ_ENABLED: u64 = 0x10;
/// Any write disarms the alarm.
pub const CLEAR_ALARM: u64 = 0x14;
/// 1: the alarm is armed.
pub const ALARM_STATUS: u64 = 0x18;
/// Any write clears the interrupt.
pub const CLEAR_INTERRUPT: u64 = 0x1c;

/// What the alarm registers read when no alarm is armed. It belongs to the machine's version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AlarmRegisters {
    /// Zero.
    Zero,
    /// What was written last; all ones after power-on.
    #[default]
    Keep,
}

/// What the alarm registers hold after power-on: the end of time.
const NO_ALARM_NS: u64 = u64::MAX;

/// The real-time clock. Output line 0: the alarm's interrupt.
#[derive(VmState, Clone, Debug, PartialEq, Eq)]
#[vmstate(version = 2, name = "goldfish-rtc")]
pub struct GoldfishRtc {
    /// Nanoseconds since 1970 at virtual time zero, modulo 2^64. Battery-backed: a reset keeps it.
    base_ns: u64,
    /// High half of the time as of the last read of the low half.
    latched_high: u32,
    /// High half of the time to set.
    set_high: u32,
    alarm_high: u32,
    /// Time of the alarm in nanoseconds since 1970, when armed.
    alarm_ns: Option<u64>,
    irq_pending: bool,
    irq_enabled: bool,
    /// The alarm written last, armed or not.
    #[vmstate(since = 2, default = NO_ALARM_NS)]
    written_alarm_ns: u64,
    #[vmstate(skip("the machine's version says it"))]
    alarm_registers: AlarmRegisters,
}

impl Default for GoldfishRtc {
    fn default() -> Self {
        Self::new(AlarmRegisters::default())
    }
}

impl GoldfishRtc {
    /// A clock after power-on.
    #[must_use]
    pub fn new(alarm_registers: AlarmRegisters) -> Self {
        Self {
            base_ns: 0,
            latched_high: 0,
            set_high: 0,
            alarm_high: 0,
            alarm_ns: None,
            irq_pending: false,
            irq_enabled: false,
            written_alarm_ns: NO_ALARM_NS,
            alarm_registers,
        }
    }

    /// What the alarm registers read.
    fn alarm_register(&self) -> u64 {
        match self.alarm_registers {
            AlarmRegisters::Zero => self.alarm_ns.unwrap_or(0),
            AlarmRegisters::Keep => self.written_alarm_ns,
        }
    }

    fn time_ns(&self, now_ns: u64) -> u64 {
        self.base_ns.wrapping_add(now_ns)
    }

    fn check_alarm(&mut self, now_ns: u64) {
        if self.alarm_ns.is_some_and(|alarm| alarm <= self.time_ns(now_ns)) {
            self.alarm_ns = None;
            self.irq_pending = true;
        }
    }
}

impl Device for GoldfishRtc {
    fn model(&self) -> &'static str {
        "goldfish-rtc"
    }

    fn power_cycle(&mut self) {
        let base_ns = self.base_ns;
        self.reset();
        self.base_ns = base_ns;
    }

    fn power_on(&mut self, outside: &PowerOn) {
        self.base_ns = outside.clock_base_ns;
    }

    fn mmio(&mut self) -> Option<&mut dyn Mmio> {
        Some(self)
    }

    fn timed(&mut self) -> Option<&mut dyn Timed> {
        Some(self)
    }

    fn line_outputs(&self) -> Option<&dyn LineOutputs> {
        Some(self)
    }
}

fn low_half(value: u64) -> u32 {
    let [a, b, c, d, ..] = value.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

fn high_half(value: u64) -> u32 {
    low_half(value >> 32)
}

fn join(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

impl Mmio for GoldfishRtc {
    fn regions(&self) -> &[Region] {
        &[REGISTERS]
    }

    fn read(&mut self, io: &mut Io<'_>, _: usize, offset: u64, _: Width) -> u64 {
        let value = match offset {
            TIME_LOW => {
                let time = self.time_ns(io.now_ns());
                self.latched_high = high_half(time);
                low_half(time)
            }
            TIME_HIGH => self.latched_high,
            ALARM_LOW => low_half(self.alarm_register()),
            ALARM_HIGH => high_half(self.alarm_register()),
            IRQ_ENABLED => u32::from(self.irq_enabled),
            ALARM_STATUS => u32::from(self.alarm_ns.is_some()),
            _ => {
                io.guest_error(offset, "no readable register");
                0
            }
        };
        u64::from(value)
    }

    fn write(&mut self, io: &mut Io<'_>, _: usize, offset: u64, _: Width, value: u64) {
        let value = low_half(value);
        match offset {
            TIME_HIGH => self.set_high = value,
            TIME_LOW => {
                self.base_ns = join(self.set_high, value).wrapping_sub(io.now_ns());
                self.check_alarm(io.now_ns());
            }
            ALARM_HIGH => self.alarm_high = value,
            ALARM_LOW => {
                let alarm_ns = join(self.alarm_high, value);
                self.alarm_ns = Some(alarm_ns);
                if self.alarm_registers == AlarmRegisters::Keep {
                    self.written_alarm_ns = alarm_ns;
                }
                self.check_alarm(io.now_ns());
            }
            IRQ_ENABLED => self.irq_enabled = value & 1 != 0,
            CLEAR_ALARM => self.alarm_ns = None,
            CLEAR_INTERRUPT => self.irq_pending = false,
            _ => io.guest_error(offset, "no writable register"),
        }
    }
}

impl Timed for GoldfishRtc {
    fn deadline_ns(&self, now_ns: u64) -> Option<u64> {
        let alarm_ns = self.alarm_ns?;
        now_ns.checked_add(alarm_ns.saturating_sub(self.time_ns(now_ns)))
    }

    fn expire(&mut self, io: &mut Io<'_>) {
        self.check_alarm(io.now_ns());
    }
}

impl LineOutputs for GoldfishRtc {
    fn levels(&self, _: u64) -> u64 {
        u64::from(self.irq_pending && self.irq_enabled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::bench::Bench;

    const BASE_NS: u64 = 0x17_9999_ffff_fff0;

    fn bench() -> Bench<GoldfishRtc> {
        let mut rtc = GoldfishRtc::default();
        rtc.power_on(&PowerOn { clock_base_ns: BASE_NS, ..PowerOn::default() });
        Bench::new(rtc)
    }

    #[test]
    fn reading_the_low_half_latches_the_high_half() {
        let mut bench = bench();
        assert_eq!(bench.read(TIME_LOW, Width::Word), 0xffff_fff0);
        bench.set_now_ns(0x20);
        assert_eq!(bench.read(TIME_HIGH, Width::Word), 0x17_9999);
        assert_eq!(bench.read(TIME_LOW, Width::Word), 0x10);
        assert_eq!(bench.read(TIME_HIGH, Width::Word), 0x17_999a);
    }

    #[test]
    fn an_alarm_raises_the_line_at_its_time_and_not_before() {
        let mut bench = bench();
        bench.write(IRQ_ENABLED, Width::Word, 1);
        bench.write(ALARM_HIGH, Width::Word, 0x17_999a);
        bench.write(ALARM_LOW, Width::Word, 0x100);
        assert_eq!(bench.read(ALARM_STATUS, Width::Word), 1);
        assert_eq!(bench.deadline_ns(), Some(0x110));
        bench.advance_to(0x10f);
        assert_eq!(bench.levels(), 0);
        bench.advance_to(0x110);
        assert_eq!(bench.levels(), 1);
        assert_eq!(bench.read(ALARM_STATUS, Width::Word), 0);
        bench.write(CLEAR_INTERRUPT, Width::Word, 1);
        assert_eq!(bench.levels(), 0);
    }

    #[test]
    fn an_alarm_in_the_past_fires_at_once_and_a_cleared_one_never() {
        let mut bench = bench();
        bench.write(IRQ_ENABLED, Width::Word, 1);
        bench.write(ALARM_LOW, Width::Word, 5);
        assert_eq!(bench.levels(), 1);
        bench.write(CLEAR_INTERRUPT, Width::Word, 1);
        bench.write(ALARM_HIGH, Width::Word, 0x17_999a);
        bench.write(ALARM_LOW, Width::Word, 0);
        bench.write(CLEAR_ALARM, Width::Word, 1);
        assert_eq!(bench.deadline_ns(), None);
    }

    #[test]
    fn a_clock_that_is_set_runs_on_from_there_and_keeps_through_a_reset() {
        let mut bench = bench();
        bench.set_now_ns(1_000);
        bench.write(TIME_HIGH, Width::Word, 1);
        bench.write(TIME_LOW, Width::Word, 2);
        bench.device.power_cycle();
        bench.set_now_ns(1_005);
        assert_eq!(bench.read(TIME_LOW, Width::Word), 7);
        assert_eq!(bench.read(TIME_HIGH, Width::Word), 1);
    }

    #[test]
    fn an_alarm_that_fired_reads_back_and_in_the_older_clock_reads_zero() {
        for (alarm_registers, fresh, fired) in
            [(AlarmRegisters::Keep, u32::MAX, 5), (AlarmRegisters::Zero, 0, 0)]
        {
            let mut bench = Bench::new(GoldfishRtc::new(alarm_registers));
            bench.set_now_ns(9);
            assert_eq!(bench.read(ALARM_LOW, Width::Word), u64::from(fresh));
            bench.write(ALARM_LOW, Width::Word, 5);
            assert_eq!(bench.read(ALARM_STATUS, Width::Word), 0, "it has fired");
            assert_eq!(bench.read(ALARM_LOW, Width::Word), fired, "{alarm_registers:?}");
        }
    }

    #[test]
    fn an_alarm_that_was_written_does_not_fit_into_version_1() {
        let mut bench = bench();
        assert!(bench.device.save(1, &mut Vec::new()).is_ok());
        bench.write(ALARM_LOW, Width::Word, 5);
        let error = bench.device.save(1, &mut Vec::new()).expect_err("it differs").to_string();
        assert!(error.contains("written_alarm_ns"), "{error}");
    }
}
