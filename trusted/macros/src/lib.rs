//! IDL: `#[interface]`, `#[derive(Exchangeable)]`, `#[domain]`, `#[program]`.
//!
//! These macros are trusted: what they emit is unsafe code in crates that
//! themselves forbid it. Each therefore refuses whatever it cannot vouch for,
//! with a message that says what to write instead. `unsafe` tokens carry the
//! macro's own span; tokens of the user keep theirs, so that `unsafe` written
//! by the user is still refused by the compiler.

mod derive;
mod domain;
mod interface;
mod types;

use proc_macro::TokenStream;

/// Makes a trait an interface: its objects can be called from other domains.
///
/// Every method takes `&self` and returns `RpcResult<T>`. Arguments are
/// exchangeable values, or plain data lent for the call as `&T`, `&[T]`,
/// `&mut T`, `&mut [T]` or `&str`. The macro implements the trait for
/// `Proxy<dyn Trait>`.
///
/// A method marked `#[repeatable]` may be called twice where it was called once, and
/// gives nothing away. If the domain called dies, and its supervisor has promised a
/// successor, the caller waits for that and calls it instead. Others end with
/// `DomainDead`: the caller has to find out what was done.
#[proc_macro_attribute]
pub fn interface(arguments: TokenStream, item: TokenStream) -> TokenStream {
    finish(interface::expand(arguments.into(), item.into()))
}

/// Makes a `#[repr(C)]` struct or a plain-data enum exchangeable.
#[proc_macro_derive(Exchangeable)]
pub fn exchangeable(item: TokenStream) -> TokenStream {
    finish(derive::expand(item.into()))
}

/// Makes a function the entry of a domain image. Its parameters are the
/// capabilities the domain needs; it returns `Result<Arc<dyn Interface>,
/// StartError>` or `Result<(), StartError>`.
#[proc_macro_attribute]
pub fn domain(arguments: TokenStream, item: TokenStream) -> TokenStream {
    finish(domain::expand_domain(arguments.into(), item.into()))
}

/// Makes a function the entry of a program: `#[program(dyn Process)]`. It takes
/// a proxy of that interface and the arguments as `Bytes`, and returns what
/// converts into an exit status.
#[proc_macro_attribute]
pub fn program(arguments: TokenStream, item: TokenStream) -> TokenStream {
    finish(domain::expand_program(arguments.into(), item.into()))
}

/// Makes a function without parameters the `main` of a Unix program:
/// `#[posix::main]`. It returns what `posix::process::Termination` knows. The
/// program's crate depends on `posix` and `runtime`, which the expansion names.
#[proc_macro_attribute]
pub fn main(arguments: TokenStream, item: TokenStream) -> TokenStream {
    finish(domain::expand_main(arguments.into(), item.into()))
}

fn finish(result: syn::Result<proc_macro2::TokenStream>) -> TokenStream {
    result
        .unwrap_or_else(|error| error.into_compile_error())
        .into()
}
