//! Which types may stand in an interface, as far as their names tell.

use proc_macro2::{Ident, TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Error, Expr, GenericArgument, PathArguments, Stmt, Type, TypeParamBound};

/// How an argument is passed.
pub enum Passing {
    /// By value: moved to the callee.
    Value,
    /// Lent for the call.
    Lent(Loan),
}

/// What is lent.
pub struct Loan {
    /// The type whose plainness matters; `None`: `str`.
    pub of: Option<Box<Type>>,
    /// As it is written: `&`, `&mut`, `&[]`, `&mut []` or `&str`.
    pub form: &'static str,
    /// Lent for writing.
    pub is_mutable: bool,
}

/// Checks the type of an argument.
pub fn argument(ty: &Type) -> syn::Result<Passing> {
    let Type::Reference(reference) = ty else {
        value(ty)?;
        return Ok(Passing::Value);
    };
    if let Some(lifetime) = &reference.lifetime {
        return Err(Error::new(
            lifetime.span(),
            "a borrow lasts for the call only and names no lifetime; pass an owned `RRef`, or lend `&T`",
        ));
    }
    let is_mutable = reference.mutability.is_some();
    let lent = |of, forms: [&'static str; 2]| {
        let form = forms[usize::from(is_mutable)];
        Ok(Passing::Lent(Loan {
            of,
            form,
            is_mutable,
        }))
    };
    match &*reference.elem {
        Type::Slice(slice) => {
            value(&slice.elem)?;
            lent(Some(slice.elem.clone()), ["&[]", "&mut []"])
        }
        Type::Path(path) if path.path.is_ident("str") => {
            if is_mutable {
                return Err(Error::new(
                    ty.span(),
                    "text is lent as `&str` only; use `&mut [u8]`",
                ));
            }
            lent(None, ["&str", "&mut str"])
        }
        Type::TraitObject(_) => Err(Error::new(
            ty.span(),
            "an object of an interface is passed as `Proxy<dyn Trait>`",
        )),
        inner => {
            value(inner)?;
            lent(Some(reference.elem.clone()), ["&", "&mut"])
        }
    }
}

/// Checks a type that is passed by value. What it cannot tell by name, the
/// trait `Exchangeable` decides.
pub fn value(ty: &Type) -> syn::Result<()> {
    let mut check = Check { error: None };
    check.visit_type(ty);
    check.error.map_or(Ok(()), Err)
}

struct Check {
    error: Option<Error>,
}

impl Check {
    fn refuse(&mut self, at: &impl Spanned, message: &str) {
        let error = Error::new(at.span(), message);
        match &mut self.error {
            Some(all) => all.combine(error),
            none => *none = Some(error),
        }
    }
}

/// Types of a private heap, cells and the like: name, and what to use.
const REFUSED: &[(&[&str], &str)] = &[
    (
        &["Vec", "VecDeque", "LinkedList", "BinaryHeap"],
        "`Vec` and its like lie on a private heap; use `RRefSlice<T>` or `RRefDeque<T, N>`, or lend `&[T]`",
    ),
    (&["Box"], "`Box` lies on a private heap; use `RRef<T>`"),
    (
        &["String", "CString", "OsString", "PathBuf"],
        "`String` lies on a private heap; lend `&str`, or pass `RRefSlice<u8>` or `[u8; N]`",
    ),
    (
        &["Arc", "Rc", "Weak"],
        "a counted reference lies on a private heap; pass an interface's object as `Proxy<dyn Trait>` and data as `RRef<T>`",
    ),
    (
        &["HashMap", "HashSet", "BTreeMap", "BTreeSet"],
        "a map lies on a private heap; pass its entries as `RRefSlice<(K, V)>`",
    ),
    (
        &["Cell", "RefCell", "UnsafeCell", "OnceCell", "LazyCell"],
        "a cell can change while it is shared; pass plain values",
    ),
    (
        &["Mutex", "RwLock", "Condvar", "Once", "OnceLock", "LazyLock"],
        "a lock is shared memory; put an interface method in its place",
    ),
    (
        &[
            "AtomicBool",
            "AtomicU8",
            "AtomicU16",
            "AtomicU32",
            "AtomicU64",
            "AtomicUsize",
            "AtomicI8",
            "AtomicI16",
            "AtomicI32",
            "AtomicI64",
            "AtomicIsize",
            "AtomicPtr",
        ],
        "an atomic can change while it is shared; pass plain integers",
    ),
    (
        &["NonNull"],
        "a raw pointer means nothing in another domain; use `RRef<T>`",
    ),
    (
        &["PhantomData", "PhantomPinned"],
        "a marker type carries no data; leave it out",
    ),
    (
        &["Cow", "Pin", "ManuallyDrop", "MaybeUninit"],
        "a wrapper of memory may not cross; pass the plain value or an `RRef<T>`",
    ),
];

impl<'ast> Visit<'ast> for Check {
    fn visit_type(&mut self, ty: &'ast Type) {
        match ty {
            Type::BareFn(_) => self.refuse(ty, "a function pointer may not cross; make it a method of an interface and pass `Proxy<dyn Trait>`"),
            Type::Ptr(_) => self.refuse(ty, "a raw pointer may not cross; use `RRef<T>`, or lend `&T`"),
            Type::ImplTrait(_) => self.refuse(ty, "`impl Trait` may not cross; write the type, or `Proxy<dyn Trait>` for an interface"),
            Type::Infer(_) => self.refuse(ty, "write the type: images are built apart and must agree on it"),
            Type::Never(_) => self.refuse(ty, "a method that does not return cannot be crossed back from; return `RpcResult<()>`"),
            Type::Slice(_) => self.refuse(ty, "a slice by value has no size; use `RRefSlice<T>`, or lend `&[T]`"),
            Type::Macro(_) => self.refuse(ty, "write the type out: a macro hides what crosses"),
            Type::Reference(reference) => match &reference.lifetime {
                Some(lifetime) if lifetime.ident == "static" => self.refuse(ty, "a `'static` reference dangles when its domain ends; use `RRef<T>`, or lend `&T`"),
                _ => self.refuse(ty, "a reference can be lent as an argument only, as `&T`, `&[T]` or `&str`; use `RRef<T>` here"),
            },
            Type::TraitObject(object) => {
                let closure = object.bounds.iter().any(|bound| matches!(bound, TypeParamBound::Trait(bound)
                    if bound.path.segments.last().is_some_and(|last| ["Fn", "FnMut", "FnOnce"].contains(&last.ident.to_string().as_str()))));
                if closure {
                    self.refuse(ty, "a closure may not cross; make it a method of an interface and pass `Proxy<dyn Trait>`");
                } else {
                    self.refuse(ty, "a trait object stands inside a proxy only: `Proxy<dyn Trait>`");
                }
            }
            _ => visit::visit_type(self, ty),
        }
    }

    fn visit_type_path(&mut self, path: &'ast syn::TypePath) {
        if path.qself.is_some() {
            self.refuse(path, "write the type itself, not a projection of another");
            return;
        }
        let Some(last) = path.path.segments.last() else {
            return;
        };
        if path.path.is_ident("Self") {
            self.refuse(
                path,
                "`Self` is not known to callers; pass `Proxy<dyn Trait>`",
            );
            return;
        }
        let name = last.ident.to_string();
        for (names, message) in REFUSED {
            if names.contains(&name.as_str()) {
                self.refuse(path, message);
                return;
            }
        }
        let PathArguments::AngleBracketed(arguments) = &last.arguments else {
            return;
        };
        for argument in &arguments.args {
            match argument {
                // `Proxy<dyn Trait>`: the one place for a trait object.
                GenericArgument::Type(Type::TraitObject(object)) if name == "Proxy" => {
                    if object.bounds.len() != 1 {
                        self.refuse(object, "a proxy names one interface: `Proxy<dyn Trait>`");
                    }
                }
                GenericArgument::Type(inner) => self.visit_type(inner),
                GenericArgument::Const(number) => self.visit_expr(number),
                other => self.refuse(
                    other,
                    "only types and numbers may be arguments of a type here",
                ),
            }
        }
    }

    /// What an array's length or a constant argument is made of: nothing that could
    /// mean one thing where the type is defined and another in what is generated.
    fn visit_expr(&mut self, expression: &'ast Expr) {
        match expression {
            Expr::Lit(_) => {}
            Expr::Path(path) if path.qself.is_none() => {}
            Expr::Binary(_) | Expr::Unary(_) | Expr::Paren(_) | Expr::Group(_) | Expr::Cast(_) => {
                visit::visit_expr(self, expression);
            }
            Expr::Block(block) if block.label.is_none() => match &*block.block.stmts {
                [Stmt::Expr(inner, None)] => self.visit_expr(inner),
                _ => self.refuse(expression, LENGTH),
            },
            _ => self.refuse(expression, LENGTH),
        }
    }
}

/// What a number in a type may be.
const LENGTH: &str =
    "a number in a type is a literal, the name of a constant, or computed from these";

/// Checks that no name begins as those do which the macros make up, so that none can
/// mean one thing in what the user wrote and another in what is generated.
pub fn check_names(item: &TokenStream) -> syn::Result<()> {
    for token in item.clone() {
        match token {
            TokenTree::Ident(name) if is_reserved(&name) => {
                return Err(Error::new(
                    name.span(),
                    "names that begin with two underscores are the macros' own",
                ));
            }
            TokenTree::Group(group) => check_names(&group.stream())?,
            _ => {}
        }
    }
    Ok(())
}

fn is_reserved(name: &Ident) -> bool {
    let name = name.to_string();
    name.strip_prefix("r#").unwrap_or(&name).starts_with("__")
}
