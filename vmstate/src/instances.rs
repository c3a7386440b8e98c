//! The instances of one machine: saved together, loaded together or not at all.
//!
//! # Problem
//! A machine is a list of devices, each with a path. A snapshot fits it only if every device finds
//! its section and every section its device; half a load must never happen; and whoever reads the
//! error wants all of it, not the first of twelve missing devices at a time.
//!
//! # Strategy
//! [`Instances::stage`] decodes every section into staged values while the live machine is only
//! looked at (configuration that must be equal is compared), and collects the first problem of each
//! instance; [`Instances::explain`] looks for all of them.
//! [`Instances::commit`] then swaps the staged values in, in the order of the declared dependencies;
//! if a type refuses the whole, everything is swapped back. Between the two the caller stages what
//! lies outside the schemas (RAM).
//!
//! # Absent on purpose
//! Wiring. Recomputing interrupt lines after a load is the machine's affair, for which it is given
//! [`Instances::restore_order`].

mod order;
mod raw;

pub use raw::RawStates;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::{Deref, DerefMut};

use crate::container::{
    ContainerError, ErrorKind, KIND_STATE, Place, SectionBody, SectionEntry, Snapshot,
    SnapshotBuilder,
};
use crate::define::TypeDef;
use crate::error::{LoadError, SaveError};
use crate::explain;
use crate::instance::{Instance, Staged};
use crate::schema::{SCHEMA_PARTS_MAX, Schema, SchemaTable, TypeRef};

/// Something that keeps a machine's instances from being saved or loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstanceProblem {
    /// Two instances have one path.
    #[error("two instances have the path `{path}`")]
    Duplicate {
        /// The path.
        path: String,
    },
    /// The machine has an instance for which the file has no state.
    #[error("`{path}` ({type_name}) is in the machine but not in the file")]
    Missing {
        /// The path.
        path: String,
        /// Its type.
        type_name: String,
    },
    /// The file has state for which the machine has no instance.
    #[error("`{path}` ({type_name}) is in the file but not in the machine")]
    Unknown {
        /// The path.
        path: String,
        /// Its type.
        type_name: String,
    },
    /// An instance says that it cannot be saved now.
    #[error("`{path}` is not migratable because {reason}")]
    Blocked {
        /// The path.
        path: String,
        /// What it says.
        reason: String,
    },
    /// A declared dependency names nothing.
    #[error("`{path}` depends on `{dependency}`, which is no instance")]
    UnknownDependency {
        /// The instance that declares it.
        path: String,
        /// What it declares.
        dependency: String,
    },
    /// Dependencies that go round.
    #[error("restore order: the dependencies form a cycle: {}", paths.join(" -> "))]
    Cycle {
        /// The instances, the first again at the end.
        paths: Vec<String>,
    },
    /// The state of an instance could not be written.
    #[error("`{path}`: {error}")]
    Save {
        /// The path.
        path: String,
        /// Why.
        error: SaveError,
    },
    /// The loaded state was refused by its own type when the whole of it was in place.
    #[error("`{path}`: {error}")]
    Finish {
        /// The path.
        path: String,
        /// Why.
        error: LoadError,
    },
    /// The file, or the state of an instance in it, cannot be read.
    #[error(transparent)]
    Container(#[from] ContainerError),
}

/// Everything that keeps a machine from being saved or loaded; never empty.
#[derive(Debug)]
pub struct InstanceErrors(Vec<InstanceProblem>);

impl InstanceErrors {
    /// What was found, in the order of the machine's and then the file's list.
    pub fn problems(&self) -> &[InstanceProblem] {
        &self.0
    }
}

impl fmt::Display for InstanceErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for InstanceErrors {}

impl From<InstanceProblem> for InstanceErrors {
    fn from(problem: InstanceProblem) -> Self {
        Self(vec![problem])
    }
}

impl From<ContainerError> for InstanceErrors {
    fn from(error: ContainerError) -> Self {
        InstanceProblem::from(error).into()
    }
}

/// `Err` if there are problems.
fn refuse(problems: Vec<InstanceProblem>) -> Result<(), InstanceErrors> {
    if problems.is_empty() { Ok(()) } else { Err(InstanceErrors(problems)) }
}

/// One instance and what the machine declares about it.
#[derive(Debug)]
struct Entry<R> {
    path: String,
    instance: R,
    depends_on: Vec<String>,
    blockers: Vec<String>,
}

/// A machine's instances by path. `R` is `&dyn Instance` to save and `&mut dyn Instance` to load.
#[derive(Debug)]
pub struct Instances<R> {
    entries: Vec<Entry<R>>,
}

impl<R> Default for Instances<R> {
    fn default() -> Self {
        Self { entries: Vec::new() }
    }
}

impl<R> Instances<R> {
    /// An empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an instance under a path that is stable between builds, such as `soc.uart0`.
    pub fn add(&mut self, path: impl Into<String>, instance: R) -> &mut Self {
        let path = path.into();
        self.entries.push(Entry { path, instance, depends_on: Vec::new(), blockers: Vec::new() });
        self
    }

    /// Declares that the instance added last is restored after `paths`.
    ///
    /// # Panics
    /// If nothing has been added.
    pub fn after<P: Into<String>>(&mut self, paths: impl IntoIterator<Item = P>) -> &mut Self {
        let last = self.entries.last_mut().expect("an instance has been added");
        last.depends_on.extend(paths.into_iter().map(Into::into));
        self
    }

    /// Declares that the instance added last cannot be saved, and why ("a host socket is open").
    ///
    /// # Panics
    /// If nothing has been added.
    pub fn blocked(&mut self, reason: impl Into<String>) -> &mut Self {
        let last = self.entries.last_mut().expect("an instance has been added");
        last.blockers.push(reason.into());
        self
    }

    /// The paths in the order in which they were added.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.path.as_str())
    }

    /// Indices of the instances, each after all it depends on.
    ///
    /// # Errors
    /// Unknown dependencies, or a cycle.
    pub fn restore_order(&self) -> Result<Vec<usize>, InstanceErrors> {
        let items: Vec<_> = self
            .entries
            .iter()
            .map(|entry| (entry.path.as_str(), entry.depends_on.as_slice()))
            .collect();
        order::restore_order(&items).map_err(InstanceErrors)
    }

    fn duplicates(&self) -> Vec<InstanceProblem> {
        let mut seen = BTreeSet::new();
        let again = self.entries.iter().filter(|entry| !seen.insert(entry.path.as_str()));
        again.map(|entry| InstanceProblem::Duplicate { path: entry.path.clone() }).collect()
    }
}

impl<'a, R: Deref<Target = dyn Instance + 'a>> Instances<R> {
    /// The instance with this path.
    pub fn get(&self, path: &str) -> Option<&(dyn Instance + 'a)> {
        self.entries.iter().find(|entry| entry.path == path).map(|entry| &*entry.instance)
    }

    /// Adds the state of every instance, and the schemas, to a snapshot being built.
    ///
    /// `version_of` chooses the version to write by path and type name; `None` means the newest.
    ///
    /// # Errors
    /// Every duplicate path, blocker and value that the chosen version cannot hold.
    pub fn save(
        &self,
        snapshot: &mut SnapshotBuilder,
        version_of: &dyn Fn(&str, &str) -> Option<u32>,
    ) -> Result<(), InstanceErrors> {
        let mut problems = self.duplicates();
        for entry in &self.entries {
            problems.extend(entry.blockers.iter().map(|reason| InstanceProblem::Blocked {
                path: entry.path.clone(),
                reason: reason.clone(),
            }));
        }
        refuse(problems)?;
        let mut problems = Vec::new();
        let mut table = SchemaTable::new();
        // A machine has many instances of few types.
        let mut known: BTreeMap<(*const TypeDef, u32), TypeRef> = BTreeMap::new();
        for entry in &self.entries {
            let instance = &*entry.instance;
            let version = version_of(&entry.path, &instance.type_name());
            let version = version.unwrap_or_else(|| instance.version());
            let mut bytes = Vec::new();
            if let Err(error) = instance.save(version, &mut bytes) {
                problems.push(InstanceProblem::Save { path: entry.path.clone(), error });
                continue;
            }
            let type_ref = known
                .entry((instance.type_def(), version))
                .or_insert_with(|| instance.collect_schemas(version, &mut table))
                .clone();
            snapshot.section(SectionBody {
                kind: KIND_STATE.to_owned(),
                needed: true,
                path: entry.path.clone(),
                type_name: type_ref.name,
                version,
                schema: type_ref.hash.to_bytes(),
                bytes,
            });
        }
        let parts: usize = table.iter().map(Schema::parts).sum();
        if parts > SCHEMA_PARTS_MAX {
            let (what, value) = ("number of parts of all schemas", parts as u64);
            let limit = SCHEMA_PARTS_MAX as u64;
            let error = Place::new("schemas", 0).error(ErrorKind::Limit { what, value, limit });
            problems.push(error.into());
        }
        for schema in table.iter() {
            let (name, hash) = (&schema.type_name, schema.hash.to_bytes());
            snapshot.schema(name, schema.version, hash, schema.encoded().to_vec());
        }
        refuse(problems)
    }

    /// Decodes the state of every instance without touching any.
    ///
    /// # Errors
    /// Everything that keeps the file from being loaded: a container version of the future,
    /// damage, missing, unknown and duplicate instances, state that its instance refuses.
    pub fn stage(&self, snapshot: &Snapshot<'_>) -> Result<StagedInstances, InstanceErrors> {
        self.stage_with(snapshot, |instance, bytes, writer, table| {
            instance.stage(bytes, writer, table)
        })
    }

    /// As [`Instances::stage`], by [`Instance::stage_adopting`].
    ///
    /// # Errors
    /// As [`Instances::stage`], but for configuration that differs.
    pub fn stage_adopting(
        &self,
        snapshot: &Snapshot<'_>,
    ) -> Result<StagedInstances, InstanceErrors> {
        self.stage_with(snapshot, |instance, bytes, writer, table| {
            instance.stage_adopting(bytes, writer, table)
        })
    }

    fn stage_with(
        &self,
        snapshot: &Snapshot<'_>,
        stage: StageOne,
    ) -> Result<StagedInstances, InstanceErrors> {
        let mut matched = self.matched(snapshot)?;
        let mut staged = Vec::with_capacity(self.entries.len());
        for (entry, section) in self.entries.iter().zip(&matched.sections) {
            let Some(section) = section else { continue };
            match stage_one(&*entry.instance, section, snapshot, &matched.table, stage) {
                Ok(value) => staged.push(value),
                Err(error) => matched.problems.push(error.into()),
            }
        }
        refuse(matched.all_problems())?;
        Ok(StagedInstances { staged, order: matched.order })
    }

    /// Finds each instance's section, and everything that keeps the two lists from being one.
    fn matched<'s>(&self, snapshot: &'s Snapshot<'_>) -> Result<Matched<'s>, InstanceErrors> {
        snapshot.header().check_loadable()?;
        let (table, damage) = snapshot.sound_schemas();
        let mut problems: Vec<InstanceProblem> = damage.into_iter().map(Into::into).collect();
        problems.extend(self.duplicates());
        let order = self.restore_order().unwrap_or_else(|errors| {
            problems.extend(errors.0);
            Vec::new()
        });
        let mut by_path: BTreeMap<&str, &SectionEntry> = BTreeMap::new();
        for entry in &snapshot.header().sections {
            if entry.kind == KIND_STATE {
                if by_path.insert(&entry.path, entry).is_some() {
                    problems.push(InstanceProblem::Duplicate { path: entry.path.clone() });
                }
            } else if entry.needed {
                let (what, name) = ("section kind", entry.kind.clone());
                let place = Place::new(&entry.path, entry.extent.offset);
                problems.push(place.error(ErrorKind::UnknownNeeded { what, name }).into());
            }
        }
        let mut sections = Vec::with_capacity(self.entries.len());
        for entry in &self.entries {
            let section = by_path.remove(entry.path.as_str());
            if section.is_none() {
                problems.push(InstanceProblem::Missing {
                    path: entry.path.clone(),
                    type_name: entry.instance.type_name(),
                });
            }
            sections.push(section);
        }
        let unknown = by_path.into_values().map(|section| InstanceProblem::Unknown {
            path: section.path.clone(),
            type_name: section.type_name.clone(),
        });
        Ok(Matched { table, order, sections, problems, unknown: unknown.collect() })
    }
}

/// The machine's list beside the file's.
struct Matched<'s> {
    table: SchemaTable,
    /// Indices of the instances, each after all it depends on.
    order: Vec<usize>,
    /// For each instance, if the file has it.
    sections: Vec<Option<&'s SectionEntry>>,
    problems: Vec<InstanceProblem>,
    /// Sections without an instance.
    unknown: Vec<InstanceProblem>,
}

impl Matched<'_> {
    fn all_problems(&mut self) -> Vec<InstanceProblem> {
        let mut all = std::mem::take(&mut self.problems);
        all.append(&mut self.unknown);
        all
    }
}

impl<'a, R: DerefMut<Target = dyn Instance + 'a>> Instances<R> {
    /// Puts staged state in place and lets every type finish it (caches, `post_load`). What was
    /// live before is in `staged` then, and [`Instances::undo`] brings it back.
    ///
    /// # Errors
    /// Every `post_load` that refuses; the live state is as it was before.
    ///
    /// # Panics
    /// If `staged` was made by another list of instances.
    pub fn commit(&mut self, staged: &mut StagedInstances) -> Result<(), InstanceErrors> {
        assert_eq!(staged.staged.len(), self.entries.len(), "staged by another list");
        self.swap(staged);
        let mut problems = Vec::new();
        for index in &staged.order {
            let entry = &mut self.entries[*index];
            if let Err(error) = entry.instance.finish(&staged.staged[*index]) {
                problems.push(InstanceProblem::Finish { path: entry.path.clone(), error });
            }
        }
        if !problems.is_empty() {
            self.undo(staged);
        }
        refuse(problems)
    }

    /// Brings back what was live before [`Instances::commit`].
    pub fn undo(&mut self, staged: &mut StagedInstances) {
        self.swap(staged);
        for index in &staged.order {
            self.entries[*index].instance.rebuild();
        }
    }

    /// Stages and commits.
    ///
    /// # Errors
    /// As [`Instances::stage`] and [`Instances::commit`]; the live state is as it was before.
    pub fn load(&mut self, snapshot: &Snapshot<'_>) -> Result<(), InstanceErrors> {
        let mut staged = self.stage(snapshot)?;
        self.commit(&mut staged)
    }

    /// Everything that keeps the file from being loaded: what [`Instances::load`] reports, and of each
    /// instance every field rather than the first, its hooks included. The live state is as it
    /// was; of one instance there are at most [`REASONS_MAX`](crate::explain::REASONS_MAX).
    ///
    /// # Errors
    /// All of it; `Ok` if the file would load.
    pub fn explain(&mut self, snapshot: &Snapshot<'_>) -> Result<(), InstanceErrors> {
        let mut matched = self.matched(snapshot)?;
        for (entry, section) in self.entries.iter_mut().zip(&matched.sections) {
            let Some(section) = section else { continue };
            let read = snapshot
                .section(section)
                .and_then(|bytes| Ok((bytes, section.schema_in(&matched.table)?)));
            match read {
                Err(error) => matched.problems.push(error.into()),
                Ok((bytes, writer)) => {
                    let found =
                        explain::reasons(&mut *entry.instance, &bytes, writer, &matched.table);
                    matched.problems.extend(found.into_iter().map(|reason| {
                        if reason.in_place {
                            let (path, error) = (entry.path.clone(), reason.error);
                            InstanceProblem::Finish { path, error }
                        } else {
                            section.value_error(&reason.error).into()
                        }
                    }));
                }
            }
        }
        refuse(matched.all_problems())
    }

    fn swap(&mut self, staged: &mut StagedInstances) {
        for index in &staged.order {
            let swapped = self.entries[*index].instance.swap(&mut staged.staged[*index]);
            assert!(swapped.is_ok(), "each instance gets what it staged itself: {swapped:?}");
        }
    }
}

/// The state of a whole machine, decoded and not yet in place (or, after a commit, what was live).
pub struct StagedInstances {
    /// In the order of the machine's list.
    staged: Vec<Staged>,
    /// Indices, each after all it depends on.
    order: Vec<usize>,
}

impl fmt::Debug for StagedInstances {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StagedInstances").field("order", &self.order).finish_non_exhaustive()
    }
}

/// How one instance stages its bytes.
type StageOne =
    for<'i> fn(&(dyn Instance + 'i), &[u8], &Schema, &SchemaTable) -> Result<Staged, LoadError>;

fn stage_one(
    instance: &dyn Instance,
    section: &SectionEntry,
    snapshot: &Snapshot<'_>,
    table: &SchemaTable,
    stage: StageOne,
) -> Result<Staged, ContainerError> {
    let bytes = snapshot.section(section)?;
    let schema = section.schema_in(table)?;
    stage(instance, &bytes, schema, table).map_err(|error| section.value_error(&error))
}
