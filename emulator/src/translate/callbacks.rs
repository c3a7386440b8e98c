//! What generated code calls.
//!
//! The frame tells it the outcome: `result`, and `exit` when the region has to leave, with the
//! place to go on at and the steps to give back.

#![expect(unsafe_code, reason = "called by generated code with plain addresses")]

use super::exit::{Exit, Site, unpack_access};
use crate::{isa::guest::Guest, memory::GuestMemory};

/// The memory that the engine noted when it entered generated code.
fn memory_of<'a, G: Guest>(guest: &mut G) -> &'a GuestMemory {
    #[expect(clippy::cast_possible_truncation, reason = "an address of this host")]
    let address = guest.frame().memory as usize;
    // SAFETY: the engine holds a shared borrow of that memory while generated code runs, which is
    // the only time that a callback is called.
    unsafe { &*std::ptr::with_exposed_provenance::<GuestMemory>(address) }
}

fn leave<G: Guest>(guest: &mut G, exit: Exit, (offset, skipped): (u64, u64)) {
    let frame = guest.frame();
    frame.exit = exit as u64;
    frame.offset = offset;
    frame.skipped = skipped;
}

/// A load that missed.
pub(super) extern "C" fn load<G: Guest>(guest: *mut G, site: u64, addr: u64, _: u64) {
    // SAFETY: generated code passes on the pointer that the engine entered it with, which is
    // derived from its exclusive borrow and not used otherwise meanwhile.
    let guest = unsafe { &mut *guest };
    let (site, detail) = Site::unpack(site);
    let access = unpack_access(detail);
    let memory = memory_of(guest);
    guest.frame().misses += 1;
    match guest.slow_load(memory, addr, access) {
        Some(value) => {
            let unused = 64 - 8 * access.width.bytes();
            guest.frame().result = if access.signed {
                ((value << unused).cast_signed() >> unused).cast_unsigned()
            } else {
                value
            };
        }
        None => leave(guest, Exit::Refused, site.in_front()),
    }
}

/// A store that missed.
pub(super) extern "C" fn store<G: Guest>(guest: *mut G, site: u64, addr: u64, value: u64) {
    // SAFETY: as in `load`.
    let guest = unsafe { &mut *guest };
    let (site, detail) = Site::unpack(site);
    let memory = memory_of(guest);
    guest.frame().misses += 1;
    if !guest.slow_store(memory, addr, unpack_access(detail), value) {
        leave(guest, Exit::Refused, site.in_front());
    }
}

/// A call of one of the architecture's functions; its values are in the frame.
pub(super) extern "C" fn call<G: Guest>(guest: *mut G, site: u64, function: u64, _: u64) {
    // SAFETY: as in `load`.
    let guest = unsafe { &mut *guest };
    let (site, _) = Site::unpack(site);
    let mode = guest.mode();
    let values = guest.frame().values;
    let function = u32::try_from(function).expect("functions are numbered in 32 bits");
    let result = guest.call(function, values);
    guest.frame().result = result;
    if guest.mode() != mode {
        leave(guest, Exit::Mode, site.behind());
    }
}
