//! `./redleaf build --iso`: a CD that GRUB boots, and a disk to go with it.
//!
//! GRUB starts the same kernel file as QEMU does, by its Multiboot2 header, with
//! the boot archive as a module. The console is the first serial line.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::archive::{self, BootSettings};
use crate::build::{self, Built};
use crate::cli::{Machine, parse_size};
use crate::disk;
use crate::error::ToolError;
use crate::progress::Step;
use crate::tree::Tree;

/// GRUB's program that makes CDs.
const GRUB_MKRESCUE: &str = "grub-mkrescue";

/// Size of the disk beside it.
const DISK_SIZE: &str = "256M";

/// What GRUB does: no menu, since there is one choice.
const GRUB_CONFIGURATION: &str = "\
set timeout=0
menuentry \"RedLeaf\" {
    multiboot2 /boot/kernel
    module2 /boot/archive.tar
}
";

/// Why there is no CD.
#[derive(Debug, thiserror::Error)]
pub enum IsoError {
    /// `grub-mkrescue` failed.
    #[error("grub-mkrescue cannot make the CD: {0}")]
    Make(String),
}

/// Makes `target/iso/SYSTEM.iso` and `SYSTEM.ext2`; prints how to boot them.
///
/// # Errors
/// Any [`ToolError`] of a build, [`IsoError`].
pub fn make(tree: &Tree, system: &str) -> Result<(), ToolError> {
    let built = build::build(tree, system, Machine::Pc)?;
    let folder = tree.make_target("iso")?;
    let root = folder.join(format!("{system}.root"));
    lay_out(tree, &root, &built)?;
    let cd = folder.join(format!("{system}.iso"));
    {
        let _step = Step::start("making the CD");
        write(&root, &cd)?;
    }
    // What it was made of lies in it.
    let _ = fs::remove_dir_all(&root);
    let size = parse_size(DISK_SIZE).unwrap_or(256 << 20);
    let pristine = disk::pristine(tree, system, &built, size)?;
    let disk = folder.join(format!("{system}.ext2"));
    disk::copy(&pristine, &disk)?;
    println!("iso: {}", cd.display());
    println!("disk: {}", disk.display());
    println!("boot: {}", boot_command(&cd, &disk));
    Ok(())
}

fn lay_out(tree: &Tree, root: &Path, built: &Built) -> Result<(), ToolError> {
    let grub = root.join("boot/grub");
    fs::create_dir_all(&grub).map_err(ToolError::file("make", &grub))?;
    let configuration = grub.join("grub.cfg");
    fs::write(&configuration, GRUB_CONFIGURATION)
        .map_err(ToolError::file("write", &configuration))?;
    let kernel = root.join("boot/kernel");
    fs::copy(&built.kernel, &kernel).map_err(ToolError::file("write", &kernel))?;
    let archive = root.join("boot/archive.tar");
    archive::write(
        tree,
        &archive,
        built,
        Some(&build::kernel_symbols(tree)),
        &BootSettings::default(),
    )
}

fn write(root: &Path, cd: &Path) -> Result<(), ToolError> {
    let output = Command::new(GRUB_MKRESCUE)
        .arg("--output")
        .arg(cd)
        .arg(root)
        .env("PATH", disk::search_path())
        .stdin(Stdio::null())
        .output()
        .map_err(build::start_error(GRUB_MKRESCUE))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().last().unwrap_or("it said nothing");
    Err(IsoError::Make(last.to_owned()).into())
}

fn boot_command(cd: &Path, disk: &Path) -> String {
    format!(
        "qemu-system-x86_64 -machine q35 -cpu max -m 512M -cdrom {} -drive \
         file={},format=raw,if=none,id=d -device nvme,serial=d,drive=d -nographic",
        cd.display(),
        disk.display()
    )
}
