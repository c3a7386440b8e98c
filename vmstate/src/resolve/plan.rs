//! Matching two schemas, once per pair.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::{Direction, resolved};
use crate::define::{ConvertFn, FieldDef, KindDef, ShapeDef, TypeDef};
use crate::error::{LoadError, LoadProblem};
use crate::schema::encode::collect;
use crate::schema::{
    Field, Kind, Presence, Schema, SchemaHash, SchemaTable, Shape, TYPE_DEPTH_MAX, Variant,
};

/// What to do with one value.
#[derive(Debug)]
pub(crate) enum Plan {
    /// Both kinds are the same: copy its bytes.
    Copy,
    /// Move bits: (source bit, name, target bit).
    Flags {
        from: u32,
        to: u32,
        bits: Vec<(u32, String, Option<u32>)>,
    },
    Option(Box<Self>),
    Array(Box<Self>, u64),
    Seq(Box<Self>, u64),
    Map(Box<Self>, Box<Self>, u64),
    Tuple(Vec<Self>),
    Type(Rc<TypePlan>),
}

/// What to do with one deriving type.
#[derive(Debug)]
pub(crate) enum TypePlan {
    /// Same hash: copy.
    Copy(Schema),
    Struct(FieldsPlan),
    /// By the source's id.
    Enum {
        type_name: String,
        variants: Vec<VariantPlan>,
    },
}

#[derive(Debug)]
pub(crate) struct VariantPlan {
    pub(crate) from: u32,
    pub(crate) name: String,
    /// The target's id; `None` if the target lacks the variant.
    pub(crate) to: Option<(u32, FieldsPlan)>,
}

#[derive(Debug)]
pub(crate) struct FieldsPlan {
    /// In the source's order.
    pub(crate) sources: Vec<Field>,
    /// Sources without a place in the target: they must hold their default.
    pub(crate) unknown: Vec<usize>,
    /// In the target's order.
    pub(crate) targets: Vec<Target>,
}

#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) field: Field,
    pub(crate) source: Option<Source>,
    /// The target has a `when` of which the source knew nothing, so a default agrees with either verdict.
    pub(crate) newly_conditional: bool,
}

/// Where a target's value comes from: `before`, then the conversions, then `after`.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) index: usize,
    pub(crate) before: Plan,
    pub(crate) convert: Vec<ConvertFn>,
    /// Kind that the conversions end in, and the way from it to the target's.
    pub(crate) after: Option<(Kind, Plan)>,
}

/// Builds plans; each pair of types once.
pub(crate) struct Planner<'a> {
    direction: Direction,
    sources: &'a SchemaTable,
    targets: &'a mut SchemaTable,
    known: BTreeMap<(SchemaHash, SchemaHash), Rc<TypePlan>>,
    depth: usize,
    /// Fields without a way from source to target; their plans say that the source lacks them.
    found: Vec<LoadError>,
}

/// Puts the errors from the `mark`th on inside something.
pub(crate) fn nest(
    errors: &mut Vec<LoadError>,
    mark: usize,
    within: impl Fn(LoadError) -> LoadError,
) {
    let inner = errors.split_off(mark);
    errors.extend(inner.into_iter().map(within));
}

fn mismatch(source: &Kind, target: &Kind) -> LoadError {
    let (found, expected) = (source.to_string(), target.to_string());
    LoadError::of_value(LoadProblem::KindMismatch { found, expected })
}

impl<'a> Planner<'a> {
    pub(crate) fn new(
        direction: Direction,
        sources: &'a SchemaTable,
        targets: &'a mut SchemaTable,
    ) -> Self {
        let (known, depth) = (BTreeMap::new(), TYPE_DEPTH_MAX);
        Self { direction, sources, targets, known, depth, found: Vec::new() }
    }

    /// The plan for a whole type, or the first reason why there is none.
    ///
    /// # Errors
    /// As [`Planner::explain`].
    pub(crate) fn plan(
        self,
        source: &Schema,
        target: &Schema,
        def: &'static TypeDef,
    ) -> Result<Rc<TypePlan>, LoadError> {
        let (plan, found) = self.explain(source, target, def)?;
        found.into_iter().next().map_or(Ok(plan), Err)
    }

    /// The plan for a whole type as far as there is one, and every field that it leaves out.
    ///
    /// # Errors
    /// Types that do not match at all.
    pub(crate) fn explain(
        mut self,
        source: &Schema,
        target: &Schema,
        def: &'static TypeDef,
    ) -> Result<(Rc<TypePlan>, Vec<LoadError>), LoadError> {
        let plan = self.types(source, target, def)?;
        Ok((plan, self.found))
    }

    fn types(
        &mut self,
        source: &Schema,
        target: &Schema,
        def: &'static TypeDef,
    ) -> Result<Rc<TypePlan>, LoadError> {
        if let Some(known) = self.known.get(&(source.hash, target.hash)) {
            return Ok(Rc::clone(known));
        }
        if self.direction == Direction::Up {
            accept(source, target, def)?;
        }
        let plan = if source.hash == target.hash {
            TypePlan::Copy(source.clone())
        } else {
            self.depth = self
                .depth
                .checked_sub(1)
                .ok_or_else(|| LoadError::of_value(LoadProblem::TooDeep { max: TYPE_DEPTH_MAX }))?;
            let plan = self.differing(source, target, def)?;
            self.depth += 1;
            plan
        };
        let plan = Rc::new(plan);
        self.known.insert((source.hash, target.hash), Rc::clone(&plan));
        Ok(plan)
    }

    fn differing(
        &mut self,
        source: &Schema,
        target: &Schema,
        def: &'static TypeDef,
    ) -> Result<TypePlan, LoadError> {
        let versions = (source.version, target.version);
        match (&source.shape, &target.shape, def.shape) {
            (Shape::Struct(from), Shape::Struct(to), ShapeDef::Struct(defs)) => {
                Ok(TypePlan::Struct(self.fields(from, to, defs, versions)?))
            }
            (Shape::Enum(from), Shape::Enum(to), ShapeDef::Enum(defs)) => {
                let mut variants = Vec::new();
                for variant in from {
                    let fields = defs
                        .iter()
                        .find(|def| def.name == variant.name)
                        .map_or(&[][..], |def| def.fields);
                    variants.push(self.variant(variant, to, fields, versions)?);
                }
                Ok(TypePlan::Enum { type_name: target.type_name.clone(), variants })
            }
            _ => {
                let (found, expected) = (source.type_name.clone(), target.type_name.clone());
                Err(LoadError::of_value(LoadProblem::TypeMismatch { found, expected }))
            }
        }
    }

    fn variant(
        &mut self,
        from: &Variant,
        targets: &[Variant],
        defs: &'static [FieldDef],
        versions: (u32, u32),
    ) -> Result<VariantPlan, LoadError> {
        let to = match targets.iter().find(|target| target.name == from.name) {
            None => None,
            Some(to) => {
                let mark = self.found.len();
                let fields = self
                    .fields(&from.fields, &to.fields, defs, versions)
                    .map_err(|error| error.within(&from.name))?;
                nest(&mut self.found, mark, |error| error.within(&from.name));
                Some((to.id, fields))
            }
        };
        Ok(VariantPlan { from: from.id, name: from.name.clone(), to })
    }

    fn fields(
        &mut self,
        sources: &[Field],
        targets: &[Field],
        defs: &'static [FieldDef],
        (source_version, target_version): (u32, u32),
    ) -> Result<FieldsPlan, LoadError> {
        let mut used = vec![false; sources.len()];
        let mut plans = Vec::new();
        for target in targets {
            let def = defs
                .iter()
                .find(|def| {
                    def.lives_in(target_version) && def.name_in(target_version) == target.name
                })
                .ok_or_else(|| LoadError::of_value(LoadProblem::MissingField))?;
            let found = self.find(sources, def, source_version);
            let mark = self.found.len();
            let source = found.and_then(|index| {
                used[index] = true;
                let source = self.source(index, &sources[index], target, def);
                source.map_err(|error| self.found.push(error)).ok()
            });
            let has_value = found.is_some() || target.presence != Presence::Always;
            if !has_value && target.default.is_none() {
                self.found.push(LoadError::of_value(LoadProblem::MissingField));
            }
            nest(&mut self.found, mark, |error| error.within(&target.name));
            let stated = source.as_ref().map(|source| sources[source.index].presence);
            let newly_conditional = self.direction == Direction::Up
                && target.presence == Presence::When
                && stated != Some(Presence::When);
            plans.push(Target { field: target.clone(), source, newly_conditional });
        }
        let unknown = (0..sources.len())
            .filter(|&index| {
                !used[index] && !self.is_removed(&sources[index], defs, source_version)
            })
            .collect();
        Ok(FieldsPlan { sources: sources.to_vec(), unknown, targets: plans })
    }

    /// The source field that is `def`.
    fn find(&self, sources: &[Field], def: &FieldDef, version: u32) -> Option<usize> {
        if self.direction == Direction::Down && !def.lives_in(version) {
            return None;
        }
        let called = |name: &str| sources.iter().position(|source| source.name == name);
        called(def.name_in(version))
            .or_else(|| called(def.name))
            .or_else(|| def.aliases.iter().rev().find_map(|alias| called(alias.0)))
            .or_else(|| {
                sources.iter().position(|source| source.aliases.iter().any(|a| a == def.name))
            })
            // A field introduced later under a former name is not the former field.
            .filter(|_| self.direction == Direction::Down || def.since <= version)
    }

    /// Whether this build once had `source` and removed it on purpose.
    fn is_removed(&self, source: &Field, defs: &[FieldDef], version: u32) -> bool {
        self.direction == Direction::Up
            && defs.iter().any(|def| {
                def.until != u32::MAX
                    && def.lives_in(version)
                    && def.name_in(version) == source.name
            })
    }

    fn source(
        &mut self,
        index: usize,
        source: &Field,
        target: &Field,
        def: &'static FieldDef,
    ) -> Result<Source, LoadError> {
        let steps = def.conversions.len();
        let revision = match self.direction {
            Direction::Up => source.revision,
            Direction::Down => target.revision,
        };
        let revision = usize::try_from(revision).unwrap_or(usize::MAX);
        if revision > steps {
            return Err(mismatch(&source.kind, &target.kind));
        }
        let Some(first) = def.conversions.get(revision) else {
            let before = self.kinds(&source.kind, &target.kind, &def.kind)?;
            return Ok(Source { index, before, convert: Vec::new(), after: None });
        };
        let between = self.newest_kind(&first.from);
        let steps = &def.conversions[revision..];
        match self.direction {
            Direction::Up => {
                let before = self.kinds(&source.kind, &between, &first.from)?;
                let convert = steps.iter().map(|step| step.up).collect();
                Ok(Source { index, before, convert, after: None })
            }
            Direction::Down => {
                let after = self.kinds(&between, &target.kind, &first.from)?;
                let convert = steps.iter().rev().map(|step| step.down).collect();
                Ok(Source { index, before: Plan::Copy, convert, after: Some((between, after)) })
            }
        }
    }

    /// `def` with every deriving type in it at its newest version.
    fn newest_kind(&mut self, def: &KindDef) -> Kind {
        let mut inner = |def: &KindDef| Box::new(self.newest_kind(def));
        match def {
            KindDef::String(max) => Kind::String { max: *max },
            KindDef::Option(item) => Kind::Option(inner(item)),
            KindDef::Array(item, count) => Kind::Array { item: inner(item), count: *count as u64 },
            KindDef::Seq(item, max) => Kind::Seq { item: inner(item), max: *max },
            KindDef::Set(item, max) => Kind::Set { item: inner(item), max: *max },
            KindDef::Map(key, value, max) => {
                Kind::Map { key: inner(key), value: inner(value), max: *max }
            }
            KindDef::Tuple(items) => {
                Kind::Tuple(items.iter().map(|item| self.newest_kind(item)).collect())
            }
            KindDef::Flags(bits, names) => {
                let names = names.iter().map(|(name, bit)| ((*name).to_owned(), *bit)).collect();
                Kind::Flags { bits: *bits, names }
            }
            KindDef::Type(def) => Kind::Type(collect(def, def.version, self.targets)),
            scalar => Kind::of_scalar(scalar.tag()).expect("the kinds with parameters stand above"),
        }
    }

    fn kinds(&mut self, source: &Kind, target: &Kind, def: &KindDef) -> Result<Plan, LoadError> {
        let plan = match (source, target, def) {
            (Kind::Type(from), Kind::Type(to), KindDef::Type(def)) => {
                let from_schema = match self.sources.resolve(from) {
                    Some(schema) => schema.clone(),
                    None => resolved(self.targets, from)?,
                };
                let to_schema = resolved(self.targets, to)?;
                let plan = self.types(&from_schema, &to_schema, def)?;
                match *plan {
                    TypePlan::Copy(_) => Plan::Copy,
                    _ => Plan::Type(plan),
                }
            }
            (Kind::Option(from), Kind::Option(to), KindDef::Option(def)) => {
                Plan::Option(Box::new(self.kinds(from, to, def)?))
            }
            (
                Kind::Array { item: from, count },
                Kind::Array { item: to, count: same },
                KindDef::Array(def, _),
            ) if count == same => Plan::Array(Box::new(self.kinds(from, to, def)?), *count),
            (Kind::Seq { item: from, max }, Kind::Seq { item: to, .. }, KindDef::Seq(def, _))
            | (Kind::Set { item: from, max }, Kind::Set { item: to, .. }, KindDef::Set(def, _)) => {
                Plan::Seq(Box::new(self.kinds(from, to, def)?), *max)
            }
            (
                Kind::Map { key, value, max },
                Kind::Map { key: to_key, value: to_value, .. },
                KindDef::Map(key_def, value_def, _),
            ) => Plan::Map(
                Box::new(self.kinds(key, to_key, key_def)?),
                Box::new(self.kinds(value, to_value, value_def)?),
                *max,
            ),
            (Kind::Tuple(from), Kind::Tuple(to), KindDef::Tuple(defs))
                if from.len() == to.len() && to.len() == defs.len() =>
            {
                let mut items = Vec::new();
                for ((from, to), def) in from.iter().zip(to).zip(*defs) {
                    items.push(self.kinds(from, to, def)?);
                }
                Plan::Tuple(items)
            }
            (Kind::Flags { bits, names }, Kind::Flags { bits: to, names: to_names }, _) => {
                Plan::Flags { from: *bits, to: *to, bits: moved(names, to_names) }
            }
            (Kind::String { .. }, Kind::String { .. }, _) => return Ok(Plan::Copy),
            _ if source == target => return Ok(Plan::Copy),
            _ => return Err(mismatch(source, target)),
        };
        Ok(if source == target { Plan::Copy } else { plan })
    }
}

fn moved(names: &[(String, u32)], targets: &[(String, u32)]) -> Vec<(u32, String, Option<u32>)> {
    names
        .iter()
        .map(|(name, bit)| {
            let target = targets.iter().find(|(other, _)| other == name).map(|(_, bit)| *bit);
            (*bit, name.clone(), target)
        })
        .collect()
}

/// Whether this build loads what `source` describes at all.
fn accept(source: &Schema, target: &Schema, def: &TypeDef) -> Result<(), LoadError> {
    let type_name = target.type_name.clone();
    if source.type_name != target.type_name {
        let (found, expected) = (source.type_name.clone(), type_name);
        return Err(LoadError::of_value(LoadProblem::TypeMismatch { found, expected }));
    }
    if source.version < def.version_min {
        let (found, min) = (source.version, def.version_min);
        return Err(LoadError::of_value(LoadProblem::TooOld { type_name, found, min }));
    }
    let expected = def.semantic_in(source.version);
    if source.semantic != expected {
        let found = source.semantic;
        return Err(LoadError::of_value(LoadProblem::SemanticMismatch {
            type_name,
            found,
            expected,
        }));
    }
    Ok(())
}
