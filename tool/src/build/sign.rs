//! Signs what cargo linked, after checking that it is an image.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use domain_image::{Identity, ImageError, Layout, Note, Version};

use super::cargo::{Executable, TARGET, Workspace};
use super::interfaces::Interfaces;
use super::keys::Keys;
use super::{BuildError, code, role};
use crate::error::ToolError;
use crate::tree::Tree;

/// What signing needs to know.
pub struct Signer<'a> {
    /// Where signed images go.
    pub tree: &'a Tree,
    /// What they are signed with.
    pub keys: &'a Keys,
    /// Where their packages lie.
    pub workspace: &'a Workspace,
    /// What they may name, and have named.
    pub interfaces: RefCell<Interfaces>,
}

impl Signer<'_> {
    /// Signs the images of the boot archive.
    pub fn sign_domains(
        &self,
        executables: &[Executable],
        names: &[String],
    ) -> Result<BTreeMap<String, PathBuf>, ToolError> {
        let executables = executables
            .iter()
            .filter(|found| !found.is_program && names.contains(&found.name));
        self.sign_all(executables, "domains")
    }

    /// Signs the programs of the disk, and removes those that are no more.
    pub fn sign_programs(
        &self,
        executables: &[Executable],
    ) -> Result<BTreeMap<String, PathBuf>, ToolError> {
        let executables = executables.iter().filter(|found| found.is_program);
        let signed = self.sign_all(executables, "programs")?;
        for (name, path) in listed(self.tree, "programs")? {
            if !signed.contains_key(&name) {
                fs::remove_file(&path).map_err(ToolError::file("remove", &path))?;
            }
        }
        Ok(signed)
    }

    /// Signs executables, no two of one name.
    fn sign_all<'a>(
        &self,
        executables: impl Iterator<Item = &'a Executable>,
        kind: &str,
    ) -> Result<BTreeMap<String, PathBuf>, ToolError> {
        let folder = self.tree.make_target(&format!("signed/{kind}"))?;
        let mut signed = BTreeMap::new();
        for executable in executables {
            let path = folder.join(&executable.name);
            let name = executable.name.clone();
            if signed.insert(name.clone(), path.clone()).is_some() {
                return Err(BuildError::TwoImages(name).into());
            }
            self.sign(executable, &path)?;
        }
        Ok(signed)
    }

    /// Signs one image; a file that is already right is left alone, so that its
    /// time tells when it changed.
    fn sign(&self, executable: &Executable, signed_path: &Path) -> Result<(), ToolError> {
        let elf_path = &executable.path;
        let mut file = fs::read(elf_path).map_err(ToolError::file("read", elf_path))?;
        let bad = |error| BuildError::Image {
            path: elf_path.clone(),
            error,
        };
        Layout::parse(&file).map_err(bad)?;
        let note = Note::parse(&file).map_err(bad)?;
        let package = self
            .workspace
            .members()
            .find(|package| package.manifest_path == executable.manifest)
            .ok_or_else(|| BuildError::NoPackage(executable.name.clone()))?;
        let role = role::of(self.workspace, package).map_err(BuildError::from)?;
        code::check(&file).map_err(|error| BuildError::Code {
            image: executable.name.clone(),
            error,
        })?;
        let mut interfaces = self.interfaces.borrow_mut();
        interfaces
            .check(&executable.name, &note)
            .map_err(BuildError::from)?;
        role::check_note(role, &executable.name, &note).map_err(BuildError::from)?;
        let identity = Identity {
            role: role as u32,
            version: Version::parse(&package.version)
                .ok_or_else(|| bad(ImageError::BadIdentity))?,
            package: &package.name,
            name: &executable.name,
        };
        let trailer =
            domain_image::image_trailer(&file, &identity, &self.keys.seed).map_err(bad)?;
        file.extend_from_slice(&trailer);
        write_changed(signed_path, &file)
    }
}

/// Tries to sign a program that was built, after a change of its ELF file; what is
/// signed goes to a file of its own, into `folder`.
///
/// # Errors
/// Any [`ToolError`] of signing.
pub fn sign_changed(
    tree: &Tree,
    program: &str,
    folder: &Path,
    change: impl FnOnce(&mut Vec<u8>),
) -> Result<(), ToolError> {
    let built = tree.target(&format!("images/{TARGET}/image/{program}"));
    let mut elf = fs::read(&built).map_err(ToolError::file("read", &built))?;
    // What the build made of it is known, as of the images before.
    let mut interfaces = Interfaces::read(tree)?;
    if let Ok(note) = Note::parse(&elf) {
        interfaces
            .check("the build's", &note)
            .map_err(BuildError::from)?;
    }
    change(&mut elf);
    let path = folder.join(program);
    fs::write(&path, &elf).map_err(ToolError::file("write", &path))?;
    let workspace = Workspace::read(tree)?;
    let package = workspace.program_packages().find(|package| {
        let mut targets = package.targets.iter();
        targets.any(|target| target.name == program && target.is("bin"))
    });
    let package = package.ok_or_else(|| BuildError::NoPackage(program.to_owned()))?;
    let executable = Executable {
        name: program.to_owned(),
        path,
        is_program: true,
        manifest: package.manifest_path.clone(),
    };
    let signer = Signer {
        tree,
        keys: &Keys::load_or_make(tree)?,
        workspace: &workspace,
        interfaces: RefCell::new(interfaces),
    };
    signer.sign(&executable, &folder.join("signed"))
}

/// Writes a file, unless it is already right.
fn write_changed(path: &Path, bytes: &[u8]) -> Result<(), ToolError> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    let temporary = path.with_extension("new");
    fs::write(&temporary, bytes).map_err(ToolError::file("write", &temporary))?;
    fs::rename(&temporary, path).map_err(ToolError::file("write", path))
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
