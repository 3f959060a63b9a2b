//! Shapes of source that the known holes of the compiler need.
//!
//! The source is looked at after macro expansion, as the compiler shows it. Most
//! holes make a lifetime outlive another one without anybody having proved it:
//! the *implied bounds* of a type (`&'a &'b T` is only well-formed if `'b` outlives
//! `'a`) are believed in one place and forgotten in another. So:
//!
//! - a binder `for<…>` has one lifetime, and stands only before `Fn`, `FnMut`,
//!   `FnOnce` and function pointers (84591);
//! - a type that relates two named lifetimes needs the relation in writing, where
//!   the compiler checks it (25860, 84591); none outlives `'static`;
//! - the header of an implementation names no associated type through `<… as …>`,
//!   and a signature none of a type with a lifetime (100051, 152783);
//! - no blanket implementation for `?Sized` types has an associated type (57893);
//! - no trait bounds an associated type of another in place, as `Super<Type: Bound>`: of
//!   a trait object that is believed and not checked (152607);
//! - what an iterator, future or closure yields is not kept for as long as *it*
//!   lives (84366, [`yields`]).
//!
//! Names are not resolved: where a rule has to know what a name means it takes the
//! worse meaning.

mod scope;
mod yields;

use syn::visit::{self, Visit};
use syn::{
    BoundLifetimes, GenericParam, Generics, Path, PathArguments, Signature, Type, TypeParamBound,
    WherePredicate,
};

use super::{Check, ExamineError, Refusal, expansion};
use scope::Scopes;

/// The traits of closures.
const CLOSURE_TRAITS: [&str; 3] = ["Fn", "FnMut", "FnOnce"];

/// Most bytes in the path of an item: the compiler makes a file for each function, named
/// so, and no file if the name is too long for one ([`super::pass::mir`]).
const MAX_PATH: usize = 160;
/// Bytes of a part of a path that has no name of its own, such as `{closure#10}`.
const NAMELESS: usize = 14;

/// Traits that only the trusted macros' expansion binds a lifetime before.
const TRUSTED_MODULE: [&str; 2] = ["exchange", "generated"];

/// Everything that is refused in the expanded source of a crate.
///
/// # Errors
/// [`ExamineError::Parse`] if it is not Rust.
pub fn find(source: &str) -> Result<Vec<Refusal>, ExamineError> {
    let file = expansion::parse(source)?;
    let mut walker = Walker {
        item: String::new(),
        path: 0,
        scopes: Scopes::default(),
        hiding: yields::hiding_types(&file),
        refusals: Vec::new(),
    };
    walker.visit_file(&file);
    Ok(walker.refusals)
}

/// A walk through a crate's source.
struct Walker {
    /// The item it is in.
    item: String,
    /// Bytes in that one's path.
    path: usize,
    /// Generic parameters in scope and what is written about them.
    scopes: Scopes,
    /// Types of the crate with what a parameter yields inside.
    hiding: Vec<String>,
    refusals: Vec<Refusal>,
}

impl Walker {
    fn refuse(&mut self, reason: impl Into<String>) {
        self.refusals.push(Refusal {
            check: Check::Shapes,
            item: self.item.clone(),
            file: None,
            line: 1,
            reason: reason.into(),
        });
    }

    /// Looks into an item with generic parameters of its own.
    fn inside(&mut self, name: &str, generics: &Generics, look: impl FnOnce(&mut Self)) {
        let outer = std::mem::replace(&mut self.item, name.to_owned());
        self.scopes.enter(generics);
        if let Some(reason) = yields::open_for_a_lifetime(&self.scopes) {
            self.refuse(reason);
        }
        self.below(name.len().max(NAMELESS), look);
        self.scopes.leave();
        self.item = outer;
    }

    /// Looks into what adds so many bytes to the path.
    fn below(&mut self, bytes: usize, look: impl FnOnce(&mut Self)) {
        self.path += bytes + 1;
        if self.path > MAX_PATH {
            self.refuse(format!(
                "a path of more than {MAX_PATH} bytes, its names and what they lie in: shorten it"
            ));
        }
        look(self);
        self.path -= bytes + 1;
    }

    /// Bounds of a trait on associated types of others, in place.
    fn check_implied<'a>(&mut self, bounds: impl Iterator<Item = &'a TypeParamBound>) {
        let mut constraints = Constraints(false);
        bounds.for_each(|bound| constraints.visit_type_param_bound(bound));
        if constraints.0 {
            self.refuse(
                "a trait bounds an associated type of another in place, which is not checked \
                 for trait objects: bound it in the other trait, or where it is used",
            );
        }
    }

    /// A binder before this trait, or before a function pointer.
    fn check_binder(&mut self, binder: Option<&BoundLifetimes>, bound: Option<&Path>) {
        let Some(binder) = binder else { return };
        if binder.lifetimes.len() > 1 {
            self.refuse("for<…> binds more than one lifetime: write a function for each case");
        } else if let Some(path) = bound
            && !binder.lifetimes.is_empty()
            && !is_closure_trait(path)
            && !is_trusted(path)
        {
            self.refuse(format!(
                "for<…> before {}, which is neither Fn, FnMut nor FnOnce: \
                 give the trait's method a lifetime instead",
                last(path)
            ));
        }
    }

    fn check_bounds<'a>(
        &mut self,
        binder: Option<&BoundLifetimes>,
        bounds: impl Iterator<Item = &'a TypeParamBound>,
    ) {
        for bound in bounds {
            if let TypeParamBound::Trait(bound) = bound {
                self.check_binder(binder, Some(&bound.path));
            }
        }
    }

    /// The relations that a type implies between named lifetimes.
    fn check_relations(&mut self, outer: &[String], inner: &[String]) {
        for short in outer {
            for long in inner {
                if long != short && long != "static" && !self.scopes.outlives(long, short) {
                    self.refuse(format!(
                        "a type implies that '{long} outlives '{short}: say where '{long}: '{short}"
                    ));
                }
            }
        }
    }

    /// A signature: projections, and what leaves with what a parameter yields.
    fn check_signature(&mut self, signature: &Signature, is_trait_default: bool) {
        let mut types = Projections::default();
        types.visit_signature(signature);
        if types.with_lifetime {
            self.refuse(
                "an associated type of a type with a lifetime in a signature: name the type itself",
            );
        }
        if let Some(reason) = yields::kept(signature, &self.scopes, &self.hiding, is_trait_default)
        {
            self.refuse(reason);
        }
    }

    /// A type that stores what a parameter of its own yields.
    fn check_stored(&mut self, name: &syn::Ident) {
        if self.hiding.iter().any(|hiding| name == hiding) {
            self.refuse(format!(
                "{name} stores an associated type of its parameter, which may not live as long: \
                 make it a parameter"
            ));
        }
    }

    fn check_header(&mut self, implementation: &syn::ItemImpl) {
        let mut types = Projections::default();
        types.visit_type(&implementation.self_ty);
        if let Some((_, path, _)) = &implementation.trait_ {
            types.visit_path(path);
        }
        if types.any {
            self.refuse("an associated type in the header of impl: name the type itself");
        }
        let Some((_, path, _)) = &implementation.trait_ else {
            return;
        };
        let has_type = implementation
            .items
            .iter()
            .any(|item| matches!(item, syn::ImplItem::Type(_)));
        if let Type::Path(own) = implementation.self_ty.as_ref()
            && let Some(name) = own.path.get_ident()
            && self.scopes.is_unsized(&name.to_string())
            && has_type
        {
            self.refuse(format!(
                "an implementation of {} with an associated type for every ?Sized type: \
                 it may contradict that of dyn {0}",
                last(path)
            ));
        }
        if let Some(name) = yields::yielded_only(implementation)
            && has_type
        {
            self.refuse(format!(
                "{name} is only known as what a closure returns: make it a parameter of {}",
                last(path)
            ));
        }
    }
}

impl<'ast> Visit<'ast> for Walker {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        // An item inside a function has none of that one's parameters.
        let outer = std::mem::take(&mut self.scopes);
        visit::visit_item(self, item);
        self.scopes = outer;
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.inside(&item.sig.ident.to_string(), &item.sig.generics, |walker| {
            walker.check_signature(&item.sig, false);
            visit::visit_item_fn(walker, item);
        });
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.inside(&item.sig.ident.to_string(), &item.sig.generics, |walker| {
            walker.check_signature(&item.sig, false);
            visit::visit_impl_item_fn(walker, item);
        });
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        self.inside(&item.sig.ident.to_string(), &item.sig.generics, |walker| {
            walker.check_signature(&item.sig, item.default.is_some());
            visit::visit_trait_item_fn(walker, item);
        });
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let name = match &item.trait_ {
            Some((_, path, _)) => format!("impl {}", last(path)),
            None => "impl".to_owned(),
        };
        self.inside(&name, &item.generics, |walker| {
            walker.check_header(item);
            visit::visit_item_impl(walker, item);
        });
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.inside(&item.ident.to_string(), &item.generics, |walker| {
            walker.scopes.bound("Self", item.supertraits.iter());
            let has_type = |item: &syn::TraitItem| matches!(item, syn::TraitItem::Type(_));
            let is_open = walker.scopes.is_open("Self") || item.items.iter().any(has_type);
            if walker.scopes.is_pinned("Self") && is_open {
                walker.refuse(yields::open("Self"));
            }
            walker.check_bounds(None, item.supertraits.iter());
            walker.check_implied(item.supertraits.iter());
            for predicate in item
                .generics
                .where_clause
                .iter()
                .flat_map(|clause| &clause.predicates)
            {
                if let WherePredicate::Type(predicate) = predicate {
                    walker.check_implied(predicate.bounds.iter());
                }
            }
            visit::visit_item_trait(walker, item);
        });
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.inside(&item.ident.to_string(), &item.generics, |walker| {
            walker.check_stored(&item.ident);
            visit::visit_item_struct(walker, item);
        });
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.inside(&item.ident.to_string(), &item.generics, |walker| {
            walker.check_stored(&item.ident);
            visit::visit_item_enum(walker, item);
        });
    }

    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        self.inside(&item.ident.to_string(), &item.generics, |walker| {
            let mut types = Projections::default();
            types.visit_type(&item.ty);
            let has_parameter = item.generics.type_params().next().is_some();
            if types.with_lifetime || (types.any && !has_parameter) {
                walker.refuse("a name for an associated type: name the type itself");
            }
            visit::visit_item_type(walker, item);
        });
    }

    fn visit_trait_item_type(&mut self, item: &'ast syn::TraitItemType) {
        self.inside(&item.ident.to_string(), &item.generics, |walker| {
            walker.check_implied(item.bounds.iter());
            visit::visit_trait_item_type(walker, item);
        });
    }

    fn visit_impl_item_type(&mut self, item: &'ast syn::ImplItemType) {
        self.inside(&item.ident.to_string(), &item.generics, |walker| {
            visit::visit_impl_item_type(walker, item);
        });
    }

    fn visit_trait_bound(&mut self, bound: &'ast syn::TraitBound) {
        self.check_binder(bound.lifetimes.as_ref(), Some(&bound.path));
        visit::visit_trait_bound(self, bound);
    }

    fn visit_where_predicate(&mut self, predicate: &'ast WherePredicate) {
        if let WherePredicate::Type(predicate) = predicate {
            self.check_bounds(predicate.lifetimes.as_ref(), predicate.bounds.iter());
        }
        visit::visit_where_predicate(self, predicate);
    }

    fn visit_type_bare_fn(&mut self, pointer: &'ast syn::TypeBareFn) {
        self.check_binder(pointer.lifetimes.as_ref(), None);
        visit::visit_type_bare_fn(self, pointer);
    }

    fn visit_expr_closure(&mut self, closure: &'ast syn::ExprClosure) {
        self.check_binder(closure.lifetimes.as_ref(), None);
        self.below(NAMELESS, |walker| {
            visit::visit_expr_closure(walker, closure)
        });
    }

    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        let bytes = module.ident.to_string().len();
        self.below(bytes, |walker| visit::visit_item_mod(walker, module));
    }

    fn visit_item_const(&mut self, item: &'ast syn::ItemConst) {
        let bytes = item.ident.to_string().len().max(NAMELESS);
        self.below(bytes, |walker| visit::visit_item_const(walker, item));
    }

    fn visit_item_static(&mut self, item: &'ast syn::ItemStatic) {
        let bytes = item.ident.to_string().len();
        self.below(bytes, |walker| visit::visit_item_static(walker, item));
    }

    fn visit_impl_item_const(&mut self, item: &'ast syn::ImplItemConst) {
        let bytes = item.ident.to_string().len();
        self.below(bytes, |walker| visit::visit_impl_item_const(walker, item));
    }

    fn visit_trait_item_const(&mut self, item: &'ast syn::TraitItemConst) {
        let bytes = item.ident.to_string().len();
        self.below(bytes, |walker| visit::visit_trait_item_const(walker, item));
    }

    fn visit_variant(&mut self, variant: &'ast syn::Variant) {
        let bytes = variant.ident.to_string().len();
        self.below(bytes, |walker| visit::visit_variant(walker, variant));
    }

    fn visit_expr_async(&mut self, block: &'ast syn::ExprAsync) {
        self.below(NAMELESS, |walker| visit::visit_expr_async(walker, block));
    }

    fn visit_expr_const(&mut self, block: &'ast syn::ExprConst) {
        self.below(NAMELESS, |walker| visit::visit_expr_const(walker, block));
    }

    fn visit_generic_param(&mut self, parameter: &'ast GenericParam) {
        if let GenericParam::Lifetime(parameter) = parameter
            && parameter.bounds.iter().any(|bound| bound.ident == "static")
        {
            self.refuse(format!(
                "{} outlives 'static: write 'static",
                parameter.lifetime
            ));
        }
        if let GenericParam::Type(parameter) = parameter
            && parameter.ident.to_string().starts_with(char::is_lowercase)
        {
            self.refuse(format!(
                "the type parameter {} must begin with a capital",
                parameter.ident
            ));
        }
        visit::visit_generic_param(self, parameter);
    }

    fn visit_predicate_lifetime(&mut self, predicate: &'ast syn::PredicateLifetime) {
        if predicate.bounds.iter().any(|bound| bound.ident == "static") {
            self.refuse(format!(
                "{} outlives 'static: write 'static",
                predicate.lifetime
            ));
        }
    }

    fn visit_type_reference(&mut self, reference: &'ast syn::TypeReference) {
        if let Some(lifetime) = &reference.lifetime
            && lifetime.ident != "_"
        {
            let inner = lifetimes(|names| names.visit_type(&reference.elem));
            self.check_relations(&[lifetime.ident.to_string()], &inner);
        }
        visit::visit_type_reference(self, reference);
    }

    fn visit_path(&mut self, path: &'ast Path) {
        for segment in &path.segments {
            if let PathArguments::AngleBracketed(arguments) = &segment.arguments {
                let named =
                    lifetimes(|names| names.visit_angle_bracketed_generic_arguments(arguments));
                for (at, one) in named.iter().enumerate() {
                    for other in &named[at + 1..] {
                        if !self.scopes.outlives(one, other) && !self.scopes.outlives(other, one) {
                            self.refuse(format!(
                                "{} may imply a bound between '{one} and '{other}: \
                                 say which outlives the other",
                                segment.ident
                            ));
                        }
                    }
                }
            }
        }
        visit::visit_path(self, path);
    }
}

/// The lifetimes named in a piece of source, once each, without `'_`.
fn lifetimes(look: impl FnOnce(&mut Lifetimes)) -> Vec<String> {
    let mut names = Lifetimes(Vec::new());
    look(&mut names);
    names.0.sort();
    names.0.dedup();
    names.0
}

/// Collects lifetimes.
struct Lifetimes(Vec<String>);

impl<'ast> Visit<'ast> for Lifetimes {
    fn visit_lifetime(&mut self, lifetime: &'ast syn::Lifetime) {
        if lifetime.ident != "_" {
            self.0.push(lifetime.ident.to_string());
        }
    }
}

/// Looks for bounds on associated types, `Trait<Type: Bound>`.
struct Constraints(bool);

impl<'ast> Visit<'ast> for Constraints {
    fn visit_constraint(&mut self, _: &'ast syn::Constraint) {
        self.0 = true;
    }
}

/// Looks for associated types written `<… as …>::…`.
#[derive(Default)]
struct Projections {
    any: bool,
    /// One of a type, or of a trait, with a lifetime.
    with_lifetime: bool,
}

impl<'ast> Visit<'ast> for Projections {
    fn visit_type_path(&mut self, path: &'ast syn::TypePath) {
        if let Some(own) = &path.qself {
            self.any = true;
            let mut references = References(false);
            references.visit_type(&own.ty);
            references.visit_path(&path.path);
            self.with_lifetime |= references.0;
        }
        visit::visit_type_path(self, path);
    }

    // What a function's body names is instantiated, and checked, there.
    fn visit_block(&mut self, _: &'ast syn::Block) {}
}

/// Looks for lifetimes, written or not.
struct References(bool);

impl<'ast> Visit<'ast> for References {
    fn visit_lifetime(&mut self, _: &'ast syn::Lifetime) {
        self.0 = true;
    }

    fn visit_type_reference(&mut self, _: &'ast syn::TypeReference) {
        self.0 = true;
    }
}

/// Whether a trait is that of a closure.
fn is_closure_trait(path: &Path) -> bool {
    path.segments.last().is_some_and(|segment| {
        CLOSURE_TRAITS.iter().any(|name| segment.ident == name)
            && matches!(segment.arguments, PathArguments::Parenthesized(_))
    })
}

/// Whether a path leads into the module for the trusted macros' expansion.
fn is_trusted(path: &Path) -> bool {
    path.leading_colon.is_some()
        && path.segments.len() > TRUSTED_MODULE.len()
        && path
            .segments
            .iter()
            .zip(TRUSTED_MODULE)
            .all(|(segment, name)| segment.ident == name)
}

/// The last name of a path.
fn last(path: &Path) -> String {
    path.segments
        .last()
        .map_or_else(String::new, |segment| segment.ident.to_string())
}

#[cfg(test)]
#[path = "shapes/tests.rs"]
mod tests;
