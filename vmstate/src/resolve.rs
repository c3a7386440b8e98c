//! From one version's bytes to another's: loading old (and newer) state, saving as an older version.
//!
//! Problem: state must survive renames, new and removed fields, changed types and moved flag bits, in
//! both directions, without per-version code in the expansion.
//!
//! Strategy: both ends are schemas. [`plan`] matches them once per pair of types: by name, through
//! former names, with the conversions and defaults of this build's definition. [`run`] then walks
//! the source bytes and writes target bytes; the straight decoder (or the file) takes those. Up: the
//! source is a file's schema, the target the newest version. Down: the source is the newest
//! version, the target a released one.
//!
//! Invariants: nothing is dropped silently. A source field without a place in the target must hold
//! its own default, unless this build removed it on purpose; a set flag and a used variant
//! need a name on the other side.
//!
//! Deliberately absent: guessing. Kinds that differ need a `convert`; only maxima may differ.

mod plan;
mod run;
mod show;

pub use show::show;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::define::TypeDef;
use crate::error::{LoadError, LoadProblem, SaveError, SaveProblem};
use crate::schema::encode::collect;
use crate::schema::{Schema, SchemaHash, SchemaTable};
use crate::wire::Reader;

/// Which end of a pair is this build's newest version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Up,
    Down,
}

/// How this build loads what was written under one foreign schema.
#[derive(Debug)]
pub(crate) struct Upgrade {
    plan: Rc<plan::TypePlan>,
    /// Schemas of the newest version.
    newest: SchemaTable,
}

impl Upgrade {
    /// Matches `writer`, whose nested types are in `table`, with the newest version of `def`.
    ///
    /// # Errors
    /// What in the schema this build cannot resolve, with the field's path.
    pub(crate) fn new(
        def: &'static TypeDef,
        writer: &Schema,
        table: &SchemaTable,
    ) -> Result<Self, LoadError> {
        let mut newest = SchemaTable::new();
        let target = collect(def, def.version, &mut newest);
        let target = resolved(&newest, &target)?;
        let planner = plan::Planner::new(Direction::Up, table, &mut newest);
        let plan = planner.plan(writer, &target, def)?;
        Ok(Self { plan, newest })
    }

    /// Turns `bytes`, written under the schema it was made for, into bytes of the newest version.
    ///
    /// # Errors
    /// Whatever keeps this build from understanding them, with the field's path.
    pub(crate) fn run(&self, table: &SchemaTable, bytes: &[u8]) -> Result<Vec<u8>, LoadError> {
        let mut out = Vec::new();
        let mut reader = Reader::new(bytes);
        run::Runner::new(table, &self.newest).types(&self.plan, &mut reader, &mut out)?;
        reader.finish()?;
        Ok(out)
    }
}

/// Everything about the shape and the values of `bytes`, written under `writer`, that keeps them from
/// becoming the newest version of `def`; and the bytes of that version, in which every field at
/// fault holds its default, if there are any.
pub(crate) fn explain(
    def: &'static TypeDef,
    writer: &Schema,
    table: &SchemaTable,
    bytes: &[u8],
) -> (Option<Vec<u8>>, Vec<LoadError>) {
    let mut found = Vec::new();
    let result = (|| {
        let mut newest = SchemaTable::new();
        let target = collect(def, def.version, &mut newest);
        let target = resolved(&newest, &target)?;
        let planner = plan::Planner::new(Direction::Up, table, &mut newest);
        let (plan, problems) = planner.explain(writer, &target, def)?;
        found.extend(problems);
        let (mut out, mut reader) = (Vec::new(), Reader::new(bytes));
        let mut runner = run::Runner::new(table, &newest).explaining();
        let result = runner.types(&plan, &mut reader, &mut out).and_then(|()| reader.finish());
        found.extend(runner.found());
        result.map(|()| out)
    })();
    (result.map_err(|error| found.push(error)).ok(), found)
}

/// The upgrades found so far for the schemas of one table: a machine has many instances of few types.
#[derive(Debug, Default)]
pub(crate) struct Upgrades(RefCell<BTreeMap<(*const TypeDef, SchemaHash), Rc<Upgrade>>>);

impl Upgrades {
    /// The way from `writer` to the newest version of `def`.
    ///
    /// # Errors
    /// As [`Upgrade::new`].
    pub(crate) fn get(
        &self,
        def: &'static TypeDef,
        writer: &Schema,
        table: &SchemaTable,
    ) -> Result<Rc<Upgrade>, LoadError> {
        let key = (std::ptr::from_ref(def), writer.hash);
        if let Some(known) = self.0.borrow().get(&key) {
            return Ok(Rc::clone(known));
        }
        let upgrade = Rc::new(Upgrade::new(def, writer, table)?);
        self.0.borrow_mut().insert(key, Rc::clone(&upgrade));
        Ok(upgrade)
    }
}

/// Appends to `out` what `newest` (bytes of the newest version) is in `version`.
///
/// # Errors
/// An unsupported version, or the first value that `version` cannot hold.
pub fn downgrade(
    def: &'static TypeDef,
    version: u32,
    newest: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), SaveError> {
    let type_name = def.full_name();
    if version < def.version_min || version > def.version {
        let (min, max) = (def.version_min, def.version);
        return Err(SaveError::new(SaveProblem::NoSuchVersion { type_name, version, min, max }));
    }
    let mut table = SchemaTable::new();
    let source = collect(def, def.version, &mut table);
    let mut targets = SchemaTable::new();
    let target = collect(def, version, &mut targets);
    lower(def, &table, &source, &mut targets, &target, newest, out).map_err(|error| {
        let (value, reason) = match error.problem() {
            LoadProblem::UnknownField { value } => {
                (value.clone(), "it has no such field, and the value is not the default".to_owned())
            }
            LoadProblem::Convert { value, reason } => (value.clone(), reason.clone()),
            LoadProblem::VariantUnsupported { variant, .. } => {
                (format!("variant `{variant}`"), "it has no such variant".to_owned())
            }
            LoadProblem::UnknownFlag { flag } => {
                (format!("flag {flag}"), "it has no such flag".to_owned())
            }
            problem => ("the state".to_owned(), problem.to_string()),
        };
        let problem = SaveProblem::NotRepresentable { type_name, version, value, reason };
        error.into_save_error(problem)
    })
}

fn lower(
    def: &'static TypeDef,
    sources: &SchemaTable,
    source: &crate::schema::TypeRef,
    targets: &mut SchemaTable,
    target: &crate::schema::TypeRef,
    newest: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), LoadError> {
    let source = resolved(sources, source)?;
    let target = resolved(targets, target)?;
    let planner = plan::Planner::new(Direction::Down, sources, targets);
    let plan = planner.plan(&source, &target, def)?;
    let mut reader = Reader::new(newest);
    run::Runner::new(sources, targets).types(&plan, &mut reader, out)?;
    reader.finish()
}

fn resolved(table: &SchemaTable, type_ref: &crate::schema::TypeRef) -> Result<Schema, LoadError> {
    table.resolve(type_ref).cloned().ok_or_else(|| {
        let owner = type_ref.name.clone();
        let missing = type_ref.clone();
        crate::schema::SchemaError::Unresolved { owner, missing }.into_load_error()
    })
}
