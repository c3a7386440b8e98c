//! Carrying a plan out.

use super::plan::{FieldsPlan, Plan, Source, Target, TypePlan, nest};
use super::show;
use crate::error::{LoadError, LoadProblem};
use crate::schema::{Kind, Presence, SchemaTable};
use crate::walk::Walker;
use crate::wire::{Marker, Reader, put_varint};

/// Executes plans over source bytes.
pub(crate) struct Runner<'a> {
    walker: Walker<'a>,
    /// Finds types in values that conversions made.
    between: Walker<'a>,
    /// Ends and presence of source fields; a stack, so that structs in arrays allocate nothing.
    spans: Vec<Span>,
    /// Whether to go on behind a field that has no place in the target.
    explaining: bool,
    /// What such fields are refused for.
    found: Vec<LoadError>,
}

#[derive(Clone, Copy)]
struct Span {
    start: usize,
    end: usize,
    present: bool,
}

fn append(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), LoadError> {
    out.try_reserve(bytes.len())
        .map_err(|_| LoadError::of_value(LoadProblem::OutOfMemory { bytes: bytes.len() }))?;
    out.extend_from_slice(bytes);
    Ok(())
}

impl<'a> Runner<'a> {
    pub(crate) fn new(sources: &'a SchemaTable, targets: &'a SchemaTable) -> Self {
        let (walker, between) = (Walker::new(sources), Walker::new(targets));
        Self { walker, between, spans: Vec::new(), explaining: false, found: Vec::new() }
    }

    /// Gives a field that it cannot resolve its default and notes why.
    pub(crate) fn explaining(mut self) -> Self {
        self.explaining = true;
        self
    }

    /// What was noted.
    pub(crate) fn found(self) -> Vec<LoadError> {
        self.found
    }

    /// Runs `part` and puts its errors inside a field or an element.
    fn nested(
        &mut self,
        within: impl Fn(LoadError) -> LoadError,
        part: impl FnOnce(&mut Self) -> Result<(), LoadError>,
    ) -> Result<(), LoadError> {
        let mark = self.found.len();
        let result = part(self);
        if self.found.len() > mark {
            nest(&mut self.found, mark, &within);
        }
        result.map_err(within)
    }

    pub(crate) fn types(
        &mut self,
        plan: &TypePlan,
        reader: &mut Reader<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), LoadError> {
        match plan {
            TypePlan::Copy(schema) => {
                let start = reader.offset();
                self.walker.skip_type(reader, schema)?;
                append(out, reader.since(start))
            }
            TypePlan::Struct(fields) => self.fields(fields, reader, out),
            TypePlan::Enum { type_name, variants } => {
                let at = reader.clone();
                let id = reader.varint(32)?;
                let variant =
                    variants.iter().find(|v| u64::from(v.from) == id).ok_or_else(|| {
                        at.error(LoadProblem::UnknownVariant { type_name: type_name.clone(), id })
                    })?;
                let Some((to, fields)) = &variant.to else {
                    let (type_name, variant) = (type_name.clone(), variant.name.clone());
                    return Err(at.error(LoadProblem::VariantUnsupported { type_name, variant }));
                };
                put_varint(out, u64::from(*to));
                self.fields(fields, reader, out)
            }
        }
    }

    fn fields(
        &mut self,
        plan: &FieldsPlan,
        reader: &mut Reader<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), LoadError> {
        let base = self.spans.len();
        for field in &plan.sources {
            let marked = usize::from(field.presence != Presence::Always);
            let start = reader.offset() + marked;
            let present = self.walker.skip_field(reader, field)?;
            self.spans.push(Span { start, end: reader.offset(), present });
        }
        for &index in &plan.unknown {
            let field = &plan.sources[index];
            let span = self.spans[base + index];
            let value = reader.window(span.start, span.end);
            if span.present && field.default.as_deref() != Some(value.rest()) {
                let value = show(value.rest(), &field.kind);
                let error = value_at(reader, span).error(LoadProblem::UnknownField { value });
                self.refused(error.within(&field.name))?;
            }
        }
        for target in &plan.targets {
            self.nested(
                |error| error.within(&target.field.name),
                |this| {
                    let start = out.len();
                    this.target(target, plan, base, reader, out).or_else(|error| {
                        this.refused(error)?;
                        out.truncate(start);
                        this.absent(target, out)
                    })
                },
            )?;
        }
        self.spans.truncate(base);
        Ok(())
    }

    /// Notes an error if there is a way to go on.
    fn refused(&mut self, error: LoadError) -> Result<(), LoadError> {
        if !self.explaining {
            return Err(error);
        }
        self.found.push(error);
        Ok(())
    }

    /// A field for which the source has no value.
    fn absent(&self, target: &Target, out: &mut Vec<u8>) -> Result<(), LoadError> {
        let field = &target.field;
        if target.newly_conditional || (self.explaining && field.presence == Presence::When) {
            return append(out, &[Marker::UNSTATED]);
        }
        if field.presence != Presence::Always {
            return append(out, &[0]);
        }
        let default = field.default.as_deref();
        append(out, default.ok_or_else(|| LoadError::of_value(LoadProblem::MissingField))?)
    }

    fn target(
        &mut self,
        target: &Target,
        plan: &FieldsPlan,
        base: usize,
        reader: &Reader<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), LoadError> {
        let field = &target.field;
        let found = target.source.as_ref().and_then(|source| {
            let span = self.spans[base + source.index];
            span.present.then_some((source, span))
        });
        let Some((source, span)) = found else { return self.absent(target, out) };
        if field.presence != Presence::Always {
            append(out, &[1])?;
        }
        let (kind, start) = (&plan.sources[source.index].kind, out.len());
        self.value(source, kind, value_at(reader, span), out)?;
        if target.newly_conditional && field.default.as_deref() == out.get(start..) {
            out.truncate(start - 1);
            return append(out, &[Marker::UNSTATED]);
        }
        Ok(())
    }

    fn value(
        &mut self,
        source: &Source,
        kind: &Kind,
        mut reader: Reader<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), LoadError> {
        // The walk has found the value's end, so the same kind needs no second look.
        if source.convert.is_empty() {
            return match source.before {
                Plan::Copy => append(out, reader.rest()),
                _ => self.kinds(&source.before, kind, &mut reader, out),
            };
        }
        let at = reader.clone();
        let mut value = Vec::new();
        match source.before {
            Plan::Copy => append(&mut value, reader.rest())?,
            _ => self.kinds(&source.before, kind, &mut reader, &mut value)?,
        }
        for convert in &source.convert {
            value = convert(&value).map_err(|reason| {
                let value = show(at.rest(), kind);
                at.error(LoadProblem::Convert { value, reason })
            })?;
        }
        match &source.after {
            None | Some((_, Plan::Copy)) => append(out, &value),
            Some((between, after)) => {
                std::mem::swap(&mut self.walker, &mut self.between);
                let result = self.kinds(after, between, &mut Reader::new(&value), out);
                std::mem::swap(&mut self.walker, &mut self.between);
                result
            }
        }
    }

    fn kinds(
        &mut self,
        plan: &Plan,
        kind: &Kind,
        reader: &mut Reader<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), LoadError> {
        match (plan, kind) {
            (Plan::Option(plan), Kind::Option(item)) => {
                let present = reader.bool()?;
                append(out, &[u8::from(present)])?;
                if present { self.kinds(plan, item, reader, out) } else { Ok(()) }
            }
            (Plan::Array(plan, count), Kind::Array { item, .. }) => {
                self.elements(plan, item, *count, reader, out)
            }
            (Plan::Seq(plan, max), Kind::Seq { item, .. } | Kind::Set { item, .. }) => {
                let count = reader.len(*max, 0)? as u64;
                put_varint(out, count);
                self.elements(plan, item, count, reader, out)
            }
            (Plan::Map(key_plan, value_plan, max), Kind::Map { key, value, .. }) => {
                let count = reader.len(*max, 0)?;
                put_varint(out, count as u64);
                for index in 0..count {
                    self.nested(
                        |error| error.within_element(index),
                        |this| {
                            this.kinds(key_plan, key, reader, out)?;
                            this.kinds(value_plan, value, reader, out)
                        },
                    )?;
                }
                Ok(())
            }
            (Plan::Tuple(plans), Kind::Tuple(items)) => {
                for (index, (plan, item)) in plans.iter().zip(items).enumerate() {
                    self.nested(
                        |error| error.within_element(index),
                        |this| this.kinds(plan, item, reader, out),
                    )?;
                }
                Ok(())
            }
            (Plan::Type(plan), _) => self.types(plan, reader, out),
            (Plan::Flags { from, to, bits }, _) => flags(*from, *to, bits, reader, out),
            _ => {
                let start = reader.offset();
                self.walker.skip(reader, kind)?;
                append(out, reader.since(start))
            }
        }
    }

    fn elements(
        &mut self,
        plan: &Plan,
        item: &Kind,
        count: u64,
        reader: &mut Reader<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), LoadError> {
        for index in 0..count {
            let index = usize::try_from(index).unwrap_or(usize::MAX);
            self.nested(
                |error| error.within_element(index),
                |this| this.kinds(plan, item, reader, out),
            )?;
        }
        Ok(())
    }
}

fn value_at<'b>(reader: &Reader<'b>, span: Span) -> Reader<'b> {
    reader.window(span.start, span.end)
}

fn flags(
    from: u32,
    to: u32,
    bits: &[(u32, String, Option<u32>)],
    reader: &mut Reader<'_>,
    out: &mut Vec<u8>,
) -> Result<(), LoadError> {
    let at = reader.clone();
    let value = if from == 8 { u64::from(reader.byte()?) } else { reader.varint(from)? };
    let mut moved = 0_u64;
    let mut left = value;
    for (bit, name, target) in bits {
        if value >> bit & 1 == 0 {
            continue;
        }
        left &= !(1 << bit);
        match target {
            Some(target) => moved |= 1 << target,
            None => return Err(at.error(LoadProblem::UnknownFlag { flag: format!("`{name}`") })),
        }
    }
    if left != 0 {
        let flag = format!("bit {}", left.trailing_zeros());
        return Err(at.error(LoadProblem::UnknownFlag { flag }));
    }
    if to == 8 {
        append(out, &moved.to_le_bytes()[..1])
    } else {
        put_varint(out, moved);
        Ok(())
    }
}
