//! A toy machine: every transition is one function, so that an oracle can write all of them down.
//!
//! Harts take turns in a quantum, wait, are woken by a timer or an event; a device writes memory
//! by itself; several events may come at one step count.

use std::ops::Range;

use vmstate::property::Random;

use crate::clock::Position;

pub(super) const RAM_BYTES: u64 = 0x3000;
/// Virtual addresses are physical ones plus this.
pub(super) const VIRTUAL_BASE: u64 = 0x10_0000;
pub(super) const PROGRAM_LENGTH: u64 = 48;

#[derive(Clone, Copy, Debug)]
pub(super) enum Operation {
    Add { to: usize, amount: u64 },
    Store { from: usize, addr: u64, bytes: u64 },
    Load { to: usize, addr: u64, bytes: u64 },
    Branch { on: usize, target: u64 },
    Wait { ns: u64 },
    Dma { addr: u64, delay: u64 },
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Outside {
    pub(super) steps: u64,
    pub(super) addr: u64,
    pub(super) value: u8,
}

/// What does not change: the program, the events, the number of harts.
#[derive(Clone, Debug)]
pub(super) struct Program {
    pub(super) operations: Vec<Operation>,
    pub(super) events: Vec<Outside>,
    pub(super) harts: usize,
    pub(super) quantum: u64,
}

impl Program {
    pub(super) fn random(random: &mut Random, harts: usize, steps: u64) -> Self {
        let addr = |random: &mut Random| {
            // Around a page border, so that accesses and watches overlap and straddle it.
            0x0ff0 + random.below(0x20)
        };
        let operations = (0..PROGRAM_LENGTH)
            .map(|_| match random.below(16) {
                0..5 => Operation::Add { to: random.below(4) as usize, amount: random.below(9) },
                5..8 => Operation::Store {
                    from: random.below(4) as usize,
                    addr: addr(random),
                    bytes: 1 << random.below(4),
                },
                8..11 => Operation::Load {
                    to: random.below(4) as usize,
                    addr: addr(random),
                    bytes: 1 << random.below(4),
                },
                11..14 => Operation::Branch {
                    on: random.below(4) as usize,
                    target: random.below(PROGRAM_LENGTH),
                },
                14 => Operation::Wait { ns: 1 + random.below(50) },
                _ => Operation::Dma { addr: addr(random), delay: 1 + random.below(20) },
            })
            .collect();
        let mut events: Vec<_> = (0..steps / 100)
            .map(|_| Outside {
                steps: random.below(steps),
                addr: addr(random),
                value: random.next() as u8,
            })
            .collect();
        events.sort_by_key(|event| event.steps);
        Self { operations, events, harts, quantum: 1 + random.below(30) }
    }
}

#[derive(Clone, Debug, Hash)]
pub(super) struct Hart {
    pub(super) registers: [u64; 4],
    pub(super) pc: u64,
    pub(super) waits_until_ns: Option<u64>,
    pub(super) steps: u64,
}

#[derive(Clone, Debug, Hash)]
pub(super) struct State {
    pub(super) position: (u64, u64, u64),
    pub(super) harts: Vec<Hart>,
    pub(super) memory: Vec<u8>,
    turn: usize,
    turn_left: u64,
    next_event: usize,
    dma: Option<(u64, u64)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Access {
    pub(super) range: Range<u64>,
    pub(super) write: bool,
}

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Event,
    Step { hart: usize },
    Warp,
}

impl State {
    pub(super) fn new(program: &Program) -> Self {
        let hart = Hart { registers: [0; 4], pc: 0, waits_until_ns: None, steps: 0 };
        let mut harts = vec![hart; program.harts];
        for (number, hart) in harts.iter_mut().enumerate() {
            hart.pc = number as u64 * 7 % PROGRAM_LENGTH;
        }
        Self {
            position: (0, 0, 0),
            harts,
            memory: vec![0; RAM_BYTES as usize],
            turn: 0,
            turn_left: program.quantum,
            next_event: 0,
            dma: None,
        }
    }

    pub(super) fn position(&self) -> Position {
        let (steps, idle_ns, sequence) = self.position;
        Position { steps, idle_ns, sequence }
    }

    fn now_ns(&self) -> u64 {
        self.position.0 + self.position.1
    }

    fn is_awake(&self, hart: usize) -> bool {
        self.harts[hart].waits_until_ns.is_none_or(|ns| ns <= self.now_ns())
    }

    pub(super) fn next(&self, program: &Program) -> Next {
        if program.events.get(self.next_event).is_some_and(|event| event.steps <= self.position.0) {
            return Next::Event;
        }
        let count = self.harts.len();
        let first = if self.turn_left > 0 { self.turn } else { self.turn + 1 };
        let hart = (first..first + count).map(|hart| hart % count).find(|h| self.is_awake(*h));
        hart.map_or(Next::Warp, |hart| Next::Step { hart })
    }

    /// One transition and the memory accesses that it makes.
    pub(super) fn advance(&mut self, program: &Program) -> Vec<Access> {
        let mut accesses = Vec::new();
        match self.next(program) {
            Next::Event => {
                let Outside { addr, value, .. } = program.events[self.next_event];
                self.next_event += 1;
                self.position.2 += 1;
                self.write(addr, &[value], &mut accesses);
            }
            Next::Warp => {
                let deadline = self.harts.iter().filter_map(|hart| hart.waits_until_ns).min();
                let warp = deadline.expect("a hart waits for a time") - self.now_ns();
                self.position.1 += warp;
                self.position.2 = 0;
            }
            Next::Step { hart } => {
                if hart != self.turn || self.turn_left == 0 {
                    self.turn = hart;
                    self.turn_left = program.quantum;
                }
                self.turn_left -= 1;
                self.step(program, hart, &mut accesses);
                self.harts[hart].steps += 1;
                self.position.0 += 1;
                self.position.2 = 0;
                if let Some((addr, at)) = self.dma
                    && at <= self.position.0
                {
                    self.dma = None;
                    let bytes = self.position.0.to_le_bytes();
                    self.write(addr, &bytes[..3], &mut accesses);
                }
            }
        }
        accesses
    }

    fn step(&mut self, program: &Program, number: usize, accesses: &mut Vec<Access>) {
        let now_ns = self.now_ns();
        let hart = &mut self.harts[number];
        hart.waits_until_ns = None;
        let operation = program.operations[hart.pc as usize];
        hart.pc = (hart.pc + 1) % PROGRAM_LENGTH;
        match operation {
            Operation::Add { to, amount } => {
                hart.registers[to] = hart.registers[to].wrapping_add(amount);
            }
            Operation::Branch { on, target } => {
                if hart.registers[on] & 3 != 0 {
                    hart.pc = target;
                }
                hart.registers[on] = hart.registers[on].wrapping_add(1);
            }
            Operation::Wait { ns } => hart.waits_until_ns = Some(now_ns + ns),
            Operation::Dma { addr, delay } => self.dma = Some((addr, self.position.0 + delay)),
            Operation::Store { from, addr, bytes } => {
                let value = hart.registers[from].to_le_bytes();
                self.write(addr, &value[..bytes as usize], accesses);
            }
            Operation::Load { to, addr, bytes } => {
                let mut value = [0; 8];
                let start = addr as usize;
                value[..bytes as usize]
                    .copy_from_slice(&self.memory[start..start + bytes as usize]);
                hart.registers[to] = u64::from_le_bytes(value) & 0xffff;
                accesses.push(Access { range: addr..addr + bytes, write: false });
            }
        }
    }

    fn write(&mut self, addr: u64, bytes: &[u8], accesses: &mut Vec<Access>) {
        let start = addr as usize;
        self.memory[start..start + bytes.len()].copy_from_slice(bytes);
        accesses.push(Access { range: addr..addr + bytes.len() as u64, write: true });
    }
}
