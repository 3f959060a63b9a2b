//! `#[derive(Exchangeable)]`: describes a type by data.

use proc_macro2::{Literal, TokenStream};
use quote::{ToTokens, format_ident, quote};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Data, DataEnum, DeriveInput, Error, Fields, Ident, Member, Type};

use crate::types;

pub fn expand(item: TokenStream) -> syn::Result<TokenStream> {
    types::check_names(&item)?;
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
            if !representation
                .iter()
                .any(|name| name == "C" || name == "transparent")
            {
                return Err(Error::new(
                    item.ident.span(),
                    "an exchangeable struct is `#[repr(C)]`: images are built apart and must agree on its layout",
                ));
            }
            structure(&item, &data.fields)
        }
        Data::Enum(data) => {
            if representation.is_empty() || representation.iter().any(|name| name == "transparent")
            {
                return Err(Error::new(
                    item.ident.span(),
                    "an exchangeable enum is `#[repr(C)]` or `#[repr(u32)]` (or another integer): images are built apart and must agree on its layout",
                ));
            }
            let fields = data.variants.iter().flat_map(|variant| &variant.fields);
            let types = fields.map(|field| field.ty.clone()).collect::<Vec<_>>();
            enumeration(&item, data, &representation, &types)
        }
        Data::Union(data) => Err(Error::new(
            data.union_token.span,
            "a union may not cross: nobody can tell which field holds; use an enum",
        )),
    }
}

/// What `#[repr(…)]` says, apart from the alignment.
fn representation(item: &DeriveInput) -> syn::Result<Vec<Ident>> {
    let mut found = Vec::new();
    for attribute in &item.attrs {
        if attribute.path().is_ident("repr") {
            attribute.parse_nested_meta(|meta| {
                let name = meta.path.require_ident()?.clone();
                if name == "packed" {
                    return Err(meta.error("a packed type may not cross: its fields cannot be borrowed; order the fields and leave `packed` out"));
                }
                if name == "align" {
                    let content;
                    syn::parenthesized!(content in meta.input);
                    content.parse::<TokenStream>()?;
                } else {
                    found.push(name);
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
    let common = common(item, "struct", &fields_of(item, fields));
    let markers = markers(name, &types, true);
    let proof = proof(name, &[(quote!(#name), fields)]);
    Ok(quote! {
        // SAFETY: every field is exchangeable; the slots are the fields' at the
        // fields' offsets.
        #[automatically_derived]
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
        #proof
    })
}

fn enumeration(
    item: &DeriveInput,
    data: &DataEnum,
    representation: &[Ident],
    types: &[Type],
) -> syn::Result<TokenStream> {
    check_types(&item.ident, types)?;
    let name = &item.ident;
    let integer = representation.iter().find(|name| *name != "C");
    let integer = integer.cloned().unwrap_or_else(|| format_ident!("isize"));
    let values = discriminants(data, &integer);
    let kind = format!("enum {}", quote!(#(#representation)*));
    let common = common(item, &kind, &variants_of(data, &values));
    let markers = markers(name, types, false);
    let variants = data.variants.iter().map(|variant| {
        let ident = &variant.ident;
        (quote!(#name::#ident), &variant.fields)
    });
    let proof = proof(name, &variants.collect::<Vec<_>>());
    Ok(quote! {
        #[automatically_derived]
        const _: () = {
            #(::exchange::generated::in_variant::<#types>();)*
        };
        // SAFETY: no variant holds a reference (checked above).
        #[automatically_derived]
        unsafe impl ::exchange::Exchangeable for #name {
            #common
        }
        #markers
        #proof
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

/// Name and fingerprint: a hash of what the compiler made of the definition. `kind`
/// says what it is, `parts` are calls on a `Definition`.
fn common(item: &DeriveInput, kind: &str, parts: &[TokenStream]) -> TokenStream {
    let name = item.ident.to_string();
    quote! {
        const NAME: &'static str = #name;
        const FINGERPRINT: u64 = ::exchange::generated::Definition::new(#kind, #name)
            .number(::core::mem::size_of::<Self>() as u64)
            .number(::core::mem::align_of::<Self>() as u64)
            #(#parts)*
            .fingerprint();
    }
}

/// Name, place and type of a struct's fields.
fn fields_of(item: &DeriveInput, fields: &Fields) -> Vec<TokenStream> {
    let name = &item.ident;
    let parts = fields.members().zip(fields).map(|(member, field)| {
        let (text, ty) = (member.to_token_stream().to_string(), &field.ty);
        quote! {
            .part("field", #text)
            .number(::core::mem::offset_of!(#name, #member) as u64)
            .number(<#ty as ::exchange::Exchangeable>::FINGERPRINT)
        }
    });
    parts.collect()
}

/// The variants' discriminants, as the compiler sees them.
fn discriminants(data: &DataEnum, integer: &Ident) -> Vec<TokenStream> {
    let mut base = quote!(0);
    let mut above = 0_i128;
    let values = data.variants.iter().map(|variant| {
        if let Some((_, stated)) = &variant.discriminant {
            base = quote!({
                let __stated: ::core::primitive::#integer = #stated;
                __stated as ::core::primitive::i128
            });
            above = 0;
        }
        let above_it = Literal::i128_unsuffixed(above);
        above += 1;
        quote!(#base + #above_it)
    });
    values.collect()
}

/// The proof that the types judged are those of the fields: that the tokens mean the
/// same where they were judged as where the type is defined.
fn proof(name: &Ident, variants: &[(TokenStream, &Fields)]) -> TokenStream {
    let arms = variants.iter().map(|(path, fields)| {
        let members = fields.members();
        let types = fields.iter().map(|field| &field.ty);
        let bindings = (0..fields.len()).map(|index| format_ident!("__field_{index}"));
        let bindings = bindings.collect::<Vec<_>>();
        quote! {
            // In two steps, so that no field is coerced to the type it should have.
            #path { #(#members: ref #bindings),* } => {
                #(let #bindings = ::exchange::generated::type_of(#bindings);)*
                #(::exchange::generated::is::<#types>(#bindings);)*
            }
        }
    });
    quote! {
        #[automatically_derived]
        const _: fn(&#name) = |__value| match *__value {
            #(#arms)*
        };
    }
}

/// Variants with their discriminants and the types of their fields, whose places
/// follow from the representation.
fn variants_of(data: &DataEnum, values: &[TokenStream]) -> Vec<TokenStream> {
    let mut parts = Vec::new();
    for (variant, value) in data.variants.iter().zip(values) {
        let name = variant.ident.to_string();
        parts.push(quote!(.variant(#name, #value)));
        for (member, field) in variant.fields.members().zip(&variant.fields) {
            let (text, ty) = (member.to_token_stream().to_string(), &field.ty);
            parts.push(quote! {
                .part("field", #text)
                .number(<#ty as ::exchange::Exchangeable>::FINGERPRINT)
            });
        }
    }
    parts
}

/// `Plain`, and for structs `AnyBits` and `Zeroable`, where the fields allow it; and
/// the proof that the type has no destructor of its own.
fn markers(name: &syn::Ident, types: &[Type], is_structure: bool) -> TokenStream {
    let of_structure = is_structure.then(|| {
        quote! {
            // SAFETY: any bytes are a value of each field; those between are of none.
            #[automatically_derived]
            unsafe impl ::exchange::AnyBits for #name
            where
                #(for<'__any> ::exchange::generated::Field<'__any, #types>: ::exchange::generated::AnyBitsField,)*
            {}
            // SAFETY: each field has an all-zero value.
            #[automatically_derived]
            unsafe impl ::exchange::Zeroable for #name
            where
                #(for<'__any> ::exchange::generated::Field<'__any, #types>: ::exchange::generated::ZeroableField,)*
            {}
        }
    });
    quote! {
        // SAFETY: no field holds a reference.
        #[automatically_derived]
        unsafe impl ::exchange::Plain for #name
        where
            #(for<'__any> ::exchange::generated::Field<'__any, #types>: ::exchange::generated::PlainField,)*
        {}
        #of_structure

        #[automatically_derived]
        const _: () = {
            // No token of the user's but the name stands in here.
            trait __NoDestructor {}
            #[allow(drop_bounds, reason = "only types with a destructor of their own conflict")]
            impl<__Type: ::core::ops::Drop> __NoDestructor for __Type {}
            impl __NoDestructor for #name {}
        };
    }
}
