//! `emulator schema`

use std::fs;
use std::path::{Path, PathBuf};

use vmstate::TypeEntry;
use vmstate::inspect::describe;
use vmstate::lock::{self, Finding, FreezeError, Grade};
use vmstate::schema::encode::collect;
use vmstate::schema::{Field, Presence, Schema, SchemaTable, Shape};

use super::kind::expect_snapshot;
use super::output::{Answer, CliError, Output};
use crate::machine::board::Board;
use crate::snapshot::Chain;
use crate::types::VMSTATE_TYPES;

/// The crates of this workspace whose released state is locked, with the types that they list.
const CRATES: &[(&str, &[TypeEntry])] = &[("emulator", VMSTATE_TYPES)];

/// Look at the descriptions of state types, and release them.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    work: Work,
}

#[derive(Debug, clap::Subcommand)]
enum Work {
    /// Show a type: its fields, kinds, versions and defaults. Without a type, the names of all.
    Show {
        /// Name of the type; with @VERSION, that version.
        type_name: Option<String>,
        /// As this snapshot describes it, rather than this build.
        #[arg(long)]
        file: Option<PathBuf>,
        /// As JSON, for scripts: an array, of objects when a type is given, else of names.
        #[arg(long)]
        json: bool,
    },
    /// Compare two lock files: what the newer one breaks, worst first. Exit code 1 if it breaks
    /// anything.
    Check {
        /// The lock as it was.
        old: PathBuf,
        /// The lock as it is.
        new: PathBuf,
        /// As JSON, for scripts: an array of objects.
        #[arg(long)]
        json: bool,
    },
    /// Release every type of this build, in all versions that it writes: append what is new to the locks of
    /// this workspace. Exit code 1 if something released was changed; nothing is written then.
    Freeze {
        /// Root of the workspace that this program was built from.
        #[arg(long, default_value = ".")]
        workspace: PathBuf,
    },
}

/// Runs the verb.
///
/// # Errors
/// A file that cannot be read or written, a type that there is not.
pub(super) fn run(
    args: &Args,
    _boards: &[&dyn Board],
    out: &mut Output,
) -> Result<Answer, CliError> {
    match &args.work {
        Work::Show { type_name, file, json } => {
            show(type_name.as_deref(), file.as_deref(), *json, out)
        }
        Work::Check { old, new, json } => check(old, new, *json, out),
        Work::Freeze { workspace } => freeze(workspace, out),
    }
}

fn show(
    type_name: Option<&str>,
    file: Option<&Path>,
    json: bool,
    out: &mut Output,
) -> Result<Answer, CliError> {
    let table = match file {
        None => known(),
        Some(file) => {
            expect_snapshot(file)?;
            let chain = Chain::open_alone(file)?;
            chain.newest().schema_table().map_err(|error| CliError::container(file, error))?
        }
    };
    let names: Vec<_> = table.iter().map(|schema| schema.type_ref().to_string()).collect();
    let Some(type_name) = type_name else {
        if json {
            out.line(format_args!("{}", serde_json::Value::from(names)));
        } else {
            names.iter().for_each(|name| out.line(format_args!("{name}")));
        }
        return Ok(Answer::Yes);
    };
    let is_meant = |schema: &&Schema| {
        schema.type_name == *type_name || schema.type_ref().to_string() == *type_name
    };
    let found: Vec<_> = table.iter().filter(is_meant).collect();
    if found.is_empty() {
        let why = format!("no type `{type_name}`; there are: {}", names.join(", "));
        return Err(CliError::Usage(why));
    }
    if json {
        let objects: Vec<_> = found.into_iter().map(schema_json).collect();
        out.line(format_args!("{}", serde_json::Value::from(objects)));
    } else {
        // Errors of the output are kept in it.
        found.iter().for_each(|schema| describe(out, schema, &table).unwrap_or_default());
    }
    Ok(Answer::Yes)
}

fn schema_json(schema: &Schema) -> serde_json::Value {
    let mut object = serde_json::json!({
        "type": schema.type_name, "version": schema.version, "semantic": schema.semantic,
        "version_min": schema.version_min, "hash": schema.hash.to_string(),
    });
    match &schema.shape {
        Shape::Struct(fields) => object["fields"] = fields.iter().map(field_json).collect(),
        Shape::Enum(variants) => {
            let variants = variants.iter().map(|variant| {
                let fields: Vec<_> = variant.fields.iter().map(field_json).collect();
                serde_json::json!({"id": variant.id, "name": variant.name, "fields": fields})
            });
            object["variants"] = variants.collect();
        }
    }
    object
}

/// A field; its kind as the lock writes it, its default in hexadecimal.
fn field_json(field: &Field) -> serde_json::Value {
    let presence = match field.presence {
        Presence::Always => "always",
        Presence::When => "when",
        Presence::Subsection => "subsection",
    };
    let hex = |bytes: &Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    serde_json::json!({
        "name": field.name, "kind": field.kind.to_string(), "presence": presence,
        "since": field.since, "aliases": field.aliases, "default": field.default.as_ref().map(hex),
    })
}

/// The schemas of this build, in every version that it loads.
fn known() -> SchemaTable {
    let mut table = SchemaTable::new();
    for entry in CRATES.iter().flat_map(|(_, types)| *types) {
        for version in entry.def.version_min..=entry.def.version {
            collect(entry.def, version, &mut table);
        }
    }
    table
}

fn check(old: &Path, new: &Path, json: bool, out: &mut Output) -> Result<Answer, CliError> {
    let read = |path: &Path| {
        let failed = |why: String| CliError::File { path: path.display().to_string(), why };
        let text = fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
        lock::parse(&text).map_err(|error| failed(error.to_string()))
    };
    let findings = lock::compare(&read(old)?, &read(new)?);
    if json {
        let objects: Vec<_> = findings
            .iter()
            .map(|Finding { grade, place, message }| {
                serde_json::json!({"grade": grade.to_string(), "place": place, "message": message})
            })
            .collect();
        out.line(format_args!("{}", serde_json::Value::from(objects)));
    } else {
        findings.iter().for_each(|finding| out.line(format_args!("{finding}")));
    }
    let breaks = findings.iter().any(|finding| finding.grade == Grade::Breaking);
    Ok(if breaks { Answer::No } else { Answer::Yes })
}

fn freeze(workspace: &Path, out: &mut Output) -> Result<Answer, CliError> {
    let mut answer = Answer::Yes;
    for (name, types) in CRATES {
        let folder = workspace.join(name);
        if !folder.join("Cargo.toml").is_file() {
            let why = format!(
                "`{}` is no workspace with the crate {name}: give --workspace",
                workspace.display()
            );
            return Err(CliError::Usage(why));
        }
        let path = folder.join("vmstate.lock");
        let defs: Vec<_> = types.iter().map(|entry| entry.def).collect();
        match lock::freeze(&defs, &path) {
            Ok(frozen) if frozen.is_empty() => {
                out.line(format_args!("{}: nothing new", path.display()));
            }
            Ok(frozen) => {
                for released in frozen {
                    out.line(format_args!("{}: released {released}", path.display()));
                }
            }
            Err(error @ FreezeError::Differs { .. }) => {
                out.line(format_args!("{error}"));
                answer = Answer::No;
            }
            Err(error) => {
                let (path, why) = (path.display().to_string(), error.to_string());
                return Err(CliError::File { path, why });
            }
        }
    }
    Ok(answer)
}
