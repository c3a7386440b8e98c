//! Addition, subtraction, multiplication, division and the square root (IEEE 754-2019, 5.4.1).

use super::{
    Env, Flags, Format, Rules,
    host::Operation,
    number::{Number, Operand, infinity, shift_right_sticky, unpack, zero},
};

impl<R: Rules> Env<R> {
    /// `a + b`.
    #[inline]
    pub fn add<F: Format>(&mut self, a: F::Bits, b: F::Bits) -> F::Bits {
        match self.fast::<F>(Operation::Add(a, b)) {
            Some(sum) => sum,
            None => self.sum::<F>(a, b, false),
        }
    }

    /// `a - b`.
    #[inline]
    pub fn sub<F: Format>(&mut self, a: F::Bits, b: F::Bits) -> F::Bits {
        match self.fast::<F>(Operation::Sub(a, b)) {
            Some(difference) => difference,
            None => self.sum::<F>(a, b, true),
        }
    }

    /// `a * b`.
    #[inline]
    pub fn mul<F: Format>(&mut self, a: F::Bits, b: F::Bits) -> F::Bits {
        match self.fast::<F>(Operation::Mul(a, b)) {
            Some(product) => product,
            None => self.product::<F>(a, b),
        }
    }

    /// `a / b`.
    #[inline]
    pub fn div<F: Format>(&mut self, a: F::Bits, b: F::Bits) -> F::Bits {
        match self.fast::<F>(Operation::Div(a, b)) {
            Some(quotient) => quotient,
            None => self.quotient::<F>(a, b),
        }
    }

    /// The square root of `a`.
    #[inline]
    pub fn sqrt<F: Format>(&mut self, a: F::Bits) -> F::Bits {
        match self.fast::<F>(Operation::Sqrt(a)) {
            Some(root) => root,
            None => self.root::<F>(a),
        }
    }

    fn sum<F: Format>(&mut self, a: F::Bits, b: F::Bits, subtract: bool) -> F::Bits {
        let mut second = unpack::<F>(b);
        if subtract {
            second = second.negated();
        }
        match (unpack::<F>(a), second) {
            (Operand::Nan, _) | (_, Operand::Nan) => self.propagate::<F>(&[a, b]),
            (Operand::Infinity { negative: x }, Operand::Infinity { negative: y }) if x != y => {
                self.invalid::<F>()
            }
            (Operand::Infinity { negative }, _) | (_, Operand::Infinity { negative }) => {
                infinity::<F>(negative)
            }
            (Operand::Zero { negative: x }, Operand::Zero { negative: y }) => {
                zero::<F>(if x == y { x } else { self.cancelled_sign() })
            }
            (Operand::Finite(number), Operand::Zero { .. })
            | (Operand::Zero { .. }, Operand::Finite(number)) => self.round::<F>(number),
            (Operand::Finite(x), Operand::Finite(y)) => self.sum_finite::<F>(x, y),
        }
    }

    fn sum_finite<F: Format>(&mut self, x: Number, y: Number) -> F::Bits {
        let (large, small) = if (x.exponent, x.significand) >= (y.exponent, y.significand) {
            (x, y)
        } else {
            (y, x)
        };
        // One bit of room for the carry; at least ten are left below the precision.
        let high = large.significand >> 1;
        let low =
            shift_right_sticky(small.significand >> 1, large.exponent.abs_diff(small.exponent));
        let sum = if large.negative == small.negative { high + low } else { high - low };
        if sum == 0 {
            return zero::<F>(self.cancelled_sign());
        }
        let shift = sum.leading_zeros();
        self.round::<F>(Number {
            negative: large.negative,
            exponent: large.exponent + 1 - shift as i32,
            significand: sum << shift,
        })
    }

    fn product<F: Format>(&mut self, a: F::Bits, b: F::Bits) -> F::Bits {
        let negative = F::is_negative(a) != F::is_negative(b);
        match (unpack::<F>(a), unpack::<F>(b)) {
            (Operand::Nan, _) | (_, Operand::Nan) => self.propagate::<F>(&[a, b]),
            (Operand::Infinity { .. }, Operand::Zero { .. })
            | (Operand::Zero { .. }, Operand::Infinity { .. }) => self.invalid::<F>(),
            (Operand::Infinity { .. }, _) | (_, Operand::Infinity { .. }) => {
                infinity::<F>(negative)
            }
            (Operand::Zero { .. }, _) | (_, Operand::Zero { .. }) => zero::<F>(negative),
            (Operand::Finite(x), Operand::Finite(y)) => {
                let wide = u128::from(x.significand) * u128::from(y.significand);
                self.round_wide::<F>(negative, x.exponent + y.exponent + 1, wide)
            }
        }
    }

    fn quotient<F: Format>(&mut self, a: F::Bits, b: F::Bits) -> F::Bits {
        let negative = F::is_negative(a) != F::is_negative(b);
        match (unpack::<F>(a), unpack::<F>(b)) {
            (Operand::Nan, _) | (_, Operand::Nan) => self.propagate::<F>(&[a, b]),
            (Operand::Infinity { .. }, Operand::Infinity { .. })
            | (Operand::Zero { .. }, Operand::Zero { .. }) => self.invalid::<F>(),
            (Operand::Infinity { .. }, _) => infinity::<F>(negative),
            (Operand::Zero { .. }, _) | (_, Operand::Infinity { .. }) => zero::<F>(negative),
            (Operand::Finite(_), Operand::Zero { .. }) => {
                self.flags |= Flags::DIVIDE_BY_ZERO;
                infinity::<F>(negative)
            }
            (Operand::Finite(x), Operand::Finite(y)) => {
                // A dividend not below the divisor makes the quotient's leading bit bit 63.
                let below = x.significand < y.significand;
                let dividend = u128::from(x.significand) << if below { 64 } else { 63 };
                let divisor = u128::from(y.significand);
                let quotient = (dividend / divisor) as u64;
                let significand = quotient | u64::from(dividend % divisor != 0);
                let exponent = x.exponent - y.exponent - i32::from(below);
                self.round::<F>(Number { negative, exponent, significand })
            }
        }
    }

    fn root<F: Format>(&mut self, a: F::Bits) -> F::Bits {
        match unpack::<F>(a) {
            Operand::Nan => self.propagate::<F>(&[a]),
            Operand::Zero { .. } | Operand::Infinity { negative: false } => a,
            Operand::Infinity { negative: true }
            | Operand::Finite(Number { negative: true, .. }) => self.invalid::<F>(),
            Operand::Finite(x) => {
                let odd = x.exponent & 1 != 0;
                let radicand = u128::from(x.significand) << if odd { 64 } else { 63 };
                let root = radicand.isqrt();
                let significand = root as u64 | u64::from(root * root != radicand);
                self.round::<F>(Number { negative: false, exponent: x.exponent >> 1, significand })
            }
        }
    }
}

impl Operand {
    /// The operand with the other sign.
    fn negated(self) -> Self {
        match self {
            Self::Zero { negative } => Self::Zero { negative: !negative },
            Self::Infinity { negative } => Self::Infinity { negative: !negative },
            Self::Finite(number) => Self::Finite(Number { negative: !number.negative, ..number }),
            Self::Nan => Self::Nan,
        }
    }
}
