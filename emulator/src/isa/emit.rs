//! What the semantics of an instruction are written in.
//!
//! Problem: an interpreter and a translator that are written separately drift apart. Strategy: each
//! instruction of an architecture is ONE function, generic over an [`Emitter`]. The interpreter
//! instantiates it on plain numbers, the translator on values of its code generator.
//!
//! Rules for semantics, which make both instances agree:
//! * no host `if` on a value: choose with [`Emitter::select`] or [`Emitter::branch`];
//! * everything that happens at run time goes through the emitter; the instruction's own fields are
//!   constants;
//! * a `load` or `store` may stop the instruction, which is then run again from its start: every
//!   `set` comes AFTER the last access (and at most one store may be visible to others);
//! * `jump`, `jump_to` and `branch` come last.
//!
//! All values are 64 bits. Narrow arithmetic is 64-bit arithmetic followed by an extension.

use crate::bus::Width;

/// A register that generated code keeps in host registers: the architecture numbers its integer
/// and floating-point registers without gaps from 0.
pub type Register = u8;

/// Operations on two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Binary {
    /// Wrapping sum.
    Add,
    /// Wrapping difference.
    Sub,
    /// Bitwise and.
    And,
    /// Bitwise or.
    Or,
    /// Bitwise exclusive or.
    Xor,
    /// Left shift by the low 6 bits.
    ShiftLeft,
    /// Logical right shift by the low 6 bits.
    ShiftRight,
    /// Arithmetic right shift by the low 6 bits.
    ShiftRightSigned,
    /// Left rotation by the low 6 bits.
    RotateLeft,
    /// Right rotation by the low 6 bits.
    RotateRight,
    /// Low half of the product.
    Multiply,
    /// High half of the signed product.
    MultiplyHighSigned,
    /// High half of the unsigned product.
    MultiplyHighUnsigned,
    /// High half of the product of a signed and an unsigned factor.
    MultiplyHighMixed,
    /// Signed quotient towards zero; all ones by zero; wrapping on overflow.
    DivideSigned,
    /// Unsigned quotient; all ones by zero.
    DivideUnsigned,
    /// Signed remainder; the dividend by zero; zero on overflow.
    RemainderSigned,
    /// Unsigned remainder; the dividend by zero.
    RemainderUnsigned,
    /// The smaller, signed.
    MinSigned,
    /// The smaller, unsigned.
    MinUnsigned,
    /// The larger, signed.
    MaxSigned,
    /// The larger, unsigned.
    MaxUnsigned,
}

impl Binary {
    /// The operation on numbers.
    #[inline(always)]
    #[must_use]
    pub fn eval(self, a: u64, b: u64) -> u64 {
        let (signed_a, signed_b) = (a.cast_signed(), b.cast_signed());
        let wide = |value: i128| ((value >> 64) as i64).cast_unsigned();
        #[expect(clippy::cast_possible_truncation, reason = "only the low 6 bits count")]
        let amount = b as u32;
        match self {
            Self::Add => a.wrapping_add(b),
            Self::Sub => a.wrapping_sub(b),
            Self::And => a & b,
            Self::Or => a | b,
            Self::Xor => a ^ b,
            Self::ShiftLeft => a.wrapping_shl(amount),
            Self::ShiftRight => a.wrapping_shr(amount),
            Self::ShiftRightSigned => signed_a.wrapping_shr(amount).cast_unsigned(),
            Self::RotateLeft => a.rotate_left(amount & 63),
            Self::RotateRight => a.rotate_right(amount & 63),
            Self::Multiply => a.wrapping_mul(b),
            Self::MultiplyHighSigned => wide(i128::from(signed_a) * i128::from(signed_b)),
            Self::MultiplyHighUnsigned => wide((u128::from(a) * u128::from(b)).cast_signed()),
            Self::MultiplyHighMixed => wide(i128::from(signed_a).wrapping_mul(i128::from(b))),
            Self::DivideSigned if b == 0 => u64::MAX,
            Self::DivideSigned => signed_a.wrapping_div(signed_b).cast_unsigned(),
            Self::DivideUnsigned => a.checked_div(b).unwrap_or(u64::MAX),
            Self::RemainderSigned if b == 0 => a,
            Self::RemainderSigned => signed_a.wrapping_rem(signed_b).cast_unsigned(),
            Self::RemainderUnsigned => a.checked_rem(b).unwrap_or(a),
            Self::MinSigned => signed_a.min(signed_b).cast_unsigned(),
            Self::MinUnsigned => a.min(b),
            Self::MaxSigned => signed_a.max(signed_b).cast_unsigned(),
            Self::MaxUnsigned => a.max(b),
        }
    }
}

/// Operations on one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unary {
    /// Low 8 bits, sign-extended.
    SignExtend8,
    /// Low 16 bits, sign-extended.
    SignExtend16,
    /// Low 32 bits, sign-extended.
    SignExtend32,
    /// Low 8 bits, zero-extended.
    ZeroExtend8,
    /// Low 16 bits, zero-extended.
    ZeroExtend16,
    /// Low 32 bits, zero-extended.
    ZeroExtend32,
    /// Bitwise complement.
    Not,
    /// Number of leading zeros, 64 for zero.
    LeadingZeros,
    /// Number of trailing zeros, 64 for zero.
    TrailingZeros,
    /// Number of ones.
    Ones,
    /// The bytes in reverse order.
    ReverseBytes,
}

impl Unary {
    /// The operation on a number.
    #[inline(always)]
    #[must_use]
    pub fn eval(self, a: u64) -> u64 {
        let shifted = |bits: u32| ((a << bits).cast_signed() >> bits).cast_unsigned();
        match self {
            Self::SignExtend8 => shifted(56),
            Self::SignExtend16 => shifted(48),
            Self::SignExtend32 => shifted(32),
            Self::ZeroExtend8 => a & 0xff,
            Self::ZeroExtend16 => a & 0xffff,
            Self::ZeroExtend32 => a & 0xffff_ffff,
            Self::Not => !a,
            Self::LeadingZeros => u64::from(a.leading_zeros()),
            Self::TrailingZeros => u64::from(a.trailing_zeros()),
            Self::Ones => u64::from(a.count_ones()),
            Self::ReverseBytes => a.swap_bytes(),
        }
    }
}

/// Comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Condition {
    /// Equal.
    Equal,
    /// Different.
    NotEqual,
    /// Signed less.
    LessSigned,
    /// Signed greater or equal.
    NotLessSigned,
    /// Unsigned less.
    LessUnsigned,
    /// Unsigned greater or equal.
    NotLessUnsigned,
}

impl Condition {
    /// The comparison of two numbers.
    #[inline(always)]
    #[must_use]
    pub fn eval(self, a: u64, b: u64) -> bool {
        match self {
            Self::Equal => a == b,
            Self::NotEqual => a != b,
            Self::LessSigned => a.cast_signed() < b.cast_signed(),
            Self::NotLessSigned => a.cast_signed() >= b.cast_signed(),
            Self::LessUnsigned => a < b,
            Self::NotLessUnsigned => a >= b,
        }
    }
}

/// One access to guest memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Access {
    /// How much.
    pub width: Width,
    /// Loads: sign-extend rather than zero-extend.
    pub signed: bool,
    /// The most significant byte comes first.
    pub big_endian: bool,
    /// Must be naturally aligned (atomics); otherwise any address is served.
    pub aligned: bool,
    /// A load whose instruction also stores there: its failure is reported as the store's.
    pub writes: bool,
    /// The value goes to or comes from a floating-point register: only a hint where to put it.
    pub float: bool,
}

impl Access {
    /// A little-endian, zero-extending access that need not be aligned.
    #[must_use]
    pub const fn new(width: Width) -> Self {
        Self {
            width,
            signed: false,
            big_endian: false,
            aligned: false,
            writes: false,
            float: false,
        }
    }

    /// The same with sign extension.
    #[must_use]
    pub const fn signed(self) -> Self {
        Self { signed: true, ..self }
    }

    /// The same for a floating-point register.
    #[must_use]
    pub const fn float(self) -> Self {
        Self { float: true, ..self }
    }

    /// The load or store of an atomic: aligned, and failing as a store.
    #[must_use]
    pub const fn atomic(self) -> Self {
        Self { aligned: true, writes: true, ..self }
    }
}

impl Access {
    /// A value of this width as memory's bytes gave it, lowest first, extended to 64 bits.
    #[inline(always)]
    #[must_use]
    pub fn extend(self, raw: u64) -> u64 {
        let value = self.swapped(raw);
        match (self.signed, self.width) {
            (true, Width::Byte) => Unary::SignExtend8.eval(value),
            (true, Width::Half) => Unary::SignExtend16.eval(value),
            (true, Width::Word) => Unary::SignExtend32.eval(value),
            _ => value,
        }
    }

    /// The low bits of `value` with their bytes in memory's order, lowest first.
    #[inline(always)]
    #[must_use]
    pub fn swapped(self, value: u64) -> u64 {
        if self.big_endian { value.swap_bytes() >> (64 - 8 * self.width.bytes()) } else { value }
    }
}

/// A floating-point operation that a host may do itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HostOperation {
    /// a + b
    Add,
    /// a - b
    Sub,
    /// a * b
    Multiply,
    /// a / b
    Divide,
    /// Square root of a.
    SquareRoot,
    /// (a * b) + c with one rounding; the flags negate the product and the addend.
    MultiplyAdd {
        /// Negate the product.
        negate_product: bool,
        /// Negate the addend.
        negate_addend: bool,
    },
    /// 1 when a == b, quietly.
    Equal,
    /// 1 when a < b.
    Less,
    /// 1 when a <= b.
    LessOrEqual,
    /// The signed integer a to floating point.
    FromSigned64,
    /// The low 32 bits of a, signed, to floating point.
    FromSigned32,
    /// Floating point to a signed 32-bit integer towards zero, sign-extended.
    ToSigned32,
    /// Floating point to a signed 64-bit integer towards zero.
    ToSigned64,
    /// Double to single.
    Narrow,
    /// Single to double.
    Widen,
}

/// The formats that hosts have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HostFormat {
    /// binary32 in the low half of a register whose upper half is all ones.
    Single,
    /// binary64.
    Double,
}

/// How an operation rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HostRounding {
    /// To nearest, ties to even; or the operation does not round.
    Nearest,
    /// As the processor's mode says.
    Dynamic,
    /// Some other way, which hosts are not asked for.
    Other,
}

/// A call that computes floating point, described so that a translator may do it on the host when
/// no flag can change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HostFloat {
    /// What to compute.
    pub operation: HostOperation,
    /// On what: the operands' format (the result's for conversions from integers).
    pub format: HostFormat,
    /// How to round.
    pub rounding: HostRounding,
}

/// Where semantics go: see the module's rules.
pub trait Emitter {
    /// 64 bits.
    type Value: Copy;
    /// True or false.
    type Bool: Copy;
    /// Why an access stopped the instruction; a translator never stops.
    type Stop;

    /// A constant.
    fn constant(&mut self, value: u64) -> Self::Value;
    /// Reads a register.
    fn get(&mut self, register: Register) -> Self::Value;
    /// Writes a register.
    fn set(&mut self, register: Register, value: Self::Value);
    /// Computes with two values.
    fn binary(&mut self, operation: Binary, a: Self::Value, b: Self::Value) -> Self::Value;
    /// Computes with one value.
    fn unary(&mut self, operation: Unary, a: Self::Value) -> Self::Value;
    /// Compares.
    fn compare(&mut self, condition: Condition, a: Self::Value, b: Self::Value) -> Self::Bool;
    /// `a` when true, else `b`; both are computed.
    fn select(&mut self, condition: Self::Bool, a: Self::Value, b: Self::Value) -> Self::Value;
    /// 1 when true, else 0.
    fn bit(&mut self, condition: Self::Bool) -> Self::Value;

    /// Loads from a virtual address.
    ///
    /// # Errors
    /// The access did not happen; the caller returns at once.
    fn load(&mut self, addr: Self::Value, access: Access) -> Result<Self::Value, Self::Stop>;
    /// Stores the low bits of `value` at a virtual address.
    ///
    /// # Errors
    /// As [`Emitter::load`].
    fn store(
        &mut self,
        addr: Self::Value,
        access: Access,
        value: Self::Value,
    ) -> Result<(), Self::Stop>;

    /// Calls the architecture's own function `function` of three values, which touches no register
    /// that [`Emitter::get`] reads and no memory.
    fn call(&mut self, function: u32, values: [Self::Value; 3]) -> Self::Value;
    /// The same for a function that computes floating point.
    fn float(&mut self, host: HostFloat, function: u32, values: [Self::Value; 3]) -> Self::Value {
        let _ = host;
        self.call(function, values)
    }

    /// Goes on at a known pc.
    fn jump(&mut self, target: u64);
    /// Goes on at a computed pc.
    fn jump_to(&mut self, target: Self::Value);
    /// Goes on at `taken` when true, at the next instruction otherwise.
    fn branch(&mut self, condition: Self::Bool, taken: u64);
}

/// How an instruction hands on control: what block discovery needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// To the next instruction.
    Next,
    /// To `taken` or to the next instruction.
    Branch {
        /// Where it goes when taken.
        taken: u64,
    },
    /// Always to `target`.
    Jump {
        /// Where it goes.
        target: u64,
        /// It also links: the code behind it runs after a return.
        call: bool,
    },
    /// To an address known at run time only.
    Indirect,
    /// Only an interpreter runs it (it may trap, change modes or be undefined).
    Interpret,
}
