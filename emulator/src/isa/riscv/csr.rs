//! Control and status registers: who may touch them, what they read as, what they keep.
//!
//! Source: RISC-V Privileged Architecture 1.13, chapters "Control and Status Registers",
//! "Machine-Level ISA" and "Supervisor-Level ISA"; Sstc; Zihpm (its counters read zero).

use super::features::Features;
use super::state::{Privilege, State, environment, interrupt, status};

/// The registers by number (section "CSR Listing"). Bits 11 and 10 of a number are both set where it is
/// read-only, 9 and 8 say the least privilege (section "CSR Address Mapping Conventions").
#[expect(missing_docs, reason = "named as in the manual")]
pub mod number {
    pub const FFLAGS: u16 = 0x001;
    pub const FRM: u16 = 0x002;
    pub const FCSR: u16 = 0x003;
    pub const SSTATUS: u16 = 0x100;
    pub const SIE: u16 = 0x104;
    pub const STVEC: u16 = 0x105;
    pub const SCOUNTEREN: u16 = 0x106;
    pub const SENVCFG: u16 = 0x10a;
    pub const SSCRATCH: u16 = 0x140;
    pub const SEPC: u16 = 0x141;
    pub const SCAUSE: u16 = 0x142;
    pub const STVAL: u16 = 0x143;
    pub const SIP: u16 = 0x144;
    pub const STIMECMP: u16 = 0x14d;
    pub const SATP: u16 = 0x180;
    pub const MSTATUS: u16 = 0x300;
    pub const MISA: u16 = 0x301;
    pub const MEDELEG: u16 = 0x302;
    pub const MIDELEG: u16 = 0x303;
    pub const MIE: u16 = 0x304;
    pub const MTVEC: u16 = 0x305;
    pub const MCOUNTEREN: u16 = 0x306;
    pub const MENVCFG: u16 = 0x30a;
    pub const MCOUNTINHIBIT: u16 = 0x320;
    pub const MHPMEVENT3: u16 = 0x323;
    pub const MHPMEVENT31: u16 = 0x33f;
    pub const MSCRATCH: u16 = 0x340;
    pub const MEPC: u16 = 0x341;
    pub const MCAUSE: u16 = 0x342;
    pub const MTVAL: u16 = 0x343;
    pub const MIP: u16 = 0x344;
    pub const PMPCFG0: u16 = 0x3a0;
    pub const PMPCFG2: u16 = 0x3a2;
    pub const PMPADDR0: u16 = 0x3b0;
    pub const PMPADDR15: u16 = 0x3bf;
    pub const TSELECT: u16 = 0x7a0;
    pub const TDATA3: u16 = 0x7a3;
    pub const MCYCLE: u16 = 0xb00;
    pub const MINSTRET: u16 = 0xb02;
    pub const MHPMCOUNTER3: u16 = 0xb03;
    pub const MHPMCOUNTER31: u16 = 0xb1f;
    pub const CYCLE: u16 = 0xc00;
    pub const TIME: u16 = 0xc01;
    pub const INSTRET: u16 = 0xc02;
    pub const HPMCOUNTER3: u16 = 0xc03;
    pub const HPMCOUNTER31: u16 = 0xc1f;
    pub const MVENDORID: u16 = 0xf11;
    pub const MARCHID: u16 = 0xf12;
    pub const MIMPID: u16 = 0xf13;
    pub const MHARTID: u16 = 0xf14;
    pub const MCONFIGPTR: u16 = 0xf15;
}

/// Registers that are one of their kind, by name.
const NAMES: [(u16, &str); 45] = [
    (number::FFLAGS, "fflags"),
    (number::FRM, "frm"),
    (number::FCSR, "fcsr"),
    (number::SSTATUS, "sstatus"),
    (number::SIE, "sie"),
    (number::STVEC, "stvec"),
    (number::SCOUNTEREN, "scounteren"),
    (number::SENVCFG, "senvcfg"),
    (number::SSCRATCH, "sscratch"),
    (number::SEPC, "sepc"),
    (number::SCAUSE, "scause"),
    (number::STVAL, "stval"),
    (number::SIP, "sip"),
    (number::STIMECMP, "stimecmp"),
    (number::SATP, "satp"),
    (number::MSTATUS, "mstatus"),
    (number::MISA, "misa"),
    (number::MEDELEG, "medeleg"),
    (number::MIDELEG, "mideleg"),
    (number::MIE, "mie"),
    (number::MTVEC, "mtvec"),
    (number::MCOUNTEREN, "mcounteren"),
    (number::MENVCFG, "menvcfg"),
    (number::MCOUNTINHIBIT, "mcountinhibit"),
    (number::MSCRATCH, "mscratch"),
    (number::MEPC, "mepc"),
    (number::MCAUSE, "mcause"),
    (number::MTVAL, "mtval"),
    (number::MIP, "mip"),
    (number::PMPCFG0, "pmpcfg0"),
    (number::PMPCFG2, "pmpcfg2"),
    (number::TSELECT, "tselect"),
    (number::TSELECT + 1, "tdata1"),
    (number::TSELECT + 2, "tdata2"),
    (number::TDATA3, "tdata3"),
    (number::MCYCLE, "mcycle"),
    (number::MINSTRET, "minstret"),
    (number::CYCLE, "cycle"),
    (number::TIME, "time"),
    (number::INSTRET, "instret"),
    (number::MVENDORID, "mvendorid"),
    (number::MARCHID, "marchid"),
    (number::MIMPID, "mimpid"),
    (number::MHARTID, "mhartid"),
    (number::MCONFIGPTR, "mconfigptr"),
];

/// The name of a register that is there.
#[must_use]
pub fn name(number: u16) -> Option<String> {
    let numbered =
        |name: &str, from: u16, first: u16| Some(format!("{name}{}", number - from + first));
    match number {
        number::PMPADDR0..=number::PMPADDR15 => numbered("pmpaddr", number::PMPADDR0, 0),
        number::MHPMEVENT3..=number::MHPMEVENT31 => numbered("mhpmevent", number::MHPMEVENT3, 3),
        number::MHPMCOUNTER3..=number::MHPMCOUNTER31 => {
            numbered("mhpmcounter", number::MHPMCOUNTER3, 3)
        }
        number::HPMCOUNTER3..=number::HPMCOUNTER31 => {
            numbered("hpmcounter", number::HPMCOUNTER3, 3)
        }
        _ => NAMES.iter().find(|(known, _)| *known == number).map(|(_, name)| (*name).to_owned()),
    }
}

/// Exceptions that can be delegated: all but calls from M and the reserved ones.
const DELEGABLE: u64 = 0xb3ff;

/// No such register, or no right to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Denied;

/// What the registers depend on beside the state.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    /// The CPU model's switches.
    pub features: Features,
    /// `mhartid`.
    pub hart: u64,
    /// `time` at this instruction.
    pub time: u64,
}

/// What the hart has to do after a write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// Cached translations of paged contexts are stale.
    pub flush_paged: bool,
    /// All cached translations are stale.
    pub flush_all: bool,
    /// `satp` changed; what it was.
    pub left_satp: Option<u64>,
    /// A deadline may have moved.
    pub deadline: bool,
}

/// Refuses what the present privilege must not touch.
fn check(state: &State, c: &Context, number: u16, write: bool) -> Result<(), Denied> {
    let privilege = state.privilege();
    let least = Privilege::from_bits(u64::from(number >> 8 & 3));
    if privilege < least || (write && number >> 10 == 3) {
        return Err(Denied);
    }
    let allowed = match number {
        number::FFLAGS..=number::FCSR => {
            c.features.contains(Features::F) && state.mstatus & status::FS != 0
        }
        number::SATP => privilege == Privilege::Machine || state.mstatus & status::TVM == 0,
        number::STIMECMP => {
            c.features.contains(Features::SSTC)
                && (privilege == Privilege::Machine
                    || (state.menvcfg & environment::STCE != 0 && state.mcounteren & 2 != 0))
        }
        number::CYCLE..=number::HPMCOUNTER31 => {
            let bit = 1 << (number & 31);
            let machine = state.mcounteren & bit != 0;
            let supervisor = state.scounteren & bit != 0;
            match privilege {
                Privilege::Machine => true,
                Privilege::Supervisor => machine,
                Privilege::User => machine && supervisor,
            }
        }
        _ => true,
    };
    if allowed { Ok(()) } else { Err(Denied) }
}

/// `mstatus` as read.
fn full_status(state: &State) -> u64 {
    let dirty = state.mstatus & status::FS == status::FS;
    state.mstatus | status::XLEN | if dirty { status::SD } else { 0 }
}

/// Reads a register; `write` says whether the instruction also writes it.
///
/// # Errors
/// [`Denied`]: the instruction is illegal.
pub fn read(state: &State, c: &Context, number: u16, write: bool) -> Result<u64, Denied> {
    check(state, c, number, write)?;
    Ok(match number {
        number::FFLAGS => u64::from(state.fflags),
        number::FRM => u64::from(state.frm),
        number::FCSR => u64::from(state.frm) << 5 | u64::from(state.fflags),
        number::SSTATUS => full_status(state) & (status::SUPERVISOR | status::SD | 3 << 32),
        number::SIE => state.mie & state.mideleg,
        number::STVEC => state.stvec,
        number::SCOUNTEREN => u64::from(state.scounteren),
        number::SENVCFG => state.senvcfg,
        number::SSCRATCH => state.sscratch,
        number::SEPC => state.sepc,
        number::SCAUSE => state.scause,
        number::STVAL => state.stval,
        number::SIP => state.pending(c.time) & state.mideleg,
        number::STIMECMP => state.stimecmp,
        number::SATP => state.satp,
        number::MSTATUS => full_status(state),
        number::MISA => State::misa(c.features),
        number::MEDELEG => state.medeleg,
        number::MIDELEG => state.mideleg,
        number::MIE => state.mie,
        number::MTVEC => state.mtvec,
        number::MCOUNTEREN => u64::from(state.mcounteren),
        number::MENVCFG => state.menvcfg,
        number::MCOUNTINHIBIT => u64::from(state.mcountinhibit),
        number::MSCRATCH => state.mscratch,
        number::MEPC => state.mepc,
        number::MCAUSE => state.mcause,
        number::MTVAL => state.mtval,
        number::MIP => state.pending(c.time),
        number::PMPCFG0 | number::PMPCFG2 => {
            let first = usize::from(number - number::PMPCFG0) * 4;
            let entries = &state.pmp.configuration[first..first + 8];
            entries.iter().rev().fold(0, |value, &entry| value << 8 | u64::from(entry))
        }
        number::PMPADDR0..=number::PMPADDR15 => {
            state.pmp.address[usize::from(number - number::PMPADDR0)]
        }
        number::MCYCLE | number::CYCLE => state.mcycle,
        number::MINSTRET | number::INSTRET => state.minstret,
        number::TIME => c.time,
        number::MHARTID => c.hart,
        number::MHPMEVENT3..=number::MHPMEVENT31
        | number::TSELECT..=number::TDATA3
        | number::MHPMCOUNTER3..=number::MHPMCOUNTER31
        | number::HPMCOUNTER3..=number::HPMCOUNTER31
        | number::MVENDORID..=number::MIMPID
        | number::MCONFIGPTR => 0,
        _ => return Err(Denied),
    })
}

/// Writes a register that [`read`] has allowed to write. Fields that do not take the value keep
/// what they have.
pub fn write(state: &mut State, c: &Context, number: u16, value: u64) -> Effects {
    let mut effects = Effects::default();
    match number {
        number::FFLAGS..=number::FCSR => write_float(state, number, value),
        number::SSTATUS => {
            let value = state.mstatus & !status::SUPERVISOR | value & status::SUPERVISOR;
            write_status(state, value, &mut effects);
        }
        number::MSTATUS => write_status(state, value, &mut effects),
        // A timer's deadline counts while its interrupt is enabled.
        number::SIE => {
            state.mie = state.mie & !state.mideleg | value & state.mideleg;
            effects.deadline = true;
        }
        number::MIE => {
            state.mie = value & interrupt::ALL;
            effects.deadline = true;
        }
        number::SIP => {
            let writable = interrupt::SSI & state.mideleg;
            state.mip = state.mip & !writable | value & writable;
        }
        number::MIP => {
            // With Sstc the timer's bit is the comparison alone.
            let timer = if state.menvcfg & environment::STCE != 0 { interrupt::STI } else { 0 };
            let writable = interrupt::SUPERVISOR & !timer;
            state.mip = state.mip & !writable | value & writable;
        }
        number::STVEC => write_vector(&mut state.stvec, value),
        number::MTVEC => write_vector(&mut state.mtvec, value),
        number::SCOUNTEREN => state.scounteren = value as u32,
        number::MCOUNTEREN => state.mcounteren = value as u32,
        number::MCOUNTINHIBIT => state.mcountinhibit = value as u32 & !2,
        number::SENVCFG => write_senvcfg(state, c.features, value),
        number::MENVCFG => {
            write_menvcfg(state, c.features, value);
            effects = Effects { flush_paged: true, deadline: true, ..effects };
        }
        number::SSCRATCH => state.sscratch = value,
        number::MSCRATCH => state.mscratch = value,
        number::SEPC => state.sepc = value & !1,
        number::MEPC => state.mepc = value & !1,
        number::SCAUSE => state.scause = value,
        number::MCAUSE => state.mcause = value,
        number::STVAL => state.stval = value,
        number::MTVAL => state.mtval = value,
        number::STIMECMP => {
            state.stimecmp = value;
            effects.deadline = true;
        }
        number::SATP => write_satp(state, c.features, value, &mut effects),
        number::MEDELEG => state.medeleg = value & DELEGABLE,
        number::MIDELEG => state.mideleg = value & interrupt::SUPERVISOR,
        number::PMPCFG0 | number::PMPCFG2 => {
            let first = usize::from(number - number::PMPCFG0) * 4;
            for (entry, byte) in (first..).zip(value.to_le_bytes()) {
                state.pmp.configure(entry, byte);
            }
            effects.flush_all = true;
        }
        number::PMPADDR0..=number::PMPADDR15 => {
            state.pmp.set_address(usize::from(number - number::PMPADDR0), value);
            effects.flush_all = true;
        }
        // What the writing instruction itself counts afterwards is not added to what it wrote.
        number::MCYCLE => state.mcycle = value.wrapping_sub(runs(state, 0)),
        number::MINSTRET => state.minstret = value.wrapping_sub(runs(state, 2)),
        _ => {}
    }
    effects
}

/// 1 when the counter with this bit of `mcountinhibit` runs.
fn runs(state: &State, bit: u32) -> u64 {
    u64::from(state.mcountinhibit >> bit & 1 == 0)
}

fn write_float(state: &mut State, number: u16, value: u64) {
    match number {
        number::FFLAGS => state.fflags = value as u8 & 0x1f,
        number::FRM => state.frm = value as u8 & 7,
        _ => {
            state.fflags = value as u8 & 0x1f;
            state.frm = (value >> 5) as u8 & 7;
        }
    }
    state.mstatus |= status::FS;
}

fn write_status(state: &mut State, value: u64, effects: &mut Effects) {
    let mut value = value & status::WRITABLE;
    if value & status::MPP == 2 << status::MPP_SHIFT {
        value = value & !status::MPP | state.mstatus & status::MPP;
    }
    effects.flush_paged |= (value ^ state.mstatus) & status::MXR != 0;
    if (value ^ state.mstatus) & status::MPRV != 0 {
        state.lose_reservation();
    }
    state.mstatus = value;
}

fn write_vector(vector: &mut u64, value: u64) {
    if value & 2 == 0 {
        *vector = value;
    }
}

fn write_satp(state: &mut State, features: Features, value: u64, effects: &mut Effects) {
    let known = match value >> 60 {
        0 | 8 => true,
        9 => features.contains(Features::SV48),
        _ => false,
    };
    if known {
        if value != state.satp {
            effects.left_satp = Some(state.satp);
            state.lose_reservation();
        }
        state.satp = value;
    }
}

/// The fields of an `envcfg` that this model has for the next lower privilege.
fn cache_block_fields(features: Features) -> u64 {
    let mut fields = environment::FIOM;
    if features.contains(Features::ZICBOM) {
        fields |= environment::CBIE | environment::CBCFE;
    }
    if features.contains(Features::ZICBOZ) {
        fields |= environment::CBZE;
    }
    fields
}

/// `CBIE` has one reserved value, which changes nothing.
fn keep_reserved(old: u64, value: u64) -> u64 {
    if value & environment::CBIE == 2 << environment::CBIE_SHIFT {
        value & !environment::CBIE | old & environment::CBIE
    } else {
        value
    }
}

fn write_senvcfg(state: &mut State, features: Features, value: u64) {
    state.senvcfg = keep_reserved(state.senvcfg, value & cache_block_fields(features));
}

fn write_menvcfg(state: &mut State, features: Features, value: u64) {
    let mut fields = cache_block_fields(features);
    for (feature, field) in [
        (Features::SSTC, environment::STCE),
        (Features::SVADU, environment::ADUE),
        (Features::SVPBMT, environment::PBMTE),
    ] {
        if features.contains(feature) {
            fields |= field;
        }
    }
    state.menvcfg = keep_reserved(state.menvcfg, value & fields);
}
