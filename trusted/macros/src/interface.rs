//! `#[interface]`: checks a trait and generates its proxy.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote};
use syn::spanned::Spanned;
use syn::{
    Attribute, Error, FnArg, GenericArgument, Ident, ItemTrait, Meta, Pat, PathArguments,
    ReturnType, TraitItem, TraitItemFn, Type, parse_quote,
};

use crate::types::{self, Loan, Passing};

/// A method that was found to be fit for crossings.
struct Method<'a> {
    item: &'a TraitItemFn,
    arguments: Vec<(Ident, &'a Type, Passing)>,
    output: Type,
    /// It may be called twice.
    is_repeatable: bool,
}

pub fn expand(arguments: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    if !arguments.is_empty() {
        return Err(Error::new_spanned(
            arguments,
            "`#[interface]` takes no arguments",
        ));
    }
    types::check_names(&item)?;
    let mut item: ItemTrait = syn::parse2(item)?;
    check_trait(&item)?;
    let methods = item.items.iter().map(method).collect::<Vec<_>>();
    let mut errors: Option<Error> = None;
    let mut good = Vec::new();
    for method in methods {
        match (method, &mut errors) {
            (Ok(method), _) => good.push(method),
            (Err(error), Some(all)) => all.combine(error),
            (Err(error), none) => *none = Some(error),
        }
    }
    if let Some(errors) = errors {
        return Err(errors);
    }
    let generated = generate(&item, &good);
    for method in &mut item.items {
        if let TraitItem::Fn(method) = method {
            method.attrs.retain(|attribute| !is_mark(attribute));
        }
    }
    item.supertraits.push(parse_quote!(::core::marker::Send));
    item.supertraits.push(parse_quote!(::core::marker::Sync));
    let exports = exports_name(&item);
    item.supertraits.push(parse_quote!(#exports));
    Ok(quote! { #item #generated })
}

fn check_trait(item: &ItemTrait) -> syn::Result<()> {
    if let Some(token) = &item.unsafety {
        return Err(Error::new(
            token.span(),
            "an interface cannot be unsafe: the caller is not trusted",
        ));
    }
    if let Some(token) = &item.auto_token {
        return Err(Error::new(
            token.span(),
            "an interface cannot be an auto trait",
        ));
    }
    if !item.generics.params.is_empty() || item.generics.where_clause.is_some() {
        return Err(Error::new(
            item.generics.span(),
            "an interface cannot be generic: images are built apart; write one interface per type",
        ));
    }
    if !item.supertraits.is_empty() {
        return Err(Error::new(
            item.supertraits.span(),
            "an interface has no supertraits; write the methods out, or give a method that returns `Proxy<dyn Other>`",
        ));
    }
    Ok(())
}

fn method(item: &TraitItem) -> syn::Result<Method<'_>> {
    let TraitItem::Fn(item) = item else {
        return Err(Error::new(
            item.span(),
            "an interface has methods only; put constants and types beside the trait",
        ));
    };
    if let Some(body) = &item.default {
        return Err(Error::new(
            body.span(),
            "an interface has signatures only: a default body would run in the caller's domain; put it into a function beside the trait",
        ));
    }
    let signature = &item.sig;
    if let Some(attribute) = item.attrs.iter().find(|attribute| is_condition(attribute)) {
        return Err(Error::new_spanned(
            attribute,
            "an interface has the same methods in every image: callers name them by number",
        ));
    }
    let refuse = |at: &dyn ToTokens, message: &str| Err(Error::new_spanned(at, message));
    let mut marks = item.attrs.iter().filter(|attribute| is_mark(attribute));
    let mark = marks.next();
    if let Some(attribute) = mark.filter(|mark| !matches!(mark.meta, Meta::Path(_))) {
        return refuse(attribute, "`#[repeatable]` takes no arguments");
    }
    if let Some(token) = &signature.asyncness {
        return refuse(
            token,
            "a crossing is a call on the caller's thread and cannot be async; use a plain method",
        );
    }
    if let Some(token) = &signature.constness {
        return refuse(token, "an interface method cannot be const");
    }
    if let Some(token) = &signature.unsafety {
        return refuse(
            token,
            "an interface method cannot be unsafe: the caller is not trusted",
        );
    }
    if let Some(abi) = &signature.abi {
        return refuse(abi, "an interface method has no ABI of its own");
    }
    if !signature.generics.params.is_empty() || signature.generics.where_clause.is_some() {
        return refuse(
            &signature.generics,
            "an interface method cannot be generic (types, lifetimes or constants): write the types out; borrows name no lifetime",
        );
    }
    let mut inputs = signature.inputs.iter();
    match inputs.next() {
        Some(FnArg::Receiver(receiver))
            if receiver
                .reference
                .as_ref()
                .is_some_and(|(_, lifetime)| lifetime.is_none())
                && receiver.mutability.is_none()
                && receiver.colon_token.is_none() => {}
        Some(FnArg::Receiver(receiver)) => {
            return refuse(
                receiver,
                "an interface method takes `&self`: its object is shared by its callers",
            );
        }
        _ => {
            return refuse(
                &signature.ident,
                "an interface method takes `&self` as its first parameter",
            );
        }
    }
    let arguments = inputs.map(argument).collect::<syn::Result<Vec<_>>>()?;
    if arguments.len() > 8 {
        return refuse(
            &signature.ident,
            "an interface method takes at most 8 arguments; put them into a struct",
        );
    }
    Ok(Method {
        item,
        arguments,
        output: output(item)?,
        is_repeatable: mark.is_some(),
    })
}

fn argument(input: &FnArg) -> syn::Result<(Ident, &Type, Passing)> {
    let FnArg::Typed(input) = input else {
        return Err(Error::new(input.span(), "`self` comes first"));
    };
    let Pat::Ident(pattern) = &*input.pat else {
        return Err(Error::new(input.pat.span(), "an argument has a plain name"));
    };
    Ok((
        pattern.ident.clone(),
        &*input.ty,
        types::argument(&input.ty)?,
    ))
}

/// The `T` of `RpcResult<T>`.
fn output(item: &TraitItemFn) -> syn::Result<Type> {
    let message = "an interface method returns `RpcResult<T>`: its domain may be dead";
    let ReturnType::Type(_, ty) = &item.sig.output else {
        return Err(Error::new(item.sig.span(), message));
    };
    if let Type::Path(path) = &**ty
        && let Some(last) = path.path.segments.last()
        && last.ident == "RpcResult"
        && let PathArguments::AngleBracketed(arguments) = &last.arguments
        && arguments.args.len() == 1
        && let Some(GenericArgument::Type(inner)) = arguments.args.first()
    {
        types::value(inner)?;
        return Ok(inner.clone());
    }
    Err(Error::new(ty.span(), message))
}

fn generate(item: &ItemTrait, methods: &[Method<'_>]) -> TokenStream {
    let name = &item.ident;
    let text = name.to_string();
    let fingerprint = fingerprint(item, methods);
    let crossings = methods.iter().enumerate().map(crossing);
    let exports = exports(item, methods);
    let exports_name = exports_name(item);
    let moved = methods.iter().flat_map(moved_types);
    quote! {
        #[automatically_derived]
        const _: () = {
            static __RECORD: ::exchange::generated::InterfaceRecord =
                ::exchange::generated::InterfaceRecord::new(
                    ::core::concat!(
                        ::core::module_path!(), " ", ::core::line!(), ":", ::core::column!(),
                    ),
                    #fingerprint,
                    &[#(<#moved as ::exchange::Exchangeable>::INTERFACES_AS_REF),*],
                );

            // SAFETY: the record covers the trait and every type it names; the one
            // implementation of the other trait asks the type behind the object.
            unsafe impl ::exchange::Interface for dyn #name {
                const NAME: &'static str = #text;
                // SAFETY: the address of a static.
                const RECORD: ::exchange::generated::InterfaceLink =
                    unsafe { ::exchange::generated::InterfaceLink::new(&raw const __RECORD) };

                fn exports(object: &Self) -> ::exchange::generated::Exports {
                    #exports_name::__exports(object)
                }
            }

            impl #name for ::exchange::Proxy<dyn #name> {
                #(#crossings)*
            }
        };

        #exports
    }
}

/// Types that a method moves: what is lent leads to no interface.
fn moved_types<'a>(method: &'a Method<'_>) -> impl Iterator<Item = &'a Type> {
    let arguments = method.arguments.iter();
    arguments
        .filter(|(_, _, passing)| matches!(passing, Passing::Value))
        .map(|(_, ty, _)| *ty)
        .chain([&method.output])
}

/// A call of method number `index` through a proxy.
fn crossing((index, method): (usize, &Method<'_>)) -> TokenStream {
    let signature = &method.item.sig;
    let name = &signature.ident;
    let output = &signature.output;
    let mut parameters = Vec::new();
    let mut values = Vec::new();
    for (index, (_, ty, passing)) in method.arguments.iter().enumerate() {
        let argument = format_ident!("argument_{index}");
        parameters.push(quote!(#argument: #ty));
        values.push(match passing {
            Passing::Value => quote!(#argument),
            Passing::Lent(_) => quote!(::exchange::Borrowed(#argument)),
        });
    }
    if method.is_repeatable {
        let moved = method.arguments.iter();
        let moved = moved.filter(|(_, _, passing)| matches!(passing, Passing::Value));
        let moved = moved.map(|(_, ty, _)| ty);
        return quote! {
            #[inline]
            fn #name(&self #(, #parameters)*) #output {
                const { #(::exchange::generated::check_repeatable::<#moved>();)* }
                // SAFETY: this method's number and its types, of which none that is
                // moved holds references, as just checked.
                unsafe {
                    ::exchange::generated::cross_repeatable::<#index, _, _, _>(
                        self, (#(#values,)*)
                    )
                }
            }
        };
    }
    quote! {
        #[inline]
        fn #name(&self #(, #parameters)*) #output {
            // SAFETY: this method's number and its types.
            unsafe { ::exchange::generated::cross::<#index, _, _, _>(self, (#(#values,)*)) }
        }
    }
}

/// How other domains call objects, whatever type they are of: a trait that each type
/// implements which implements the interface, in the same way, and no other way: a
/// second implementation would overlap.
fn exports(item: &ItemTrait, methods: &[Method<'_>]) -> TokenStream {
    let (name, visibility) = (&item.ident, &item.vis);
    let exports = exports_name(item);
    let entries = methods.iter().map(|method| entry(name, method));
    quote! {
        /// How other domains call objects of an interface. For generated code.
        #[doc(hidden)]
        #[automatically_derived]
        #visibility trait #exports {
            /// What calls this type's methods.
            fn __exports(&self) -> ::exchange::generated::Exports;
        }

        #[automatically_derived]
        impl<__Object: #name> #exports for __Object {
            fn __exports(&self) -> ::exchange::generated::Exports {
                // SAFETY: an entry of this type for each method, in order.
                unsafe {
                    ::exchange::generated::Exports::new::<__Object>(const { &[#(#entries),*] })
                }
            }
        }
    }
}

fn exports_name(item: &ItemTrait) -> Ident {
    format_ident!("__{}Exports", item.ident)
}

/// The entry of a method in a type's table.
fn entry(interface: &Ident, method: &Method<'_>) -> TokenStream {
    let name = &method.item.sig.ident;
    let output = &method.output;
    let mut types = Vec::new();
    let mut passed = Vec::new();
    for (index, (_, ty, passing)) in method.arguments.iter().enumerate() {
        let position = syn::Index::from(index);
        match passing {
            Passing::Value => {
                types.push(quote!(#ty));
                passed.push(quote!(arguments.#position));
            }
            Passing::Lent(_) => {
                types.push(quote!(::exchange::Borrowed<#ty>));
                passed.push(quote!(arguments.#position.0));
            }
        }
    }
    quote! {
        ::exchange::generated::entry::<__Object, (#(#types,)*), #output, _>(|object, arguments| {
            let _ = &arguments;
            <__Object as #interface>::#name(object #(, #passed)*)
        })
    }
}

/// Hash of the trait: its methods in their order, with the fingerprints of the types
/// they name. Checks these on the way: this is where a type that is not exchangeable,
/// or may not be lent so, fails.
fn fingerprint(item: &ItemTrait, methods: &[Method<'_>]) -> TokenStream {
    let name = item.ident.to_string();
    let mut parts = Vec::new();
    for method in methods {
        let kind = if method.is_repeatable {
            "repeatable method"
        } else {
            "method"
        };
        let name = method.item.sig.ident.to_string();
        parts.push(quote!(.part(#kind, #name)));
        for (name, ty, passing) in &method.arguments {
            let name = name.to_string();
            let (form, fingerprint) = match passing {
                Passing::Value => (
                    "value",
                    quote!(<#ty as ::exchange::Exchangeable>::FINGERPRINT),
                ),
                Passing::Lent(Loan {
                    of: Some(of),
                    form,
                    is_mutable: false,
                }) => (
                    *form,
                    quote!(::exchange::generated::plain_fingerprint::<#of>()),
                ),
                Passing::Lent(Loan {
                    of: Some(of),
                    form,
                    is_mutable: true,
                }) => (
                    *form,
                    quote!(::exchange::generated::any_bits_fingerprint::<#of>()),
                ),
                Passing::Lent(Loan { of: None, form, .. }) => (*form, quote!(0)),
            };
            parts.push(quote!(.part(#form, #name).number(#fingerprint)));
        }
        let output = &method.output;
        parts.push(quote!(.number(<#output as ::exchange::Exchangeable>::FINGERPRINT)));
    }
    quote! {
        ::exchange::generated::Definition::new("interface", #name)
            #(#parts)*
            .fingerprint()
    }
}

/// Says that a method may be called twice.
fn is_mark(attribute: &Attribute) -> bool {
    attribute.path().is_ident("repeatable")
}

fn is_condition(attribute: &Attribute) -> bool {
    attribute.path().is_ident("cfg") || attribute.path().is_ident("cfg_attr")
}
