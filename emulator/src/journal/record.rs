//! Records: what the batches of a recording hold, each with its position.
//!
//! One shape serves inputs and annotations alike. Kinds and targets are names; a batch spells a
//! name out the first time the recording uses it and refers to it by number from then on. The name
//! carries whether replay needs it: an input that this build cannot deliver must be refused by
//! name, an annotation that it does not know (a digest of a later build, say) is passed over.
//!
//! Positions are stored as differences to the record before. A batch starts from the first position
//! of its frame, so that each frame is read by itself once the names are known.

use std::{borrow::Cow, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    clock::Position,
    door::{Event, kind},
};

use super::Damage;

/// Annotation: the transcript hash at the position; no data beside it.
pub const DIGEST_TRANSCRIPT: &str = "digest.transcript";
/// Annotation: names of the parts of the state digests that follow; the data are a postcard
/// `Vec<String>`.
pub const DIGEST_PARTS: &str = "digest.parts";
/// Annotation: a digest of everything but RAM; the data are a postcard list of what changed since
/// the one before.
pub const DIGEST_STATE: &str = "digest.state";
/// Annotation: the root of the page tree over RAM at the position of the last [`DIGEST_STATE`] before;
/// 16 little-endian bytes. It comes later because the pages are hashed while the guest goes on.
pub const DIGEST_RAM: &str = "digest.ram";
/// Annotation: somebody named this position; the data are the UTF-8 name.
pub const MARK: &str = "mark";
/// The run ended here in good order; the data are UTF-8 and say how.
pub const END: &str = "recording.end";

/// Inputs that every build can deliver.
const KNOWN_INPUTS: &[&str] = &[
    kind::SERIAL_INPUT,
    kind::CLOCK_BASE,
    kind::SEED,
    kind::RESET,
    kind::POWER_OFF,
    kind::WRITE_MEMORY,
    kind::WRITE_REGISTER,
];

/// Most bytes of data that one record may carry.
pub const MAX_DATA: usize = 1 << 20;
/// Most bytes of a name.
const MAX_NAME: usize = 256;
/// Most names that a recording may have.
const MAX_NAMES: usize = 1 << 16;

/// One entry of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where it happened.
    pub position: Position,
    /// What it is, by name.
    pub kind: Arc<str>,
    /// Whom it concerns: an instance path, or empty for the machine itself.
    pub target: Arc<str>,
    /// Whether replay is wrong without it: an input.
    pub needed: bool,
    /// Transcript hash just before it took effect, when it was taken.
    pub transcript: Option<u64>,
    /// The content, as the kind defines it.
    pub data: Vec<u8>,
}

impl Record {
    /// The input that the record holds, if it is one.
    #[must_use]
    pub fn event(&self) -> Option<Event> {
        self.needed.then(|| Event {
            kind: Cow::Owned(self.kind.to_string()),
            target: Cow::Owned(self.target.to_string()),
            data: self.data.clone(),
        })
    }

    /// Whether this build cannot replay past the record.
    #[must_use]
    pub fn is_foreign(&self) -> bool {
        self.needed && &*self.kind != END && !KNOWN_INPUTS.contains(&&*self.kind)
    }
}

#[derive(Serialize, Deserialize)]
struct WireName<'a> {
    needed: bool,
    name: &'a str,
}

#[derive(Serialize, Deserialize)]
struct WireRecord<'a> {
    kind: u32,
    target: u32,
    steps: u64,
    idle_ns: u64,
    sequence: u64,
    transcript: Option<[u8; 8]>,
    data: &'a [u8],
}

/// The names that a recording has used so far, by number.
#[derive(Clone, Debug, Default)]
pub struct Names {
    names: Vec<(Arc<str>, bool)>,
}

impl Names {
    fn number(&self, name: &str, needed: bool) -> Option<u32> {
        let at = self.names.iter().position(|(known, flag)| &**known == name && *flag == needed);
        at.and_then(|at| u32::try_from(at).ok())
    }

    fn get(&self, number: u32) -> Result<&(Arc<str>, bool), Damage> {
        self.names.get(number as usize).ok_or(Damage::UnknownName(number))
    }

    fn push(&mut self, name: &str, needed: bool) -> Result<(), Damage> {
        if name.len() > MAX_NAME || self.names.len() >= MAX_NAMES {
            return Err(Damage::Record);
        }
        self.names.push((Arc::from(name), needed));
        Ok(())
    }
}

/// A batch under construction.
#[derive(Debug, Default)]
pub struct Batch {
    names: Names,
    /// Names below this number stand in batches that are already written.
    written_names: usize,
    bytes: Vec<u8>,
    count: u32,
    previous: Position,
}

impl Batch {
    /// Bytes collected so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing was collected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds a record at or after the one before.
    ///
    /// # Panics
    /// When it lies before that one, or carries more than [`MAX_DATA`] bytes.
    pub fn push(&mut self, record: &Record) {
        assert!(record.data.len() <= MAX_DATA, "a record carries at most {MAX_DATA} bytes");
        assert!(
            (record.position.steps, record.position.idle_ns)
                >= (self.previous.steps, self.previous.idle_ns),
            "records go forward: {:?} after {:?}",
            record.position,
            self.previous
        );
        let wire = WireRecord {
            kind: self.intern(&record.kind, record.needed),
            target: self.intern(&record.target, false),
            steps: record.position.steps - self.previous.steps,
            idle_ns: record.position.idle_ns - self.previous.idle_ns,
            sequence: record.position.sequence,
            transcript: record.transcript.map(u64::to_le_bytes),
            data: &record.data,
        };
        append(&mut self.bytes, &wire);
        self.count += 1;
        self.previous = record.position;
    }

    fn intern(&mut self, name: &str, needed: bool) -> u32 {
        if let Some(number) = self.names.number(name, needed) {
            return number;
        }
        let pushed = self.names.push(name, needed);
        assert!(pushed.is_ok(), "names are short and few: {name}");
        self.names.number(name, needed).unwrap_or(0)
    }

    /// The payload of the batch; the next one starts from `last`.
    pub fn take(&mut self, last: Position) -> Vec<u8> {
        let mut payload = Vec::with_capacity(self.bytes.len() + 64);
        let new_names = &self.names.names[self.written_names..];
        append(&mut payload, &u32::try_from(new_names.len()).unwrap_or(u32::MAX));
        for (name, needed) in new_names {
            append(&mut payload, &WireName { needed: *needed, name });
        }
        append(&mut payload, &self.count);
        payload.append(&mut self.bytes);
        self.written_names = self.names.names.len();
        self.count = 0;
        self.previous = last;
        payload
    }
}

fn append<T: Serialize>(bytes: &mut Vec<u8>, value: &T) {
    match postcard::to_extend(value, std::mem::take(bytes)) {
        Ok(grown) => *bytes = grown,
        Err(error) => unreachable!("postcard into a Vec cannot fail: {error}"),
    }
}

/// Reads the payload of a batch whose frame starts at `first`, learning its names.
///
/// # Errors
/// [`Damage`] when the payload is not what [`Batch`] writes.
pub(super) fn decode_batch(
    payload: &[u8],
    first: Position,
    last: Position,
    names: &mut Names,
) -> Result<Vec<Record>, Damage> {
    let (name_count, mut rest) = take::<u32>(payload)?;
    for _ in 0..name_count {
        let (name, after) = take::<WireName<'_>>(rest)?;
        names.push(name.name, name.needed)?;
        rest = after;
    }
    let (count, mut rest) = take::<u32>(rest)?;
    let mut records = Vec::new();
    let mut previous = Position { sequence: 0, ..first };
    for _ in 0..count {
        let (wire, after) = take::<WireRecord<'_>>(rest)?;
        rest = after;
        let position = Position {
            steps: previous.steps.checked_add(wire.steps).ok_or(Damage::Record)?,
            idle_ns: previous.idle_ns.checked_add(wire.idle_ns).ok_or(Damage::Record)?,
            sequence: wire.sequence,
        };
        if (position.steps, position.idle_ns) > (last.steps, last.idle_ns)
            || wire.data.len() > MAX_DATA
        {
            return Err(Damage::Record);
        }
        let (kind, needed) = names.get(wire.kind)?.clone();
        let target = names.get(wire.target)?.0.clone();
        records.push(Record {
            position,
            kind,
            target,
            needed,
            transcript: wire.transcript.map(u64::from_le_bytes),
            data: wire.data.to_vec(),
        });
        previous = position;
    }
    if rest.is_empty() { Ok(records) } else { Err(Damage::Record) }
}

fn take<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<(T, &'a [u8]), Damage> {
    postcard::take_from_bytes(bytes).map_err(|_| Damage::Record)
}
