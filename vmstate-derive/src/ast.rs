//! What the author wrote, with the spans that errors point at.

use proc_macro2::{Ident, Span};
use syn::{Expr, Generics, LitStr, Member, Path, Type};

/// A deriving type.
pub(crate) struct Input {
    pub(crate) ident: Ident,
    pub(crate) generics: Generics,
    /// Stable name: `name = ".."`, or the ident.
    pub(crate) name: String,
    pub(crate) krate: Path,
    pub(crate) version: Number,
    pub(crate) version_min: Number,
    pub(crate) semantics: Vec<(Number, Number)>,
    pub(crate) wired: bool,
    pub(crate) pre_save: Option<Expr>,
    pub(crate) post_load: Option<Expr>,
    /// Where the lock is, if not `vmstate.lock` beside the manifest.
    pub(crate) lock: Option<LitStr>,
    pub(crate) removed: Vec<Field>,
    pub(crate) body: Body,
}

/// A number and where it stands.
#[derive(Clone, Copy)]
pub(crate) struct Number {
    pub(crate) value: u32,
    pub(crate) span: Span,
}

/// Fields or variants.
pub(crate) enum Body {
    Struct(Vec<Field>),
    Enum(Vec<Variant>),
}

/// A variant of an enum.
pub(crate) struct Variant {
    pub(crate) ident: Ident,
    pub(crate) name: String,
    pub(crate) id: Option<Number>,
    pub(crate) since: Number,
    pub(crate) is_default: bool,
    pub(crate) fields: Vec<Field>,
}

/// A field.
pub(crate) struct Field {
    /// How code names it.
    pub(crate) member: Member,
    /// Its stable name.
    pub(crate) name: String,
    pub(crate) span: Span,
    pub(crate) ty: Type,
    pub(crate) role: Role,
    pub(crate) since: Number,
    pub(crate) until: Option<Number>,
    pub(crate) default: DefaultValue,
    pub(crate) presence: Presence,
    /// Former names, with the last version of each.
    pub(crate) aliases: Vec<(LitStr, Number)>,
    pub(crate) converts: Vec<Convert>,
    pub(crate) equal: bool,
    pub(crate) validate: Option<Expr>,
    pub(crate) flags: Vec<(Ident, Number)>,
    pub(crate) max_len: Vec<Expr>,
}

/// What a field is to the state.
pub(crate) enum Role {
    State,
    Skip,
    Cache(Expr),
}

/// What a field holds after reset and when a file lacks it.
pub(crate) enum DefaultValue {
    /// Nothing said: the zero of its kind.
    Zero,
    /// `default`: the type's own `Default`.
    Std,
    /// `default = expr`.
    Expr(Expr),
}

/// Whether a field may be absent from a file.
pub(crate) enum Presence {
    Always,
    When(Expr),
    Subsection(Expr),
}

/// `convert(from = T, until = N, up = f, down = g)`.
pub(crate) struct Convert {
    pub(crate) from: Type,
    pub(crate) until: Number,
    pub(crate) by: ConvertBy,
    pub(crate) max_len: Vec<Expr>,
    pub(crate) span: Span,
}

/// How a value of a former kind is led to its successor and back.
pub(crate) enum ConvertBy {
    /// `convert(.., up = path, down = path)`.
    Paths { up: Box<Expr>, down: Box<Expr> },
    /// `former_flags(until = N, NAME = bit, ..)`: by name.
    Flags(Vec<(Ident, Number)>),
}

impl Field {
    /// The name it had first: what fields are ordered by.
    pub(crate) fn oldest_name(&self) -> String {
        self.aliases.first().map_or_else(|| self.name.clone(), |alias| alias.0.value())
    }

    /// Its name in `version`.
    pub(crate) fn name_in(&self, version: u32) -> String {
        self.aliases
            .iter()
            .find(|alias| version <= alias.1.value)
            .map_or_else(|| self.name.clone(), |alias| alias.0.value())
    }

    /// Whether `version` has it.
    pub(crate) fn lives_in(&self, version: u32) -> bool {
        self.since.value <= version && self.until.is_none_or(|until| version <= until.value)
    }

    /// Its `when` condition.
    pub(crate) fn condition(&self) -> Option<&Expr> {
        match &self.presence {
            Presence::When(condition) => Some(condition),
            Presence::Always | Presence::Subsection(_) => None,
        }
    }

    /// Whether it is saved.
    pub(crate) fn is_state(&self) -> bool {
        matches!(self.role, Role::State)
    }
}

impl Input {
    /// Requires each type parameter to be a plain value.
    pub(crate) fn bound_parameters(&mut self) {
        let krate = &self.krate;
        for param in self.generics.type_params_mut() {
            param.bounds.push(syn::parse_quote!(#krate::Value));
        }
    }

    /// Whether bytes alone cannot make one.
    pub(crate) fn is_wired(&self) -> bool {
        self.wired
            || matches!(&self.body, Body::Struct(fields) if fields.iter().any(|f| !f.is_state()))
    }
}

/// State fields in the order of the wire, removed ones included.
pub(crate) fn in_wire_order<'a>(fields: impl IntoIterator<Item = &'a Field>) -> Vec<&'a Field> {
    let mut state: Vec<&Field> = fields.into_iter().filter(|field| field.is_state()).collect();
    state.sort_by_key(|field| (field.oldest_name(), field.since.value));
    state
}
