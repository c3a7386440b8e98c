//! Structs. A plain one is staged as itself; a wired one as a tuple of its state fields, because bytes
//! alone cannot make its wiring.

use proc_macro2::TokenStream;
use quote::quote;

use super::{
    agree_field, load_field, local, marker, post_load, pre_save, save_field, with_bounds_param,
};
use crate::ast::{Field, Input, Presence, Role, in_wire_order};
use crate::definition::{
    author_call, compared, default_value, field_call, field_item, fresh_value, plain_call, seen,
};

pub(crate) fn expand(input: &Input, fields: &[Field]) -> TokenStream {
    let krate = &input.krate;
    let ident = &input.ident;
    let state = in_wire_order(fields);
    let generics = with_bounds_param(&input.generics);
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    let (_, type_generics, _) = input.generics.split_for_impl();
    let save = save(input, fields, &state);
    let staging = if input.is_wired() { wired(input, &state) } else { plain(input, &state) };
    let reset = reset(input, &state);
    let hooks = hooks(input, fields, &state);
    let may_be_empty = state.iter().map(|field| match field.presence {
        Presence::Always => field_item(input, field, "MAY_BE_EMPTY"),
        _ => quote!(false),
    });
    quote! {
        #[automatically_derived]
        impl #impl_generics #krate::Field<__B> for #ident #type_generics #where_clause {
            const KIND: #krate::define::KindDef =
                #krate::define::KindDef::Type(&<Self as #krate::VmState>::DEF);
            const MAY_BE_EMPTY: bool = true #(&& #may_be_empty)*;
            #save
            #staging
            #reset
            #hooks
        }
    }
}

fn save(input: &Input, fields: &[Field], state: &[&Field]) -> TokenStream {
    let krate = &input.krate;
    let patterns = fields.iter().map(|field| {
        let member = &field.member;
        if field.is_state() {
            let local = local(field);
            quote!(#member: ref #local)
        } else {
            quote!(#member: _)
        }
    });
    let saves = state.iter().map(|field| {
        let local = local(field);
        save_field(input, field, &quote!(#local))
    });
    let pre_save = pre_save(input);
    quote! {
        fn save(
            &self,
            __out: &mut #krate::__private::Vec<u8>,
        ) -> ::core::result::Result<(), #krate::error::SaveError> {
            #pre_save
            let Self { #(#patterns),* } = *self;
            #(#saves)*
            ::core::result::Result::Ok(())
        }
    }
}

fn load_signature(input: &Input) -> TokenStream {
    let krate = &input.krate;
    quote! {
        fn load(
            __reader: &mut #krate::wire::Reader<'_>,
        ) -> ::core::result::Result<Self::Staged, #krate::error::LoadError>
    }
}

fn plain(input: &Input, state: &[&Field]) -> TokenStream {
    let krate = &input.krate;
    let load = load_signature(input);
    let loads = state.iter().map(|field| load_field(input, field));
    let members: Vec<_> = state.iter().map(|field| &field.member).collect();
    let locals = state.iter().map(|field| local(field));
    let fresh = state.iter().map(|field| fresh_value(input, field));
    let check = check(input, state, |field| {
        let member = &field.member;
        quote!(&__staged.#member)
    });
    let adopt = adopt(input, state, |field| {
        let member = &field.member;
        quote!(__staged.#member)
    });
    let agrees = state.iter().map(|field| {
        let marker = marker(field);
        agree_field(input, field, &quote!(#marker), &quote!(&__loaded))
    });
    quote! {
        type Staged = Self;

        #load {
            #(#loads)*
            let __loaded = Self { #(#members: #locals),* };
            #(#agrees)*
            ::core::result::Result::Ok(__loaded)
        }

        fn swap(&mut self, __staged: &mut Self) {
            ::core::mem::swap(self, __staged);
        }

        fn fresh() -> Self {
            Self { #(#members: #fresh),* }
        }

        fn save_fresh(
            __out: &mut #krate::__private::Vec<u8>,
        ) -> ::core::result::Result<(), #krate::error::SaveError> {
            <Self as #krate::Field<__B>>::save(&<Self as #krate::Field<__B>>::fresh(), __out)
        }

        #check

        #adopt
    }
}

fn wired(input: &Input, state: &[&Field]) -> TokenStream {
    let krate = &input.krate;
    let load = load_signature(input);
    let staged = state.iter().map(|field| field_item(input, field, "Staged"));
    let loads = state.iter().map(|field| load_field(input, field));
    let locals = state.iter().map(|field| local(field));
    let fresh = state.iter().map(|field| fresh_value(input, field));
    let swaps = state.iter().enumerate().map(|(index, field)| {
        let (member, index) = (&field.member, syn::Index::from(index));
        let places = quote!(&mut self.#member, &mut __staged.#index);
        let swap = field_call(input, field, "swap", &places);
        quote!(#swap;)
    });
    let saves_fresh = state.iter().map(|field| {
        let save = match (&field.presence, default_value(field)) {
            (Presence::Always, None) => {
                let save = field_call(input, field, "save_fresh", &quote!(__out));
                quote!(#save?;)
            }
            (Presence::Always, Some(value)) => {
                let ty = &field.ty;
                let save = field_call(input, field, "save", &quote!(&__value, __out));
                quote! {
                    let __value: #ty = #value;
                    #save?;
                }
            }
            _ => quote!(#krate::__private::Vec::push(__out, 0);),
        };
        quote!({ #save })
    });
    let check = check(input, state, |field| {
        let index = state.iter().position(|other| other.name == field.name).unwrap_or(0);
        let index = syn::Index::from(index);
        quote!(&__staged.#index)
    });
    let adopt = adopt(input, state, |field| {
        let index = state.iter().position(|other| other.name == field.name).unwrap_or(0);
        let index = syn::Index::from(index);
        quote!(__staged.#index)
    });
    let conditional: Vec<&&Field> =
        state.iter().filter(|field| field.condition().is_some()).collect();
    let (count, markers) = (conditional.len(), conditional.iter().map(|field| marker(field)));
    let agree = agree(input, state);
    quote! {
        // The markers of conditional fields come last.
        type Staged = (#(#staged,)* [#krate::wire::Marker; #count],);

        #load {
            #(#loads)*
            ::core::result::Result::Ok((#(#locals,)* [#(#markers),*],))
        }

        fn swap(&mut self, __staged: &mut Self::Staged) {
            #(#swaps)*
        }

        fn fresh() -> Self::Staged {
            (#(#fresh,)* [#krate::wire::Marker::Unstated; #count],)
        }

        fn save_fresh(
            __out: &mut #krate::__private::Vec<u8>,
        ) -> ::core::result::Result<(), #krate::error::SaveError> {
            #(#saves_fresh)*
            ::core::result::Result::Ok(())
        }

        #check

        #adopt

        #agree
    }
}

/// Of a wired type: the conditions can be asked only when the state is in place.
fn agree(input: &Input, state: &[&Field]) -> TokenStream {
    let krate = &input.krate;
    let markers = syn::Index::from(state.len());
    let inner = state.iter().enumerate().map(|(index, field)| {
        let (member, name, index) = (&field.member, &field.name, syn::Index::from(index));
        let places = quote!(&mut self.#member, &__staged.#index);
        let agreed = field_call(input, field, "agree", &places);
        quote! {
            if let ::core::result::Result::Err(__error) = #agreed {
                return ::core::result::Result::Err(
                    #krate::error::LoadError::within(__error, #name),
                );
            }
        }
    });
    let conditional: Vec<_> = state.iter().filter(|field| field.condition().is_some()).collect();
    let own = conditional.iter().enumerate().map(|(index, field)| {
        let marker = quote!(__staged.#markers[#index]);
        agree_field(input, field, &marker, &quote!(self))
    });
    let rebuild =
        (!conditional.is_empty()).then(|| quote!(<Self as #krate::Field<__B>>::rebuild(self);));
    quote! {
        fn agree(
            &mut self,
            __staged: &Self::Staged,
        ) -> ::core::result::Result<(), #krate::error::LoadError> {
            #(#inner)*
            #rebuild
            #(#own)*
            ::core::result::Result::Ok(())
        }
    }
}

/// The mirror of [`check`]: configuration is taken over instead of compared. In a plain type, whose
/// conditions were asked while it was decoded, they must then say what they said before.
fn adopt(input: &Input, state: &[&Field], staged: impl Fn(&Field) -> TokenStream) -> TokenStream {
    let krate = &input.krate;
    let adoptions = state.iter().map(|field| {
        let (member, staged) = (&field.member, staged(field));
        if field.equal {
            let (save, load) = (field_item(input, field, "save"), field_item(input, field, "load"));
            quote! {
                if let ::core::option::Option::Some(__value) =
                    #krate::__private::adopted(&self.#member, #save, #load)
                {
                    #staged = __value;
                }
            }
        } else {
            let (name, staged) = (&field.name, staged_mut(input, field, &staged));
            let adopted = field_call(input, field, "adopt", &quote!(&self.#member, #staged));
            quote! {
                __verdict = ::core::result::Result::and(
                    __verdict,
                    ::core::result::Result::map_err(
                        #adopted,
                        |__error| #krate::error::LoadError::within(__error, #name),
                    ),
                );
            }
        }
    });
    let plain = || state.iter().filter(|_| !input.is_wired());
    let before = plain().filter_map(|field| {
        let needed = author_call(field.condition()?, &quote!(&*__staged));
        let marker = marker(field);
        Some(quote! {
            let #marker = if #needed {
                #krate::wire::Marker::Present
            } else {
                #krate::wire::Marker::Absent
            };
        })
    });
    let after = plain().map(|field| {
        let marker = marker(field);
        agree_field(input, field, &quote!(#marker), &quote!(&*__staged))
    });
    quote! {
        fn adopt(
            &self,
            __staged: &mut Self::Staged,
        ) -> ::core::result::Result<(), #krate::error::LoadError> {
            // Each is adopted, whatever another says.
            let mut __verdict = ::core::result::Result::Ok(());
            #(#before)*
            #(#adoptions)*
            __verdict?;
            #(#after)*
            ::core::result::Result::Ok(())
        }
    }
}

fn check(input: &Input, state: &[&Field], staged: impl Fn(&Field) -> TokenStream) -> TokenStream {
    let krate = &input.krate;
    let checks = state.iter().map(|field| {
        let (member, name, staged) = (&field.member, &field.name, staged(field));
        let staged = match (field.equal, input.is_wired()) {
            (true, true) => seen(input, field, &staged),
            (false, false) => plain_call(input, field, "staged", &staged),
            (true, false) | (false, true) => staged,
        };
        let check = if field.equal {
            compared(input, field, &quote!(&self.#member, #staged))
        } else {
            field_call(input, field, "check", &quote!(&self.#member, #staged))
        };
        quote! {
            if let ::core::result::Result::Err(__error) = #check {
                return ::core::result::Result::Err(
                    #krate::error::LoadError::within(__error, #name),
                );
            }
        }
    });
    quote! {
        fn check(
            &self,
            __staged: &Self::Staged,
        ) -> ::core::result::Result<(), #krate::error::LoadError> {
            #(#checks)*
            ::core::result::Result::Ok(())
        }
    }
}

/// `&mut place`, which holds the field's staged form, as `vmstate::Field` takes it.
fn staged_mut(input: &Input, field: &Field, place: &TokenStream) -> TokenStream {
    if input.is_wired() {
        return quote!(&mut #place);
    }
    plain_call(input, field, "staged_mut", &quote!(&mut #place))
}

fn reset(input: &Input, state: &[&Field]) -> TokenStream {
    let resets = state.iter().filter(|field| !field.equal).map(|field| {
        let member = &field.member;
        if default_value(field).is_none() {
            let reset = field_call(input, field, "reset", &quote!(&mut self.#member));
            return quote!(#reset;);
        }
        let fresh = fresh_value(input, field);
        let staged = staged_mut(input, field, &quote!(__staged));
        let adopt = field_call(input, field, "adopt", &quote!(&self.#member, #staged));
        let swap = field_call(input, field, "swap", &quote!(&mut self.#member, #staged));
        let ty = (!input.is_wired()).then_some(&field.ty).into_iter();
        // What is configuration in it stays, so does wiring. That a condition then leaves out a field
        // which the default has, is no error.
        quote!({
            let mut __staged #(: #ty)* = #fresh;
            ::core::mem::drop(#adopt);
            #swap;
        })
    });
    quote! {
        fn reset(&mut self) {
            #(#resets)*
        }
    }
}

fn hooks(input: &Input, fields: &[Field], state: &[&Field]) -> TokenStream {
    let krate = &input.krate;
    let finishes = state.iter().map(|field| {
        let (member, name) = (&field.member, &field.name);
        let finished = field_call(input, field, "finish", &quote!(&mut self.#member));
        quote! {
            if let ::core::result::Result::Err(__error) = #finished {
                return ::core::result::Result::Err(
                    #krate::error::LoadError::within(__error, #name),
                );
            }
        }
    });
    let rebuilds = state.iter().map(|field| {
        let member = &field.member;
        let rebuild = field_call(input, field, "rebuild", &quote!(&mut self.#member));
        quote!(#rebuild;)
    });
    let caches: Vec<_> = fields
        .iter()
        .filter_map(|field| match &field.role {
            Role::Cache(rebuild) => {
                let (member, ty) = (&field.member, &field.ty);
                let rebuilt = author_call(rebuild, &quote!(self));
                Some(quote! {
                    let __rebuilt: #ty = #rebuilt;
                    self.#member = __rebuilt;
                })
            }
            _ => None,
        })
        .collect();
    let post_load = post_load(input);
    quote! {
        fn finish(&mut self) -> ::core::result::Result<(), #krate::error::LoadError> {
            #(#finishes)*
            #(#caches)*
            #post_load
            ::core::result::Result::Ok(())
        }

        fn rebuild(&mut self) {
            #(#rebuilds)*
            #(#caches)*
        }
    }
}
