//! The signature at the end of an image file, and of a boot archive.
//!
//! Only the signature decides. What the trailer says beside it is read when it
//! does not hold, to tell a damaged file from another build's and a forged one.

use alloc::vec::Vec;

use ed25519_compact as ed25519;

use crate::error::{ImageError, KeyId, SignatureError};
use crate::identity::{IDENTITY_SIZE, Identity};

/// Last bytes of a signed file.
const MAGIC: [u8; 8] = *b"RLSIGN03";

/// Bytes of an Ed25519 signature.
const SIGNATURE_SIZE: usize = 64;

/// Bytes the signature adds to a boot archive.
pub const TRAILER_SIZE: usize = Record::SIZE + SIGNATURE_SIZE + MAGIC.len();

/// Bytes identity and signature add to an ELF file.
pub const IMAGE_TRAILER_SIZE: usize = IDENTITY_SIZE + TRAILER_SIZE;

/// Bytes of the secret a key pair is made from.
pub const SEED_SIZE: usize = 32;

/// Key that tells the build's images from all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Reads 64 hexadecimal digits, the form in which the build hands it over.
    ///
    /// # Errors
    /// [`SignatureError::BadKey`] for any other text.
    pub const fn from_hex(text: &str) -> Result<Self, SignatureError> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return Err(SignatureError::BadKey);
        }
        let mut key = [0; 32];
        let mut index = 0;
        while index < 32 {
            let (Some(high), Some(low)) = (
                hex_value(digits[2 * index]),
                hex_value(digits[2 * index + 1]),
            ) else {
                return Err(SignatureError::BadKey);
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

/// An ELF file whose signature was checked, and who it is by that signature.
#[derive(Clone, Copy, Debug)]
pub struct SignedImage<'a> {
    elf: &'a [u8],
    identity: Identity<'a>,
}

impl<'a> SignedImage<'a> {
    /// Checks the signature of an image file.
    ///
    /// # Errors
    /// [`ImageError::Signature`] and [`ImageError::BadIdentity`].
    pub fn check(file: &'a [u8], key: &PublicKey) -> Result<Self, ImageError> {
        Self::check_while(file, key, &mut || true)
    }

    /// The same, as long as `goes_on` says so: it takes a while.
    ///
    /// # Errors
    /// As [`SignedImage::check`]; [`SignatureError::BrokenOff`].
    pub fn check_while(
        file: &'a [u8],
        key: &PublicKey,
        goes_on: &mut dyn FnMut() -> bool,
    ) -> Result<Self, ImageError> {
        let content = check(file, Kind::Image, key, goes_on).map_err(|error| match error {
            SignatureError::Unsigned => missing_trailer(file),
            error => error,
        })?;
        let (elf, identity) = content
            .split_last_chunk::<IDENTITY_SIZE>()
            .ok_or(ImageError::BadIdentity)?;
        Ok(Self {
            elf,
            identity: Identity::parse(identity)?,
        })
    }

    /// The ELF bytes that were signed.
    #[must_use]
    pub const fn elf(&self) -> &'a [u8] {
        self.elf
    }

    /// Which image the build signed them as.
    #[must_use]
    pub const fn identity(&self) -> &Identity<'a> {
        &self.identity
    }
}

/// A boot archive whose signature was checked.
#[derive(Clone, Copy, Debug)]
pub struct SignedArchive<'a> {
    tar: &'a [u8],
}

impl<'a> SignedArchive<'a> {
    /// Checks the signature of a boot archive: every byte of it.
    ///
    /// # Errors
    /// The [`SignatureError`] that names the first check that failed.
    pub fn check(file: &'a [u8], key: &PublicKey) -> Result<Self, SignatureError> {
        let tar = check(file, Kind::Archive, key, &mut || true)?;
        Ok(Self { tar })
    }

    /// The tar file that was signed.
    #[must_use]
    pub const fn tar(&self) -> &'a [u8] {
        self.tar
    }
}

/// Bytes that are looked at between two questions whether to go on.
const PIECE: usize = 16 << 10;

/// The content of a signed file of this kind.
fn check<'a>(
    file: &'a [u8],
    kind: Kind,
    key: &PublicKey,
    goes_on: &mut dyn FnMut() -> bool,
) -> Result<&'a [u8], SignatureError> {
    let (rest, magic) = file
        .split_last_chunk::<8>()
        .ok_or(SignatureError::Unsigned)?;
    if *magic != MAGIC {
        return Err(SignatureError::Unsigned);
    }
    let (signed, signature) = rest
        .split_last_chunk::<SIGNATURE_SIZE>()
        .ok_or(SignatureError::Unsigned)?;
    let (content, record) = Record::split(signed).ok_or(SignatureError::Unsigned)?;
    let found = content.len() as u64;
    if record.length > found {
        return Err(SignatureError::Truncated {
            expected: record.length,
            found,
        });
    }
    let key_of_build = ed25519::PublicKey::new(key.0);
    let verdict = key_of_build.verify_incremental(&ed25519::Signature::new(*signature));
    let verdict = match verdict {
        Ok(mut state) => {
            for piece in signed.chunks(PIECE) {
                if !goes_on() {
                    return Err(SignatureError::BrokenOff);
                }
                state.absorb(piece);
            }
            state.verify()
        }
        Err(error) => Err(error),
    };
    match verdict {
        Ok(()) if record.kind != kind.tag() => Err(SignatureError::OtherKind),
        Ok(()) if record.length == found => Ok(content),
        Err(ed25519::Error::InvalidPublicKey | ed25519::Error::WeakPublicKey) => {
            Err(SignatureError::BadKey)
        }
        _ => Err(record.accuse(content, key, goes_on)),
    }
}

/// What is signed. The kind is part of what is signed, so that none is taken
/// for another.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Image,
    Archive,
}

impl Kind {
    const fn tag(self) -> [u8; 8] {
        match self {
            Self::Image => *b"IMAGE\0\0\x01",
            Self::Archive => *b"ARCHIVE\x01",
        }
    }
}

/// What stands between the content and the signature, and is signed with it.
struct Record {
    /// Hash of the content.
    checksum: u64,
    /// Of the key that signed.
    key: KeyId,
    /// Bytes of the content.
    length: u64,
    /// Tag of the [`Kind`].
    kind: [u8; 8],
}

impl Record {
    const SIZE: usize = 32;

    fn of(content: &[u8], kind: Kind, key: &[u8; 32]) -> Self {
        Self {
            checksum: hash(content),
            key: KeyId::of(key),
            length: content.len() as u64,
            kind: kind.tag(),
        }
    }

    fn emit(&self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        let fields = [
            self.checksum.to_le_bytes(),
            self.key.0,
            self.length.to_le_bytes(),
            self.kind,
        ];
        for (place, field) in bytes.chunks_exact_mut(8).zip(fields) {
            place.copy_from_slice(&field);
        }
        bytes
    }

    /// The content and its record.
    fn split(signed: &[u8]) -> Option<(&[u8], Self)> {
        let (rest, kind) = signed.split_last_chunk::<8>()?;
        let (rest, length) = rest.split_last_chunk::<8>()?;
        let (rest, key) = rest.split_last_chunk::<8>()?;
        let (content, checksum) = rest.split_last_chunk::<8>()?;
        let record = Self {
            checksum: u64::from_le_bytes(*checksum),
            key: KeyId(*key),
            length: u64::from_le_bytes(*length),
            kind: *kind,
        };
        Some((content, record))
    }

    /// Why the signature of `content` by `key` does not hold.
    fn accuse(
        &self,
        content: &[u8],
        key: &PublicKey,
        goes_on: &mut dyn FnMut() -> bool,
    ) -> SignatureError {
        let expected = KeyId::of(&key.0);
        let mut checksum = FNV_OFFSET;
        for piece in content.chunks(PIECE) {
            if !goes_on() {
                return SignatureError::BrokenOff;
            }
            checksum = hash_on(checksum, piece);
        }
        if self.checksum != checksum || self.length != content.len() as u64 {
            SignatureError::Damaged
        } else if self.key != expected {
            SignatureError::ForeignKey {
                expected,
                found: self.key,
            }
        } else {
            SignatureError::Mismatch
        }
    }
}

/// FNV-1a, 64 bit: no two files that differ in one byte have the same.
fn hash(bytes: &[u8]) -> u64 {
    hash_on(FNV_OFFSET, bytes)
}

/// The hash of no bytes.
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;

/// The hash of some bytes and of more.
fn hash_on(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// What makes a signed image of `elf` when it is added to its end, signed with
/// the key made from `seed`. Only the build calls it.
///
/// # Errors
/// [`ImageError::BadIdentity`] for names that are too long, and
/// [`SignatureError::BadKey`] for a seed that makes no key (none is known).
pub fn image_trailer(
    elf: &[u8],
    identity: &Identity<'_>,
    seed: &[u8; SEED_SIZE],
) -> Result<Vec<u8>, ImageError> {
    let identity = identity.emit()?;
    let mut trailer = identity.to_vec();
    trailer.extend_from_slice(&trailer_of(&[elf, &identity].concat(), Kind::Image, seed)?);
    Ok(trailer)
}

/// What makes a signed boot archive of `tar` when it is added to its end.
///
/// # Errors
/// [`SignatureError::BadKey`] for a seed that makes no key (none is known).
pub fn archive_trailer(
    tar: &[u8],
    seed: &[u8; SEED_SIZE],
) -> Result<[u8; TRAILER_SIZE], SignatureError> {
    trailer_of(tar, Kind::Archive, seed)
}

fn trailer_of(
    content: &[u8],
    kind: Kind,
    seed: &[u8; SEED_SIZE],
) -> Result<[u8; TRAILER_SIZE], SignatureError> {
    let pair = key_pair(seed)?;
    let record = Record::of(content, kind, &pair.pk).emit();
    let signature = pair.sk.sign([content, &record[..]].concat(), None);
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
/// [`SignatureError::BadKey`] for a seed that makes no key (none is known).
pub fn public_key(seed: &[u8; SEED_SIZE]) -> Result<PublicKey, SignatureError> {
    Ok(PublicKey(*key_pair(seed)?.pk))
}

fn key_pair(seed: &[u8; SEED_SIZE]) -> Result<ed25519::KeyPair, SignatureError> {
    ed25519::KeyPair::try_from_seed(ed25519::Seed::new(*seed)).map_err(|_| SignatureError::BadKey)
}

/// Tells a file that lost its end from one that never had a signature: the
/// section headers are the last thing in an ELF file before the trailer.
fn missing_trailer(file: &[u8]) -> SignatureError {
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
        return SignatureError::Unsigned;
    };
    let expected = end + IMAGE_TRAILER_SIZE as u64;
    if found < expected {
        SignatureError::Truncated { expected, found }
    } else {
        SignatureError::Damaged
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
