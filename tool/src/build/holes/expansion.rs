//! A crate's source, macros expanded, as a tree of which no part is hidden.
//!
//! The compiler leaves a few macros of its own as calls, and the parser leaves what it
//! does not know as tokens: no walk through the tree looks into either. So what stands
//! in the calls takes their place, and the rest is refused.

use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::visit_mut::{self, VisitMut};
use syn::{Expr, ExprTuple, File, Ident, ImplItem, Item, Macro, Pat, Stmt, Token, TraitItem, Type};

use super::ExamineError;
use crate::build::tokens;

/// Parses expanded source.
///
/// # Errors
/// [`ExamineError::Parse`] if it is not Rust, or has something in it that cannot be
/// looked into.
pub fn parse(source: &str) -> Result<File, ExamineError> {
    let parsed = syn::parse_file(source);
    let mut file = parsed.map_err(|error| ExamineError::Parse(error.to_string()))?;
    let mut opener = Opener::default();
    opener.visit_file_mut(&mut file);
    match opener.refused {
        Some(what) => Err(ExamineError::Parse(what)),
        None => Ok(file),
    }
}

/// Replaces calls of macros by their arguments.
#[derive(Default)]
struct Opener {
    /// The first thing that cannot be looked into.
    refused: Option<String>,
}

impl Opener {
    fn refuse(&mut self, what: impl Into<String>) {
        self.refused.get_or_insert(what.into());
    }

    /// What is handed to a macro, as an expression.
    fn arguments(&mut self, call: &Macro) -> Expr {
        let name = call.path.segments.last().map(|last| last.ident.to_string());
        let name = name.unwrap_or_default();
        let arguments = match name.as_str() {
            "format_args" => list.parse2(call.tokens.clone()),
            "offset_of" => field_of.parse2(call.tokens.clone()),
            _ => {
                self.refuse(format!(
                    "{name}! is left as a call: it cannot be looked into"
                ));
                return nothing();
            }
        };
        arguments.unwrap_or_else(|error| {
            self.refuse(format!("what is handed to {name}!: {error}"));
            nothing()
        })
    }

    /// Looks at the definition of a macro. Its uses in this crate were expanded; in another
    /// one the compiler says nothing of `unsafe` that comes from here. The source's tokens
    /// were looked at in its files, of which this is no list: whatever was read is here.
    fn look_at_definition(&mut self, definition: &Macro) {
        if let Err(forbidden) = tokens::check(&definition.tokens.to_string()) {
            self.refuse(format!(
                "in the definition of a macro {}",
                forbidden.message
            ));
        }
    }

    /// An expression that the parser does not know: `builtin # name(…)`, or refused. None
    /// at all is an empty statement.
    fn unknown(&mut self, tokens: &proc_macro2::TokenStream) -> Expr {
        if tokens.is_empty() {
            return nothing();
        }
        builtin.parse2(tokens.clone()).unwrap_or_else(|_| {
            self.refuse(format!("an expression of an unknown kind: {tokens}"));
            nothing()
        })
    }
}

impl VisitMut for Opener {
    fn visit_expr_mut(&mut self, expression: &mut Expr) {
        match expression {
            Expr::Macro(call) => *expression = self.arguments(&call.mac),
            Expr::Verbatim(tokens) => *expression = self.unknown(tokens),
            _ => {}
        }
        visit_mut::visit_expr_mut(self, expression);
    }

    fn visit_stmt_mut(&mut self, statement: &mut Stmt) {
        if let Stmt::Macro(call) = statement {
            *statement = Stmt::Expr(self.arguments(&call.mac), call.semi_token);
        }
        visit_mut::visit_stmt_mut(self, statement);
    }

    fn visit_item_mut(&mut self, item: &mut Item) {
        match item {
            Item::Macro(definition) if definition.mac.path.is_ident("macro_rules") => {
                self.look_at_definition(&definition.mac);
            }
            Item::Macro(_) => self.refuse("an item made by a macro that is left as a call"),
            Item::Verbatim(tokens) => self.refuse(format!("an item of an unknown kind: {tokens}")),
            _ => visit_mut::visit_item_mut(self, item),
        }
    }

    fn visit_impl_item_mut(&mut self, item: &mut ImplItem) {
        if let ImplItem::Macro(_) | ImplItem::Verbatim(_) = item {
            self.refuse("an item of an implementation of an unknown kind");
        }
        visit_mut::visit_impl_item_mut(self, item);
    }

    fn visit_trait_item_mut(&mut self, item: &mut TraitItem) {
        if let TraitItem::Macro(_) | TraitItem::Verbatim(_) = item {
            self.refuse("an item of a trait of an unknown kind");
        }
        visit_mut::visit_trait_item_mut(self, item);
    }

    fn visit_type_mut(&mut self, ty: &mut Type) {
        if let Type::Macro(_) | Type::Verbatim(_) = ty {
            self.refuse("a type of an unknown kind");
        }
        visit_mut::visit_type_mut(self, ty);
    }

    fn visit_type_param_bound_mut(&mut self, bound: &mut syn::TypeParamBound) {
        if let syn::TypeParamBound::Verbatim(tokens) = bound {
            self.refuse(format!("a bound of an unknown kind: {tokens}"));
        }
        visit_mut::visit_type_param_bound_mut(self, bound);
    }

    fn visit_pat_mut(&mut self, pattern: &mut Pat) {
        if let Pat::Macro(_) | Pat::Verbatim(_) = pattern {
            self.refuse("a pattern of an unknown kind");
        }
        visit_mut::visit_pat_mut(self, pattern);
    }
}

/// An argument of `format_args!`, with a name or without.
struct Argument(Expr);

impl Parse for Argument {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.peek(Ident) && input.peek2(Token![=]) && !input.peek2(Token![==]) {
            input.parse::<Ident>()?;
            input.parse::<Token![=]>()?;
        }
        input.parse().map(Self)
    }
}

/// The arguments of `format_args!`.
fn list(input: ParseStream<'_>) -> syn::Result<Expr> {
    let arguments = Punctuated::<Argument, Token![,]>::parse_terminated(input)?;
    Ok(tuple(arguments.into_iter().map(|argument| argument.0)))
}

/// The arguments of `offset_of!`: a type, which may have code in it, and a field.
fn field_of(input: ParseStream<'_>) -> syn::Result<Expr> {
    let ty: Type = input.parse()?;
    input.parse::<Token![,]>()?;
    input.parse::<proc_macro2::TokenStream>()?;
    Ok(syn::parse_quote!(0 as #ty))
}

/// `builtin # offset_of(…)`, which is how the compiler writes what a macro of its own
/// comes to.
fn builtin(input: ParseStream<'_>) -> syn::Result<Expr> {
    let word: Ident = input.parse()?;
    input.parse::<Token![#]>()?;
    let name: Ident = input.parse()?;
    if word != "builtin" || name != "offset_of" {
        return Err(input.error("not known"));
    }
    let arguments;
    syn::parenthesized!(arguments in input);
    field_of(&arguments)
}

fn tuple(elements: impl Iterator<Item = Expr>) -> Expr {
    Expr::Tuple(ExprTuple {
        attrs: Vec::new(),
        paren_token: syn::token::Paren::default(),
        elems: elements.collect(),
    })
}

fn nothing() -> Expr {
    tuple(std::iter::empty())
}

#[cfg(test)]
mod tests {
    use syn::visit::Visit;

    use super::*;

    /// Whether a walk through the tree comes to the function `hidden`.
    #[track_caller]
    fn is_found(source: &str) -> bool {
        struct Finder(bool);
        impl<'ast> Visit<'ast> for Finder {
            fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
                self.0 |= item.sig.ident == "hidden";
                syn::visit::visit_item_fn(self, item);
            }
        }
        let mut finder = Finder(false);
        finder.visit_file(&parse(source).unwrap());
        finder.0
    }

    #[track_caller]
    fn refused(source: &str) -> String {
        parse(source).err().expect(source).to_string()
    }

    #[test]
    fn what_stands_in_calls_takes_their_place() {
        for source in [
            "fn f() { ::std::io::_print(format_args!(\"{0}\", { fn hidden<'a>() {} 1 })); }",
            "fn f() { format_args!(\"{0}{x}\", 1, x = { fn hidden<'a>() {} 1 }); }",
            "fn f() { let x = format_args!(\"{0}\", format_args!(\"{0}\", { fn hidden<'a>() {} 1 })); }",
            "fn f() { builtin # offset_of([u8; { fn hidden<'a>() {} 1 }], x) }",
            "const X: usize = offset_of!([u8; { fn hidden<'a>() {} 1 }], x);",
        ] {
            assert!(is_found(source), "{source}");
        }
        assert!(!is_found("macro_rules! m { () => { fn hidden() {} } }"));
    }

    #[test]
    fn definitions_of_macros_have_no_unsafe_tokens() {
        assert!(parse("macro_rules! m { ($a:expr) => { #[inline] fn f<'a>() { $a } } }").is_ok());
        for source in [
            "macro_rules! m { () => { unsafe { f() } } }",
            "fn f() { macro_rules! m { () => { unsafe { f() } } } }",
            "mod a { #[macro_export] macro_rules! m { ($a:expr) => { $a as *const u8 } } }",
            "macro_rules! m { () => { macro_rules! n { () => { #[no_mangle] fn f() {} } } } }",
        ] {
            assert!(
                refused(source).contains("definition of a macro"),
                "{source}"
            );
        }
    }

    #[test]
    fn what_cannot_be_looked_into_is_refused() {
        for source in [
            "fn f() { mine!(1) }",
            "fn f() { mine!(1); }",
            "mine! { fn g() {} }",
            "type T = mine!();",
            "fn f(mine!(): u8) {}",
            "impl T { mine!(); }",
            "trait T { mine!(); }",
            "fn f() { builtin # other(1) }",
            "fn f() { format_args!(\"\", fn) }",
        ] {
            assert!(!refused(source).is_empty(), "{source}");
        }
        assert!(refused("fn f() { super let x = 1; }").contains("parse"));
    }
}
