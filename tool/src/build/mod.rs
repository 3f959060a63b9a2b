//! From sources to signed images, a kernel and the supervisor's plan.
//!
//! Domains and programs are ordinary packages whose binaries are linked as
//! position-independent images without the standard library ([`mod@cargo`]). The
//! build refuses what it does not trust ([`gate`], [`wrapper`]), runs cargo where it
//! cannot read the key ([`confine`]), looks at what is linked ([`linker`]) and at the
//! machine code that came of it ([`mod@code`]), then signs every image ([`sign`]) with a
//! key made for this checkout ([`keys`]), whose public half is compiled into the kernels.

mod cargo;
mod code;
pub mod confine;
mod features;
mod freshness;
mod gate;
pub mod holes;
mod interfaces;
mod keys;
pub mod layers;
pub mod linker;
mod manifests;
pub mod places;
mod role;
mod sign;
mod sources;
mod surroundings;
mod tokens;
pub mod trust;
pub mod wrapper;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use crate::cli::{BuildOptions, Machine};
use crate::error::ToolError;
use crate::progress::Step;
use crate::system::{self, Images};
use crate::tree::Tree;

pub use cargo::{
    Environment, Package, TARGET, Workspace, cargo, dependency_folders, host_dependency_folders,
    kernel_symbols, start_error,
};
pub use gate::Gate;
pub use keys::Keys;
pub use sign::sign_changed;
pub use sources::COMPILE_TRUSTED_FILES;

/// Everything a machine is booted with, but the disk.
#[derive(Clone, Debug)]
pub struct Built {
    /// The kernel.
    pub kernel: PathBuf,
    /// The supervisor's plan, encoded.
    pub plan: PathBuf,
    /// Name of the image that the kernel starts.
    pub supervisor: String,
    /// Signed images of the boot archive by name.
    pub images: BTreeMap<String, PathBuf>,
    /// Signed images of programs by name.
    pub programs: BTreeMap<String, PathBuf>,
}

/// Why a build failed.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Cargo failed; it has printed why.
    #[error("cannot build {what}: see the messages above")]
    Cargo {
        /// What was built.
        what: String,
    },
    /// The compiler wrapper refused a crate.
    #[error("{0}")]
    Refused(String),
    /// Cargo's description of the workspace cannot be read.
    #[error("cannot read the workspace: {0}")]
    Metadata(String),
    /// A package that does not exist is asked for.
    #[error("there is no package for image {0:?}: expected one of that name under domains/")]
    NoPackage(String),
    /// Two binaries have one name.
    #[error("two binaries are called {0:?}: expected one, since images are found by name")]
    TwoImages(String),
    /// A rule of trust is broken.
    #[error(transparent)]
    Trust(#[from] trust::TrustError),
    /// A file that was built is not an image.
    #[error("{}: {error}", path.display())]
    Image {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: domain_image::ImageError,
    },
    /// The folder of the signing key is another account's, or none.
    #[error("{} is refused: expected a folder of user {expected}, who builds", path.display())]
    KeyOwner {
        /// The folder.
        path: PathBuf,
        /// Number of the account that builds.
        expected: u32,
    },
    /// An image names an interface that it may not.
    #[error(transparent)]
    Interface(#[from] interfaces::InterfaceError),
    /// An image has machine code that is refused.
    #[error("image {image:?} is refused: {error}")]
    Code {
        /// The image.
        image: String,
        /// What is refused.
        error: code::CodeError,
    },
    /// A boot archive cannot be signed.
    #[error("{}: the boot archive {error}", path.display())]
    Archive {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: domain_image::SignatureError,
    },
    /// A package's role is not what its folder says.
    #[error(transparent)]
    Role(#[from] role::RoleError),
}

/// Carries out `./redleaf build`.
///
/// # Errors
/// Any [`ToolError`] of a build.
pub fn command(tree: &Tree, options: &BuildOptions) -> Result<u8, ToolError> {
    if options.iso {
        crate::iso::make(tree, &options.system)?;
        return Ok(0);
    }
    for machine in [Machine::Pc, Machine::Hosted] {
        let built = build(tree, &options.system, machine)?;
        println!("{}: {}", machine.name(), built.kernel.display());
    }
    Ok(0)
}

/// Builds a system for a machine, or finds that nothing changed.
///
/// # Errors
/// Any [`ToolError`] of a build.
pub fn build(tree: &Tree, system: &str, machine: Machine) -> Result<Built, ToolError> {
    build_with(tree, system, machine, &[])
}

/// As [`build`], with more images than the system's own: those of packages under
/// `tests`, by name.
///
/// # Errors
/// As [`build`].
pub fn build_with(
    tree: &Tree,
    system: &str,
    machine: Machine,
    more: &[String],
) -> Result<Built, ToolError> {
    let source = system::Source::read(tree, system)?;
    let key = Keys::load_or_make(tree)?.public_hex();
    let fingerprint = format!("{} {key}", tree.fingerprint());
    let words: Vec<&str> = [system, machine.name()]
        .into_iter()
        .chain(more.iter().map(String::as_str))
        .collect();
    let stamp = tree.make_target("stamps")?.join(words.join("-"));
    let listed = Built {
        kernel: cargo::kernel_path(tree, machine),
        plan: tree
            .make_target("plans")?
            .join(format!("{system}-{}", machine.name())),
        supervisor: source.supervisor.clone(),
        images: BTreeMap::new(),
        programs: sign::listed(tree, "programs")?,
    };
    if fs::read_to_string(&stamp).is_ok_and(|old| old == fingerprint) && listed.kernel.is_file() {
        let names = image_names(&source, machine, more);
        let mut images = sign::listed(tree, "domains")?;
        images.retain(|name, _| names.contains(name));
        if images.len() == names.len() {
            return Ok(Built { images, ..listed });
        }
    }
    let _ = fs::remove_file(&stamp);
    let built = build_changed(tree, &source, machine, more, listed)?;
    fs::write(&stamp, fingerprint).map_err(ToolError::file("write", &stamp))?;
    Ok(built)
}

/// Builds, signs and plans everything.
fn build_changed(
    tree: &Tree,
    source: &system::Source,
    machine: Machine,
    more: &[String],
    listed: Built,
) -> Result<Built, ToolError> {
    let gate = Gate::pass(tree)?;
    let environment = cargo::Environment::new(tree, &Keys::load_or_make(tree)?)?;

    let names = image_names(source, machine, more);
    let packages = image_packages(gate.workspace(), &names)?;
    trust::check(tree, gate.workspace(), &packages)?;
    let step = Step::start("building domains and programs");
    let executables = cargo::build_images(tree, &gate, &environment, &packages, &step)?;
    drop(step);
    // Cargo and all it started have ended: what it left is signed, not what runs.
    let key = Keys::load_or_make(tree)?;
    let signer = sign::Signer {
        tree,
        keys: &key,
        workspace: gate.workspace(),
        interfaces: interfaces::Interfaces::read(tree)?.into(),
    };
    let images = signer.sign_domains(&executables, &names)?;
    let programs = signer.sign_programs(&executables)?;

    let plan = source.compile(machine, &Images::read(&images)?)?;
    fs::write(&listed.plan, plan).map_err(ToolError::file("write", &listed.plan))?;
    let step = Step::start("building the kernel");
    cargo::build_kernel(tree, &gate, &environment, machine, &step)?;
    drop(step);
    Ok(Built {
        images,
        programs,
        ..listed
    })
}

/// Names of the images in the boot archive, and of more.
fn image_names(source: &system::Source, machine: Machine, more: &[String]) -> Vec<String> {
    let mut names = source.image_names(machine);
    names.extend_from_slice(more);
    names.push(source.supervisor.clone());
    names.sort();
    names.dedup();
    names
}

/// The packages that the images and all programs are built from.
fn image_packages<'a>(
    workspace: &'a Workspace,
    names: &[String],
) -> Result<Vec<&'a Package>, BuildError> {
    let mut packages = Vec::new();
    for name in names {
        let package = workspace.image_package(name);
        packages.push(package.ok_or_else(|| BuildError::NoPackage(name.clone()))?);
    }
    packages.extend(workspace.program_packages());
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    packages.dedup_by(|a, b| a.name == b.name);
    Ok(packages)
}
