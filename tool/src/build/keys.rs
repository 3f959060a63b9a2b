//! The key pair that signs this checkout's images.
//!
//! It is made at the first build and never leaves `target/keys/`: an image of
//! another checkout is a foreign image. Only its owner may read it, or reach the folder:
//! that is looked at each time, and a key that others could read or replace is not used
//! again.

use std::fmt::Write as _;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use domain_image::{PublicKey, SEED_SIZE};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::process::geteuid;

use super::BuildError;
use crate::error::ToolError;
use crate::tree::Tree;

/// Name of the file with the secret.
const FILE: &str = "image-signing.key";

/// What others may do: anything, and write.
const OTHERS: u32 = 0o077;
const OTHERS_WRITE: u32 = 0o022;

/// The key pair, as the secret it is made from.
pub struct Keys {
    /// The secret.
    pub seed: [u8; SEED_SIZE],
    /// What the kernels check with.
    pub public: PublicKey,
}

impl Keys {
    /// Reads the secret, or makes one: at the first build, and if others could read or
    /// replace the one there is, which is said.
    ///
    /// # Errors
    /// [`BuildError::KeyOwner`] if the folder is somebody else's, or any of files.
    pub fn load_or_make(tree: &Tree) -> Result<Self, ToolError> {
        Self::load_in(&folder(tree)?)
    }

    fn load_in(folder: &Path) -> Result<Self, ToolError> {
        let path = folder.join(FILE);
        let was_safe = close(folder)?;
        let seed = match read(&path)? {
            Secret::Known(seed) if was_safe => seed,
            Secret::Missing => make(&path)?,
            Secret::Known(_) | Secret::Exposed => {
                eprintln!(
                    "redleaf: others could read or replace {}: a new key is made, and \
                     all is signed anew",
                    path.display()
                );
                make(&path)?
            }
        };
        let public = domain_image::public_key(&seed).map_err(|error| BuildError::Image {
            path,
            error: error.into(),
        })?;
        Ok(Self { seed, public })
    }

    /// The public key as the kernels' build expects it.
    pub fn public_hex(&self) -> String {
        self.public
            .as_bytes()
            .iter()
            .fold(String::new(), |mut text, byte| {
                // Writing to a String cannot fail.
                let _ = write!(text, "{byte:02x}");
                text
            })
    }
}

/// The folder of the key, made if it is not there.
///
/// # Errors
/// [`ToolError::File`] if that is impossible.
pub fn folder(tree: &Tree) -> Result<PathBuf, ToolError> {
    tree.make_target("")?;
    let folder = tree.target("keys");
    match DirBuilder::new().mode(0o700).create(&folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            Err(ToolError::file("make", &folder)(error))
        }
        _ => Ok(folder),
    }
}

/// Sees to it that nobody else reaches into the folder; whether nobody could write there
/// before.
fn close(folder: &Path) -> Result<bool, ToolError> {
    // A link may lead to a folder that somebody else renames.
    let metadata = fs::symlink_metadata(folder).map_err(ToolError::file("find", folder))?;
    let expected = geteuid().as_raw();
    if !metadata.is_dir() || metadata.uid() != expected {
        let path = folder.to_owned();
        return Err(BuildError::KeyOwner { path, expected }.into());
    }
    if metadata.mode() & OTHERS != 0 {
        let closed = Permissions::from_mode(0o700);
        fs::set_permissions(folder, closed).map_err(ToolError::file("close", folder))?;
    }
    Ok(metadata.mode() & OTHERS_WRITE == 0)
}

/// What lies where the secret is expected.
enum Secret {
    Known([u8; SEED_SIZE]),
    /// Nothing, or nothing whole.
    Missing,
    /// What others could read or write.
    Exposed,
}

/// Reads the secret, if it is one.
fn read(path: &Path) -> Result<Secret, ToolError> {
    let failed = |error| ToolError::file("read", path)(error);
    let mut options = OpenOptions::new();
    options
        .read(true)
        .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed());
    let mut file = match options.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Secret::Missing),
        // The name is a link's.
        Err(error) if Errno::from_io_error(&error) == Some(Errno::LOOP) => {
            return Ok(Secret::Exposed);
        }
        Err(error) => return Err(failed(error)),
    };
    let metadata = file.metadata().map_err(failed)?;
    let is_own = metadata.is_file() && metadata.uid() == geteuid().as_raw();
    if !is_own || metadata.mode() & OTHERS != 0 {
        return Ok(Secret::Exposed);
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes.try_into().map_or(Secret::Missing, Secret::Known))
}

/// Makes a secret from the host's random numbers, readable by its owner only, in a file
/// of its own: an old one may still be open elsewhere.
fn make(path: &Path) -> Result<[u8; SEED_SIZE], ToolError> {
    let random = Path::new("/dev/urandom");
    let mut seed = [0; SEED_SIZE];
    File::open(random)
        .and_then(|mut file| file.read_exact(&mut seed))
        .map_err(ToolError::file("read", random))?;
    let new = path.with_extension(std::process::id().to_string());
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    options
        .open(&new)
        .and_then(|mut file| file.write_all(&seed))
        .map_err(ToolError::file("write", &new))?;
    fs::rename(&new, path).map_err(ToolError::file("write", path))?;
    Ok(seed)
}

#[cfg(test)]
mod tests {
    use rustix::fs::Mode;
    use rustix::process::umask;
    use tempfile::TempDir;

    use super::*;

    /// A folder and a key with these modes, which may have to be theirs from the
    /// beginning: what is confined cannot change any.
    fn keys(folder_mode: u32, key_mode: u32) -> (TempDir, PathBuf) {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("keys");
        let old = umask(Mode::empty());
        DirBuilder::new().mode(folder_mode).create(&folder).unwrap();
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(key_mode);
        let mut file = options.open(folder.join(FILE)).unwrap();
        umask(old);
        file.write_all(&[7; SEED_SIZE]).unwrap();
        (outer, folder)
    }

    #[test]
    fn a_key_that_only_its_owner_reaches_is_used() {
        let (_outer, folder) = keys(0o700, 0o600);
        assert_eq!(Keys::load_in(&folder).unwrap().seed, [7; SEED_SIZE]);
    }

    #[test]
    fn a_key_that_others_could_read_or_write_is_not_used_again() {
        for mode in [0o666, 0o644, 0o620, 0o604] {
            let (_outer, folder) = keys(0o700, mode);
            let made = Keys::load_in(&folder).unwrap().seed;
            assert_ne!(made, [7; SEED_SIZE], "{mode:o}");
            let metadata = fs::metadata(folder.join(FILE)).unwrap();
            assert_eq!(metadata.mode() & 0o777, 0o600);
            assert_eq!(Keys::load_in(&folder).unwrap().seed, made);
        }
    }

    #[test]
    fn a_key_that_others_could_replace_is_not_used_again() {
        for mode in [0o777, 0o770, 0o702] {
            let (_outer, folder) = keys(mode, 0o600);
            match Keys::load_in(&folder) {
                Ok(keys) => assert_ne!(keys.seed, [7; SEED_SIZE], "{mode:o}"),
                // What is confined cannot close it.
                Err(error) => assert!(error.to_string().starts_with("cannot close")),
            }
        }
    }

    #[test]
    fn a_link_is_no_key_and_no_folder_of_keys() {
        let (outer, folder) = keys(0o700, 0o600);
        let (key, elsewhere) = (folder.join(FILE), outer.path().join("elsewhere"));
        fs::rename(&key, &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &key).unwrap();
        assert_ne!(Keys::load_in(&folder).unwrap().seed, [7; SEED_SIZE]);
        let link = outer.path().join("link");
        std::os::unix::fs::symlink(&folder, &link).unwrap();
        let error = Keys::load_in(&link).err().unwrap().to_string();
        assert!(error.contains("expected a folder of user"), "{error}");
    }
}
