//! Every file that the compiler reads for an untrusted crate is looked at.
//!
//! Three times: all of a package's files before cargo is started, so that the first
//! thing said is the reason; what the compiler says it has read, by the compiler
//! wrapper, so that cargo keeps nothing that was refused; and what cargo says that an
//! image was made of, before the image is signed, whenever it was compiled.

use std::collections::BTreeSet;
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
    let read = Read::of(&text).map_err(&refuse)?;
    for name in read.variables {
        if !VARIABLES.iter().any(|allowed| name.starts_with(allowed)) {
            return Err(refuse(format!("the variable {name} of the build")).into());
        }
    }
    for path in read.files {
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
    let package = executable.file_name().unwrap_or_default();
    let refuse = |message: String| TrustError::Reads {
        package: package.display().to_string(),
        message,
    };
    for path in files_of_image(&text).map_err(refuse)? {
        if wrapper::is_untrusted(root, &path) {
            if is_source(&path) {
                check_file(root, &path)?;
            }
        } else if !wrapper::is_trusted(root, &path) {
            return Err(refuse(format!("{}, which lies in no room", path.display())).into());
        }
    }
    Ok(())
}

/// What a dependency file names.
#[derive(Debug)]
struct Read<'a> {
    files: Vec<PathBuf>,
    variables: Vec<&'a str>,
}

impl<'a> Read<'a> {
    /// Reads all of a dependency file that the compiler has written: rules that name
    /// the files, each for one output, and then a rule without files for each of these.
    ///
    /// The compiler escapes nothing in names but spaces, so a line's end in one would hide
    /// those that come after it. Hence nothing is left out: what is no such line is
    /// refused, and so is a file that one kind of rules names and the other does not.
    ///
    /// # Errors
    /// What is wrong, as what is read.
    fn of(text: &'a str) -> Result<Self, String> {
        let (mut rules, mut alone) = (Vec::new(), Vec::new());
        let mut variables = Vec::new();
        for line in text.split('\n').filter(|line| !line.is_empty()) {
            if line.contains(char::is_control) {
                return Err(format!(
                    "files with control characters in their names: {line:?}"
                ));
            } else if let Some(variable) = line.strip_prefix("# env-dep:") {
                variables.push(variable.split('=').next().unwrap_or_default());
            } else if let Some((_, names)) = line.split_once(": ") {
                rules.push(split(names));
            } else if let Some(name) = line.strip_suffix(':') {
                alone.extend(split(name));
            } else {
                return Err(format!("what no rule of its dependencies names: {line:?}"));
            }
        }
        let files = rules.first().cloned().unwrap_or_default();
        let is_whole = is_same(&files, &alone) && rules.iter().all(|rule| *rule == files);
        if !is_whole {
            return Err("other files in one rule of its dependencies than in another".to_owned());
        }
        Ok(Self { files, variables })
    }
}

/// The files that cargo says an image was made of: it writes one rule.
fn files_of_image(text: &str) -> Result<Vec<PathBuf>, String> {
    let rule = text.strip_suffix('\n').unwrap_or(text);
    match rule.split_once(": ") {
        Some((_, names)) if !rule.contains(char::is_control) => Ok(split(names)),
        _ => Err(format!("what one rule does not name: {rule:?}")),
    }
}

/// Whether two lists name the same files.
fn is_same(one: &[PathBuf], other: &[PathBuf]) -> bool {
    let (one, other): (BTreeSet<_>, BTreeSet<_>) = (one.iter().collect(), other.iter().collect());
    one == other
}

/// Names that are separated by spaces, with those in names escaped.
fn split(names: &str) -> Vec<PathBuf> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependency_files_are_read() {
        let text = "/t/a.d: src/a.rs src/b\\ c.rs\n\nsrc/a.rs:\nsrc/b\\ c.rs:\n# env-dep:HOME=/root\n# env-dep:X\n";
        let read = Read::of(text).unwrap();
        assert_eq!(read.files, [Path::new("src/a.rs"), Path::new("src/b c.rs")]);
        assert_eq!(read.variables, ["HOME", "X"]);
        let image = files_of_image("/t/a: src/a.rs src/b.rs\n").unwrap();
        assert_eq!(image, [Path::new("src/a.rs"), Path::new("src/b.rs")]);
        // Of a compile with two outputs.
        let two = "/t/a.d: a.rs b.rs\n\n/t/a.rmeta: a.rs b.rs\n\na.rs:\nb.rs:\n";
        assert_eq!(Read::of(two).unwrap().files.len(), 2);
        assert!(Read::of("").unwrap().files.is_empty());
    }

    /// As the compiler writes them, with `name` among the files and an evil one after it.
    #[track_caller]
    fn hides_nothing(name: &str) {
        let files = ["src/a.rs", name, "../evil.rs"];
        let rule = files.join(" ");
        let alone = files.map(|file| format!("{file}:\n")).concat();
        let is_seen = |files: Result<Vec<PathBuf>, String>| {
            files.is_err() || files.is_ok_and(|files| files.contains(&"../evil.rs".into()))
        };
        for text in [
            format!("/t/a.d: {rule}\n\n{alone}"),
            format!("/t/a.d: {rule}\n\n/t/a.rmeta: {rule}\n\n{alone}\n# env-dep:X\n"),
        ] {
            assert!(is_seen(Read::of(&text).map(|read| read.files)), "{text:?}");
        }
        // With a backslash two names become one that does not exist in any room.
        let image = files_of_image(&format!("/t/a: {rule}\n"));
        assert!(is_seen(image) || name.ends_with('\\'), "{name:?}");
    }

    #[test]
    fn no_name_of_a_file_hides_another() {
        for name in [
            "a\n.rs",
            "a\n\n.rs",
            "a\n# env-dep:X",
            "a\nsrc/a.rs:",
            "a\n\nsrc/a.rs:\na:\n# env-dep:X=",
            "a\n/t/b.d: src/a.rs",
            "a\n/t/b.d: src/a.rs a\n\nsrc/a.rs:\n# env-dep:X=",
            "a\r.rs",
            "a\r\n.rs",
            "a:",
            "a: b",
            "b: src/a.rs",
            "a\\",
            "\\",
            ":",
        ] {
            hides_nothing(name);
        }
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
        fs::write(root.join("a.d"), format!("x: {rule}\n\n{rule}:\n{more}")).unwrap();
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
