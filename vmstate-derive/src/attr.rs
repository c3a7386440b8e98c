//! Reading `#[vmstate(..)]`: unknown, repeated and malformed words are errors at the word.

use proc_macro2::Span;
use syn::ext::IdentExt;
use syn::meta::ParseNestedMeta;
use syn::spanned::Spanned;
use syn::{Expr, Fields, Ident, LitInt, LitStr, Member, Token, Type};

use crate::ast::{
    Body, Convert, ConvertBy, DefaultValue, Field, Input, Number, Presence, Role, Variant,
};
use crate::errors::Errors;
use crate::mistake::Mistake;

/// Reads a type. What is malformed is reported and left at its default.
pub(crate) fn parse(input: &syn::DeriveInput, errors: &mut Errors) -> Input {
    let here = input.ident.span();
    let mut parsed = Input {
        ident: input.ident.clone(),
        generics: input.generics.clone(),
        name: input.ident.unraw().to_string(),
        krate: syn::parse_quote!(::vmstate),
        version: Number { value: 1, span: here },
        version_min: Number { value: 1, span: here },
        semantics: Vec::new(),
        wired: false,
        pre_save: None,
        post_load: None,
        lock: None,
        removed: Vec::new(),
        body: Body::Struct(Vec::new()),
    };
    let mut versioned = false;
    each(&input.attrs, errors, |meta| {
        versioned |= meta.path.is_ident("version");
        type_word(&mut parsed, meta)
    });
    if parsed.version.value == 0 {
        errors.span(parsed.version.span, Mistake::VersionZero);
        // So that nothing follows from it.
        parsed.version.value = 1;
    }
    if !versioned {
        errors.span(here, Mistake::NoVersion);
    }
    parsed.body = match &input.data {
        syn::Data::Struct(data) => Body::Struct(fields(&data.fields, errors)),
        syn::Data::Enum(data) => {
            Body::Enum(data.variants.iter().map(|v| variant(v, errors)).collect())
        }
        syn::Data::Union(data) => {
            errors.at(&data.union_token, Mistake::Union);
            Body::Struct(Vec::new())
        }
    };
    parsed
}

/// Runs `read` for each word of each `#[vmstate(..)]`, refusing repeated ones.
fn each(
    attrs: &[syn::Attribute],
    errors: &mut Errors,
    mut read: impl FnMut(&ParseNestedMeta<'_>) -> syn::Result<()>,
) {
    const REPEATABLE: [&str; 5] = ["removed", "semantic", "alias", "convert", "former_flags"];
    let mut seen: Vec<String> = Vec::new();
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("vmstate")) {
        let result = attr.parse_nested_meta(|meta| {
            let word = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
            if seen.contains(&word) && !REPEATABLE.contains(&word.as_str()) {
                return Err(Mistake::WordTwice { word }.of(&meta));
            }
            seen.push(word);
            read(&meta)
        });
        if let Err(error) = result {
            errors.push(error);
        }
    }
}

fn type_word(parsed: &mut Input, meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
    let word = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
    match word.as_str() {
        "version" => parsed.version = number(meta)?,
        "min_version" => parsed.version_min = number(meta)?,
        "name" => parsed.name = name(meta)?,
        "crate" => parsed.krate = meta.value()?.call(syn::Path::parse_mod_style)?,
        "wired" => parsed.wired = true,
        "pre_save" => parsed.pre_save = Some(meta.value()?.parse()?),
        "post_load" => parsed.post_load = Some(meta.value()?.parse()?),
        "lock" => parsed.lock = Some(meta.value()?.parse()?),
        "semantic" => {
            let (mut revision, mut since) = (None, None);
            meta.parse_nested_meta(|inner| match word_of(&inner).as_str() {
                "revision" => number(&inner).map(|n| revision = Some(n)),
                "since" => number(&inner).map(|n| since = Some(n)),
                _ => Err(Mistake::UnknownSemanticWord.of(&inner)),
            })?;
            let (Some(since), Some(revision)) = (since, revision) else {
                return Err(Mistake::SemanticUsage.of(meta));
            };
            parsed.semantics.push((since, revision));
        }
        "removed" => parsed.removed.push(removed(meta)?),
        _ => return Err(Mistake::UnknownTypeWord.of(meta)),
    }
    Ok(())
}

fn word_of(meta: &ParseNestedMeta<'_>) -> String {
    meta.path.get_ident().map(ToString::to_string).unwrap_or_default()
}

fn number(meta: &ParseNestedMeta<'_>) -> syn::Result<Number> {
    let literal: LitInt = meta.value()?.parse()?;
    Ok(Number { value: literal.base10_parse()?, span: literal.span() })
}

fn name(meta: &ParseNestedMeta<'_>) -> syn::Result<String> {
    plain_name(&meta.value()?.parse()?)
}

/// What a stable name may be: one word of the lock.
fn plain_name(literal: &LitStr) -> syn::Result<String> {
    let name = literal.value();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':');
    if name.is_empty() || name.len() > 128 || !name.chars().all(plain) {
        return Err(Mistake::Name.at(literal.span()));
    }
    Ok(name)
}

/// `removed(name: Type, since = 1, until = 2, default = 0)`.
fn removed(meta: &ParseNestedMeta<'_>) -> syn::Result<Field> {
    let content;
    syn::parenthesized!(content in meta.input);
    let ident: Ident = content.call(Ident::parse_any)?;
    content.parse::<Token![:]>()?;
    let ty: Type = content.parse()?;
    let mut field = new_field(Member::Named(ident.clone()), ident.span(), ty);
    if !content.is_empty() {
        content.parse::<Token![,]>()?;
    }
    syn::meta::parser(|inner: ParseNestedMeta<'_>| match word_of(&inner).as_str() {
        "until" => number(&inner).map(|n| field.until = Some(n)),
        "since" | "default" | "max_len" | "flags" | "alias" | "convert" => {
            field_word(&mut field, &inner)
        }
        _ => Err(Mistake::UnknownRemovedWord.of(&inner)),
    })
    .parse_stream(&content)?;
    Ok(field)
}

trait ParseStreamWith {
    fn parse_stream(self, input: syn::parse::ParseStream<'_>) -> syn::Result<()>;
}

impl<F: syn::parse::Parser<Output = ()>> ParseStreamWith for F {
    fn parse_stream(self, input: syn::parse::ParseStream<'_>) -> syn::Result<()> {
        let rest: proc_macro2::TokenStream = input.parse()?;
        self.parse2(rest)
    }
}

fn new_field(member: Member, span: Span, ty: Type) -> Field {
    let name = match &member {
        Member::Named(ident) => ident.unraw().to_string(),
        Member::Unnamed(index) => index.index.to_string(),
    };
    Field {
        member,
        name,
        span,
        ty,
        role: Role::State,
        since: Number { value: 1, span },
        until: None,
        default: DefaultValue::Zero,
        presence: Presence::Always,
        aliases: Vec::new(),
        converts: Vec::new(),
        equal: false,
        validate: None,
        flags: Vec::new(),
        max_len: Vec::new(),
    }
}

fn fields(fields: &Fields, errors: &mut Errors) -> Vec<Field> {
    let mut parsed = Vec::new();
    for (member, source) in fields.members().zip(fields) {
        let span = source.ident.as_ref().map_or_else(|| source.ty.span(), Ident::span);
        let mut field = new_field(member, span, source.ty.clone());
        each(&source.attrs, errors, |meta| field_word(&mut field, meta));
        parsed.push(field);
    }
    parsed
}

fn variant(source: &syn::Variant, errors: &mut Errors) -> Variant {
    let here = source.ident.span();
    let mut variant = Variant {
        ident: source.ident.clone(),
        name: source.ident.unraw().to_string(),
        id: None,
        since: Number { value: 1, span: here },
        is_default: false,
        fields: fields(&source.fields, errors),
    };
    each(&source.attrs, errors, |meta| {
        match word_of(meta).as_str() {
            "id" => variant.id = Some(number(meta)?),
            "name" => variant.name = name(meta)?,
            "since" => variant.since = number(meta)?,
            "default" => variant.is_default = true,
            _ => return Err(Mistake::UnknownVariantWord.of(meta)),
        }
        Ok(())
    });
    variant
}

fn field_word(field: &mut Field, meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
    match word_of(meta).as_str() {
        "since" => field.since = number(meta)?,
        "default" if meta.input.peek(Token![=]) => {
            field.default = DefaultValue::Expr(meta.value()?.parse()?);
        }
        "default" => field.default = DefaultValue::Std,
        "when" => {
            let condition = meta.value()?.parse()?;
            take_presence(field, Presence::When(condition), meta)?;
        }
        "subsection" => {
            let needed = single(meta, "needed", || Mistake::SubsectionUsage)?;
            take_presence(field, Presence::Subsection(needed), meta)?;
        }
        "equal" => field.equal = true,
        "validate" => field.validate = Some(meta.value()?.parse()?),
        "max_len" => field.max_len = max_len(meta)?,
        "alias" => field.aliases.push(alias(meta)?),
        "convert" => field.converts.push(convert(meta)?),
        "flags" => {
            if !has_parameters(meta) {
                return Err(Mistake::FlagsUsage.of(meta));
            }
            meta.parse_nested_meta(|inner| {
                let ident = inner.path.require_ident()?.clone();
                field.flags.push((ident, number(&inner)?));
                Ok(())
            })?;
        }
        "former_flags" => {
            let step = former_flags(field, meta)?;
            field.converts.push(step);
        }
        "skip" => {
            skip_reason(meta)?;
            take_role(field, Role::Skip, meta)?;
        }
        "cache" => {
            let rebuild = single(meta, "rebuild", || Mistake::CacheUsage)?;
            take_role(field, Role::Cache(rebuild), meta)?;
        }
        "until" => return Err(Mistake::UntilOnField.of(meta)),
        _ => return Err(Mistake::UnknownFieldWord.of(meta)),
    }
    Ok(())
}

/// Whether something stands in parentheses behind the word; nothing is taken.
fn has_parameters(meta: &ParseNestedMeta<'_>) -> bool {
    let ahead = meta.input.fork();
    let inside = || -> syn::Result<bool> {
        let content;
        syn::parenthesized!(content in ahead);
        Ok(!content.is_empty())
    };
    inside().unwrap_or(false)
}

fn take_role(field: &mut Field, role: Role, meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
    if !field.is_state() {
        return Err(Mistake::SkipAndCache.of(meta));
    }
    field.role = role;
    Ok(())
}

fn take_presence(
    field: &mut Field,
    presence: Presence,
    meta: &ParseNestedMeta<'_>,
) -> syn::Result<()> {
    if !matches!(field.presence, Presence::Always) {
        return Err(Mistake::WhenAndSubsection.of(meta));
    }
    field.presence = presence;
    Ok(())
}

/// `word(inner = expr)`.
fn single(
    meta: &ParseNestedMeta<'_>,
    inner: &str,
    usage: impl Fn() -> Mistake,
) -> syn::Result<Expr> {
    let mut found = None;
    if meta.input.peek(syn::token::Paren) {
        meta.parse_nested_meta(|nested| {
            if word_of(&nested) != inner {
                return Err(usage().of(&nested));
            }
            found = Some(nested.value()?.parse()?);
            Ok(())
        })?;
    }
    found.ok_or_else(|| usage().of(meta))
}

fn skip_reason(meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
    let usage = || Mistake::SkipUsage;
    if !meta.input.peek(syn::token::Paren) {
        return Err(usage().of(meta));
    }
    let content;
    syn::parenthesized!(content in meta.input);
    let reason: LitStr = content.parse().map_err(|_| usage().of(meta))?;
    if reason.value().trim().is_empty() {
        return Err(usage().at(reason.span()));
    }
    Ok(())
}

/// `max_len = 16`, or `max_len(16, 4)` from the outermost container inwards.
fn max_len(meta: &ParseNestedMeta<'_>) -> syn::Result<Vec<Expr>> {
    if meta.input.peek(syn::token::Paren) {
        let content;
        syn::parenthesized!(content in meta.input);
        let list = content.parse_terminated(<Expr as syn::parse::Parse>::parse, Token![,])?;
        return Ok(list.into_iter().collect());
    }
    Ok(vec![meta.value()?.parse()?])
}

/// `alias("old", until = 2)`.
fn alias(meta: &ParseNestedMeta<'_>) -> syn::Result<(LitStr, Number)> {
    let usage = || Mistake::AliasUsage;
    if !meta.input.peek(syn::token::Paren) {
        return Err(usage().of(meta));
    }
    let content;
    syn::parenthesized!(content in meta.input);
    let read = || -> syn::Result<(LitStr, Number)> {
        let name: LitStr = content.parse()?;
        content.parse::<Token![,]>()?;
        let word: Ident = content.parse()?;
        if word != "until" {
            return Err(usage().at(word.span()));
        }
        content.parse::<Token![=]>()?;
        let literal: LitInt = content.parse()?;
        Ok((name, Number { value: literal.base10_parse()?, span: literal.span() }))
    };
    let alias = read().map_err(|error| {
        // What is left unread would be a second error.
        content.parse::<proc_macro2::TokenStream>().map(drop).ok();
        usage().at(error.span())
    })?;
    plain_name(&alias.0)?;
    Ok(alias)
}

fn former_flags(field: &Field, meta: &ParseNestedMeta<'_>) -> syn::Result<Convert> {
    let usage = || Mistake::FormerFlagsUsage.of(meta);
    let (mut until, mut flags) = (None, Vec::new());
    if !has_parameters(meta) {
        return Err(usage());
    }
    meta.parse_nested_meta(|inner| {
        if inner.path.is_ident("until") {
            until = Some(number(&inner)?);
        } else {
            flags.push((inner.path.require_ident()?.clone(), number(&inner)?));
        }
        Ok(())
    })?;
    let until = until.ok_or_else(usage)?;
    let (from, by, span) = (field.ty.clone(), ConvertBy::Flags(flags), meta.path.span());
    Ok(Convert { from, until, by, max_len: Vec::new(), span })
}

fn convert(meta: &ParseNestedMeta<'_>) -> syn::Result<Convert> {
    let (mut from, mut until, mut up, mut down, mut max) = (None, None, None, None, Vec::new());
    if meta.input.peek(syn::token::Paren) {
        meta.parse_nested_meta(|inner| {
            match word_of(&inner).as_str() {
                "from" => from = Some(inner.value()?.parse()?),
                "until" => until = Some(number(&inner)?),
                "up" => up = Some(inner.value()?.parse()?),
                "down" => down = Some(inner.value()?.parse()?),
                "max_len" => max = max_len(&inner)?,
                _ => return Err(Mistake::ConvertUsage.of(&inner)),
            }
            Ok(())
        })?;
    }
    match (from, until, up, down) {
        (Some(from), Some(until), Some(up), Some(down)) => {
            let by = ConvertBy::Paths { up: Box::new(up), down: Box::new(down) };
            Ok(Convert { from, until, by, max_len: max, span: meta.path.span() })
        }
        _ => Err(Mistake::ConvertUsage.of(meta)),
    }
}
