//! Random page tables, stores to them and switches between roots: whatever is cached afterwards has to
//! be what a walk says.

use vmstate::property::Random;

use super::super::{
    super::{
        access::Kind,
        decode::decode,
        mmu::{self, Paging},
        state::{Privilege, status},
    },
    Hart,
};
use crate::{
    isa::riscv::Configuration,
    memory::{GuestMemory, PAGE_BYTES},
    tlb,
};

const RAM: u64 = 0x8000_0000;
const RAM_BYTES: u64 = 1 << 20;

/// Numbers of RAM pages: three roots, middle tables, lowest tables, and pages that are mapped.
const TABLES: [std::ops::Range<u64>; 3] = [1..4, 4..8, 8..12];
const PAGES: std::ops::Range<u64> = 12..20;

/// Entries in use of root, middle and lowest tables: both halves of the address space.
const INDICES: [[u64; 3]; 3] = [[0, 256, 511], [0, 1, 511], [0, 7, 510]];

/// Read, write, execute; the entry is valid, accessed and dirty.
const LEAF: u64 = 0xcf;
const USER: u64 = 0x10;

/// A context of the TLB, its privilege and SUM.
type Context = (usize, Privilege, bool);

const CONTEXTS: [Context; 3] = [
    (1, Privilege::Supervisor, false),
    (2, Privilege::Supervisor, true),
    (3, Privilege::User, false),
];

struct World {
    hart: Hart,
    memory: GuestMemory,
    random: Random,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut hart = Hart::new(Configuration::default());
        hart.state.pmp.configure(0, 0x1f);
        hart.state.pmp.set_address(0, u64::MAX >> 10);
        hart.state.satp = 8 << 60 | page(TABLES[0].start) >> 12;
        let memory = GuestMemory::at(RAM, RAM_BYTES).unwrap();
        Self { hart, memory, random: Random::new(seed) }
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.random.below(from.len() as u64) as usize]
    }

    fn page_in(&mut self, pages: &std::ops::Range<u64>) -> u64 {
        page(pages.start + self.random.below(pages.end - pages.start))
    }

    /// A random entry of a random table; half of those of roots the same in all, as kernels have it.
    fn write_entry(&mut self) {
        let level = self.pick(&[0, 0, 1, 1, 2, 2, 2]);
        let index = self.pick(&INDICES[level]);
        let is_superpage = level < 2 && self.random.below(16) == 0;
        let bits = LEAF | self.pick(&[0, USER]);
        let target = |number: u64, bits: u64| page(number) >> 12 << 10 | bits;
        let entry = match level {
            _ if self.random.below(8) == 0 => 0,
            _ if is_superpage => target(0, bits),
            2 => self.page_in(&PAGES) >> 12 << 10 | bits,
            _ => self.page_in(&TABLES[level + 1]) >> 12 << 10 | 1,
        };
        let tables: Vec<u64> = if level == 0 && self.random.below(2) == 0 {
            TABLES[0].clone().map(page).collect()
        } else {
            vec![self.page_in(&TABLES[level])]
        };
        for table in tables {
            self.memory.store(table + index * 8, &entry.to_le_bytes()).unwrap();
            self.hart.follow(&self.memory);
        }
    }

    fn switch_to(&mut self, root: u64) {
        let left = std::mem::replace(&mut self.hart.state.satp, 8 << 60 | root >> 12);
        self.hart.switch_space(&self.memory, left);
        self.hart.follow(&self.memory);
    }

    fn enter(&mut self, (_, privilege, sum): Context) {
        self.hart.state.set_privilege(privilege);
        self.hart.state.mstatus &= !status::SUM;
        self.hart.state.mstatus |= if sum { status::SUM } else { 0 };
    }

    /// An access, and for a fetch the decoding of what is there.
    fn access(&mut self, addr: u64, kind: Kind, context: Context) {
        self.enter(context);
        let found = self.hart.translate(&self.memory, addr, 2, kind);
        self.hart.follow(&self.memory);
        let cached = self.hart.tlb.host(context.0, tlb::Kind::Execute, addr, 2);
        let Some(number) = found.ok().and_then(|found| self.memory.page_of(found)) else { return };
        if kind != Kind::Fetch && self.random.below(2) == 0 || cached.is_none() {
            return;
        }
        // A fetch that hits the TLB decodes without a walk, as when a load came before it.
        let generation = self.hart.fetch_generation(context.1);
        let features = self.hart.configuration.features;
        let code = &mut self.hart.code;
        code.follow(context.0, generation);
        let one = |bytes: &[u8]| Some((decode(bytes, features)?, 4, true));
        let known = code.block_at(number, 0);
        let block = known.or_else(|| code.decode(&self.memory, number, 0, one)).unwrap();
        code.note(context.0, addr, block);
        self.hart.follow(&self.memory);
    }

    fn walk(&self, addr: u64, kind: Kind, (_, privilege, sum): Context) -> Option<usize> {
        let root = self.hart.state.satp & ((1 << 44) - 1);
        let user = privilege == Privilege::User;
        let paging = Paging { levels: 3, root, user, sum, ..Paging::default() };
        let pmp = &self.hart.state.pmp;
        let mapping = mmu::walk(&self.memory, pmp, &paging, addr, kind, |_| {}).ok()?;
        self.memory.page_of(mapping.page)
    }

    /// Everything that is cached is what a walk says now. Gives how much there was.
    fn check(&self, what: &str) -> usize {
        let mut cached = 0;
        for (addr, context) in addresses().flat_map(|addr| CONTEXTS.map(|context| (addr, context)))
        {
            for (tag, kind) in [
                (tlb::Kind::Read, Kind::Load),
                (tlb::Kind::Write, Kind::Store),
                (tlb::Kind::Execute, Kind::Fetch),
            ] {
                let Some(host) = self.hart.tlb.host(context.0, tag, addr, 2) else { continue };
                let page = Some(self.memory.page_of_host(host));
                cached += 1;
                assert_eq!(page, self.walk(addr, kind, context), "{what}: {kind:?} {addr:#x}");
            }
            let generation = self.hart.fetch_generation(context.1);
            if self.hart.code.follows(context.0, generation)
                && let Some(block) = self.hart.code.shortcut(context.0, addr)
            {
                let page = Some(block.page as usize);
                cached += 1;
                assert_eq!(page, self.walk(addr, Kind::Fetch, context), "{what}: code {addr:#x}");
            }
        }
        cached
    }
}

fn page(number: u64) -> u64 {
    RAM + number * PAGE_BYTES
}

fn address([root, middle, lowest]: [u64; 3]) -> u64 {
    let addr = root << 30 | middle << 21 | lowest << 12;
    ((addr << 25).cast_signed() >> 25).cast_unsigned()
}

fn addresses() -> impl Iterator<Item = u64> {
    let of = |level: usize| INDICES[level].into_iter();
    of(0).flat_map(move |a| of(1).flat_map(move |b| of(2).map(move |c| address([a, b, c]))))
}

#[test]
fn what_is_cached_is_what_a_walk_says_whatever_is_stored_or_switched() {
    let all: Vec<u64> = addresses().collect();
    for seed in (1..40).step_by(2) {
        let mut world = World::new(seed);
        let mut cached = 0;
        for _ in 0..60 {
            world.write_entry();
        }
        for step in 0..400 {
            match world.random.below(16) {
                0 => world.write_entry(),
                1 | 2 => {
                    let root = world.page_in(&TABLES[0]);
                    world.switch_to(root);
                }
                _ => {
                    let (addr, context) = (world.pick(&all), world.pick(&CONTEXTS));
                    let kind = world.pick(&[Kind::Load, Kind::Store, Kind::Fetch]);
                    world.access(addr, kind, context);
                }
            }
            cached += world.check(&format!("seed {seed}, step {step}"));
        }
        assert!(cached > 1000, "seed {seed}: hardly anything was cached ({cached})");
    }
}

#[test]
fn what_both_roots_say_alike_stays_cached_over_a_switch() {
    let mut world = World::new(1);
    let put = |table: u64, index: u64, number: u64, bits: u64| {
        let entry = page(number) >> 12 << 10 | bits;
        world.memory.store(page(table) + index * 8, &entry.to_le_bytes()).unwrap();
    };
    // The kernel's half is the same in both; the user's has tables of its own.
    for (root, user_middle, user_lowest, user_page) in [(1, 4, 8, 12), (2, 5, 9, 13)] {
        put(root, 256, 6, 1);
        put(root, 0, user_middle, 1);
        put(user_middle, 0, user_lowest, 1);
        put(user_lowest, 0, user_page, LEAF | USER);
    }
    put(6, 0, 10, 1);
    put(10, 0, 14, LEAF);
    world.hart.follow(&world.memory);
    let (kernel, user) = (address([256, 0, 0]), address([0, 0, 0]));
    world.access(kernel, Kind::Fetch, CONTEXTS[0]);
    world.access(user, Kind::Fetch, CONTEXTS[2]);
    let state = |world: &World| {
        [(CONTEXTS[0], kernel), (CONTEXTS[2], user)].map(|((context, privilege, _), addr)| {
            let cached = world.hart.tlb.host(context, tlb::Kind::Execute, addr, 2).is_some();
            (cached, world.hart.fetch_generation(privilege))
        })
    };
    let before = state(&world);
    world.switch_to(page(2));
    let [(is_kernel_cached, kernel_number), (is_user_cached, user_number)] = state(&world);
    assert_eq!((before[0].0, before[1].0), (true, true));
    assert_eq!((is_kernel_cached, kernel_number), before[0], "the kernel's");
    assert!(!is_user_cached && user_number != before[1].1, "the user's");
}
