//! Carrying a plan out.

use super::plan::{FieldsPlan, Plan, Source, Target, TypePlan};
use super::show;
use crate::error::{LoadError, LoadProblem};
use crate::schema::{Kind, Presence, SchemaTable};
use crate::walk::Walker;
use crate::wire::{Reader, put_varint};

/// Executes plans over source bytes.
pub(crate) struct Runner<'a> {
    walker: Walker<'a>,
    /// Finds types in values that conversions made.
    between: Walker<'a>,
    /// Ends and presence of source fields; a stack, so that structs in arrays allocate nothing.
    spans: Vec<Span>,
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
        Self { walker, between, spans: Vec::new() }
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
                return Err(value_error(
                    &value_at(reader, span),
                    LoadProblem::UnknownField { value },
                )
                .within(&field.name));
            }
        }
        for target in &plan.targets {
            self.target(target, plan, base, reader, out)
                .map_err(|error| error.within(&target.field.name))?;
        }
        self.spans.truncate(base);
        Ok(())
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
        let marked = field.presence != Presence::Always;
        let Some((source, span)) = found else {
            if marked {
                return append(out, &[0]);
            }
            let default = field.default.as_deref();
            return append(
                out,
                default.ok_or_else(|| LoadError::of_value(LoadProblem::MissingField))?,
            );
        };
        if marked {
            append(out, &[1])?;
        }
        let kind = &plan.sources[source.index].kind;
        self.value(source, kind, value_at(reader, span), out)
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
                value_error(&at, LoadProblem::Convert { value, reason })
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
                    self.kinds(key_plan, key, reader, out).map_err(|e| e.within_element(index))?;
                    self.kinds(value_plan, value, reader, out)
                        .map_err(|e| e.within_element(index))?;
                }
                Ok(())
            }
            (Plan::Tuple(plans), Kind::Tuple(items)) => {
                for (index, (plan, item)) in plans.iter().zip(items).enumerate() {
                    self.kinds(plan, item, reader, out).map_err(|e| e.within_element(index))?;
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
            self.kinds(plan, item, reader, out)
                .map_err(|e| e.within_element(usize::try_from(index).unwrap_or(usize::MAX)))?;
        }
        Ok(())
    }
}

fn value_at<'b>(reader: &Reader<'b>, span: Span) -> Reader<'b> {
    reader.window(span.start, span.end)
}

fn value_error(at: &Reader<'_>, problem: LoadProblem) -> LoadError {
    at.error(problem)
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
