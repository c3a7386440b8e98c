//! Tests of a hart on RAM and a bus of one register.

mod engine;

use crate::bus::{Bus, BusFault, Width};
use crate::clock::Clock;
use crate::isa::riscv::{Configuration, Features, Hart};
use crate::memory::GuestMemory;
use crate::vcpu::{Slice, Surroundings, Vcpu};

/// Where RAM begins.
const RAM: u64 = 0x8000_0000;

/// Bytes of RAM.
const RAM_BYTES: u64 = 1 << 20;

/// The one device register.
const DEVICE: u64 = 0x1000_0000;

/// A bus with one 64-bit register that remembers who asked when.
#[derive(Default)]
struct OneRegister {
    value: u64,
    accesses: Vec<(u64, u64)>,
}

impl Bus for OneRegister {
    fn read(&mut self, steps: u64, addr: u64, _: Width) -> Result<u64, BusFault> {
        if addr != DEVICE {
            return Err(BusFault::Unmapped);
        }
        self.accesses.push((steps, self.value));
        Ok(self.value)
    }

    fn write(&mut self, steps: u64, addr: u64, _: Width, value: u64) -> Result<(), BusFault> {
        if addr != DEVICE {
            return Err(BusFault::Unmapped);
        }
        self.accesses.push((steps, value));
        self.value = value;
        Ok(())
    }
}

/// A hart with what is around it.
struct Bench {
    hart: Hart,
    memory: GuestMemory,
    bus: OneRegister,
    clock: Clock,
}

impl Bench {
    fn new(features: Features) -> Self {
        let configuration = Configuration { features, reset_pc: RAM, ..Configuration::default() };
        Self {
            hart: Hart::new(configuration),
            memory: GuestMemory::at(RAM, RAM_BYTES).unwrap(),
            bus: OneRegister::default(),
            clock: Clock::new(1_000),
        }
    }

    /// A bench with a program at the reset address.
    fn with(program: &[u32]) -> Self {
        let bench = Self::new(Features::all());
        let bytes: Vec<u8> = program.iter().flat_map(|word| word.to_le_bytes()).collect();
        bench.memory.write(RAM, &bytes).unwrap();
        bench
    }

    /// One slice.
    fn slice(&mut self, budget: u64) -> Slice {
        let Self { hart, memory, bus, clock } = self;
        let slice = hart.run(budget, &mut Surroundings { memory, bus, clock });
        self.clock.position.steps += slice.steps;
        slice
    }

    /// Slices until `steps` steps are taken.
    fn run(&mut self, steps: u64) {
        let end = self.clock.position.steps + steps;
        while self.clock.position.steps < end {
            let slice = self.slice(end - self.clock.position.steps);
            assert_ne!(slice.steps, 0, "{:?} at {:#x}", slice.end, self.hart.state.pc);
        }
    }
}
