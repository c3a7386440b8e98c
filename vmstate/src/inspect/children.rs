//! The values inside a value, one after the other.

use super::node::{Form, Node};
use crate::error::LoadError;
use crate::schema::{Field, Kind, Presence, SchemaTable, Shape};
use crate::walk::Walker;
use crate::wire::Reader;

/// A value inside another and what it is called there.
#[derive(Debug, Clone, Copy)]
pub struct Child<'a> {
    /// Its name, index or key.
    pub label: Label<'a>,
    /// The value.
    pub node: Node<'a>,
}

/// What a value is called inside another.
#[derive(Debug, Clone, Copy)]
pub enum Label<'a> {
    /// A field.
    Field(&'a Field),
    /// An element.
    Index(u64),
    /// The value of a pair, by its key.
    Key(Node<'a>),
}

/// What is still to come.
#[derive(Debug, Clone, Copy)]
pub(super) enum Items<'a> {
    None,
    Fields { fields: &'a [Field], index: usize },
    Kinds { kinds: &'a [Kind], index: usize },
    Repeat { kind: &'a Kind, index: u64, count: u64 },
    Pairs { key: &'a Kind, value: &'a Kind, index: u64, count: u64 },
}

/// Iterates over the values inside a value; ends behind the first error.
#[derive(Debug)]
pub struct Children<'a> {
    table: &'a SchemaTable,
    /// One for all, so that what it allows is allowed once.
    walker: Walker<'a>,
    reader: Reader<'a>,
    /// What to add to the reader's offsets to get those within the instance.
    base: usize,
    start: usize,
    items: Items<'a>,
}

impl<'a> Children<'a> {
    pub(super) fn new(
        table: &'a SchemaTable,
        reader: Reader<'a>,
        base: usize,
        items: Items<'a>,
    ) -> Self {
        let start = reader.offset();
        Self { table, walker: Walker::new(table), reader, base, start, items }
    }

    /// The next value, of `kind`.
    fn take(&mut self, kind: &'a Kind) -> Result<Node<'a>, LoadError> {
        let before = self.reader.offset();
        self.walker.skip(&mut self.reader, kind)?;
        Ok(self.node(Form::Kind(kind), before))
    }

    fn node(&self, form: Form<'a>, before: usize) -> Node<'a> {
        let offset = self.base + before - self.start;
        Node { table: self.table, form, bytes: self.reader.since(before), offset }
    }

    fn field(&mut self, field: &'a Field) -> Result<Child<'a>, LoadError> {
        let label = Label::Field(field);
        let present = field.presence == Presence::Always || self.reader.bool()?;
        let node = if present {
            self.take(&field.kind).map_err(|error| error.within(&field.name))?
        } else {
            self.node(Form::Absent, self.reader.offset())
        };
        Ok(Child { label, node })
    }

    fn advance(&mut self) -> Result<Option<Child<'a>>, LoadError> {
        match &mut self.items {
            Items::None => Ok(None),
            Items::Fields { fields, index } => {
                let Some(field) = fields.get(*index) else { return Ok(None) };
                *index += 1;
                self.field(field).map(Some)
            }
            Items::Kinds { kinds, index } => {
                let (Some(kind), at) = (kinds.get(*index), *index) else { return Ok(None) };
                *index += 1;
                let node = self.take(kind).map_err(|error| error.within_element(at))?;
                Ok(Some(Child { label: Label::Index(at as u64), node }))
            }
            Items::Repeat { kind, index, count } => {
                let (kind, at) = (*kind, *index);
                if at == *count || is_empty(self.table, kind) {
                    return Ok(None);
                }
                *index += 1;
                let node = self.take(kind).map_err(|error| error.within_element(short(at)))?;
                Ok(Some(Child { label: Label::Index(at), node }))
            }
            Items::Pairs { key, value, index, count } => {
                let (key, value, at) = (*key, *value, *index);
                if at == *count || (is_empty(self.table, key) && is_empty(self.table, value)) {
                    return Ok(None);
                }
                *index += 1;
                let within = |error: LoadError| error.within_element(short(at));
                let key = self.take(key).map_err(within)?;
                let node = self.take(value).map_err(within)?;
                Ok(Some(Child { label: Label::Key(key), node }))
            }
        }
    }
}

impl<'a> Iterator for Children<'a> {
    type Item = Result<Child<'a>, LoadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.advance().transpose();
        if matches!(next, Some(Err(_))) {
            self.items = Items::None;
        }
        next
    }
}

fn short(index: u64) -> usize {
    usize::try_from(index).unwrap_or(usize::MAX)
}

/// Whether every value of the kind occupies no byte at all.
fn is_empty(table: &SchemaTable, kind: &Kind) -> bool {
    match kind {
        Kind::Array { item, count } => *count == 0 || is_empty(table, item),
        Kind::Tuple(items) => items.iter().all(|item| is_empty(table, item)),
        Kind::Type(type_ref) => table.resolve(type_ref).is_some_and(|schema| match &schema.shape {
            Shape::Enum(_) => false,
            Shape::Struct(fields) => fields
                .iter()
                .all(|field| field.presence == Presence::Always && is_empty(table, &field.kind)),
        }),
        _ => false,
    }
}
