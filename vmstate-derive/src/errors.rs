//! All mistakes of one type, reported at once; nowhere else is an error made.

use proc_macro2::Span;
use quote::ToTokens;
use syn::meta::ParseNestedMeta;

use crate::mistake::Mistake;

/// Collects errors.
#[derive(Default)]
pub(crate) struct Errors(Option<syn::Error>);

impl Errors {
    /// Adds `mistake` at `place`.
    pub(crate) fn at(&mut self, place: &impl ToTokens, mistake: Mistake) {
        self.push(syn::Error::new_spanned(place, mistake));
    }

    /// Adds `mistake` at `span`.
    pub(crate) fn span(&mut self, span: Span, mistake: Mistake) {
        self.push(mistake.at(span));
    }

    /// Adds an error of the parser.
    pub(crate) fn push(&mut self, error: syn::Error) {
        match &mut self.0 {
            None => self.0 = Some(error),
            Some(all) => all.combine(error),
        }
    }

    /// All of them, if any.
    pub(crate) fn finish(self) -> Result<(), syn::Error> {
        self.0.map_or(Ok(()), Err)
    }
}

impl Mistake {
    /// The error, at `span`.
    pub(crate) fn at(self, span: Span) -> syn::Error {
        syn::Error::new(span, self)
    }

    /// The error, at the word.
    pub(crate) fn of(self, meta: &ParseNestedMeta<'_>) -> syn::Error {
        meta.error(self)
    }
}
