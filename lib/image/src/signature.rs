//! The signature at the end of an image file.

use ed25519_compact as ed25519;

use crate::ImageError;

/// Last bytes of a signed image.
const MAGIC: [u8; 8] = *b"RLSIGN01";

/// Bytes of an Ed25519 signature.
const SIGNATURE_SIZE: usize = 64;

/// Bytes the signature adds to an ELF file.
pub const TRAILER_SIZE: usize = SIGNATURE_SIZE + 8 + MAGIC.len();

/// Bytes of the secret a key pair is made from.
pub const SEED_SIZE: usize = 32;

/// Key that tells the build's images from all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Reads 64 hexadecimal digits, the form in which the build hands it over.
    ///
    /// # Errors
    /// [`ImageError::BadKey`] for any other text.
    pub const fn from_hex(text: &str) -> Result<Self, ImageError> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return Err(ImageError::BadKey);
        }
        let mut key = [0; 32];
        let mut index = 0;
        while index < 32 {
            let (Some(high), Some(low)) = (
                hex_value(digits[2 * index]),
                hex_value(digits[2 * index + 1]),
            ) else {
                return Err(ImageError::BadKey);
            };
            key[index] = high << 4 | low;
            index += 1;
        }
        Ok(Self(key))
    }

    /// The key's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// An ELF file whose signature was checked.
#[derive(Clone, Copy, Debug)]
pub struct SignedImage<'a> {
    elf: &'a [u8],
}

impl<'a> SignedImage<'a> {
    /// Checks the signature of an image file.
    ///
    /// # Errors
    /// [`ImageError::Unsigned`], [`ImageError::Truncated`],
    /// [`ImageError::SignatureMismatch`] or [`ImageError::BadKey`].
    pub fn check(file: &'a [u8], key: &PublicKey) -> Result<Self, ImageError> {
        let (rest, magic) = file.split_last_chunk::<8>().ok_or(ImageError::Unsigned)?;
        if *magic != MAGIC {
            return Err(missing_trailer(file));
        }
        let (rest, length) = rest.split_last_chunk::<8>().ok_or(ImageError::Unsigned)?;
        let (elf, signature) = rest
            .split_last_chunk::<SIGNATURE_SIZE>()
            .ok_or(ImageError::Unsigned)?;
        let (expected, found) = (u64::from_le_bytes(*length), elf.len() as u64);
        if expected > found {
            return Err(ImageError::Truncated { expected, found });
        }
        if expected < found {
            return Err(ImageError::SignatureMismatch);
        }
        let key = ed25519::PublicKey::new(key.0);
        let signature = ed25519::Signature::new(*signature);
        key.verify(elf, &signature).map_err(|error| match error {
            ed25519::Error::InvalidPublicKey | ed25519::Error::WeakPublicKey => ImageError::BadKey,
            _ => ImageError::SignatureMismatch,
        })?;
        Ok(Self { elf })
    }

    /// The ELF bytes that were signed.
    #[must_use]
    pub const fn elf(&self) -> &'a [u8] {
        self.elf
    }
}

/// The trailer that makes a signed image of `elf`, signed with the key made
/// from `seed`. Only the build calls it.
///
/// # Errors
/// [`ImageError::BadKey`] for a seed that makes no key (none is known).
pub fn trailer(elf: &[u8], seed: &[u8; SEED_SIZE]) -> Result<[u8; TRAILER_SIZE], ImageError> {
    let signature = key_pair(seed)?.sk.sign(elf, None);
    let mut trailer = [0; TRAILER_SIZE];
    let (head, magic) = trailer.split_at_mut(SIGNATURE_SIZE + 8);
    let (place, length) = head.split_at_mut(SIGNATURE_SIZE);
    place.copy_from_slice(signature.as_ref());
    length.copy_from_slice(&(elf.len() as u64).to_le_bytes());
    magic.copy_from_slice(&MAGIC);
    Ok(trailer)
}

/// The public half of the key pair made from `seed`.
///
/// # Errors
/// [`ImageError::BadKey`] for a seed that makes no key (none is known).
pub fn public_key(seed: &[u8; SEED_SIZE]) -> Result<PublicKey, ImageError> {
    Ok(PublicKey(*key_pair(seed)?.pk))
}

fn key_pair(seed: &[u8; SEED_SIZE]) -> Result<ed25519::KeyPair, ImageError> {
    ed25519::KeyPair::try_from_seed(ed25519::Seed::new(*seed)).map_err(|_| ImageError::BadKey)
}

/// Tells a file that lost its end from one that never had a signature: the
/// section headers are the last thing in an ELF file before the trailer.
fn missing_trailer(file: &[u8]) -> ImageError {
    const SECTION_OFFSET: usize = 0x28;
    const SECTION_COUNT: usize = 0x3c;
    const SECTION_SIZE: u64 = 64;

    let elf_end = || {
        let header = file.strip_prefix(b"\x7fELF").and(file.get(..0x40))?;
        let start = header.get(SECTION_OFFSET..)?.first_chunk::<8>()?;
        let count = header.get(SECTION_COUNT..)?.first_chunk::<2>()?;
        let size = SECTION_SIZE * u64::from(u16::from_le_bytes(*count));
        u64::from_le_bytes(*start).checked_add(size)
    };
    let found = file.len() as u64;
    match elf_end() {
        Some(end) if end != 0 && end != found => ImageError::Truncated {
            expected: end.saturating_add(TRAILER_SIZE as u64),
            found,
        },
        _ => ImageError::Unsigned,
    }
}

const fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}
