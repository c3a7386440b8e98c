//! The 16550A serial port with its 16-byte FIFOs.
//!
//! Source: National Semiconductor PC16550D data sheet, section 8 (registers); register names are
//! the sheet's.
//!
//! The line has no speed: a byte written leaves at once, so the transmitter is always empty, and a
//! byte arrives as soon as the receiver has room. What came from outside and found no room waits
//! on the wire, which is state, so a guest that reads slowly loses nothing and a save loses nothing
//! either. The character timeout is the exception: it is what makes a driver with a FIFO trigger
//! above one byte notice a single typed character, and it takes four characters at the programmed
//! divisor, as the sheet says. Machines before that was modelled ignore the trigger level instead
//! ([`BelowTrigger`]).
//!
//! Deliberately absent: modem lines that change by themselves, parity and framing errors, breaks.

use std::collections::VecDeque;

use vmstate::VmState;

use crate::{
    bus::Width,
    device::{Device, External, Io, LineOutputs, Mmio, Region, Timed},
    door::kind,
};

const REGISTERS: Region =
    Region { name: "registers", bytes: 0x100, narrowest: Width::Byte, widest: Width::Byte };

/// Kind of the bytes that the guest sends.
pub const SERIAL_OUTPUT: &str = "serial.output";

// Offsets of the registers, each a byte wide. Sections of the sheet carry the registers' names.

/// Receiver buffer (read), transmitter holding (write), divisor low with DLAB.
pub const RBR: u64 = 0;
/// Interrupt enable ("Interrupt Enable Register"), divisor high with DLAB.
pub const IER: u64 = 1;
/// Interrupt identification (read; the sheet's "Interrupt Identification Register"), FIFO control (write;
/// "FIFO Control Register").
pub const IIR: u64 = 2;
/// Line control ("Line Control Register"): word length, parity, DLAB in bit 7.
pub const LCR: u64 = 3;
/// Modem control ("MODEM Control Register"): bit 4 loops back.
pub const MCR: u64 = 4;
/// Line status ("Line Status Register").
pub const LSR: u64 = 5;
/// Modem status ("MODEM Status Register").
pub const MSR: u64 = 6;
/// Scratch: a byte that the port keeps ("Scratchpad Register").
pub const SCR: u64 = 7;

const IER_RECEIVED: u8 = 1 << 0;
const IER_EMPTY: u8 = 1 << 1;
const IER_LINE: u8 = 1 << 2;
const IER_MASK: u8 = 0x0f;
const IIR_NONE: u8 = 0x01;
const IIR_EMPTY: u8 = 0x02;
const IIR_RECEIVED: u8 = 0x04;
const IIR_LINE: u8 = 0x06;
const IIR_TIMEOUT: u8 = 0x0c;
const IIR_FIFOS: u8 = 0xc0;
const FCR_ENABLE: u8 = 1 << 0;
const FCR_CLEAR_RECEIVER: u8 = 1 << 1;
const FCR_MASK: u8 = 0xc9;
const LCR_DLAB: u8 = 1 << 7;
const MCR_MASK: u8 = 0x1f;
const MCR_LOOP: u8 = 1 << 4;
const LSR_READY: u8 = 1 << 0;
const LSR_OVERRUN: u8 = 1 << 1;
const LSR_EMPTY: u8 = 1 << 5 | 1 << 6;
/// Carrier detect, data set ready, clear to send: somebody is there.
const MSR_CONNECTED: u8 = 0xb0;

const FIFO_BYTES: usize = 16;
/// Bytes that wait on the wire at most; more than anybody pastes. What goes beyond is lost.
const WIRE_BYTES: usize = 0x1_0000;
/// Frequency of the clock that the divisor divides, in hertz; a bit lasts 16 of its periods times the divisor
/// ("Programmable Baud Generator"). The board's device tree tells it to the guest.
pub const CLOCK_HZ: u32 = 3_686_400;

/// What bytes that wait below the trigger level do. It belongs to the machine's version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BelowTrigger {
    /// They interrupt at once: the trigger level has no effect.
    Interrupt,
    /// They interrupt after four characters' time without another byte, as the sheet says.
    #[default]
    Timeout,
}

/// The character timeout.
#[derive(VmState, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[vmstate(version = 1, name = "ns16550a-timeout")]
pub struct Timeout {
    /// Virtual time at which the bytes that wait time out.
    at_ns: Option<u64>,
    /// They have, and none has been read since.
    expired: bool,
}

/// The serial port. Output line 0: its interrupt.
#[derive(VmState, Clone, Debug, PartialEq, Eq)]
#[vmstate(version = 2, name = "ns16550a")]
pub struct Ns16550a {
    /// IER, bits 3 to 0.
    ier: u8,
    /// FCR: bit 0 and the trigger level as written last; 0 while the FIFOs are off.
    fcr: u8,
    /// LCR.
    lcr: u8,
    /// MCR.
    mcr: u8,
    /// SCR.
    scr: u8,
    /// Divisor latch: 115,200 baud at power-on.
    #[vmstate(default = 2)]
    divisor: u16,
    /// Overrun since the last read of LSR.
    overrun: bool,
    /// The transmitter became empty and the guest has not yet been told.
    empty_pending: bool,
    /// The receiver's FIFO, oldest byte first; one byte deep while the FIFOs are off.
    #[vmstate(max_len = 16)]
    receiver: VecDeque<u8>,
    /// Bytes that have come and found no room in the receiver.
    #[vmstate(max_len = 0x1_0000)]
    wire: VecDeque<u8>,
    /// The character timeout, while it runs or has come.
    #[vmstate(since = 2, default, subsection(needed = |uart: &Self| uart.timeout != Timeout::default()))]
    timeout: Timeout,
    #[vmstate(skip("the machine's version says it"))]
    below_trigger: BelowTrigger,
}

impl Default for Ns16550a {
    fn default() -> Self {
        Self::new(BelowTrigger::default())
    }
}

impl Ns16550a {
    /// A port after power-on.
    #[must_use]
    pub fn new(below_trigger: BelowTrigger) -> Self {
        Self {
            ier: 0,
            fcr: 0,
            lcr: 0,
            mcr: 0,
            scr: 0,
            divisor: 2,
            overrun: false,
            empty_pending: false,
            receiver: VecDeque::new(),
            wire: VecDeque::new(),
            timeout: Timeout::default(),
            below_trigger,
        }
    }

    fn capacity(&self) -> usize {
        if self.fcr & FCR_ENABLE == 0 { 1 } else { FIFO_BYTES }
    }

    fn trigger(&self) -> usize {
        let has_level = self.below_trigger == BelowTrigger::Timeout && self.fcr & FCR_ENABLE != 0;
        if has_level { [1, 4, 8, 14][usize::from(self.fcr >> 6)] } else { 1 }
    }

    /// Time of four characters (start, data, parity and stop bits as programmed).
    fn timeout_ns(&self) -> u64 {
        let bits = 7
            + u64::from(self.lcr & 3)
            + u64::from(self.lcr >> 2 & 1)
            + u64::from(self.lcr >> 3 & 1);
        let divisor = u64::from(self.divisor.max(1));
        4 * bits * 16 * divisor * 1_000_000_000 / u64::from(CLOCK_HZ)
    }

    /// Moves what waits on the wire into the receiver and restarts the timeout.
    fn refill(&mut self, now_ns: u64) {
        while self.receiver.len() < self.capacity() {
            let Some(byte) = self.wire.pop_front() else { break };
            self.receiver.push_back(byte);
        }
        self.restart_timeout(now_ns);
    }

    fn restart_timeout(&mut self, now_ns: u64) {
        let waits = self.below_trigger == BelowTrigger::Timeout
            && self.fcr & FCR_ENABLE != 0
            && !self.receiver.is_empty();
        let at_ns = waits.then(|| now_ns.saturating_add(self.timeout_ns()));
        self.timeout = Timeout { at_ns, expired: false };
    }

    /// The identification of the most urgent interrupt, without the FIFO bits.
    fn identification(&self) -> u8 {
        let received = self.ier & IER_RECEIVED != 0;
        if self.ier & IER_LINE != 0 && self.overrun {
            IIR_LINE
        } else if received && self.receiver.len() >= self.trigger() {
            IIR_RECEIVED
        } else if received && self.timeout.expired {
            IIR_TIMEOUT
        } else if self.ier & IER_EMPTY != 0 && self.empty_pending {
            IIR_EMPTY
        } else {
            IIR_NONE
        }
    }

    fn transmit(&mut self, io: &mut Io<'_>, byte: u8) {
        self.empty_pending = true;
        if self.mcr & MCR_LOOP == 0 {
            io.send(SERIAL_OUTPUT, &[byte]);
        } else if self.receiver.len() < self.capacity() {
            self.receiver.push_back(byte);
            self.restart_timeout(io.now_ns());
        } else {
            self.overrun = true;
        }
    }

    fn set_fifo_control(&mut self, now_ns: u64, value: u8) {
        // Switching the FIFOs on or off empties them.
        if value & FCR_CLEAR_RECEIVER != 0 || (value ^ self.fcr) & FCR_ENABLE != 0 {
            self.receiver.clear();
        }
        self.fcr = if value & FCR_ENABLE == 0 { 0 } else { value & FCR_MASK };
        self.refill(now_ns);
    }

    fn modem_status(&self) -> u8 {
        if self.mcr & MCR_LOOP == 0 {
            return MSR_CONNECTED;
        }
        // Looped back: DTR to DSR, RTS to CTS, OUT1 to RI, OUT2 to DCD.
        let mcr = self.mcr;
        (mcr & 1) << 5 | (mcr >> 1 & 1) << 4 | (mcr >> 2 & 1) << 6 | (mcr >> 3 & 1) << 7
    }
}

impl Device for Ns16550a {
    fn model(&self) -> &'static str {
        "ns16550a"
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

    fn external(&mut self) -> Option<&mut dyn External> {
        Some(self)
    }
}

impl Mmio for Ns16550a {
    fn regions(&self) -> &[Region] {
        &[REGISTERS]
    }

    fn read(&mut self, io: &mut Io<'_>, _: usize, offset: u64, _: Width) -> u64 {
        let [divisor_low, divisor_high] = self.divisor.to_le_bytes();
        let latched = self.lcr & LCR_DLAB != 0;
        let value = match offset {
            RBR if latched => divisor_low,
            RBR => {
                let byte = self.receiver.pop_front().unwrap_or(0);
                self.refill(io.now_ns());
                byte
            }
            IER if latched => divisor_high,
            IER => self.ier,
            IIR => {
                let identification = self.identification();
                if identification == IIR_EMPTY {
                    self.empty_pending = false;
                }
                identification | if self.fcr & FCR_ENABLE == 0 { 0 } else { IIR_FIFOS }
            }
            LCR => self.lcr,
            MCR => self.mcr,
            LSR => {
                let ready = if self.receiver.is_empty() { 0 } else { LSR_READY };
                let overrun = if self.overrun { LSR_OVERRUN } else { 0 };
                self.overrun = false;
                LSR_EMPTY | ready | overrun
            }
            MSR => self.modem_status(),
            SCR => self.scr,
            _ => {
                io.guest_error(offset, "no such register");
                0
            }
        };
        u64::from(value)
    }

    fn write(&mut self, io: &mut Io<'_>, _: usize, offset: u64, _: Width, value: u64) {
        let [value, ..] = value.to_le_bytes();
        let [divisor_low, divisor_high] = self.divisor.to_le_bytes();
        let latched = self.lcr & LCR_DLAB != 0;
        match offset {
            RBR if latched => self.divisor = u16::from_le_bytes([value, divisor_high]),
            RBR => self.transmit(io, value),
            IER if latched => self.divisor = u16::from_le_bytes([divisor_low, value]),
            IER => {
                // Enabling the interrupt while the transmitter is empty raises it.
                self.empty_pending |= value & !self.ier & IER_EMPTY != 0;
                self.ier = value & IER_MASK;
            }
            IIR => self.set_fifo_control(io.now_ns(), value),
            LCR => self.lcr = value,
            MCR => self.mcr = value & MCR_MASK,
            SCR => self.scr = value,
            _ => io.guest_error(offset, "no writable register"),
        }
    }
}

impl Timed for Ns16550a {
    fn deadline_ns(&self, _: u64) -> Option<u64> {
        self.timeout.at_ns
    }

    fn expire(&mut self, _: &mut Io<'_>) {
        self.timeout = Timeout { at_ns: None, expired: true };
    }
}

impl LineOutputs for Ns16550a {
    fn levels(&self, _: u64) -> u64 {
        u64::from(self.identification() != IIR_NONE)
    }
}

impl External for Ns16550a {
    fn kinds(&self) -> &'static [&'static str] {
        &[kind::SERIAL_INPUT]
    }

    fn receive(&mut self, io: &mut Io<'_>, event: &str, data: &[u8]) -> bool {
        if event != kind::SERIAL_INPUT {
            return false;
        }
        // In loop-back the line is cut off from the receiver.
        if self.mcr & MCR_LOOP != 0 {
            return true;
        }
        let room = WIRE_BYTES - self.wire.len();
        self.overrun |= data.len() > room;
        self.wire.extend(data.iter().take(room));
        self.refill(io.now_ns());
        true
    }
}

#[cfg(test)]
mod tests {
    use vmstate::Instance;

    use super::*;
    use crate::device::{Effect, bench::Bench};

    fn bench() -> Bench<Ns16550a> {
        Bench::new(Ns16550a::default())
    }

    impl Bench<Ns16550a> {
        fn get(&mut self, offset: u64) -> u8 {
            u8::try_from(self.read(offset, Width::Byte)).expect("a byte")
        }

        fn put(&mut self, offset: u64, value: u8) {
            self.write(offset, Width::Byte, u64::from(value));
        }
    }

    #[test]
    fn bytes_written_leave_in_order_and_the_transmitter_is_always_empty() {
        let mut bench = bench();
        for byte in *b"hi\n" {
            assert_eq!(bench.get(LSR), 0x60);
            bench.put(RBR, byte);
        }
        let sent = Effect::Output { device: 0, kind: SERIAL_OUTPUT, data: b"hi\n".to_vec() };
        assert_eq!(bench.take_effects(), [sent]);
    }

    #[test]
    fn received_bytes_raise_the_line_until_they_are_read() {
        let mut bench = bench();
        bench.put(IER, 1);
        assert!(bench.receive(kind::SERIAL_INPUT, b"ab"));
        assert_eq!((bench.levels(), bench.get(IIR), bench.get(LSR)), (1, 0x04, 0x61));
        assert_eq!((bench.get(RBR), bench.levels()), (b'a', 1));
        assert_eq!((bench.get(RBR), bench.levels()), (b'b', 0));
        assert_eq!((bench.get(RBR), bench.get(IIR), bench.get(LSR)), (0, 0x01, 0x60));
    }

    #[test]
    fn the_divisor_hides_behind_dlab() {
        let mut bench = bench();
        bench.put(IER, 0x05);
        bench.put(LCR, 0x83);
        bench.put(RBR, 0x34);
        bench.put(IER, 0x12);
        assert_eq!((bench.get(RBR), bench.get(IER)), (0x34, 0x12));
        bench.put(LCR, 0x03);
        assert_eq!((bench.get(IER), bench.take_effects()), (0x05, vec![]));
    }

    #[test]
    fn the_empty_interrupt_comes_on_enabling_and_goes_on_reading_iir() {
        let mut bench = bench();
        bench.put(IER, 2);
        assert_eq!((bench.levels(), bench.get(IIR), bench.levels()), (1, 0x02, 0));
        bench.put(RBR, b'x');
        assert_eq!((bench.levels(), bench.get(IIR), bench.get(IIR)), (1, 0x02, 0x01));
    }

    #[test]
    fn below_the_trigger_level_bytes_interrupt_after_four_characters() {
        let mut bench = bench();
        bench.put(LCR, 0x03);
        bench.put(IIR, 0xc1);
        bench.put(IER, 1);
        bench.receive(kind::SERIAL_INPUT, b"q");
        // Four characters of ten bits at 115,200 baud.
        let timeout_ns = 4 * 10 * 16 * 2 * 1_000_000_000 / u64::from(CLOCK_HZ);
        assert_eq!((bench.levels(), bench.deadline_ns()), (0, Some(timeout_ns)));
        bench.advance_to(timeout_ns);
        assert_eq!((bench.levels(), bench.get(IIR)), (1, 0xcc));
        assert_eq!((bench.get(RBR), bench.levels(), bench.deadline_ns()), (b'q', 0, None));
    }

    #[test]
    fn the_trigger_level_counts_bytes() {
        for (fcr, trigger) in [(0x01, 1), (0x41, 4), (0x81, 8), (0xc1, 14)] {
            let mut bench = bench();
            bench.put(IIR, fcr);
            bench.put(IER, 1);
            bench.receive(kind::SERIAL_INPUT, &vec![b'.'; trigger - 1]);
            assert_eq!(bench.levels(), 0, "{fcr:#x}");
            bench.receive(kind::SERIAL_INPUT, b".");
            assert_eq!((bench.levels(), bench.get(IIR)), (1, 0xc4), "{fcr:#x}");
        }
    }

    #[test]
    fn a_port_without_the_timeout_ignores_the_trigger_level() {
        let mut bench = Bench::new(Ns16550a::new(BelowTrigger::Interrupt));
        bench.put(IIR, 0xc1);
        bench.put(IER, 1);
        bench.receive(kind::SERIAL_INPUT, b"q");
        assert_eq!((bench.levels(), bench.get(IIR), bench.deadline_ns()), (1, 0xc4, None));
        assert_eq!((bench.get(RBR), bench.levels()), (b'q', 0));
    }

    #[test]
    fn a_timeout_that_runs_does_not_fit_into_version_1() {
        let mut bench = bench();
        bench.put(IIR, 0xc1);
        assert!(bench.device.save(1, &mut Vec::new()).is_ok());
        bench.receive(kind::SERIAL_INPUT, b"q");
        let error = bench.device.save(1, &mut Vec::new()).expect_err("a byte waits").to_string();
        assert!(error.contains("timeout"), "{error}");
    }

    #[test]
    fn a_paste_waits_on_the_wire_and_arrives_whole() {
        let mut bench = bench();
        bench.put(IIR, 0x01);
        let paste: Vec<u8> = (0..=255).collect();
        bench.receive(kind::SERIAL_INPUT, &paste);
        let read: Vec<u8> = (0..=255).map(|_| bench.get(RBR)).collect();
        assert_eq!(read, paste);
        assert_eq!(bench.get(LSR), 0x60);
    }

    #[test]
    fn loopback_returns_bytes_and_modem_lines() {
        let mut bench = bench();
        bench.put(MCR, 0x1f);
        assert_eq!(bench.get(MSR), 0xf0);
        bench.put(RBR, b'L');
        assert_eq!((bench.get(LSR), bench.get(RBR), bench.take_effects()), (0x61, b'L', vec![]));
        bench.put(RBR, b'1');
        bench.put(RBR, b'2');
        assert_eq!((bench.get(LSR), bench.get(LSR)), (0x63, 0x61), "overrun, cleared by the read");
    }

    #[test]
    fn clearing_the_receiver_drops_its_bytes() {
        let mut bench = bench();
        bench.put(IIR, 0x01);
        bench.receive(kind::SERIAL_INPUT, b"drop");
        bench.put(IIR, 0x03);
        assert_eq!(bench.get(LSR), 0x60);
    }

    #[test]
    fn an_unknown_event_is_refused() {
        assert!(!bench().receive("network.frame", b""));
    }
}
