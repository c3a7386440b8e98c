//! A schema as text.

use std::fmt::{self, Write};

use super::node::{Form, Node};
use crate::schema::{Field, Presence, Schema, SchemaTable, Shape};

/// Writes a schema: one line a field, with kind, first version, conversions, default and former names.
///
/// # Errors
/// Those of the output.
pub fn describe(out: &mut dyn Write, schema: &Schema, table: &SchemaTable) -> fmt::Result {
    writeln!(
        out,
        "{} (semantic revision {}, loads from version {}, hash {})",
        schema.type_ref(),
        schema.semantic,
        schema.version_min,
        schema.hash
    )?;
    match &schema.shape {
        Shape::Struct(fields) => describe_fields(out, fields, table, 1),
        Shape::Enum(variants) => variants.iter().try_for_each(|variant| {
            writeln!(out, "  {} = {}", variant.name, variant.id)?;
            describe_fields(out, &variant.fields, table, 2)
        }),
    }
}

fn describe_fields(
    out: &mut dyn Write,
    fields: &[Field],
    table: &SchemaTable,
    depth: usize,
) -> fmt::Result {
    for field in fields {
        write!(out, "{:1$}{2}: {3}", "", depth * 2, field.name, field.kind)?;
        match field.presence {
            Presence::Always => {}
            Presence::When => out.write_str(", conditional")?,
            Presence::Subsection => out.write_str(", subsection")?,
        }
        if field.since > 1 {
            write!(out, ", since {}", field.since)?;
        }
        if field.revision > 0 {
            write!(out, ", converted {} times", field.revision)?;
        }
        if !field.aliases.is_empty() {
            write!(out, ", also called {}", field.aliases.join(", "))?;
        }
        if let Some(bytes) = &field.default {
            let node = Node { table, form: Form::Kind(&field.kind), bytes, offset: 0 };
            // The table was verified, and with it that defaults are values of their kinds.
            write!(out, ", default {}", node.brief().unwrap_or_default())?;
        }
        writeln!(out)?;
    }
    Ok(())
}
