//! `emulator dump`

use std::fmt::Write;
use std::path::PathBuf;

use vmstate::container::PAGE_LEN;
use vmstate::dump::{DumpError, dump_instance, dump_value, hex_rows};
use vmstate::inspect::{Selection, Tree, select};
use vmstate::json::{json_instance, json_value};

use super::info::{header_json, header_text};
use super::kind::is_recording;
use super::output::{Answer, CliError, Output};
use crate::journal::Reader;
use crate::machine::board::Board;
use crate::snapshot::{Chain, ChainPages, ReadPage, ram_base};
use crate::timeline::listing::lines;

/// Show the state in a snapshot, by the description that the snapshot itself carries, or the events of
/// a recording.
///
/// Without a path: everything. A path selects an instance (`soc/uart0`), a group of them (`soc`), a field
/// (`soc/uart0.lcr`) or an element (`hart0.state.x[2]`). Works on snapshots of builds whose devices this
/// one lacks.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The snapshot or recording.
    file: PathBuf,
    /// What to show of it.
    path: Option<String>,
    /// As JSON, for scripts.
    #[arg(long)]
    json: bool,
    /// Show guest RAM instead: a physical address and a length in bytes, as in 0x80000000:256.
    #[arg(long, value_name = "ADDR:LEN", conflicts_with = "path")]
    ram: Option<String>,
}

/// Longest stretch of RAM shown: 16 MiB, which is 70 MB of text.
const RAM_LEN_MAX: u64 = 16 << 20;

/// Runs the verb.
///
/// # Errors
/// A file that cannot be read, a path that leads nowhere.
pub(super) fn run(
    args: &Args,
    _boards: &[&dyn Board],
    out: &mut Output,
) -> Result<Answer, CliError> {
    if is_recording(&args.file)? {
        return recording(args, out);
    }
    if let Some(range) = &args.ram {
        ram(&Chain::open(&args.file)?, range, args.json, out)?;
        return Ok(Answer::Yes);
    }
    // State is whole in each file: parents are needed for RAM alone.
    let chain = Chain::open_alone(&args.file)?;
    let snapshot = chain.newest();
    let tree = Tree::new(snapshot).map_err(|error| CliError::container(&args.file, error))?;
    let path = args.path.as_deref();
    let selection = match path {
        None => Selection::Instances(tree.sections().collect()),
        Some(path) => select(snapshot.header().sections.iter(), path).map_err(CliError::Usage)?,
    };
    let dumped = match (&selection, args.json) {
        (Selection::Instances(sections), false) => sections.iter().try_for_each(|section| {
            if path.is_none() && section.path == sections[0].path {
                header_text(&chain, out);
            }
            dump_instance(out, &tree, section)
        }),
        (Selection::Instances(sections), true) => (|| {
            out.write_char('{')?;
            if path.is_none() {
                header_json(&chain, out)?;
                out.write_char(',')?;
            }
            out.write_str("\"instances\":[")?;
            for (i, section) in sections.iter().enumerate() {
                if i > 0 {
                    out.write_char(',')?;
                }
                json_instance(out, &tree, section)?;
            }
            Ok(out.write_str("]}\n")?)
        })(),
        (Selection::Value(section, steps), false) => {
            dump_value(out, &tree, section, steps, path.unwrap_or_default())
        }
        (Selection::Value(section, steps), true) => {
            json_value(out, &tree, section, steps, path.unwrap_or_default())
                .and_then(|()| Ok(out.write_char('\n')?))
        }
    };
    dumped.map_err(|error| match error {
        DumpError::Container(error) => CliError::container(&args.file, error),
        other => other.into(),
    })?;
    Ok(Answer::Yes)
}

/// Shows the records of a recording.
fn recording(args: &Args, out: &mut Output) -> Result<Answer, CliError> {
    if args.path.is_some() || args.ram.is_some() {
        let why = "a recording holds events, not state: `emulator query FILE device PATH` asks it";
        return Err(CliError::Usage(why.to_owned()));
    }
    let reader = Reader::open(&args.file)?;
    for line in lines(&reader)? {
        let line = line?;
        if args.json {
            let text = serde_json::to_string(&line).map_err(|error| CliError::File {
                path: args.file.display().to_string(),
                why: error.to_string(),
            })?;
            out.line(format_args!("{text}"));
        } else {
            out.line(format_args!("{line}"));
        }
    }
    Ok(Answer::Yes)
}

/// Shows `ADDR:LEN` of RAM.
fn ram(chain: &Chain, range: &str, json: bool, out: &mut Output) -> Result<(), CliError> {
    let usage = || CliError::Usage(format!("`{range}` is not ADDR:LEN, as in 0x80000000:256"));
    let (address, length) = range.split_once(':').ok_or_else(usage)?;
    let (Some(address), Some(length)) = (number(address), number(length)) else {
        return Err(usage());
    };
    if length > RAM_LEN_MAX {
        let why = format!("{length} bytes are more than the {RAM_LEN_MAX} that can be shown");
        return Err(CliError::Usage(why));
    }
    let header = chain.newest().header();
    let found = header.raws.iter().find_map(|raw| {
        let within = address.checked_sub(ram_base(header, &raw.path)?)?;
        (within < raw.logical_len).then_some((raw, within))
    });
    let Some((raw, within)) = found else {
        return Err(CliError::Usage(format!("{address:#x} is no address of the guest's RAM")));
    };
    let length = length.min(raw.logical_len - within);
    let mut pages = ChainPages::new(chain, &raw.path)?;
    let page_len = u64::from(PAGE_LEN);
    let mut page = vec![0; PAGE_LEN as usize];
    let mut bytes = Vec::new();
    let (first, last) = (within / page_len, (within + length).div_ceil(page_len));
    for number in first..last {
        pages.read_page(number, &mut page)?;
        bytes.extend_from_slice(&page);
    }
    let start = usize::try_from(within % page_len).unwrap_or_default();
    let shown = &bytes[start..start + usize::try_from(length).unwrap_or_default()];
    if json {
        let hex: String = shown.iter().map(|byte| format!("{byte:02x}")).collect();
        out.line(format_args!("{{\"address\":{address},\"bytes\":\"{hex}\"}}"));
    } else {
        hex_rows(out, shown, address, 0).map_err(DumpError::from)?;
    }
    Ok(())
}

/// A number in decimal or, after `0x`, hexadecimal.
fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}
