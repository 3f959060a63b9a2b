//! The gate: what must hold before cargo may run anything, in one place.
//!
//! Whoever wants cargo to build asks [`Gate::pass`] first: [`Gate::cargo`] is the
//! only way to such a command. The checks, in this order, are of
//!
//! 1. names in the tree ([`places`]) and what configures cargo from outside of it
//!    ([`surroundings`]);
//! 2. manifests ([`manifests`]) and features ([`features`]), which cargo has not read yet;
//! 3. tokens of untrusted sources ([`sources`]);
//! 4. `Cargo.lock`: crates, versions, source and checksums ([`trust`]);
//! 5. the graph that cargo makes of it: who imports whom ([`layers`]), what runs on
//!    the host, what images are called.
//!
//! Then cargo is shown which sources changed ([`freshness`]). Until then it only describes
//! the workspace, which runs nothing of it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use super::cargo::{Workspace, cargo, start_error};
use super::trust::{self, TrustError};
use super::{confine, features, freshness, keys, layers, manifests, places, sources, surroundings};
use crate::error::ToolError;
use crate::tree::Tree;

/// Proof that the tree has passed.
pub struct Gate {
    workspace: Workspace,
    keys: PathBuf,
    /// For temporary files of what cargo starts.
    temporary: TempDir,
}

impl Gate {
    /// Checks the tree.
    ///
    /// # Errors
    /// [`TrustError`] for the first thing refused, or any [`ToolError`] that keeps
    /// the tree from being looked at.
    pub fn pass(tree: &Tree) -> Result<Self, ToolError> {
        let root = tree.root();
        places::check(root)?;
        surroundings::check(root)?;
        let members = manifests::check(root)?;
        features::check(root, &members)?;
        for member in members.iter().filter(|member| member.is_untrusted()) {
            sources::check_member(root, member)?;
        }
        trust::check_lock(root)?;
        let workspace = Workspace::read(tree)?;
        trust::check_members(&workspace)?;
        // Tests have dependencies that images have not.
        trust::check_members(&Workspace::read_with(root, "")?)?;
        layers::refuse(tree, &workspace)?;
        check_image_names(&workspace)?;
        freshness::show_changes(tree)?;
        let temporary = tempfile::tempdir()
            .map_err(ToolError::file("make a folder in", &std::env::temp_dir()))?;
        let keys = keys::folder(tree)?;
        let keys = std::fs::canonicalize(&keys).map_err(ToolError::file("find", &keys))?;
        Ok(Self {
            workspace,
            keys,
            temporary,
        })
    }

    /// The workspace as images see it.
    pub const fn workspace(&self) -> &Workspace {
        &self.workspace
    }

    /// A cargo that cannot read the signing key and writes into these folders only;
    /// they are made.
    ///
    /// # Errors
    /// [`ToolError`] if a folder cannot be made or the tool not be found.
    pub fn cargo(&self, folders: &[PathBuf]) -> Result<Command, ToolError> {
        let mut writable = vec![self.temporary.path().to_owned()];
        for folder in folders {
            std::fs::create_dir_all(folder).map_err(ToolError::file("make", folder))?;
            writable.push(folder.clone());
        }
        let mut command =
            confine::command(&cargo(), &self.keys, &writable).map_err(start_error("the tool"))?;
        surroundings::clear(&mut command);
        command.env("TMPDIR", self.temporary.path());
        Ok(command)
    }
}

/// An image is started by its name, and what cargo links lies under it: no two have
/// the same.
fn check_image_names(workspace: &Workspace) -> Result<(), TrustError> {
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    for package in workspace.members_in(&["domains", "programs", "tests"]) {
        let bins = package.targets.iter().filter(|target| target.is("bin"));
        for bin in bins {
            if let Some(other) = seen.insert(&bin.name, &package.name) {
                return Err(TrustError::ImageName {
                    image: bin.name.clone(),
                    packages: format!("{other} and {}", package.name),
                });
            }
        }
    }
    Ok(())
}
