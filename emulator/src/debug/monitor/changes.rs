//! What differs between two dumps of one instance, as lines of text.
//!
//! Lines in common, in the longest order that both have, are left out; but a line that differs is shown
//! under those that it belongs to, as their indentation says: rows of an array mean nothing without
//! its name.

/// The lines of `old` that are not in `new` after `-`, those of `new` that are not in `old` after `+`.
pub(super) fn changes(old: &str, new: &str) -> String {
    let (old, new): (Vec<_>, Vec<_>) = (old.lines().collect(), new.lines().collect());
    let common = common_lengths(&old, &new);
    let (mut text, mut parents): (String, Vec<&str>) = (String::new(), Vec::new());
    let mut shown = 0;
    let (mut left, mut right) = (0, 0);
    while left < old.len() || right < new.len() {
        let is_common = left < old.len() && right < new.len() && old[left] == new[right];
        let is_removed = right == new.len()
            || left < old.len() && common[left + 1][right] >= common[left][right + 1];
        let line = if is_common || is_removed { old[left] } else { new[right] };
        let depth = parents.iter().take_while(|parent| indent(parent) < indent(line)).count();
        parents.truncate(depth);
        shown = shown.min(depth);
        if !is_common {
            for parent in &parents[shown..] {
                text += &format!("    {parent}\n");
            }
            shown = depth;
            text += &format!("  {} {line}\n", if is_removed { '-' } else { '+' });
        }
        if is_common {
            parents.push(line);
        }
        left += usize::from(is_common || is_removed);
        right += usize::from(is_common || !is_removed);
    }
    text
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// How many lines `old[i..]` and `new[j..]` have in common at most, at `[i][j]`.
fn common_lengths(old: &[&str], new: &[&str]) -> Vec<Vec<u32>> {
    let mut lengths = vec![vec![0; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            lengths[i][j] = if old[i] == new[j] {
                lengths[i + 1][j + 1] + 1
            } else {
                lengths[i + 1][j].max(lengths[i][j + 1])
            };
        }
    }
    lengths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_shown_under_its_name() {
        let old = "hart: riscv@1\n  f: 3 elements\n    [0]: 1 1\n    *\n    [2]: 1\n  mode: 0\n  pc: 16\n";
        let new =
            "hart: riscv@1\n  f: 3 elements\n    [0]: 1 1\n    [1]: 7 1\n  mode: 0\n  pc: 20\n";
        let expected = "    hart: riscv@1\n      f: 3 elements\n  -     *\n  -     [2]: 1\n  +     [1]: 7 1\n  \
                        -   pc: 16\n  +   pc: 20\n";
        assert_eq!(changes(old, new), expected);
        assert_eq!(changes(old, old), "");
        assert_eq!(changes("", "a\n"), "  + a\n");
    }
}
