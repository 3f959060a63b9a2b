//! A copy of the tree to attack: as the tree is, but for one attack at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::error::ToolError;
use crate::tree::Tree;

/// What an attack's texts call the folder beside the copy.
const OUTSIDE: &str = "@outside@";

/// Top-level entries that are no part of the tree.
const NOT_COPIED: [&str; 2] = ["target", ".git"];

/// The copy, what is built from it, and a folder outside of it.
pub struct Scratch {
    original: PathBuf,
    copy: PathBuf,
    target: PathBuf,
    outside: PathBuf,
    /// What the attack under way has changed.
    changed: BTreeSet<PathBuf>,
}

impl Scratch {
    /// Makes the copy, or brings it up to date.
    ///
    /// # Errors
    /// [`ToolError::File`].
    pub fn open(tree: &Tree) -> Result<Self, ToolError> {
        let mut scratch = Self {
            original: tree.root().to_owned(),
            copy: tree.make_target("attacks/tree")?,
            target: tree.make_target("attacks/target")?,
            outside: tree.make_target("attacks/outside")?,
            changed: BTreeSet::new(),
        };
        scratch.restore()?;
        Ok(scratch)
    }

    /// The copy.
    pub fn root(&self) -> &Path {
        &self.copy
    }

    /// Folder for what is built from it.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// A text of an attack, with the folder outside filled in.
    pub fn fill(&self, text: &str) -> String {
        text.replace(OUTSIDE, &self.outside.display().to_string())
    }

    /// Writes a file.
    ///
    /// # Errors
    /// [`ToolError::File`].
    pub fn write(&mut self, path: &str, text: &[u8]) -> Result<(), ToolError> {
        let path = self.change(path)?;
        fs::write(&path, text).map_err(ToolError::file("write", &path))
    }

    /// Makes a symbolic link.
    ///
    /// # Errors
    /// [`ToolError::File`].
    pub fn link(&mut self, path: &str, to: &str) -> Result<(), ToolError> {
        let path = self.change(path)?;
        // The link may take a file's place.
        let _ = fs::remove_file(&path);
        symlink(self.fill(to), &path).map_err(ToolError::file("link", &path))
    }

    /// Text of a file of the copy.
    ///
    /// # Errors
    /// [`ToolError::File`].
    pub fn read(&self, path: &str) -> Result<String, ToolError> {
        let path = self.copy.join(path);
        fs::read_to_string(&path).map_err(ToolError::file("read", &path))
    }

    /// Gives a file the earliest time there is.
    ///
    /// # Errors
    /// [`ToolError::File`].
    pub fn set_back(&self, path: &str) -> Result<(), ToolError> {
        let path = self.copy.join(path);
        File::open(&path)
            .and_then(|file| file.set_modified(SystemTime::UNIX_EPOCH))
            .map_err(ToolError::file("set the time of", &path))
    }

    /// Notes that a path is changed, and makes its folder.
    fn change(&mut self, path: &str) -> Result<PathBuf, ToolError> {
        let path = self.copy.join(self.fill(path));
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(ToolError::file("make", folder))?;
        }
        self.changed.insert(path.clone());
        Ok(path)
    }

    /// Undoes the attack under way; files that somebody else changed meanwhile.
    ///
    /// # Errors
    /// [`ToolError::File`].
    pub fn restore(&mut self) -> Result<Vec<String>, ToolError> {
        let _ = fs::remove_dir_all(&self.outside);
        fs::create_dir_all(&self.outside).map_err(ToolError::file("make", &self.outside))?;
        let (mut wanted, mut present) = (BTreeSet::new(), BTreeSet::new());
        list(&self.original, Path::new(""), &mut wanted)?;
        list(&self.copy, Path::new(""), &mut present)?;
        let mut restored = Vec::new();
        for path in present.difference(&wanted) {
            let path = self.copy.join(path);
            fs::remove_file(&path).map_err(ToolError::file("remove", &path))?;
            restored.push(path);
        }
        for path in &wanted {
            let (from, to) = (self.original.join(path), self.copy.join(path));
            let text = fs::read(&from).map_err(ToolError::file("read", &from))?;
            let is_file = fs::symlink_metadata(&to).is_ok_and(|metadata| metadata.is_file());
            if is_file && fs::read(&to).is_ok_and(|old| old == text) {
                continue;
            }
            // The copy has the original's permissions, but a time of its own:
            // cargo builds anew what was attacked.
            let _ = fs::remove_file(&to);
            if let Some(folder) = to.parent() {
                fs::create_dir_all(folder).map_err(ToolError::file("make", folder))?;
            }
            fs::copy(&from, &to).map_err(ToolError::file("write", &to))?;
            restored.push(to);
        }
        remove_empty(&self.copy)?;
        let changed = std::mem::take(&mut self.changed);
        let stray = restored.iter().filter(|path| !changed.contains(*path));
        Ok(stray.map(|path| path.display().to_string()).collect())
    }

    /// Signed images and when each was written.
    pub fn signed(&self) -> BTreeMap<PathBuf, Option<SystemTime>> {
        let mut files = BTreeSet::new();
        let folder = self.target.join("signed");
        // Without the folder nothing is signed.
        let _ = list(&folder, Path::new(""), &mut files);
        let time = |path: &PathBuf| fs::metadata(folder.join(path)).ok()?.modified().ok();
        files
            .iter()
            .map(|path| (path.clone(), time(path)))
            .collect()
    }
}

/// Every file and link below a folder, relative to it.
fn list(root: &Path, inside: &Path, found: &mut BTreeSet<PathBuf>) -> Result<(), ToolError> {
    let folder = root.join(inside);
    let failed = |error| ToolError::file("read", &folder)(error);
    for entry in fs::read_dir(&folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let is_top = inside.as_os_str().is_empty();
        if is_top && NOT_COPIED.iter().any(|left_out| name == *left_out) {
            continue;
        }
        let path = inside.join(&name);
        if entry.file_type().map_err(failed)?.is_dir() {
            list(root, &path, found)?;
        } else {
            found.insert(path);
        }
    }
    Ok(())
}

/// Removes folders that no file is in, at any depth.
fn remove_empty(folder: &Path) -> Result<(), ToolError> {
    let failed = |error| ToolError::file("read", folder)(error);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_type().map_err(failed)?.is_dir() {
            remove_empty(&entry.path())?;
            // It fails for a folder that has something in it, which stays.
            let _ = fs::remove_dir(entry.path());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(folder: &Path) -> Scratch {
        fs::create_dir_all(folder.join("original/lib")).unwrap();
        fs::write(folder.join("original/lib/a"), "a").unwrap();
        for name in ["copy", "target", "outside"] {
            fs::create_dir_all(folder.join(name)).unwrap();
        }
        let mut scratch = Scratch {
            original: folder.join("original"),
            copy: folder.join("copy"),
            target: folder.join("target"),
            outside: folder.join("outside"),
            changed: BTreeSet::new(),
        };
        scratch.restore().unwrap();
        scratch
    }

    #[test]
    fn an_attack_is_undone() {
        let folder = tempfile::tempdir().unwrap();
        let mut scratch = scratch(folder.path());
        scratch.write("lib/a", b"b").unwrap();
        scratch.write("new/c", b"c").unwrap();
        scratch.write("@outside@/d", b"d").unwrap();
        scratch.link("lib/e", "@outside@/d").unwrap();
        assert!(folder.path().join("outside/d").is_file());
        assert_eq!(fs::read(scratch.root().join("lib/e")).unwrap(), b"d");
        assert_eq!(scratch.restore().unwrap(), Vec::<String>::new());
        assert_eq!(scratch.read("lib/a").unwrap(), "a");
        for path in ["copy/new", "copy/lib/e", "outside/d"] {
            assert!(!folder.path().join(path).exists(), "{path}");
        }
    }

    #[test]
    fn a_file_that_the_build_wrote_is_found_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let mut scratch = scratch(folder.path());
        scratch.write("lib/a", b"b").unwrap();
        let stray = scratch.root().join("lib/ran");
        fs::write(&stray, "code ran").unwrap();
        assert_eq!(scratch.restore().unwrap(), [stray.display().to_string()]);
        assert!(!stray.exists());
    }
}
