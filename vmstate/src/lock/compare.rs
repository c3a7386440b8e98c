//! Two locks side by side: what the newer one breaks.

use std::fmt;

use super::{Entry, EntryField};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// Nothing to do.
    Fine,
    /// Right only if the code says so; look at it.
    NeedsAttention,
    /// State in users' hands no longer means what it meant.
    Breaking,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad.
    pub grade: Grade,
    /// `Type@version`, with `.field` where it is about one.
    pub place: String,
    /// What differs and what to do.
    pub message: String,
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fine => "fine",
            Self::NeedsAttention => "needs attention",
            Self::Breaking => "breaking",
        })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.grade, self.place, self.message)
    }
}

/// Compares the `old` lock with the `new` one; the worst findings first.
#[must_use]
pub fn compare(old: &[Entry], new: &[Entry]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for entry in old {
        let same = new
            .iter()
            .find(|other| other.type_name == entry.type_name && other.version == entry.version);
        match same {
            None => findings.push(Finding {
                grade: Grade::Breaking,
                place: format!("{}@{}", entry.type_name, entry.version),
                message: "was released and is gone from the lock; entries are only appended".into(),
            }),
            Some(other) => altered(entry, other, &mut findings),
        }
    }
    for entry in new {
        let known = |other: &&Entry| other.type_name == entry.type_name;
        if old.iter().filter(known).any(|other| other.version == entry.version) {
            continue;
        }
        let earlier = new.iter().chain(old).filter(known);
        let earlier = earlier.filter(|other| other.version < entry.version);
        match earlier.max_by_key(|other| other.version) {
            None => findings.push(Finding {
                grade: Grade::Fine,
                place: format!("{}@{}", entry.type_name, entry.version),
                message: "is a new type".into(),
            }),
            Some(before) => stepped(before, entry, &mut findings),
        }
    }
    findings.sort_by(|a, b| b.grade.cmp(&a.grade).then_with(|| a.place.cmp(&b.place)));
    findings
}

/// The same version, twice.
fn altered(old: &Entry, new: &Entry, findings: &mut Vec<Finding>) {
    if old == new {
        return;
    }
    let place = format!("{}@{}", old.type_name, old.version);
    let mut message = "a released version was edited; restore it and release a new one".to_owned();
    for field in &old.fields {
        match new.fields.iter().find(|other| other.path == field.path) {
            None => message.push_str(&format!("; `{}` is gone", field.path)),
            Some(other) if other != field => {
                message.push_str(&format!(
                    "; `{}` was {}, is {}",
                    field.path,
                    says(field),
                    says(other)
                ));
            }
            Some(_) => {}
        }
    }
    findings.push(Finding { grade: Grade::Breaking, place, message });
}

fn says(field: &EntryField) -> String {
    format!("{} (revision {}, default {})", field.kind, field.revision, field.default)
}

/// From one version to the next.
fn stepped(old: &Entry, new: &Entry, findings: &mut Vec<Finding>) {
    let place = |path: &str| format!("{}@{}.{path}", new.type_name, new.version);
    let mut push = |grade, path: &str, message: String| {
        findings.push(Finding { grade, place: place(path), message });
    };
    for field in &new.fields {
        match old.fields.iter().find(|other| other.path == field.path) {
            None if field.default == "none" => push(
                Grade::Breaking,
                &field.path,
                format!("is new since version {} and has no default for older state", old.version),
            ),
            None => push(
                Grade::Fine,
                &field.path,
                format!("is new; older state gets {}", field.default),
            ),
            Some(other) if other.kind != field.kind && other.revision == field.revision => push(
                if nested_only(&other.kind, &field.kind) { Grade::Fine } else { Grade::Breaking },
                &field.path,
                format!("was {}, is {}", other.kind, field.kind),
            ),
            Some(other) if other.revision != field.revision => push(
                Grade::NeedsAttention,
                &field.path,
                format!("was {}, is {}: check both ways of its conversion", other.kind, field.kind),
            ),
            Some(_) => {}
        }
    }
    for field in &old.fields {
        if !new.fields.iter().any(|other| other.path == field.path) {
            push(
                Grade::NeedsAttention,
                &field.path,
                "is gone: renamed (`alias`) or removed (`removed(..)`)".to_owned(),
            );
        }
    }
    for (id, name) in &old.variants {
        let now = new.variants.iter().find(|(_, other)| other == name);
        if now.is_none_or(|(now, _)| now != id) {
            let message = format!("variant {id} is gone or has another id");
            push(Grade::NeedsAttention, name, message);
        }
    }
    if old.semantic != new.semantic {
        let message = format!("semantic revision {} became {}", old.semantic, new.semantic);
        push(Grade::NeedsAttention, "", message);
    }
}

/// Whether kinds differ in nothing but versions of nested types.
fn nested_only(old: &str, new: &str) -> bool {
    let unversioned = |kind: &str| -> String {
        let mut text = String::new();
        let mut skipping = false;
        for c in kind.chars() {
            skipping = c == '@' || (skipping && c.is_ascii_digit());
            if !skipping {
                text.push(c);
            }
        }
        text
    };
    unversioned(old) == unversioned(new)
}
