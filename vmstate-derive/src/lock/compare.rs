//! The tokens of a type against its released versions.
//!
//! Problem: one edit breaks every released version that has the thing, and what to write depends on the
//! newest of them: after `since = 3` versions 1 and 2 are right again, after `since = 2` only one is. So the
//! versions are compared newest first, and a thing that was reported is not reported again.

use std::collections::BTreeSet;

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::{Expr, ExprLit, Lit, Type};

use super::{Entry, EntryField, Lock};
use crate::ast::{Body, ConvertBy, Field, Input, Number, Presence, Variant};
use crate::errors::Errors;
use crate::mistake::Mistake;

impl Lock {
    /// Compares tokens with every released version that is still loaded.
    pub(crate) fn check(&self, input: &Input, errors: &mut Errors) {
        let newest = self.entries.iter().map(|entry| entry.version).max();
        if let Some(version) = newest.filter(|newest| *newest > input.version.value) {
            let name = input.name.clone();
            errors.span(input.version.span, Mistake::VersionGoesBack { name, version });
        }
        let mut reported = BTreeSet::new();
        for entry in self.loaded(input) {
            let mut comparison = Comparison { lock: self, input, entry, reported, errors };
            comparison.meaning();
            match &input.body {
                Body::Struct(fields) => {
                    let fields: Vec<&Field> = fields.iter().chain(&input.removed).collect();
                    comparison.fields(None, &fields);
                }
                Body::Enum(variants) => comparison.variants(variants),
            }
            reported = comparison.reported;
        }
    }
}

/// A type and one of its released versions.
struct Comparison<'a> {
    lock: &'a Lock,
    input: &'a Input,
    entry: &'a Entry,
    /// What has been found wrong: a word for how, and the name of the field or variant.
    reported: BTreeSet<(&'static str, String)>,
    errors: &'a mut Errors,
}

impl Comparison<'_> {
    fn report(&mut self, how: &'static str, name: &str, span: Span, mistake: Mistake) {
        if self.reported.insert((how, name.to_owned())) {
            self.errors.span(span, mistake);
        }
    }

    /// "bump the version and", if the version is still the newest.
    fn bump(&self) -> String {
        let version = self.entry.version;
        if version == self.input.version.value {
            format!("write `version = {}` and ", version.saturating_add(1))
        } else {
            "write ".to_owned()
        }
    }

    fn meaning(&mut self) {
        let (input, version) = (self.input, self.entry.version);
        let now = input.semantics.iter().rev().find(|(since, _)| since.value <= version);
        if now.map_or(0, |(_, revision)| revision.value) == self.entry.semantic {
            return;
        }
        let (name, was) = (input.name.clone(), self.entry.semantic);
        let (bump, since) = (self.bump(), version.saturating_add(1));
        let mistake = Mistake::SemanticChanged { name, was, version, bump, since };
        let place = now.map_or(input.ident.span(), |(_, revision)| revision.span);
        self.report("meaning", "", place, mistake);
    }

    fn variants(&mut self, variants: &[Variant]) {
        let (entry, version) = (self.entry, self.entry.version);
        let owner = &self.input.name;
        for (id, name) in &entry.variants {
            let Some(variant) = variants.iter().find(|variant| variant.name == *name) else {
                let (name, owner) = (name.clone(), owner.clone());
                let mistake = Mistake::VariantGone { name: name.clone(), id: *id, owner, version };
                self.report("gone", &name, self.input.ident.span(), mistake);
                continue;
            };
            if let Some(found) = variant.id.filter(|found| found.value != *id) {
                let full = format!("{owner}::{name}");
                let mistake = Mistake::VariantIdChanged { variant: full, id: *id, version };
                self.report("id", name, found.span, mistake);
            }
            if variant.since.value > version {
                self.later("variant", &format!("{owner}::{name}"), variant.since.span);
            }
            let fields: Vec<&Field> = variant.fields.iter().collect();
            self.fields(Some(name), &fields);
        }
        for variant in variants {
            let known = entry.variants.iter().any(|(_, name)| *name == variant.name);
            if !known && variant.since.value <= version {
                let full = format!("{owner}::{}", variant.name);
                let (bump, since) = (self.bump(), version.saturating_add(1));
                let mistake = Mistake::VariantNew { variant: full, version, bump, since };
                self.report("new", &variant.name, variant.ident.span(), mistake);
            }
        }
    }

    /// The fields of a struct, or of `variant`.
    fn fields(&mut self, variant: Option<&str>, fields: &[&Field]) {
        let (entry, version) = (self.entry, self.entry.version);
        let prefix = variant.map_or_else(String::new, |variant| format!("{variant}."));
        let living: Vec<&Field> = fields
            .iter()
            .copied()
            .filter(|field| field.is_state() && field.lives_in(version))
            .collect();
        let (mut gone, mut new) = (Vec::new(), Vec::new());
        for released in &entry.fields {
            let Some(name) = released.path.strip_prefix(&prefix).filter(|name| !name.contains('.'))
            else {
                continue;
            };
            let named = |field: &&&Field| field.name_in(version) == name;
            if let Some(field) = living.iter().find(named) {
                self.kind(released, field);
                self.presence(released, field);
            } else if let Some(field) =
                fields.iter().filter(|f| f.is_state() && f.since.value > version).find(named)
            {
                let path = format!("{}.{}", self.input.name, released.path);
                self.later("field", &path, field.since.span);
            } else if self.reported.insert(("gone", released.path.clone())) {
                gone.push((released, name));
            }
        }
        for field in living {
            let path = format!("{prefix}{}", field.name_in(version));
            let known = entry.fields.iter().any(|released| released.path == path);
            if !known && self.reported.insert(("new", format!("{prefix}{}", field.name))) {
                new.push((path, field));
            }
        }
        if let ([(released, name)], [(path, field)]) = (gone.as_slice(), new.as_slice()) {
            return self.replaced(variant, released, name, path, field);
        }
        for (released, name) in gone {
            self.gone(variant, released, name);
        }
        for (path, field) in new {
            let (field, place) = (format!("{}.{path}", self.input.name), field.span);
            let (bump, since) = (self.bump(), version.saturating_add(1));
            self.errors.span(place, Mistake::FieldNew { field, version, bump, since });
        }
    }

    /// A field or variant that was released before its `since`.
    fn later(&mut self, what: &'static str, path: &str, place: Span) {
        let version = self.entry.version;
        let mistake = Mistake::SinceLater { path: path.to_owned(), version };
        self.report(what, path, place, mistake);
    }

    /// One field left and one came: most likely a rename.
    fn replaced(
        &mut self,
        variant: Option<&str>,
        released: &EntryField,
        name: &str,
        path: &str,
        field: &Field,
    ) {
        let (version, owner) = (self.entry.version, &self.input.name);
        let (new, gone) = (format!("{owner}.{path}"), format!("{owner}.{}", released.path));
        let (kind, bump, name) = (released.kind.clone(), self.bump(), name.to_owned());
        let mistake = if variant.is_some() {
            Mistake::VariantFieldReplaced { new, gone, kind, version, bump, name }
        } else {
            let removed = self.removed(released, &name);
            let since = version.saturating_add(1);
            Mistake::FieldReplaced { new, gone, kind, version, bump, name, since, removed }
        };
        self.errors.span(field.span, mistake);
    }

    /// How a field that left is written.
    fn removed(&self, released: &EntryField, name: &str) -> String {
        let first = self.lock.first_version_with(&released.path);
        let since = if first > 1 { format!("since = {first}, ") } else { String::new() };
        format!("removed({name}: .., {since}until = {}, default = ..)", self.entry.version)
    }

    fn gone(&mut self, variant: Option<&str>, released: &EntryField, name: &str) {
        let version = self.entry.version;
        let field = format!("{}.{}", self.input.name, released.path);
        let (kind, bump, name) = (released.kind.clone(), self.bump(), name.to_owned());
        let mistake = if variant.is_some() {
            Mistake::VariantFieldGone { field, kind, version, bump, name }
        } else {
            let removed = self.removed(released, &name);
            Mistake::FieldGone { field, kind, version, bump, removed, name }
        };
        self.errors.span(self.input.ident.span(), mistake);
    }

    fn presence(&mut self, released: &EntryField, field: &Field) {
        let now = match field.presence {
            Presence::Always => "always",
            Presence::When(_) => "when",
            Presence::Subsection(_) => "subsection",
        };
        let was = match released.presence.as_str() {
            presence if presence == now => return,
            "when" => "a field with `when`",
            "subsection" => "a `subsection`",
            _ => "always written",
        };
        let path = format!("{}.{}", self.input.name, released.path);
        let version = self.entry.version;
        let mistake = Mistake::PresenceChanged { field: path, was, version };
        self.report("presence", &released.path, field.span, mistake);
    }

    fn kind(&mut self, released: &EntryField, field: &Field) {
        let version = self.entry.version;
        let step = field.converts.iter().find(|step| version <= step.until.value);
        let (ty, max_len) =
            step.map_or((&field.ty, &field.max_len), |step| (&step.from, &step.max_len));
        let flags = match step.map(|step| &step.by) {
            Some(ConvertBy::Flags(flags)) => flags,
            Some(ConvertBy::Paths { .. }) => &Vec::new(),
            None => &field.flags,
        };
        let now = if flags.is_empty() { kind_text(ty, max_len) } else { flags_text(ty, flags) };
        let path = format!("{}.{}", self.input.name, released.path);
        let steps = field.converts.iter().filter(|step| step.until.value < version).count();
        if u32::try_from(steps) != Ok(released.revision) {
            let was = released.revision;
            let mistake = Mistake::StepsChanged { field: path, was, version };
            return self.report("kind", &released.path, field.span, mistake);
        }
        if now.is_none_or(|now| now == released.kind) {
            return;
        }
        let (kind, had_flags) = (released.kind.clone(), released.kind.starts_with("flags("));
        let (place, mistake) = match step {
            Some(step) => {
                let (place, word) = match step.by {
                    ConvertBy::Flags(_) => (step.span, "former_flags"),
                    ConvertBy::Paths { .. } => (ty.span(), "convert"),
                };
                (place, Mistake::FormerKindChanged { field: path, kind, version, word })
            }
            None if had_flags && flags.is_empty() => {
                (ty.span(), Mistake::FlagsGone { field: path, kind, version })
            }
            None => {
                let way = if had_flags {
                    format!(
                        "`former_flags(until = {version}, ..)` with the released names and bits"
                    )
                } else {
                    format!("`convert(from = .., until = {version}, up = .., down = ..)`")
                };
                let bump = self.bump();
                (ty.span(), Mistake::KindChanged { field: path, kind, version, bump, way })
            }
        };
        self.report("kind", &released.path, place, mistake);
    }
}

impl Lock {
    /// The first version that was released with the field.
    fn first_version_with(&self, path: &str) -> u32 {
        self.entries
            .iter()
            .filter(|entry| entry.fields.iter().any(|field| field.path == path))
            .map(|entry| entry.version)
            .min()
            .unwrap_or(1)
    }
}

fn flags_text(ty: &Type, flags: &[(syn::Ident, Number)]) -> Option<String> {
    let mut flags: Vec<_> = flags.iter().collect();
    flags.sort_by_key(|(_, bit)| bit.value);
    let mut text = format!("flags({}", kind_text(ty, &[])?);
    for (name, bit) in flags {
        text.push_str(&format!(", {name} = {}", bit.value));
    }
    Some(text + ")")
}

/// The kind of `ty` as the lock writes it, if tokens alone tell.
fn kind_text(ty: &Type, max_len: &[Expr]) -> Option<String> {
    const SCALARS: [&str; 13] = [
        "bool", "u8", "u16", "u32", "u64", "u128", "i8", "i16", "i32", "i64", "i128", "f32", "f64",
    ];
    let literal = |expr: &Expr| match expr {
        Expr::Lit(ExprLit { lit: Lit::Int(int), .. }) => int.base10_parse::<u64>().ok(),
        _ => None,
    };
    match ty {
        Type::Array(array) => {
            Some(format!("[{}; {}]", kind_text(&array.elem, max_len)?, literal(&array.len)?))
        }
        Type::Path(path) if path.qself.is_none() => {
            let segment = path.path.segments.last()?;
            let word = segment.ident.to_string();
            if path.path.segments.len() == 1 && SCALARS.contains(&word.as_str()) {
                return Some(word);
            }
            let inner = match &segment.arguments {
                syn::PathArguments::AngleBracketed(list) => match list.args.first()? {
                    syn::GenericArgument::Type(inner) => Some(inner),
                    _ => None,
                },
                _ => None,
            };
            let max = max_len.first().and_then(literal);
            match word.as_str() {
                "String" => Some(format!("string(max {})", max?)),
                "Option" => Some(format!("option({})", kind_text(inner?, max_len)?)),
                "Box" => kind_text(inner?, max_len),
                "Vec" | "VecDeque" => {
                    let inner = kind_text(inner?, max_len.get(1..).unwrap_or(&[]))?;
                    Some(format!("seq({inner}, max {})", max?))
                }
                _ => None,
            }
        }
        _ => None,
    }
}
