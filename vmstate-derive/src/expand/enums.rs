//! Enums: the variant's explicit id as a varint, then its fields. Always plain values.

use proc_macro2::TokenStream;
use quote::quote;

use super::{load_field, local, post_load, pre_save, save_field, with_bounds_param};
use crate::ast::{Field, Input, Variant, in_wire_order};
use crate::definition::{field_call, fresh_value};

pub(crate) fn expand(input: &Input, variants: &[Variant]) -> TokenStream {
    let krate = &input.krate;
    let ident = &input.ident;
    let name = &input.name;
    let generics = with_bounds_param(&input.generics);
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    let (_, type_generics, _) = input.generics.split_for_impl();
    let saves = variants.iter().map(|variant| save_arm(input, variant));
    let loads = variants.iter().map(|variant| load_arm(input, variant));
    let fresh = fresh(input, variants);
    let hooks = hooks(input, variants);
    let pre_save = pre_save(input);
    let result = quote!(::core::result::Result);
    quote! {
        #[automatically_derived]
        impl #impl_generics #krate::Field<__B> for #ident #type_generics #where_clause {
            type Staged = Self;
            const KIND: #krate::define::KindDef =
                #krate::define::KindDef::Type(&<Self as #krate::VmState>::DEF);

            fn save(
                &self,
                __out: &mut #krate::__private::Vec<u8>,
            ) -> #result<(), #krate::error::SaveError> {
                #pre_save
                match self { #(#saves)* }
                #result::Ok(())
            }

            fn load(
                __reader: &mut #krate::wire::Reader<'_>,
            ) -> #result<Self, #krate::error::LoadError> {
                let __at = ::core::clone::Clone::clone(&*__reader);
                match #krate::wire::Reader::varint(__reader, 32)? {
                    #(#loads)*
                    __id => #result::Err(#krate::__private::unknown_variant(&__at, #name, __id)),
                }
            }

            fn swap(&mut self, __staged: &mut Self) {
                ::core::mem::swap(self, __staged);
            }

            fn fresh() -> Self {
                #fresh
            }

            fn save_fresh(
                __out: &mut #krate::__private::Vec<u8>,
            ) -> #result<(), #krate::error::SaveError> {
                <Self as #krate::Field<__B>>::save(&<Self as #krate::Field<__B>>::fresh(), __out)
            }

            fn reset(&mut self) {
                *self = <Self as #krate::Field<__B>>::fresh();
            }

            #hooks
        }
    }
}

fn pattern(variant: &Variant) -> TokenStream {
    let ident = &variant.ident;
    let fields = variant.fields.iter().map(|field| {
        let (member, local) = (&field.member, local(field));
        quote!(#member: #local)
    });
    quote!(Self::#ident { #(#fields),* })
}

fn save_arm(input: &Input, variant: &Variant) -> TokenStream {
    let krate = &input.krate;
    let pattern = pattern(variant);
    let id = u64::from(variant.id.map_or(0, |id| id.value));
    let saves = in_wire_order(&variant.fields).into_iter().map(|field| {
        let local = local(field);
        save_field(input, field, &quote!(#local))
    });
    quote! {
        #pattern => {
            #krate::wire::put_varint(__out, #id);
            #(#saves)*
        }
    }
}

fn load_arm(input: &Input, variant: &Variant) -> TokenStream {
    let id = u64::from(variant.id.map_or(0, |id| id.value));
    let loads = in_wire_order(&variant.fields).into_iter().map(|field| load_field(input, field));
    let built = pattern(variant);
    quote! {
        #id => {
            #(#loads)*
            ::core::result::Result::Ok(#built)
        }
    }
}

/// `finish` and `rebuild`.
fn hooks(input: &Input, variants: &[Variant]) -> TokenStream {
    let krate = &input.krate;
    let finishes = variants.iter().map(|variant| {
        hook_arm(variant, |field| {
            let (local, name) = (local(field), &field.name);
            let finished = field_call(input, field, "finish", &quote!(#local));
            quote! {
                if let ::core::result::Result::Err(__error) = #finished {
                    return ::core::result::Result::Err(
                        #krate::error::LoadError::within(__error, #name),
                    );
                }
            }
        })
    });
    let rebuilds = variants.iter().map(|variant| {
        hook_arm(variant, |field| {
            let local = local(field);
            let rebuild = field_call(input, field, "rebuild", &quote!(#local));
            quote!(#rebuild;)
        })
    });
    let post_load = post_load(input);
    let result = quote!(::core::result::Result);
    quote! {
        fn finish(&mut self) -> #result<(), #krate::error::LoadError> {
            match self { #(#finishes)* }
            #post_load
            #result::Ok(())
            }

        fn rebuild(&mut self) {
            match self { #(#rebuilds)* }
            }
    }
}

fn hook_arm(variant: &Variant, each: impl Fn(&Field) -> TokenStream) -> TokenStream {
    let pattern = pattern(variant);
    let hooks = variant.fields.iter().map(each);
    quote!(#pattern => { #(#hooks)* })
}

/// The variant marked `default`, or the first.
fn fresh(input: &Input, variants: &[Variant]) -> TokenStream {
    let chosen = variants.iter().find(|variant| variant.is_default).or(variants.first());
    let Some(variant) = chosen else { return TokenStream::new() };
    let ident = &variant.ident;
    let fields = variant.fields.iter().map(|field| {
        let (member, value) = (&field.member, fresh_value(input, field));
        quote!(#member: #value)
    });
    quote!(Self::#ident { #(#fields),* })
}
