//! Exceptions: causes and values.

use super::access::Kind;
use super::mmu::Fault;
use super::state::Privilege;

/// An exception that an instruction takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trap {
    /// As in `mcause`.
    pub cause: u64,
    /// As in `mtval`.
    pub tval: u64,
}

/// Exception numbers (Privileged Architecture 1.13, section "Machine Cause (`mcause`) Register", table
/// "Machine cause (`mcause`) register values after trap").
#[expect(missing_docs, reason = "named as in the manual")]
pub mod cause {
    pub const FETCH_ACCESS: u64 = 1;
    pub const ILLEGAL: u64 = 2;
    pub const BREAKPOINT: u64 = 3;
    pub const LOAD_MISALIGNED: u64 = 4;
    pub const LOAD_ACCESS: u64 = 5;
    pub const STORE_MISALIGNED: u64 = 6;
    pub const STORE_ACCESS: u64 = 7;
    pub const CALL_FROM_USER: u64 = 8;
    pub const CALL_FROM_SUPERVISOR: u64 = 9;
    pub const CALL_FROM_MACHINE: u64 = 11;
    pub const FETCH_PAGE: u64 = 12;
    pub const LOAD_PAGE: u64 = 13;
    pub const STORE_PAGE: u64 = 15;
    pub const INTERRUPT: u64 = 1 << 63;
}

impl Trap {
    /// An instruction that does not exist here; `bits` are its bits.
    #[must_use]
    pub const fn illegal(bits: u64) -> Self {
        Self { cause: cause::ILLEGAL, tval: bits }
    }

    /// ebreak at `pc`.
    #[must_use]
    pub const fn breakpoint(pc: u64) -> Self {
        Self { cause: cause::BREAKPOINT, tval: pc }
    }

    /// ecall.
    #[must_use]
    pub const fn environment_call(from: Privilege) -> Self {
        let cause = match from {
            Privilege::User => cause::CALL_FROM_USER,
            Privilege::Supervisor => cause::CALL_FROM_SUPERVISOR,
            Privilege::Machine => cause::CALL_FROM_MACHINE,
        };
        Self { cause, tval: 0 }
    }

    /// A failed access at virtual `addr`.
    #[must_use]
    pub const fn memory(fault: Fault, kind: Kind, addr: u64) -> Self {
        let cause = match (fault, kind) {
            (Fault::Page, Kind::Fetch) => cause::FETCH_PAGE,
            (Fault::Page, Kind::Load) => cause::LOAD_PAGE,
            (Fault::Page, Kind::Store) => cause::STORE_PAGE,
            (Fault::Access, Kind::Fetch) => cause::FETCH_ACCESS,
            (Fault::Access, Kind::Load) => cause::LOAD_ACCESS,
            (Fault::Access, Kind::Store) => cause::STORE_ACCESS,
        };
        Self { cause, tval: addr }
    }

    /// An atomic at virtual `addr`, which is no multiple of its width.
    #[must_use]
    pub const fn misaligned(kind: Kind, addr: u64) -> Self {
        let cause = match kind {
            Kind::Store => cause::STORE_MISALIGNED,
            _ => cause::LOAD_MISALIGNED,
        };
        Self { cause, tval: addr }
    }
}
