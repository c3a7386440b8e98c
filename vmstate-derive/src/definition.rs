//! The `TypeDef` constant: all versions of the type, for constants, files and inspection.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Expr, GenericParam, Type};

use crate::ast::{Body, ConvertBy, DefaultValue, Field, Input, Number, Presence, in_wire_order};

/// `impl VmState`.
pub(crate) fn vmstate_impl(input: &Input, lock: &crate::lock::Lock) -> TokenStream {
    let krate = &input.krate;
    let ident = &input.ident;
    let name = &input.name;
    let version = input.version.value;
    let version_min = input.version_min.value;
    let semantics = input.semantics.iter().map(|(since, revision)| {
        let (since, revision) = (since.value, revision.value);
        quote!((#since, #revision))
    });
    let arguments = input.generics.params.iter().filter_map(|param| match param {
        GenericParam::Type(param) => {
            let ident = &param.ident;
            Some(quote!(#krate::define::ArgumentDef::Kind(<#ident as #krate::Field>::KIND)))
        }
        GenericParam::Const(param) => {
            let ident = &param.ident;
            Some(quote!(#krate::define::ArgumentDef::Const(#ident as u64)))
        }
        GenericParam::Lifetime(_) => None,
    });
    let shape = match &input.body {
        Body::Struct(fields) => {
            let fields = field_defs(input, fields.iter().chain(&input.removed));
            quote!(Struct(&[#(#fields),*]))
        }
        Body::Enum(variants) => {
            let mut sorted: Vec<_> = variants.iter().collect();
            sorted.sort_by_key(|variant| variant.id.map(|id| id.value));
            let variants = sorted.into_iter().map(|variant| {
                let id = variant.id.map(|id| id.value);
                let name = &variant.name;
                let since = variant.since.value;
                let fields = field_defs(input, &variant.fields);
                quote!(#krate::define::VariantDef {
                    id: #id, name: #name, since: #since, until: u32::MAX, fields: &[#(#fields),*],
                })
            });
            quote!(Enum(&[#(#variants),*]))
        }
    };
    let released = lock.released(input);
    let (impl_generics, type_generics, where_clause) = input.generics.split_for_impl();
    quote! {
        #[automatically_derived]
        impl #impl_generics #krate::VmState for #ident #type_generics #where_clause {
            const DEF: #krate::define::TypeDef = #krate::define::TypeDef {
                name: #name,
                arguments: &[#(#arguments),*],
                version: #version,
                version_min: #version_min,
                semantics: &[#(#semantics),*],
                shape: #krate::define::ShapeDef::#shape,
                released: #released,
            };
        }
    }
}

/// `(expression)(argument)`, at the author's expression.
pub(crate) fn author_call(expression: &Expr, argument: &TokenStream) -> TokenStream {
    let (first, last) = ends(expression);
    let callee = quote_spanned!(first=> (#expression));
    quote_spanned!(last=> #callee(#argument))
}

/// The type-level list of maxima.
pub(crate) fn bounds(input: &Input, max_len: &[Expr]) -> TokenStream {
    let krate = &input.krate;
    max_len.iter().rev().fold(quote!(#krate::field::Unbounded), |inner, max| {
        let max = quote_spanned!(max.span()=> { (#max) as u64 });
        quote!(#krate::field::Max<#max, #inner>)
    })
}

/// The first token of what the author wrote, and the last: what begins at one and ends at the other stands
/// there. (`span()` is the first token alone.)
fn ends(written: &impl ToTokens) -> (Span, Span) {
    let mut spans = written.to_token_stream().into_iter().map(|token| token.span());
    let first = spans.next().unwrap_or_else(Span::call_site);
    (first, spans.last().unwrap_or(first))
}

/// `<Type as Field<Bounds>>`, at the span of the type.
pub(crate) fn as_field(input: &Input, ty: &Type, max_len: &[Expr]) -> TokenStream {
    let krate = &input.krate;
    let bounds = bounds(input, max_len);
    let (first, last) = ends(ty);
    let open = quote_spanned!(first=> <);
    quote_spanned!(last=> #open #ty as #krate::Field<#bounds>>)
}

/// `<Type as Field<Bounds>>::name`, a constant or a type.
pub(crate) fn field_item(input: &Input, field: &Field, name: &str) -> TokenStream {
    let (_, last) = ends(&field.ty);
    let name = format_ident!("{name}", span = last);
    let as_field = as_field(input, &field.ty, &field.max_len);
    quote_spanned!(last=> #as_field::#name)
}

/// `<Type as Field<Bounds>>::method(arguments)`. All of it stands at the type: a type that is no field
/// is then one error, however often it is met.
pub(crate) fn field_call(
    input: &Input,
    field: &Field,
    method: &str,
    arguments: &TokenStream,
) -> TokenStream {
    let path = field_item(input, field, method);
    let (_, last) = ends(&field.ty);
    quote_spanned!(last=> #path(#arguments))
}

/// `<Staged as Plain<Type>>::method(arguments)`: what a plain type asks of its fields.
pub(crate) fn plain_call(
    input: &Input,
    field: &Field,
    method: &str,
    arguments: &TokenStream,
) -> TokenStream {
    staged_call(input, field, &quote!(Plain), method, arguments)
}

/// `<Staged as Seen<Type>>::seen(staged)`: what `validate` and `equal` ask of the fields of a wired type.
pub(crate) fn seen(input: &Input, field: &Field, staged: &TokenStream) -> TokenStream {
    staged_call(input, field, &quote!(Seen), "seen", staged)
}

/// `<Type as Comparable>::compared(arguments)`: what `equal` asks, at the type.
pub(crate) fn compared(input: &Input, field: &Field, arguments: &TokenStream) -> TokenStream {
    let (krate, ty) = (&input.krate, &field.ty);
    let (first, last) = ends(ty);
    let open = quote_spanned!(first=> <);
    quote_spanned!(last=> #open #ty as #krate::__private::Comparable>::compared(#arguments))
}

fn staged_call(
    input: &Input,
    field: &Field,
    of: &TokenStream,
    method: &str,
    arguments: &TokenStream,
) -> TokenStream {
    let (krate, ty) = (&input.krate, &field.ty);
    let (first, last) = ends(ty);
    let open = quote_spanned!(first=> <);
    let method = format_ident!("{method}", span = last);
    let staged = field_item(input, field, "Staged");
    quote_spanned! {last=>
        #open #staged as #krate::__private::#of<#ty>>::#method(#arguments)
    }
}

/// The names and bits of a flags field, ascending by bit.
pub(crate) fn flag_names(flags: &[(syn::Ident, Number)]) -> TokenStream {
    let mut flags: Vec<(String, u32)> =
        flags.iter().map(|(name, bit)| (name.to_string(), bit.value)).collect();
    flags.sort_by_key(|flag| flag.1);
    let flags = flags.iter().map(|(name, bit)| quote!((#name, #bit)));
    quote!(&[#(#flags),*])
}

fn field_defs<'a>(input: &Input, fields: impl IntoIterator<Item = &'a Field>) -> Vec<TokenStream> {
    in_wire_order(fields).into_iter().map(|field| field_def(input, field)).collect()
}

fn field_def(input: &Input, field: &Field) -> TokenStream {
    let krate = &input.krate;
    let name = &field.name;
    let aliases = field.aliases.iter().map(|(name, until)| {
        let until = until.value;
        quote!((#name, #until))
    });
    let since = field.since.value;
    let until = field.until.map_or(u32::MAX, |until| until.value);
    let presence = match field.presence {
        Presence::Always => quote!(Always),
        Presence::When(_) => quote!(When),
        Presence::Subsection(_) => quote!(Subsection),
    };
    let kind = kind(input, field);
    let conversions = conversions(input, field);
    let default = default_fn(input, field);
    quote!(#krate::define::FieldDef {
        name: #name,
        aliases: &[#(#aliases),*],
        since: #since,
        until: #until,
        presence: #krate::schema::Presence::#presence,
        kind: #kind,
        conversions: &[#(#conversions),*],
        default: #default,
    })
}

fn kind(input: &Input, field: &Field) -> TokenStream {
    if field.flags.is_empty() {
        return field_item(input, field, "KIND");
    }
    let (krate, ty, names) = (&input.krate, &field.ty, flag_names(&field.flags));
    quote!(#krate::define::KindDef::Flags(<#ty as #krate::field::FlagBits>::BITS, #names))
}

/// Each conversion leads to the next one's `from`, the last to the present type.
fn conversions(input: &Input, field: &Field) -> Vec<TokenStream> {
    let krate = &input.krate;
    let mut successors: Vec<(&Type, TokenStream)> = field
        .converts
        .iter()
        .skip(1)
        .map(|convert| (&convert.from, bounds(input, &convert.max_len)))
        .collect();
    successors.push((&field.ty, bounds(input, &field.max_len)));
    let convert = quote!(#krate::field::convert);
    field
        .converts
        .iter()
        .zip(successors)
        .map(|(step, (to, to_bounds))| {
            let (from, until) = (&step.from, step.until.value);
            let (kind, up, down) = match &step.by {
                ConvertBy::Paths { up, down } => {
                    let from_bounds = bounds(input, &step.max_len);
                    let kind = as_field(input, from, &step.max_len);
                    (
                        quote!(#kind::KIND),
                        quote!(#convert::<#from, #from_bounds, #to, #to_bounds, _>(bytes, #up)),
                        quote!(#convert::<#to, #to_bounds, #from, #from_bounds, _>(bytes, #down)),
                    )
                }
                ConvertBy::Flags(flags) => {
                    let later = field.converts.iter().find_map(|other| match &other.by {
                        ConvertBy::Flags(flags) if other.until.value > until => Some(flags),
                        _ => None,
                    });
                    let (old, new) = (flag_names(flags), flag_names(later.unwrap_or(&field.flags)));
                    let moved = quote!(#krate::field::flags::moved::<#from>);
                    let bits = quote!(<#from as #krate::field::FlagBits>::BITS);
                    (
                        quote!(#krate::define::KindDef::Flags(#bits, #old)),
                        quote!(#moved(bytes, #old, #new)),
                        quote!(#moved(bytes, #new, #old)),
                    )
                }
            };
            quote_spanned!(step.span=> #krate::define::ConversionDef {
                until: #until,
                from: #kind,
                up: |bytes| #up,
                down: |bytes| #down,
            })
        })
        .collect()
}

fn default_fn(input: &Input, field: &Field) -> TokenStream {
    let krate = &input.krate;
    let bounds = bounds(input, &field.max_len);
    let ty = &field.ty;
    match default_value(field) {
        None => quote!(#krate::field::default_bytes::<#ty, #bounds>),
        Some(value) => quote! {
            || {
                let value: #ty = #value;
                #krate::field::encode::<#ty, #bounds>(&value).ok()
            }
        },
    }
}

/// The default that the author gave, a value of the field's type.
pub(crate) fn default_value(field: &Field) -> Option<TokenStream> {
    let ty = &field.ty;
    match &field.default {
        DefaultValue::Zero => None,
        DefaultValue::Std => Some(quote!(<#ty as ::core::default::Default>::default())),
        DefaultValue::Expr(expr) => Some(quote_spanned!(expr.span()=> #expr)),
    }
}

/// The field's default, staged. Of a value with wiring the state is taken out by an exchange.
pub(crate) fn fresh_value(input: &Input, field: &Field) -> TokenStream {
    let fresh = field_call(input, field, "fresh", &TokenStream::new());
    match default_value(field) {
        None if input.is_wired() => fresh,
        None => plain_call(input, field, "into_plain", &fresh),
        Some(value) if input.is_wired() => {
            let ty = &field.ty;
            let swap = field_call(input, field, "swap", &quote!(&mut __value, &mut __fresh));
            quote!({
                let mut __value: #ty = #value;
                let mut __fresh = #fresh;
                #swap;
                __fresh
            })
        }
        Some(value) => value,
    }
}
