//! Programs on the disk: verified once, then kept; scripts lead to theirs.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use interfaces::files::{Attributes, FileKind, Inode};

use crate::budget::IMAGE_MAX;
use crate::errno::{Errno, Outcome};
use crate::path::{self, Node, Place, Resolver};
use crate::rv6::Rv6;
use crate::sync::Mutex;
use crate::system::ImageHandle;

/// Most images kept ready.
const CACHE_MAX: usize = 48;

/// Longest chain of scripts that name scripts as their interpreter.
const INTERPRETER_MAX: u32 = 4;

/// Longest first line of a script.
const INTERPRETER_LINE_MAX: usize = 256;

/// Bytes that are looked at before a file is read: a script's first line.
const HEAD_BYTES: usize = 2 + INTERPRETER_LINE_MAX;

/// First bytes of an ELF file.
const ELF_MAGIC: &[u8] = b"\x7fELF";

/// Verified images by what they were made from.
#[derive(Default)]
pub struct ImageCache {
    images: Mutex<Vec<Cached>>,
}

struct Cached {
    inode: Inode,
    size: u64,
    modified_s: i64,
    changed_s: i64,
    image: ImageHandle,
}

/// What has to be started for a path.
pub struct Program {
    /// The image.
    pub image: ImageHandle,
    /// Arguments to put in place of the first one, for a script.
    pub prefix: Vec<Vec<u8>>,
}

/// Why a path cannot be started.
pub struct Refusal {
    /// What the system call answers.
    pub errno: Errno,
    /// What the kernel said about the image.
    pub message: Option<String>,
}

impl From<Errno> for Refusal {
    fn from(errno: Errno) -> Self {
        Self {
            errno,
            message: None,
        }
    }
}

impl ImageCache {
    fn find(&self, attributes: &Attributes) -> Option<ImageHandle> {
        let mut images = self.images.lock();
        let index = images
            .iter()
            .position(|cached| cached.matches(attributes))?;
        let cached = images.remove(index);
        let image = Arc::clone(&cached.image);
        images.push(cached);
        Some(image)
    }

    /// Adds an image as the newest; one to be dropped, if there is no more room.
    fn insert(&self, attributes: &Attributes, image: ImageHandle) -> Option<ImageHandle> {
        let mut images = self.images.lock();
        let oldest = (images.len() >= CACHE_MAX).then(|| images.remove(0).image);
        images.push(Cached {
            inode: attributes.inode,
            size: attributes.size,
            modified_s: attributes.modified_s,
            changed_s: attributes.changed_s,
            image,
        });
        oldest
    }

    /// Forgets the image of a file that is about to change; it is to be dropped.
    pub fn forget(&self, inode: Inode) -> Option<ImageHandle> {
        let mut images = self.images.lock();
        let index = images.iter().position(|cached| cached.inode == inode)?;
        Some(images.remove(index).image)
    }
}

impl Cached {
    fn matches(&self, attributes: &Attributes) -> bool {
        self.inode == attributes.inode
            && self.size == attributes.size
            && self.modified_s == attributes.modified_s
            && self.changed_s == attributes.changed_s
    }
}

impl Rv6 {
    /// The program that `path`, as seen from `directory`, stands for.
    ///
    /// # Errors
    /// As `posix_spawn`: `ENOENT`, `EACCES`, `ENOEXEC`, ….
    pub fn find_program(&self, directory: &Place, path: &[u8]) -> Result<Program, Refusal> {
        path::check(path)?;
        let resolver = Resolver::new(self.disk())?;
        let mut path = path.to_vec();
        let mut prefix: Vec<Vec<u8>> = Vec::new();
        for _ in 0..INTERPRETER_MAX {
            let place = resolver.resolve(directory, &path)?;
            let Node::Disk(inode) = place.node else {
                return Err(Errno::EACCES.into());
            };
            let attributes = self.disk().attributes(inode)?;
            if attributes.kind != FileKind::Regular || attributes.mode & 0o111 == 0 {
                return Err(Errno::EACCES.into());
            }
            if let Some(image) = self.images().find(&attributes) {
                return Ok(Program { image, prefix });
            }
            let mut head = [0; HEAD_BYTES];
            let head = self.disk().read_start(inode, &mut head)?;
            if let Some(line) = interpreter_line(head) {
                let mut words = line?;
                let interpreter = words[0].clone();
                words.push(core::mem::replace(&mut path, interpreter));
                words.extend(prefix.into_iter().skip(1));
                prefix = words;
                continue;
            }
            if !head.starts_with(ELF_MAGIC) {
                return Err(Errno::ENOEXEC.into());
            }
            let image = self.read_image(inode, &attributes)?;
            return Ok(Program { image, prefix });
        }
        Err(Errno::ELOOP.into())
    }

    /// Reads and verifies a program that looks like one.
    fn read_image(&self, inode: Inode, attributes: &Attributes) -> Result<ImageHandle, Refusal> {
        let size = attributes.size;
        if size > IMAGE_MAX {
            return Err(Refusal {
                errno: Errno::ENOEXEC,
                message: Some(format!("it has {size} bytes, expected at most {IMAGE_MAX}")),
            });
        }
        let length = usize::try_from(size).map_err(|_| Errno::ENOEXEC)?;
        let _share = self.budget().starts.take(length)?;
        let bytes = self.disk().read_whole(inode, length)?;
        self.open_image(attributes, &bytes)
    }

    fn open_image(&self, attributes: &Attributes, bytes: &[u8]) -> Result<ImageHandle, Refusal> {
        match self.system().open_image(bytes) {
            Ok(image) => {
                drop(self.images().insert(attributes, Arc::clone(&image)));
                Ok(image)
            }
            Err(message) => Err(Refusal {
                errno: Errno::ENOEXEC,
                message: Some(message),
            }),
        }
    }

    /// Makes the next start of a file look at its contents again.
    pub fn forget_image(&self, inode: Inode) {
        drop(self.images().forget(inode));
    }
}

/// Interpreter and its argument from `#! interpreter argument`, if it is that.
fn interpreter_line(bytes: &[u8]) -> Option<Outcome<Vec<Vec<u8>>>> {
    let line = bytes.strip_prefix(b"#!")?;
    let line = &line[..line.len().min(INTERPRETER_LINE_MAX)];
    let end = line
        .iter()
        .position(|byte| *byte == b'\n')
        .unwrap_or(line.len());
    let text = line[..end].trim_ascii();
    let split = text
        .iter()
        .position(u8::is_ascii_whitespace)
        .unwrap_or(text.len());
    let (interpreter, argument) = text.split_at(split);
    if interpreter.is_empty() {
        return Some(Err(Errno::ENOEXEC));
    }
    let mut words = Vec::from([interpreter.to_vec()]);
    let argument = argument.trim_ascii();
    if !argument.is_empty() {
        words.push(argument.to_vec());
    }
    Some(Ok(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interpreter_lines() {
        let words = |bytes: &[u8]| interpreter_line(bytes).map(|line| line.ok());
        assert_eq!(words(b"echo hi\n"), None);
        assert_eq!(
            words(b"#!/bin/sh\necho"),
            Some(Some(vec![b"/bin/sh".to_vec()]))
        );
        let with_argument = Some(Some(vec![b"/bin/sh".to_vec(), b"-e x".to_vec()]));
        assert_eq!(words(b"#! /bin/sh  -e x \n"), with_argument);
        assert_eq!(words(b"#! \n"), Some(None));
    }
}
