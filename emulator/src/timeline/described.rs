//! Between a machine and its description in a recording.
//!
//! A recording names everything that made the machine: type and version, each property, and each
//! image in memory at power-on with its digest. Replay builds the machine from that and refuses,
//! before it runs, an image that is not the recorded one: the firmware of another package, a
//! changed kernel, a device tree that this build writes differently.

use std::collections::BTreeMap;

use crate::{
    journal::{Description, Image as RecordedImage, JournalError, Reader},
    machine::{
        Image, Machine,
        board::{Config, Engine},
    },
    translate::Compilation,
};

/// How builds of this program call themselves in what they write.
pub const PRODUCER: &str = concat!("emulator ", env!("CARGO_PKG_VERSION"));

/// The description of `machine`, which was built from `config` and has not run yet.
#[must_use]
pub fn describe(machine: &Machine, config: &Config, every: DigestSteps) -> Description {
    let properties = [
        ("cpus", config.cpus.to_string()),
        ("memory-bytes", config.memory_bytes.to_string()),
        ("step-ps", config.step_ps.to_string()),
        ("quantum", config.quantum.to_string()),
        ("append", config.append.clone()),
    ];
    let images = machine.images().iter().map(|image| describe_image(image, config)).collect();
    Description {
        producer: PRODUCER.to_owned(),
        needs: vec!["records-1".to_owned()],
        machine: machine.name().to_owned(),
        properties: properties
            .into_iter()
            .chain(machine.properties().clone())
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
        images,
        transcript_every: every.transcript,
        state_every: every.state,
        parent: None,
    }
}

/// How far digests are apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DigestSteps {
    /// Steps from one transcript digest to the next.
    pub transcript: u64,
    /// Steps from one state digest to the next.
    pub state: u64,
}

impl Default for DigestSteps {
    fn default() -> Self {
        Self { transcript: super::TRANSCRIPT_EVERY, state: super::STATE_EVERY }
    }
}

fn describe_image(image: &Image, config: &Config) -> RecordedImage {
    RecordedImage {
        addr: image.addr,
        seed_at: image.seed_at.map(|offset| offset as u64),
        ..RecordedImage::of(&image.name, &config.file_of(&image.name), &image.bytes)
    }
}

/// Why a description gives no machine.
#[derive(Debug, thiserror::Error)]
pub enum DescriptionError {
    /// A property is missing or cannot be understood.
    #[error("the recording's property `{name}` is {found}; this build cannot set it up")]
    Property {
        /// Its name.
        name: &'static str,
        /// What it says.
        found: String,
    },
    /// The recording cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The machine has other images than the recorded one.
    #[error("the machine holds the images {found}; recorded were {recorded}")]
    Images {
        /// Names of the images of the machine.
        found: String,
        /// Names of the recorded images.
        recorded: String,
    },
}

/// The configuration that builds the machine of `recording` again; with its images when they are
/// packed into it. `engine` and `jit_threshold` are the replay's own and never part of a recording.
///
/// # Errors
/// [`DescriptionError`] when a property cannot be understood or a packed image is damaged.
pub fn config_of(recording: &mut Reader) -> Result<Config, DescriptionError> {
    let packed = recording.packed_images()?;
    let Description { properties, images, .. } = recording.description();
    let file_of = |role: &str| {
        let image = images.iter().find(|image| image.role.starts_with(role));
        image.filter(|image| !image.file.is_empty()).map(|image| image.file.clone().into())
    };
    let images = packed.map(|contents| {
        let pairs = images.iter().zip(contents);
        pairs.map(|(image, bytes)| placed(image, bytes)).collect()
    });
    Ok(Config {
        cpus: number(properties, "cpus")?,
        memory_bytes: number(properties, "memory-bytes")?,
        step_ps: number(properties, "step-ps")?,
        quantum: number(properties, "quantum")?,
        append: properties.get("append").cloned().unwrap_or_default(),
        bios: file_of("firmware"),
        kernel: file_of("kernel"),
        initrd: file_of("initrd"),
        dtb: file_of("device tree"),
        cpu: properties.get("cpu").cloned(),
        htif: optional(properties, "htif")?,
        images,
        engine: Engine::default(),
        jit_threshold: None,
        compilation: Compilation::default(),
    })
}

fn placed(image: &RecordedImage, bytes: Vec<u8>) -> Image {
    Image {
        name: image.role.clone(),
        addr: image.addr,
        bytes: bytes.into(),
        seed_at: image.seed_at.and_then(|offset| usize::try_from(offset).ok()),
    }
}

/// A property that need not be there.
fn optional<T: std::str::FromStr>(
    properties: &BTreeMap<String, String>,
    name: &'static str,
) -> Result<Option<T>, DescriptionError> {
    properties.contains_key(name).then(|| number(properties, name)).transpose()
}

fn number<T: std::str::FromStr>(
    properties: &BTreeMap<String, String>,
    name: &'static str,
) -> Result<T, DescriptionError> {
    let text = properties.get(name);
    text.and_then(|text| text.parse().ok()).ok_or_else(|| DescriptionError::Property {
        name,
        found: text.map_or_else(|| "missing".to_owned(), |text| format!("`{text}`")),
    })
}

/// Refuses `machine` if it does not hold exactly the images that `description` names.
///
/// # Errors
/// [`DescriptionError`] with name and digests.
pub fn check_images(description: &Description, machine: &Machine) -> Result<(), DescriptionError> {
    let same =
        machine.images().len() == description.images.len()
            && machine.images().iter().zip(&description.images).all(|(found, recorded)| {
                found.name == recorded.role && found.addr == recorded.addr
            });
    if !same {
        let found = machine.images().iter().map(|image| (image.name.as_str(), image.addr));
        let recorded = description.images.iter().map(|image| (image.role.as_str(), image.addr));
        return Err(DescriptionError::Images { found: names(found), recorded: names(recorded) });
    }
    for (found, recorded) in machine.images().iter().zip(&description.images) {
        recorded.check(&found.bytes)?;
    }
    Ok(())
}

fn names<'a>(images: impl Iterator<Item = (&'a str, u64)>) -> String {
    images.map(|(name, addr)| format!("{name} at {addr:#x}")).collect::<Vec<_>>().join(", ")
}
