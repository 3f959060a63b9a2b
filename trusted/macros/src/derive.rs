//! `#[derive(Exchangeable)]`: describes a type by data.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Data, DeriveInput, Error, Fields, Member, Type};

use crate::types;

pub fn expand(item: TokenStream) -> syn::Result<TokenStream> {
    let item: DeriveInput = syn::parse2(item)?;
    if !item.generics.params.is_empty() || item.generics.where_clause.is_some() {
        return Err(Error::new(
            item.generics.span(),
            "an exchangeable type cannot be generic: images are built apart; write one type per use",
        ));
    }
    let representation = representation(&item)?;
    match &item.data {
        Data::Struct(data) => {
            if representation != "C" && representation != "transparent" {
                return Err(Error::new(
                    item.ident.span(),
                    "an exchangeable struct is `#[repr(C)]`: images are built apart and must agree on its layout",
                ));
            }
            structure(&item, &data.fields)
        }
        Data::Enum(data) => {
            if representation.is_empty() || representation == "transparent" {
                return Err(Error::new(
                    item.ident.span(),
                    "an exchangeable enum is `#[repr(C)]` or `#[repr(u32)]` (or another integer): images are built apart and must agree on its layout",
                ));
            }
            let fields = data.variants.iter().flat_map(|variant| &variant.fields);
            let types = fields.map(|field| field.ty.clone()).collect::<Vec<_>>();
            enumeration(&item, &types)
        }
        Data::Union(data) => Err(Error::new(
            data.union_token.span,
            "a union may not cross: nobody can tell which field holds; use an enum",
        )),
    }
}

/// What `#[repr(…)]` says first; empty if there is none.
fn representation(item: &DeriveInput) -> syn::Result<String> {
    let mut found = String::new();
    for attribute in &item.attrs {
        if attribute.path().is_ident("repr") {
            attribute.parse_nested_meta(|meta| {
                let name = meta.path.to_token_stream().to_string();
                if name == "packed" {
                    return Err(meta.error("a packed type may not cross: its fields cannot be borrowed; order the fields and leave `packed` out"));
                }
                if name == "align" {
                    let content;
                    syn::parenthesized!(content in meta.input);
                    content.parse::<TokenStream>()?;
                } else if found.is_empty() {
                    found = name;
                }
                Ok(())
            })?;
        }
    }
    Ok(found)
}

fn structure(item: &DeriveInput, fields: &Fields) -> syn::Result<TokenStream> {
    let types = fields
        .iter()
        .map(|field| field.ty.clone())
        .collect::<Vec<_>>();
    check_types(&item.ident, &types)?;
    let members = fields.members().collect::<Vec<Member>>();
    let name = &item.ident;
    let common = common(item, &types);
    let markers = markers(name, &types, true);
    Ok(quote! {
        #[automatically_derived]
        const _: () = {
            // SAFETY: every field is exchangeable; the slots are the fields' at
            // the fields' offsets.
            unsafe impl ::exchange::Exchangeable for #name {
                #common
                const SLOTS: ::exchange::SlotList = ::exchange::SlotList::NONE
                    #(.and(
                        ::exchange::generated::offset_of!(#name, #members),
                        <#types as ::exchange::Exchangeable>::SLOTS_AS_REF,
                    ))*;
                const HAS_REFERENCES: bool =
                    false #(|| <#types as ::exchange::Exchangeable>::HAS_REFERENCES)*;
                const WALKABLE: bool =
                    true #(&& <#types as ::exchange::Exchangeable>::WALKABLE)*;
                const INTERFACES: ::exchange::generated::InterfaceList =
                    ::exchange::generated::InterfaceList::NONE
                    #(.and(<#types as ::exchange::Exchangeable>::INTERFACES_AS_REF))*;

                #[inline]
                unsafe fn give_references(&self, owner: u64) {
                    let _ = owner;
                    // SAFETY: the caller's promise, for each part.
                    #(unsafe { ::exchange::Exchangeable::give_references(&self.#members, owner); })*
                }
            }
            #markers
        };
    })
}

fn enumeration(item: &DeriveInput, types: &[Type]) -> syn::Result<TokenStream> {
    check_types(&item.ident, types)?;
    let name = &item.ident;
    let common = common(item, types);
    let markers = markers(name, types, false);
    Ok(quote! {
        #[automatically_derived]
        const _: () = {
            const _: () = {
                const fn plain<T: ::exchange::generated::InVariant>() {}
                #(plain::<#types>();)*
            };
            // SAFETY: no variant holds a reference (checked above).
            unsafe impl ::exchange::Exchangeable for #name {
                #common
            }
            #markers
        };
    })
}

fn check_types(name: &syn::Ident, types: &[Type]) -> syn::Result<()> {
    let mut errors: Option<Error> = None;
    for ty in types {
        if let Err(error) = types::value(ty).and_then(|()| check_recursion(name, ty)) {
            match &mut errors {
                Some(all) => all.combine(error),
                none => *none = Some(error),
            }
        }
    }
    errors.map_or(Ok(()), Err)
}

/// A description of a type that contains itself would have no end.
fn check_recursion(name: &syn::Ident, ty: &Type) -> syn::Result<()> {
    struct Finder<'a>(&'a syn::Ident, bool);
    impl<'ast> Visit<'ast> for Finder<'_> {
        fn visit_path(&mut self, path: &'ast syn::Path) {
            self.1 |= path.is_ident(self.0);
            visit::visit_path(self, path);
        }
    }
    let mut finder = Finder(name, false);
    finder.visit_type(ty);
    if finder.1 {
        return Err(Error::new(
            ty.span(),
            "an exchangeable type cannot contain itself; pass a chain as `RRefSlice<T>` or `RRefDeque<T, N>`",
        ));
    }
    Ok(())
}

/// Name and fingerprint: hash of the definition without its attributes other
/// than `repr`, combined with the fields' fingerprints.
fn common(item: &DeriveInput, types: &[Type]) -> TokenStream {
    let mut bare = item.clone();
    bare.attrs
        .retain(|attribute| attribute.path().is_ident("repr"));
    match &mut bare.data {
        Data::Struct(data) => data.fields.iter_mut().for_each(|field| field.attrs.clear()),
        Data::Enum(data) => {
            for variant in &mut data.variants {
                variant.attrs.clear();
                variant
                    .fields
                    .iter_mut()
                    .for_each(|field| field.attrs.clear());
            }
        }
        Data::Union(_) => {}
    }
    let text = bare.to_token_stream().to_string();
    let name = item.ident.to_string();
    quote! {
        const NAME: &'static str = #name;
        const FINGERPRINT: u64 = {
            let fingerprint = ::exchange::generated::hash(#text.as_bytes());
            #(let fingerprint = ::exchange::generated::combine(
                fingerprint,
                <#types as ::exchange::Exchangeable>::FINGERPRINT,
            );)*
            fingerprint
        };
    }
}

/// `Plain`, and `Zeroable` for structs, where the fields allow it; and the proof
/// that the type has no destructor of its own.
fn markers(name: &syn::Ident, types: &[Type], zeroable: bool) -> TokenStream {
    let zeroable = zeroable.then(|| {
        quote! {
            // SAFETY: each field has an all-zero value.
            unsafe impl ::exchange::Zeroable for #name
            where
                #(for<'any> ::exchange::generated::Field<'any, #types>: ::exchange::generated::ZeroableField,)*
            {}
        }
    });
    quote! {
        // SAFETY: no field holds a reference.
        unsafe impl ::exchange::Plain for #name
        where
            #(for<'any> ::exchange::generated::Field<'any, #types>: ::exchange::generated::PlainField,)*
        {}
        #zeroable

        trait ExchangeableTypesHaveNoDestructor {}
        #[allow(drop_bounds, reason = "only types with a destructor of their own conflict")]
        impl<T: ::core::ops::Drop> ExchangeableTypesHaveNoDestructor for T {}
        impl ExchangeableTypesHaveNoDestructor for #name {}
    }
}
