//! The host-target interface: two words of memory through which bare test programs talk.
//!
//! Problem: a bare test program has no device tree and knows no board; all it can rely on is memory.
//! Strategy: the loader finds the symbols `tohost` and `fromhost` in the program, and this device
//! listens to the first. A command is a doubleword: device in bits 63 to 56, command in bits 55 to
//! 48, payload below. It takes effect right after the instruction that wrote it; then `tohost`
//! reads zero again, except after the end.
//!
//! | device | command | payload | effect |
//! |---|---|---|---|
//! | 0 | 0 | odd | ends the run; the bits above bit 0 are the exit code, 0 is success |
//! | 0 | 0 | address of a call | `write` (64) to files 1 and 2, `exit` (93); else -38 (no such call) |
//! | 1 | 1 | byte | is printed |
//!
//! Source: the `htif` headers of riscv-isa-sim (fesvr) and the `tohost` convention of riscv-tests.
//! Deliberately absent: input (device 1, command 0) and files of the host, which would have to
//! enter through the door.

use std::{fmt, ops::Range, str::FromStr};

use vmstate::VmState;

use super::ns16550a::SERIAL_OUTPUT;
use crate::{
    device::{Device, Io, Mailbox, PowerRequest},
    memory::NotRam,
};

/// Most bytes that one `write` prints.
const MOST_BYTES: u64 = 1 << 16;

/// Calls by number, as Linux has them.
const WRITE: u64 = 64;
const EXIT: u64 = 93;
/// `-ENOSYS`.
const NO_SUCH_CALL: i64 = -38;
/// `-EFAULT`.
const BAD_ADDRESS: i64 = -14;

/// Where the two words are; as text `0x80001000` or `0x80001000,0x80001040`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Physical address of `tohost`, a doubleword.
    pub tohost: u64,
    /// Physical address of `fromhost`, a doubleword, if the program has it.
    pub fromhost: Option<u64>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.tohost)?;
        self.fromhost.map_or(Ok(()), |fromhost| write!(f, ",{fromhost:#x}"))
    }
}

/// A text that is no [`Place`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not one or two hexadecimal addresses such as 0x80001000,0x80001040")]
pub struct NoPlace(String);

impl FromStr for Place {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        let addr = |text: &str| u64::from_str_radix(text.strip_prefix("0x")?, 16).ok();
        let place = match text.split_once(',') {
            None => addr(text).map(|tohost| Self { tohost, fromhost: None }),
            Some((tohost, fromhost)) => addr(tohost)
                .zip(addr(fromhost))
                .map(|(tohost, fromhost)| Self { tohost, fromhost: Some(fromhost) }),
        };
        place.ok_or_else(|| NoPlace(text.to_owned()))
    }
}

/// The two words. Without state of its own: what is under way stands in memory.
#[derive(VmState, Clone, Debug, Default, PartialEq, Eq)]
#[vmstate(version = 1, name = "htif")]
pub struct Htif {
    /// Physical address of `tohost`.
    #[vmstate(equal)]
    tohost: u64,
    /// Physical address of `fromhost`.
    #[vmstate(equal)]
    fromhost: Option<u64>,
}

impl Htif {
    /// The interface at these physical addresses, of which `tohost` is in memory.
    #[must_use]
    pub fn new(Place { tohost, fromhost }: Place) -> Self {
        Self { tohost, fromhost }
    }

    /// Carries out the call that stands at physical `addr`: number and three arguments, of which the
    /// first place takes the result.
    fn call(&self, io: &mut Io<'_>, addr: u64) -> Result<(), NotRam> {
        let word = |index: u64| io.memory().read_u64(addr.wrapping_add(8 * index));
        let (number, first, second, third) = (word(0)?, word(1)?, word(2)?, word(3)?);
        let result = match number {
            EXIT => return end(io, first),
            WRITE if matches!(first, 1 | 2) && third <= MOST_BYTES => {
                let mut bytes = vec![0; usize::try_from(third).unwrap_or_default()];
                if io.memory().read(second, &mut bytes).is_ok() {
                    io.send(SERIAL_OUTPUT, &bytes);
                    third.cast_signed()
                } else {
                    BAD_ADDRESS
                }
            }
            _ => {
                io.guest_error(0, "htif: the calls are write to 1 and 2, and exit");
                NO_SUCH_CALL
            }
        };
        io.store(addr, &result.to_le_bytes())?;
        if let Some(fromhost) = self.fromhost {
            io.store(fromhost, &1_u64.to_le_bytes())?;
        }
        self.done(io)
    }

    fn done(&self, io: &mut Io<'_>) -> Result<(), NotRam> {
        io.store(self.tohost, &[0; 8])
    }
}

/// Ends the run; codes that the host cannot tell apart become 255.
#[expect(clippy::unnecessary_wraps, reason = "one shape with the other commands")]
fn end(io: &mut Io<'_>, code: u64) -> Result<(), NotRam> {
    io.request(PowerRequest::Off { code: u8::try_from(code).unwrap_or(u8::MAX) });
    Ok(())
}

impl Device for Htif {
    fn model(&self) -> &'static str {
        "htif"
    }

    fn mailbox(&mut self) -> Option<&mut dyn Mailbox> {
        Some(self)
    }
}

impl Mailbox for Htif {
    fn ranges(&self) -> Vec<Range<u64>> {
        std::iter::once(self.tohost..self.tohost.saturating_add(8)).collect()
    }

    fn look(&mut self, io: &mut Io<'_>) {
        let Ok(command) = io.memory().read_u64(self.tohost) else { return };
        if command == 0 {
            return;
        }
        let (device, number) = (command >> 56, command >> 48 & 0xff);
        let payload = command & ((1 << 48) - 1);
        let outcome = match (device, number) {
            (0, 0) if payload & 1 != 0 => end(io, payload >> 1),
            (0, 0) => self.call(io, payload),
            (1, 1) => {
                io.send(SERIAL_OUTPUT, &[payload.to_le_bytes()[0]]);
                self.done(io)
            }
            _ => {
                io.guest_error(0, "htif: the commands are 0.0 (end, call) and 1.1 (print)");
                self.done(io)
            }
        };
        if let Err(NotRam { addr, .. }) = outcome {
            io.guest_error(addr, "htif: the call is not in memory");
            // The loader checked that `tohost` itself is.
            self.done(io).unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::{Effect, bench::Bench};

    const TOHOST: u64 = 0x100;
    const FROMHOST: u64 = 0x140;
    const CALL: u64 = 0x200;

    /// What the device does, and `tohost`, `fromhost` and the call's result afterwards.
    fn answer(command: u64, call: [u64; 4]) -> (Vec<Effect>, [u64; 3]) {
        let mut bench = Bench::new(Htif::new(Place { tohost: TOHOST, fromhost: Some(FROMHOST) }));
        bench.with(|device, io| {
            let memory = io.memory();
            memory.write(CALL + 0x40, b"text").expect("RAM");
            for (addr, word) in (CALL..).step_by(8).zip(call) {
                memory.write(addr, &word.to_le_bytes()).expect("RAM");
            }
            memory.write(TOHOST, &command.to_le_bytes()).expect("RAM");
            device.look(io);
        });
        let after = bench.with(|_, io| {
            [TOHOST, FROMHOST, CALL].map(|addr| io.memory().read_u64(addr).expect("RAM"))
        });
        let mut effects = bench.take_effects();
        effects.retain(|effect| *effect != Effect::Stored);
        (effects, after)
    }

    fn off(code: u8) -> Vec<Effect> {
        vec![Effect::Power(PowerRequest::Off { code })]
    }

    fn printed(data: &[u8]) -> Vec<Effect> {
        vec![Effect::Output { device: 0, kind: SERIAL_OUTPUT, data: data.to_vec() }]
    }

    #[test]
    fn a_place_is_read_as_it_is_written() {
        for fromhost in [None, Some(0x8000_1040)] {
            let place = Place { tohost: 0x8000_1000, fromhost };
            assert_eq!(place.to_string().parse(), Ok(place));
        }
        for text in ["", "80001000", "0x1,", "0x1,2", "0xg"] {
            assert_eq!(text.parse::<Place>(), Err(NoPlace(text.to_owned())));
        }
    }

    #[test]
    fn each_command_does_what_the_table_says() {
        let minus = |number: i64| (-number).cast_unsigned();
        for (command, call, effects, after) in [
            (1, [0; 4], off(0), [1, 0, 0]),
            (7, [0; 4], off(3), [7, 0, 0]),
            (0x2001, [0; 4], off(255), [0x2001, 0, 0]),
            (0x0101_0000_0000_0041, [0; 4], printed(b"A"), [0, 0, 0]),
            (0x0200_0000_0000_0001, [0; 4], vec![], [0, 0, 0]),
            (CALL, [64, 1, CALL + 0x40, 4], printed(b"text"), [0, 1, 4]),
            (CALL, [64, 1, u64::MAX, 4], vec![], [0, 1, minus(14)]),
            (CALL, [64, 9, CALL + 0x40, 4], vec![], [0, 1, minus(38)]),
            (CALL, [93, 5, 0, 0], off(5), [CALL, 0, 93]),
            (CALL, [12, 0, 0, 0], vec![], [0, 1, minus(38)]),
            (0x1000_0000, [0; 4], vec![], [0, 0, 0]),
        ] {
            assert_eq!(answer(command, call), (effects, after), "{command:#x} {call:x?}");
        }
    }
}
