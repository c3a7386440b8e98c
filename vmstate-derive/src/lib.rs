//! The derive macro of the `vmstate` crate; its attributes are documented there.
//!
//! The stages, one module each: `ast` (what the author wrote, with spans), `attr` (reading the
//! attributes), `check` (every rule that tokens can decide), `expand` (the code). All mistakes of one
//! type are collected and reported together; a type with mistakes still gets an implementation, so
//! that no second error follows from the first.
#![forbid(unsafe_code)]

mod ast;
mod attr;
mod check;
mod definition;
mod errors;
mod expand;
mod lock;
mod mistake;

use proc_macro::TokenStream;

/// Derives versioned save, load, defaults, reset and schema. See the `vmstate` crate.
#[proc_macro_derive(VmState, attributes(vmstate))]
pub fn derive_vmstate(input: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    let mut errors = errors::Errors::default();
    let mut parsed = attr::parse(&input, &mut errors);
    check::check(&parsed, &mut errors);
    let lock = lock::Lock::read(&parsed, &mut errors);
    lock.check(&parsed, &mut errors);
    parsed.bound_parameters();
    match errors.finish() {
        Ok(()) => expand::expand(&parsed, &lock),
        Err(error) => {
            let messages = error.to_compile_error();
            let stub = expand::stub(&parsed);
            quote::quote!(#messages #stub)
        }
    }
    .into()
}
