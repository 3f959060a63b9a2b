//! Images that a system must refuse, made from one that it would run.
//!
//! A forged image is what the build made but for one thing, so that the one
//! check it must fail is the one it fails. Those whose note was changed are
//! signed again with the checkout's key: the signature is not what stops them.

use std::ops::Range;

use domain_image::{ImageError, SEED_SIZE, TRAILER_SIZE, trailer};
use serde::Deserialize;

/// First bytes of the note, `abi::DomainNote`.
const NOTE_MAGIC: &[u8] = b"RLDOMN01";

/// Offsets in the note; lib/image/src/note.rs has all of them.
const ABI_VERSION: usize = 8;
const COMPILER: usize = 48;
const PROVIDES: usize = 56;

/// Place of the signature in the trailer, as lib/image/src/lib.rs draws it.
const SIGNATURE: Range<usize> = TRAILER_SIZE - 72..TRAILER_SIZE - 8;

/// What is wrong with a forged image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It has no trailer.
    Unsigned,
    /// One bit in the middle is another.
    FlippedBit,
    /// So it is, and the trailer was made to fit, but for the signature.
    Forged,
    /// It is signed with the key of another checkout.
    ForeignKey,
    /// The last byte is missing.
    Shortened,
    /// It says that another compiler made it.
    OtherCompiler,
    /// It says that it is for another version of the kernel's interface.
    OtherAbi,
    /// Its interface has another definition.
    StaleInterface,
    /// The note that describes it is damaged.
    DamagedNote,
}

/// A scenario's forgery.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Forgery {
    /// Name of an image in the boot archive.
    pub image: String,
    /// What is wrong with it.
    pub change: Change,
}

/// Why an image cannot be forged.
#[derive(Debug, thiserror::Error)]
pub enum ForgeError {
    /// It is no signed image.
    #[error("not a signed image: expected more than its trailer")]
    TooShort,
    /// Its note is not found by its first bytes.
    #[error("expected one note in the image, found {0}")]
    Notes(usize),
    /// It cannot be signed.
    #[error(transparent)]
    Sign(#[from] ImageError),
}

/// Forges a signed image; `seed` is the checkout's secret.
///
/// # Errors
/// A [`ForgeError`] for what is no signed image with one note.
pub fn forge(signed: &[u8], change: Change, seed: &[u8; SEED_SIZE]) -> Result<Vec<u8>, ForgeError> {
    let length = signed.len().checked_sub(TRAILER_SIZE);
    let length = length.filter(|length| *length > 0);
    let length = length.ok_or(ForgeError::TooShort)?;
    let (mut image, mut elf) = (signed.to_vec(), signed[..length].to_vec());
    let offset = match change {
        Change::Unsigned => return Ok(elf),
        Change::Shortened => {
            image.pop();
            return Ok(image);
        }
        Change::FlippedBit => {
            image[length / 2] ^= 1;
            return Ok(image);
        }
        Change::Forged => {
            elf[length / 2] ^= 1;
            let mut fitting = trailer(&elf, seed)?;
            fitting[SIGNATURE].copy_from_slice(&signed[length..][SIGNATURE]);
            elf.extend_from_slice(&fitting);
            return Ok(elf);
        }
        Change::ForeignKey => {
            let mut foreign = *seed;
            foreign[0] ^= 1;
            elf.extend_from_slice(&trailer(&elf, &foreign)?);
            return Ok(elf);
        }
        Change::OtherCompiler => COMPILER,
        Change::OtherAbi => ABI_VERSION,
        Change::StaleInterface => PROVIDES,
        Change::DamagedNote => 0,
    };
    let note = note_offset(&elf)?;
    elf[note + offset] ^= 1;
    elf.extend_from_slice(&trailer(&elf, seed)?);
    Ok(elf)
}

/// Where the one note of an ELF file starts.
fn note_offset(elf: &[u8]) -> Result<usize, ForgeError> {
    let mut notes = elf
        .windows(NOTE_MAGIC.len())
        .enumerate()
        .filter(|(_, window)| *window == NOTE_MAGIC)
        .map(|(offset, _)| offset);
    match (notes.next(), notes.count()) {
        (Some(offset), 0) => Ok(offset),
        (first, more) => Err(ForgeError::Notes(usize::from(first.is_some()) + more)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain_image::{SignedImage, public_key};

    const SEED: [u8; SEED_SIZE] = [7; SEED_SIZE];

    /// A signed file with a note in it.
    fn signed() -> Vec<u8> {
        let mut file = vec![0; 32];
        file.extend_from_slice(NOTE_MAGIC);
        file.resize(256, 0);
        let trailer = trailer(&file, &SEED).unwrap();
        file.extend_from_slice(&trailer);
        file
    }

    fn verdict(file: &[u8]) -> Result<(), ImageError> {
        SignedImage::check(file, &public_key(&SEED).unwrap()).map(drop)
    }

    #[test]
    fn changes_of_the_file_spoil_the_signature() {
        assert_eq!(verdict(&signed()), Ok(()));
        let forged = |change| verdict(&forge(&signed(), change, &SEED).unwrap()).unwrap_err();
        assert_eq!(forged(Change::Unsigned), ImageError::Unsigned);
        assert_eq!(forged(Change::FlippedBit), ImageError::Damaged);
        assert_eq!(forged(Change::Forged), ImageError::SignatureMismatch);
        assert!(matches!(
            forged(Change::ForeignKey),
            ImageError::ForeignKey { .. }
        ));
    }

    #[test]
    fn changes_of_the_note_are_signed_and_change_one_field() {
        let changes = [
            (Change::DamagedNote, 32),
            (Change::OtherAbi, 40),
            (Change::OtherCompiler, 80),
            (Change::StaleInterface, 88),
        ];
        for (change, offset) in changes {
            let forged = forge(&signed(), change, &SEED).unwrap();
            assert_eq!(verdict(&forged), Ok(()), "{change:?}");
            let different: Vec<usize> =
                (0..256).filter(|at| forged[*at] != signed()[*at]).collect();
            assert_eq!(different, [offset], "{change:?}");
        }
    }

    #[test]
    fn what_is_no_image_is_not_forged() {
        let forge = |file: &[u8]| {
            forge(file, Change::OtherAbi, &SEED)
                .unwrap_err()
                .to_string()
        };
        assert!(forge(b"short").starts_with("not a signed image"));
        assert_eq!(forge(&[0; 200]), "expected one note in the image, found 0");
    }
}
