//! `emulator diff`

use std::path::PathBuf;

use vmstate::container::PAGE_LEN;
use vmstate::diff::{Change, Difference, diff};
use vmstate::json::string;

use super::kind::open_snapshot;
use super::output::{Answer, CliError, Output};
use super::progress::shown;
use crate::machine::board::Board;
use crate::snapshot::{ram_base, ram_differences};

/// Show in what two snapshots differ: fields by path, flags by name, RAM by ranges of pages.
///
/// Exit code 1 if they do. Works on snapshots of builds whose devices this one lacks.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The first snapshot.
    first: PathBuf,
    /// The second snapshot.
    second: PathBuf,
    /// As JSON, for scripts: an array of objects.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
///
/// # Errors
/// A file that cannot be read.
pub(super) fn run(
    args: &Args,
    _boards: &[&dyn Board],
    out: &mut Output,
) -> Result<Answer, CliError> {
    let (first, second) = (open_snapshot(&args.first)?, open_snapshot(&args.second)?);
    let mut found = diff(first.newest(), second.newest())
        .map_err(|error| CliError::container(&args.first, error))?;
    for section in shown("compare RAM", || ram_differences(&first, &second))? {
        let base = ram_base(first.newest().header(), &section.path).unwrap_or_default();
        for (start, end) in section.ranges {
            let address = |page: u64| base + page * u64::from(PAGE_LEN);
            found.push(Difference {
                path: format!("{} {:#x}..{:#x}", section.path, address(start), address(end)),
                change: Change::Pages(end - start),
            });
        }
    }
    if args.json {
        json(&found, out);
    } else {
        for difference in &found {
            out.line(format_args!("{difference}"));
        }
    }
    Ok(if found.is_empty() { Answer::Yes } else { Answer::No })
}

fn json(found: &[Difference], out: &mut Output) {
    let quoted = |text: &str| {
        let mut quoted = String::new();
        string(&mut quoted, text).expect("a string takes all");
        quoted
    };
    let list =
        |names: &[String]| names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(",");
    let objects: Vec<_> = found
        .iter()
        .map(|difference| {
            let change = match &difference.change {
                Change::OnlyFirst(value) => format!("\"first\":{}", quoted(value)),
                Change::OnlySecond(value) => format!("\"second\":{}", quoted(value)),
                Change::Value(a, b) => {
                    format!("\"first\":{},\"second\":{}", quoted(a), quoted(b))
                }
                Change::Pages(count) => format!("\"pages\":{count}"),
                Change::Flags { set, cleared } => {
                    format!("\"set\":[{}],\"cleared\":[{}]", list(set), list(cleared))
                }
            };
            format!("{{\"path\":{},{change}}}", quoted(&difference.path))
        })
        .collect();
    out.line(format_args!("[{}]", objects.join(",\n ")));
}
