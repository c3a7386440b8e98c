//! Operands: structured corners and seeded random numbers that reach the hard cases.

use emulator::float::Format;
use vmstate::property::Random;

/// The numbers at which something changes, with both signs.
pub(crate) fn corners<F: Format>() -> Vec<u64> {
    let one = (F::BIAS as u64) << F::FRACTION_BITS;
    let exponent = |e: i32| ((F::BIAS + e) as u64) << F::FRACTION_BITS;
    let mut found = vec![0, 1, 2, 3, F::QUIET, F::FRACTION - 1, F::FRACTION];
    found.extend([F::MIN_NORMAL, F::MIN_NORMAL + 1, F::MIN_NORMAL * 2 - 1, F::MIN_NORMAL * 2]);
    found.extend([one - 2, one - 1, one, one + 1, one + 2, one | F::QUIET, one | F::FRACTION]);
    found.extend([F::INFINITY - F::MIN_NORMAL, F::INFINITY - 2, F::INFINITY - 1, F::INFINITY]);
    found.extend([1, F::QUIET - 1, F::QUIET, F::QUIET + 1, F::FRACTION].map(|p| F::INFINITY | p));
    let precision = F::FRACTION_BITS as i32 + 1;
    let largest = F::BIAS;
    for e in [
        -2,
        -1,
        1,
        2,
        precision - 2,
        precision - 1,
        precision,
        30,
        31,
        32,
        62,
        63,
        64,
        1 - largest + precision,
        -precision,
        largest / 2,
        -largest / 2,
        largest / 2 + 1,
    ] {
        if e.abs() < largest {
            found.extend([exponent(e) - 1, exponent(e), exponent(e) + 1, exponent(e) | F::QUIET]);
        }
    }
    found.sort_unstable();
    found.dedup();
    found.iter().flat_map(|&bits| [bits, bits | F::SIGN]).collect()
}

/// Few enough corners that all triples of them run in a second.
pub(crate) fn fused_corners<F: Format>() -> Vec<u64> {
    let one = (F::BIAS as u64) << F::FRACTION_BITS;
    let positive = [
        0,
        1,
        F::FRACTION,
        F::MIN_NORMAL,
        F::MIN_NORMAL + 1,
        one - 1,
        one,
        one + 1,
        one | F::FRACTION,
        F::INFINITY - 1,
        F::INFINITY,
        F::INFINITY | F::QUIET,
        F::INFINITY | 1,
    ];
    positive.iter().flat_map(|&bits| [bits, bits | F::SIGN]).collect()
}

/// Integers at which a conversion changes.
pub(crate) fn integers() -> impl Iterator<Item = u64> {
    let near = |value: u64| [value.wrapping_sub(1), value, value.wrapping_add(1)];
    (0..64)
        .flat_map(move |bit| near(1 << bit).into_iter().chain(near(3 << bit)))
        .flat_map(|value| [value, value.wrapping_neg(), value.rotate_left(1)])
}

/// A replayable stream of random operands.
pub(crate) struct Operands {
    pub(crate) seed: u64,
    /// How many random operands to try.
    pub(crate) rounds: u64,
    random: Random,
}

impl Operands {
    /// As `FLOAT_SEED` and `FLOAT_ROUNDS` say, or a short run from a fixed seed.
    pub(crate) fn new() -> Self {
        let seed = number("FLOAT_SEED", 0x5eed_0001);
        Self { seed, rounds: number("FLOAT_ROUNDS", 8_000), random: Random::new(seed) }
    }

    /// 64 random bits.
    fn bits(&mut self) -> u64 {
        self.random.next()
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.random.below(bound)
    }

    /// A fraction: any, or a run of ones or zeros with a few bits changed.
    fn fraction<F: Format>(&mut self) -> u64 {
        let bits = self.bits();
        let run = F::FRACTION >> self.below(u64::from(F::FRACTION_BITS));
        let few = (1 << self.below(u64::from(F::FRACTION_BITS)))
            | (1 << self.below(u64::from(F::FRACTION_BITS)));
        let fraction = match self.below(5) {
            0 => bits,
            1 => run,
            2 => !run,
            3 => few,
            _ => run ^ few,
        };
        fraction & F::FRACTION
    }

    fn assemble<F: Format>(&mut self, biased: i64) -> u64 {
        let biased = biased.clamp(0, i64::from(F::SPECIAL)) as u64;
        let sign = if self.bits() & 1 == 0 { 0 } else { F::SIGN };
        sign | biased << F::FRACTION_BITS | self.fraction::<F>()
    }

    /// Any operand; ordinary, subnormal, huge and special ones all come often.
    pub(crate) fn next<F: Format>(&mut self) -> u64 {
        let special = i64::from(F::SPECIAL);
        let bias = i64::from(F::BIAS);
        let spread = self.below(80) as i64 - 40;
        let biased = match self.below(16) {
            0 => 0,
            1 => special,
            2 => special - 1,
            3 => self.below(4) as i64,
            4..8 => bias + spread,
            8 => bias / 2 + spread,
            9 => bias + bias / 2 + spread,
            _ => self.below(special as u64) as i64,
        };
        self.assemble::<F>(biased)
    }

    /// An operand whose exponent is near that of `a`, or any.
    pub(crate) fn near<F: Format>(&mut self, a: u64) -> u64 {
        match self.below(4) {
            0 => self.next::<F>(),
            1 => a ^ (self.below(4) | (self.bits() & F::SIGN)),
            _ => {
                let reach = i64::from(F::FRACTION_BITS) + 3;
                let spread = self.below(2 * reach as u64) as i64 - reach;
                let biased = (a & F::INFINITY) >> F::FRACTION_BITS;
                self.assemble::<F>(biased as i64 + spread)
            }
        }
    }

    /// An operand near the product of `a` and `b`, so that a sum with it cancels.
    pub(crate) fn near_product<F: Format>(&mut self, a: u64, b: u64) -> u64 {
        if self.below(4) == 0 {
            return self.next::<F>();
        }
        let biased = |x: u64| ((x & F::INFINITY) >> F::FRACTION_BITS) as i64;
        let product = biased(a) + biased(b) - i64::from(F::BIAS);
        let reach = match self.below(3) {
            0 => 1,
            1 => 4,
            _ => 2 * u64::from(F::FRACTION_BITS) + 4,
        };
        let spread = self.below(2 * reach + 1) as i64 - reach as i64;
        self.assemble::<F>(product + spread)
    }

    /// An integer with a random number of significant bits.
    pub(crate) fn integer(&mut self) -> u64 {
        let value = self.bits() >> self.below(64);
        if self.bits() & 1 == 0 { value } else { value.wrapping_neg() }
    }
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| {
        text.parse().unwrap_or_else(|_| panic!("{variable} is a decimal number, not {text}"))
    })
}
