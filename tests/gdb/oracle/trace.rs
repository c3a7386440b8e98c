//! The forward trace: position by position what registers, memory and everything else hold, and
//! which memory each step reads and writes.
//!
//! Writes are those that guest memory tells of while all of it is watched; they have to explain
//! every page that got dirty, and every store that completed has to be among them.

use std::{fs, path::Path};

use emulator::{
    clock::Position,
    digest::PageTree,
    memory::{Change, Changes, PAGE_BYTES},
    timeline::StateDigest,
    vcpu::Inspect,
};

use super::{
    super::recording::Forward,
    access::{Access, access, length},
};

/// Arrays of little-endian words, one file each.
#[derive(Default)]
struct Columns {
    pc: Vec<u64>,
    registers: Vec<u64>,
    state: Vec<u64>,
    ram: Vec<u64>,
    a0: Vec<u64>,
    /// Bits: 0..2 privilege, 8 the step takes an interrupt.
    flags: Vec<u64>,
    /// Four words an access: step, kind (1 write, 2 read, 4 changed the memory) and length,
    /// physical and virtual address (all ones when not known).
    accesses: Vec<u64>,
}

const WRITE: u64 = 1;
const READ: u64 = 2;
const CHANGED: u64 = 4;

/// Hash over x1 to x31, which the walk computes from what GDB says.
fn hash(x: &[u64]) -> u64 {
    x[1..32].iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, value| {
        (hash ^ value).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23)
    })
}

struct Tracer {
    forward: Forward,
    tree: PageTree,
    columns: Columns,
}

/// Writes the oracle for `steps` steps from `begin` into `folder`.
pub(super) fn write(recording: &Path, begin: u64, steps: u64, folder: &Path) {
    let mut forward = Forward::new(recording);
    forward.run_to(Position::at_steps(begin));
    let tree = PageTree::of(forward.machine.memory());
    let mut tracer = Tracer { forward, tree, columns: Columns::default() };
    drop(tracer.forward.machine.memory().begin_epoch(false));
    let all: Vec<_> = tracer.forward.machine.memory().regions().to_vec();
    let all: Vec<_> = all.iter().map(|region| region.base..region.base + region.bytes).collect();
    tracer.forward.machine.memory().watch(&all);
    tracer.note();
    for step in 0..steps {
        tracer.step(begin, step);
        tracer.note();
    }
    let Columns { pc, registers, state, ram, a0, flags, accesses } = &tracer.columns;
    for (name, column) in [
        ("pc", pc),
        ("registers", registers),
        ("state", state),
        ("ram", ram),
        ("a0", a0),
        ("flags", flags),
        ("accesses", accesses),
        ("begin", &vec![begin]),
    ] {
        let bytes: Vec<u8> = column.iter().flat_map(|word| word.to_le_bytes()).collect();
        fs::write(folder.join(name), bytes).expect("the oracle can be written");
    }
}

impl Tracer {
    fn hart(&self) -> &dyn Inspect {
        self.forward.machine.harts()[0].inspect()
    }

    fn register(&self, name: &str) -> u64 {
        let (number, _) = self.hart().architecture().register(name).expect("a RISC-V register");
        let value =
            self.hart().read_register(number, self.forward.machine.clock()).expect("it is there");
        value.to_le_bytes()[..8].iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
    }

    fn general(&self) -> Vec<u64> {
        let read = |number| {
            let value = self.hart().read_register(number, self.forward.machine.clock());
            u64::try_from(value.expect("it is there")).expect("64 bits")
        };
        (0..32).map(read).collect()
    }

    /// Writes down the present state.
    fn note(&mut self) {
        let x = self.general();
        let privilege = self.register("priv");
        let state = StateDigest::whole_of(&self.forward.machine).expect("it can be saved");
        let low = self.tree.root().to_le_bytes();
        let ram = low[..8].iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
        let pc = self.hart().pc();
        let columns = &mut self.columns;
        columns.pc.push(pc);
        columns.registers.push(hash(&x));
        columns.state.push(state);
        columns.ram.push(ram);
        columns.a0.push(x[10]);
        columns.flags.push(privilege);
    }

    /// The virtual and physical address of what the next instruction accesses.
    fn expected_access(&self) -> Option<(Access, u64, u64)> {
        let memory = self.forward.machine.memory();
        let pc = self.hart().pc();
        let mut word = 0;
        for half in [0, 2] {
            let addr = self.hart().translate(memory, pc.wrapping_add(half))?;
            let mut bytes = [0; 2];
            memory.read(addr, &mut bytes).ok()?;
            word |= u32::from(u16::from_le_bytes(bytes)) << (8 * half);
        }
        let found = access(word, &self.general())?;
        let physical = self.hart().translate(memory, found.addr)?;
        memory.page_of(physical)?;
        Some((found, physical, pc.wrapping_add(length(word))))
    }

    fn step(&mut self, begin: u64, step: u64) {
        let pc = self.hart().pc();
        let expected = self.expected_access();
        let seen = self.forward.machine.memory().change_count();
        let content = |tracer: &Self, addr, bytes: u64| {
            let mut content = vec![0; usize::try_from(bytes).expect("an access is short")];
            tracer.forward.machine.memory().read(addr, &mut content).is_ok().then_some(content)
        };
        let before = expected.and_then(|(found, addr, _)| content(self, addr, found.bytes));
        self.forward.run_to(Position::at_steps(begin + step + 1));
        let took_interrupt = ["m", "s"].iter().any(|level| {
            let is = |name: &str| self.register(&format!("{level}{name}"));
            is("cause") >> 63 == 1 && is("epc") == pc && self.hart().pc() == is("tvec") & !3
        });
        if took_interrupt {
            *self.columns.flags.last_mut().expect("a state was noted") |= 1 << 8;
        }
        let memory = self.forward.machine.memory();
        let Changes::Since(changes) = memory.changes_since(seen) else {
            panic!("a step makes few changes")
        };
        let mut written = Vec::new();
        for change in changes {
            if let Change::Watched { addr, bytes } = change {
                written.push((addr, bytes));
            }
        }
        let dirty = memory.dirty_pages();
        let mut changed = false;
        for page in dirty {
            let start = memory.address_of(page);
            let explained = written
                .iter()
                .any(|(addr, bytes)| *addr < start + PAGE_BYTES && start < addr + bytes);
            assert!(explained, "page {page} was written at step {step} and nobody was told");
            let old = self.tree.page(page);
            self.tree.set(page, &memory.copy_page(page));
            changed |= self.tree.page(page) != old;
        }
        drop(memory.begin_epoch(false));
        let mut virtual_addr = u64::MAX;
        if let Some((found, physical, next_pc)) = expected
            && !took_interrupt
            && self.hart().pc() == next_pc
        {
            let told = written.iter().any(|(addr, _)| *addr == physical);
            assert!(!found.write || told, "nobody was told of step {step}");
            virtual_addr = found.addr;
            // What the page tables got beside it is no change of this memory.
            changed = content(self, physical, found.bytes) != before;
            if found.read {
                let kind = READ | found.bytes << 8;
                self.columns.accesses.extend([step, kind, physical, found.addr]);
            }
        }
        for (addr, bytes) in written {
            let kind = WRITE | if changed { CHANGED } else { 0 } | bytes << 8;
            self.columns.accesses.extend([step, kind, addr, virtual_addr]);
        }
    }
}
