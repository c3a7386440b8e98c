//! One short piece of code, run again and again on both engines from the same state until it ends in
//! a trap: first interpreted, then translated. What it leaves must be the same every time.

use vmstate::property::Random;

use super::{
    bench::{Pair, RAM},
    config,
};
use emulator::{
    isa::riscv::{Features, Hart},
    translate::Compilation,
};

/// Where traps to M and to S end: a jump to itself each.
pub(crate) const MACHINE_HANDLER: u64 = RAM;
pub(crate) const SUPERVISOR_HANDLER: u64 = RAM + 0x100;
/// Where the code is.
pub(crate) const CODE: u64 = 0x1000;

/// Causes of traps.
pub(crate) const BREAKPOINT: u64 = 3;

/// `ebreak`, which ends every piece of code.
pub(crate) const EBREAK: u32 = 0x0010_0073;

/// How often a piece of code runs.
const ROUNDS: u64 = 6;

/// What a piece of code left.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) hart_is_at: u64,
    pub(crate) cause: u64,
    pub(crate) tval: u64,
    pub(crate) epc: u64,
    pub(crate) x: [u64; 32],
    pub(crate) privilege: u8,
    pub(crate) mstatus: u64,
    pub(crate) words: Vec<u64>,
}

/// A piece of code and what it runs on.
pub(crate) struct Case<'a> {
    pub(crate) features: Features,
    pub(crate) code: &'a [u32],
    /// Doublewords by offset from the start of RAM; what they hold at the end is in the outcome.
    pub(crate) words: &'a [(u64, u64)],
}

impl Case<'_> {
    /// Runs the code from the state that `prepare` makes of the one at reset: machine mode, at the
    /// code, everything permitted to the other modes. Both engines must agree, and all rounds.
    pub(crate) fn run(&self, prepare: impl Fn(&mut Hart)) -> Outcome {
        self.run_with(prepare, |_| {})
    }

    /// The same, with `meddle` before each round.
    pub(crate) fn run_with(
        &self,
        prepare: impl Fn(&mut Hart),
        meddle: impl Fn(&mut Pair),
    ) -> Outcome {
        let mut image = vec![0; CODE as usize];
        let here = 0x0000_006f_u32.to_le_bytes();
        image[..4].copy_from_slice(&here);
        image[0x100..0x104].copy_from_slice(&here);
        image.extend(self.code.iter().chain([&EBREAK]).flat_map(|word| word.to_le_bytes()));
        let mut pair = Pair::with(self.features, &image, config(Compilation::AtOnce));
        let mut random = Random::new(self.code.len() as u64);
        let mut outcomes = vec![];
        for round in 0..ROUNDS {
            for (offset, word) in self.words {
                pair.write(*offset, &word.to_le_bytes());
            }
            pair.prepare(|hart| {
                let fresh = Hart::new(*hart.configuration());
                hart.state = fresh.state;
                hart.state.pc = RAM + CODE;
                hart.state.mtvec = MACHINE_HANDLER;
                hart.state.stvec = SUPERVISOR_HANDLER;
                hart.state.mstatus = 3 << 13;
                hart.state.pmp.configure(0, 0x1f);
                hart.state.pmp.set_address(0, u64::MAX >> 10);
                prepare(hart);
                hart.state_replaced();
            });
            meddle(&mut pair);
            for _ in 0..400 {
                if [MACHINE_HANDLER, SUPERVISOR_HANDLER].contains(&pair.interpreted().state.pc) {
                    break;
                }
                pair.run(if round == 0 { 1 } else { 1 + random.below(9) });
            }
            outcomes.push(self.outcome(&pair));
        }
        for (round, outcome) in outcomes.iter().enumerate() {
            assert_eq!(outcome, &outcomes[0], "round {round}");
        }
        outcomes.swap_remove(0)
    }

    fn outcome(&self, pair: &Pair) -> Outcome {
        let state = &pair.interpreted().state;
        let supervisor = state.pc == SUPERVISOR_HANDLER;
        let (cause, tval, epc) = if supervisor {
            (state.scause, state.stval, state.sepc)
        } else {
            (state.mcause, state.mtval, state.mepc)
        };
        Outcome {
            hart_is_at: state.pc,
            cause,
            tval,
            epc,
            x: state.x,
            privilege: state.privilege,
            mstatus: state.mstatus,
            words: self.words.iter().map(|(offset, _)| pair.word(*offset)).collect(),
        }
    }
}

/// `csrrw rd, csr, rs1`.
pub(crate) fn csrrw(rd: u32, csr: u16, rs1: u32) -> u32 {
    0x1073 | rd << 7 | rs1 << 15 | u32::from(csr) << 20
}

/// `csrrs rd, csr, x0`.
pub(crate) fn csrr(rd: u32, csr: u16) -> u32 {
    0x2073 | rd << 7 | u32::from(csr) << 20
}
