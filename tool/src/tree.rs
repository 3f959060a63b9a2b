//! Where everything lies, and whether anything changed since the last build.

use std::fs;
use std::path::{Path, PathBuf};

use crate::digest;
use crate::error::ToolError;

/// Folders and files that decide what a build makes.
const SOURCES: [&str; 15] = [
    ".cargo",
    "Cargo.toml",
    "Cargo.lock",
    "rust-toolchain",
    "rust-toolchain.toml",
    "vetted.toml",
    "domains",
    "interfaces",
    "kernel",
    "lib",
    "programs",
    "systems",
    "tests",
    "tool",
    "trusted",
];

/// The checkout and the folder for everything built.
#[derive(Clone, Debug)]
pub struct Tree {
    root: PathBuf,
    target: PathBuf,
}

impl Tree {
    /// Finds the tree: `REDLEAF_ROOT` as `./redleaf` sets it, else the current
    /// folder. Built files go where cargo puts them, `target/` by default.
    ///
    /// # Errors
    /// [`ToolError::NotTheTree`] if the folder has no `vetted.toml`.
    pub fn find() -> Result<Self, ToolError> {
        let root =
            std::env::var_os("REDLEAF_ROOT").map_or_else(|| PathBuf::from("."), PathBuf::from);
        let root = fs::canonicalize(&root).map_err(ToolError::file("find", &root))?;
        if !root.join("vetted.toml").is_file() {
            return Err(ToolError::NotTheTree(root));
        }
        let target =
            std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        Ok(Self { root, target })
    }

    /// The checkout.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A file or folder of the checkout.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// A file or folder among everything built.
    pub fn target(&self, relative: &str) -> PathBuf {
        self.target.join(relative)
    }

    /// Makes a folder among everything built, if it is not there.
    ///
    /// # Errors
    /// [`ToolError::File`] if that is impossible.
    pub fn make_target(&self, relative: &str) -> Result<PathBuf, ToolError> {
        let path = self.target(relative);
        fs::create_dir_all(&path).map_err(ToolError::file("make", &path))?;
        Ok(path)
    }

    /// All files that decide what a build makes.
    pub fn sources(&self) -> Vec<PathBuf> {
        let sources = SOURCES.iter().map(|source| self.path(source));
        sources
            .flat_map(|path| digest::files_below(&path))
            .collect()
    }

    /// A number that changes when a source file is added, removed or changed, whatever
    /// its time.
    pub fn fingerprint(&self) -> String {
        digest::of_all(&self.sources())
    }
}

/// Where this program lies. If it was built anew since it was started, that is the new
/// one, which the old name leads to (proc(5), `/proc/pid/exe`).
///
/// # Errors
/// What the system says.
pub fn own_path() -> std::io::Result<PathBuf> {
    let path = std::env::current_exe()?;
    Ok(without_mark(&path))
}

/// A path without what Linux puts behind one that is gone.
fn without_mark(path: &Path) -> PathBuf {
    let name = path
        .to_str()
        .and_then(|path| path.strip_suffix(" (deleted)"));
    name.map_or_else(|| path.to_owned(), PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_that_was_built_anew_is_found_by_its_name() {
        let found = |path: &str| without_mark(Path::new(path));
        assert_eq!(found("/a/tool (deleted)"), Path::new("/a/tool"));
        assert_eq!(found("/a/tool"), Path::new("/a/tool"));
    }
}
