//! The fused multiply-add: one rounding of `a * b + c` (IEEE 754-2019, 5.4.1).
//!
//! Always integer arithmetic: a host without the instruction gets it from a library. The variants
//! with negated product or addend are `fma(F::negated(a), b, c)` and `fma(a, b, F::negated(c))`.

use super::{
    Env, Flags, Format, FusedInvalid, Rules,
    number::{Number, Operand, infinity, shift_right_sticky_wide, unpack, zero},
};

impl<R: Rules> Env<R> {
    /// `a * b + c`.
    pub fn fma<F: Format>(&mut self, a: F::Bits, b: F::Bits, c: F::Bits) -> F::Bits {
        let negative = F::is_negative(a) != F::is_negative(b);
        let (x, y, addend) = (unpack::<F>(a), unpack::<F>(b), unpack::<F>(c));
        match (x, y) {
            (Operand::Nan, _) | (_, Operand::Nan) => self.propagate::<F>(&[a, b, c]),
            (Operand::Infinity { .. }, Operand::Zero { .. })
            | (Operand::Zero { .. }, Operand::Infinity { .. }) => {
                self.invalid_product::<F>([a, b, c])
            }
            _ if addend == Operand::Nan => self.propagate::<F>(&[a, b, c]),
            (Operand::Infinity { .. }, _) | (_, Operand::Infinity { .. }) => match addend {
                Operand::Infinity { negative: other } if other != negative => self.invalid::<F>(),
                _ => infinity::<F>(negative),
            },
            (Operand::Zero { .. }, _) | (_, Operand::Zero { .. }) => match addend {
                Operand::Zero { negative: other } if other != negative => {
                    zero::<F>(self.cancelled_sign())
                }
                _ => c,
            },
            (Operand::Finite(x), Operand::Finite(y)) => {
                let wide = u128::from(x.significand) * u128::from(y.significand);
                let exponent = x.exponent + y.exponent + 1;
                match addend {
                    Operand::Finite(z) => self.fused_sum::<F>(negative, exponent, wide, z),
                    Operand::Zero { .. } => self.round_wide::<F>(negative, exponent, wide),
                    Operand::Infinity { .. } | Operand::Nan => c,
                }
            }
        }
    }

    /// Adds `addend` to the exact product `wide / 2^127 * 2^exponent`.
    fn fused_sum<F: Format>(
        &mut self,
        negative: bool,
        exponent: i32,
        wide: u128,
        addend: Number,
    ) -> F::Bits {
        let shift = wide.leading_zeros();
        let product = (exponent - shift as i32, wide << shift, negative);
        let addend = (addend.exponent, u128::from(addend.significand) << 64, addend.negative);
        let (large, small) = if (product.0, product.1) >= (addend.0, addend.1) {
            (product, addend)
        } else {
            (addend, product)
        };
        // One bit of room for the carry. At least 20 bits are zero below either operand, so the
        // sticky bit is never among those that a cancellation brings up.
        let high = large.1 >> 1;
        let low = shift_right_sticky_wide(small.1 >> 1, large.0.abs_diff(small.0));
        let sum = if large.2 == small.2 { high + low } else { high - low };
        if sum == 0 {
            return zero::<F>(self.cancelled_sign());
        }
        self.round_wide::<F>(large.2, large.0 + 1, sum)
    }

    /// `0 * infinity + c`.
    #[cold]
    fn invalid_product<F: Format>(&mut self, operands: [F::Bits; 3]) -> F::Bits {
        let nan = F::is_nan(operands[2]);
        if nan && R::FUSED_INVALID == FusedInvalid::Propagate {
            return self.propagate::<F>(&operands);
        }
        self.flags |= Flags::INVALID;
        if nan && R::FUSED_INVALID == FusedInvalid::InvalidAndPropagate {
            R::propagate::<F>(&operands)
        } else {
            R::default_nan::<F>()
        }
    }
}
