//! A recording in words: what `emulator info` and `emulator dump` print of it.
//!
//! Both are made for two readers, people and scripts: the text form is stable enough to be read,
//! the JSON form is the interface. Fields of the public structs are the keys of its objects; what the
//! recording holds of them says `docs/src/journal-format.md`.

use std::fmt::{self, Display, Formatter};

use serde::Serialize;

use crate::{
    clock::Position,
    door::kind,
    journal::{
        DIGEST_PARTS, DIGEST_STATE, Description, END, Ending, FrameKind, JournalError, MARK,
        Reader, Record,
    },
};

use super::{
    checkpoint::{checkpoints, incomplete},
    state::StateChange,
};

/// What a recording is, without its records.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The recorded machine.
    pub description: Description,
    /// Identity of the recording, as its frames carry it: 8 hexadecimal digits.
    pub recording: String,
    /// Bytes of the file up to which it can be trusted.
    pub bytes: u64,
    /// Number of inputs: records that replay needs.
    pub inputs: u64,
    /// Number of inputs and annotations.
    pub records: u64,
    /// Steps at which its checkpoints were taken, ascending.
    pub checkpoints: Vec<u64>,
    /// The same of those of which it has pieces only, so that nothing can begin there.
    pub incomplete_checkpoints: Vec<u64>,
    /// Whether it holds its images, so that replay needs nothing else.
    pub packed: bool,
    /// Last position that can be replayed: steps since power-on.
    pub last_steps: u64,
    /// Last position that can be replayed: idle nanoseconds.
    pub last_idle_ns: u64,
    /// How the file ends and up to where it can be replayed, in words ([`ending_in_words`]).
    pub ending: String,
    /// Whether it ends as it was meant to.
    pub complete: bool,
}

impl Summary {
    /// Sums up a recording from what opening it found; reads nothing more of the file.
    #[must_use]
    pub fn of(recording: &Reader) -> Self {
        let frames = recording.frames();
        let of_kind = |kind| frames.iter().filter(move |at| at.header.kind == kind);
        let checkpoints = checkpoints(recording).iter().map(|at| at.position.steps).collect();
        let incomplete_checkpoints = incomplete(recording).iter().map(|at| at.steps).collect();
        let last = recording.last();
        Self {
            description: recording.description().clone(),
            recording: format!("{:08x}", recording.recording()),
            bytes: frames.last().map_or(0, crate::journal::FrameAt::end),
            inputs: recording.input_count(),
            records: recording.record_count(),
            checkpoints,
            incomplete_checkpoints,
            packed: of_kind(FrameKind::Image).next().is_some(),
            last_steps: last.steps,
            last_idle_ns: last.idle_ns,
            ending: ending_in_words(recording.ending(), last),
            complete: recording.ending() == Ending::Complete,
        }
    }
}

/// What it means that a recording has only pieces of the checkpoints at these steps; `None` when there
/// are none of that kind.
#[must_use]
pub fn incomplete_in_words(steps: &[u64]) -> Option<String> {
    let first = steps.first()?;
    let (count, s) = (steps.len(), if steps.len() == 1 { "" } else { "s" });
    Some(format!(
        "{count} checkpoint{s} cannot be used, the first at instruction {first}: the recording has pieces \
         of them only, as another build wrote them; it replays from elsewhere"
    ))
}

/// How a recording ends, and up to where it can be replayed.
#[must_use]
pub fn ending_in_words(ending: Ending, last: Position) -> String {
    let steps = last.steps;
    match ending {
        Ending::Complete => format!("complete; replays to its end at instruction {steps}"),
        Ending::Open => {
            format!("its writer was killed or is still at work; replays up to instruction {steps}")
        }
        Ending::Damaged { offset, damage } => {
            format!("replays up to instruction {steps} only: at byte {offset} {damage}")
        }
    }
}

impl Display for Summary {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Description { producer, machine, properties, images, parent, .. } = &self.description;
        writeln!(f, "recording {} of {machine}, written by {producer}", self.recording)?;
        for (name, value) in properties {
            writeln!(f, "  {name}: {value}")?;
        }
        for image in images {
            let packed = if self.packed { ", packed" } else { "" };
            // What the board made itself has no file.
            let file = if image.file.is_empty() { "" } else { &format!(": {}", image.file) };
            writeln!(f, "  {}{file} ({} bytes{packed})", image.role, image.length)?;
            writeln!(f, "    blake3 {}", image.digest)?;
        }
        if let Some(parent) = parent {
            let at = parent.steps;
            writeln!(
                f,
                "  continues {} (recording {:08x}) from instruction {at}",
                parent.file, parent.recording
            )?;
        }
        writeln!(f, "  inputs: {} in {} records", self.inputs, self.records)?;
        writeln!(f, "  checkpoints: {}", self.checkpoints.len())?;
        if let Some(warning) = incomplete_in_words(&self.incomplete_checkpoints) {
            writeln!(f, "  warning: {warning}")?;
        }
        writeln!(f, "  ending: {}", self.ending)
    }
}

/// One record, as `emulator dump` shows it.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// Number of the input, as `event:N` takes it; annotations have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<u64>,
    /// Where it took effect: steps since power-on.
    pub steps: u64,
    /// Idle nanoseconds since power-on.
    pub idle_ns: u64,
    /// Number of the event among those at one point, from 0.
    pub sequence: u64,
    /// Kind, by name.
    pub kind: String,
    /// Whom it concerns: an instance path; empty for the machine.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub target: String,
    /// Transcript hash just before it, 16 hexadecimal digits, where one was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transcript: Option<String>,
    /// The content in words, hexadecimal digits or as a quoted string with escapes, as the kind has it.
    pub content: String,
}

impl Display for Line {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let event = self.event.map_or_else(String::new, |event| format!("event:{event}"));
        let place = format!("{}:{}:{}", self.steps, self.idle_ns, self.sequence);
        write!(f, "{place:<28} {event:<10} {}", self.kind)?;
        if !self.target.is_empty() {
            write!(f, " {}", self.target)?;
        }
        if !self.content.is_empty() {
            write!(f, " {}", self.content)?;
        }
        match &self.transcript {
            Some(transcript) => write!(f, " [{transcript}]"),
            None => Ok(()),
        }
    }
}

/// The records of `recording` as lines, in order.
///
/// # Errors
/// [`JournalError`] when the file cannot be read; also from the iterator.
pub fn lines(
    recording: &Reader,
) -> Result<impl Iterator<Item = Result<Line, JournalError>>, JournalError> {
    let mut inputs = 0;
    Ok(recording.records()?.map(move |record| {
        record.map(|record| {
            let event = record.needed.then_some(inputs);
            inputs += u64::from(record.needed);
            line(&record, event)
        })
    }))
}

fn line(record: &Record, event: Option<u64>) -> Line {
    Line {
        event,
        steps: record.position.steps,
        idle_ns: record.position.idle_ns,
        sequence: record.position.sequence,
        kind: record.kind.to_string(),
        target: record.target.to_string(),
        transcript: record.transcript.map(|hash| format!("{hash:016x}")),
        content: content(record),
    }
}

fn content(record: &Record) -> String {
    let hex = |data: &[u8]| data.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    match (&*record.kind, record.data.as_slice()) {
        (_, []) => String::new(),
        (kind::SERIAL_INPUT, data) => format!("\"{}\"", data.escape_ascii()),
        (MARK | END, data) => String::from_utf8_lossy(data).into_owned(),
        (kind::CLOCK_BASE, data) if data.len() == 8 => {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(data);
            format!("{} ns since 1970", u64::from_le_bytes(bytes))
        }
        (DIGEST_STATE, data) => match postcard::from_bytes::<StateChange>(data) {
            Ok(change) => {
                let (whole, parts) = (u64::from_le_bytes(change.whole), change.changed.len());
                format!("{whole:016x}, {parts} parts changed")
            }
            Err(_) => format!("{} bytes", data.len()),
        },
        (DIGEST_PARTS, data) => {
            let names = postcard::from_bytes::<Vec<String>>(data).unwrap_or_default();
            format!("{} parts", names.len())
        }
        (_, data) if data.len() <= 32 => hex(data),
        (_, data) => format!("{}.. ({} bytes)", hex(&data[..24]), data.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_as_one_line() {
        let record = Record {
            position: Position { steps: 1_234, idle_ns: 56, sequence: 1 },
            kind: kind::SERIAL_INPUT.into(),
            target: "soc/uart0".into(),
            needed: true,
            transcript: Some(0xabc),
            data: b"ls\r".to_vec(),
        };
        assert_eq!(
            line(&record, Some(12)).to_string(),
            "1234:56:1                    event:12   serial.input soc/uart0 \"ls\\r\" \
             [0000000000000abc]"
        );
    }

    #[test]
    fn an_ending_says_how_far_and_why() {
        let last = Position::at_steps(99);
        let damaged = Ending::Damaged { offset: 7, damage: crate::journal::Damage::Truncated };
        assert_eq!(
            ending_in_words(damaged, last),
            "replays up to instruction 99 only: at byte 7 the file ends inside the frame"
        );
    }
}
