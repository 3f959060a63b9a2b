//! Which interfaces an image may name in its note.
//!
//! Those of the package `interfaces`, which is the one that may define any
//! ([`super::holes`]), each with the fingerprint that all images of a build say.

use std::collections::BTreeMap;
use std::fs;

use domain_image::Note;
use syn::Item;

use super::wrapper::INTERFACES;
use crate::error::ToolError;
use crate::tree::Tree;

/// Why an image's note is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InterfaceError {
    /// It names an interface that is not there.
    #[error(
        "image {image:?} is refused: its note names the interface {name}, which is none of the package interfaces"
    )]
    Unknown {
        /// The image.
        image: String,
        /// The interface.
        name: String,
    },
    /// It means another interface by that name than an image before it.
    #[error(
        "image {image:?} is refused: its interface {name} has another fingerprint than that of {other:?}, so one of them is not of the package interfaces"
    )]
    Other {
        /// The image.
        image: String,
        /// The interface.
        name: String,
        /// An image that was looked at before.
        other: String,
    },
}

/// The interfaces of the tree, and what images have said of them.
#[derive(Debug, Default)]
pub struct Interfaces {
    /// By name: fingerprint, and the image that said it.
    known: BTreeMap<String, Option<(u64, String)>>,
}

impl Interfaces {
    /// Reads the names in the package `interfaces`.
    ///
    /// # Errors
    /// [`ToolError::File`].
    pub fn read(tree: &Tree) -> Result<Self, ToolError> {
        let folder = tree.path(INTERFACES).join("src");
        let failed = |error| ToolError::file("read", &folder)(error);
        let mut known = BTreeMap::new();
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let text = fs::read_to_string(&path).map_err(ToolError::file("read", &path))?;
            known.extend(names(&text).into_iter().map(|name| (name, None)));
        }
        Ok(Self { known })
    }

    /// Checks what an image's note names.
    ///
    /// # Errors
    /// [`InterfaceError`].
    pub fn check(&mut self, image: &str, note: &Note<'_>) -> Result<(), InterfaceError> {
        let provided = (note.provides_name, note.provides);
        let wanted = note
            .parameters()
            .map(|parameter| (parameter.interface, parameter.fingerprint));
        for (name, fingerprint) in wanted.chain([provided]) {
            if !name.is_empty() || fingerprint != 0 {
                self.check_one(image, name, fingerprint)?;
            }
        }
        Ok(())
    }

    fn check_one(
        &mut self,
        image: &str,
        name: &str,
        fingerprint: u64,
    ) -> Result<(), InterfaceError> {
        let Some(said) = self.known.get_mut(name) else {
            return Err(InterfaceError::Unknown {
                image: image.to_owned(),
                name: name.to_owned(),
            });
        };
        match said {
            Some((known, other)) if *known != fingerprint => Err(InterfaceError::Other {
                image: image.to_owned(),
                name: name.to_owned(),
                other: other.clone(),
            }),
            Some(_) => Ok(()),
            None => {
                *said = Some((fingerprint, image.to_owned()));
                Ok(())
            }
        }
    }
}

/// Names of the traits in a file that are interfaces.
fn names(text: &str) -> Vec<String> {
    let items = syn::parse_file(text).map_or_else(|_| Vec::new(), |file| file.items);
    let is_interface = |item: Item| match item {
        Item::Trait(item) => item
            .attrs
            .iter()
            .any(|attribute| attribute.path().is_ident("interface"))
            .then(|| item.ident.to_string()),
        _ => None,
    };
    items.into_iter().filter_map(is_interface).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_of_the_package_and_mean_one_interface() {
        let text = "#[interface] pub trait Block {} pub trait Other {}";
        assert_eq!(names(text), ["Block"]);
        let known = names(text).into_iter().map(|name| (name, None)).collect();
        let mut interfaces = Interfaces { known };
        assert_eq!(interfaces.check_one("a", "Block", 7), Ok(()));
        assert_eq!(interfaces.check_one("b", "Block", 7), Ok(()));
        let other = interfaces.check_one("c", "Block", 8).unwrap_err();
        assert!(other.to_string().contains("than that of \"a\""));
        let unknown = interfaces.check_one("c", "Other", 7).unwrap_err();
        assert!(unknown.to_string().contains("names the interface Other"));
    }
}
