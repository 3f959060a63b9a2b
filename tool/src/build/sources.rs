//! Every file that the compiler reads for an untrusted crate is looked at.
//!
//! Three times: all of a package's files before cargo is started, so that the first
//! thing said is the reason; what the compiler says it has read, by the compiler
//! wrapper, so that cargo keeps nothing that was refused; and what cargo says that an
//! image was made of, before the image is signed, whenever it was compiled.

use std::fs;
use std::path::{Path, PathBuf};

use super::manifests::Member;
use super::tokens;
use super::trust::TrustError;
use super::wrapper;
use crate::error::ToolError;

/// Packages outside of kernel/ and trusted/ that compile files of theirs. Such a
/// package runs on the host and is in no image.
pub const COMPILE_TRUSTED_FILES: [&str; 1] = ["tests/models"];

/// Variables of the build that a crate may read; others could be secrets.
const VARIABLES: [&str; 4] = [
    "CARGO_BIN_NAME",
    "CARGO_CRATE_NAME",
    "CARGO_MANIFEST_DIR",
    "CARGO_PKG_",
];

/// Looks at every source file of an untrusted package.
///
/// # Errors
/// [`TrustError::Source`] or [`ToolError::File`].
pub fn check_member(root: &Path, member: &Member) -> Result<(), ToolError> {
    if COMPILE_TRUSTED_FILES.contains(&member.folder.as_str()) {
        return Ok(());
    }
    check_folder(root, &root.join(&member.folder))
}

fn check_folder(root: &Path, folder: &Path) -> Result<(), ToolError> {
    let failed = |error| ToolError::file("read", folder)(error);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        if entry.file_type().map_err(failed)?.is_dir() {
            check_folder(root, &path)?;
        } else if is_source(&path) {
            check_file(root, &path)?;
        }
    }
    Ok(())
}

/// No other file becomes code: [`tokens`] sees to it.
fn is_source(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "rs")
}

fn check_file(root: &Path, path: &Path) -> Result<(), ToolError> {
    let text = fs::read_to_string(path).map_err(ToolError::file("read", path))?;
    tokens::check(&text).map_err(|forbidden| {
        let file = path.strip_prefix(root).unwrap_or(path);
        let error = TrustError::Source {
            file: file.display().to_string(),
            line: forbidden.line,
            message: forbidden.message,
        };
        error.into()
    })
}

/// Looks at what the compiler has read for the crate of an untrusted package in
/// `folder`: its files lie there.
///
/// # Errors
/// [`TrustError`] or [`ToolError::File`].
pub fn check_crate(root: &Path, folder: &Path, dep_info: &Path) -> Result<(), ToolError> {
    let text = fs::read_to_string(dep_info).map_err(ToolError::file("read", dep_info))?;
    let package = folder.strip_prefix(root).unwrap_or(folder);
    let refuse = |message: String| TrustError::Reads {
        package: package.display().to_string(),
        message,
    };
    for name in variables(&text) {
        if !VARIABLES.iter().any(|allowed| name.starts_with(allowed)) {
            return Err(refuse(format!("the variable {name} of the build")).into());
        }
    }
    for path in files(&text) {
        let real = fs::canonicalize(&path).map_err(ToolError::file("find", &path))?;
        if !real.starts_with(folder) {
            return Err(refuse(format!("{}, which is not its own", path.display())).into());
        }
        if is_source(&real) {
            check_file(root, &real)?;
        }
    }
    Ok(())
}

/// Looks at what cargo says that an image was made of.
///
/// # Errors
/// [`TrustError`] or [`ToolError::File`].
pub fn check_image(root: &Path, executable: &Path) -> Result<(), ToolError> {
    let dep_info = executable.with_extension("d");
    let text = fs::read_to_string(&dep_info).map_err(ToolError::file("read", &dep_info))?;
    for path in files(&text) {
        if wrapper::is_untrusted(root, &path) {
            if is_source(&path) {
                check_file(root, &path)?;
            }
        } else if !wrapper::is_trusted(root, &path) {
            let package = executable.file_name().unwrap_or_default();
            let error = TrustError::Reads {
                package: package.display().to_string(),
                message: format!("{}, which lies in no room", path.display()),
            };
            return Err(error.into());
        }
    }
    Ok(())
}

/// The files that the first rule of a dependency file names: separated by spaces,
/// with those in names escaped.
fn files(text: &str) -> Vec<PathBuf> {
    let rule = text.lines().find_map(|line| line.split_once(": "));
    let Some((_, names)) = rule else {
        return Vec::new();
    };
    let mut files = vec![String::new()];
    let mut characters = names.chars().peekable();
    while let Some(character) = characters.next() {
        match (character, characters.peek(), files.last_mut()) {
            ('\\', Some(' '), Some(file)) => {
                file.push(' ');
                characters.next();
            }
            (' ', _, _) => files.push(String::new()),
            (_, _, Some(file)) => file.push(character),
            (_, _, None) => {}
        }
    }
    let named = files.into_iter().filter(|file| !file.is_empty());
    named.map(PathBuf::from).collect()
}

/// The variables that a dependency file names.
fn variables(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter_map(|line| line.strip_prefix("# env-dep:"))
        .map(|variable| variable.split('=').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependency_files_are_read() {
        let text =
            "/t/a.d: src/a.rs src/b\\ c.rs\n\nsrc/a.rs:\n# env-dep:HOME=/root\n# env-dep:X\n";
        assert_eq!(
            files(text),
            [Path::new("src/a.rs"), Path::new("src/b c.rs")]
        );
        assert_eq!(variables(text).collect::<Vec<_>>(), ["HOME", "X"]);
        assert!(files("").is_empty());
    }

    /// A package that reads what `rule` names.
    fn verdict(rule: &str, more: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(folder.path()).unwrap();
        fs::create_dir_all(root.join("lib/a")).unwrap();
        fs::write(root.join("lib/a/good.rs"), "fn a() {}").unwrap();
        fs::write(root.join("lib/a/bad.rs"), "\nunsafe fn a() {}").unwrap();
        fs::write(root.join("lib/other.rs"), "").unwrap();
        let rule = rule.replace('@', &root.display().to_string());
        fs::write(root.join("a.d"), format!("x: {rule}\n{more}")).unwrap();
        check_crate(&root, &root.join("lib/a"), &root.join("a.d"))
            .map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn a_crate_reads_its_own_files_and_variables() {
        assert_eq!(verdict("@/lib/a/good.rs", "# env-dep:CARGO_PKG_NAME=a"), "");
        assert!(verdict("@/lib/a/bad.rs", "").starts_with("lib/a/bad.rs:2: `unsafe`"));
        assert!(verdict("@/lib/a/../other.rs", "").starts_with("lib/a is refused: it reads "));
        assert!(verdict("/etc/hostname", "").contains("which is not its own"));
        assert!(verdict("@/lib/a/good.rs", "# env-dep:HOME=/root").contains("variable HOME"));
        assert!(verdict("@/lib/a/none.rs", "").starts_with("cannot find "));
    }
}
