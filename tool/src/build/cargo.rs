//! Cargo: what the workspace contains, and how images and kernels are built.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use serde::Deserialize;

use super::BuildError;
use super::gate::Gate;
use super::keys::Keys;
use super::sources;
use super::surroundings;
use super::trust::TrustError;
use super::wrapper::{self, WRAPPER_ROOT};
use crate::cli::Machine;
use crate::error::ToolError;
use crate::progress::Step;
use crate::tree::Tree;

/// Target of images and of the pc kernel: its prebuilt `core` and `alloc` do.
pub const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Flags that make an executable an image (see `domain_image::Layout`).
const IMAGE_FLAGS: [&str; 4] = [
    "--cfg=redleaf_image",
    "-Cpanic=abort",
    "-Crelocation-model=pie",
    "-Cforce-frame-pointers=yes",
];

/// What they say to the linker.
pub const IMAGE_LINK_ARGUMENTS: [&str; 4] = [
    "-nostdlib",
    "-nostartfiles",
    "-static-pie",
    "-Wl,--no-dynamic-linker,-z,text,--gc-sections,-e,redleaf_entry,-z,norelro,\
     --build-id=none,-z,max-page-size=4096,-z,separate-code,-z,noexecstack",
];

/// Flags of the pc kernel; its build script adds those of the linker.
const KERNEL_FLAGS: [&str; 4] = [
    "--cfg=redleaf_image",
    "-Cpanic=abort",
    "-Crelocation-model=static",
    "-Cforce-frame-pointers=yes",
];

/// The workspace as `cargo metadata` describes it.
#[derive(Debug, Deserialize)]
pub struct Workspace {
    /// Members and everything they depend on.
    pub packages: Vec<Package>,
    /// Identities of the members.
    pub workspace_members: Vec<String>,
    /// Which package uses which.
    pub resolve: Resolve,
    /// The checkout.
    pub workspace_root: PathBuf,
}

/// A package.
#[derive(Debug, Deserialize)]
pub struct Package {
    /// Name in its manifest.
    pub name: String,
    /// Version.
    pub version: String,
    /// Identity within the workspace.
    pub id: String,
    /// Registry it comes from; `None` for the tree's own.
    pub source: Option<String>,
    /// Its licence, as an SPDX expression.
    pub license: Option<String>,
    /// Its manifest.
    pub manifest_path: PathBuf,
    /// What it consists of.
    pub targets: Vec<Target>,
    /// What its manifest says to tools other than cargo.
    #[serde(default)]
    pub metadata: serde_json::Value,
    /// What its manifest says it uses, under whatever condition.
    #[serde(default)]
    pub dependencies: Vec<Declared>,
}

/// A dependency as a manifest declares it.
#[derive(Debug, Deserialize)]
pub struct Declared {
    /// Name of the package.
    pub name: String,
    /// `None`: at run time; else `dev` or `build`.
    pub kind: Option<String>,
    /// Its folder, for one of the tree's own.
    pub path: Option<PathBuf>,
}

/// A library, binary, build script, …
#[derive(Debug, Deserialize)]
pub struct Target {
    /// Name of the file that is made.
    pub name: String,
    /// `lib`, `bin`, `proc-macro`, `custom-build`, …
    pub kind: Vec<String>,
    /// Its root source file.
    pub src_path: PathBuf,
}

/// The graph of packages.
#[derive(Debug, Deserialize)]
pub struct Resolve {
    /// One for each package.
    pub nodes: Vec<Node>,
}

/// A package in the graph.
#[derive(Debug, Deserialize)]
pub struct Node {
    /// Its identity.
    pub id: String,
    /// What it uses.
    pub deps: Vec<Dependency>,
}

/// An edge of the graph.
#[derive(Debug, Deserialize)]
pub struct Dependency {
    /// Identity of the package used.
    pub pkg: String,
    /// In which ways it is used.
    pub dep_kinds: Vec<DependencyKind>,
}

/// A way of using a package.
#[derive(Debug, Deserialize)]
pub struct DependencyKind {
    /// `None`: at run time; else `dev` or `build`.
    pub kind: Option<String>,
}

impl Dependency {
    /// Whether what is built from the package contains or runs the other.
    pub fn is_normal(&self) -> bool {
        self.dep_kinds.iter().any(|kind| kind.kind.is_none())
    }
}

impl Target {
    /// Whether it is of this kind.
    pub fn is(&self, kind: &str) -> bool {
        self.kind.iter().any(|own| own == kind)
    }
}

impl Package {
    /// Folder of the package.
    pub fn folder(&self) -> &Path {
        self.manifest_path.parent().unwrap_or(Path::new("/"))
    }

    /// Whether one of its targets is of this kind.
    pub fn has_target(&self, kind: &str) -> bool {
        self.targets.iter().any(|target| target.is(kind))
    }
}

impl Workspace {
    /// Asks cargo.
    pub fn read(tree: &Tree) -> Result<Self, ToolError> {
        Self::read_at(tree.root())
    }

    /// Asks cargo about the workspace in `root`, as images see it.
    pub fn read_at(root: &Path) -> Result<Self, ToolError> {
        Self::read_with(root, "--cfg=redleaf_image")
    }

    /// Asks cargo about the workspace in `root`. Dependencies may depend on the
    /// compiler's flags, separated by `\x1f`.
    pub fn read_with(root: &Path, flags: &str) -> Result<Self, ToolError> {
        let mut command = Command::new(cargo());
        surroundings::clear(&mut command);
        let output = command
            .args(["metadata", "--format-version", "1", "--locked"])
            .args(["--filter-platform", TARGET])
            .current_dir(root)
            .env("CARGO_ENCODED_RUSTFLAGS", flags)
            .output()
            .map_err(start_error("cargo"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            if said.contains("--locked") {
                return Err(TrustError::StaleLock.into());
            }
            eprint!("{said}");
            let what = "the workspace".to_owned();
            return Err(BuildError::Cargo { what }.into());
        }
        let workspace = serde_json::from_slice(&output.stdout)
            .map_err(|error| BuildError::Metadata(error.to_string()))?;
        Ok(workspace)
    }

    /// The member that an image of the boot archive is built from.
    pub fn image_package(&self, name: &str) -> Option<&Package> {
        self.members_in(&["domains", "tests"])
            .find(|package| package.name == name && package.has_target("bin"))
    }

    /// The members that programs are built from.
    pub fn program_packages(&self) -> impl Iterator<Item = &Package> {
        self.members_in(&["programs"])
            .filter(|package| package.has_target("bin"))
    }

    /// The members in these rooms.
    pub fn members_in(&self, rooms: &[&str]) -> impl Iterator<Item = &Package> {
        self.members()
            .filter(|package| rooms.iter().any(|room| self.is_in(package, room)))
    }

    /// The packages of the tree.
    pub fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages
            .iter()
            .filter(|package| self.workspace_members.contains(&package.id))
    }

    /// Whether a package lies in this folder of the tree.
    pub fn is_in(&self, package: &Package, room: &str) -> bool {
        package
            .folder()
            .strip_prefix(&self.workspace_root)
            .is_ok_and(|inside| inside.starts_with(room))
    }

    /// The package with this identity.
    pub fn package(&self, id: &str) -> Option<&Package> {
        self.packages.iter().find(|package| package.id == id)
    }

    /// A package's folder, relative to the tree.
    pub fn room<'a>(&self, package: &'a Package) -> &'a Path {
        let folder = package.folder();
        folder.strip_prefix(&self.workspace_root).unwrap_or(folder)
    }

    /// What a package uses, apart from its tests.
    pub fn dependencies(&self, package: &Package) -> impl Iterator<Item = &Package> {
        self.resolve
            .nodes
            .iter()
            .filter(|node| node.id == package.id)
            .flat_map(|node| &node.deps)
            .filter(|dependency| dependency.is_normal())
            .filter_map(|dependency| self.package(&dependency.pkg))
    }

    /// A package and everything it uses, directly or not.
    pub fn closure<'a>(&'a self, package: &'a Package) -> Vec<&'a Package> {
        let mut seen: BTreeMap<&str, &Package> = BTreeMap::new();
        let mut queue = vec![package];
        while let Some(package) = queue.pop() {
            if seen.insert(&package.id, package).is_none() {
                queue.extend(self.dependencies(package));
            }
        }
        seen.into_values().collect()
    }
}

/// Environment variables of every build of an image or kernel.
pub struct Environment {
    variables: Vec<(&'static str, String)>,
}

impl Environment {
    /// Asks the compiler who it is.
    pub fn new(tree: &Tree, keys: &Keys) -> Result<Self, ToolError> {
        Ok(Self {
            variables: vec![
                ("REDLEAF_COMPILER", compiler_identity(tree)?),
                ("REDLEAF_PUBLIC_KEY", keys.public_hex()),
            ],
        })
    }

    /// Gives the variables to a command.
    pub fn apply(&self, command: &mut Command) {
        let variables = self.variables.iter();
        command.envs(variables.map(|(name, value)| (name, value)));
    }
}

/// Release and commit of the compiler, in one line.
fn compiler_identity(tree: &Tree) -> Result<String, ToolError> {
    let output = Command::new("rustc")
        .arg("-vV")
        .current_dir(tree.root())
        .output()
        .map_err(start_error("rustc"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = |key: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(key))
            .unwrap_or("unknown")
            .trim()
    };
    Ok(format!(
        "rustc {} {}",
        line("release:"),
        line("commit-hash:")
    ))
}

/// An executable that cargo linked.
#[derive(Debug)]
pub struct Executable {
    /// Name of the image.
    pub name: String,
    /// The unsigned ELF file.
    pub path: PathBuf,
    /// Whether it belongs to the disk.
    pub is_program: bool,
    /// Manifest of the package it is built from.
    pub manifest: PathBuf,
}

/// Builds the images of all packages in one go.
pub fn build_images(
    tree: &Tree,
    gate: &Gate,
    environment: &Environment,
    packages: &[&Package],
    step: &Step,
) -> Result<Vec<Executable>, ToolError> {
    let mut command = wrapped(tree, gate, "images")?;
    let linked = IMAGE_LINK_ARGUMENTS.map(|argument| format!("-Clink-arg={argument}"));
    let flags = [IMAGE_FLAGS.join("\x1f"), linked.join("\x1f")].join("\x1f");
    command
        .args(["--bins", "--profile", "image"])
        .env("CARGO_ENCODED_RUSTFLAGS", flags);
    for package in packages {
        command.args(["-p", &package.id]);
    }
    let executables = run(tree, environment, command, "domains and programs", step)?;
    for executable in &executables {
        sources::check_image(tree.root(), &executable.path)?;
    }
    Ok(executables)
}

/// A cargo that builds into a folder under `target/`, with the tool as its compiler
/// wrapper.
fn wrapped(tree: &Tree, gate: &Gate, folder: &str) -> Result<Command, ToolError> {
    let folder = tree.target(folder);
    let mut command = gate.cargo(std::slice::from_ref(&folder))?;
    let tool = wrapper::link(tree)?;
    command
        .args(["build", "--locked", "--target", TARGET, "--target-dir"])
        .arg(folder)
        .env("RUSTC_WORKSPACE_WRAPPER", tool)
        .env(WRAPPER_ROOT, tree.root());
    Ok(command)
}

/// Where cargo puts the kernel of a machine.
pub fn kernel_path(tree: &Tree, machine: Machine) -> PathBuf {
    match machine {
        Machine::Pc => tree.target(&format!("kernel/{TARGET}/release/kernel-pc")),
        Machine::Hosted => tree.target(&format!("hosted/{TARGET}/release/kernel-hosted")),
    }
}

/// Where cargo notes which sources the kernel of a machine, the images and the
/// macros that both use are made of.
pub fn dependency_folders(tree: &Tree, machine: Machine) -> Vec<PathBuf> {
    let kernel = match machine {
        Machine::Pc => "kernel",
        Machine::Hosted => "hosted",
    };
    [
        format!("{kernel}/{TARGET}/release/deps"),
        format!("images/{TARGET}/image/deps"),
        "images/image/deps".to_owned(),
    ]
    .iter()
    .map(|folder| tree.target(folder))
    .collect()
}

/// Folders with dependency files of what runs on the host to build and to sign.
pub fn host_dependency_folders(tree: &Tree) -> Vec<PathBuf> {
    ["host/tool/deps", "images/image/deps"]
        .map(|folder| tree.target(folder))
        .to_vec()
}

/// Builds the kernel of a machine.
pub fn build_kernel(
    tree: &Tree,
    gate: &Gate,
    environment: &Environment,
    machine: Machine,
    step: &Step,
) -> Result<(), ToolError> {
    let (package, folder, flags) = match machine {
        Machine::Pc => ("kernel-pc", "kernel", KERNEL_FLAGS.join("\x1f")),
        Machine::Hosted => (
            "kernel-hosted",
            "hosted",
            "-Cforce-frame-pointers=yes".to_owned(),
        ),
    };
    let mut command = wrapped(tree, gate, folder)?;
    command
        .args(["--release", "-p", package])
        .env("CARGO_ENCODED_RUSTFLAGS", flags);
    run(tree, environment, command, package, step)?;
    match machine {
        Machine::Pc => strip(&kernel_path(tree, machine), &kernel_symbols(tree)),
        Machine::Hosted => Ok(()),
    }
}

/// Where the pc kernel lies without debug information, for the boot archive.
pub fn kernel_symbols(tree: &Tree) -> PathBuf {
    tree.target(&format!("kernel/{TARGET}/release/kernel-pc.symbols"))
}

/// Copies an ELF file without its debug information, which is most of it and which
/// no kernel reads.
fn strip(from: &Path, to: &Path) -> Result<(), ToolError> {
    let mut command = Command::new("strip");
    command.arg("--strip-debug").arg("-o").arg(to).arg(from);
    let status = command.status().map_err(start_error("strip"))?;
    if status.success() {
        return Ok(());
    }
    let what = to.display().to_string();
    Err(BuildError::Cargo { what }.into())
}

/// Runs cargo; shows what it compiles, and its messages if it fails.
fn run(
    tree: &Tree,
    environment: &Environment,
    mut command: Command,
    what: &str,
    step: &Step,
) -> Result<Vec<Executable>, ToolError> {
    environment.apply(&mut command);
    let mut child = command
        .arg("--message-format=json-render-diagnostics")
        .current_dir(tree.root())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(start_error("cargo"))?;
    let artifacts = child
        .stdout
        .take()
        .map(|stdout| thread::spawn(|| read_all(stdout)));
    let mut messages = String::new();
    if let Some(stderr) = child.stderr.take() {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            step.detail(line.trim());
            messages.push_str(&line);
            messages.push('\n');
        }
    }
    let artifacts = artifacts
        .and_then(|thread| thread.join().ok())
        .unwrap_or_default();
    let status = child.wait().map_err(start_error("cargo"))?;
    if !status.success() {
        // The wrapper or the linker has said why in one line; rustc makes a note of
        // what a linker says.
        let lines = messages.lines().map(str::trim_start);
        let refused = lines
            .map(|line| line.strip_prefix("= note: ").unwrap_or(line))
            .find_map(|line| line.strip_prefix("redleaf: "));
        if let Some(reason) = refused {
            return Err(BuildError::Refused(reason.to_owned()).into());
        }
        eprint!("{messages}");
        let what = what.to_owned();
        return Err(BuildError::Cargo { what }.into());
    }
    Ok(executables(tree, &artifacts))
}

/// The part of cargo's messages that names an executable.
#[derive(Deserialize)]
struct Artifact {
    manifest_path: Option<PathBuf>,
    target: Option<Target>,
    executable: Option<PathBuf>,
}

/// The executables that cargo reports.
fn executables(tree: &Tree, messages: &str) -> Vec<Executable> {
    let programs = tree.path("programs");
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Artifact>(line).ok())
        .filter_map(|artifact| {
            let manifest = artifact.manifest_path?;
            Some(Executable {
                name: artifact.target?.name,
                path: artifact.executable?,
                is_program: manifest.starts_with(&programs),
                manifest,
            })
        })
        .collect()
}

fn read_all(mut source: impl Read) -> String {
    let mut text = String::new();
    // A message that is not text names no executable; the rest is lost with
    // it, and the missing image is reported by name.
    let _ = source.read_to_string(&mut text);
    text
}

/// The cargo that runs the tool, or the one on the path.
pub fn cargo() -> PathBuf {
    std::env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from)
}

/// For `map_err`: a program that could not be started.
pub fn start_error(program: &str) -> impl FnOnce(std::io::Error) -> ToolError {
    move |source| ToolError::Start {
        program: program.to_owned(),
        source,
    }
}
