//! `emulator info`

use std::fmt::Write;
use std::path::{Path, PathBuf};

use vmstate::container::PAGE_LEN;
use vmstate::json::string;

use super::kind::is_recording;
use super::output::{Answer, CliError, Output};
use crate::journal;
use crate::machine::board::Board;
use crate::snapshot::{Chain, PieceSource, ram_base};
use crate::timeline::listing::Summary;

/// Say what a snapshot or a recording is: who wrote it, of which machine, at which point.
///
/// Reads the header and no state, so it is quick for a file of any size.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The snapshot or recording.
    file: PathBuf,
    /// As JSON, for scripts.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
///
/// # Errors
/// A file that cannot be read or is neither.
pub(super) fn run(
    args: &Args,
    _boards: &[&dyn Board],
    out: &mut Output,
) -> Result<Answer, CliError> {
    if is_recording(&args.file)? {
        recording(&args.file, args.json, out)?;
        return Ok(Answer::Yes);
    }
    let chain = match Chain::open(&args.file) {
        Ok(chain) => chain,
        Err(error) => {
            let chain = Chain::open_alone(&args.file)?;
            eprintln!("note: this file cannot be loaded: {error}");
            chain
        }
    };
    if args.json {
        // Errors of the output are kept in it.
        out.write_char('{').unwrap_or_default();
        header_json(&chain, out).unwrap_or_default();
        out.write_str("}\n").unwrap_or_default();
        return Ok(Answer::Yes);
    }
    header_text(&chain, out);
    let header = chain.newest().header();
    for (key, value) in &header.properties {
        out.line(format_args!("property   {key} = {value}"));
    }
    for section in &header.sections {
        out.line(format_args!(
            "section    {} ({} {}@{}, {} bytes)",
            section.path, section.kind, section.type_name, section.version, section.extent.length
        ));
    }
    out.line(format_args!("schemas    {}", header.schemas.len()));
    Ok(Answer::Yes)
}

fn recording(path: &Path, json: bool, out: &mut Output) -> Result<(), CliError> {
    let reader = journal::Reader::open(path)?;
    let summary = Summary::of(&reader);
    if json {
        let text = serde_json::to_string(&summary).map_err(|error| CliError::File {
            path: path.display().to_string(),
            why: error.to_string(),
        })?;
        out.line(format_args!("{text}"));
    } else {
        out.line(format_args!("{summary}"));
    }
    Ok(())
}

/// Pages of one stretch of RAM by where they are.
struct RamSummary<'c> {
    section: &'c str,
    base: Option<u64>,
    length: u64,
    zero: u64,
    own: u64,
    inherited: u64,
}

fn ram_summaries(chain: &Chain) -> Vec<RamSummary<'_>> {
    let header = chain.newest().header();
    let summary = |section| {
        let mut summary = RamSummary {
            section,
            base: ram_base(header, section),
            length: 0,
            zero: 0,
            own: 0,
            inherited: 0,
        };
        // A map that does not resolve is reported by whatever reads the pages.
        for piece in chain.pieces(section).unwrap_or_default() {
            summary.length += piece.pages * u64::from(PAGE_LEN);
            *match piece.source {
                PieceSource::Zero => &mut summary.zero,
                PieceSource::File { layer: 0, .. } | PieceSource::Packed { layer: 0, .. } => {
                    &mut summary.own
                }
                PieceSource::File { .. } | PieceSource::Packed { .. } => &mut summary.inherited,
            } += piece.pages;
        }
        summary
    };
    chain.raw_sections().map(summary).collect()
}

/// Writes what the header says, as lines.
pub(super) fn header_text(chain: &Chain, out: &mut Output) {
    let header = chain.newest().header();
    out.line(format_args!("snapshot   by {}", header.producer));
    out.line(format_args!("machine    {}@{}", header.machine.machine, header.machine.version));
    let position = header.position;
    out.line(format_args!(
        "position   step {}, {} ns idle, event {}",
        position.steps, position.idle_ns, position.sequence
    ));
    for file in &header.external_files {
        let digest = blake3::Hash::from_bytes(file.blake3).to_hex();
        let name = if file.name.is_empty() { "" } else { &format!(": {}", file.name) };
        out.line(format_args!(
            "file       {}{name} ({} bytes, blake3 {digest})",
            file.role, file.length
        ));
    }
    if let Some(parent) = &header.parent {
        out.line(format_args!("parent     {}", parent.name));
    }
    for ram in ram_summaries(chain) {
        let base = ram.base.map_or_else(String::new, |base| format!(" at {base:#x}"));
        let parents = if chain.is_complete() {
            format!("{} in parents, {} zero", ram.inherited, ram.zero)
        } else {
            format!("{} zero or in parents, which are missing", ram.zero)
        };
        out.line(format_args!(
            "ram        {}{base}: {} KiB, pages: {} here, {parents}",
            ram.section,
            ram.length / 1024,
            ram.own
        ));
    }
}

/// Writes what the header says, as members of a JSON object.
///
/// # Errors
/// Those of the output.
pub(super) fn header_json(chain: &Chain, out: &mut dyn Write) -> std::fmt::Result {
    let header = chain.newest().header();
    let position = header.position;
    write!(out, "\"container_version\":{},\"producer\":", header.container_version)?;
    string(out, &header.producer)?;
    out.write_str(",\"machine\":")?;
    string(out, &format!("{}@{}", header.machine.machine, header.machine.version))?;
    write!(
        out,
        ",\"position\":{{\"steps\":{},\"idle_ns\":{},\"sequence\":{}}},\"files\":[",
        position.steps, position.idle_ns, position.sequence
    )?;
    for (i, file) in header.external_files.iter().enumerate() {
        out.write_str(if i > 0 { ",{\"role\":" } else { "{\"role\":" })?;
        string(out, &file.role)?;
        out.write_str(",\"name\":")?;
        string(out, &file.name)?;
        let digest = blake3::Hash::from_bytes(file.blake3).to_hex();
        write!(out, ",\"length\":{},\"blake3\":\"{digest}\"}}", file.length)?;
    }
    out.write_str("],\"properties\":{")?;
    for (i, (key, value)) in header.properties.iter().enumerate() {
        if i > 0 {
            out.write_char(',')?;
        }
        string(out, key)?;
        out.write_char(':')?;
        string(out, value)?;
    }
    out.write_str("},\"parent\":")?;
    match &header.parent {
        Some(parent) => string(out, &parent.name)?,
        None => out.write_str("null")?,
    }
    out.write_str(",\"ram\":[")?;
    for (i, ram) in ram_summaries(chain).iter().enumerate() {
        out.write_str(if i > 0 { ",{\"section\":" } else { "{\"section\":" })?;
        string(out, ram.section)?;
        if let Some(base) = ram.base {
            write!(out, ",\"base\":{base}")?;
        }
        write!(
            out,
            ",\"length\":{},\"pages\":{},\"parent_pages\":{},\"zero_pages\":{}}}",
            ram.length, ram.own, ram.inherited, ram.zero
        )?;
    }
    out.write_char(']')
}
