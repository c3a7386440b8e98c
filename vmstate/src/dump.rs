//! State as text, for people.
//!
//! One line a value, indented as it nests. Integers stand in decimal and hexadecimal, flags by name,
//! variants by name, byte arrays as hex beside their text with runs of zeros left out. Nothing is held
//! in memory but the line being written.

use std::fmt::{self, Write};

use crate::container::{ContainerError, SectionEntry};
use crate::error::LoadError;
use crate::inspect::{Child, Found, Label, Node, PathError, Step, Tree, View};

/// Bytes in a line of a dump of bytes.
const ROW: usize = 16;
/// Longest byte array shown on the line of its name.
const SHORT: usize = 16;
/// Most scalars on one line.
const PER_LINE: usize = 8;

/// Why a dump ended early.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    /// The file is at fault.
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// A path that leads nowhere.
    #[error("`{path}`: {why}")]
    Path {
        /// The path.
        path: String,
        /// Why.
        why: String,
    },
    /// The output took no more.
    #[error("the output failed")]
    Output(#[from] fmt::Error),
}

/// What goes wrong while a value is written.
pub(crate) enum WriteError {
    Load(LoadError),
    Output,
}

impl From<LoadError> for WriteError {
    fn from(error: LoadError) -> Self {
        Self::Load(error)
    }
}

impl From<fmt::Error> for WriteError {
    fn from(_: fmt::Error) -> Self {
        Self::Output
    }
}

impl WriteError {
    pub(crate) fn in_section(self, section: &SectionEntry) -> DumpError {
        match self {
            Self::Load(error) => section.value_error(&error).into(),
            Self::Output => DumpError::Output(fmt::Error),
        }
    }
}

/// Writes one instance.
///
/// # Errors
/// Damage, by section, offset and field; a failed output.
pub fn dump_instance(
    out: &mut dyn Write,
    tree: &Tree<'_, '_>,
    section: &SectionEntry,
) -> Result<(), DumpError> {
    let bytes = tree.read(section)?;
    let node = bytes.node()?;
    writeln!(out, "{}: {}@{}", section.path, section.type_name, section.version)?;
    children(out, &node, 1).map_err(|error| error.in_section(section))
}

/// Writes the value inside an instance to which `steps` lead.
///
/// # Errors
/// As [`dump_instance`]; steps that lead nowhere.
pub fn dump_value(
    out: &mut dyn Write,
    tree: &Tree<'_, '_>,
    section: &SectionEntry,
    steps: &[Step],
    path: &str,
) -> Result<(), DumpError> {
    let bytes = tree.read(section)?;
    match bytes.node()?.follow(steps) {
        Ok(Found::Byte(byte)) => writeln!(out, "{path}: {}", unsigned(byte.into(), 8))?,
        Ok(Found::Node(node)) => {
            value(out, path, &node, 0).map_err(|error| error.in_section(section))?;
        }
        Err(error) => return Err(path_error(error, section, path)),
    }
    Ok(())
}

/// An error of following `path` into `section`.
pub(crate) fn path_error(error: PathError, section: &SectionEntry, path: &str) -> DumpError {
    match error {
        PathError::Load(error) => section.value_error(&error).into(),
        nothing @ PathError::Nothing { .. } => {
            DumpError::Path { path: path.to_owned(), why: nothing.to_string() }
        }
    }
}

fn indent(out: &mut dyn Write, depth: usize) -> fmt::Result {
    write!(out, "{:1$}", "", depth * 2)
}

/// Writes `name: value` and what is below.
fn value(out: &mut dyn Write, name: &str, node: &Node<'_>, depth: usize) -> Result<(), WriteError> {
    indent(out, depth)?;
    match node.view()? {
        View::Bytes(bytes) if bytes.len() > SHORT => {
            writeln!(out, "{name}: {} bytes", bytes.len())?;
            hex_rows(out, bytes, 0, depth + 1)?;
        }
        View::List(count) if count > 0 && is_scalar_list(node)? => {
            writeln!(out, "{name}: {count} elements")?;
            scalar_rows(out, node, depth + 1)?;
        }
        _ => {
            writeln!(out, "{name}: {}", node.brief()?)?;
            children(out, node, depth + 1)?;
        }
    }
    Ok(())
}

fn children(out: &mut dyn Write, node: &Node<'_>, depth: usize) -> Result<(), WriteError> {
    for child in node.children()? {
        let Child { label, node } = child?;
        value(out, &label.text()?, &node, depth)?;
    }
    Ok(())
}

/// Whether the elements are of one line each, and short ones.
fn is_scalar_list(node: &Node<'_>) -> Result<bool, LoadError> {
    let Some(first) = node.children()?.next().transpose()? else { return Ok(false) };
    Ok(matches!(
        first.node.view()?,
        View::Bool(_) | View::Unsigned(..) | View::Signed(..) | View::F32(_) | View::F64(_)
    ))
}

/// Elements in rows, each row behind the index of its first; equal rows are left out.
fn scalar_rows(out: &mut dyn Write, node: &Node<'_>, depth: usize) -> Result<(), WriteError> {
    let mut row = Vec::with_capacity(PER_LINE);
    let mut last: Option<Vec<String>> = None;
    let mut skipping = false;
    let mut start = 0;
    let mut iter = node.children()?.peekable();
    let mut index = 0_u64;
    while let Some(child) = iter.next() {
        row.push(match child?.node.view()? {
            View::Unsigned(value, _) => format!("{value:#x}"),
            view => scalar(&view),
        });
        index += 1;
        if row.len() < PER_LINE && iter.peek().is_some() {
            continue;
        }
        if last.as_ref() == Some(&row) && iter.peek().is_some() {
            if !skipping {
                indent(out, depth)?;
                writeln!(out, "*")?;
            }
            skipping = true;
        } else {
            indent(out, depth)?;
            writeln!(out, "[{start}]: {}", row.join(" "))?;
            skipping = false;
        }
        last = Some(std::mem::take(&mut row));
        start = index;
    }
    Ok(())
}

/// Bytes in rows of hex beside their text, the first at `address`; rows equal to the one before are
/// one `*`.
///
/// # Errors
/// Those of the output.
pub fn hex_rows(out: &mut dyn Write, bytes: &[u8], address: u64, depth: usize) -> fmt::Result {
    let mut last: Option<&[u8]> = None;
    let mut skipping = false;
    let rows = bytes.len().div_ceil(ROW);
    for (i, row) in bytes.chunks(ROW).enumerate() {
        if last == Some(row) && i + 1 < rows {
            if !skipping {
                indent(out, depth)?;
                writeln!(out, "*")?;
            }
            skipping = true;
            continue;
        }
        skipping = false;
        last = Some(row);
        indent(out, depth)?;
        write!(out, "{:06x}: ", address + (i * ROW) as u64)?;
        for at in 0..ROW {
            match row.get(at) {
                Some(byte) => write!(out, " {byte:02x}")?,
                None => write!(out, "   ")?,
            }
        }
        let shown = |byte: &u8| if (0x20..0x7f).contains(byte) { char::from(*byte) } else { '.' };
        writeln!(out, "  |{}|", row.iter().map(shown).collect::<String>())?;
    }
    Ok(())
}

fn unsigned(value: u128, bits: u32) -> String {
    if value < 10 {
        return value.to_string();
    }
    let digits = if value < 1 << 8 { 2 } else { (bits / 4) as usize };
    format!("{value} (0x{value:0digits$x})")
}

/// A value without parts.
fn scalar(view: &View<'_>) -> String {
    match view {
        View::Absent => "absent".to_owned(),
        View::None => "none".to_owned(),
        View::Bool(value) => value.to_string(),
        View::Unsigned(value, bits) => unsigned(*value, *bits),
        View::Signed(value, _) => value.to_string(),
        View::F32(value) => format!("{value:?} (bits {:#010x})", value.to_bits()),
        View::F64(value) => format!("{value:?} (bits {:#018x})", value.to_bits()),
        View::Text(text) => format!("{text:?}"),
        View::Bytes([]) => "empty".to_owned(),
        View::Bytes(bytes) => {
            bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
        }
        View::Flags(flags) => {
            let set = flags.set();
            let names = if set.is_empty() { "none set".to_owned() } else { set.join(" | ") };
            let digits = (flags.bits / 4) as usize;
            format!("{names} (0x{:0digits$x})", flags.value)
        }
        View::Struct(schema) => format!("{}@{}", schema.type_name, schema.version),
        View::Variant(_, variant) => variant.name.clone(),
        View::List(0) => "empty".to_owned(),
        View::Map(0) => "empty".to_owned(),
        View::List(count) => format!("{count} elements"),
        View::Map(count) => format!("{count} pairs"),
        View::Tuple(count) => format!("{count} parts"),
    }
}

impl Node<'_> {
    /// The value in one line: all of a scalar, the head of what has parts.
    ///
    /// # Errors
    /// Bytes that are no value of the kind.
    pub fn brief(&self) -> Result<String, LoadError> {
        match self.view()? {
            View::Bytes(bytes) if bytes.len() > SHORT => Ok(format!("{} bytes", bytes.len())),
            view => Ok(scalar(&view)),
        }
    }
}

/// How a child is called when it is shown alone.
pub(crate) fn field_name<'a>(label: &Label<'a>) -> Option<&'a str> {
    match label {
        Label::Field(field) => Some(&field.name),
        Label::Index(_) | Label::Key(_) => None,
    }
}
