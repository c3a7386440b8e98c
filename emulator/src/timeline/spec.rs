//! Positions as people write them: one syntax for every option, verb and debugger command.
//!
//! | text | meaning |
//! |---|---|
//! | `1_000_000`, `25M`, `0x10000` | that many steps since power-on |
//! | `1000:500:1` | exactly: steps, idle nanoseconds, sequence |
//! | `12.5s`, `300ms`, `7us`, `20ns` | virtual time since power-on |
//! | `45%`, `99.5%` | that part of the recorded steps |
//! | `event:12` | just before input number 12, as `emulator dump` counts them from 0 |
//! | `mark:NAME` | where somebody set that mark |
//! | `end` | the last position that the recording holds |

use std::str::FromStr;

use crate::{
    clock::Position,
    journal::{JournalError, MARK, Reader, Record},
};

/// A position as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PositionSpec {
    /// Steps since power-on.
    Steps(u64),
    /// Exactly this position.
    Exact(Position),
    /// Virtual nanoseconds since power-on.
    Time {
        /// The time.
        ns: u64,
    },
    /// Millionths of the recorded steps, at most 1,000,000.
    Part {
        /// The part.
        millionths: u64,
    },
    /// Just before this input.
    Event(u64),
    /// Where the mark of this name stands.
    Mark(String),
    /// The last position of the recording.
    End,
}

/// A place at which a run can be stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// At this position, before any input there that is at or behind it.
    Position(Position),
    /// At the first position with at least this much virtual time.
    Time {
        /// Virtual nanoseconds since power-on.
        ns: u64,
    },
}

/// Why a text is no position, or no position of this recording.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    /// The text is not a position.
    #[error(
        "`{0}` is not a position: write an instruction count, a time such as 12.5s, 45%, event:12, \
         mark:NAME or end"
    )]
    Syntax(String),
    /// There are fewer inputs.
    #[error("the recording has no event {event}: its {count} inputs count from 0")]
    NoEvent {
        /// The number asked for.
        event: u64,
        /// Number of inputs.
        count: u64,
    },
    /// There is no such mark.
    #[error("the recording has no mark `{name}`; it has {}", if known.is_empty() { "none".to_owned() } else { known.join(", ") })]
    NoMark {
        /// The name asked for.
        name: String,
        /// The marks that there are.
        known: Vec<String>,
    },
    /// Only a recording has such positions.
    #[error("`{0}` has a meaning in a recording only; this machine runs live")]
    NeedsRecording(String),
    /// The recording cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl FromStr for PositionSpec {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        parse(text.trim()).ok_or_else(|| SpecError::Syntax(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<PositionSpec> {
    if text == "end" {
        return Some(PositionSpec::End);
    }
    if let Some(number) = text.strip_prefix("event:") {
        return integer(number).map(PositionSpec::Event);
    }
    if let Some(name) = text.strip_prefix("mark:") {
        return (!name.is_empty()).then(|| PositionSpec::Mark(name.to_owned()));
    }
    if let Some(number) = text.strip_suffix('%') {
        let millionths = decimal(number, 10_000)?;
        return (millionths <= 1_000_000).then_some(PositionSpec::Part { millionths });
    }
    if text.contains(':') {
        let mut parts = text.split(':').map(integer);
        let position = Position {
            steps: parts.next()??,
            idle_ns: parts.next()??,
            sequence: parts.next().unwrap_or(Some(0))?,
        };
        return parts.next().is_none().then_some(PositionSpec::Exact(position));
    }
    for (suffix, ns) in [("ns", 1), ("us", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000)] {
        if let Some(number) = text.strip_suffix(suffix) {
            return decimal(number, ns).map(|ns| PositionSpec::Time { ns });
        }
    }
    for (suffix, factor) in [("k", 1_000), ("M", 1_000_000), ("G", 1_000_000_000)] {
        if let Some(number) = text.strip_suffix(suffix) {
            return decimal(number, factor).map(PositionSpec::Steps);
        }
    }
    integer(text).map(PositionSpec::Steps)
}

fn integer(text: &str) -> Option<u64> {
    let digits = text.replace('_', "");
    if let Some(hex) = digits.strip_prefix("0x") {
        return plain_digits(hex, 16);
    }
    plain_digits(&digits, 10)
}

/// `from_str_radix` without the sign that it would take.
fn plain_digits(digits: &str, radix: u32) -> Option<u64> {
    digits.chars().all(|c| c.is_digit(radix)).then(|| u64::from_str_radix(digits, radix).ok())?
}

/// `text` times `scale`; a fraction finer than one is cut off.
fn decimal(text: &str, scale: u64) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let whole = integer(whole)?.checked_mul(scale)?;
    if fraction.is_empty() || fraction.len() > 18 {
        return None;
    }
    let power = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let part = u128::from(plain_digits(fraction, 10)?) * u128::from(scale) / power;
    whole.checked_add(u64::try_from(part).ok()?)
}

impl PositionSpec {
    /// Where that is in `recording`.
    ///
    /// # Errors
    /// [`SpecError`] when the recording has no such event or mark, or cannot be read.
    pub fn resolve(&self, recording: &Reader) -> Result<Target, SpecError> {
        let last = recording.last();
        Ok(Target::Position(match self {
            Self::Steps(steps) => Position { steps: *steps, ..Position::default() },
            Self::Exact(position) => *position,
            Self::Time { ns } => return Ok(Target::Time { ns: *ns }),
            Self::Part { millionths: 1_000_000 } | Self::End => {
                Position { sequence: u64::MAX, ..last }
            }
            Self::Part { millionths } => {
                let steps = u128::from(last.steps) * u128::from(*millionths) / 1_000_000;
                Position { steps: u64::try_from(steps).unwrap_or(u64::MAX), ..Position::default() }
            }
            Self::Event(event) => event_position(recording, *event)?,
            Self::Mark(name) => mark_position(recording, name)?,
        }))
    }

    /// Where that is on a machine that runs without a recording.
    ///
    /// # Errors
    /// [`SpecError::NeedsRecording`] when only a recording could tell.
    pub fn resolve_live(&self) -> Result<Target, SpecError> {
        match self {
            Self::Steps(steps) => {
                Ok(Target::Position(Position { steps: *steps, ..Position::default() }))
            }
            Self::Exact(position) => Ok(Target::Position(*position)),
            Self::Time { ns } => Ok(Target::Time { ns: *ns }),
            Self::Part { .. } | Self::Event(_) | Self::Mark(_) | Self::End => {
                Err(SpecError::NeedsRecording(self.to_string()))
            }
        }
    }
}

impl std::fmt::Display for PositionSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Steps(steps) => write!(f, "{steps}"),
            Self::Exact(at) => write!(f, "{}:{}:{}", at.steps, at.idle_ns, at.sequence),
            Self::Time { ns } => write!(f, "{ns}ns"),
            Self::Part { millionths } => {
                write!(f, "{}.{:04}%", millionths / 10_000, millionths % 10_000)
            }
            Self::Event(event) => write!(f, "event:{event}"),
            Self::Mark(name) => write!(f, "mark:{name}"),
            Self::End => write!(f, "end"),
        }
    }
}

fn event_position(recording: &Reader, event: u64) -> Result<Position, SpecError> {
    let mut number = 0;
    for record in recording.records()? {
        let record = record?;
        if record.needed {
            if number == event {
                return Ok(record.position);
            }
            number += 1;
        }
    }
    Err(SpecError::NoEvent { event, count: number })
}

fn mark_position(recording: &Reader, name: &str) -> Result<Position, SpecError> {
    let mut known = Vec::new();
    for record in recording.records()? {
        let Record { position, kind, data, .. } = record?;
        if &*kind == MARK {
            if data == name.as_bytes() {
                return Ok(position);
            }
            known.push(String::from_utf8_lossy(&data).into_owned());
        }
    }
    Err(SpecError::NoMark { name: name.to_owned(), known })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_understood() {
        let exact =
            |steps, idle_ns, sequence| PositionSpec::Exact(Position { steps, idle_ns, sequence });
        for (text, meaning) in [
            ("0", PositionSpec::Steps(0)),
            ("1_000_000", PositionSpec::Steps(1_000_000)),
            ("0xff", PositionSpec::Steps(255)),
            ("2.5M", PositionSpec::Steps(2_500_000)),
            ("8G", PositionSpec::Steps(8_000_000_000)),
            ("1000:500:1", exact(1000, 500, 1)),
            ("1000:500", exact(1000, 500, 0)),
            ("12.5s", PositionSpec::Time { ns: 12_500_000_000 }),
            ("300ms", PositionSpec::Time { ns: 300_000_000 }),
            ("7us", PositionSpec::Time { ns: 7_000 }),
            ("20ns", PositionSpec::Time { ns: 20 }),
            ("45%", PositionSpec::Part { millionths: 450_000 }),
            ("99.5%", PositionSpec::Part { millionths: 995_000 }),
            ("event:12", PositionSpec::Event(12)),
            ("mark:before the crash", PositionSpec::Mark("before the crash".to_owned())),
            ("end", PositionSpec::End),
        ] {
            assert_eq!(text.parse::<PositionSpec>().unwrap(), meaning, "{text}");
            assert_eq!(meaning.to_string().parse::<PositionSpec>().unwrap(), meaning, "{text}");
        }
    }

    #[test]
    fn what_is_no_position_is_refused_with_the_forms_that_are() {
        for text in [
            "",
            "soon",
            "-1",
            "+1",
            "1.5",
            "101%",
            "event:",
            "event:-1",
            "mark:",
            "1:2:3:4",
            "s",
            "1..2s",
            "0x",
            "99999999999999999999",
            "1.s",
            "5 %x",
        ] {
            let error = text.parse::<PositionSpec>().map_err(|error| error.to_string());
            let message = error.expect_err(text);
            assert!(message.contains("write an instruction count"), "{text}: {message}");
        }
    }
}
