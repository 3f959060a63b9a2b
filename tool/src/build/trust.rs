//! Which packages the build refuses to make an image from.
//!
//! An image is only as safe as everything linked into it. So each package of
//! an image is the tree's own, in a room its user may import, without a build
//! script or procedural macros of its own — or it is a registry crate that
//! `vetted.toml` names with its version and checksum.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;

use super::cargo::{Package, Workspace};
use super::wrapper;
use crate::error::ToolError;
use crate::tree::Tree;

/// Room of the macros that may generate unsafe code.
const TRUSTED_ROOMS: [&str; 2] = ["trusted", "kernel"];

/// Why a package is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// Its build script would run on the host, and could make any code.
    #[error(
        "{package} is refused: it has a build script; untrusted packages may not run code at build"
    )]
    BuildScript {
        /// The package.
        package: String,
    },
    /// It is a procedural macro outside `trusted/`.
    #[error("{package} is refused: it is a procedural macro; those live in trusted/macros only")]
    ProcMacro {
        /// The package.
        package: String,
    },
    /// Its root file does not forbid `unsafe`.
    #[error("{package} is refused: {file} does not say #![forbid(unsafe_code)]")]
    NoForbid {
        /// The package.
        package: String,
        /// Root source file of a target.
        file: String,
    },
    /// A registry crate that nobody vetted.
    #[error(
        "{package} is refused: it uses {dependency} {version}, which vetted.toml does not list"
    )]
    Unvetted {
        /// The package of the tree whose image needs it.
        package: String,
        /// The registry crate.
        dependency: String,
        /// Its version.
        version: String,
    },
    /// A vetted crate in another version.
    #[error(
        "{package} is refused: it uses {dependency} {version}, but {vetted} is the version vetted"
    )]
    VettedVersion {
        /// The package of the tree whose image needs it.
        package: String,
        /// The registry crate.
        dependency: String,
        /// Its version.
        version: String,
        /// The version in `vetted.toml`.
        vetted: String,
    },
    /// A crate that was vetted for the tool and the tests.
    #[error("{package} is refused: it uses {dependency}, which is vetted for the host only")]
    HostOnly {
        /// The package of the tree whose image needs it.
        package: String,
        /// The registry crate.
        dependency: String,
    },
    /// A vetted crate with other contents.
    #[error(
        "{package} is refused: the checksum of {dependency} {version} in Cargo.lock is not the vetted one"
    )]
    VettedChecksum {
        /// The package of the tree whose image needs it.
        package: String,
        /// The registry crate.
        dependency: String,
        /// Its version.
        version: String,
    },
    /// A crate from neither the tree nor the registry.
    #[error(
        "{package} is refused: it uses {dependency} from {origin}; only the tree and crates.io are allowed"
    )]
    ForeignSource {
        /// The package of the tree whose image needs it.
        package: String,
        /// The crate.
        dependency: String,
        /// Where it comes from.
        origin: String,
    },
    /// `vetted.toml` or `Cargo.lock` cannot be understood.
    #[error("{file}:{line}: {message}")]
    List {
        /// The file.
        file: &'static str,
        /// Line, from 1.
        line: usize,
        /// What is wrong with it.
        message: String,
    },
}

/// An entry of `vetted.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vetted {
    /// Version that was looked at.
    pub version: String,
    /// Its licence.
    pub licence: String,
    /// Why it is used, and where.
    pub why: String,
    /// SHA-256 of the crate file, as in `Cargo.lock`.
    pub checksum: Option<String>,
    /// Whether it runs in the tool and the tests alone, never in an image.
    #[serde(default)]
    pub host_only: bool,
}

/// The vetted crates, by name, or by `name@version` where several versions of
/// one crate are in use.
pub type VettedList = BTreeMap<String, Vetted>;

/// What `Cargo.lock` says of a crate.
#[derive(Debug, Deserialize)]
struct Locked {
    name: String,
    version: String,
    checksum: Option<String>,
}

/// `Cargo.lock`.
#[derive(Debug, Deserialize)]
struct Lock {
    package: Vec<Locked>,
}

/// Checks everything that `packages` are built from.
///
/// # Errors
/// The [`TrustError`] for the first rule broken.
pub fn check(tree: &Tree, workspace: &Workspace, packages: &[&Package]) -> Result<(), ToolError> {
    check_at(tree.root(), workspace, packages)
}

/// Checks everything that `packages` of the workspace in `root` are built from.
pub fn check_at(
    root: &Path,
    workspace: &Workspace,
    packages: &[&Package],
) -> Result<(), ToolError> {
    let vetted = read_vetted(root)?;
    let checksums = read_checksums(root)?;
    for package in packages {
        for used in workspace.closure(package) {
            match &used.source {
                None => check_own(workspace, used)?,
                Some(source) => {
                    check_foreign(&package.name, used, source, &vetted, &checksums)?;
                }
            }
        }
    }
    Ok(())
}

/// Checks a package of the tree.
fn check_own(workspace: &Workspace, package: &Package) -> Result<(), ToolError> {
    if TRUSTED_ROOMS
        .iter()
        .any(|room| workspace.is_in(package, room))
    {
        return Ok(());
    }
    let name = || package.name.clone();
    if package.has_target("custom-build") {
        return Err(super::BuildError::from(TrustError::BuildScript { package: name() }).into());
    }
    if package.has_target("proc-macro") {
        return Err(super::BuildError::from(TrustError::ProcMacro { package: name() }).into());
    }
    if !wrapper::is_untrusted(&workspace.workspace_root, package.folder()) {
        let origin = package.folder().display().to_string();
        return Err(super::BuildError::from(TrustError::ForeignSource {
            package: name(),
            dependency: name(),
            origin,
        })
        .into());
    }
    for target in package
        .targets
        .iter()
        .filter(|target| target.is("bin") || target.is("lib"))
    {
        let text = fs::read_to_string(&target.src_path)
            .map_err(ToolError::file("read", &target.src_path))?;
        if !forbids_unsafe(&text) {
            let file = target.src_path.strip_prefix(&workspace.workspace_root);
            let file = file.unwrap_or(&target.src_path).display().to_string();
            return Err(super::BuildError::from(TrustError::NoForbid {
                package: name(),
                file,
            })
            .into());
        }
    }
    Ok(())
}

/// Whether a line of the file is the attribute itself, not a comment about it.
fn forbids_unsafe(text: &str) -> bool {
    text.lines()
        .any(|line| line.trim() == "#![forbid(unsafe_code)]")
}

/// Checks a crate from elsewhere that an image of `package` contains.
fn check_foreign(
    package: &str,
    used: &Package,
    source: &str,
    vetted: &VettedList,
    checksums: &BTreeMap<(String, String), String>,
) -> Result<(), ToolError> {
    let (package, dependency) = (package.to_owned(), used.name.clone());
    let version = used.version.clone();
    let error = if !source.starts_with("registry+") {
        TrustError::ForeignSource {
            package,
            dependency,
            origin: source.to_owned(),
        }
    } else {
        let exact = vetted.get(&format!("{dependency}@{version}"));
        match exact.or_else(|| vetted.get(&dependency)) {
            None => TrustError::Unvetted {
                package,
                dependency,
                version,
            },
            Some(entry) if entry.host_only => TrustError::HostOnly {
                package,
                dependency,
            },
            Some(entry) if entry.version != version => TrustError::VettedVersion {
                package,
                dependency,
                version,
                vetted: entry.version.clone(),
            },
            Some(entry) => {
                let locked = checksums.get(&(dependency.clone(), version.clone()));
                if locked.is_some() && locked == entry.checksum.as_ref() {
                    return Ok(());
                }
                TrustError::VettedChecksum {
                    package,
                    dependency,
                    version,
                }
            }
        }
    };
    Err(super::BuildError::from(error).into())
}

/// Reads `vetted.toml`.
pub fn read_vetted(root: &Path) -> Result<VettedList, ToolError> {
    let path = root.join("vetted.toml");
    let text = fs::read_to_string(&path).map_err(ToolError::file("read", &path))?;
    toml::from_str(&text).map_err(|error| list_error("vetted.toml", &text, &error))
}

/// Reads the checksums in `Cargo.lock`, by name and version.
pub fn read_checksums(root: &Path) -> Result<BTreeMap<(String, String), String>, ToolError> {
    let path = root.join("Cargo.lock");
    let text = fs::read_to_string(&path).map_err(ToolError::file("read", &path))?;
    let lock: Lock =
        toml::from_str(&text).map_err(|error| list_error("Cargo.lock", &text, &error))?;
    Ok(lock
        .package
        .into_iter()
        .filter_map(|locked| Some(((locked.name, locked.version), locked.checksum?)))
        .collect())
}

fn list_error(file: &'static str, text: &str, error: &toml::de::Error) -> ToolError {
    let offset = error.span().map_or(0, |span| span.start);
    let line = text.get(..offset).unwrap_or_default().matches('\n').count() + 1;
    let message = error.message().replace('\n', ", ");
    super::BuildError::from(TrustError::List {
        file,
        line,
        message,
    })
    .into()
}

#[cfg(test)]
#[path = "trust_tests.rs"]
mod tests;
