//! Which interfaces a crate defines, in its expanded source.
//!
//! Two definitions under one name, each in its own domain, would not be told apart by
//! name, so images have the interfaces of one package. What makes a trait an interface
//! is `unsafe impl ::exchange::Interface for dyn Trait`: only the trusted macro can
//! write that in such a crate, and the paths in it mean what they say, since no crate
//! is used by another's name.

use syn::visit::{self, Visit};
use syn::{ItemImpl, Type};

/// The trait of interfaces.
const INTERFACE: [&str; 2] = ["exchange", "Interface"];

/// Name of the first interface that is defined. Source that is no Rust defines none:
/// [`super::shapes`] has refused it.
pub fn defined(source: &str) -> Option<String> {
    let file = super::expansion::parse(source).ok()?;
    let mut walker = Walker(None);
    walker.visit_file(&file);
    walker.0
}

struct Walker(Option<String>);

impl<'ast> Visit<'ast> for Walker {
    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        if let Some((_, path, _)) = &item.trait_
            && path
                .segments
                .iter()
                .map(|segment| &segment.ident)
                .eq(INTERFACE.iter())
        {
            self.0.get_or_insert_with(|| name(&item.self_ty));
        }
        visit::visit_item_impl(self, item);
    }
}

/// `Trait` of `dyn Trait`.
fn name(ty: &Type) -> String {
    let named = match ty {
        Type::TraitObject(object) => object.bounds.iter().find_map(|bound| match bound {
            syn::TypeParamBound::Trait(bound) => bound.path.segments.last(),
            _ => None,
        }),
        Type::Path(path) => path.path.segments.last(),
        _ => None,
    };
    named.map_or_else(|| "of a type".to_owned(), |last| last.ident.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_macro_writes_is_found_wherever_it_stands() {
        let expansion = "const _: () = { unsafe impl ::exchange::Interface for dyn Evil {} };";
        let found = |source: &str| defined(source);
        assert_eq!(found(expansion), Some("Evil".to_owned()));
        let inside = format!("mod interfaces {{ fn hidden() {{ {expansion} }} }}");
        assert_eq!(found(&inside), Some("Evil".to_owned()));
        assert_eq!(found("trait Evil {} impl Evil for u8 {}"), None);
        assert_eq!(found("mod exchange { trait Interface {} } "), None);
    }
}
