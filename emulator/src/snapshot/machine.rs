//! A [`Machine`] to and from a file.
//!
//! The file says how the machine was built (the properties have the names that recordings use) and
//! which images lay in its memory, with their digests, so `--load FILE` alone builds it again and an image
//! that changed since is refused by name: the guest's next reset would find it.

use std::path::{Path, PathBuf};

use vmstate::container::{ExternalFile, MachineName, Position as FilePosition};

use super::chain::Chain;
use super::error::SnapshotError;
use super::save::{Caption, LoadOptions, SaveOptions, Written, check_external_files, load, write};
use crate::clock::Position;
use crate::machine::board::Config;
use crate::machine::{Image, Machine};

/// Names of the properties, as recordings have them.
const CPUS: &str = "cpus";
const MEMORY_BYTES: &str = "memory-bytes";
const STEP_PS: &str = "step-ps";
const QUANTUM: &str = "quantum";
const APPEND: &str = "append";
/// The property that holds the CPU model with its switches.
pub const CPU: &str = "cpu";

/// Saves a machine that was built from `config`: between slices, running or not.
///
/// # Errors
/// As [`write_machine`]; a failed sync. Whatever stood at `path` is untouched then.
pub fn save_machine(
    machine: &Machine,
    config: &Config,
    path: &Path,
    options: SaveOptions<'_>,
) -> Result<(), SnapshotError> {
    write_machine(machine, config, path, options)?.commit()
}

/// Writes a machine that was built from `config` to a temporary file; [`Written::commit`] syncs it
/// and puts it in place.
///
/// # Errors
/// As [`write()`]; whatever stood at `path` is untouched then.
pub fn write_machine<'m>(
    machine: &'m Machine,
    config: &Config,
    path: &Path,
    options: SaveOptions<'_>,
) -> Result<Written<'m>, SnapshotError> {
    let (name, version) = machine.name().split_once('@').unwrap_or((machine.name(), ""));
    let Position { steps, idle_ns, sequence } = machine.position();
    let properties = [
        (CPUS, config.cpus.to_string()),
        (MEMORY_BYTES, config.memory_bytes.to_string()),
        (STEP_PS, config.step_ps.to_string()),
        (QUANTUM, config.quantum.to_string()),
        (APPEND, config.append.clone()),
    ];
    let caption = Caption {
        machine: MachineName { machine: name.to_owned(), version: version.to_owned() },
        position: FilePosition { steps, idle_ns, sequence },
        external_files: external_files(machine, config),
        properties: properties
            .into_iter()
            .chain(machine.properties().clone())
            .map(|(key, value)| (key.to_owned(), value))
            .collect(),
    };
    let version_of = |_: &str, type_name: &str| machine.version_of(type_name);
    write(path, &caption, &machine.instances(), &version_of, machine.memory(), options)
}

/// Loads a snapshot into a machine of the same type, version, shape and images. On an error the
/// machine is as it was.
///
/// # Errors
/// As [`load`]; another machine, another image.
pub fn load_machine(
    machine: &mut Machine,
    chain: &Chain,
    options: LoadOptions,
) -> Result<(), SnapshotError> {
    let found = machine_name(chain);
    if found != machine.name() {
        return Err(SnapshotError::Machine {
            path: chain.layers()[0].path().to_owned(),
            found,
            machine: machine.name().to_owned(),
        });
    }
    check_external_files(chain, &external_files(machine, &Config::default()))?;
    let (mut instances, memory) = machine.instances_and_memory();
    let FilePosition { steps, idle_ns, sequence } = load(chain, &mut instances, memory, options)?;
    machine.set_position(Position { steps, idle_ns, sequence });
    machine.rewire();
    Ok(())
}

/// Full name of the machine in a snapshot.
pub fn machine_name(chain: &Chain) -> String {
    let MachineName { machine, version } = &chain.newest().header().machine;
    format!("{machine}@{version}")
}

/// The configuration that builds the machine of a snapshot again. Engine and threshold are free.
///
/// # Errors
/// A property that is missing or no number.
pub fn config_of(chain: &Chain) -> Result<Config, SnapshotError> {
    let header = chain.newest().header();
    let number = |name: &'static str| {
        let text = header.properties.get(name);
        text.and_then(|text| text.parse::<u64>().ok()).ok_or_else(|| SnapshotError::Property {
            path: chain.layers()[0].path().to_owned(),
            name,
            found: text.cloned().unwrap_or_else(|| "missing".to_owned()),
        })
    };
    let file = |role: &str| {
        let file = header.external_files.iter().find(|file| file.role.starts_with(role));
        file.filter(|file| !file.name.is_empty()).map(|file| PathBuf::from(&file.name))
    };
    let cpus = number(CPUS)?;
    Ok(Config {
        cpus: u32::try_from(cpus).unwrap_or(u32::MAX),
        memory_bytes: number(MEMORY_BYTES)?,
        step_ps: number(STEP_PS)?,
        quantum: number(QUANTUM)?,
        append: header.properties.get(APPEND).cloned().unwrap_or_default(),
        bios: file("firmware"),
        kernel: file("kernel"),
        initrd: file("initrd"),
        cpu: header.properties.get(CPU).cloned(),
        dtb: file("device tree"),
        ..Config::default()
    })
}

/// The images of a machine, with the files they came from.
pub(super) fn external_files(machine: &Machine, config: &Config) -> Vec<ExternalFile> {
    let describe = |(image, digest): (&Image, &[u8; 32])| ExternalFile {
        role: image.name.clone(),
        name: config.file_of(&image.name),
        length: image.bytes.len() as u64,
        blake3: *digest,
    };
    machine.images().iter().zip(machine.image_digests()).map(describe).collect()
}
