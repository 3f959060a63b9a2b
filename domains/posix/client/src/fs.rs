//! Files and directories, as `std::fs`.

use alloc::string::String;
use alloc::vec::Vec;

use interfaces::files::{Attributes, DIRECTORY_BATCH, DirectoryEntry, FileName, NAME_MAX};
pub use interfaces::files::{FileKind, FileSystemStatus, Inode};
use interfaces::process::{Errno, OpenFlags, PATH_MAX, Whence};

use crate::io::{self, Read, Seek, SeekFrom, Write};
use crate::system::{check, system};

/// An open file; closed when dropped.
#[derive(Debug)]
pub struct File {
    descriptor: u32,
}

/// How to open a file.
#[derive(Clone, Copy, Debug)]
pub struct OpenOptions {
    flags: u32,
    mode: u32,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl OpenOptions {
    /// Nothing chosen yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            flags: 0,
            mode: 0o644,
        }
    }

    /// For reading.
    #[must_use]
    pub const fn read(self, yes: bool) -> Self {
        self.with(OpenFlags::READ, yes)
    }

    /// For writing.
    #[must_use]
    pub const fn write(self, yes: bool) -> Self {
        self.with(OpenFlags::WRITE, yes)
    }

    /// For writing, always at the end.
    #[must_use]
    pub const fn append(self, yes: bool) -> Self {
        self.with(OpenFlags::WRITE | OpenFlags::APPEND, yes)
    }

    /// Cuts it to no bytes.
    #[must_use]
    pub const fn truncate(self, yes: bool) -> Self {
        self.with(OpenFlags::TRUNCATE, yes)
    }

    /// Makes it if there is none.
    #[must_use]
    pub const fn create(self, yes: bool) -> Self {
        self.with(OpenFlags::CREATE, yes)
    }

    /// Makes it, and fails if there is one.
    #[must_use]
    pub const fn create_new(self, yes: bool) -> Self {
        self.with(OpenFlags::CREATE | OpenFlags::EXCLUSIVE, yes)
    }

    /// Permission bits of a file that is made.
    #[must_use]
    pub const fn mode(self, mode: u32) -> Self {
        Self { mode, ..self }
    }

    const fn with(self, flag: u32, yes: bool) -> Self {
        let flags = if yes {
            self.flags | flag
        } else {
            self.flags & !flag
        };
        Self { flags, ..self }
    }

    /// Opens the file.
    ///
    /// # Errors
    /// As `open`.
    pub fn open(&self, path: &str) -> io::Result<File> {
        let flags = OpenFlags(self.flags);
        let descriptor = check(system().open(path.as_bytes(), flags, self.mode))?;
        Ok(File { descriptor })
    }
}

impl File {
    /// Opens a file for reading.
    ///
    /// # Errors
    /// As `open`.
    pub fn open(path: &str) -> io::Result<Self> {
        OpenOptions::new().read(true).open(path)
    }

    /// Makes a file or empties it, and opens it for writing.
    ///
    /// # Errors
    /// As `open`.
    pub fn create(path: &str) -> io::Result<Self> {
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)
    }

    /// The file behind a descriptor, which is closed with it.
    #[must_use]
    pub const fn from_descriptor(descriptor: u32) -> Self {
        Self { descriptor }
    }

    /// Its descriptor.
    #[must_use]
    pub const fn descriptor(&self) -> u32 {
        self.descriptor
    }

    /// Its descriptor, which stays open.
    #[must_use]
    pub const fn into_descriptor(self) -> u32 {
        let descriptor = self.descriptor;
        core::mem::forget(self);
        descriptor
    }

    /// What is known of it.
    ///
    /// # Errors
    /// As `fstat`.
    pub fn metadata(&self) -> io::Result<Metadata> {
        descriptor_metadata(self.descriptor)
    }

    /// Sets its length.
    ///
    /// # Errors
    /// As `ftruncate`.
    pub fn set_len(&self, size: u64) -> io::Result<()> {
        check(system().ftruncate(self.descriptor, size))
    }

    /// Makes it durable.
    ///
    /// # Errors
    /// As `fsync`.
    pub fn sync_all(&self) -> io::Result<()> {
        check(system().fsync(self.descriptor))
    }

    /// Whether it is a terminal.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        matches!(system().isatty(self.descriptor), Ok(Ok(1)))
    }

    /// Reads at an offset, leaving the file's own alone.
    ///
    /// # Errors
    /// As `pread`.
    pub fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        check(system().pread(self.descriptor, into, offset)).map(counted)
    }

    /// Writes at an offset, leaving the file's own alone.
    ///
    /// # Errors
    /// As `pwrite`.
    pub fn write_at(&self, from: &[u8], offset: u64) -> io::Result<usize> {
        check(system().pwrite(self.descriptor, from, offset)).map(counted)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = system().close(self.descriptor);
    }
}

impl Read for File {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        read_descriptor(self.descriptor, into)
    }
}

impl Write for File {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        write_descriptor(self.descriptor, from)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for File {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let (offset, whence) = match to {
            SeekFrom::Start(offset) => (
                i64::try_from(offset).map_err(|_| Errno::EINVAL)?,
                Whence::Set,
            ),
            SeekFrom::End(offset) => (offset, Whence::End),
            SeekFrom::Current(offset) => (offset, Whence::Current),
        };
        check(system().lseek(self.descriptor, offset, whence))
    }
}

pub(crate) fn descriptor_metadata(descriptor: u32) -> io::Result<Metadata> {
    check(system().fstat(descriptor)).map(Metadata)
}

pub(crate) fn read_descriptor(descriptor: u32, into: &mut [u8]) -> io::Result<usize> {
    check(system().read(descriptor, into)).map(counted)
}

pub(crate) fn write_descriptor(descriptor: u32, from: &[u8]) -> io::Result<usize> {
    check(system().write(descriptor, from)).map(counted)
}

pub(crate) fn write_all_descriptor(descriptor: u32, from: &[u8]) -> io::Result<()> {
    let mut rest = from;
    while !rest.is_empty() {
        match write_descriptor(descriptor, rest)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            count => rest = &rest[count.min(rest.len())..],
        }
    }
    Ok(())
}

/// A count of bytes of a buffer, which fits.
fn counted(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// What is known of a file.
#[derive(Clone, Copy, Debug)]
pub struct Metadata(Attributes);

impl Metadata {
    /// What it is.
    #[must_use]
    pub const fn kind(&self) -> FileKind {
        self.0.kind
    }

    /// Whether it is a directory.
    #[must_use]
    pub fn is_dir(&self) -> bool {
        self.0.kind == FileKind::Directory
    }

    /// Whether it is a regular file.
    #[must_use]
    pub fn is_file(&self) -> bool {
        self.0.kind == FileKind::Regular
    }

    /// Whether it is a symbolic link.
    #[must_use]
    pub fn is_symlink(&self) -> bool {
        self.0.kind == FileKind::Symlink
    }

    /// Bytes in it.
    #[expect(
        clippy::len_without_is_empty,
        reason = "std's Metadata has none either"
    )]
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.0.size
    }

    /// Everything known.
    #[must_use]
    pub const fn attributes(&self) -> &Attributes {
        &self.0
    }
}

/// What is known of a file, through a symbolic link at the end of the path.
///
/// # Errors
/// As `stat`.
pub fn metadata(path: &str) -> io::Result<Metadata> {
    check(system().stat(path.as_bytes())).map(Metadata)
}

/// What is known of a file, or of a symbolic link itself.
///
/// # Errors
/// As `lstat`.
pub fn symlink_metadata(path: &str) -> io::Result<Metadata> {
    check(system().lstat(path.as_bytes())).map(Metadata)
}

/// Whether there is something at `path`.
#[must_use]
pub fn exists(path: &str) -> bool {
    metadata(path).is_ok()
}

/// Everything in a file.
///
/// # Errors
/// As `open` and `read`.
pub fn read(path: &str) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Everything in a file, as text.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`], or as `open` and `read`.
pub fn read_to_string(path: &str) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.read_to_string(&mut text)?;
    Ok(text)
}

/// Makes a file with these contents.
///
/// # Errors
/// As `open` and `write`.
pub fn write(path: &str, contents: impl AsRef<[u8]>) -> io::Result<()> {
    File::create(path)?.write_all(contents.as_ref())
}

/// Makes a directory.
///
/// # Errors
/// As `mkdir`.
pub fn create_dir(path: &str) -> io::Result<()> {
    check(system().mkdir(path.as_bytes(), 0o755))
}

/// Makes a directory and those above it that are missing.
///
/// # Errors
/// As `mkdir`.
pub fn create_dir_all(path: &str) -> io::Result<()> {
    match create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            create_dir_all(crate::path::parent(path))?;
            create_dir(path)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match metadata(path)? {
            found if found.is_dir() => Ok(()),
            _ => Err(error),
        },
        other => other,
    }
}

/// Removes a name of something that is no directory.
///
/// # Errors
/// As `unlink`.
pub fn remove_file(path: &str) -> io::Result<()> {
    check(system().unlink(path.as_bytes()))
}

/// Removes an empty directory.
///
/// # Errors
/// As `rmdir`.
pub fn remove_dir(path: &str) -> io::Result<()> {
    check(system().rmdir(path.as_bytes()))
}

/// Renames.
///
/// # Errors
/// As `rename`.
pub fn rename(from: &str, to: &str) -> io::Result<()> {
    check(system().rename(from.as_bytes(), to.as_bytes()))
}

/// Gives a file another name.
///
/// # Errors
/// As `link`.
pub fn hard_link(from: &str, to: &str) -> io::Result<()> {
    check(system().link(from.as_bytes(), to.as_bytes()))
}

/// Makes a symbolic link.
///
/// # Errors
/// As `symlink`.
pub fn symlink(target: &str, path: &str) -> io::Result<()> {
    check(system().symlink(target.as_bytes(), path.as_bytes()))
}

/// A symbolic link's target.
///
/// # Errors
/// As `readlink`.
pub fn read_link(path: &str) -> io::Result<String> {
    let mut target = [0; PATH_MAX];
    let length = counted(check(system().readlink(path.as_bytes(), &mut target))?);
    Ok(String::from_utf8_lossy(&target[..length.min(PATH_MAX)]).into_owned())
}

/// Sets permission bits.
///
/// # Errors
/// As `chmod`.
pub fn set_permissions(path: &str, mode: u32) -> io::Result<()> {
    check(system().chmod(path.as_bytes(), mode))
}

/// Sets access and modification time, seconds since 1970.
///
/// # Errors
/// As `utimes`.
pub fn set_times(path: &str, accessed_s: i64, modified_s: i64) -> io::Result<()> {
    check(system().utimes(path.as_bytes(), accessed_s, modified_s))
}

/// Sets the length of a file.
///
/// # Errors
/// As `truncate`.
pub fn truncate(path: &str, size: u64) -> io::Result<()> {
    check(system().truncate(path.as_bytes(), size))
}

/// What is known of the file system a path lies on.
///
/// # Errors
/// As `statfs`.
pub fn file_system(path: &str) -> io::Result<FileSystemStatus> {
    check(system().statfs(path.as_bytes()))
}

/// Makes everything durable.
///
/// # Errors
/// As the file system.
pub fn sync() -> io::Result<()> {
    check(system().sync())
}

/// The entries of a directory, without `.` and `..`.
///
/// # Errors
/// As `open`; reading on can fail later.
pub fn read_dir(path: &str) -> io::Result<ReadDir> {
    let options = OpenOptions {
        flags: OpenFlags::READ | OpenFlags::DIRECTORY,
        mode: 0,
    };
    Ok(ReadDir {
        file: options.open(path)?,
        batch: Vec::new(),
        has_ended: false,
    })
}

/// Iterates over a directory.
#[derive(Debug)]
pub struct ReadDir {
    file: File,
    /// Entries not yet given, the next one last.
    batch: Vec<DirEntry>,
    has_ended: bool,
}

/// One entry of a directory.
#[derive(Clone, Debug)]
pub struct DirEntry {
    name: String,
    kind: FileKind,
    inode: u64,
}

impl DirEntry {
    /// Its name.
    #[must_use]
    pub fn file_name(&self) -> &str {
        &self.name
    }

    /// What it is.
    #[must_use]
    pub const fn kind(&self) -> FileKind {
        self.kind
    }

    /// Its inode number.
    #[must_use]
    pub const fn inode(&self) -> u64 {
        self.inode
    }
}

impl ReadDir {
    fn refill(&mut self) -> io::Result<()> {
        const EMPTY: DirectoryEntry = DirectoryEntry {
            inode: Inode(0),
            kind: FileKind::Regular as u32,
            name: FileName {
                length: 0,
                bytes: [0; NAME_MAX],
            },
            next: 0,
        };
        let mut entries = [EMPTY; DIRECTORY_BATCH];
        let count = check(system().read_directory(self.file.descriptor, &mut entries))?;
        let count = counted(count).min(entries.len());
        self.has_ended = count == 0;
        let names = entries[..count].iter().rev().map(|entry| {
            let length = (entry.name.length as usize).min(NAME_MAX);
            let name = String::from_utf8_lossy(&entry.name.bytes[..length]).into_owned();
            DirEntry {
                name,
                kind: FileKind::from_number(entry.kind).unwrap_or(FileKind::Regular),
                inode: entry.inode.0,
            }
        });
        self.batch
            .extend(names.filter(|entry| entry.name != "." && entry.name != ".."));
        Ok(())
    }
}

impl Iterator for ReadDir {
    type Item = io::Result<DirEntry>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.batch.is_empty() && !self.has_ended {
            if let Err(error) = self.refill() {
                self.has_ended = true;
                return Some(Err(error));
            }
        }
        self.batch.pop().map(Ok)
    }
}
