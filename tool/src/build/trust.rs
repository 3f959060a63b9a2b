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
use super::{COMPILE_TRUSTED_FILES, manifests, wrapper};
use crate::error::ToolError;
use crate::tree::Tree;

/// The one registry, as cargo calls it.
pub const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Kinds of targets that no other crate uses by a name.
const NO_LIBRARY: [&str; 5] = ["bench", "bin", "custom-build", "example", "test"];

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
    /// A key or value of a manifest.
    #[error("{file}: {message}")]
    Manifest {
        /// The manifest.
        file: String,
        /// What is refused, and what is expected.
        message: String,
    },
    /// A file by its name.
    #[error("{path} is refused: {reason}")]
    Place {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Tokens that an untrusted source may not contain.
    #[error("{file}:{line}: {message}")]
    Source {
        /// The file.
        file: String,
        /// Line, from 1.
        line: usize,
        /// What is refused, and why.
        message: String,
    },
    /// The compiler was made to read something else than the crate.
    #[error("{package} is refused: it reads {message}")]
    Reads {
        /// The package.
        package: String,
        /// What it reads.
        message: String,
    },
    /// An import that the table of layers does not allow.
    #[error("{0}")]
    Import(crate::check::Finding),
    /// Two images of one name.
    #[error("the image {image} is refused: {packages} have one of that name")]
    ImageName {
        /// The name.
        image: String,
        /// The packages.
        packages: String,
    },
    /// A crate that generated code would take for another.
    #[error("{package} {version} is refused: its library has the name of {other}")]
    CrateName {
        /// The crate from elsewhere.
        package: String,
        /// Its version.
        version: String,
        /// The other one.
        other: String,
    },
    /// Cargo would change `Cargo.lock`.
    #[error(
        "Cargo.lock does not fit the manifests: expected what cargo update --workspace makes of it"
    )]
    StaleLock,
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
    /// Features that packages outside of kernel/ and trusted/ may ask for.
    #[serde(default)]
    pub features: Vec<String>,
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
    source: Option<String>,
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
                    let key = (used.name.clone(), used.version.clone());
                    let checksum = checksums.get(&key).map(String::as_str);
                    let entry = vet(&package.name, &key, source, checksum, &vetted)?;
                    if entry.host_only {
                        return Err(TrustError::HostOnly {
                            package: package.name.clone(),
                            dependency: used.name.clone(),
                        }
                        .into());
                    }
                }
            }
        }
    }
    Ok(())
}

/// Checks a package of the tree.
fn check_own(workspace: &Workspace, package: &Package) -> Result<(), ToolError> {
    if wrapper::is_trusted(&workspace.workspace_root, package.folder()) {
        return Ok(());
    }
    let name = || package.name.clone();
    if package.has_target("custom-build") {
        return Err(TrustError::BuildScript { package: name() }.into());
    }
    if package.has_target("proc-macro") {
        return Err(TrustError::ProcMacro { package: name() }.into());
    }
    if !wrapper::is_untrusted(&workspace.workspace_root, package.folder()) {
        let origin = package.folder().display().to_string();
        return Err(TrustError::ForeignSource {
            package: name(),
            dependency: name(),
            origin,
        }
        .into());
    }
    for target in package
        .targets
        .iter()
        .filter(|target| target.is("bin") || target.is("lib"))
        .filter(|_| {
            !COMPILE_TRUSTED_FILES
                .iter()
                .any(|room| workspace.is_in(package, room))
        })
    {
        let text = fs::read_to_string(&target.src_path)
            .map_err(ToolError::file("read", &target.src_path))?;
        if !forbids_unsafe(&text) {
            let file = target.src_path.strip_prefix(&workspace.workspace_root);
            let file = file.unwrap_or(&target.src_path).display().to_string();
            return Err(TrustError::NoForbid {
                package: name(),
                file,
            }
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

/// Checks every crate from elsewhere that `Cargo.lock` names: it comes from the one
/// registry, and if it is vetted, it is as it was vetted. Those that are not are for
/// other platforms; [`check_members`] sees to it.
///
/// # Errors
/// The [`TrustError`] for the first that is not.
pub fn check_lock(root: &Path) -> Result<(), ToolError> {
    let vetted = read_vetted(root)?;
    for locked in read_lock(root)?.package {
        if let Some(source) = &locked.source {
            let key = (locked.name, locked.version);
            let checksum = locked.checksum.as_deref();
            match vet("Cargo.lock", &key, source, checksum, &vetted) {
                Ok(_) | Err(TrustError::Unvetted { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

/// The entry of a crate from elsewhere that `package` uses: by name, version, source
/// and checksum.
///
/// # Errors
/// The [`TrustError`] that says what is not as it was vetted.
pub fn vet<'a>(
    package: &str,
    key: &(String, String),
    source: &str,
    checksum: Option<&str>,
    vetted: &'a VettedList,
) -> Result<&'a Vetted, TrustError> {
    let package = package.to_owned();
    let (dependency, version) = key.clone();
    if source != REGISTRY {
        return Err(TrustError::ForeignSource {
            package,
            dependency,
            origin: source.to_owned(),
        });
    }
    let exact = vetted.get(&format!("{dependency}@{version}"));
    match exact.or_else(|| vetted.get(&dependency)) {
        None => Err(TrustError::Unvetted {
            package,
            dependency,
            version,
        }),
        Some(entry) if entry.version != version => Err(TrustError::VettedVersion {
            package,
            dependency,
            version,
            vetted: entry.version.clone(),
        }),
        Some(entry) if checksum.is_none() || checksum != entry.checksum.as_deref() => {
            Err(TrustError::VettedChecksum {
                package,
                dependency,
                version,
            })
        }
        Some(entry) => Ok(entry),
    }
}

/// Checks every package that cargo found, whether it is in an image or not: nothing
/// of the untrusted rooms runs on the host at build, every crate from elsewhere is
/// vetted, and no crate has another's name.
///
/// # Errors
/// The [`TrustError`] for the first rule broken, or [`ToolError::File`].
pub fn check_members(workspace: &Workspace) -> Result<(), ToolError> {
    let mut names: BTreeMap<String, &str> = manifests::COMPILER_CRATES
        .iter()
        .map(|name| ((*name).to_owned(), "a crate of the compiler"))
        .collect();
    for package in &workspace.packages {
        if package.source.is_none() {
            names.insert(package.name.replace('-', "_"), &package.name);
            let is_tool = workspace.is_in(package, wrapper::TOOL_ROOM);
            if !is_tool {
                check_own(workspace, package)?;
            }
        }
    }
    let root = &workspace.workspace_root;
    let (vetted, checksums) = (read_vetted(root)?, read_checksums(root)?);
    for package in &workspace.packages {
        let Some(source) = &package.source else {
            continue;
        };
        let key = (package.name.clone(), package.version.clone());
        let checksum = checksums.get(&key).map(String::as_str);
        vet("the tree", &key, source, checksum, &vetted)?;
        let libraries = package.targets.iter();
        let libraries = libraries.filter(|target| !NO_LIBRARY.iter().any(|kind| target.is(kind)));
        for library in libraries {
            if let Some(other) = names.get(&library.name.replace('-', "_")) {
                return Err(TrustError::CrateName {
                    package: package.name.clone(),
                    version: package.version.clone(),
                    other: (*other).to_owned(),
                }
                .into());
            }
        }
    }
    Ok(())
}

/// Reads `vetted.toml`.
pub fn read_vetted(root: &Path) -> Result<VettedList, ToolError> {
    let path = root.join("vetted.toml");
    let text = fs::read_to_string(&path).map_err(ToolError::file("read", &path))?;
    toml::from_str(&text).map_err(|error| list_error("vetted.toml", &text, &error))
}

/// Reads `Cargo.lock`.
fn read_lock(root: &Path) -> Result<Lock, ToolError> {
    let path = root.join("Cargo.lock");
    let text = fs::read_to_string(&path).map_err(ToolError::file("read", &path))?;
    toml::from_str(&text).map_err(|error| list_error("Cargo.lock", &text, &error))
}

/// Reads the checksums in `Cargo.lock`, by name and version.
pub fn read_checksums(root: &Path) -> Result<BTreeMap<(String, String), String>, ToolError> {
    Ok(read_lock(root)?
        .package
        .into_iter()
        .filter_map(|locked| Some(((locked.name, locked.version), locked.checksum?)))
        .collect())
}

impl From<TrustError> for ToolError {
    fn from(error: TrustError) -> Self {
        Self::Build(super::BuildError::Trust(error))
    }
}

fn list_error(file: &'static str, text: &str, error: &toml::de::Error) -> ToolError {
    let offset = error.span().map_or(0, |span| span.start);
    let line = text.get(..offset).unwrap_or_default().matches('\n').count() + 1;
    let message = error.message().replace('\n', ", ");
    TrustError::List {
        file,
        line,
        message,
    }
    .into()
}

#[cfg(test)]
#[path = "trust_tests.rs"]
mod tests;
