//! State as JSON, for scripts.
//!
//! Integers are numbers (those of 128 bits are strings), floats are numbers or, if they are none
//! that JSON has, strings; byte arrays are strings of hex digits; flags are objects of `value` and `set`; an
//! enum is an object with `variant` first; what is absent or an empty option is `null`. A map is an
//! array of `[key, value]` pairs, because JSON's keys are strings alone.

use std::fmt::{self, Write};

use crate::container::SectionEntry;
use crate::dump::{DumpError, WriteError, field_name, path_error};
use crate::inspect::{Found, Node, Step, Tree, View};

/// Writes one instance as an object: `path`, `type`, `version`, `state`.
///
/// # Errors
/// As [`crate::dump::dump_instance`].
pub fn json_instance(
    out: &mut dyn Write,
    tree: &Tree<'_, '_>,
    section: &SectionEntry,
) -> Result<(), DumpError> {
    let bytes = tree.read(section)?;
    let node = bytes.node()?;
    out.write_str("{\"path\":")?;
    string(out, &section.path)?;
    out.write_str(",\"type\":")?;
    string(out, &section.type_name)?;
    write!(out, ",\"version\":{},\"state\":", section.version)?;
    value(out, &node).map_err(|error| error.in_section(section))?;
    Ok(out.write_str("}")?)
}

/// Writes the value inside an instance to which `steps` lead.
///
/// # Errors
/// As [`crate::dump::dump_value`].
pub fn json_value(
    out: &mut dyn Write,
    tree: &Tree<'_, '_>,
    section: &SectionEntry,
    steps: &[Step],
    path: &str,
) -> Result<(), DumpError> {
    let bytes = tree.read(section)?;
    match bytes.node()?.follow(steps) {
        Ok(Found::Byte(byte)) => write!(out, "{byte}")?,
        Ok(Found::Node(node)) => {
            value(out, &node).map_err(|error| error.in_section(section))?;
        }
        Err(error) => return Err(path_error(error, section, path)),
    }
    Ok(())
}

/// Writes `text` as a JSON string.
///
/// # Errors
/// Those of the output.
pub fn string(out: &mut dyn Write, text: &str) -> fmt::Result {
    out.write_char('"')?;
    for letter in text.chars() {
        match letter {
            '"' => out.write_str("\\\"")?,
            '\\' => out.write_str("\\\\")?,
            '\n' => out.write_str("\\n")?,
            control if control < ' ' => write!(out, "\\u{:04x}", u32::from(control))?,
            other => out.write_char(other)?,
        }
    }
    out.write_char('"')
}

fn float(out: &mut dyn Write, value: f64, bits: u64) -> fmt::Result {
    if value.is_finite() { write!(out, "{value:?}") } else { write!(out, "\"{value} {bits:#x}\"") }
}

fn value(out: &mut dyn Write, node: &Node<'_>) -> Result<(), WriteError> {
    match node.view()? {
        View::Absent | View::None => out.write_str("null")?,
        View::Bool(value) => write!(out, "{value}")?,
        View::Unsigned(value, 128) => write!(out, "\"{value:#x}\"")?,
        View::Unsigned(value, _) => write!(out, "{value}")?,
        View::Signed(value, 128) => write!(out, "\"{value}\"")?,
        View::Signed(value, _) => write!(out, "{value}")?,
        View::F32(value) => float(out, value.into(), value.to_bits().into())?,
        View::F64(value) => float(out, value, value.to_bits())?,
        View::Text(text) => string(out, text)?,
        View::Bytes(bytes) => {
            out.write_char('"')?;
            bytes.iter().try_for_each(|byte| write!(out, "{byte:02x}"))?;
            out.write_char('"')?;
        }
        View::Flags(flags) => {
            write!(out, "{{\"value\":{},\"set\":[", flags.value)?;
            for (i, name) in flags.set().iter().enumerate() {
                separate(out, i)?;
                string(out, name)?;
            }
            out.write_str("]}")?;
        }
        View::Struct(_) => fields(out, node, None)?,
        View::Variant(_, variant) => fields(out, node, Some(&variant.name))?,
        View::List(_) | View::Tuple(_) => {
            out.write_char('[')?;
            for (i, child) in node.children()?.enumerate() {
                separate(out, i)?;
                value(out, &child?.node)?;
            }
            out.write_char(']')?;
        }
        View::Map(_) => pairs(out, node)?,
    }
    Ok(())
}

fn separate(out: &mut dyn Write, index: usize) -> fmt::Result {
    if index > 0 { out.write_char(',') } else { Ok(()) }
}

fn fields(out: &mut dyn Write, node: &Node<'_>, variant: Option<&str>) -> Result<(), WriteError> {
    out.write_char('{')?;
    let mut written = 0;
    if let Some(name) = variant {
        out.write_str("\"variant\":")?;
        string(out, name)?;
        written = 1;
    }
    for child in node.children()? {
        let child = child?;
        separate(out, written)?;
        string(out, field_name(&child.label).unwrap_or_default())?;
        out.write_char(':')?;
        value(out, &child.node)?;
        written += 1;
    }
    Ok(out.write_char('}')?)
}

fn pairs(out: &mut dyn Write, node: &Node<'_>) -> Result<(), WriteError> {
    out.write_char('[')?;
    for (i, child) in node.children()?.enumerate() {
        let child = child?;
        separate(out, i)?;
        out.write_char('[')?;
        if let crate::inspect::Label::Key(key) = child.label {
            value(out, &key)?;
        }
        out.write_char(',')?;
        value(out, &child.node)?;
        out.write_char(']')?;
    }
    Ok(out.write_char(']')?)
}
