//! What a file contains, as a number that nobody finds a second file for.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use hmac_sha256::Hash;

/// How much is read at a time, in bytes.
const CHUNK: usize = 1 << 16;

/// SHA-256 of a file's contents, in hexadecimal digits; of a link, of where it leads.
///
/// # Errors
/// What keeps it from being read.
pub fn of(path: &Path) -> io::Result<String> {
    let mut hash = Hash::new();
    if fs::symlink_metadata(path)?.is_symlink() {
        hash.update(fs::read_link(path)?.as_os_str().as_bytes());
        return Ok(text(hash));
    }
    let mut file = File::open(path)?;
    let mut chunk = vec![0; CHUNK];
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(text(hash)),
            length => hash.update(&chunk[..length]),
        }
    }
}

/// One number for names and contents of all these files. One that cannot be read counts
/// as one that is not there.
pub fn of_all(paths: &[PathBuf]) -> String {
    let mut hash = Hash::new();
    for path in paths {
        if let Ok(digest) = of(path) {
            hash.update(path.as_os_str().as_bytes());
            hash.update([0]);
            hash.update(digest);
        }
    }
    text(hash)
}

fn text(hash: Hash) -> String {
    let bytes = hash.finalize();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// All files and links in a folder, at any depth, in order of their names; the path
/// itself, if it is no folder.
pub fn files_below(path: &Path) -> Vec<PathBuf> {
    let Ok(metadata) = fs::symlink_metadata(path) else {
        return Vec::new();
    };
    if !metadata.is_dir() {
        return vec![path.to_owned()];
    }
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let mut entries: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    entries.sort();
    let below = entries.iter().flat_map(|entry| files_below(entry));
    below.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_and_names_count_and_times_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a/b");
        let now = || of_all(&files_below(folder.path()));
        fs::create_dir(folder.path().join("a")).unwrap();
        let mut seen = vec![now()];
        for content in ["", "1", "2", "12"] {
            fs::write(&file, content).unwrap();
            assert!(!seen.contains(&now()), "{content}");
            seen.push(now());
        }
        fs::write(&file, "1").unwrap();
        assert_eq!(seen[2], now());
        fs::rename(&file, folder.path().join("a/c")).unwrap();
        assert!(!seen.contains(&now()));
    }

    #[test]
    fn a_known_number_comes_out() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("abc");
        fs::write(&file, "abc").unwrap();
        // FIPS 180-2, appendix B.1
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(of(&file).unwrap(), expected);
    }
}
