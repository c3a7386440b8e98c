//! What a bisection found, in words and as JSON.

use std::fmt::{self, Display, Formatter};

use serde::Serialize;

use super::{super::listing::Line, Pair};
use crate::clock::Position;

/// Inputs that the text form lists.
const INPUTS_SHOWN: usize = 10;
/// Differences that the text form lists.
const DIFFERENCES_SHOWN: usize = 20;

/// Where a replay leaves its recording, and why.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What the replay found.
    pub divergence: String,
    /// The last recorded place that is equal.
    #[serde(serialize_with = "position")]
    pub from: Position,
    /// The first that is not.
    #[serde(serialize_with = "position")]
    pub to: Position,
    /// Inputs recorded between the two, with the last before and the first behind.
    pub inputs: Vec<Line>,
    /// Where two machines part that should be equal, when any do.
    pub parting: Option<Parting>,
    /// Else the parts of the state that differ from the recorded digest next to the interval.
    pub parts: Vec<String>,
}

/// Where two machines part.
#[derive(Clone, Debug, Serialize)]
pub struct Parting {
    /// In what they are unlike.
    pub pair: Pair,
    /// Steps before the instruction.
    pub steps: u64,
    /// Whether it is that very instruction; otherwise the machines part somewhere from there to
    /// [`Parting::to`], another time at another place.
    pub exact: bool,
    /// Steps at which both were compared and differ.
    pub to: u64,
    /// The hart that ran it.
    pub hart: usize,
    /// Its virtual address.
    pub pc: u64,
    /// The instruction in assembly, when its bytes are one.
    pub instruction: Option<String>,
    /// Fields and memory that differ behind it, with both values.
    pub differences: Vec<ValueDifference>,
    /// The first access to a device in which they differ, as each made it.
    pub access: Option<(Option<Accessed>, Option<Accessed>)>,
}

/// One field or piece of memory with both values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ValueDifference {
    /// Instance path and field, or `ram` with an address.
    pub path: String,
    /// The values in the first machine and in the second.
    pub values: String,
}

/// An access to a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Accessed {
    /// Steps before the instruction.
    pub steps: u64,
    /// Instance path of the device, or empty where none is.
    pub device: String,
    /// Offset in its registers.
    pub offset: u64,
    /// Bytes.
    pub bytes: u64,
    /// Whether it was a write.
    pub is_write: bool,
    /// The value; `None` for a fault.
    pub value: Option<u64>,
}

fn position<S: serde::Serializer>(at: &Position, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{}:{}:{}", at.steps, at.idle_ns, at.sequence))
}

impl Report {
    /// Everything that the report points at: fields, parts of digests, devices, inputs.
    pub fn named(&self) -> impl Iterator<Item = &str> {
        let parting = self.parting.iter();
        let fields = parting.clone().flat_map(|parting| &parting.differences);
        let accesses = parting.filter_map(|parting| parting.access.as_ref());
        let devices = accesses.flat_map(|(one, two)| one.iter().chain(two));
        fields
            .map(|difference| difference.path.as_str())
            .chain(devices.map(|access| access.device.as_str()))
            .chain(self.parts.iter().map(String::as_str))
            .chain(self.inputs.iter().map(|input| match input.target.as_str() {
                "" => input.kind.as_str(),
                target => target,
            }))
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let at = |at: Position| format!("{}:{}:{}", at.steps, at.idle_ns, at.sequence);
        writeln!(f, "{}", self.divergence)?;
        writeln!(f, "first recorded interval: {} to {}", at(self.from), at(self.to))?;
        writeln!(f, "inputs from the last before it to the first behind it:")?;
        for input in self.inputs.iter().take(INPUTS_SHOWN) {
            writeln!(f, "  {input}")?;
        }
        if let Some(more) = self.inputs.len().checked_sub(INPUTS_SHOWN).filter(|more| *more > 0) {
            writeln!(f, "  and {more} more inputs")?;
        }
        match &self.parting {
            Some(parting) => parting.fmt(f),
            None => self.without_parting(f),
        }
    }
}

impl Report {
    fn without_parting(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "however this build runs it, it computes the same: the recorded machine computed \
             otherwise, or got other inputs"
        )?;
        if self.parts.is_empty() {
            return writeln!(f, "the recording ends before another digest of the state");
        }
        writeln!(f, "at the next recorded digest that differs:")?;
        self.parts.iter().try_for_each(|part| writeln!(f, "  {part}"))
    }
}

impl Display for Parting {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { pair, steps, exact, to, hart, pc, instruction, differences, access } = self;
        let (one, two) = pair.names();
        if *exact {
            writeln!(f, "{one} and {two} part at instruction {steps}: hart {hart}, pc {pc:#x}")?;
            writeln!(f, "  {}", instruction.as_deref().unwrap_or("(no instruction)"))?;
        } else {
            writeln!(
                f,
                "{one} and {two} part between instructions {steps} and {to}, another time at \
                 another place"
            )?;
        }
        for ValueDifference { path, values } in differences.iter().take(DIFFERENCES_SHOWN) {
            writeln!(f, "  {path}: {values}")?;
        }
        if let Some(more) = differences.len().checked_sub(DIFFERENCES_SHOWN).filter(|n| *n > 0) {
            writeln!(f, "  and {more} more")?;
        }
        let Some((one, two)) = access else { return Ok(()) };
        let words = |access: &Option<Accessed>| {
            access.as_ref().map_or_else(|| "none".to_owned(), Accessed::to_string)
        };
        writeln!(f, "first access to a device that differs:")?;
        writeln!(f, "  {}\n  {}", words(one), words(two))
    }
}

impl Display for Accessed {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { steps, device, offset, bytes, is_write, value } = self;
        let way = if *is_write { "write" } else { "read" };
        let device = if device.is_empty() { "(no device)" } else { device };
        write!(f, "instruction {steps}: {way} of {bytes} bytes at {device}+{offset:#x}: ")?;
        match value {
            Some(value) => write!(f, "{value:#x}"),
            None => write!(f, "fault"),
        }
    }
}
