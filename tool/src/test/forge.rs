//! Images that a system must refuse, made from one that it would run.
//!
//! A forged image is what the build made but for one thing, so that the one
//! check it must fail is the one it fails. Those whose note was changed are
//! signed again with the checkout's key: the signature is not what stops them.

use std::ops::Range;

use abi::role::Role;
use domain_image::{
    IMAGE_TRAILER_SIZE, Identity, ImageError, SEED_SIZE, SignedImage, Version, image_trailer,
    public_key,
};
use serde::Deserialize;

/// First bytes of the note, `abi::DomainNote`.
const NOTE_MAGIC: &[u8] = b"RLDOMN01";

/// Offsets in the note; lib/image/src/note.rs has all of them.
const ABI_VERSION: usize = 8;
const COMPILER: usize = 48;
const PROVIDES: usize = 56;

/// Places in the trailer, as lib/image/src/lib.rs draws it.
const ROLE: usize = 0;
const SIGNATURE: Range<usize> = IMAGE_TRAILER_SIZE - 72..IMAGE_TRAILER_SIZE - 8;

/// A role that there is not.
const NO_ROLE: u32 = 9;

/// What is wrong with a forged image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Nothing: it is where it does not belong.
    Nothing,
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
    /// The role beside it is another, the signature is the old one.
    FlippedRole,
    /// It is signed for a role that there is not.
    SignedAsNothing,
    /// It is signed as the supervisor's.
    SignedAsSupervisor,
    /// It is signed as a driver's.
    SignedAsDriver,
    /// It is signed as a service's.
    SignedAsService,
    /// It is signed as a program's.
    SignedAsProgram,
    /// It is signed as an image of another name.
    SignedAsOther,
    /// It is signed as version 0.0.0 of its package.
    SignedAsOlder,
}

/// A scenario's forgery.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Forgery {
    /// Name of an image of the boot archive, or of a program.
    pub image: String,
    /// What is wrong with it.
    pub change: Change,
    /// Name of a file in `$FORGED` instead of the image's place in the archive.
    pub file: Option<String>,
}

/// Why an image cannot be forged.
#[derive(Debug, thiserror::Error)]
pub enum ForgeError {
    /// It is no signed image.
    #[error("not a signed image: {0}")]
    NotSigned(ImageError),
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
    let key = public_key(seed).map_err(ImageError::Signature)?;
    let genuine = SignedImage::check(signed, &key).map_err(ForgeError::NotSigned)?;
    let (elf, identity) = (genuine.elf(), *genuine.identity());
    let (mut image, mut changed) = (signed.to_vec(), elf.to_vec());
    let sign = |elf: &[u8], identity: &Identity<'_>, seed: &[u8; SEED_SIZE]| {
        let trailer = image_trailer(elf, identity, seed)?;
        Ok([elf, &trailer].concat())
    };
    let as_role = |role: u32| sign(elf, &Identity { role, ..identity }, seed);
    let offset = match change {
        Change::Nothing => return Ok(image),
        Change::Unsigned => return Ok(changed),
        Change::Shortened => {
            image.pop();
            return Ok(image);
        }
        Change::FlippedBit => {
            image[elf.len() / 2] ^= 1;
            return Ok(image);
        }
        Change::FlippedRole => {
            image[elf.len() + ROLE] ^= 1;
            return Ok(image);
        }
        Change::Forged => {
            changed[elf.len() / 2] ^= 1;
            let mut fitting = image_trailer(&changed, &identity, seed)?;
            fitting[SIGNATURE].copy_from_slice(&signed[elf.len()..][SIGNATURE]);
            return Ok([changed, fitting].concat());
        }
        Change::ForeignKey => {
            let mut foreign = *seed;
            foreign[0] ^= 1;
            return sign(elf, &identity, &foreign);
        }
        Change::SignedAsNothing => return as_role(NO_ROLE),
        Change::SignedAsSupervisor => return as_role(Role::Supervisor as u32),
        Change::SignedAsDriver => return as_role(Role::Driver as u32),
        Change::SignedAsService => return as_role(Role::Service as u32),
        Change::SignedAsProgram => return as_role(Role::Program as u32),
        Change::SignedAsOther => {
            let name = "other";
            return sign(elf, &Identity { name, ..identity }, seed);
        }
        Change::SignedAsOlder => {
            let version = Version([0; 3]);
            return sign(
                elf,
                &Identity {
                    version,
                    ..identity
                },
                seed,
            );
        }
        Change::OtherCompiler => COMPILER,
        Change::OtherAbi => ABI_VERSION,
        Change::StaleInterface => PROVIDES,
        Change::DamagedNote => 0,
    };
    let note = note_offset(elf)?;
    changed[note + offset] ^= 1;
    sign(&changed, &identity, seed)
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
    use domain_image::SignatureError;

    const SEED: [u8; SEED_SIZE] = [7; SEED_SIZE];
    const IDENTITY: Identity<'_> = Identity {
        role: Role::Service as u32,
        version: Version([1, 0, 0]),
        package: "package",
        name: "image",
    };

    /// A signed file with a note in it.
    fn signed() -> Vec<u8> {
        let mut file = vec![0; 32];
        file.extend_from_slice(NOTE_MAGIC);
        file.resize(256, 0);
        let trailer = image_trailer(&file, &IDENTITY, &SEED).unwrap();
        file.extend_from_slice(&trailer);
        file
    }

    fn verdict(file: &[u8]) -> Result<Identity<'_>, ImageError> {
        let image = SignedImage::check(file, &public_key(&SEED).unwrap())?;
        Ok(*image.identity())
    }

    #[test]
    fn changes_of_the_file_spoil_the_signature() {
        assert_eq!(verdict(&signed()), Ok(IDENTITY));
        let forged = |change| {
            let forged = forge(&signed(), change, &SEED).unwrap();
            match verdict(&forged).unwrap_err() {
                ImageError::Signature(error) => error,
                error => panic!("{error}"),
            }
        };
        assert_eq!(forged(Change::Unsigned), SignatureError::Unsigned);
        assert_eq!(forged(Change::FlippedBit), SignatureError::Damaged);
        assert_eq!(forged(Change::FlippedRole), SignatureError::Damaged);
        assert_eq!(forged(Change::Forged), SignatureError::Mismatch);
        assert!(matches!(
            forged(Change::ForeignKey),
            SignatureError::ForeignKey { .. }
        ));
    }

    #[test]
    fn changes_of_the_identity_are_signed() {
        let identity = |change| {
            let forged = forge(&signed(), change, &SEED).unwrap();
            let identity = verdict(&forged).unwrap();
            (identity.role, identity.name == "other", identity.version.0)
        };
        let version = IDENTITY.version.0;
        assert_eq!(identity(Change::SignedAsNothing), (9, false, version));
        assert_eq!(identity(Change::SignedAsSupervisor), (1, false, version));
        assert_eq!(identity(Change::SignedAsDriver), (2, false, version));
        assert_eq!(identity(Change::SignedAsService), (3, false, version));
        assert_eq!(identity(Change::SignedAsProgram), (4, false, version));
        assert_eq!(identity(Change::SignedAsOther), (3, true, version));
        assert_eq!(identity(Change::SignedAsOlder), (3, false, [0; 3]));
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
            assert_eq!(verdict(&forged), Ok(IDENTITY), "{change:?}");
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
        let trailer = image_trailer(&[0; 200], &IDENTITY, &SEED).unwrap();
        let file = [&[0; 200][..], &trailer].concat();
        assert_eq!(forge(&file), "expected one note in the image, found 0");
    }
}
