//! The value of an expression in a machine state.

use super::{Binary, Node, Unary};

/// Where an expression's values come from.
pub trait Values {
    /// The register `name`, zero-extended.
    fn register(&self, name: &str) -> Option<i128>;

    /// Reads memory at virtual `addr`, wholly or not at all; the number is in the guest's order of
    /// bytes, at most 8 of them.
    fn memory(&self, addr: u64, bytes: usize) -> Option<u64>;
}

type Evaluated = Result<i128, (usize, String)>;

pub(super) fn value(node: &Node, values: &dyn Values) -> Evaluated {
    match node {
        Node::Number(number) => Ok(*number),
        Node::Register(at, name) => {
            values.register(name).ok_or_else(|| (*at, format!("this hart has no {name}")))
        }
        Node::Memory(at, addr, bytes) => {
            let wide = value(addr, values)?;
            // An address is what 64 bits hold, so that `[s0 - 8]` works near zero too.
            #[expect(clippy::cast_possible_truncation, reason = "addresses wrap at 64 bits")]
            #[expect(clippy::cast_sign_loss, reason = "addresses wrap at 64 bits")]
            let addr = wide as u64;
            let found = values.memory(addr, *bytes);
            found.map(i128::from).ok_or_else(|| (*at, format!("cannot read memory at {addr:#x}")))
        }
        Node::Unary(operator, inner) => {
            let inner = value(inner, values)?;
            Ok(match operator {
                Unary::Negate => inner.wrapping_neg(),
                Unary::Complement => !inner,
                Unary::Not => i128::from(inner == 0),
                Unary::Signed(bits) => inner << (128 - bits) >> (128 - bits),
            })
        }
        Node::Binary(at, operator, left, right) => binary(*at, *operator, left, right, values),
    }
}

fn binary(
    at: usize,
    operator: Binary,
    left: &Node,
    right: &Node,
    values: &dyn Values,
) -> Evaluated {
    let left = value(left, values)?;
    match operator {
        Binary::Or if left != 0 => return Ok(1),
        Binary::And if left == 0 => return Ok(0),
        _ => {}
    }
    let right = value(right, values)?;
    let amount = |amount: i128| {
        u32::try_from(amount)
            .ok()
            .filter(|bits| *bits < 128)
            .ok_or_else(|| (at, format!("cannot shift by {amount}")))
    };
    let no_zero = || {
        if right == 0 { Err((at, "division by zero".to_owned())) } else { Ok(right) }
    };
    Ok(match operator {
        Binary::Or | Binary::And => i128::from(right != 0),
        Binary::BitAnd => left & right,
        Binary::BitOr => left | right,
        Binary::BitXor => left ^ right,
        Binary::Equal => i128::from(left == right),
        Binary::NotEqual => i128::from(left != right),
        Binary::Less => i128::from(left < right),
        Binary::LessEqual => i128::from(left <= right),
        Binary::Greater => i128::from(left > right),
        Binary::GreaterEqual => i128::from(left >= right),
        Binary::ShiftLeft => left.wrapping_shl(amount(right)?),
        Binary::ShiftRight => left >> amount(right)?,
        Binary::Add => left.wrapping_add(right),
        Binary::Subtract => left.wrapping_sub(right),
        Binary::Multiply => left.wrapping_mul(right),
        Binary::Divide => left.wrapping_div(no_zero()?),
        Binary::Remainder => left.wrapping_rem(no_zero()?),
    })
}
