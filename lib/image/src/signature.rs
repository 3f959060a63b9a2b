//! The signature at the end of an image file.
//!
//! Only the signature decides. What the trailer says beside it is read when it
//! does not hold, to tell a damaged image from another build's and a forged one.

use alloc::vec::Vec;

use ed25519_compact as ed25519;

use crate::ImageError;
use crate::error::KeyId;

/// Last bytes of a signed image.
const MAGIC: [u8; 8] = *b"RLSIGN02";

/// Bytes of an Ed25519 signature.
const SIGNATURE_SIZE: usize = 64;

/// Bytes the signature adds to an ELF file.
pub const TRAILER_SIZE: usize = Record::SIZE + SIGNATURE_SIZE + MAGIC.len();

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
    /// [`ImageError::Unsigned`], [`ImageError::Truncated`], [`ImageError::Damaged`],
    /// [`ImageError::ForeignKey`], [`ImageError::SignatureMismatch`] or
    /// [`ImageError::BadKey`].
    pub fn check(file: &'a [u8], key: &PublicKey) -> Result<Self, ImageError> {
        let (rest, magic) = file.split_last_chunk::<8>().ok_or(ImageError::Unsigned)?;
        if *magic != MAGIC {
            return Err(missing_trailer(file));
        }
        let (signed, signature) = rest
            .split_last_chunk::<SIGNATURE_SIZE>()
            .ok_or(ImageError::Unsigned)?;
        let (elf, record) = Record::split(signed).ok_or(ImageError::Unsigned)?;
        let found = elf.len() as u64;
        if record.length > found {
            return Err(ImageError::Truncated {
                expected: record.length,
                found,
            });
        }
        let verdict =
            ed25519::PublicKey::new(key.0).verify(signed, &ed25519::Signature::new(*signature));
        match verdict {
            Ok(()) if record.length == found => Ok(Self { elf }),
            Err(ed25519::Error::InvalidPublicKey | ed25519::Error::WeakPublicKey) => {
                Err(ImageError::BadKey)
            }
            _ => Err(record.accuse(elf, key)),
        }
    }

    /// The ELF bytes that were signed.
    #[must_use]
    pub const fn elf(&self) -> &'a [u8] {
        self.elf
    }
}

/// What stands between the ELF file and the signature, and is signed with it.
struct Record {
    /// Hash of the ELF file.
    checksum: u64,
    /// Of the key that signed.
    key: KeyId,
    /// Bytes of the ELF file.
    length: u64,
}

impl Record {
    const SIZE: usize = 24;

    fn of(elf: &[u8], key: &[u8; 32]) -> Self {
        Self {
            checksum: hash(elf),
            key: KeyId::of(key),
            length: elf.len() as u64,
        }
    }

    fn emit(&self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        let fields = [
            self.checksum.to_le_bytes(),
            self.key.0,
            self.length.to_le_bytes(),
        ];
        for (place, field) in bytes.chunks_exact_mut(8).zip(fields) {
            place.copy_from_slice(&field);
        }
        bytes
    }

    /// The ELF file and its record.
    fn split(signed: &[u8]) -> Option<(&[u8], Self)> {
        let (rest, length) = signed.split_last_chunk::<8>()?;
        let (rest, key) = rest.split_last_chunk::<8>()?;
        let (elf, checksum) = rest.split_last_chunk::<8>()?;
        let record = Self {
            checksum: u64::from_le_bytes(*checksum),
            key: KeyId(*key),
            length: u64::from_le_bytes(*length),
        };
        Some((elf, record))
    }

    /// Why the signature of `elf` by `key` does not hold.
    fn accuse(&self, elf: &[u8], key: &PublicKey) -> ImageError {
        let expected = KeyId::of(&key.0);
        if self.checksum != hash(elf) || self.length != elf.len() as u64 {
            ImageError::Damaged
        } else if self.key != expected {
            ImageError::ForeignKey {
                expected,
                found: self.key,
            }
        } else {
            ImageError::SignatureMismatch
        }
    }
}

/// FNV-1a, 64 bit: no two files that differ in one byte have the same.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// The trailer that makes a signed image of `elf`, signed with the key made
/// from `seed`. Only the build calls it.
///
/// # Errors
/// [`ImageError::BadKey`] for a seed that makes no key (none is known).
pub fn trailer(elf: &[u8], seed: &[u8; SEED_SIZE]) -> Result<[u8; TRAILER_SIZE], ImageError> {
    let pair = key_pair(seed)?;
    let record = Record::of(elf, &pair.pk).emit();
    let mut signed = Vec::with_capacity(elf.len() + record.len());
    signed.extend_from_slice(elf);
    signed.extend_from_slice(&record);
    let signature = pair.sk.sign(&signed, None);
    let mut trailer = [0; TRAILER_SIZE];
    let (place, rest) = trailer.split_at_mut(Record::SIZE);
    place.copy_from_slice(&record);
    let (place, magic) = rest.split_at_mut(SIGNATURE_SIZE);
    place.copy_from_slice(signature.as_ref());
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
    /// A header that says more is no header.
    const MAX_ELF_SIZE: u64 = 1 << 32;

    let elf_end = || {
        let header = file.strip_prefix(b"\x7fELF").and(file.get(..0x40))?;
        let start = header.get(SECTION_OFFSET..)?.first_chunk::<8>()?;
        let count = header.get(SECTION_COUNT..)?.first_chunk::<2>()?;
        let size = SECTION_SIZE * u64::from(u16::from_le_bytes(*count));
        u64::from_le_bytes(*start).checked_add(size)
    };
    let found = file.len() as u64;
    let is_plausible = |end: &u64| (1..MAX_ELF_SIZE).contains(end) && *end != found;
    let Some(end) = elf_end().filter(is_plausible) else {
        return ImageError::Unsigned;
    };
    let expected = end + TRAILER_SIZE as u64;
    if found < expected {
        ImageError::Truncated { expected, found }
    } else {
        ImageError::Damaged
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
