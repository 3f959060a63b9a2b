//! The key pair that signs this checkout's images.
//!
//! It is made at the first build and never leaves `target/keys/`: an image of
//! another checkout is a foreign image.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use domain_image::{PublicKey, SEED_SIZE};

use super::BuildError;
use crate::error::ToolError;
use crate::tree::Tree;

/// The key pair, as the secret it is made from.
pub struct Keys {
    /// The secret.
    pub seed: [u8; SEED_SIZE],
    /// What the kernels check with.
    pub public: PublicKey,
}

impl Keys {
    /// Reads the secret, or makes one at the first build.
    pub fn load_or_make(tree: &Tree) -> Result<Self, ToolError> {
        let path = tree.make_target("keys")?.join("image-signing.key");
        let seed = match fs::read(&path) {
            Ok(bytes) => <[u8; SEED_SIZE]>::try_from(bytes).ok(),
            Err(_) => None,
        };
        let seed = match seed {
            Some(seed) => seed,
            None => make(&path)?,
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

/// Makes a secret from the host's random numbers, readable by its owner only.
fn make(path: &Path) -> Result<[u8; SEED_SIZE], ToolError> {
    let random = Path::new("/dev/urandom");
    let mut seed = [0; SEED_SIZE];
    File::open(random)
        .and_then(|mut file| file.read_exact(&mut seed))
        .map_err(ToolError::file("read", random))?;
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(&seed))
        .map_err(ToolError::file("write", path))?;
    Ok(seed)
}
