//! Every reason why an instance refuses its state, not the first.
//!
//! # Problem
//! A load stops at the first field that is wrong: it is quick, and nothing is loaded in halves. But who
//! asks whether a file would load wants to know all that stands in the way at once.
//!
//! # Strategy
//! What the shapes and the values behind renames and conversions are refused for, the resolution
//! itself collects ([`resolve::explain`]). For the rest the load is tried again and again: the field
//! that was refused is hidden (it gets the live object's value, which is valid where it stands), until the
//! state loads or nothing is left to hide. The innermost part is hidden first, then what is
//! around it. So neither the derive nor the decoder knows of it, and a load pays nothing for it.
//!
//! # Invariants
//! The live object is as it was. A verdict on several fields together (`post_load`, `when`) counts only
//! while none of them is hidden: a reason is never our own doing. What is said is what a load would
//! say if the others were mended.
//!
//! # Absent on purpose
//! Reasons behind damage: bytes that are no value of their schema have no fields to tell apart.

use std::collections::BTreeSet;

use crate::error::{LoadError, LoadProblem};
use crate::instance::Instance;
use crate::resolve;
use crate::schema::encode::collect;
use crate::schema::{Field, Kind, Presence, Schema, SchemaTable, Shape};
use crate::walk::{Walker, variant_at};
use crate::wire::{Marker, Reader};

/// Most reasons given for one instance.
pub const REASONS_MAX: usize = 256;

/// Why an instance refuses its state.
#[derive(Clone, Debug)]
pub(crate) struct Reason {
    pub(crate) error: LoadError,
    /// Whether it was found when the state was in place, rather than in the bytes.
    pub(crate) in_place: bool,
}

/// Why `instance` would not load `bytes`, written under `writer`; empty if it would. At most
/// [`REASONS_MAX`].
pub(crate) fn reasons(
    instance: &mut dyn Instance,
    bytes: &[u8],
    writer: &Schema,
    table: &SchemaTable,
) -> Vec<Reason> {
    let def = instance.type_def();
    let mut newest = SchemaTable::new();
    let target = collect(def, def.version, &mut newest);
    let Some(target) = newest.resolve(&target) else { return Vec::new() };
    let mut search = Search { reasons: Vec::new(), hidden: BTreeSet::new() };
    let (mut state, mut placed) = (bytes.to_vec(), true);
    if writer.hash != target.hash {
        let (upgraded, found) = resolve::explain(def, writer, table, bytes);
        for error in found {
            search.hidden.insert(error.segments());
            search.note(Reason { error, in_place: false });
        }
        let Some(upgraded) = upgraded else { return search.reasons };
        (state, placed) = (upgraded, false);
    }
    let mut live = Vec::new();
    if instance.save(def.version, &mut live).is_err() {
        live.clear();
    }
    let finder = Finder { table: &newest, root: target };
    while search.reasons.len() < REASONS_MAX {
        let Err(mut reason) = attempt(instance, &state) else { break };
        if !placed {
            reason.error = reason.error.unplaced();
        }
        let path = reason.error.segments();
        if !search.is_suspect(&reason, &path) {
            search.note(reason);
        }
        let next = (1..=path.len()).rev().map(|depth| &path[..depth]).find_map(|part| {
            let hidden = finder.hide(&state, &live, part)?;
            (hidden != state && search.hidden.insert(part.to_vec())).then_some(hidden)
        });
        let Some(next) = next else { break };
        (state, placed) = (next, false);
    }
    search.reasons
}

/// Loads and takes back.
fn attempt(instance: &mut dyn Instance, bytes: &[u8]) -> Result<(), Reason> {
    let decoding = |error| Reason { error, in_place: false };
    let mut staged = instance.stage_newest(bytes).map_err(decoding)?;
    instance.swap(&mut staged).map_err(decoding)?;
    let finished = instance.finish(&staged);
    instance.swap(&mut staged).map_err(decoding)?;
    instance.rebuild();
    finished.map_err(|error| Reason { error, in_place: true })
}

struct Search {
    reasons: Vec<Reason>,
    /// Paths of the parts that no longer hold what the file says.
    hidden: BTreeSet<Vec<String>>,
}

impl Search {
    fn note(&mut self, reason: Reason) {
        let text = reason.error.to_string();
        if self.reasons.iter().all(|known| known.error.to_string() != text) {
            self.reasons.push(reason);
        }
    }

    /// Whether the verdict may rest on what we have hidden ourselves.
    fn is_suspect(&self, reason: &Reason, path: &[String]) -> bool {
        let judged = match reason.error.problem() {
            LoadProblem::PostLoad { .. } => path,
            LoadProblem::Presence { .. } => &path[..path.len().saturating_sub(1)],
            _ => return false,
        };
        self.hidden.iter().any(|hidden| hidden.starts_with(judged) || judged.starts_with(hidden))
    }
}

/// Finds parts of values by their paths.
struct Finder<'a> {
    table: &'a SchemaTable,
    root: &'a Schema,
}

/// Bytes of a part; with its marker, if it has one.
struct Span {
    start: usize,
    end: usize,
    conditional: bool,
}

impl Finder<'_> {
    /// `state` with the part at `path` as `live` has it.
    fn hide(&self, state: &[u8], live: &[u8], path: &[String]) -> Option<Vec<u8>> {
        let span = self.types(self.root, Reader::resolved(state), path)?;
        let replacement = if span.conditional {
            vec![Marker::UNSTATED]
        } else {
            let other = self.types(self.root, Reader::resolved(live), path)?;
            live.get(other.start..other.end)?.to_vec()
        };
        Some([state.get(..span.start)?, &replacement, state.get(span.end..)?].concat())
    }

    fn walker(&self) -> Walker<'_> {
        Walker::new(self.table).unbounded()
    }

    fn types(&self, schema: &Schema, mut reader: Reader<'_>, path: &[String]) -> Option<Span> {
        let fields: &[Field] = match &schema.shape {
            Shape::Struct(fields) => fields,
            Shape::Enum(_) => &variant_at(&mut reader, schema).ok()?.fields,
        };
        let (name, rest) = path.split_first()?;
        for field in fields {
            let (start, mut inside) = (reader.offset(), reader.clone());
            let present = self.walker().skip_field(&mut reader, field).ok()?;
            if field.name != *name {
                continue;
            }
            if rest.is_empty() {
                let conditional = field.presence == Presence::When;
                return Some(Span { start, end: reader.offset(), conditional });
            }
            if !present {
                return None;
            }
            if field.presence != Presence::Always {
                inside.marker().ok()?;
            }
            return self.kind(&field.kind, inside, rest);
        }
        None
    }

    fn kind(&self, kind: &Kind, mut reader: Reader<'_>, path: &[String]) -> Option<Span> {
        let (first, rest) = path.split_first()?;
        let index = || first.trim_start_matches('[').trim_end_matches(']').parse::<u64>().ok();
        match kind {
            Kind::Type(type_ref) => self.types(self.table.resolve(type_ref)?, reader, path),
            Kind::Option(item) => {
                reader.bool().ok().filter(|present| *present)?;
                // Hooks count the one element, the decoder does not.
                let rest = if index().is_some() { rest } else { path };
                self.element(item, reader, rest)
            }
            Kind::Array { item, count } => {
                let index = index().filter(|index| index < count)?;
                (0..index).try_for_each(|_| self.walker().skip(&mut reader, item)).ok()?;
                self.element(item, reader, rest)
            }
            Kind::Seq { item, .. } | Kind::Set { item, .. } => {
                let count = reader.varint(64).ok()?;
                let index = index().filter(|index| *index < count)?;
                (0..index).try_for_each(|_| self.walker().skip(&mut reader, item)).ok()?;
                self.element(item, reader, rest)
            }
            Kind::Tuple(items) => {
                let index = usize::try_from(index()?).ok()?;
                let (before, item) = (items.get(..index)?, items.get(index)?);
                before.iter().try_for_each(|item| self.walker().skip(&mut reader, item)).ok()?;
                self.element(item, reader, rest)
            }
            _ => None,
        }
    }

    fn element(&self, item: &Kind, mut reader: Reader<'_>, path: &[String]) -> Option<Span> {
        if !path.is_empty() {
            return self.kind(item, reader, path);
        }
        let start = reader.offset();
        self.walker().skip(&mut reader, item).ok()?;
        Some(Span { start, end: reader.offset(), conditional: false })
    }
}
