//! The lock, as far as tokens can be compared with it; constants compare the rest.

mod compare;

use std::cmp::Reverse;
use std::io::ErrorKind;
use std::path::PathBuf;

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

use crate::ast::{Body, Field, Input};
use crate::errors::Errors;
use crate::mistake::Mistake;

/// The entries about one type, and where they came from.
#[derive(Default)]
pub(crate) struct Lock {
    path: Option<PathBuf>,
    entries: Vec<Entry>,
}

struct Entry {
    type_name: String,
    version: u32,
    semantic: u32,
    hash: u128,
    uses: Vec<(String, u32)>,
    variants: Vec<(u32, String)>,
    fields: Vec<EntryField>,
}

struct EntryField {
    path: String,
    /// Conversions behind it.
    revision: u32,
    /// `always`, `when` or `subsection`.
    presence: String,
    default: Option<Vec<u8>>,
    kind: String,
}

impl Lock {
    /// Reads the lock of the crate being compiled. No lock: nothing was released.
    pub(crate) fn read(input: &Input, errors: &mut Errors) -> Self {
        let Ok(root) = std::env::var("CARGO_MANIFEST_DIR") else { return Self::default() };
        let file = input.lock.as_ref().map_or_else(|| "vmstate.lock".to_owned(), |l| l.value());
        let path = PathBuf::from(root).join(&file);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) => {
                let mistake = Mistake::LockUnreadable;
                match &input.lock {
                    Some(named) => errors.at(named, mistake),
                    None if error.kind() == ErrorKind::NotFound => {}
                    None => errors.span(input.ident.span(), mistake),
                }
                return Self::default();
            }
        };
        match parse(&text, &input.name) {
            Ok(entries) => Self { path: Some(path), entries },
            Err(line) => {
                errors.span(input.ident.span(), Mistake::LockMalformed { line, lock: file });
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

    /// What the lock does not have yet.
    fn next_version(&self) -> u32 {
        self.entries.iter().map(|entry| entry.version).max().unwrap_or(0).saturating_add(1)
    }

    /// The released versions that this build loads, newest first.
    fn loaded(&self, input: &Input) -> Vec<&Entry> {
        let versions = input.version_min.value..=input.version.value;
        let mut entries: Vec<&Entry> =
            self.entries.iter().filter(|entry| versions.contains(&entry.version)).collect();
        entries.sort_by_key(|entry| Reverse(entry.version));
        entries
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
        let next = self.next_version();
        // In one constant, the newest first: what mends that one mends the older ones.
        let shapes = self.loaded(input).into_iter().map(|entry| {
            let version = entry.version;
            let message = Mistake::ShapeChanged { name: name.clone(), version, next }.to_string();
            quote!(<#ident as #krate::VmState>::DEF.assert_released(#version, #message);)
        });
        let shapes = quote_spanned!(input.ident.span()=> const _: () = { #(#shapes)* };);
        let held = self.entries.iter().find(|entry| entry.version == newest).map(|entry| {
            live_fields(input)
                .into_iter()
                .filter(|field| field.is_state() && field.flags.is_empty())
                .map(|field| Self::held(input, entry, field))
                .collect::<TokenStream>()
        });
        quote!(#tracked #shapes #held)
    }

    /// The field's nested types still have the versions that this type was released with.
    fn held(input: &Input, entry: &Entry, field: &Field) -> TokenStream {
        let kind = crate::definition::field_item(input, field, "KIND");
        let uses = entry.uses.iter().map(|(name, version)| quote!((#name, #version)));
        let (owner, field_name, version) = (input.name.clone(), field.name.clone(), entry.version);
        let next = version.saturating_add(1);
        let message = Mistake::NestedNewer { owner, field: field_name, version, next }.to_string();
        quote_spanned!(field.ty.span()=> const _: () =
            #kind.assert_versions(&[#(#uses),*], #message);)
    }
}

fn live_fields(input: &Input) -> Vec<&Field> {
    match &input.body {
        Body::Struct(fields) => fields.iter().collect(),
        Body::Enum(variants) => variants.iter().flat_map(|variant| &variant.fields).collect(),
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
            (["type", name, "version", version, "semantic", semantic, "hash", hash], _) => {
                entries.push(Entry {
                    type_name: (*name).to_owned(),
                    version: number(version)?,
                    semantic: number(semantic)?,
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
                [
                    "field",
                    path,
                    "revision",
                    revision,
                    presence,
                    "default",
                    default,
                    "kind",
                    kind @ ..,
                ],
                Some(entry),
            ) => {
                entry.fields.push(EntryField {
                    path: (*path).to_owned(),
                    revision: number(revision)?,
                    presence: (*presence).to_owned(),
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
