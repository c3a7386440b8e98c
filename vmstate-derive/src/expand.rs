//! The code: straight and positional for the newest version. Older shapes are reached by walking
//! schemas at run time, so they add no code here.
//!
//! Hygiene: every path is absolute, every local name starts with two underscores, and a struct is
//! taken apart exhaustively, so that a field can be forgotten neither by the author nor by us.

mod enums;
mod structs;

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::Generics;

use crate::ast::{Body, Field, Input, Presence};
use crate::definition::{
    author_call, field_call, flag_names, fresh_value, plain_call, seen, vmstate_impl,
};
use crate::lock::Lock;

/// The implementations of a checked type.
pub(crate) fn expand(input: &Input, lock: &Lock) -> TokenStream {
    let body = match &input.body {
        Body::Struct(fields) => structs::expand(input, fields),
        Body::Enum(variants) => enums::expand(input, variants),
    };
    let definition = vmstate_impl(input, lock);
    let assertions = lock.assertions(input);
    let value = if input.is_wired() { TokenStream::new() } else { value_impl(input) };
    let finite = input.generics.params.is_empty().then(|| finite(input));
    quote! {
        #[allow(clippy::all, clippy::pedantic, reason = "expanded code")]
        const _: () = {
            #body
            #value
            #definition
            #assertions
            #finite
        };
    }
}

/// Types that contain each other are a cycle of constants, which only an evaluation meets. The compiler's
/// words for it end with the constant that was asked for: its name is what we can say.
fn finite(input: &Input) -> TokenStream {
    let (krate, ident) = (&input.krate, &input.ident);
    quote_spanned! {ident.span()=>
        #[allow(dead_code, reason = "evaluating it is its use")]
        const A_TYPE_THAT_CONTAINS_ITSELF_HAS_NO_BOUNDED_STATE_REFER_TO_ELEMENTS_BY_INDEX: () = {
            let _ = <#ident as #krate::VmState>::DEF;
        };
    }
}

/// Just enough for other code to compile beside the errors.
pub(crate) fn stub(input: &Input) -> TokenStream {
    if input.generics.lifetimes().next().is_some() {
        return TokenStream::new();
    }
    let krate = &input.krate;
    let ident = &input.ident;
    let name = &input.name;
    let (impl_generics, type_generics, where_clause) = input.generics.split_for_impl();
    let field_generics = with_bounds_param(&input.generics);
    let (field_impl_generics, _, _) = field_generics.split_for_impl();
    let value = value_impl(input);
    let result = quote!(::core::result::Result);
    let saved = quote!(#result<(), #krate::error::SaveError>);
    quote! {
        const _: () = {
            impl #field_impl_generics #krate::Field<__B> for #ident #type_generics #where_clause {
                type Staged = Self;
                const KIND: #krate::define::KindDef =
                    #krate::define::KindDef::Type(&<Self as #krate::VmState>::DEF);
                fn save(&self, _: &mut #krate::__private::Vec<u8>) -> #saved { loop {} }
                fn load(_: &mut #krate::wire::Reader<'_>)
                    -> #result<Self, #krate::error::LoadError> { loop {} }
                fn swap(&mut self, _: &mut Self) {}
                fn fresh() -> Self { loop {} }
                fn save_fresh(_: &mut #krate::__private::Vec<u8>) -> #saved { loop {} }
                fn reset(&mut self) {}
            }
            #value
            impl #impl_generics #krate::VmState for #ident #type_generics #where_clause {
                const DEF: #krate::define::TypeDef = #krate::define::TypeDef {
                    name: #name, arguments: &[], version: #krate::define::BROKEN, version_min: 1,
                    semantics: &[],
                    shape: #krate::define::ShapeDef::Struct(&[]), released: &[],
                };
            }
        };
    }
}

/// The generics of `impl<.., __B> Field<__B>`.
fn with_bounds_param(generics: &Generics) -> Generics {
    let mut generics = generics.clone();
    generics.params.push(syn::parse_quote!(__B));
    generics
}

fn value_impl(input: &Input) -> TokenStream {
    let krate = &input.krate;
    let ident = &input.ident;
    let generics = with_bounds_param(&input.generics);
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    let (_, type_generics, _) = input.generics.split_for_impl();
    quote! {
        #[automatically_derived]
        impl #impl_generics #krate::Value<__B> for #ident #type_generics #where_clause {}
    }
}

/// The local that holds a field, or a reference to it.
fn local(field: &Field) -> syn::Ident {
    format_ident!("__field_{}", field.name)
}

/// The local that holds the marker of a `when` field.
fn marker(field: &Field) -> syn::Ident {
    format_ident!("__marker_{}", field.name)
}

/// The author's `pre_save`, which may refuse.
fn pre_save(input: &Input) -> Option<TokenStream> {
    let (krate, name) = (&input.krate, &input.name);
    let verdict = author_call(input.pre_save.as_ref()?, &quote!(self));
    Some(quote!(#krate::__private::pre_saved(#verdict, #name)?;))
}

/// The author's `post_load`, which may refuse.
fn post_load(input: &Input) -> Option<TokenStream> {
    let (krate, name) = (&input.krate, &input.name);
    let verdict = author_call(input.post_load.as_ref()?, &quote!(self));
    Some(quote!(#krate::__private::post_loaded(#verdict, #name)?;))
}

/// Saves `value`, an expression of type `&Type`.
fn save_field(input: &Input, field: &Field, value: &TokenStream) -> TokenStream {
    let krate = &input.krate;
    let name = &field.name;
    let saved = if field.flags.is_empty() {
        field_call(input, field, "save", &quote!(#value, __out))
    } else {
        let (ty, mask) = (&field.ty, mask(input, field));
        quote!(#krate::field::flags::save::<#ty>(*#value, #mask, __out))
    };
    let saved = quote! {
        if let ::core::result::Result::Err(__error) = #saved {
            return ::core::result::Result::Err(#krate::error::SaveError::within(__error, #name));
        }
    };
    match &field.presence {
        Presence::Always => saved,
        Presence::When(needed) | Presence::Subsection(needed) => {
            let needed = author_call(needed, &quote!(self));
            quote! {
                if #needed {
                    #krate::__private::Vec::push(__out, 1);
                    #saved
                } else {
                    #krate::__private::Vec::push(__out, 0);
                }
            }
        }
    }
}

fn mask(input: &Input, field: &Field) -> TokenStream {
    let (krate, ty, names) = (&input.krate, &field.ty, flag_names(&field.flags));
    quote!(const {
        #krate::field::flags::mask(<#ty as #krate::field::FlagBits>::BITS, #names)
    })
}

/// Decodes a field into its local.
fn load_field(input: &Input, field: &Field) -> TokenStream {
    let krate = &input.krate;
    let name = &field.name;
    let local = local(field);
    let ty = &field.ty;
    let loaded = if field.flags.is_empty() {
        field_call(input, field, "load", &quote!(__reader))
    } else {
        let mask = mask(input, field);
        quote!(#krate::field::flags::load::<#ty>(#mask, __reader))
    };
    let or_return = |result: TokenStream| {
        quote! {
            match #result {
                ::core::result::Result::Ok(__value) => __value,
                ::core::result::Result::Err(__error) => return ::core::result::Result::Err(
                    #krate::error::LoadError::within(__error, #name),
                ),
            }
        }
    };
    let mut loaded = or_return(loaded);
    if field.flags.is_empty() && !input.is_wired() {
        loaded = plain_call(input, field, "into_plain", &loaded);
    }
    let fresh = || fresh_value(input, field);
    let mut marked = None;
    match field.presence {
        Presence::Always => {}
        Presence::Subsection(_) => {
            let (present, fresh) =
                (or_return(quote!(#krate::wire::Reader::bool(__reader))), fresh());
            loaded = quote!(if #present { #loaded } else { #fresh });
        }
        Presence::When(_) => {
            let (marker, fresh) = (marker(field), fresh());
            let read = or_return(quote!(#krate::wire::Reader::marker(__reader)));
            marked = Some(quote!(let #marker = #read;));
            loaded = quote! {
                if #marker == #krate::wire::Marker::Present { #loaded } else { #fresh }
            };
        }
    }
    let validation = field.validate.as_ref().map(|validate| {
        let mut value = quote!(&#local);
        if input.is_wired() {
            value = seen(input, field, &value);
        }
        let verdict = author_call(validate, &value);
        let valid = or_return(quote!(#krate::field::validated(#verdict)));
        quote!(let () = #valid;)
    });
    quote! {
        #marked
        let #local = #loaded;
        #validation
    }
}

/// Compares a `when` with what the file says: `marker` and `object`, a `&Self`, are expressions.
fn agree_field(
    input: &Input,
    field: &Field,
    marker: &TokenStream,
    object: &TokenStream,
) -> TokenStream {
    let (krate, name) = (&input.krate, &field.name);
    let Some(condition) = field.condition() else { return TokenStream::new() };
    let needed = author_call(condition, object);
    quote! {
        if let ::core::result::Result::Err(__error) = #krate::__private::agreed(#marker, #needed) {
            return ::core::result::Result::Err(#krate::error::LoadError::within(__error, #name));
        }
    }
}
