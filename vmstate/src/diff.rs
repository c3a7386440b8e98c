//! What differs between two snapshots, field by field, by the writers' schemas alone.
//!
//! Instances and fields are matched by name (a renamed field by its former names, which the schema
//! carries), elements by index, pairs of a map by key. Flags report the names that were set and cleared.
//! Values of different shape are compared as far as they agree: a `u8` 5 and a `u32` 5 are equal.

use std::collections::BTreeMap;
use std::fmt;

use crate::container::{ContainerError, SectionEntry, Snapshot};
use crate::error::LoadError;
use crate::inspect::{Child, Label, Node, Tree, View};

/// One difference and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Path of the instance and of the field in it; or a field of the header.
    pub path: String,
    /// What differs.
    pub change: Change,
}

/// How two values differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Only the first file has it, and what it is there.
    OnlyFirst(String),
    /// Only the second file has it, and what it is there.
    OnlySecond(String),
    /// Two values.
    Value(String, String),
    /// So many pages of a raw section.
    Pages(u64),
    /// Named bits that only the second, and only the first file has set.
    Flags {
        /// Set in the second file and not in the first.
        set: Vec<String>,
        /// Set in the first file and not in the second.
        cleared: Vec<String>,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path)?;
        match &self.change {
            Change::OnlyFirst(value) => write!(f, "only in the first: {value}"),
            Change::OnlySecond(value) => write!(f, "only in the second: {value}"),
            Change::Value(first, second) => write!(f, "{first} -> {second}"),
            Change::Pages(1) => f.write_str("1 page differs"),
            Change::Pages(count) => write!(f, "{count} pages differ"),
            Change::Flags { set, cleared } => {
                let set = set.iter().map(|name| format!("+{name}"));
                let names: Vec<_> =
                    set.chain(cleared.iter().map(|name| format!("-{name}"))).collect();
                f.write_str(&names.join(" "))
            }
        }
    }
}

/// Everything in which two snapshots differ, except raw sections: header first, then instances in
/// the order of the first file.
///
/// # Errors
/// Damage in either file.
pub fn diff(
    first: &Snapshot<'_>,
    second: &Snapshot<'_>,
) -> Result<Vec<Difference>, ContainerError> {
    let mut found = Vec::new();
    header(first, second, &mut found);
    let (first, second) = (Tree::new(first)?, Tree::new(second)?);
    let mut others: BTreeMap<&str, &SectionEntry> =
        second.sections().map(|section| (section.path.as_str(), section)).collect();
    for section in first.sections() {
        match others.remove(section.path.as_str()) {
            Some(other) => instance(&first, section, &second, other, &mut found)?,
            None => found.push(only(section, Change::OnlyFirst)),
        }
    }
    for section in second.sections().filter(|section| others.contains_key(section.path.as_str())) {
        found.push(only(section, Change::OnlySecond));
    }
    Ok(found)
}

fn only(section: &SectionEntry, change: impl Fn(String) -> Change) -> Difference {
    let shown = format!("{}@{}", section.type_name, section.version);
    Difference { path: section.path.clone(), change: change(shown) }
}

fn header(first: &Snapshot<'_>, second: &Snapshot<'_>, found: &mut Vec<Difference>) {
    let (first, second) = (first.header(), second.header());
    let mut text = |path: &str, a: String, b: String| {
        if a != b {
            found.push(Difference { path: path.to_owned(), change: Change::Value(a, b) });
        }
    };
    let machine =
        |name: &crate::container::MachineName| format!("{}@{}", name.machine, name.version);
    text("(machine)", machine(&first.machine), machine(&second.machine));
    let (a, b) = (first.position, second.position);
    text("(position).steps", a.steps.to_string(), b.steps.to_string());
    text("(position).idle_ns", a.idle_ns.to_string(), b.idle_ns.to_string());
    text("(position).sequence", a.sequence.to_string(), b.sequence.to_string());
    let files = |header: &crate::container::Header| -> BTreeMap<String, String> {
        let shown = |file: &crate::container::ExternalFile| {
            let digest = blake3::Hash::from_bytes(file.blake3).to_hex();
            let shown = format!("{} {}", file.name, &digest[..16]);
            (format!("(file) {}", file.role), shown.trim_start().to_owned())
        };
        header.external_files.iter().map(shown).collect()
    };
    pairs(&files(first), &files(second), found);
    let properties = |header: &crate::container::Header| -> BTreeMap<String, String> {
        header.properties.iter().map(|(k, v)| (format!("(property) {k}"), v.clone())).collect()
    };
    pairs(&properties(first), &properties(second), found);
}

fn pairs(
    first: &BTreeMap<String, String>,
    second: &BTreeMap<String, String>,
    found: &mut Vec<Difference>,
) {
    for (key, a) in first {
        let change = match second.get(key) {
            Some(b) if a == b => continue,
            Some(b) => Change::Value(a.clone(), b.clone()),
            None => Change::OnlyFirst(a.clone()),
        };
        found.push(Difference { path: key.clone(), change });
    }
    for (key, b) in second.iter().filter(|(key, _)| !first.contains_key(*key)) {
        found.push(Difference { path: key.clone(), change: Change::OnlySecond(b.clone()) });
    }
}

fn instance(
    first: &Tree<'_, '_>,
    a: &SectionEntry,
    second: &Tree<'_, '_>,
    b: &SectionEntry,
    found: &mut Vec<Difference>,
) -> Result<(), ContainerError> {
    let (first, second) = (first.read(a)?, second.read(b)?);
    let (x, y) = (first.node()?, second.node()?);
    if a.schema == b.schema && x.bytes() == y.bytes() {
        return Ok(());
    }
    let mut walk = Walk { found, error: None };
    walk.nodes(&a.path, &x, &y);
    match walk.error {
        None => Ok(()),
        Some((true, error)) => Err(a.value_error(&error)),
        Some((false, error)) => Err(b.value_error(&error)),
    }
}

/// Compares values; an error in one of them ends the walk and says in which.
struct Walk<'f> {
    found: &'f mut Vec<Difference>,
    error: Option<(bool, LoadError)>,
}

impl Walk<'_> {
    /// Takes the value out of a result, noting the error.
    fn take<T>(&mut self, in_first: bool, result: Result<T, LoadError>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.error.get_or_insert((in_first, error));
                None
            }
        }
    }

    fn push(&mut self, path: &str, change: Change) {
        self.found.push(Difference { path: path.to_owned(), change });
    }

    fn nodes(&mut self, path: &str, a: &Node<'_>, b: &Node<'_>) {
        let (Some(x), Some(y)) = (self.take(true, a.view()), self.take(false, b.view())) else {
            return;
        };
        match (&x, &y) {
            (View::Struct(_), View::Struct(_)) => self.children(path, a, b),
            (View::Variant(_, v), View::Variant(_, w)) if v.name == w.name => {
                self.children(path, a, b);
            }
            (View::List(_), View::List(_)) | (View::Map(_), View::Map(_)) => {
                self.children(path, a, b);
            }
            (View::Tuple(_), View::Tuple(_)) => self.children(path, a, b),
            (View::Bytes(v), View::Bytes(w)) => self.bytes(path, v, w),
            (View::Flags(v), View::Flags(w)) => {
                let (v, w) = (v.set(), w.set());
                let missing = |from: &[String], of: &[String]| -> Vec<String> {
                    of.iter().filter(|name| !from.contains(name)).cloned().collect()
                };
                let (set, cleared) = (missing(&v, &w), missing(&w, &v));
                if !set.is_empty() || !cleared.is_empty() {
                    self.push(path, Change::Flags { set, cleared });
                }
            }
            (View::Unsigned(v, _), View::Unsigned(w, _)) if v == w => {}
            (View::Signed(v, _), View::Signed(w, _)) if v == w => {}
            _ => self.scalars(path, a, b),
        }
    }

    fn scalars(&mut self, path: &str, a: &Node<'_>, b: &Node<'_>) {
        let (x, y) = (self.take(true, a.brief()), self.take(false, b.brief()));
        if let (Some(x), Some(y)) = (x, y)
            && x != y
        {
            self.push(path, Change::Value(x, y));
        }
    }

    /// Ranges of bytes that differ, each as one difference.
    fn bytes(&mut self, path: &str, a: &[u8], b: &[u8]) {
        if a.len() != b.len() {
            let (x, y) = (format!("{} bytes", a.len()), format!("{} bytes", b.len()));
            self.push(path, Change::Value(x, y));
        }
        let common = a.len().min(b.len());
        let mut at = 0;
        while at < common {
            if a[at] == b[at] {
                at += 1;
                continue;
            }
            let start = at;
            while at < common && a[at] != b[at] {
                at += 1;
            }
            let range = if at == start + 1 {
                format!("{path}[{start}]")
            } else {
                format!("{path}[{start}..{at}]")
            };
            let change = Change::Value(shown(&a[start..at]), shown(&b[start..at]));
            self.push(&range, change);
        }
    }

    fn children(&mut self, path: &str, a: &Node<'_>, b: &Node<'_>) {
        let mut second = match self.take(false, b.children()) {
            Some(children) => children.peekable(),
            None => return,
        };
        let Some(first) = self.take(true, a.children()) else { return };
        // Nearly always both have the same names in the same order; what does not match is kept.
        let (mut left, mut right) = (Vec::new(), Vec::new());
        for x in first {
            let Some(x) = self.take(true, x) else { return };
            let Some(y) = second.next() else {
                left.push(x);
                continue;
            };
            let Some(y) = self.take(false, y) else { return };
            match self.take(true, same_name(&x, &y)) {
                Some(true) => self.pair(path, &x, &y),
                Some(false) => {
                    left.push(x);
                    right.push(y);
                }
                None => return,
            }
        }
        for y in second {
            let Some(y) = self.take(false, y) else { return };
            right.push(y);
        }
        self.unmatched(path, left, right);
    }

    /// Pairs up what did not stand at the same place in both: by name, or a former name.
    fn unmatched(&mut self, path: &str, left: Vec<Child<'_>>, right: Vec<Child<'_>>) {
        let mut twins: BTreeMap<String, usize> = BTreeMap::new();
        for (i, y) in right.iter().enumerate() {
            let Some(name) = self.take(false, y.label.text()) else { return };
            let former = match &y.label {
                Label::Field(field) => field.aliases.clone(),
                Label::Index(_) | Label::Key(_) => Vec::new(),
            };
            twins.extend(former.into_iter().chain([name]).map(|name| (name, i)));
        }
        let mut used = vec![false; right.len()];
        for x in left {
            let Some(name) = self.take(true, x.label.text()) else { return };
            let aliases = match &x.label {
                Label::Field(field) => field.aliases.as_slice(),
                Label::Index(_) | Label::Key(_) => &[],
            };
            let twin = [name].iter().chain(aliases).find_map(|name| twins.get(name).copied());
            match twin.filter(|i| !used[*i]) {
                Some(i) => {
                    used[i] = true;
                    self.pair(path, &x, &right[i]);
                }
                None => self.alone(path, &x, true),
            }
        }
        for (y, used) in right.iter().zip(used) {
            if !used {
                self.alone(path, y, false);
            }
        }
    }

    fn pair(&mut self, path: &str, x: &Child<'_>, y: &Child<'_>) {
        if self.error.is_none()
            && let Some(path) = self.take(true, x.label.join(path))
        {
            self.nodes(&path, &x.node, &y.node);
        }
    }

    fn alone(&mut self, path: &str, child: &Child<'_>, in_first: bool) {
        let path = self.take(in_first, child.label.join(path));
        let shown = self.take(in_first, child.node.brief());
        if let (Some(path), Some(shown)) = (path, shown) {
            let change =
                if in_first { Change::OnlyFirst(shown) } else { Change::OnlySecond(shown) };
            self.push(&path, change);
        }
    }
}

/// Bytes in a difference; long ones by their ends.
fn shown(bytes: &[u8]) -> String {
    const LONGEST: usize = 16;
    let hex =
        |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
    match bytes.len() {
        ..=LONGEST => hex(bytes),
        len => format!("{} .. {}", hex(&bytes[..8]), hex(&bytes[len - 4..])),
    }
}

fn same_name(x: &Child<'_>, y: &Child<'_>) -> Result<bool, LoadError> {
    Ok(match (&x.label, &y.label) {
        (Label::Field(a), Label::Field(b)) => {
            a.name == b.name || a.aliases.contains(&b.name) || b.aliases.contains(&a.name)
        }
        (Label::Index(a), Label::Index(b)) => a == b,
        (Label::Key(a), Label::Key(b)) => a.brief()? == b.brief()?,
        _ => false,
    })
}
