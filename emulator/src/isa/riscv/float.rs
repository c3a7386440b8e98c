//! The extensions F, D and Zfhmin.
//!
//! Source: RISC-V Unprivileged ISA 20240411, the chapters of the three extensions; sections are named by
//! their titles.
//!
//! Problem: about a hundred instructions, most of them one operation in several formats. Strategy:
//! an instruction is a row of a table (`decode`) that names one [`Operation`] and its formats; moves
//! and sign manipulation are written in the emitter, everything that computes goes through
//! [`Emitter::float`] to one pure function of register bits ([`call`]) on top of [`crate::float`],
//! with a description that lets a translator use the host instead.
//!
//! Registers are 64 bits. A narrower value is *boxed*: all bits above it are ones. An operand that
//! is not boxed is the canonical NaN ("NaN Boxing of Narrower Values"), except to moves and stores, which take bits as they
//! are.
//!
//! Not here: whether the instruction may run. The processor refuses it while `mstatus.FS` is off,
//! and when [`FloatInstruction::rounds_dynamically`] and `frm` holds no mode ("Floating-Point Control and Status Register"); it marks the
//! state dirty.

mod compute;
mod decode;

pub use compute::call;
pub use decode::decode;

use crate::{
    bus::Width,
    isa::emit::{
        Access, Binary, Condition, Emitter, HostFloat, HostFormat, HostOperation, HostRounding,
        Unary,
    },
};

/// The number of register f0; x0 to x31 come before.
pub const F0: u8 = 32;

/// What an instruction does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the mnemonics say it")]
pub enum Operation {
    Load,
    Store,
    Add,
    Sub,
    Mul,
    Div,
    Sqrt,
    MulAdd,
    MulSub,
    NegMulSub,
    NegMulAdd,
    SignCopy,
    SignNegate,
    SignXor,
    Min,
    Max,
    Equal,
    Less,
    LessOrEqual,
    Class,
    ToI32,
    ToU32,
    ToI64,
    ToU64,
    FromI32,
    FromU32,
    FromI64,
    FromU64,
    FromHalf,
    FromSingle,
    FromDouble,
    MoveToInteger,
    MoveFromInteger,
}

impl Operation {
    /// All, in the order of their numbers.
    const ALL: [Self; 33] = {
        use Operation as O;
        [
            O::Load,
            O::Store,
            O::Add,
            O::Sub,
            O::Mul,
            O::Div,
            O::Sqrt,
            O::MulAdd,
            O::MulSub,
            O::NegMulSub,
            O::NegMulAdd,
            O::SignCopy,
            O::SignNegate,
            O::SignXor,
            O::Min,
            O::Max,
            O::Equal,
            O::Less,
            O::LessOrEqual,
            O::Class,
            O::ToI32,
            O::ToU32,
            O::ToI64,
            O::ToU64,
            O::FromI32,
            O::FromU32,
            O::FromI64,
            O::FromU64,
            O::FromHalf,
            O::FromSingle,
            O::FromDouble,
            O::MoveToInteger,
            O::MoveFromInteger,
        ]
    };

    /// Whether the result goes to an integer register.
    const fn writes_integer(self) -> bool {
        matches!(
            self,
            Self::Equal
                | Self::Less
                | Self::LessOrEqual
                | Self::Class
                | Self::ToI32
                | Self::ToU32
                | Self::ToI64
                | Self::ToU64
                | Self::MoveToInteger
        )
    }

    /// How many registers a computation reads.
    const fn operands(self) -> u32 {
        match self {
            Self::MulAdd | Self::MulSub | Self::NegMulSub | Self::NegMulAdd => 3,
            Self::Add | Self::Sub | Self::Mul | Self::Div | Self::Min | Self::Max => 2,
            Self::Equal | Self::Less | Self::LessOrEqual => 2,
            _ => 1,
        }
    }

    /// Whether the first operand is an integer register.
    const fn reads_integer(self) -> bool {
        matches!(
            self,
            Self::FromI32
                | Self::FromU32
                | Self::FromI64
                | Self::FromU64
                | Self::MoveFromInteger
                | Self::Load
                | Self::Store
        )
    }
}

/// The format that an instruction works in; of conversions between formats, the result's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Precision {
    /// binary16.
    Half,
    /// binary32.
    Single,
    /// binary64.
    Double,
}

impl Precision {
    /// All bits above the format: those of a boxed value, as ones.
    const fn box_bits(self) -> u64 {
        match self {
            Self::Half => !0xffff,
            Self::Single => !0xffff_ffff,
            Self::Double => 0,
        }
    }

    /// The format's sign bit.
    const fn sign_bit(self) -> u64 {
        match self {
            Self::Half => 1 << 15,
            Self::Single => 1 << 31,
            Self::Double => 1 << 63,
        }
    }

    const fn width(self) -> Width {
        match self {
            Self::Half => Width::Half,
            Self::Single => Width::Word,
            Self::Double => Width::Double,
        }
    }
}

/// The rounding-mode field: `frm` decides.
pub const DYNAMIC: u8 = 7;

/// A decoded instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FloatInstruction {
    /// What it does.
    pub operation: Operation,
    /// In which format.
    pub precision: Precision,
    /// The rounding-mode field, 0 to 4 or [`DYNAMIC`]; 0 where the instruction has none.
    pub rounding: u8,
    /// Number of the destination among the integer or the floating-point registers.
    pub rd: u8,
    /// Number of the first source, or the base of an address.
    pub rs1: u8,
    /// Number of the second source, or the register that is stored.
    pub rs2: u8,
    /// Number of the third source.
    pub rs3: u8,
    /// Offset of a load or store.
    pub offset: i16,
}

impl FloatInstruction {
    /// Whether it rounds as `frm` says, and so is illegal while `frm` is above 4.
    #[must_use]
    pub const fn rounds_dynamically(&self) -> bool {
        self.rounding == DYNAMIC
    }

    /// The number of the function that [`call`] computes for this instruction.
    #[must_use]
    pub const fn function(&self) -> u32 {
        self.operation as u32 | (self.precision as u32) << 8 | (self.rounding as u32) << 10
    }

    /// Writes the instruction's semantics.
    ///
    /// # Errors
    /// The emitter's stop, when a load or store did not happen.
    #[inline]
    pub fn execute<E: Emitter>(&self, e: &mut E) -> Result<(), E::Stop> {
        match self.operation {
            Operation::Load => self.load(e),
            Operation::Store => self.store(e),
            Operation::SignCopy | Operation::SignNegate | Operation::SignXor => {
                let result = self.inject_sign(e);
                e.set(F0 + self.rd, result);
                Ok(())
            }
            Operation::MoveToInteger => {
                let value = e.get(F0 + self.rs1);
                let result = match self.precision {
                    Precision::Half => e.unary(Unary::SignExtend16, value),
                    Precision::Single => e.unary(Unary::SignExtend32, value),
                    Precision::Double => value,
                };
                self.set_result(e, result);
                Ok(())
            }
            Operation::MoveFromInteger => {
                let value = e.get(self.rs1);
                let result = self.boxed(e, value);
                self.set_result(e, result);
                Ok(())
            }
            _ => {
                self.compute(e);
                Ok(())
            }
        }
    }

    fn address<E: Emitter>(&self, e: &mut E) -> E::Value {
        let base = e.get(self.rs1);
        let offset = e.constant(i64::from(self.offset).cast_unsigned());
        e.binary(Binary::Add, base, offset)
    }

    fn load<E: Emitter>(&self, e: &mut E) -> Result<(), E::Stop> {
        let addr = self.address(e);
        let value = e.load(addr, Access::new(self.precision.width()).float())?;
        let result = self.boxed(e, value);
        e.set(F0 + self.rd, result);
        Ok(())
    }

    fn store<E: Emitter>(&self, e: &mut E) -> Result<(), E::Stop> {
        let addr = self.address(e);
        let value = e.get(F0 + self.rs2);
        e.store(addr, Access::new(self.precision.width()).float(), value)
    }

    fn set_result<E: Emitter>(&self, e: &mut E, result: E::Value) {
        if !self.operation.writes_integer() {
            e.set(F0 + self.rd, result);
        } else if self.rd != 0 {
            e.set(self.rd, result);
        }
    }

    /// The low bits of `value` with ones above.
    fn boxed<E: Emitter>(&self, e: &mut E, value: E::Value) -> E::Value {
        if self.precision == Precision::Double {
            return value;
        }
        let ones = e.constant(self.precision.box_bits());
        e.binary(Binary::Or, value, ones)
    }

    /// A source register, or the canonical NaN if its value is not boxed.
    fn unboxed<E: Emitter>(&self, e: &mut E, number: u8) -> E::Value {
        let value = e.get(F0 + number);
        if self.precision == Precision::Double {
            return value;
        }
        let least = e.constant(self.precision.box_bits());
        let boxed = e.compare(Condition::NotLessUnsigned, value, least);
        let nan = e.constant(compute::canonical_nan(self.precision));
        e.select(boxed, value, nan)
    }

    /// `fsgnj`, `fsgnjn`, `fsgnjx` (20.6).
    fn inject_sign<E: Emitter>(&self, e: &mut E) -> E::Value {
        let magnitude = self.unboxed(e, self.rs1);
        let sign_bit = e.constant(self.precision.sign_bit());
        if self.operation == Operation::SignCopy && self.rs1 == self.rs2 {
            return magnitude;
        }
        let mut sign = self.unboxed(e, self.rs2);
        if self.operation == Operation::SignNegate {
            sign = e.unary(Unary::Not, sign);
        }
        let sign = e.binary(Binary::And, sign, sign_bit);
        if self.operation == Operation::SignXor {
            return e.binary(Binary::Xor, magnitude, sign);
        }
        let others = e.constant(!self.precision.sign_bit());
        let magnitude = e.binary(Binary::And, magnitude, others);
        e.binary(Binary::Or, magnitude, sign)
    }

    fn compute<E: Emitter>(&self, e: &mut E) {
        let a = e.get(if self.operation.reads_integer() { self.rs1 } else { F0 + self.rs1 });
        let b = if self.operation.operands() > 1 { e.get(F0 + self.rs2) } else { a };
        let c = if self.operation.operands() > 2 { e.get(F0 + self.rs3) } else { a };
        let values = [a, b, c];
        let result = match self.host() {
            Some(host) => e.float(host, self.function(), values),
            None => e.call(self.function(), values),
        };
        self.set_result(e, result);
    }

    /// The host operation that may stand for this instruction.
    fn host(&self) -> Option<HostFloat> {
        let fused = |negate_product, negate_addend| HostOperation::MultiplyAdd {
            negate_product,
            negate_addend,
        };
        const TOWARD_ZERO: u8 = 1;
        let operation = match self.operation {
            Operation::Add => HostOperation::Add,
            Operation::Sub => HostOperation::Sub,
            Operation::Mul => HostOperation::Multiply,
            Operation::Div => HostOperation::Divide,
            Operation::Sqrt => HostOperation::SquareRoot,
            Operation::MulAdd => fused(false, false),
            Operation::MulSub => fused(false, true),
            Operation::NegMulSub => fused(true, false),
            Operation::NegMulAdd => fused(true, true),
            Operation::Equal => HostOperation::Equal,
            Operation::Less => HostOperation::Less,
            Operation::LessOrEqual => HostOperation::LessOrEqual,
            Operation::FromI32 => HostOperation::FromSigned32,
            Operation::FromI64 => HostOperation::FromSigned64,
            Operation::ToI32 if self.rounding == TOWARD_ZERO => HostOperation::ToSigned32,
            Operation::ToI64 if self.rounding == TOWARD_ZERO => HostOperation::ToSigned64,
            Operation::FromSingle if self.precision == Precision::Double => HostOperation::Widen,
            Operation::FromDouble if self.precision == Precision::Single => HostOperation::Narrow,
            _ => return None,
        };
        let format = match (self.operation, self.precision) {
            (Operation::FromSingle, _) => HostFormat::Single,
            (Operation::FromDouble, _) | (_, Precision::Double) => HostFormat::Double,
            (_, Precision::Single) => HostFormat::Single,
            (_, Precision::Half) => return None,
        };
        let rounding = match (operation, self.rounding) {
            (HostOperation::ToSigned32 | HostOperation::ToSigned64, _) | (_, 0) => {
                HostRounding::Nearest
            }
            (_, DYNAMIC) => HostRounding::Dynamic,
            _ => HostRounding::Other,
        };
        Some(HostFloat { operation, format, rounding })
    }
}
