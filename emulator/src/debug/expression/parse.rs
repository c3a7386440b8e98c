//! The grammar, read by descent; the header of the parent module shows it.

use super::{Binary, ExpressionError, Node, Unary};

/// Parentheses, brackets and signs inside each other. A condition comes from outside: no stack of
/// ours may grow with it.
const DEEPEST: usize = 64;

/// Binary operators from the loosest level down, longest first within a level.
const LEVELS: &[&[(&str, Binary)]] = &[
    &[("||", Binary::Or)],
    &[("&&", Binary::And)],
    &[("&", Binary::BitAnd), ("|", Binary::BitOr), ("^", Binary::BitXor)],
    &[
        ("==", Binary::Equal),
        ("!=", Binary::NotEqual),
        ("<=", Binary::LessEqual),
        (">=", Binary::GreaterEqual),
        ("<", Binary::Less),
        (">", Binary::Greater),
    ],
    &[("<<", Binary::ShiftLeft), (">>", Binary::ShiftRight)],
    &[("+", Binary::Add), ("-", Binary::Subtract)],
    &[("*", Binary::Multiply), ("/", Binary::Divide), ("%", Binary::Remainder)],
];

/// The level of comparisons, which do not chain: `a < b < c` is a mistake, not a surprise.
const COMPARISONS: usize = 3;

pub(super) struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    is_register: &'a dyn Fn(&str) -> bool,
}

type Parsed = Result<Node, ExpressionError>;

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str, is_register: &'a dyn Fn(&str) -> bool) -> Self {
        Self { text, at: 0, depth: 0, is_register }
    }

    pub(super) fn whole(mut self) -> Parsed {
        let node = self.level(0)?;
        self.skip_spaces();
        if self.at < self.text.len() { Err(self.mistake("expected an operator")) } else { Ok(node) }
    }

    fn mistake(&self, what: impl Into<String>) -> ExpressionError {
        ExpressionError { what: what.into(), at: self.at, text: self.text.to_owned() }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip_spaces(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    /// The operator of `level` that stands here, which no longer operator begins with.
    fn operator(&mut self, level: usize) -> Option<(usize, Binary)> {
        self.skip_spaces();
        let longest = LEVELS
            .iter()
            .enumerate()
            .flat_map(|(number, row)| row.iter().map(move |entry| (number, entry)))
            .filter(|(_, (sign, _))| self.rest().starts_with(sign))
            .max_by_key(|(_, (sign, _))| sign.len());
        let (number, (sign, operator)) = longest?;
        if number != level {
            return None;
        }
        let at = self.at;
        self.at += sign.len();
        Some((at, *operator))
    }

    fn level(&mut self, level: usize) -> Parsed {
        if level == LEVELS.len() {
            return self.unary();
        }
        let mut left = self.level(level + 1)?;
        let mut compared = false;
        while let Some((at, operator)) = self.operator(level) {
            if compared {
                self.at = at;
                return Err(self.mistake("comparisons do not chain; use && and parentheses"));
            }
            compared = level == COMPARISONS;
            let right = self.level(level + 1)?;
            left = Node::Binary(at, operator, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn unary(&mut self) -> Parsed {
        self.skip_spaces();
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.mistake(format!("more than {DEEPEST} levels inside each other")));
        }
        let sign = match self.rest().as_bytes().first() {
            Some(b'-') => Some(Unary::Negate),
            Some(b'~') => Some(Unary::Complement),
            Some(b'!') => Some(Unary::Not),
            _ => None,
        };
        let node = match sign {
            Some(sign) => {
                self.at += 1;
                Node::Unary(sign, Box::new(self.unary()?))
            }
            None => self.primary()?,
        };
        self.depth -= 1;
        Ok(node)
    }

    fn primary(&mut self) -> Parsed {
        let start = self.at;
        match self.rest().chars().next() {
            Some('(') => self.enclosed(')'),
            Some('[') => {
                let addr = self.enclosed(']')?;
                let bytes = self.width()?;
                Ok(Node::Memory(start, Box::new(addr), bytes))
            }
            Some(digit) if digit.is_ascii_digit() => self.number(),
            Some(letter) if letter == '$' || letter == '_' || letter.is_ascii_alphabetic() => {
                self.name()
            }
            Some(_) => Err(self.mistake("expected a number, a register, `(` or `[`")),
            None => Err(self.mistake("the expression ends too early")),
        }
    }

    /// An expression up to `close`; the opening sign stands here.
    fn enclosed(&mut self, close: char) -> Parsed {
        self.at += 1;
        let node = self.level(0)?;
        self.skip_spaces();
        if !self.rest().starts_with(close) {
            return Err(self.mistake(format!("expected `{close}`")));
        }
        self.at += close.len_utf8();
        Ok(node)
    }

    fn width(&mut self) -> Result<usize, ExpressionError> {
        if !self.rest().starts_with(':') {
            return Ok(8);
        }
        self.at += 1;
        let bytes = match self.rest().as_bytes().first() {
            Some(b'1') => 1,
            Some(b'2') => 2,
            Some(b'4') => 4,
            Some(b'8') => 8,
            _ => return Err(self.mistake("a width is 1, 2, 4 or 8 bytes")),
        };
        self.at += 1;
        Ok(bytes)
    }

    /// The letters, digits and underscores that stand here.
    fn word(&mut self) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn number(&mut self) -> Parsed {
        let start = self.at;
        let word = self.word().replace('_', "");
        let (digits, radix) = match word.get(..2) {
            Some("0x" | "0X") => (&word[2..], 16),
            Some("0o" | "0O") => (&word[2..], 8),
            Some("0b" | "0B") => (&word[2..], 2),
            _ => (word.as_str(), 10),
        };
        if let Ok(number) = u64::from_str_radix(digits, radix) {
            return Ok(Node::Number(number.into()));
        }
        self.at = start;
        Err(self.mistake(format!("`{word}` is no number of at most 64 bits")))
    }

    fn name(&mut self) -> Parsed {
        let start = self.at;
        if self.rest().starts_with('$') {
            self.at += 1;
        }
        let name = self.word();
        let bits = match name {
            "s8" => Some(8),
            "s16" => Some(16),
            "s32" => Some(32),
            "s64" => Some(64),
            _ => None,
        };
        // `s8` is a register of some architectures: the parenthesis decides.
        if let Some(bits) = bits
            && self.rest().starts_with('(')
        {
            let inner = self.enclosed(')')?;
            return Ok(Node::Unary(Unary::Signed(bits), Box::new(inner)));
        }
        if (self.is_register)(name) {
            return Ok(Node::Register(start, name.to_owned()));
        }
        self.at = start;
        Err(self.mistake(format!("there is no register `{name}`")))
    }
}
