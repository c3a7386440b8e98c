//! The body of the fuzz target for guest code; ordinary tests run it over seeds and random bytes.
//!
//! The claim: whatever bytes a processor runs, in whatever mode, nothing of the host fails, every
//! trap has a cause that the architecture defines, and where slices are cut changes nothing.

use emulator::{
    bus::{Bus, BusFault, Width},
    clock::Clock,
    isa::riscv::{Configuration, Features, Hart},
    memory::GuestMemory,
    vcpu::{SliceEnd, Surroundings, Vcpu},
};

const BASE: u64 = 0x8000_0000;
const BYTES: usize = 0x1_0000;
const CODE: u64 = BASE + 0x1000;
const STEPS: u64 = 600;

/// Exceptions of the base architecture and of paging; interrupts have the top bit.
const CAUSES: [u64; 13] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 15];

/// A device that answers a few addresses, so that accesses succeed and fail.
struct Few;

impl Bus for Few {
    fn read(&mut self, steps: u64, addr: u64, _: Width) -> Result<u64, BusFault> {
        if addr < 0x1000 { Ok(steps) } else { Err(BusFault::Unmapped) }
    }

    fn write(&mut self, _: u64, addr: u64, _: Width, _: u64) -> Result<(), BusFault> {
        if addr < 0x1000 { Ok(()) } else { Err(BusFault::Unmapped) }
    }
}

/// Runs `bytes` as code, the first byte choosing the mode. Returns how many traps were taken.
pub(crate) fn fuzz(bytes: &[u8]) -> u64 {
    let Some((&choice, code)) = bytes.split_first() else { return 0 };
    let code = &code[..code.len().min(0x1000)];
    let (single, traps) = run(choice, code, |_| 1);
    let (whole, _) = run(choice, code, |_| STEPS);
    let (mixed, _) = run(choice, code, |steps| 1 + steps.wrapping_mul(0x9e37_79b9) % 13);
    assert_eq!(single, whole, "single steps against one slice: {bytes:02x?}");
    assert_eq!(single, mixed, "single steps against mixed slices: {bytes:02x?}");
    traps
}

/// Everything that a run leaves, and the number of traps seen at the ends of slices.
fn run(choice: u8, code: &[u8], budget: impl Fn(u64) -> u64) -> ((String, Vec<u8>), u64) {
    let memory = GuestMemory::at(BASE, BYTES as u64).expect("64 KiB of memory");
    memory.write(CODE, code).expect("the code fits");
    let features = Features::of_model("rva22s64").expect("a model");
    let mut hart =
        Hart::new(Configuration { features, reset_pc: CODE, ..Configuration::default() });
    let state = &mut hart.state;
    // Modes 0, 1 and 3; 2 is reserved.
    state.privilege = [0, 1, 3, 3][usize::from(choice & 3)];
    state.mstatus = u64::from(choice >> 2 & 3) << 13;
    state.mtvec = CODE;
    state.stvec = CODE + 0x20;
    state.pmp.set_address(0, u64::MAX >> 10);
    state.pmp.configure(0, 0x1f);
    state.x = std::array::from_fn(|register| match register {
        0 => 0,
        _ => BASE + 0x2000 + 0x1c8 * register as u64,
    });
    state.f = std::array::from_fn(|register| u64::MAX << register);
    let mut clock = Clock::new(1_000);
    let mut traps = 0;
    while clock.position.steps < STEPS {
        let left = STEPS - clock.position.steps;
        let budget = budget(clock.position.steps).min(left);
        let before = hart.state.trap_hash;
        let around = &mut Surroundings { memory: &memory, bus: &mut Few, clock: &clock };
        let slice = hart.run(budget, around);
        assert!(slice.steps <= budget, "{slice:?} of {budget}");
        assert!(slice.end != SliceEnd::Budget || slice.steps == budget, "{slice:?} of {budget}");
        clock.position.steps += slice.steps;
        if hart.state.trap_hash != before {
            traps += 1;
            // Later instructions of a longer slice may write the register.
            let machine = hart.state.privilege == 3;
            let cause = if machine { hart.state.mcause } else { hart.state.scause };
            let defined = cause >> 63 != 0 || CAUSES.contains(&cause);
            assert!(defined || budget > 1, "cause {cause:#x}: {code:02x?}");
        }
        if slice.end == SliceEnd::Idle {
            break;
        }
    }
    let mut left = vec![0; BYTES];
    memory.read(BASE, &mut left).expect("64 KiB");
    ((format!("{} {:?}", clock.position.steps, hart.state), left), traps)
}
