//! Signs what cargo linked, after checking that it is an image.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use domain_image::{Layout, Note};

use super::BuildError;
use super::cargo::Executable;
use super::keys::Keys;
use crate::error::ToolError;
use crate::tree::Tree;

/// Signs the images of the boot archive.
pub fn sign_domains(
    tree: &Tree,
    keys: &Keys,
    executables: &[Executable],
    names: &[String],
) -> Result<BTreeMap<String, PathBuf>, ToolError> {
    let folder = tree.make_target("signed/domains")?;
    let mut signed = BTreeMap::new();
    for executable in executables {
        if names.contains(&executable.name) {
            let path = folder.join(&executable.name);
            sign(keys, &executable.path, &path)?;
            signed.insert(executable.name.clone(), path);
        }
    }
    Ok(signed)
}

/// Signs the programs of the disk, and removes those that are no more.
pub fn sign_programs(
    tree: &Tree,
    keys: &Keys,
    executables: &[Executable],
) -> Result<BTreeMap<String, PathBuf>, ToolError> {
    let folder = tree.make_target("signed/programs")?;
    let mut signed = BTreeMap::new();
    for executable in executables.iter().filter(|found| found.is_program) {
        let path = folder.join(&executable.name);
        sign(keys, &executable.path, &path)?;
        signed.insert(executable.name.clone(), path);
    }
    for (name, path) in listed(tree, "programs")? {
        if !signed.contains_key(&name) {
            fs::remove_file(&path).map_err(ToolError::file("remove", &path))?;
        }
    }
    Ok(signed)
}

/// Signed images of an earlier build, by name.
pub fn listed(tree: &Tree, kind: &str) -> Result<BTreeMap<String, PathBuf>, ToolError> {
    let folder = tree.make_target("signed")?.join(kind);
    let mut images = BTreeMap::new();
    for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
        if let Ok(name) = entry.file_name().into_string() {
            images.insert(name, entry.path());
        }
    }
    Ok(images)
}

/// Signs one image; a file that is already right is left alone, so that its
/// time tells when it changed.
fn sign(keys: &Keys, elf_path: &Path, signed_path: &Path) -> Result<(), ToolError> {
    let elf = fs::read(elf_path).map_err(ToolError::file("read", elf_path))?;
    let bad = |error| BuildError::Image {
        path: elf_path.to_owned(),
        error,
    };
    Layout::parse(&elf).map_err(bad)?;
    Note::parse(&elf).map_err(bad)?;
    let trailer = domain_image::trailer(&elf, &keys.seed).map_err(bad)?;
    let mut file = elf;
    file.extend_from_slice(&trailer);
    if fs::read(signed_path).is_ok_and(|old| old == file) {
        return Ok(());
    }
    let temporary = signed_path.with_extension("new");
    fs::write(&temporary, &file).map_err(ToolError::file("write", &temporary))?;
    fs::rename(&temporary, signed_path).map_err(ToolError::file("write", signed_path))
}
