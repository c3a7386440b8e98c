//! Every rule that tokens can decide. What needs types is left to traits and constants.

use std::collections::{BTreeMap, BTreeSet};

use syn::{GenericArgument, PathArguments, Type};

use crate::ast::{Body, ConvertBy, DefaultValue, Field, Input, Number, Presence, Role, Variant};
use crate::errors::Errors;
use crate::mistake::Mistake;

/// Reports every broken rule of `input`.
pub(crate) fn check(input: &Input, errors: &mut Errors) {
    let version = input.version;
    if input.version_min.value == 0 || input.version_min.value > version.value {
        errors.span(input.version_min.span, Mistake::MinVersion { version: version.value });
    }
    let mut last = 0;
    for (since, _) in &input.semantics {
        if since.value <= last || since.value > version.value {
            errors.span(since.span, Mistake::SemanticSince { version: version.value });
        }
        last = since.value;
    }
    for lifetime in input.generics.lifetimes() {
        errors.at(lifetime, Mistake::Lifetime);
    }
    for field in &input.removed {
        removed_field(input, field, errors);
    }
    match &input.body {
        Body::Struct(fields) => {
            fields.iter().for_each(|field| self::field(input, field, errors));
            names(input, fields.iter().chain(&input.removed), errors);
        }
        Body::Enum(variants) => enumeration(input, variants, errors),
    }
}

fn enumeration(input: &Input, variants: &[Variant], errors: &mut Errors) {
    if let Some(field) = input.removed.first() {
        errors.span(field.span, Mistake::EnumRemoved);
    }
    if input.wired {
        errors.span(input.ident.span(), Mistake::EnumWired);
    }
    if variants.is_empty() {
        errors.span(input.ident.span(), Mistake::NoVariants);
    }
    let mut ids = BTreeMap::new();
    let mut names_seen = BTreeMap::new();
    let mut defaults = 0;
    for variant in variants {
        match variant.id {
            None => errors.span(
                variant.ident.span(),
                Mistake::VariantNoId { variant: variant.ident.to_string() },
            ),
            Some(id) => {
                if let Some(other) = ids.insert(id.value, &variant.ident) {
                    let (other, twice) = (other.to_string(), id.value);
                    errors.span(id.span, Mistake::VariantIdTwice { other, id: twice });
                }
            }
        }
        if let Some(other) = names_seen.insert(variant.name.clone(), &variant.ident) {
            let other = other.to_string();
            errors.span(variant.ident.span(), Mistake::VariantNameTwice { other });
        }
        if variant.since.value == 0 || variant.since.value > input.version.value {
            out_of_versions(input, variant.since, errors);
        }
        defaults += u32::from(variant.is_default);
        if defaults > 1 && variant.is_default {
            errors.span(variant.ident.span(), Mistake::TwoDefaultVariants);
        }
        for field in &variant.fields {
            self::field(input, field, errors);
            in_variant(field, errors);
        }
        names(input, &variant.fields, errors);
    }
}

/// What a variant's field cannot have, because no live counterpart exists while loading.
fn in_variant(field: &Field, errors: &mut Errors) {
    if !field.is_state() {
        errors.span(field.span, Mistake::VariantWiring);
    }
    if field.equal || !matches!(field.presence, Presence::Always) {
        errors.span(field.span, Mistake::VariantCondition);
    }
}

fn out_of_versions(input: &Input, found: Number, errors: &mut Errors) {
    let (name, version) = (input.name.clone(), input.version.value);
    errors.span(found.span, Mistake::OutOfVersions { name, version });
}

fn names<'a>(input: &Input, fields: impl IntoIterator<Item = &'a Field>, errors: &mut Errors) {
    let fields: Vec<&Field> = fields.into_iter().filter(|field| field.is_state()).collect();
    // Where a name begins: a clash is first met at one of these.
    let begins = fields.iter().flat_map(|field| {
        let renamed = field.aliases.iter().map(|(_, until)| until.value.saturating_add(1));
        std::iter::once(field.since.value).chain(renamed)
    });
    let versions: BTreeSet<u32> =
        begins.filter(|version| (1..=input.version.value).contains(version)).collect();
    for version in versions {
        let mut seen = BTreeSet::new();
        for field in fields.iter().filter(|field| field.lives_in(version)) {
            let name = field.name_in(version);
            if !seen.insert(name.clone()) {
                errors.span(field.span, Mistake::TwoFieldsOneName { name, version });
                return;
            }
        }
    }
}

fn removed_field(input: &Input, field: &Field, errors: &mut Errors) {
    let (name, version) = (|| field.name.clone(), input.version.value);
    match field.until {
        None => {
            let last = version.saturating_sub(1);
            errors.span(field.span, Mistake::RemovedNoUntil { field: name(), last });
        }
        Some(until) if until.value >= version => {
            errors.span(until.span, Mistake::RemovedInThisVersion { field: name(), version });
        }
        Some(until) if until.value < field.since.value => {
            errors.span(until.span, Mistake::RemovedUntilBeforeSince);
        }
        Some(_) => {}
    }
    if matches!(field.default, DefaultValue::Zero) {
        errors.span(field.span, Mistake::RemovedNoDefault { field: name() });
    }
    if field.since.value == 0 {
        out_of_versions(input, field.since, errors);
    }
    flags(field, errors);
    state_type(input, &field.ty, &field.max_len, errors);
}

fn field(input: &Input, field: &Field, errors: &mut Errors) {
    if !field.is_state() {
        let word = if matches!(field.role, Role::Skip) { "skip" } else { "cache" };
        if is_annotated(field) {
            errors.span(field.span, Mistake::NoState { word });
        }
        return;
    }
    if field.since.value == 0 || field.since.value > input.version.value {
        out_of_versions(input, field.since, errors);
    } else if field.since.value > 1 && matches!(field.default, DefaultValue::Zero) {
        let (name, since) = (field.name.clone(), field.since.value);
        errors.span(field.span, Mistake::NoDefault { field: name, since });
    }
    evolution(input, field, errors);
    if field.equal && matches!(field.default, DefaultValue::Expr(_)) && field.since.value == 1 {
        errors.span(field.span, Mistake::EqualWithDefault);
    }
    flags(field, errors);
    state_type(input, &field.ty, &field.max_len, errors);
}

fn flags(field: &Field, errors: &mut Errors) {
    named_bits(field, &field.flags, errors);
    for step in &field.converts {
        if let ConvertBy::Flags(flags) = &step.by {
            named_bits(field, flags, errors);
        }
    }
    if !field.flags.is_empty()
        && !["u8", "u16", "u32", "u64"].contains(&last_word(&field.ty).as_str())
    {
        errors.at(&field.ty, Mistake::FlagsOfOther);
    }
}

fn named_bits(field: &Field, flags: &[(syn::Ident, Number)], errors: &mut Errors) {
    let width = match last_word(&field.ty).as_str() {
        "u8" => 8,
        "u16" => 16,
        "u32" => 32,
        _ => 64,
    };
    let (mut bits, mut names) = (BTreeMap::new(), BTreeSet::new());
    for (name, bit) in flags {
        if bit.value >= width {
            errors.span(bit.span, Mistake::FlagOutside { last: width - 1 });
        }
        if let Some(other) = bits.insert(bit.value, name) {
            let other = other.to_string();
            errors.span(bit.span, Mistake::FlagsShareBit { bit: bit.value, other });
        }
        if !names.insert(name) {
            errors.span(name.span(), Mistake::FlagTwice { name: name.to_string() });
        }
    }
}

fn is_annotated(field: &Field) -> bool {
    field.since.value != 1
        || !matches!(field.default, DefaultValue::Zero)
        || !matches!(field.presence, Presence::Always)
        || !field.aliases.is_empty()
        || !field.converts.is_empty()
        || field.equal
        || field.validate.is_some()
        || !field.flags.is_empty()
        || !field.max_len.is_empty()
}

fn evolution(input: &Input, field: &Field, errors: &mut Errors) {
    let mut last = field.since.value.saturating_sub(1);
    for (name, until) in &field.aliases {
        if until.value <= last || until.value >= input.version.value {
            let what = format!("a rename, from `{}`,", name.value());
            no_such_step(input, &what, last, *until, errors);
        }
        last = until.value;
    }
    let mut last = field.since.value.saturating_sub(1);
    for convert in &field.converts {
        if convert.until.value <= last || convert.until.value >= input.version.value {
            no_such_step(input, "a conversion", last, convert.until, errors);
        }
        last = convert.until.value;
        state_type(input, &convert.from, &convert.max_len, errors);
    }
}

/// `until` of a rename or conversion is no version between the step before and the present one.
fn no_such_step(input: &Input, what: &str, last: u32, until: Number, errors: &mut Errors) {
    let what = what.to_owned();
    let mistake = if until.value > last {
        let last = input.version.value - 1;
        Mistake::StepInThisVersion { what, last, next: until.value.saturating_add(1) }
    } else {
        Mistake::StepsDescend { what, last }
    };
    errors.span(until.span, mistake);
}

/// Types that cannot be state, and containers without a maximum.
fn state_type(input: &Input, ty: &Type, max_len: &[syn::Expr], errors: &mut Errors) {
    forbidden(input, ty, errors);
    let depth = container_depth(ty);
    if depth > max_len.len() {
        let usage = if depth == 1 {
            "max_len = N".to_owned()
        } else {
            format!("max_len({})", vec!["N"; depth].join(", "))
        };
        errors.at(ty, Mistake::NoMaxLen { usage });
    } else if depth == 0 && last_word(ty).len() > 1 && !max_len.is_empty() && is_scalar(ty) {
        errors.at(&max_len[0], Mistake::MaxLenOfScalar);
    }
}

fn is_scalar(ty: &Type) -> bool {
    const SCALARS: [&str; 13] = [
        "bool", "u8", "u16", "u32", "u64", "u128", "i8", "i16", "i32", "i64", "i128", "f32", "f64",
    ];
    SCALARS.contains(&last_word(ty).as_str())
}

fn last_word(ty: &Type) -> String {
    match ty {
        Type::Path(path) => path.path.segments.last().map(|s| s.ident.to_string()),
        _ => None,
    }
    .unwrap_or_default()
}

fn arguments(ty: &Type) -> Vec<&Type> {
    match ty {
        Type::Path(path) => path
            .path
            .segments
            .iter()
            .filter_map(|segment| match &segment.arguments {
                PathArguments::AngleBracketed(list) => Some(&list.args),
                _ => None,
            })
            .flatten()
            .filter_map(|argument| match argument {
                GenericArgument::Type(inner) => Some(inner),
                _ => None,
            })
            .collect(),
        Type::Array(array) => vec![&array.elem],
        Type::Tuple(tuple) => tuple.elems.iter().collect(),
        Type::Paren(inner) => vec![&inner.elem],
        Type::Group(inner) => vec![&inner.elem],
        _ => Vec::new(),
    }
}

fn container_depth(ty: &Type) -> usize {
    const GROWING: [&str; 5] = ["Vec", "VecDeque", "String", "BTreeMap", "BTreeSet"];
    let inner = arguments(ty).into_iter().map(container_depth).max().unwrap_or(0);
    inner + usize::from(GROWING.contains(&last_word(ty).as_str()))
}

fn forbidden(input: &Input, ty: &Type, errors: &mut Errors) {
    let word = last_word(ty);
    let mistake = match (ty, word.as_str()) {
        (_, "usize") => Some(Mistake::Usize),
        (_, "isize") => Some(Mistake::Isize),
        (_, "HashMap") => Some(Mistake::HashMap),
        (_, "HashSet") => Some(Mistake::HashSet),
        (_, "Instant" | "SystemTime") => Some(Mistake::HostTime),
        (_, "char") => Some(Mistake::Char),
        (_, "Rc" | "Arc" | "Cell" | "RefCell" | "Mutex") => Some(Mistake::Shared),
        (_, "Self") => Some(Mistake::Recursive),
        (_, word) if input.ident == word => Some(Mistake::Recursive),
        (Type::Reference(_), _) => Some(Mistake::Reference),
        (Type::Ptr(_) | Type::FnPtr(_), _) => Some(Mistake::Pointer),
        (Type::Slice(_), _) => Some(Mistake::Slice),
        _ => None,
    };
    if let Some(mistake) = mistake {
        errors.at(ty, mistake);
    }
    arguments(ty).into_iter().for_each(|inner| forbidden(input, inner, errors));
}
