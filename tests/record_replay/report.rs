//! The report of a bisection that the book shows is what a bisection prints.

use std::path::Path;

use super::mutants::printed;
use crate::pattern::matches;

/// The fault that the chapter shows.
const SHOWN: &str = "an interrupt enable that is lost";

#[test]
fn the_report_of_the_book_is_what_bisection_prints() {
    let report = printed(SHOWN);
    let chapter = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/src/record-and-replay.md");
    let chapter = std::fs::read_to_string(chapter).unwrap();
    let (_, rest) = chapter.split_once("```report\n").expect("it shows a report");
    let (block, _) = rest.split_once("```").expect("blocks end");
    let expected: Vec<_> = block.lines().map(str::to_owned).collect();
    let lines: Vec<_> = report.lines().map(str::trim_end).collect();
    assert!(matches(&expected, &lines), "printed:\n{report}\nthe book has:\n{block}");
}
