//! Expressions over registers and memory, for conditions and for addresses in monitor commands.
//!
//! Problem: a condition that the front end evaluates costs it a round trip at every hit, a million
//! of them in a loop. Strategy: the engine evaluates, at the hit.
//!
//! ```text
//! or      = and { "||" and }
//! and     = bits { "&&" bits }
//! bits    = compare { ("&" | "|" | "^") compare }            left to right
//! compare = shift [ ("==" | "!=" | "<" | "<=" | ">" | ">=") shift ]
//! shift   = sum { ("<<" | ">>") sum }
//! sum     = product { ("+" | "-") product }
//! product = unary { ("*" | "/" | "%") unary }
//! unary   = { "-" | "~" | "!" } primary
//! primary = number | register | signed "(" or ")" | "(" or ")" | "[" or "]" [ ":" width ]
//! number  = decimal, 0x, 0o or 0b, with "_" anywhere behind the first digit
//! register= a name of the architecture's table, with or without "$"; also hart and steps
//! signed  = "s8" | "s16" | "s32" | "s64": the low bits as a signed number
//! width   = "1" | "2" | "4" | "8" bytes; 8 when it is left out
//! ```
//!
//! Values are 128-bit signed integers, so that no sum of registers overflows; registers and memory
//! come in zero-extended, and `s64(a0) < 0` asks for a sign. `&&` and `||` stop at the first side
//! that decides. Comparisons bind tighter than `&`, `|` and `^`, as in C: write `(a0 & 1) == 1`.
//! Memory is read through the hart's page table. Deliberately absent: assignments and symbols.

mod evaluate;
mod parse;
#[cfg(test)]
mod tests;

pub use evaluate::Values;

/// A mistake in an expression, or a value that could not be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}, at column {} of `{text}`", at + 1)]
pub struct ExpressionError {
    /// What is wrong.
    pub what: String,
    /// Where, in bytes from the start of `text`.
    pub at: usize,
    /// The expression.
    pub text: String,
}

/// An expression that was read without mistakes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expression {
    text: String,
    root: Node,
}

impl Expression {
    /// Reads `text`; `is_register` tells which names (without `$`) are registers.
    ///
    /// # Errors
    /// [`ExpressionError`] with the place of the first mistake.
    pub fn parse(text: &str, is_register: &dyn Fn(&str) -> bool) -> Result<Self, ExpressionError> {
        let root = parse::Parser::new(text, is_register).whole()?;
        Ok(Self { text: text.to_owned(), root })
    }

    /// The text that it was read from.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its value.
    ///
    /// # Errors
    /// [`ExpressionError`] when memory cannot be read, a register is missing, or a division is by
    /// zero.
    pub fn evaluate(&self, values: &dyn Values) -> Result<i128, ExpressionError> {
        evaluate::value(&self.root, values).map_err(|(at, what)| ExpressionError {
            what,
            at,
            text: self.text.clone(),
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unary {
    Negate,
    Complement,
    Not,
    /// The low bits as a signed number.
    Signed(u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Binary {
    Or,
    And,
    BitAnd,
    BitOr,
    BitXor,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    ShiftLeft,
    ShiftRight,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

/// A node and where it stands in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    Number(i128),
    Register(usize, String),
    Memory(usize, Box<Node>, usize),
    Unary(Unary, Box<Node>),
    Binary(usize, Binary, Box<Node>, Box<Node>),
}
