//! The lock, as far as tokens can be compared with it; constants compare the rest.

use std::path::PathBuf;

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Expr, ExprLit, Lit, Type};

use crate::ast::{Body, ConvertBy, Field, Input, Number, Variant};
use crate::errors::Errors;

/// The entries about one type, and where they came from.
#[derive(Default)]
pub(crate) struct Lock {
    path: Option<PathBuf>,
    entries: Vec<Entry>,
}

struct Entry {
    type_name: String,
    version: u32,
    hash: u128,
    uses: Vec<(String, u32)>,
    variants: Vec<(u32, String)>,
    fields: Vec<EntryField>,
}

struct EntryField {
    path: String,
    default: Option<Vec<u8>>,
    kind: String,
}

impl Lock {
    /// Reads the lock of the crate being compiled. No lock: nothing was released.
    pub(crate) fn read(input: &Input, errors: &mut Errors) -> Self {
        let Ok(root) = std::env::var("CARGO_MANIFEST_DIR") else { return Self::default() };
        let file = input.lock.as_ref().map_or_else(|| "vmstate.lock".to_owned(), |l| l.value());
        let path = PathBuf::from(root).join(file);
        let Ok(text) = std::fs::read_to_string(&path) else {
            if let Some(named) = &input.lock {
                errors.at(named, "this lock cannot be read");
            }
            return Self::default();
        };
        match parse(&text, &input.name) {
            Ok(entries) => Self { path: Some(path), entries },
            Err(line) => {
                errors.span(
                    input.ident.span(),
                    format!("line {line} of {} is malformed: restore it", path.display()),
                );
                Self::default()
            }
        }
    }

    /// `&[ReleasedDef, ..]`.
    pub(crate) fn released(&self, input: &Input) -> TokenStream {
        let krate = &input.krate;
        let entries = self.entries.iter().map(|entry| {
            let Entry { type_name, version, hash, .. } = entry;
            let uses = entry.uses.iter().map(|(name, version)| quote!((#name, #version)));
            let defaults = entry.fields.iter().filter_map(|field| {
                let (path, bytes) = (&field.path, field.default.as_ref()?);
                Some(quote!((#path, &[#(#bytes),*])))
            });
            quote!(#krate::define::ReleasedDef {
                name: #type_name,
                version: #version,
                hash: #hash,
                uses: &[#(#uses),*],
                defaults: &[#(#defaults),*],
            })
        });
        quote!(&[#(#entries),*])
    }

    /// Constants that fail where tokens cannot tell, and the dependency on the file.
    pub(crate) fn assertions(&self, input: &Input) -> TokenStream {
        let Some(path) = self.path.as_ref().and_then(|path| path.to_str()) else {
            return TokenStream::new();
        };
        let tracked = quote!(
            const _: &[u8] = ::core::include_bytes!(#path);
        );
        if !input.generics.params.is_empty() {
            return tracked;
        }
        let (krate, ident, name) = (&input.krate, &input.ident, &input.name);
        let newest = input.version.value;
        let shapes = self.entries.iter().filter(|entry| loads(input, entry)).map(|entry| {
            let version = entry.version;
            let message = format!(
                "`{name}` no longer has the shape that was released as version {version} \
                 (vmstate.lock): a type inside one of its fields, or a constant length, changed. \
                 Restore it; a change needs a new version of that type and then `version = {}` here",
                newest + 1
            );
            quote_spanned!(input.ident.span()=> const _: () =
                <#ident as #krate::VmState>::DEF.assert_released(#version, #message);)
        });
        let held = self.entries.iter().find(|entry| entry.version == newest).map(|entry| {
            live_fields(input)
                .into_iter()
                .filter(|field| field.is_state() && field.flags.is_empty())
                .map(|field| Self::held(input, entry, field))
                .collect::<TokenStream>()
        });
        quote!(#tracked #(#shapes)* #held)
    }

    /// The field's nested types still have the versions that this type was released with.
    fn held(input: &Input, entry: &Entry, field: &Field) -> TokenStream {
        let kind = crate::definition::as_field(input, &field.ty, &field.max_len);
        let uses = entry.uses.iter().map(|(name, version)| quote!((#name, #version)));
        let message = format!(
            "`{0}.{1}`: a type in it has a newer version than `{0}` version {2} was released with: \
             write `version = {3}` on `{0}`",
            input.name,
            field.name,
            entry.version,
            entry.version + 1
        );
        quote_spanned!(field.ty.span()=> const _: () =
            #kind::KIND.assert_versions(&[#(#uses),*], #message);)
    }

    /// Compares tokens with every released version that is still loaded.
    pub(crate) fn check(&self, input: &Input, errors: &mut Errors) {
        for entry in &self.entries {
            if entry.version > input.version.value {
                errors.span(
                    input.version.span,
                    format!(
                        "version {} of `{}` was released (vmstate.lock): `version` cannot go back",
                        entry.version, input.name
                    ),
                );
            } else if loads(input, entry) {
                Self::check_entry(input, entry, errors);
            }
        }
    }

    fn check_entry(input: &Input, entry: &Entry, errors: &mut Errors) {
        match &input.body {
            Body::Struct(fields) => {
                let fields: Vec<&Field> = fields.iter().chain(&input.removed).collect();
                check_fields(input, entry, "", &fields, errors);
            }
            Body::Enum(variants) => check_variants(input, entry, variants, errors),
        }
    }
}

fn live_fields(input: &Input) -> Vec<&Field> {
    match &input.body {
        Body::Struct(fields) => fields.iter().collect(),
        Body::Enum(variants) => variants.iter().flat_map(|variant| &variant.fields).collect(),
    }
}

fn loads(input: &Input, entry: &Entry) -> bool {
    (input.version_min.value..=input.version.value).contains(&entry.version)
}

/// "bump the version and", if `version` is still the newest.
fn bump(input: &Input, version: u32) -> String {
    if version == input.version.value {
        format!("write `version = {}` and ", version + 1)
    } else {
        "write ".to_owned()
    }
}

fn check_variants(input: &Input, entry: &Entry, variants: &[Variant], errors: &mut Errors) {
    let version = entry.version;
    for (id, name) in &entry.variants {
        match variants.iter().find(|variant| variant.name == *name) {
            None => errors.span(
                input.ident.span(),
                format!(
                    "variant `{name}` (id {id}) of `{}` was released in version {version} \
                     (vmstate.lock) and is gone: keep it; if it was renamed, write \
                     `#[vmstate(name = \"{name}\")]` on it",
                    input.name
                ),
            ),
            Some(variant) => {
                if let Some(found) = variant.id.filter(|found| found.value != *id) {
                    errors.span(
                        found.span,
                        format!(
                            "`{}::{name}` was released with id {id} in version {version} (vmstate.lock)",
                            input.name
                        ),
                    );
                }
                let fields: Vec<&Field> = variant.fields.iter().collect();
                check_fields(input, entry, &format!("{name}."), &fields, errors);
            }
        }
    }
    for variant in variants {
        let known = entry.variants.iter().any(|(_, name)| *name == variant.name);
        if !known && variant.since.value <= version {
            errors.span(
                variant.ident.span(),
                format!(
                    "`{}::{}` is not in the released version {version} (vmstate.lock): {}`#[vmstate(since = {})]` on it",
                    input.name, variant.name, bump(input, version), version + 1
                ),
            );
        }
    }
}

fn check_fields(
    input: &Input,
    entry: &Entry,
    prefix: &str,
    fields: &[&Field],
    errors: &mut Errors,
) {
    let version = entry.version;
    let type_name = &input.name;
    let living: Vec<&&Field> =
        fields.iter().filter(|field| field.is_state() && field.lives_in(version)).collect();
    for released in &entry.fields {
        let Some(name) = released.path.strip_prefix(prefix).filter(|name| !name.contains('.'))
        else {
            continue;
        };
        match living.iter().find(|field| field.name_in(version) == name) {
            None => errors.span(
                input.ident.span(),
                format!(
                    "`{type_name}.{0}` ({1}) was released in version {version} (vmstate.lock) and is gone: \
                     {2}`removed({name}: .., until = {version}, default = ..)` on the type; if it was \
                     renamed, `alias(\"{name}\", until = {version})` on the field",
                    released.path, released.kind, bump(input, version)
                ),
            ),
            Some(field) => check_kind(input, entry, released, field, errors),
        }
    }
    for field in living {
        let path = format!("{prefix}{}", field.name_in(version));
        if !entry.fields.iter().any(|released| released.path == path) {
            errors.span(
                field.span,
                format!(
                    "`{type_name}.{path}` is not in the released version {version} (vmstate.lock): \
                     {}`#[vmstate(since = {}, default = ..)]` on the field",
                    bump(input, version),
                    version + 1
                ),
            );
        }
    }
}

fn check_kind(
    input: &Input,
    entry: &Entry,
    released: &EntryField,
    field: &Field,
    errors: &mut Errors,
) {
    let version = entry.version;
    let step = field.converts.iter().find(|step| version <= step.until.value);
    let (ty, max_len) =
        step.map_or((&field.ty, &field.max_len), |step| (&step.from, &step.max_len));
    let flags = match step.map(|step| &step.by) {
        Some(ConvertBy::Flags(flags)) => flags,
        Some(ConvertBy::Paths { .. }) => &Vec::new(),
        None => &field.flags,
    };
    let now = if flags.is_empty() { kind_text(ty, max_len) } else { flags_text(ty, flags) };
    let way = if flags.is_empty() {
        format!("`convert(from = .., until = {version}, up = .., down = ..)`")
    } else {
        format!("`former_flags(until = {version}, ..)` with the released names and bits")
    };
    if now.is_some_and(|now| now != released.kind) {
        errors.at(
            ty,
            format!(
                "`{}.{}` was {} in the released version {version} (vmstate.lock): {}on the field \
                 {way}",
                input.name,
                released.path,
                released.kind,
                bump(input, version)
            ),
        );
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

/// The entries about `name`; `Err` is a line's number.
fn parse(text: &str, name: &str) -> Result<Vec<Entry>, usize> {
    let mut entries: Vec<Entry> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let words: Vec<&str> = line.split(' ').collect();
        let number = |word: &str| word.parse::<u32>().map_err(|_| index + 1);
        match (words.as_slice(), entries.last_mut()) {
            (["type", name, "version", version, "semantic", _, "hash", hash], _) => {
                entries.push(Entry {
                    type_name: (*name).to_owned(),
                    version: number(version)?,
                    hash: u128::from_str_radix(hash, 16).map_err(|_| index + 1)?,
                    uses: Vec::new(),
                    variants: Vec::new(),
                    fields: Vec::new(),
                });
            }
            (["uses", used], Some(entry)) => {
                let (name, version) = used.rsplit_once('@').ok_or(index + 1)?;
                entry.uses.push((name.to_owned(), number(version)?));
            }
            (["variant", id, name], Some(entry)) => {
                entry.variants.push((number(id)?, (*name).to_owned()));
            }
            (
                ["field", path, "revision", _, _, "default", default, "kind", kind @ ..],
                Some(entry),
            ) => {
                entry.fields.push(EntryField {
                    path: (*path).to_owned(),
                    default: bytes(default).map_err(|()| index + 1)?,
                    kind: kind.join(" "),
                });
            }
            _ => return Err(index + 1),
        }
    }
    entries.retain(|entry| entry.type_name.split('<').next() == Some(name));
    Ok(entries)
}

fn bytes(hex: &str) -> Result<Option<Vec<u8>>, ()> {
    match hex {
        "none" => Ok(None),
        "empty" => Ok(Some(Vec::new())),
        hex => (0..hex.len())
            .step_by(2)
            .map(|at| {
                let digits = hex.get(at..at + 2).ok_or(())?;
                u8::from_str_radix(digits, 16).map_err(|_| ())
            })
            .collect::<Result<_, ()>>()
            .map(Some),
    }
}
