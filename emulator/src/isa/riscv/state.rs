//! Architectural state of a hart: what a snapshot holds.
//!
//! Sources are sections of the RISC-V Privileged Architecture 1.13, of its chapters "Machine-Level ISA"
//! (M) and "Supervisor-Level ISA" (S), unless another manual is named. A register holds what a read of it
//! returns, unless its field says otherwise; what a guest may write into it is [`csr::write`]'s to say, so
//! bits that are read-only zero in this implementation stay zero here.
//!
//! [`csr::write`]: super::csr::write

use super::features::Features;
use super::pmp::Pmp;
use vmstate::VmState;

/// Privilege modes, encoded as in `mstatus.MPP` (chapter "Introduction", section "Privilege Levels").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Privilege {
    /// U: applications.
    User = 0,
    /// S: operating systems.
    Supervisor = 1,
    /// M: firmware; reset and undelegated traps lead here.
    Machine = 3,
}

impl Privilege {
    /// From the lowest two bits of `bits`; the reserved encoding 2 reads as user.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        match bits & 3 {
            3 => Self::Machine,
            1 => Self::Supervisor,
            _ => Self::User,
        }
    }
}

/// Fields of `mstatus`, as masks unless they are called a shift (M, "Machine Status (`mstatus` and
/// `mstatush`) Registers").
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

/// Interrupts as bits of `mip`, `mie` and `mideleg`: bit N is interrupt number N (M, "Machine Interrupt
/// (`mip` and `mie`) Registers").
#[expect(missing_docs, reason = "named as in the manual")]
pub mod interrupt {
    pub const SSI: u64 = 1 << 1;
    pub const MSI: u64 = 1 << 3;
    pub const STI: u64 = 1 << 5;
    pub const MTI: u64 = 1 << 7;
    pub const SEI: u64 = 1 << 9;
    pub const MEI: u64 = 1 << 11;
    /// Those of S, which can be delegated.
    pub const SUPERVISOR: u64 = SSI | STI | SEI;
    /// All that there are.
    pub const ALL: u64 = SUPERVISOR | MSI | MTI | MEI;
}

/// Fields of `menvcfg`, and of `senvcfg` up to CBZE (M, "Machine Environment Configuration (`menvcfg`)
/// Register"; S, "Supervisor Environment Configuration (`senvcfg`) Register").
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

/// A hart's architectural state. Its defaults are the state at reset (M, "Reset"; what the manual leaves
/// open is zero). Generated code finds fields by their offsets, so it is `repr(C)`.
#[repr(C)]
#[derive(VmState, Clone, Debug, PartialEq)]
#[vmstate(version = 1, name = "riscv-hart-state")]
pub struct State {
    /// Integer registers by number; `x[0]` stays zero (Unprivileged ISA, "Programmers' Model
    /// for Base Integer ISA").
    #[vmstate(validate = zero_is_zero)]
    pub x: [u64; 32],
    /// Floating-point registers by number, raw bits; narrower values are boxed in ones (Unprivileged ISA,
    /// "NaN Boxing of Narrower Values").
    pub f: [u64; 32],
    /// Virtual address of the load reservation; all ones for none. What ends it, besides a
    /// store-conditional: [`State::lose_reservation`] says.
    #[vmstate(default = u64::MAX)]
    pub reservation_address: u64,
    /// The value that was loaded there.
    pub reservation_value: u64,
    /// Virtual address of the next instruction; even.
    pub pc: u64,
    /// `fcsr` bits 4 to 0: accrued exceptions NV, DZ, OF, UF, NX from the top (Unprivileged ISA,
    /// "Floating-Point Control and Status Register"). 0 to 31.
    #[vmstate(validate = |bits: &u8| within(*bits, 0x1f))]
    pub fflags: u8,
    /// `fcsr` bits 7 to 5: the dynamic rounding mode. 0 to 7; 5 to 7 make instructions that use it illegal.
    #[vmstate(validate = |bits: &u8| within(*bits, 7))]
    pub frm: u8,
    /// Privilege, as encoded in `mstatus.MPP`: 0, 1 or 3 ([`Privilege`]).
    #[vmstate(default = 3, validate = known_privilege)]
    pub privilege: u8,
    /// Whether it waits for an interrupt (M, "Wait for Interrupt").
    pub waiting: bool,
    /// `mstatus`, the bits of [`status::WRITABLE`]; SD, UXL and SXL are added when it is read (M, "Machine
    /// Status (`mstatus` and `mstatush`) Registers"). `sstatus` shows [`status::SUPERVISOR`] of it.
    pub mstatus: u64,
    /// The bits of `mip` that software has set, of [`interrupt::SUPERVISOR`] (M, "Machine Interrupt (`mip`
    /// and `mie`) Registers"). What reads as `mip` is [`State::pending`].
    pub mip: u64,
    /// Levels of the interrupt inputs, as bits of `mip`: what the wires of the board say.
    pub lines: u64,
    /// `mie`: interrupt enables, of [`interrupt::ALL`]; `sie` shows those that are delegated.
    pub mie: u64,
    /// `medeleg`: exceptions delegated to S, bit N for cause N (M, "Machine Trap Delegation (`medeleg` and
    /// `mideleg`) Registers").
    pub medeleg: u64,
    /// `mideleg`: interrupts delegated to S, of [`interrupt::SUPERVISOR`].
    pub mideleg: u64,
    /// `mtvec`: virtual address of M's handlers in bits 63 to 2, the mode in 1 to 0: 0 direct, 1 vectored (M,
    /// "Machine Trap-Vector Base-Address (`mtvec`) Register").
    pub mtvec: u64,
    /// `mscratch`, any value (M, "Machine Scratch (`mscratch`) Register").
    pub mscratch: u64,
    /// `mepc`: virtual address of what was interrupted, even (M, "Machine Exception Program Counter (`mepc`)
    /// Register").
    pub mepc: u64,
    /// `mcause`: number of the exception, or of the interrupt with bit 63 set (M, "Machine Cause (`mcause`)
    /// Register").
    pub mcause: u64,
    /// `mtval`: the address that failed or the bits of the instruction, by cause (M, "Machine Trap Value
    /// (`mtval`) Register").
    pub mtval: u64,
    /// `stvec`, as `mtvec` (S, "Supervisor Trap Vector Base Address (`stvec`) Register").
    pub stvec: u64,
    /// `sscratch`, any value (S, "Supervisor Scratch (`sscratch`) Register").
    pub sscratch: u64,
    /// `sepc`, as `mepc` (S, "Supervisor Exception Program Counter (`sepc`) Register").
    pub sepc: u64,
    /// `scause`, as `mcause` (S, "Supervisor Cause (`scause`) Register").
    pub scause: u64,
    /// `stval`, as `mtval` (S, "Supervisor Trap Value (`stval`) Register").
    pub stval: u64,
    /// `satp`: MODE in bits 63 to 60 (0 bare, 8 Sv39, 9 Sv48), ASID in 59 to 44, physical page number of the
    /// root table in 43 to 0 (S, "Supervisor Address Translation and Protection (`satp`) Register").
    pub satp: u64,
    /// `stimecmp`, in ticks of `time`: STI is pending from there on, where `menvcfg.STCE` is set (S,
    /// "Supervisor Timer (`stimecmp`) Register"). All ones after reset: never.
    #[vmstate(default = u64::MAX)]
    pub stimecmp: u64,
    /// `mcounteren`: the counters that S and U may read, bit 0 `cycle`, 1 `time`, 2 `instret` (M, "Machine
    /// Counter-Enable (`mcounteren`) Register").
    pub mcounteren: u32,
    /// `scounteren`: of those, the ones that U may read (S, "Counter-Enable (`scounteren`) Register").
    pub scounteren: u32,
    /// `mcountinhibit`: the counters that stand still; bit 1 is always 0 (M, "Machine Counter-Inhibit
    /// (`mcountinhibit`) Register").
    pub mcountinhibit: u32,
    /// `menvcfg`: what S and U may do, the fields of [`environment`] (M, "Machine Environment Configuration
    /// (`menvcfg`) Register").
    pub menvcfg: u64,
    /// `senvcfg`: what U may do (S, "Supervisor Environment Configuration (`senvcfg`) Register").
    pub senvcfg: u64,
    /// `mcycle`: steps taken while not inhibited, wrapping (M, "Hardware Performance Monitor"). A cycle is a
    /// step here.
    pub mcycle: u64,
    /// `minstret`: instructions retired while not inhibited, wrapping; a trap is a step but retires nothing.
    pub minstret: u64,
    /// Rolling hash of the traps taken, position, cause and pc of each, for comparing runs. No guest sees it.
    pub trap_hash: u64,
    /// `pmpcfg` and `pmpaddr` (M, "Physical Memory Protection").
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
    /// something else, must not let a store-conditional succeed (Unprivileged ISA, "Zalrsc Extension for
    /// Load-Reserved/Store-Conditional Instructions").
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

    /// `misa` of a hart with `features`: MXL 2 (64 bits) and the letters of its extensions (M, "Machine ISA
    /// (`misa`) Register"). Read-only here.
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

    /// `mip` as it reads at `time`, in ticks of the `time` register: what software set, the inputs, and with
    /// Sstc enabled the comparison in place of STI.
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

    /// The number of the interrupt that is taken before the next instruction at `time` (ticks), if any: by
    /// enables, delegation and priority (M, "Machine Interrupt (`mip` and `mie`) Registers").
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

    /// Takes a trap in the mode that delegation says, and leaves `pc` at its handler: `cause` as in `mcause`,
    /// interrupt bit included, `tval` as in `mtval`. `steps` is its position on the timeline (M, "Privilege and
    /// Global Interrupt-Enable Stack in `mstatus` register").
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

    /// Privilege of loads and stores, `mstatus.MPRV` considered (M, "Memory Privilege in `mstatus` Register").
    #[must_use]
    pub fn data_privilege(&self) -> Privilege {
        if self.mstatus & status::MPRV != 0 && self.privilege() == Privilege::Machine {
            Privilege::from_bits(self.mstatus >> status::MPP_SHIFT)
        } else {
            self.privilege()
        }
    }

    /// Counts `steps` steps, of which `retired` are retired instructions, in the counters that run.
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
