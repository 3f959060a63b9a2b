//! How large everything is: images in bytes, the trusted base in lines.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::lines::{self, Lines};
use super::rows::Row;
use super::{BenchError, prepare};
use crate::build::{self, Package, Workspace};
use crate::cli::Machine;
use crate::error::ToolError;
use crate::run::RunFolder;
use crate::tree::Tree;

/// The system whose parts are counted.
const SYSTEM: &str = "rv6";

/// Domains whose images have a row each.
const DOMAINS: [&str; 4] = ["init", "nvme", "ext2fs", "rv6"];

/// Rooms of this tree whose code is trusted wherever it is linked.
const TRUSTED: [&str; 2] = ["kernel", "trusted"];

/// Packages that no safety rests on, but the system ends if they do not do their work.
const TRUSTED_FOR_AVAILABILITY: [&str; 2] = ["init", "rv6"];

/// All rows for a machine.
pub fn measure(tree: &Tree, machine: Machine) -> Result<Vec<Row>, ToolError> {
    let built = build::build(tree, SYSTEM, machine)?;
    let folder = RunFolder::make(tree)?;
    let boot = prepare(tree, SYSTEM, machine, None, &folder)?;
    let mut rows = vec![
        Row::single("kernel, loaded", "bytes", loaded_bytes(&built.kernel)?),
        Row::single("boot archive", "bytes", file_bytes(&boot.archive)?),
    ];
    for name in DOMAINS {
        if let Some(image) = built.images.get(name) {
            let row = format!("image of {name}");
            rows.push(Row::single(&row, "bytes", file_bytes(image)?));
        }
    }
    if let Some(shell) = built.programs.get("sh") {
        rows.push(Row::single("image of sh", "bytes", file_bytes(shell)?));
    }
    let mut programs = 0.0;
    for image in built.programs.values() {
        programs += file_bytes(image)?;
    }
    rows.push(Row::single("images of all programs", "bytes", programs));
    let workspace = Workspace::read(tree)?;
    rows.extend(trusted_base(tree, &workspace, machine, built.images.keys()));
    rows.push(builder(tree, &workspace));
    Ok(rows)
}

fn file_bytes(path: &Path) -> Result<f64, ToolError> {
    let metadata = fs::metadata(path).map_err(ToolError::file("read", path))?;
    Ok(metadata.len() as f64)
}

/// Bytes of memory that the segments of an ELF file take.
fn loaded_bytes(path: &Path) -> Result<f64, ToolError> {
    let bytes = fs::read(path).map_err(ToolError::file("read", path))?;
    let total = segment_bytes(&bytes).ok_or_else(|| BenchError::NotElf(path.to_owned()))?;
    Ok(total as f64)
}

/// The sum of the sizes in memory of all segments to load (ELF-64, program
/// header: type at 0, size in memory at 40).
fn segment_bytes(file: &[u8]) -> Option<u64> {
    const LOAD: u64 = 1;
    let number = |at: usize, width: usize| {
        let bytes = file.get(at..at.checked_add(width)?)?;
        let digits = bytes.iter().rev();
        Some(digits.fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte)))
    };
    if !file.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let (first, each, count) = (number(0x20, 8)?, number(0x36, 2)?, number(0x38, 2)?);
    let mut total = 0;
    for index in 0..count {
        let header = usize::try_from(first.checked_add(index * each)?).ok()?;
        if number(header, 4)? == LOAD {
            total += number(header.checked_add(40)?, 8)?;
        }
    }
    Some(total)
}

/// Lines linked into the system and how many of them are trusted.
fn trusted_base<'a>(
    tree: &Tree,
    workspace: &Workspace,
    machine: Machine,
    images: impl Iterator<Item = &'a String>,
) -> Vec<Row> {
    let kernel = format!("kernel-{}", machine.name());
    let kernel = workspace.members().find(|package| package.name == kernel);
    let mut roots: Vec<&Package> = kernel.into_iter().collect();
    // What the kernel contains is trusted, whoever wrote it.
    let in_kernel: BTreeMap<&str, &Package> = linked(workspace, &roots);
    roots.extend(images.filter_map(|name| workspace.image_package(name)));
    roots.extend(workspace.program_packages());
    let files = lines::compiled(tree.root(), &build::dependency_folders(tree, machine));
    let mut own = Lines::default();
    let mut foreign = Lines::default();
    let (mut total, mut for_availability) = (0, 0);
    for (id, package) in linked(workspace, &roots) {
        let counted = lines_of(package, &files);
        if TRUSTED_FOR_AVAILABILITY.contains(&package.name.as_str()) {
            for_availability += counted.code;
        }
        total += counted.code;
        let is_trusted = TRUSTED.iter().any(|room| workspace.is_in(package, room));
        if is_trusted || in_kernel.contains_key(id) {
            match package.source {
                None => own += counted,
                Some(_) => foreign += counted,
            }
        }
    }
    let share = (own.code + foreign.code) as f64 * 100.0 / total.max(1) as f64;
    let row = |name: &str, count: usize| Row::single(name, "lines", count as f64);
    let availability = format!(
        "lines trusted for availability ({})",
        TRUSTED_FOR_AVAILABILITY.join(", ")
    );
    vec![
        row("lines linked", total),
        row("trusted lines linked", own.code + foreign.code),
        row("trusted lines of this tree", own.code),
        row("trusted lines of other crates", foreign.code),
        Row::single("trusted share of the lines linked", "percent", share),
        row("lines in unsafe blocks, this tree", own.in_unsafe),
        row("lines in unsafe blocks, other crates", foreign.in_unsafe),
        Row::single("unsafe blocks, this tree", "blocks", own.blocks as f64),
        Row::single(
            "unsafe blocks, other crates",
            "blocks",
            foreign.blocks as f64,
        ),
        row(&availability, for_availability),
    ]
}

/// Lines that build, check and sign: the host tool, the procedural macros of this
/// tree, and the crates of both.
fn builder(tree: &Tree, workspace: &Workspace) -> Row {
    let own_macro = |package: &&Package| {
        package.has_target("proc-macro") && workspace.is_in(package, "trusted")
    };
    let tool = workspace.members().filter(|package| package.name == "tool");
    let roots = tool.chain(workspace.members().filter(own_macro));
    let packages: BTreeMap<&str, &Package> = roots
        .flat_map(|root| workspace.closure(root))
        .map(|package| (package.id.as_str(), package))
        .collect();
    let files = lines::compiled(tree.root(), &build::host_dependency_folders(tree));
    let count = packages
        .values()
        .map(|package| lines_of(package, &files).code)
        .sum::<usize>();
    Row::single("trusted lines that build and sign", "lines", count as f64)
}

/// Counts the files of a package that the compiler read.
fn lines_of(package: &Package, files: &BTreeSet<PathBuf>) -> Lines {
    let of_package = files
        .iter()
        .filter(|file| file.starts_with(package.folder()));
    lines::of_files(of_package.map(PathBuf::as_path))
}

/// Packages whose code is linked into what the roots make, and the procedural
/// macros of this tree, which write some of it; not what those run on.
fn linked<'a>(workspace: &'a Workspace, roots: &[&'a Package]) -> BTreeMap<&'a str, &'a Package> {
    let mut found = BTreeMap::new();
    let mut wanted: Vec<&Package> = roots.to_vec();
    while let Some(package) = wanted.pop() {
        let is_macro = package.has_target("proc-macro");
        if found.contains_key(package.id.as_str()) || (is_macro && package.source.is_some()) {
            continue;
        }
        found.insert(package.id.as_str(), package);
        if !is_macro {
            wanted.extend(workspace.dependencies(package));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loaded_segments_are_added_up() {
        let mut file = vec![0; 64 + 3 * 56];
        file[..6].copy_from_slice(b"\x7fELF\x02\x01");
        (file[0x20], file[0x36], file[0x38]) = (64, 56, 3);
        for (index, (kind, size)) in [(1, 0x30), (4, 0x50), (1, 0x12)].into_iter().enumerate() {
            file[64 + 56 * index] = kind;
            file[64 + 56 * index + 41] = size;
        }
        assert_eq!(segment_bytes(&file), Some(0x4200));
        assert_eq!(segment_bytes(&file[..80]), None);
        assert_eq!(segment_bytes(b"#!/bin/sh"), None);
    }
}
