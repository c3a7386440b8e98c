//! Paths into a snapshot: `uart0`, `uart0.fifo[3]`, `soc/cpu0.csr[0x300]`.
//!
//! An instance's own path may hold dots and slashes, so the instance is the longest one that the text starts with.
//! What follows is fields by `.name` and elements or map keys by `[..]`. A text that names no instance
//! but a group of them (`soc`) selects them all.

use super::children::{Child, Label};
use super::node::{Node, View};
use crate::container::SectionEntry;
use crate::error::LoadError;

/// What a path selects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection<'s> {
    /// Whole instances.
    Instances(Vec<&'s SectionEntry>),
    /// A value inside one instance: the steps from its root.
    Value(&'s SectionEntry, Vec<Step>),
}

/// One step into a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// `.name`
    Field(String),
    /// `[text]`: an index or a key.
    Element(String),
}

/// What `path` selects among `sections`.
///
/// # Errors
/// A sentence that says what is wrong and lists what there is.
pub fn select<'s>(
    sections: impl Iterator<Item = &'s SectionEntry> + Clone,
    path: &str,
) -> Result<Selection<'s>, String> {
    let rest_of = |entry: &'s SectionEntry| {
        let rest = path.strip_prefix(entry.path.as_str())?;
        (rest.is_empty() || rest.starts_with(['.', '['])).then_some((entry, rest))
    };
    let longest = sections.clone().filter_map(rest_of).max_by_key(|(entry, _)| entry.path.len());
    if let Some((entry, rest)) = longest {
        return if rest.is_empty() {
            Ok(Selection::Instances(vec![entry]))
        } else {
            Ok(Selection::Value(entry, steps(rest)?))
        };
    }
    let group: Vec<_> = sections
        .clone()
        .filter(|entry| {
            entry.path.strip_prefix(path).is_some_and(|rest| rest.starts_with(['.', '/']))
        })
        .collect();
    if !group.is_empty() {
        return Ok(Selection::Instances(group));
    }
    let known: Vec<_> = sections.map(|entry| entry.path.as_str()).collect();
    Err(format!("`{path}` names no instance; there are: {}", known.join(", ")))
}

fn steps(mut rest: &str) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(tail) = rest.strip_prefix('.') {
            let end = tail.find(['.', '[']).unwrap_or(tail.len());
            if end == 0 {
                return Err(format!("a field name is missing before `{tail}`"));
            }
            steps.push(Step::Field(tail[..end].to_owned()));
            rest = &tail[end..];
        } else if let Some((inside, tail)) = rest[1..].split_once(']') {
            steps.push(Step::Element(inside.to_owned()));
            rest = tail;
        } else {
            return Err(format!("`{rest}` lacks its closing bracket"));
        }
    }
    Ok(steps)
}

/// Why a path leads nowhere.
#[derive(Debug, thiserror::Error)]
pub enum PathError {
    /// The bytes on the way are damaged.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// There is no such field or element.
    #[error("there is no {missing}; there is: {known}")]
    Nothing {
        /// The step, as written.
        missing: String,
        /// What there is instead.
        known: String,
    },
}

/// Most names that an error lists.
const LISTED: usize = 40;

impl<'a> Node<'a> {
    /// Follows steps from this value. A single byte of a byte array is found too.
    ///
    /// # Errors
    /// A step that leads nowhere, or damaged bytes.
    pub fn follow(&self, steps: &[Step]) -> Result<Found<'a>, PathError> {
        let mut node = *self;
        for (i, step) in steps.iter().enumerate() {
            if let (View::Bytes(bytes), Step::Element(text)) = (node.view()?, step) {
                let index = number(text).and_then(|index| usize::try_from(index).ok());
                let byte = index.and_then(|index| bytes.get(index));
                return match byte.filter(|_| i + 1 == steps.len()) {
                    Some(byte) => Ok(Found::Byte(*byte)),
                    None => Err(nothing(step, format!("{} bytes", bytes.len()))),
                };
            }
            node = node.step(step)?;
        }
        Ok(Found::Node(node))
    }

    fn step(&self, step: &Step) -> Result<Node<'a>, PathError> {
        let mut known = Vec::new();
        for child in self.children()? {
            let child = child?;
            if matches(&child, step)? {
                return Ok(child.node);
            }
            if known.len() <= LISTED {
                known.push(child.label.text()?);
            }
        }
        if known.len() > LISTED {
            known[LISTED] = "..".to_owned();
        }
        Err(nothing(step, if known.is_empty() { "nothing".to_owned() } else { known.join(", ") }))
    }
}

/// What a path leads to.
#[derive(Debug, Clone, Copy)]
pub enum Found<'a> {
    /// A value.
    Node(Node<'a>),
    /// One byte of a byte array.
    Byte(u8),
}

fn nothing(step: &Step, known: String) -> PathError {
    let missing = match step {
        Step::Field(name) => format!("field `{name}`"),
        Step::Element(text) => format!("element `[{text}]`"),
    };
    PathError::Nothing { missing, known }
}

fn matches(child: &Child<'_>, step: &Step) -> Result<bool, LoadError> {
    Ok(match (&child.label, step) {
        (Label::Field(field), Step::Field(name)) => field.name == *name,
        (Label::Index(index), Step::Element(text)) => number(text) == Some((*index).into()),
        (Label::Key(key), Step::Element(text)) => match key.view()? {
            View::Unsigned(value, _) => number(text) == Some(value),
            _ => key.brief()? == *text,
        },
        _ => false,
    })
}

/// A number in decimal or, after `0x`, hexadecimal.
fn number(text: &str) -> Option<u128> {
    match text.strip_prefix("0x") {
        Some(digits) => u128::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

impl Label<'_> {
    /// As it stands in a path, without the leading dot.
    ///
    /// # Errors
    /// A key whose bytes are damaged.
    pub fn text(&self) -> Result<String, LoadError> {
        Ok(match self {
            Label::Field(field) => field.name.clone(),
            Label::Index(index) => format!("[{index}]"),
            Label::Key(key) => format!("[{}]", key.brief()?),
        })
    }

    /// `path` with this label behind it.
    ///
    /// # Errors
    /// As [`Label::text`].
    pub fn join(&self, path: &str) -> Result<String, LoadError> {
        let dot = if matches!(self, Label::Field(_)) { "." } else { "" };
        Ok(format!("{path}{dot}{}", self.text()?))
    }
}
