//! Disk images: a fresh one from files and programs, or one that exists.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::build::Built;
use crate::digest;
use crate::error::ToolError;
use crate::progress::Step;
use crate::tree::Tree;

/// Why a disk image is unusable.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// There is no such file.
    #[error("{}: no such file; expected an ext2 image (make one with mke2fs -t ext2)", .0.display())]
    Missing(PathBuf),
    /// It is a folder, a device, …
    #[error("{}: not a regular file; expected an ext2 image", .0.display())]
    NotAFile(PathBuf),
    /// It cannot be opened.
    #[error("{}: {error}; expected an ext2 image that can be read and written", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
    /// It holds something else.
    #[error("{}: no ext2 file system on it (superblock magic {found:#06x}, expected 0xef53)", path.display())]
    NotExt2 {
        /// The file.
        path: PathBuf,
        /// What stands in place of the magic number.
        found: u16,
    },
    /// It is too short to hold a superblock.
    #[error("{}: {size} bytes are too few for an ext2 file system", path.display())]
    TooShort {
        /// The file.
        path: PathBuf,
        /// Its size.
        size: u64,
    },
    /// `mke2fs` failed.
    #[error("mke2fs cannot make a disk of {size} bytes: {message}")]
    Make {
        /// Size asked for.
        size: u64,
        /// What it printed.
        message: String,
    },
}

/// Offset of `s_magic` in an ext2 image (superblock at 1,024, field at 56).
const MAGIC_OFFSET: u64 = 1024 + 56;

/// `s_magic` of ext2, ext3 and ext4.
const MAGIC: u16 = 0xef53;

/// Checks that a file is an ext2 image that can be read and written.
///
/// # Errors
/// The [`DiskError`] that says what it is instead.
pub fn check(path: &Path) -> Result<(), DiskError> {
    let open_error = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => DiskError::Missing(path.to_owned()),
        _ => DiskError::Open {
            path: path.to_owned(),
            error,
        },
    };
    let metadata = fs::metadata(path).map_err(open_error)?;
    if !metadata.is_file() {
        return Err(DiskError::NotAFile(path.to_owned()));
    }
    let mut file = File::options()
        .read(true)
        .write(true)
        .open(path)
        .map_err(open_error)?;
    let mut magic = [0; 2];
    let read = file
        .seek(SeekFrom::Start(MAGIC_OFFSET))
        .and_then(|_| file.read_exact(&mut magic));
    match read {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(DiskError::TooShort {
            path: path.to_owned(),
            size: metadata.len(),
        }),
        Err(error) => Err(open_error(error)),
        Ok(()) if u16::from_le_bytes(magic) == MAGIC => Ok(()),
        Ok(()) => Err(DiskError::NotExt2 {
            path: path.to_owned(),
            found: u16::from_le_bytes(magic),
        }),
    }
}

/// The pristine disk of a system, made anew when files or programs changed.
///
/// # Errors
/// [`DiskError::Make`] or [`ToolError::File`].
pub fn pristine(tree: &Tree, system: &str, built: &Built, size: u64) -> Result<PathBuf, ToolError> {
    let folder = tree.make_target("disks")?;
    let disk = folder.join(format!("{system}-{size}.ext2"));
    let stamp = folder.join(format!("{system}-{size}.stamp"));
    let root = tree.path(&format!("systems/{system}/root"));
    let inputs = describe_inputs(&root, &built.programs);
    if disk.is_file() && fs::read_to_string(&stamp).is_ok_and(|old| old == inputs) {
        return Ok(disk);
    }
    let step = Step::start("making the disk");
    let _ = fs::remove_file(&stamp);
    let staging = folder.join(format!("{system}-staging-{}", std::process::id()));
    let made = stage(&root, &built.programs, &staging).and_then(|()| make(&disk, &staging, size));
    fs::remove_dir_all(&staging).map_err(ToolError::file("remove", &staging))?;
    drop(step);
    made?;
    fs::write(&stamp, inputs).map_err(ToolError::file("write", &stamp))?;
    Ok(disk)
}

/// A copy of a disk for one run; holes stay holes.
///
/// # Errors
/// [`ToolError::Start`] or [`DiskError::Make`] if it cannot be copied.
pub fn copy(from: &Path, to: &Path) -> Result<(), ToolError> {
    let output = Command::new("cp")
        .args(["--sparse=always", "--reflink=auto", "--"])
        .args([from, to])
        .output()
        .map_err(crate::build::start_error("cp"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(DiskError::Make {
        size: fs::metadata(from).map_or(0, |metadata| metadata.len()),
        message: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    }
    .into())
}

/// Lays out the disk's files in a folder.
fn stage(
    root: &Path,
    programs: &BTreeMap<String, PathBuf>,
    staging: &Path,
) -> Result<(), ToolError> {
    let bin = staging.join("bin");
    fs::create_dir_all(&bin).map_err(ToolError::file("make", &bin))?;
    if root.is_dir() {
        copy_folder(root, staging)?;
    }
    for folder in ["dev", "home", "tmp"] {
        let path = staging.join(folder);
        fs::create_dir_all(&path).map_err(ToolError::file("make", &path))?;
    }
    for (name, program) in programs {
        let path = bin.join(name);
        fs::copy(program, &path).map_err(ToolError::file("write", &path))?;
        set_executable(&path)?;
    }
    Ok(())
}

/// Copies the files of a folder; `.keep` files only keep folders in git.
fn copy_folder(from: &Path, to: &Path) -> Result<(), ToolError> {
    fs::create_dir_all(to).map_err(ToolError::file("make", to))?;
    for entry in fs::read_dir(from).map_err(ToolError::file("read", from))? {
        let entry = entry.map_err(ToolError::file("read", from))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy_folder(&source, &target)?;
        } else if entry.file_name() != ".keep" {
            fs::copy(&source, &target).map_err(ToolError::file("write", &target))?;
        }
    }
    Ok(())
}

fn set_executable(path: &Path) -> Result<(), ToolError> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
        .map_err(ToolError::file("change", path))
}

/// Makes an ext2 image of a folder: 4 KiB blocks, an inode for each 8 KiB.
fn make(disk: &Path, staging: &Path, size: u64) -> Result<(), ToolError> {
    let temporary = disk.with_extension("new");
    let file = File::create(&temporary).map_err(ToolError::file("write", &temporary))?;
    file.set_len(size)
        .map_err(ToolError::file("write", &temporary))?;
    let output = Command::new("mke2fs")
        .args([
            "-q", "-F", "-t", "ext2", "-b", "4096", "-i", "8192", "-m", "0",
        ])
        .args([
            "-L",
            "redleaf",
            "-E",
            "root_owner=0:0,lazy_itable_init=0",
            "-d",
        ])
        .arg(staging)
        .arg(&temporary)
        .env("PATH", search_path())
        .stdin(Stdio::null())
        .output()
        .map_err(crate::build::start_error("mke2fs"))?;
    if !output.status.success() {
        let _ = fs::remove_file(&temporary);
        let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(DiskError::Make { size, message }.into());
    }
    fs::rename(&temporary, disk).map_err(ToolError::file("write", disk))
}

/// The search path and the folders of administration programs, which an
/// ordinary user's path lacks.
pub fn search_path() -> String {
    let path = std::env::var("PATH").unwrap_or_default();
    format!("{path}:/usr/sbin:/sbin")
}

/// A number for names and contents of everything that goes onto the disk.
fn describe_inputs(root: &Path, programs: &BTreeMap<String, PathBuf>) -> String {
    let mut files = digest::files_below(root);
    files.extend(programs.values().cloned());
    digest::of_all(&files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ext2_images_are_accepted() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("disk");
        assert!(matches!(check(&file), Err(DiskError::Missing(_))));
        assert!(matches!(check(folder.path()), Err(DiskError::NotAFile(_))));
        fs::write(&file, "short").unwrap();
        assert!(matches!(
            check(&file),
            Err(DiskError::TooShort { size: 5, .. })
        ));
        let mut bytes = vec![0; 4096];
        fs::write(&file, &bytes).unwrap();
        assert!(matches!(
            check(&file),
            Err(DiskError::NotExt2 { found: 0, .. })
        ));
        bytes[1080..1082].copy_from_slice(&MAGIC.to_le_bytes());
        fs::write(&file, &bytes).unwrap();
        assert!(check(&file).is_ok());
    }
}
