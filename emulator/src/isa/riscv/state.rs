//! Architectural state of a hart: what a snapshot holds.

use super::features::Features;
use super::pmp::Pmp;
use vmstate::VmState;

/// Privilege modes, encoded as in `mstatus.MPP`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Privilege {
    /// U.
    User = 0,
    /// S.
    Supervisor = 1,
    /// M.
    Machine = 3,
}

impl Privilege {
    /// From its two-bit encoding; the reserved one reads as user.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        match bits & 3 {
            3 => Self::Machine,
            1 => Self::Supervisor,
            _ => Self::User,
        }
    }
}

/// Fields of `mstatus` (Privileged Architecture 1.13, "Machine Status Registers").
#[expect(missing_docs, reason = "named as in the manual")]
pub mod status {
    pub const SIE: u64 = 1 << 1;
    pub const MIE: u64 = 1 << 3;
    pub const SPIE: u64 = 1 << 5;
    pub const MPIE: u64 = 1 << 7;
    pub const SPP: u64 = 1 << 8;
    pub const MPP_SHIFT: u32 = 11;
    pub const MPP: u64 = 3 << MPP_SHIFT;
    pub const FS_SHIFT: u32 = 13;
    pub const FS: u64 = 3 << FS_SHIFT;
    pub const MPRV: u64 = 1 << 17;
    pub const SUM: u64 = 1 << 18;
    pub const MXR: u64 = 1 << 19;
    pub const TVM: u64 = 1 << 20;
    pub const TW: u64 = 1 << 21;
    pub const TSR: u64 = 1 << 22;
    pub const SD: u64 = 1 << 63;
    /// UXL and SXL: 64 bits.
    pub const XLEN: u64 = 2 << 32 | 2 << 34;
    /// What `sstatus` shows of the writable bits.
    pub const SUPERVISOR: u64 = SIE | SPIE | SPP | FS | SUM | MXR;
    /// What software can write.
    pub const WRITABLE: u64 = SUPERVISOR | MIE | MPIE | MPP | MPRV | TVM | TW | TSR;
}

/// Interrupt numbers as bits of `mip` and `mie`.
#[expect(missing_docs, reason = "named as in the manual")]
pub mod interrupt {
    pub const SSI: u64 = 1 << 1;
    pub const MSI: u64 = 1 << 3;
    pub const STI: u64 = 1 << 5;
    pub const MTI: u64 = 1 << 7;
    pub const SEI: u64 = 1 << 9;
    pub const MEI: u64 = 1 << 11;
    pub const SUPERVISOR: u64 = SSI | STI | SEI;
    pub const ALL: u64 = SUPERVISOR | MSI | MTI | MEI;
}

/// Fields of `menvcfg`.
#[expect(missing_docs, reason = "named as in the manual")]
pub mod environment {
    pub const FIOM: u64 = 1;
    pub const CBIE_SHIFT: u32 = 4;
    pub const CBIE: u64 = 3 << CBIE_SHIFT;
    pub const CBCFE: u64 = 1 << 6;
    pub const CBZE: u64 = 1 << 7;
    pub const ADUE: u64 = 1 << 61;
    pub const PBMTE: u64 = 1 << 62;
    pub const STCE: u64 = 1 << 63;
}

/// A hart's architectural state.
#[repr(C)]
#[derive(VmState, Clone, Debug, PartialEq)]
#[vmstate(version = 1, name = "riscv-hart-state")]
pub struct State {
    /// Integer registers; `x[0]` stays zero.
    #[vmstate(validate = zero_is_zero)]
    pub x: [u64; 32],
    /// Floating-point registers, raw bits.
    pub f: [u64; 32],
    /// Virtual address of the load reservation; all ones for none. What ends it, besides a
    /// store-conditional: [`State::lose_reservation`] says.
    #[vmstate(default = u64::MAX)]
    pub reservation_address: u64,
    /// The value that was loaded there.
    pub reservation_value: u64,
    /// Virtual address of the next instruction.
    pub pc: u64,
    /// Accrued floating-point exceptions.
    #[vmstate(validate = |bits: &u8| within(*bits, 0x1f))]
    pub fflags: u8,
    /// Rounding mode.
    #[vmstate(validate = |bits: &u8| within(*bits, 7))]
    pub frm: u8,
    /// Privilege, as encoded in `mstatus.MPP`.
    #[vmstate(default = 3, validate = known_privilege)]
    pub privilege: u8,
    /// Whether it waits for an interrupt (WFI).
    pub waiting: bool,
    /// `mstatus` without its read-only fields.
    pub mstatus: u64,
    /// The software-writable bits of `mip`.
    pub mip: u64,
    /// Levels of the interrupt inputs, as bits of `mip`.
    pub lines: u64,
    /// Interrupt enables.
    pub mie: u64,
    /// Exceptions delegated to S.
    pub medeleg: u64,
    /// Interrupts delegated to S.
    pub mideleg: u64,
    /// M trap vector.
    pub mtvec: u64,
    /// M scratch.
    pub mscratch: u64,
    /// M exception pc.
    pub mepc: u64,
    /// M cause.
    pub mcause: u64,
    /// M trap value.
    pub mtval: u64,
    /// S trap vector.
    pub stvec: u64,
    /// S scratch.
    pub sscratch: u64,
    /// S exception pc.
    pub sepc: u64,
    /// S cause.
    pub scause: u64,
    /// S trap value.
    pub stval: u64,
    /// Translation root.
    pub satp: u64,
    /// S timer compare value.
    #[vmstate(default = u64::MAX)]
    pub stimecmp: u64,
    /// Counters that S may read.
    pub mcounteren: u32,
    /// Counters that U may read.
    pub scounteren: u32,
    /// Counters that stand still.
    pub mcountinhibit: u32,
    /// Environment configuration for S.
    pub menvcfg: u64,
    /// Environment configuration for U.
    pub senvcfg: u64,
    /// Cycles: steps taken, while not inhibited.
    pub mcycle: u64,
    /// Instructions retired, while not inhibited.
    pub minstret: u64,
    /// Rolling hash of the traps taken, for comparing runs.
    pub trap_hash: u64,
    /// Physical memory protection.
    pub pmp: Pmp,
}

fn zero_is_zero(x: &[u64; 32]) -> Result<(), &'static str> {
    if x[0] == 0 { Ok(()) } else { Err("x[0] is not zero") }
}

fn within(bits: u8, mask: u8) -> Result<(), String> {
    if bits & !mask == 0 { Ok(()) } else { Err(format!("{bits:#x} has bits beyond {mask:#x}")) }
}

fn known_privilege(bits: &u8) -> Result<(), String> {
    let known = Privilege::from_bits(u64::from(*bits)) as u8 == *bits;
    if known { Ok(()) } else { Err(format!("{bits} encodes no privilege")) }
}

impl State {
    /// The state at reset, with `pc` at the reset vector.
    #[must_use]
    pub fn at_reset(pc: u64) -> Self {
        Self { pc, ..vmstate::fresh() }
    }

    /// Ends the load reservation: a store of others, or an address that may have come to mean
    /// something else, must not let a store-conditional succeed (Unprivileged ISA, chapter "A").
    pub fn lose_reservation(&mut self) {
        self.reservation_address = u64::MAX;
    }

    /// Changes the privilege. Between M and the others virtual addresses change their meaning, if
    /// there are any.
    pub fn set_privilege(&mut self, to: Privilege) {
        let crosses = (to == Privilege::Machine) != (self.privilege() == Privilege::Machine);
        if crosses && self.satp >> 60 != 0 {
            self.lose_reservation();
        }
        self.privilege = to as u8;
    }

    /// The present privilege.
    #[must_use]
    pub fn privilege(&self) -> Privilege {
        Privilege::from_bits(u64::from(self.privilege))
    }

    /// `misa`.
    #[must_use]
    pub fn misa(features: Features) -> u64 {
        let letters = [
            (Features::A, b'a'),
            (Features::C, b'c'),
            (Features::D, b'd'),
            (Features::F, b'f'),
            (Features::M, b'm'),
        ];
        let present = letters.into_iter().filter(|(feature, _)| features.contains(*feature));
        let extensions = present.map(|(_, letter)| letter).chain(*b"isu");
        extensions.fold(2 << 62, |misa, letter| misa | 1 << (letter - b'a'))
    }

    /// `mip`, at `time` (in ticks of the `time` register).
    #[must_use]
    pub fn pending(&self, time: u64) -> u64 {
        let mut pending = self.mip | self.lines;
        if self.menvcfg & environment::STCE != 0 {
            pending &= !interrupt::STI;
            if time >= self.stimecmp {
                pending |= interrupt::STI;
            }
        }
        pending
    }

    /// The interrupt that is taken before the next instruction, if any: its number.
    #[must_use]
    pub fn takeable_interrupt(&self, time: u64) -> Option<u64> {
        let pending = self.pending(time) & self.mie;
        if pending == 0 {
            return None;
        }
        let privilege = self.privilege();
        let machine_on = privilege < Privilege::Machine || self.mstatus & status::MIE != 0;
        let supervisor_on = privilege < Privilege::Supervisor
            || (privilege == Privilege::Supervisor && self.mstatus & status::SIE != 0);
        let machine = if machine_on { pending & !self.mideleg } else { 0 };
        let supervisor = if supervisor_on { pending & self.mideleg } else { 0 };
        let candidates = if machine != 0 { machine } else { supervisor };
        // Priority: MEI, MSI, MTI, SEI, SSI, STI.
        [11, 3, 7, 9, 1, 5].into_iter().find(|&number| candidates >> number & 1 != 0)
    }

    /// Takes a trap: `cause` as in `mcause`, interrupt bit included. `steps` is its position.
    pub fn take_trap(&mut self, cause: u64, tval: u64, steps: u64) {
        let mixed = steps ^ cause.rotate_left(32) ^ self.pc.rotate_left(17);
        self.trap_hash =
            (self.trap_hash ^ mixed).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23);
        let is_interrupt = cause >> 63 != 0;
        let number = cause & 63;
        let delegated = if is_interrupt { self.mideleg } else { self.medeleg };
        let privilege = self.privilege();
        self.waiting = false;
        let vector = if privilege <= Privilege::Supervisor && delegated >> number & 1 != 0 {
            self.scause = cause;
            self.stval = tval;
            self.sepc = self.pc;
            let enabled = self.mstatus & status::SIE != 0;
            self.mstatus &= !(status::SIE | status::SPIE | status::SPP);
            self.mstatus |= if enabled { status::SPIE } else { 0 };
            self.mstatus |= if privilege == Privilege::Supervisor { status::SPP } else { 0 };
            self.set_privilege(Privilege::Supervisor);
            self.stvec
        } else {
            self.mcause = cause;
            self.mtval = tval;
            self.mepc = self.pc;
            let enabled = self.mstatus & status::MIE != 0;
            self.mstatus &= !(status::MIE | status::MPIE | status::MPP);
            self.mstatus |= if enabled { status::MPIE } else { 0 };
            self.mstatus |= (privilege as u64) << status::MPP_SHIFT;
            self.set_privilege(Privilege::Machine);
            self.mtvec
        };
        let base = vector & !3;
        self.pc = if vector & 3 == 1 && is_interrupt { base + 4 * number } else { base };
    }

    /// Privilege of loads and stores, `mstatus.MPRV` considered.
    #[must_use]
    pub fn data_privilege(&self) -> Privilege {
        if self.mstatus & status::MPRV != 0 && self.privilege() == Privilege::Machine {
            Privilege::from_bits(self.mstatus >> status::MPP_SHIFT)
        } else {
            self.privilege()
        }
    }

    /// Counts `steps` steps of which `retired` are instructions.
    #[inline(always)]
    pub fn count(&mut self, steps: u64, retired: u64) {
        if self.mcountinhibit == 0 {
            self.mcycle = self.mcycle.wrapping_add(steps);
            self.minstret = self.minstret.wrapping_add(retired);
        } else {
            let runs = |bit: u32| u64::from(self.mcountinhibit >> bit & 1 == 0);
            self.mcycle = self.mcycle.wrapping_add(steps * runs(0));
            self.minstret = self.minstret.wrapping_add(retired * runs(2));
        }
    }
}
