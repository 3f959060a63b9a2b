//! What a type parameter yields, kept for as long as the parameter lives.
//!
//! An associated type is taken to live as long as the type it belongs to. A closure
//! breaks that: what it returns is part of its signature, and its type lives as long
//! as what it captures (rustc issue 84366). So `T::Item`, with `T` an iterator over a
//! closure, may be a reference to a local variable while `T: 'static`. The rules:
//!
//! - no implementation has a parameter that is known from a closure's result alone;
//! - no type stores an associated type of its parameter;
//! - no function takes one where the parameter has a lifetime, or where something
//!   that is borrowed, boxed or opaque comes out;
//! - a parameter with a lifetime has no bounds but those of closures and markers.

use syn::visit::{self, Visit};
use syn::{FnArg, GenericArgument, PathArguments, ReturnType, Signature, Type};

use super::CLOSURE_TRAITS;
use super::scope::Scopes;

/// Why the parameters entered last are refused: one has a lifetime, and bounds that
/// may give it associated types.
pub fn open_for_a_lifetime(scopes: &Scopes) -> Option<String> {
    scopes
        .parameters()
        .find(|name| scopes.is_pinned(name) && scopes.is_open(name))
        .map(open)
}

/// Says so.
pub fn open(name: &str) -> String {
    format!(
        "{name} has a lifetime and a trait that may have associated types: \
         they may not live as long; take a dyn or a closure"
    )
}

/// Why a signature is refused.
pub fn kept(
    signature: &Signature,
    scopes: &Scopes,
    hiding: &[String],
    is_trait_default: bool,
) -> Option<String> {
    let mut taken = Yielded::new(scopes, hiding);
    let mut referred = Vec::new();
    for input in &signature.inputs {
        match input {
            FnArg::Typed(input) => {
                taken.visit_type(&input.ty);
                referred.extend(referents(&input.ty, scopes));
            }
            FnArg::Receiver(receiver) if receiver.reference.is_some() => {
                referred.push("Self".to_owned());
            }
            FnArg::Receiver(_) => {}
        }
    }
    let mut opaque = Leaving::default();
    if let ReturnType::Type(_, output) = &signature.output {
        opaque.visit_type(output);
    }
    taken.names.into_iter().find_map(|name| {
        // In an implementation, `Self` is a type that the compiler knows.
        let is_unknown = name != "Self" || is_trait_default;
        let is_kept = scopes.is_pinned(&name)
            || opaque.is_opaque
            || (opaque.is_borrowed && referred.contains(&name));
        (is_unknown && is_kept).then(|| {
            format!(
                "an associated type of {name} is taken and may be kept for longer than it lives"
            )
        })
    })
}

/// The parameters that a reference in this type leads to.
fn referents(argument: &Type, scopes: &Scopes) -> Vec<String> {
    let Type::Reference(reference) = argument else {
        return Vec::new();
    };
    let mut names = Names(Vec::new());
    names.visit_type(&reference.elem);
    names.0.retain(|name| scopes.is_parameter(name));
    names.0
}

/// A parameter of an implementation that is only known as what a closure, or
/// another trait's associated type, gives.
pub fn yielded_only(implementation: &syn::ItemImpl) -> Option<String> {
    let mut header = Names(Vec::new());
    header.visit_type(&implementation.self_ty);
    if let Some((_, path, _)) = &implementation.trait_ {
        header.visit_path(path);
    }
    let generics = &implementation.generics;
    let names = generics.type_params().map(|one| one.ident.to_string());
    let lone: Vec<String> = names.filter(|name| !header.0.contains(name)).collect();
    if lone.is_empty() {
        return None;
    }
    let mut results = Results(Names(Vec::new()));
    results.visit_generics(generics);
    lone.into_iter().find(|name| results.0.0.contains(name))
}

/// Types of the crate that store an associated type of a parameter of theirs.
pub fn hiding_types(file: &syn::File) -> Vec<String> {
    let mut types = Hiding(Vec::new());
    types.visit_file(file);
    types.0
}

/// Collects the single names in types.
struct Names(Vec<String>);

impl<'ast> Visit<'ast> for Names {
    fn visit_path(&mut self, path: &'ast syn::Path) {
        if let Some(name) = path.get_ident() {
            self.0.push(name.to_string());
        }
        visit::visit_path(self, path);
    }
}

/// Collects names in what closures' traits return.
struct Results(Names);

impl<'ast> Visit<'ast> for Results {
    fn visit_trait_bound(&mut self, bound: &'ast syn::TraitBound) {
        for segment in &bound.path.segments {
            if !CLOSURE_TRAITS.iter().any(|name| segment.ident == name) {
                continue;
            }
            if let PathArguments::Parenthesized(arguments) = &segment.arguments
                && let ReturnType::Type(_, output) = &arguments.output
            {
                self.0.visit_type(output);
            }
        }
    }
}

/// Collects the parameters whose associated types a type contains.
struct Yielded<'a> {
    scopes: &'a Scopes,
    hiding: &'a [String],
    names: Vec<String>,
}

impl<'a> Yielded<'a> {
    fn new(scopes: &'a Scopes, hiding: &'a [String]) -> Self {
        Self {
            scopes,
            hiding,
            names: Vec::new(),
        }
    }
}

impl<'ast> Visit<'ast> for Yielded<'_> {
    fn visit_type_path(&mut self, path: &'ast syn::TypePath) {
        let segments = &path.path.segments;
        if let Some(own) = &path.qself {
            let mut names = Names(Vec::new());
            names.visit_type(&own.ty);
            self.names.extend(names.0);
        } else if segments.len() > 1
            && let Some(first) = segments.first()
            && self.scopes.is_parameter(&first.ident.to_string())
        {
            self.names.push(first.ident.to_string());
        }
        for segment in segments {
            if self.hiding.iter().any(|name| segment.ident == name)
                && let PathArguments::AngleBracketed(arguments) = &segment.arguments
            {
                for argument in &arguments.args {
                    if let GenericArgument::Type(argument) = argument {
                        let mut names = Names(Vec::new());
                        names.visit_type(argument);
                        self.names.extend(names.0);
                    }
                }
            }
        }
        visit::visit_type_path(self, path);
    }
}

/// What may leave a function in its result besides plain values.
#[derive(Default)]
struct Leaving {
    /// A reference, a trait object, or a type with a lifetime.
    is_borrowed: bool,
    /// A type that is not named.
    is_opaque: bool,
}

impl<'ast> Visit<'ast> for Leaving {
    fn visit_lifetime(&mut self, _: &'ast syn::Lifetime) {
        self.is_borrowed = true;
    }

    fn visit_type_reference(&mut self, reference: &'ast syn::TypeReference) {
        self.is_borrowed = true;
        visit::visit_type_reference(self, reference);
    }

    fn visit_type_trait_object(&mut self, object: &'ast syn::TypeTraitObject) {
        self.is_borrowed = true;
        visit::visit_type_trait_object(self, object);
    }

    fn visit_type_impl_trait(&mut self, opaque: &'ast syn::TypeImplTrait) {
        self.is_opaque = true;
        visit::visit_type_impl_trait(self, opaque);
    }
}

/// Collects types with a field of an associated type of a parameter.
struct Hiding(Vec<String>);

impl Hiding {
    fn look<'a>(
        &mut self,
        name: &syn::Ident,
        generics: &syn::Generics,
        mut fields: impl Iterator<Item = &'a syn::Field>,
    ) {
        let mut scopes = Scopes::default();
        scopes.enter(generics);
        let is_hiding = fields.any(|field| {
            let mut yielded = Yielded::new(&scopes, &[]);
            yielded.visit_type(&field.ty);
            !yielded.names.is_empty()
        });
        if is_hiding {
            self.0.push(name.to_string());
        }
    }
}

impl<'ast> Visit<'ast> for Hiding {
    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.look(&item.ident, &item.generics, item.fields.iter());
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        let fields = item.variants.iter().flat_map(|variant| &variant.fields);
        self.look(&item.ident, &item.generics, fields);
    }
}
