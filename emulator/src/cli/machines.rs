//! `emulator machines`

use super::output::{Answer, CliError, Output};
use crate::machine::board::{Board, Config, CpuModels};

/// List the machines: their versions and devices.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// As JSON, for scripts.
    #[arg(long)]
    json: bool,
}

#[derive(serde::Serialize)]
struct Listing {
    name: &'static str,
    about: &'static str,
    versions: Vec<Version>,
    /// CPU models and the switches that are on in each.
    cpus: Vec<Cpu>,
    /// All switches of CPU models.
    switches: Vec<String>,
    devices: Vec<Device>,
}

#[derive(serde::Serialize)]
struct Cpu {
    model: &'static str,
    on: Vec<String>,
}

#[derive(serde::Serialize)]
struct Version {
    version: &'static str,
    about: &'static str,
}

#[derive(serde::Serialize)]
struct Device {
    path: String,
    model: &'static str,
    regions: Vec<Region>,
}

#[derive(serde::Serialize)]
struct Region {
    name: &'static str,
    base: u64,
    bytes: u64,
}

/// Runs the verb.
///
/// # Errors
/// When a board cannot be built as it is by default.
pub(super) fn run(
    args: &Args,
    boards: &[&dyn Board],
    out: &mut Output,
) -> Result<Answer, CliError> {
    let listings: Result<Vec<_>, _> = boards.iter().map(|board| listing(*board)).collect();
    let listings = listings?;
    if args.json {
        let text = serde_json::to_string_pretty(&listings);
        out.line(format_args!("{}", text.map_err(|error| CliError::Usage(error.to_string()))?));
        return Ok(Answer::Yes);
    }
    for board in listings {
        out.line(format_args!("{}: {}", board.name, board.about));
        for version in board.versions {
            out.line(format_args!("  {}@{}  {}", board.name, version.version, version.about));
        }
        for Cpu { model, on } in board.cpus {
            out.line(format_args!("  --cpu {model:9} {}", on.join(" ")));
        }
        out.line(format_args!("  switches        {}", board.switches.join(" ")));
        for device in board.devices {
            for region in device.regions {
                let (base, end) = (region.base, region.base + region.bytes);
                out.line(format_args!(
                    "    {base:#012x}..{end:#012x}  {:12} {:14} {}",
                    device.path, device.model, region.name
                ));
            }
        }
    }
    Ok(Answer::Yes)
}

fn listing(board: &dyn Board) -> Result<Listing, CliError> {
    let versions = board.versions();
    let newest = versions.last().expect("a board has a version");
    let built = board.build(newest, &Config { memory_bytes: 16 << 20, ..Config::default() })?;
    let fabric = built.machine.fabric();
    let devices = fabric.devices().enumerate().map(|(number, (path, model))| {
        let mappings = fabric.mappings().iter().filter(|mapping| mapping.device == number);
        let regions = mappings.map(|mapping| Region {
            name: mapping.shape.name,
            base: mapping.base,
            bytes: mapping.shape.bytes,
        });
        Device { path: path.to_owned(), model, regions: regions.collect() }
    });
    let CpuModels { models, switches } = board.cpu_models();
    Ok(Listing {
        cpus: models.into_iter().map(|(model, on)| Cpu { model, on }).collect(),
        switches,
        name: board.name(),
        about: board.about(),
        versions: versions
            .iter()
            .map(|version| Version { version: version.version, about: version.about })
            .collect(),
        devices: devices.collect(),
    })
}
