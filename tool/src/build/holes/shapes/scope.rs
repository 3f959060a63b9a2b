//! Generic parameters in scope, and the bounds written about them.

use syn::{GenericParam, Generics, TypeParamBound, WherePredicate};

/// The parameters of one item.
#[derive(Default)]
struct Scope {
    /// Type parameters.
    types: Vec<String>,
    /// `(longer, shorter)`: lifetimes and type parameters against lifetimes.
    outlives: Vec<(String, String)>,
    /// Type parameters that may be unsized.
    unsized_types: Vec<String>,
    /// Type parameters with a bound by a trait of which nothing is known.
    open: Vec<String>,
}

/// The parameters of an item and of those around it, outermost first.
#[derive(Default)]
pub struct Scopes(Vec<Scope>);

impl Scopes {
    /// Enters an item.
    pub fn enter(&mut self, generics: &Generics) {
        self.0.push(Scope::default());
        for parameter in &generics.params {
            match parameter {
                GenericParam::Lifetime(parameter) => {
                    let name = parameter.lifetime.ident.to_string();
                    for bound in &parameter.bounds {
                        let pair = (name.clone(), bound.ident.to_string());
                        self.note(|scope| &mut scope.outlives, pair);
                    }
                }
                GenericParam::Type(parameter) => {
                    let name = parameter.ident.to_string();
                    self.note(|scope| &mut scope.types, name.clone());
                    self.bound(&name, parameter.bounds.iter());
                }
                GenericParam::Const(_) => {}
            }
        }
        let predicates = generics
            .where_clause
            .iter()
            .flat_map(|clause| &clause.predicates);
        for predicate in predicates {
            match predicate {
                WherePredicate::Lifetime(predicate) => {
                    for bound in &predicate.bounds {
                        let name = predicate.lifetime.ident.to_string();
                        self.note(|scope| &mut scope.outlives, (name, bound.ident.to_string()));
                    }
                }
                WherePredicate::Type(predicate) => {
                    if let syn::Type::Path(path) = &predicate.bounded_ty
                        && path.qself.is_none()
                    {
                        let names = path.path.segments.iter().map(|one| one.ident.to_string());
                        let name = names.collect::<Vec<_>>().join("::");
                        self.bound(&name, predicate.bounds.iter());
                    }
                }
                _ => {}
            }
        }
    }

    /// Leaves the item entered last.
    pub fn leave(&mut self) {
        self.0.pop();
    }

    /// Notes bounds of a type parameter, of `Self`, or of an associated type.
    pub fn bound<'a>(&mut self, name: &str, bounds: impl Iterator<Item = &'a TypeParamBound>) {
        for bound in bounds {
            match bound {
                TypeParamBound::Lifetime(lifetime) => {
                    let pair = (name.to_owned(), lifetime.ident.to_string());
                    self.note(|scope| &mut scope.outlives, pair);
                }
                TypeParamBound::Trait(bound) => {
                    let last = super::last(&bound.path);
                    if matches!(bound.modifier, syn::TraitBoundModifier::Maybe(_)) {
                        self.note(|scope| &mut scope.unsized_types, name.to_owned());
                    } else if last == "Any" {
                        let pair = (name.to_owned(), "static".to_owned());
                        self.note(|scope| &mut scope.outlives, pair);
                    } else if !is_closed(&last) {
                        self.note(|scope| &mut scope.open, name.to_owned());
                    }
                }
                _ => {}
            }
        }
    }

    fn note<T>(&mut self, list: impl FnOnce(&mut Scope) -> &mut Vec<T>, value: T) {
        if let Some(scope) = self.0.last_mut() {
            list(scope).push(value);
        }
    }

    /// Whether it is written that one lifetime, or type, outlives another.
    pub fn outlives(&self, long: &str, short: &str) -> bool {
        let mut pairs = self.0.iter().flat_map(|scope| &scope.outlives);
        pairs.any(|(longer, shorter)| longer == long && shorter == short)
    }

    /// Whether anything is written of what a type outlives.
    pub fn is_pinned(&self, name: &str) -> bool {
        let mut pairs = self.0.iter().flat_map(|scope| &scope.outlives);
        pairs.any(|(longer, _)| longer == name)
    }

    /// Whether a type parameter has a bound by a trait of which nothing is known.
    pub fn is_open(&self, name: &str) -> bool {
        self.0
            .iter()
            .any(|scope| scope.open.iter().any(|open| open == name))
    }

    /// Whether a type parameter may be unsized.
    pub fn is_unsized(&self, name: &str) -> bool {
        let mut names = self.0.iter().flat_map(|scope| &scope.unsized_types);
        names.any(|unsized_type| unsized_type == name)
    }

    /// Whether a name is a type parameter in scope, or `Self`.
    pub fn is_parameter(&self, name: &str) -> bool {
        let mut names = self.0.iter().flat_map(|scope| &scope.types);
        name == "Self" || names.any(|parameter| parameter == name)
    }

    /// The type parameters in scope.
    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .flat_map(|scope| &scope.types)
            .map(String::as_str)
    }
}

/// Whether a trait is known to have no associated type, or is that of a closure.
fn is_closed(name: &str) -> bool {
    const CLOSED: [&str; 15] = [
        "Fn",
        "FnMut",
        "FnOnce",
        "Send",
        "Sync",
        "Sized",
        "Copy",
        "Clone",
        "Unpin",
        "Default",
        "PartialEq",
        "Eq",
        "PartialOrd",
        "Ord",
        "Hash",
    ];
    CLOSED.contains(&name)
}
