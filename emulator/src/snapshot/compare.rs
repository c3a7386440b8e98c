//! Which pages of RAM differ between two snapshots.

use vmstate::container::PAGE_LEN;

use crate::progress::{advance, expect};

use super::chain::Chain;
use super::error::SnapshotError;
use super::pages::{ChainPages, PAGE, ReadPage};

/// Pages of one raw section that differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RamDifference {
    /// Path of the section.
    pub path: String,
    /// Pages, from the first up to and without the last, ascending.
    pub ranges: Vec<(u64, u64)>,
}

/// Compares all RAM that both have; of a section that only one has, or that is longer in one, all
/// pages beyond the other's differ.
///
/// # Errors
/// Damage in either.
pub fn ram_differences(first: &Chain, second: &Chain) -> Result<Vec<RamDifference>, SnapshotError> {
    let mut found = Vec::new();
    let others: Vec<&str> = second.raw_sections().collect();
    for path in first.raw_sections() {
        let mut a = ChainPages::new(first, path)?;
        let ranges = if others.contains(&path) {
            pages(&mut a, &mut ChainPages::new(second, path)?)?
        } else {
            vec![(0, a.page_count())]
        };
        if !ranges.is_empty() {
            found.push(RamDifference { path: path.to_owned(), ranges });
        }
    }
    for path in others.into_iter().filter(|path| first.raw_sections().all(|known| known != *path)) {
        let count = ChainPages::new(second, path)?.page_count();
        found.push(RamDifference { path: path.to_owned(), ranges: vec![(0, count)] });
    }
    Ok(found)
}

fn pages(a: &mut ChainPages<'_>, b: &mut ChainPages<'_>) -> Result<Vec<(u64, u64)>, SnapshotError> {
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    let (common, longest) =
        (a.page_count().min(b.page_count()), a.page_count().max(b.page_count()));
    let (mut x, mut y) = ([0; PAGE], [0; PAGE]);
    expect(common * u64::from(PAGE_LEN));
    for number in 0..common {
        advance(PAGE_LEN.into());
        if a.is_zero(number) && b.is_zero(number) {
            continue;
        }
        a.read_page(number, &mut x)?;
        b.read_page(number, &mut y)?;
        if x == y {
            continue;
        }
        match ranges.last_mut() {
            Some((_, end)) if *end == number => *end += 1,
            _ => ranges.push((number, number + 1)),
        }
    }
    if longest > common {
        ranges.push((common, longest));
    }
    Ok(ranges)
}
