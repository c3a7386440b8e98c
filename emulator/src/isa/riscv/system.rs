//! Instructions that need exact position, control registers or the whole hart.

use super::access::Kind;
use super::csr::{self, Effects};
use super::instruction::Operands;
use super::interpreter::{Interpreter, Stop};
use super::mmu::Fault;
use super::state::{Privilege, State, environment, status};
use super::trap::Trap;

/// Bytes of a cache block.
pub(super) const BLOCK_BYTES: u64 = 64;

type Done = Result<(), Stop>;

/// ecall.
pub(super) fn environment_call(i: &mut Interpreter<'_, '_>, _: &Operands) -> Done {
    i.trap(Trap::environment_call(i.hart.state.privilege()))
}

/// ebreak.
pub(super) fn breakpoint(i: &mut Interpreter<'_, '_>, _: &Operands) -> Done {
    let pc = i.pc();
    i.trap(Trap::breakpoint(pc))
}

/// How a CSR instruction makes the new value from the old and its operand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Write,
    Set,
    Clear,
}

fn csr(i: &mut Interpreter<'_, '_>, o: &Operands, change: Change, operand: u64) -> Done {
    let number = (o.imm & 0xfff) as u16;
    let writes = change == Change::Write || o.rs1 != 0;
    let context = i.csr_context();
    let Ok(old) = csr::read(&i.hart.state, &context, number, writes) else {
        return i.illegal();
    };
    if writes {
        let value = match change {
            Change::Write => operand,
            // SEIP as read includes the wire; only the bit that software keeps is modified.
            Change::Set | Change::Clear => {
                let kept = if number == csr::number::MIP { i.hart.state.mip } else { old };
                if change == Change::Set { kept | operand } else { kept & !operand }
            }
        };
        let effects = csr::write(&mut i.hart.state, &context, number, value);
        apply(i, effects);
    }
    if o.rd != 0 {
        i.hart.state.x[usize::from(o.rd)] = old;
    }
    Ok(())
}

fn apply(i: &mut Interpreter<'_, '_>, effects: Effects) {
    if effects.flush_all {
        i.hart.flush_translations(i.around.memory);
    } else if effects.flush_paged {
        i.hart.flush_paged_translations(i.around.memory);
    } else if let Some(left) = effects.left_satp {
        i.hart.switch_space(i.around.memory, left);
    }
    i.progress.attention |= effects.deadline;
    i.look_for_interrupts();
}

pub(super) fn csr_write(i: &mut Interpreter<'_, '_>, o: &Operands) -> Done {
    let operand = i.hart.state.x[usize::from(o.rs1)];
    csr(i, o, Change::Write, operand)
}

pub(super) fn csr_set(i: &mut Interpreter<'_, '_>, o: &Operands) -> Done {
    let operand = i.hart.state.x[usize::from(o.rs1)];
    csr(i, o, Change::Set, operand)
}

pub(super) fn csr_clear(i: &mut Interpreter<'_, '_>, o: &Operands) -> Done {
    let operand = i.hart.state.x[usize::from(o.rs1)];
    csr(i, o, Change::Clear, operand)
}

pub(super) fn csr_write_immediate(i: &mut Interpreter<'_, '_>, o: &Operands) -> Done {
    csr(i, o, Change::Write, u64::from(o.rs1))
}

pub(super) fn csr_set_immediate(i: &mut Interpreter<'_, '_>, o: &Operands) -> Done {
    csr(i, o, Change::Set, u64::from(o.rs1))
}

pub(super) fn csr_clear_immediate(i: &mut Interpreter<'_, '_>, o: &Operands) -> Done {
    csr(i, o, Change::Clear, u64::from(o.rs1))
}

/// sret.
pub(super) fn supervisor_return(i: &mut Interpreter<'_, '_>, _: &Operands) -> Done {
    let state = &mut i.hart.state;
    let allowed = match state.privilege() {
        Privilege::Machine => true,
        Privilege::Supervisor => state.mstatus & status::TSR == 0,
        Privilege::User => false,
    };
    if !allowed {
        return i.illegal();
    }
    let to_supervisor = state.mstatus & status::SPP != 0;
    let enable = state.mstatus & status::SPIE != 0;
    state.mstatus &= !(status::SIE | status::SPP | status::MPRV);
    state.mstatus |= status::SPIE | if enable { status::SIE } else { 0 };
    state.set_privilege(if to_supervisor { Privilege::Supervisor } else { Privilege::User });
    i.progress.next_pc = state.sepc;
    i.look_for_interrupts();
    Ok(())
}

/// mret.
pub(super) fn machine_return(i: &mut Interpreter<'_, '_>, _: &Operands) -> Done {
    let state = &mut i.hart.state;
    if state.privilege() != Privilege::Machine {
        return i.illegal();
    }
    let previous = Privilege::from_bits(state.mstatus >> status::MPP_SHIFT);
    let enable = state.mstatus & status::MPIE != 0;
    state.mstatus &= !(status::MIE | status::MPP);
    state.mstatus |= status::MPIE | if enable { status::MIE } else { 0 };
    if previous != Privilege::Machine {
        state.mstatus &= !status::MPRV;
    }
    state.set_privilege(previous);
    i.progress.next_pc = state.mepc;
    i.look_for_interrupts();
    Ok(())
}

/// wfi. For U it is illegal: it would not complete in bounded time.
pub(super) fn wait_for_interrupt(i: &mut Interpreter<'_, '_>, _: &Operands) -> Done {
    let state = &mut i.hart.state;
    let privilege = state.privilege();
    if privilege == Privilege::User
        || (privilege == Privilege::Supervisor && state.mstatus & status::TW != 0)
    {
        return i.illegal();
    }
    state.waiting = true;
    i.progress.attention = true;
    Ok(())
}

/// sfence.vma and sinval.vma. The TLB is coherent, so they only end what relies on an address's
/// meaning.
pub(super) fn fence_translations(i: &mut Interpreter<'_, '_>, _: &Operands) -> Done {
    let state = &mut i.hart.state;
    match state.privilege() {
        Privilege::Machine => {}
        Privilege::Supervisor if state.mstatus & status::TVM == 0 => {}
        _ => return i.illegal(),
    }
    state.lose_reservation();
    Ok(())
}

/// sfence.w.inval and sfence.inval.ir.
pub(super) fn order_invalidations(i: &mut Interpreter<'_, '_>, _: &Operands) -> Done {
    if i.hart.state.privilege() == Privilege::User { i.illegal() } else { Ok(()) }
}

/// Whether every `envcfg` above the present privilege has one of `field`'s bits.
fn is_enabled(state: &State, field: u64) -> bool {
    match state.privilege() {
        Privilege::Machine => true,
        Privilege::Supervisor => state.menvcfg & field != 0,
        Privilege::User => state.menvcfg & field != 0 && state.senvcfg & field != 0,
    }
}

/// Checks that the block may be accessed and is memory: management needs any right, and faults as a
/// store.
fn check_block(i: &mut Interpreter<'_, '_>, address: u64) -> Done {
    let memory = i.around.memory;
    for kind in [Kind::Load, Kind::Store] {
        match i.hart.translate(memory, address, 1, kind) {
            Ok(physical) if memory.page_of(physical).is_some() => return Ok(()),
            Ok(_) => return i.trap(Trap::memory(Fault::Access, Kind::Store, address)),
            Err(_) => {}
        }
    }
    i.fault_as_store(address)
}

/// cbo.inval: there are no caches, so it is as good as a flush.
pub(super) fn block_invalidate(i: &mut Interpreter<'_, '_>, o: &Operands) -> Done {
    if !is_enabled(&i.hart.state, environment::CBIE) {
        return i.illegal();
    }
    check_block(i, i.hart.state.x[usize::from(o.rs1)])
}

/// cbo.clean and cbo.flush.
pub(super) fn block_clean(i: &mut Interpreter<'_, '_>, o: &Operands) -> Done {
    if !is_enabled(&i.hart.state, environment::CBCFE) {
        return i.illegal();
    }
    check_block(i, i.hart.state.x[usize::from(o.rs1)])
}

/// cbo.zero.
pub(super) fn block_zero(i: &mut Interpreter<'_, '_>, o: &Operands) -> Done {
    if !is_enabled(&i.hart.state, environment::CBZE) {
        return i.illegal();
    }
    let address = i.hart.state.x[usize::from(o.rs1)];
    i.store_block(address, BLOCK_BYTES)
}
