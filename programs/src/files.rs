//! What `test` asks of files, answered by Rv6.

use core::cmp::Ordering;

use posix::fs::{self, FileKind, Metadata};
use utility::condition::Files;

/// The system's files.
pub struct SystemFiles;

impl Files for SystemFiles {
    fn has(&self, operator: char, path: &str) -> bool {
        let file =
            |holds: fn(&Metadata) -> bool| fs::metadata(path).is_ok_and(|found| holds(&found));
        let mode =
            |bits: u32| fs::metadata(path).is_ok_and(|found| found.attributes().mode & bits != 0);
        match operator {
            // There are no users: who can reach a file can read and write it.
            'e' | 'r' | 'w' => file(|_| true),
            'f' => file(Metadata::is_file),
            'd' => file(Metadata::is_dir),
            's' => file(|found| found.len() > 0),
            'x' => mode(0o111),
            'u' => mode(0o4000),
            'g' => mode(0o2000),
            'k' => mode(0o1000),
            'c' => file(|found| found.kind() == FileKind::CharacterDevice),
            'b' => file(|found| found.kind() == FileKind::BlockDevice),
            'p' => file(|found| found.kind() == FileKind::Fifo),
            'S' => file(|found| found.kind() == FileKind::Socket),
            'L' | 'h' => fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink()),
            _ => false,
        }
    }

    fn compare_age(&self, left: &str, right: &str) -> Option<Ordering> {
        let modified = |path: &str| {
            let found = fs::metadata(path).ok()?;
            Some(found.attributes().modified_s)
        };
        match (modified(left), modified(right)) {
            (None, None) => None,
            (left, right) => Some(left.cmp(&right)),
        }
    }

    fn are_same(&self, left: &str, right: &str) -> bool {
        let inode = |path: &str| {
            let found = fs::metadata(path).ok()?;
            Some(found.attributes().inode)
        };
        inode(left).is_some() && inode(left) == inode(right)
    }

    fn is_terminal(&self, descriptor: u32) -> bool {
        matches!(posix::system().isatty(descriptor), Ok(Ok(1)))
    }
}
