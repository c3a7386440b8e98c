//! Saving and loading a machine: state and RAM together, or not at all.

use std::io::BufWriter;
use std::path::Path;

use vmstate::container::{
    AtomicFile, ExternalFile, MachineName, ParentRef, Position, ReplaceError, SnapshotBuilder,
};
use vmstate::instance::Instance;
use vmstate::instances::Instances;

use super::chain::{Chain, container_error};
use super::error::SnapshotError;
use super::pages::write_pages;
use super::ram;
use super::verify::verify;
use crate::memory::GuestMemory;

/// What a snapshot says of the machine beside its state.
#[derive(Debug, Clone, Default)]
pub struct Caption {
    /// Type and version of the machine.
    pub machine: MachineName,
    /// Where it stands.
    pub position: Position,
    /// Files that it needs and the snapshot does not hold.
    pub external_files: Vec<ExternalFile>,
    /// How it was configured, by name.
    pub properties: Vec<(String, String)>,
}

/// How to save.
#[derive(Debug, Clone, Copy, Default)]
pub struct SaveOptions<'a> {
    /// Save only the pages that differ from this snapshot.
    pub base: Option<&'a Path>,
    /// Compress RAM.
    pub compress: bool,
}

/// The build that writes snapshots.
pub const PRODUCER: &str = concat!("emulator ", env!("CARGO_PKG_VERSION"));

/// A snapshot that is written under a temporary name and not yet in its place.
#[derive(Debug)]
pub struct Written<'m> {
    file: AtomicFile,
    fingerprint: [u8; 32],
    memory: &'m GuestMemory,
}

impl Written<'_> {
    /// Syncs the file to disk and puts it in place. From now on the machine's memory knows what is
    /// written since, so that the next snapshot that rests on this one is quick.
    ///
    /// # Errors
    /// A failed sync or rename: whatever stood there is untouched.
    pub fn commit(self) -> Result<(), SnapshotError> {
        self.file.commit()?;
        self.memory.mark_written(self.fingerprint);
        Ok(())
    }
}

/// Writes a machine to a temporary file beside `path`. `version_of` chooses by path and type name the
/// version in which an instance's state is written, for machine versions; `None` means the newest.
/// The machine must not run before [`Written::commit`].
///
/// # Errors
/// An instance that cannot be saved, a base that cannot be read, a failed write: whatever stood at
/// `path` is untouched.
pub(super) fn write<'m>(
    path: &Path,
    caption: &Caption,
    instances: &Instances<&dyn Instance>,
    version_of: &dyn Fn(&str, &str) -> Option<u32>,
    memory: &'m GuestMemory,
    options: SaveOptions<'_>,
) -> Result<Written<'m>, SnapshotError> {
    let mut builder = SnapshotBuilder::new(PRODUCER, caption.machine.clone(), caption.position);
    for (key, value) in &caption.properties {
        builder.property(key, value);
    }
    for file in &caption.external_files {
        builder.external_file(file.clone());
    }
    instances
        .save(&mut builder, version_of)
        .map_err(|source| SnapshotError::Instances { path: path.to_owned(), source })?;
    let base = options.base.map(Chain::open).transpose()?;
    if let (Some(chain), Some(base)) = (&base, options.base) {
        builder.parent(parent(chain, base, path)?);
    }
    let mut declared = ram::declare(memory, base.as_ref(), options.compress, &mut builder)?;
    let file = AtomicFile::create(path)?;
    // The only error that the container sees after its checks is the output's: name it so.
    let context = container_error(path);
    let mut writer = builder.begin(BufWriter::new(file)).map_err(&context)?;
    for ram in &mut declared {
        write_pages(&ram.body, &mut writer, &mut ram.pages, &context)?;
    }
    let file = writer.finish().map_err(&context)?.into_inner().map_err(|error| {
        let (path, source) = (path.to_owned(), error.into_error());
        ReplaceError::Untouched { step: "write", path, source }
    })?;
    let fingerprint = ram::fingerprint(&Chain::open_alone(file.temporary())?)?;
    Ok(Written { file, fingerprint, memory })
}

/// How a snapshot at `path` names its parent `base`: relative to its own folder if they share it.
fn parent(chain: &Chain, base: &Path, path: &Path) -> Result<ParentRef, SnapshotError> {
    let io = |source| SnapshotError::Io { path: base.to_owned(), source };
    let folder = |path: &Path| match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.canonicalize(),
        _ => Path::new(".").canonicalize(),
    };
    let full = base.canonicalize().map_err(io)?;
    if path.canonicalize().is_ok_and(|path| path == full) {
        return Err(SnapshotError::OwnBase { path: path.to_owned() });
    }
    let own = folder(path).map_err(io)?;
    let name = full.strip_prefix(&own).unwrap_or(&full);
    let name = name.to_str().ok_or_else(|| io(std::io::Error::other("its name is not UTF-8")))?;
    let newest = chain.newest();
    let fingerprint = newest.fingerprint().map_err(container_error(base))?;
    Ok(ParentRef { name: name.to_owned(), fingerprint, position: newest.header().position })
}

/// How to load.
#[derive(Debug, Clone, Copy, Default)]
pub struct LoadOptions {
    /// Prove all RAM by its checksums first. Otherwise pages that are mapped are taken as they are;
    /// state, maps and file length are always proved.
    pub verify: bool,
}

/// Loads a snapshot with its parents into a machine of the same shape and returns its position.
/// The caller has compared the machine's name, and rewires afterwards.
///
/// # Errors
/// Everything that keeps it from being loaded; the machine is as it was.
pub fn load(
    chain: &Chain,
    instances: &mut Instances<&mut dyn Instance>,
    memory: &GuestMemory,
    options: LoadOptions,
) -> Result<Position, SnapshotError> {
    let newest = chain.newest();
    let path = chain.layers()[0].path();
    let refused = |source| SnapshotError::Instances { path: path.to_owned(), source };
    if options.verify {
        verify(chain)?;
    }
    let mut state = instances.stage(newest).map_err(refused)?;
    let ram = ram::stage(memory, chain)?;
    let fingerprint = ram::fingerprint(chain)?;
    instances.commit(&mut state).map_err(refused)?;
    ram.commit(memory);
    memory.mark_written(fingerprint);
    Ok(newest.header().position)
}

/// Compares the files that a snapshot names with `present`, those of this machine.
///
/// # Errors
/// The first that differs or is missing, by role and name.
pub fn check_external_files(chain: &Chain, present: &[ExternalFile]) -> Result<(), SnapshotError> {
    let mut files = chain.newest().header().external_files.iter();
    files.try_for_each(|file| check_external_file(chain, file, present))
}

/// Looks for one file that a snapshot names among `present`.
///
/// # Errors
/// It is missing or another.
pub fn check_external_file(
    chain: &Chain,
    file: &ExternalFile,
    present: &[ExternalFile],
) -> Result<(), SnapshotError> {
    let same = present.iter().any(|other| {
        (&other.role, other.length, other.blake3) == (&file.role, file.length, file.blake3)
    });
    if same {
        return Ok(());
    }
    Err(SnapshotError::ExternalFile {
        path: chain.layers()[0].path().to_owned(),
        role: file.role.clone(),
        name: file.name.clone(),
    })
}
