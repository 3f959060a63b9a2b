//! `#[domain]` and `#[program]`: the entry of an image.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::spanned::Spanned;
use syn::{Error, FnArg, GenericArgument, ItemFn, Pat, PathArguments, ReturnType, Type};

use crate::types;

pub fn expand_domain(arguments: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    if !arguments.is_empty() {
        return Err(Error::new_spanned(
            arguments,
            "`#[domain]` takes no arguments",
        ));
    }
    let item: ItemFn = syn::parse2(item)?;
    check_function(&item)?;
    let parameters = parameters(&item)?;
    let provided = provided(&item)?;
    let name = &item.sig.ident;
    let names = parameters.iter().map(|(name, _)| name).collect::<Vec<_>>();
    let types = parameters.iter().map(|(_, ty)| ty).collect::<Vec<_>>();
    let note = note(
        &name.to_string(),
        &quote!(&[#(::runtime::entry::parameter::<#types>(#names)),*]),
        &quote!(<#provided as ::runtime::entry::Outcome>::PROVIDES),
    );
    // The user's tokens stay outside the unsafe block.
    let entry = entry(
        &quote! {
            let function = |grants: &mut ::runtime::entry::Grants<'_>| {
                #name(#(grants.take::<#types>(#names)?),*)
            };
        },
        &quote!(::runtime::entry::start_domain(start, function)),
    );
    Ok(quote! { #item #note #entry })
}

pub fn expand_program(arguments: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let interface: Type = syn::parse2(arguments).map_err(|error| {
        Error::new(
            error.span(),
            "name the interface of the process: `#[program(dyn Process)]`",
        )
    })?;
    let item: ItemFn = syn::parse2(item)?;
    check_function(&item)?;
    if item.sig.inputs.len() != 2 {
        return Err(Error::new(
            item.sig.ident.span(),
            "a program takes the proxy of its process and its arguments: `fn main(process: Proxy<dyn Process>, arguments: Bytes)`",
        ));
    }
    let name = &item.sig.ident;
    let note = note(
        &name.to_string(),
        &quote!(&[
            ::runtime::entry::parameter::<::runtime::Proxy<#interface>>("process"),
            ::runtime::entry::parameter::<::runtime::Bytes>("arguments"),
        ]),
        &quote!(::core::option::Option::None),
    );
    let entry = entry(
        &quote! {
            let function = |process: ::runtime::Proxy<#interface>, arguments| {
                #name(process, arguments)
            };
        },
        &quote!(::runtime::start_program(start, function)),
    );
    Ok(quote! { #item #note #entry })
}

pub fn expand_main(arguments: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    if !arguments.is_empty() {
        return Err(Error::new_spanned(
            arguments,
            "`#[posix::main]` takes no arguments",
        ));
    }
    let mut item: ItemFn = syn::parse2(item)?;
    check_function(&item)?;
    if !item.sig.inputs.is_empty() {
        return Err(Error::new(
            item.sig.inputs.span(),
            "`main` takes no parameters: arguments are in `posix::env::args`",
        ));
    }
    // On the host the expansion brings its own, empty `main`.
    item.sig.ident = quote::format_ident!("program_main", span = item.sig.ident.span());
    let program = quote! {
        fn program(process: ::posix::Proxy<dyn ::posix::Process>, arguments: ::runtime::Bytes) -> i32 {
            ::posix::start(process, &arguments.0, program_main)
        }
    };
    let program = expand_program(quote!(dyn ::posix::Process), program)?;
    Ok(quote! { #item #program })
}

fn check_function(item: &ItemFn) -> syn::Result<()> {
    let signature = &item.sig;
    types::check_names(&signature.to_token_stream())?;
    if !signature.generics.params.is_empty()
        || signature.asyncness.is_some()
        || signature.unsafety.is_some()
        || signature.abi.is_some()
    {
        return Err(Error::new(
            signature.span(),
            "the entry of a domain is a plain function: not generic, async, unsafe or extern",
        ));
    }
    Ok(())
}

/// Names and types of the parameters.
fn parameters(item: &ItemFn) -> syn::Result<Vec<(String, Type)>> {
    if item.sig.inputs.len() > 12 {
        return Err(Error::new(
            item.sig.inputs.span(),
            "a domain takes at most 12 parameters",
        ));
    }
    item.sig
        .inputs
        .iter()
        .map(|input| {
            let FnArg::Typed(input) = input else {
                return Err(Error::new(
                    input.span(),
                    "the entry of a domain is a free function",
                ));
            };
            let Pat::Ident(pattern) = &*input.pat else {
                return Err(Error::new(
                    input.pat.span(),
                    "a parameter has a plain name: the system manifest refers to it",
                ));
            };
            let name = pattern.ident.to_string().trim_start_matches('_').to_owned();
            if name.is_empty() || name.len() > 31 {
                return Err(Error::new(
                    pattern.span(),
                    "a parameter's name has 1 to 31 characters",
                ));
            }
            Ok((name, (*input.ty).clone()))
        })
        .collect()
}

/// The `T` of `Result<T, StartError>`.
fn provided(item: &ItemFn) -> syn::Result<Type> {
    if let ReturnType::Type(_, ty) = &item.sig.output
        && let Type::Path(path) = &**ty
        && let Some(last) = path.path.segments.last()
        && last.ident == "Result"
        && let PathArguments::AngleBracketed(arguments) = &last.arguments
        && let Some(GenericArgument::Type(inner)) = arguments.args.first()
    {
        return Ok(inner.clone());
    }
    Err(Error::new(
        item.sig.output.span(),
        "a domain returns `Result<Arc<dyn Interface>, StartError>`, or `Result<(), StartError>` if it provides nothing",
    ))
}

fn note(name: &str, parameters: &TokenStream, provides: &TokenStream) -> TokenStream {
    quote! {
        #[automatically_derived]
        const _: () = {
            const __NOTE: ::runtime::entry::DomainNote =
                ::runtime::entry::DomainNote::new(#name, #parameters, #provides);
            #[cfg(redleaf_image)]
            #[used]
            #[unsafe(link_section = ".redleaf.domain")]
            static __IN_IMAGE: ::runtime::entry::DomainNote = __NOTE;
            #[cfg(not(redleaf_image))]
            let _ = __NOTE;
        };
    }
}

/// The entry symbol; and for plain `cargo` on the host an empty `main`.
fn entry(function: &TokenStream, call: &TokenStream) -> TokenStream {
    let main = std::env::var_os("CARGO_BIN_NAME").map(|_| {
        quote! {
            #[cfg(not(redleaf_image))]
            mod host_main {
                extern crate std as _;
            }
            /// An image does nothing on the host.
            #[cfg(not(redleaf_image))]
            fn main() {}
        }
    });
    quote! {
        #[automatically_derived]
        const _: () = {
            #[cfg_attr(redleaf_image, unsafe(no_mangle))]
            #[cfg_attr(not(redleaf_image), allow(dead_code, reason = "called in an image only"))]
            unsafe extern "sysv64" fn redleaf_entry(start: *mut ::runtime::entry::StartFrame) {
                #function
                // SAFETY: the kernel calls the entry of an image once, with the
                // grants that its note asks for.
                unsafe { #call }
            }
        };
        #main
    }
}
