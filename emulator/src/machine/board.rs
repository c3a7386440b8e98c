//! What a board is to the command line, the recordings and the tests: a name, versions, and a
//! machine built from a configuration.

use std::path::PathBuf;

use vmstate::define::TypeDef;

use super::{Image, ImageError, Machine};
use crate::{
    devices::htif,
    isa::guest::Guest,
    loader::LoaderError,
    memory::MemoryError,
    translate::{Compilation, EngineConfig, TranslatorError, equip},
    vcpu::Vcpu,
};

/// What runs the guest's instructions. It never changes what the guest computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Engine {
    /// One instruction after the other.
    Interpreter,
    /// Translated as soon as the threshold allows.
    Jit,
    /// The interpreter for cold code, the translator for hot code.
    #[default]
    Auto,
}

/// A machine as the user asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Number of harts.
    pub cpus: u32,
    /// Their CPU model and its switches, as the board's architecture names them
    /// (`rva22s64,sv48=on`); the board's own when absent.
    pub cpu: Option<String>,
    /// Bytes of RAM, whole MiB.
    pub memory_bytes: u64,
    /// Virtual picoseconds of one step.
    pub step_ps: u64,
    /// Steps of one hart's turn.
    pub quantum: u64,
    /// Firmware; the board finds its usual one when absent and a kernel is given. `none` starts the
    /// kernel without firmware.
    pub bios: Option<PathBuf>,
    /// Kernel.
    pub kernel: Option<PathBuf>,
    /// Initial file system.
    pub initrd: Option<PathBuf>,
    /// The kernel's command line.
    pub append: String,
    /// Device tree in place of the board's own.
    pub dtb: Option<PathBuf>,
    /// Exactly what is placed in memory: no file is read and no device tree made. So a packed
    /// recording needs nothing else.
    pub images: Option<Vec<Image>>,
    /// With `images`: where the program that they hold talks to the host; else found in the program.
    pub htif: Option<htif::Place>,
    /// What runs the instructions.
    pub engine: Engine,
    /// Executions after which a block is translated; the engine's own when absent.
    pub jit_threshold: Option<u32>,
    /// When code is translated.
    pub compilation: Compilation,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            cpus: 1,
            cpu: None,
            memory_bytes: 512 << 20,
            step_ps: 1_000,
            quantum: 10_000,
            bios: None,
            kernel: None,
            initrd: None,
            append: String::new(),
            dtb: None,
            images: None,
            htif: None,
            engine: Engine::Auto,
            jit_threshold: None,
            compilation: Compilation::default(),
        }
    }
}

impl Config {
    /// The file from which [`Image`] `name` was read; empty when the board made it or found it
    /// itself.
    #[must_use]
    pub fn file_of(&self, name: &str) -> String {
        let files = [
            ("firmware", &self.bios),
            ("kernel", &self.kernel),
            ("initrd", &self.initrd),
            ("device tree", &self.dtb),
        ];
        let file = files.into_iter().find(|(role, _)| name.starts_with(role));
        file.and_then(|(_, path)| path.as_ref())
            .map_or_else(String::new, |path| path.display().to_string())
    }

    /// A processor with the engine that was asked for.
    ///
    /// # Errors
    /// [`BuildError::Translator`] when the translator was asked for and this host cannot have it.
    pub fn equip<G: Guest + Vcpu>(&self, guest: G) -> Result<Box<dyn Vcpu>, BuildError> {
        let threshold = |default: u32| EngineConfig {
            threshold: self.jit_threshold.unwrap_or(default),
            compilation: self.compilation,
            ..EngineConfig::default()
        };
        let (config, required) = match self.engine {
            Engine::Interpreter => (None, false),
            Engine::Jit => (Some(threshold(1)), true),
            Engine::Auto => (Some(threshold(EngineConfig::default().threshold)), false),
        };
        Ok(equip(Box::new(guest), config, required)?)
    }
}

/// Why a machine cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A file.
    #[error(transparent)]
    Loader(#[from] LoaderError),
    /// Something does not fit into memory.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A file that does not fit into memory.
    #[error("{}: {source}", path.display())]
    DoesNotFit {
        /// The file.
        path: PathBuf,
        /// What is in the way.
        source: ImageError,
    },
    /// The host cannot have the translator.
    #[error("--engine jit: {0}; --engine auto does without")]
    Translator(#[from] TranslatorError),
    /// The host refuses the memory.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// A number outside what the board takes.
    #[error("--{option} {value}: {board} takes {expected}")]
    Option {
        /// The board.
        board: &'static str,
        /// The option.
        option: &'static str,
        /// Its value.
        value: String,
        /// What it takes.
        expected: String,
    },
    /// A kernel needs firmware and none is installed.
    #[error(
        "a kernel needs firmware and none was found at {searched}; install the package opensbi, \
         or give --bios FILE (or --bios none for a kernel that runs without)"
    )]
    NoFirmware {
        /// Where it was looked for.
        searched: String,
    },
    /// An option that needs another.
    #[error("--{option} has no effect without --{needed}")]
    Lacking {
        /// The option given.
        option: &'static str,
        /// The option that is missing.
        needed: &'static str,
    },
    /// An option that another one makes useless.
    #[error("--{option} has no effect beside --{by}, which says it already")]
    Overruled {
        /// The option given.
        option: &'static str,
        /// The other.
        by: &'static str,
    },
    /// The device tree could not be written.
    #[error("the device tree cannot be written: {0}")]
    DeviceTree(String),
}

/// A machine and what was made for it.
#[derive(Debug)]
pub struct Built {
    /// The machine, not yet switched on.
    pub machine: Machine,
    /// The device tree that the guest gets.
    pub device_tree: Vec<u8>,
}

/// A type of state and the version in which a machine saves it.
pub type SavedType = (&'static TypeDef, u32);

/// A version of a board.
#[derive(Clone, Copy, Debug)]
pub struct BoardVersion {
    /// The version, such as `1.0`.
    pub version: &'static str,
    /// What it changed.
    pub about: &'static str,
    /// The version of each type of instance in it: what it saves, an older build can load.
    pub types: &'static [SavedType],
}

impl BoardVersion {
    /// Panics at compile time unless every type can be saved in the version that stands here and,
    /// once the type has been released, that version is in its crate's `vmstate.lock` or is newer than
    /// all that are.
    ///
    /// # Panics
    /// See above.
    pub const fn assert_saved(&self) {
        let mut index = 0;
        while index < self.types.len() {
            let (def, version) = self.types[index];
            assert!(
                def.version_min <= version && version <= def.version,
                "a machine version saves a type in a version that this build cannot write"
            );
            let mut newest = 0;
            let mut entry = 0;
            while entry < def.released.len() {
                let released = &def.released[entry];
                if def.is_named(released.name) && released.version > newest {
                    newest = released.version;
                }
                entry += 1;
            }
            assert!(
                version > newest || def.released_in(version).is_some(),
                "a machine version saves a type in a version that vmstate.lock does not hold"
            );
            index += 1;
        }
    }
}

/// What `--cpu` takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CpuModels {
    /// Models with the switches that are on in them.
    pub models: Vec<(&'static str, Vec<String>)>,
    /// All switches.
    pub switches: Vec<String>,
}

/// A kind of machine.
pub trait Board: Sync {
    /// Name, such as `riscv64-virt`.
    fn name(&self) -> &'static str;

    /// One line on what it is.
    fn about(&self) -> &'static str;

    /// Its versions, oldest first; the plain name means the last.
    fn versions(&self) -> &'static [BoardVersion];

    /// Instance path of the serial port that is the console.
    fn console(&self) -> &'static str;

    /// The CPU models that `--cpu` takes, and the switches that each of them has, by name.
    fn cpu_models(&self) -> CpuModels;

    /// Builds the machine; `version` is one of [`Board::versions`].
    ///
    /// # Errors
    /// [`BuildError`] when the configuration or a file is not usable.
    fn build(&self, version: &BoardVersion, config: &Config) -> Result<Built, BuildError>;
}

/// Finds a board and its version by name: `riscv64-virt` or `riscv64-virt@1.0`.
///
/// # Errors
/// A sentence that says what there is.
pub fn find<'a>(
    boards: &[&'a dyn Board],
    name: &str,
) -> Result<(&'a dyn Board, &'static BoardVersion), String> {
    let (board_name, version) =
        name.split_once('@').map_or((name, None), |(board, version)| (board, Some(version)));
    let Some(board) = boards.iter().find(|board| board.name() == board_name) else {
        let known: Vec<_> = boards.iter().map(|board| board.name()).collect();
        return Err(format!("no machine is called {board_name}; there are: {}", known.join(", ")));
    };
    let versions = board.versions();
    let found = match version {
        None => versions.last(),
        Some(version) => versions.iter().find(|known| known.version == version),
    };
    found.map(|version| (*board, version)).ok_or_else(|| {
        let known: Vec<_> = versions.iter().map(|known| known.version).collect();
        format!("{name}: {board_name} has the versions {}", known.join(", "))
    })
}
