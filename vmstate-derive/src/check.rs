//! Every rule that tokens can decide. What needs types is left to traits and constants.

use std::collections::{BTreeMap, BTreeSet};

use syn::{GenericArgument, PathArguments, Type};

use crate::ast::{Body, ConvertBy, DefaultValue, Field, Input, Number, Presence, Role, Variant};
use crate::errors::Errors;

/// Reports every broken rule of `input`.
pub(crate) fn check(input: &Input, errors: &mut Errors) {
    let version = input.version;
    if input.version_min.value == 0 || input.version_min.value > version.value {
        let message = format!("the oldest loadable version lies between 1 and {}", version.value);
        errors.span(input.version_min.span, message);
    }
    let mut last = 0;
    for (since, _) in &input.semantics {
        if since.value <= last || since.value > version.value {
            errors.span(
                since.span,
                format!(
                    "`since` of `semantic` ascends and is at most the version, {}",
                    version.value
                ),
            );
        }
        last = since.value;
    }
    for lifetime in input.generics.lifetimes() {
        errors.at(lifetime, "state owns its values: a deriving type has no lifetimes");
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
        errors.span(field.span, "an enum has no removed fields");
    }
    if input.wired {
        errors.span(input.ident.span(), "an enum is a plain value: it cannot be `wired`");
    }
    if variants.is_empty() {
        errors.span(input.ident.span(), "an enum without variants has no state");
    }
    let mut ids = BTreeMap::new();
    let mut names_seen = BTreeMap::new();
    let mut defaults = 0;
    for variant in variants {
        match variant.id {
            None => errors.span(
                variant.ident.span(),
                format!(
                    "`{0}` needs a number that never changes: write `#[vmstate(id = N)]` above it",
                    variant.ident
                ),
            ),
            Some(id) => {
                if let Some(other) = ids.insert(id.value, &variant.ident) {
                    errors.span(id.span, format!("`{other}` already has the id {}", id.value));
                }
            }
        }
        if let Some(other) = names_seen.insert(variant.name.clone(), &variant.ident) {
            errors.span(variant.ident.span(), format!("`{other}` already has this name"));
        }
        if variant.since.value == 0 || variant.since.value > input.version.value {
            out_of_versions(input, variant.since, errors);
        }
        defaults += u32::from(variant.is_default);
        if defaults > 1 && variant.is_default {
            errors.span(variant.ident.span(), "an enum has one default variant");
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
        errors.span(
            field.span,
            "a field of a variant is state: move what is not into the struct around the enum",
        );
    }
    if field.equal || !matches!(field.presence, Presence::Always) {
        let message = "a field of a variant cannot be `equal`, `when` or `subsection`";
        errors.span(field.span, message);
    }
}

fn out_of_versions(input: &Input, found: Number, errors: &mut Errors) {
    errors
        .span(found.span, format!("versions of `{}` are 1 to {}", input.name, input.version.value));
}

fn names<'a>(input: &Input, fields: impl IntoIterator<Item = &'a Field>, errors: &mut Errors) {
    let fields: Vec<&Field> = fields.into_iter().filter(|field| field.is_state()).collect();
    for version in 1..=input.version.value {
        let mut seen = BTreeMap::new();
        for field in fields.iter().filter(|field| field.lives_in(version)) {
            if let Some(_other) = seen.insert(field.name_in(version), field.span) {
                errors.span(
                    field.span,
                    format!(
                        "two fields are called `{}` in version {version}",
                        field.name_in(version)
                    ),
                );
                return;
            }
        }
    }
}

fn removed_field(input: &Input, field: &Field, errors: &mut Errors) {
    match field.until {
        None => errors.span(
            field.span,
            format!("say which version had `{}` last: `until = {}`", field.name, input.version.value.saturating_sub(1)),
        ),
        Some(until) if until.value >= input.version.value => errors.span(
            until.span,
            format!(
                "`{}` is gone, so `until` is below the version, {}: bump the version if {} was released",
                field.name, input.version.value, input.version.value
            ),
        ),
        Some(until) if until.value < field.since.value => {
            errors.span(until.span, "`until` comes before `since`");
        }
        Some(_) => {}
    }
    if matches!(field.default, DefaultValue::Zero) {
        errors.span(
            field.span,
            format!("what do older versions get for `{0}`? write `default = VALUE`", field.name),
        );
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
            errors.span(
                field.span,
                format!("a `{word}` field is no state, so the other words have no meaning here"),
            );
        }
        return;
    }
    if field.since.value == 0 || field.since.value > input.version.value {
        out_of_versions(input, field.since, errors);
    } else if field.since.value > 1 && matches!(field.default, DefaultValue::Zero) {
        errors.span(
            field.span,
            format!(
                "`{}` came with version {}: say what state from before it gets, `default = VALUE` \
                 (or `default` for the type's own)",
                field.name, field.since.value
            ),
        );
    }
    evolution(input, field, errors);
    if field.equal && matches!(field.default, DefaultValue::Expr(_)) && field.since.value == 1 {
        errors.span(
            field.span,
            "an `equal` field is configuration: reset leaves it alone, so it has no default",
        );
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
        errors.at(&field.ty, "`flags` names the bits of a u8, u16, u32 or u64");
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
            errors.span(bit.span, format!("the bits of this integer are 0 to {}", width - 1));
        }
        if let Some(other) = bits.insert(bit.value, name) {
            errors.span(bit.span, format!("bit {} is already `{other}`", bit.value));
        }
        if !names.insert(name) {
            errors.span(name.span(), format!("the name `{name}` stands twice"));
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
    let version = input.version.value;
    let message = if until.value > last {
        format!(
            "{what} is a new version: its `until` is at most {}, or write `version = {}`",
            version - 1,
            until.value.saturating_add(1)
        )
    } else {
        format!("`until` of {what} comes after version {last}: the oldest stands first")
    };
    errors.span(until.span, message);
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
        errors.at(
            ty,
            format!(
                "a container that grows needs a maximum: write `#[vmstate({usage})]`, the most \
                 elements that a file may make it hold"
            ),
        );
    } else if depth == 0 && last_word(ty).len() > 1 && !max_len.is_empty() && is_scalar(ty) {
        errors.at(&max_len[0], "this type has no length");
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
    let instead = match word.as_str() {
        "usize" => "the width of `usize` is the host's: write `u64` or `u32`",
        "isize" => "the width of `isize` is the host's: write `i64` or `i32`",
        "HashMap" => "the order of a `HashMap` differs from run to run: write `BTreeMap`",
        "HashSet" => "the order of a `HashSet` differs from run to run: write `BTreeSet`",
        "Instant" | "SystemTime" => {
            "host time is no state: keep virtual time in nanoseconds as `u64`, or \
             `#[vmstate(skip(\"why\"))]`"
        }
        "char" => "`char` is no field kind: write `u32`",
        "Rc" | "Arc" | "Cell" | "RefCell" | "Mutex" => {
            "shared or guarded values are wiring: keep the state beside them, and mark them \
             `#[vmstate(skip(\"why\"))]`"
        }
        "Self" => "recursive",
        _ if input.ident == word.as_str() => "recursive",
        _ => "",
    };
    if instead == "recursive" {
        errors.at(
            ty,
            "a type that contains itself has no bounded state: keep the elements in a `Vec` with \
             `max_len` and refer to them by index",
        );
    } else if !instead.is_empty() {
        errors.at(ty, instead);
    }
    match ty {
        Type::Reference(_) => {
            errors.at(ty, "a reference is wiring: `#[vmstate(skip(\"why\"))]`, or own the value")
        }
        Type::Ptr(_) | Type::FnPtr(_) => {
            errors.at(ty, "a pointer is wiring: `#[vmstate(skip(\"why\"))]`");
        }
        Type::Slice(slice) => {
            errors.at(slice, "a slice has no fixed length: write `Vec` with `max_len`, or an array")
        }
        _ => {}
    }
    arguments(ty).into_iter().for_each(|inner| forbidden(input, inner, errors));
}
