//! Boot archives that a kernel must refuse, made from one that it would boot.
//!
//! As with forged images ([`super::forge`]), one thing is wrong with each, so that
//! the one check it must fail is the one it fails.

use std::io::Read;

use domain_image::{SEED_SIZE, SignatureError, TRAILER_SIZE, archive_trailer};
use serde::Deserialize;

/// Bytes of a tar block: of a header, and what contents are padded to.
const BLOCK: usize = 512;

/// What is wrong with an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Damage {
    /// A bit of the entry's contents is another.
    FlippedBit,
    /// A bit of the entry's tar header is another: of its name.
    FlippedHeader,
    /// A bit of the padding after the entry's contents is another.
    FlippedPadding,
    /// A bit of the empty blocks at the end is another.
    FlippedEnd,
    /// A bit of the signature is another.
    FlippedSignature,
    /// It has no trailer.
    Unsigned,
    /// It lacks a block before its trailer.
    Shortened,
    /// A tar file with another of the entry follows it.
    Appended,
    /// A tar file with another of the entry precedes it.
    Prepended,
    /// It is signed with the key of another checkout.
    ForeignKey,
    /// It has the genuine trailer of an archive without the entry.
    OtherTrailer,
    /// It is a signed image: that of the entry.
    IsImage,
    /// The entry has the contents of the entry `with`.
    Replaced,
    /// So it has, and the archive is signed.
    ReplacedAndSigned,
    /// The entry is not there, and the archive is signed.
    MissingAndSigned,
}

/// A scenario's damage to its boot archive.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tampering {
    /// What is wrong.
    pub change: Damage,
    /// Which entry it concerns, if it concerns one.
    #[serde(default)]
    pub entry: String,
    /// Whose contents it gets.
    #[serde(default)]
    pub with: String,
}

/// Why an archive cannot be damaged so.
#[derive(Debug, thiserror::Error)]
pub enum TamperError {
    /// It is no tar file with a trailer.
    #[error("not a signed tar file")]
    NotSigned,
    /// It has no such entry.
    #[error("the archive has no entry {0:?} (with padding, if that is to be changed)")]
    NoEntry(String),
    /// It cannot be signed.
    #[error(transparent)]
    Sign(#[from] SignatureError),
}

/// An entry of a tar file.
#[derive(Clone)]
struct Entry {
    name: String,
    contents: Vec<u8>,
    /// Where its contents lie in the file.
    start: usize,
}

/// Damages a signed archive; `seed` is the checkout's secret.
///
/// # Errors
/// A [`TamperError`] for what is no signed archive or has no such entry.
pub fn tamper(
    archive: &[u8],
    tampering: &Tampering,
    seed: &[u8; SEED_SIZE],
) -> Result<Vec<u8>, TamperError> {
    let length = archive.len().checked_sub(TRAILER_SIZE);
    let length = length.ok_or(TamperError::NotSigned)?;
    let (tar, trailer) = archive.split_at(length);
    let entries = read(tar).ok_or(TamperError::NotSigned)?;
    let find = |name: &str| {
        let found = entries.iter().find(|entry| entry.name == name);
        found.ok_or_else(|| TamperError::NoEntry(name.to_owned()))
    };
    let entry = || find(&tampering.entry);
    let without = |name: &str| {
        let left = entries.iter().filter(|entry| entry.name != name);
        write(left.map(|entry| (entry.name.as_str(), &entry.contents[..])))
    };
    let replaced = || {
        let (replaced, with) = (entry()?, find(&tampering.with)?);
        Ok::<_, TamperError>(write(entries.iter().map(|entry| {
            let contents = match entry.name == replaced.name {
                true => &with.contents,
                false => &entry.contents,
            };
            (entry.name.as_str(), &contents[..])
        })))
    };
    let mut flipped = archive.to_vec();
    let place = match tampering.change {
        Damage::FlippedBit => entry()?.start + entry()?.contents.len() / 2,
        Damage::FlippedHeader => entry()?.start - BLOCK,
        Damage::FlippedPadding => {
            let (start, size) = (entry()?.start, entry()?.contents.len());
            if size.is_multiple_of(BLOCK) {
                return Err(TamperError::NoEntry(tampering.entry.clone()));
            }
            start + size
        }
        Damage::FlippedEnd => length - 1,
        Damage::FlippedSignature => archive.len() - 9,
        Damage::Unsigned => return Ok(tar.to_vec()),
        Damage::Shortened => return Ok([&tar[..length - BLOCK], trailer].concat()),
        Damage::Appended => return Ok([archive, &write([another(entry()?)].into_iter())].concat()),
        Damage::Prepended => {
            return Ok([&write([another(entry()?)].into_iter()), archive].concat());
        }
        Damage::ForeignKey => {
            let mut foreign = *seed;
            foreign[0] ^= 1;
            return Ok([tar, &archive_trailer(tar, &foreign)?].concat());
        }
        Damage::OtherTrailer => {
            let other = archive_trailer(&without(&entry()?.name), seed)?;
            return Ok([tar, &other].concat());
        }
        Damage::IsImage => return Ok(entry()?.contents.clone()),
        Damage::Replaced => return Ok([&replaced()?, trailer].concat()),
        Damage::ReplacedAndSigned => return signed(replaced()?, seed),
        Damage::MissingAndSigned => return signed(without(&entry()?.name), seed),
    };
    flipped[place] ^= 1;
    Ok(flipped)
}

/// Other contents for an entry: none.
fn another(entry: &Entry) -> (&str, &'static [u8]) {
    (&entry.name, b"")
}

fn signed(mut tar: Vec<u8>, seed: &[u8; SEED_SIZE]) -> Result<Vec<u8>, TamperError> {
    let trailer = archive_trailer(&tar, seed)?;
    tar.extend_from_slice(&trailer);
    Ok(tar)
}

/// The entries of a tar file.
fn read(tar: &[u8]) -> Option<Vec<Entry>> {
    let mut archive = tar::Archive::new(tar);
    let mut entries = Vec::new();
    for entry in archive.entries().ok()? {
        let mut entry = entry.ok()?;
        let name = entry.path().ok()?.to_str()?.to_owned();
        let start = usize::try_from(entry.raw_file_position()).ok()?;
        let mut contents = Vec::new();
        entry.read_to_end(&mut contents).ok()?;
        entries.push(Entry {
            name,
            contents,
            start,
        });
    }
    Some(entries)
}

/// A tar file of entries.
fn write<'a>(entries: impl Iterator<Item = (&'a str, &'a [u8])>) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, contents) in entries {
        let mut header = tar::Header::new_ustar();
        header.set_size(contents.len() as u64);
        header.set_mode(0o444);
        archive
            .append_data(&mut header, name, contents)
            .expect("a vector takes every short name");
    }
    archive.into_inner().expect("a vector takes all bytes")
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain_image::{SignedArchive, public_key};

    const SEED: [u8; SEED_SIZE] = [7; SEED_SIZE];

    fn archive() -> Vec<u8> {
        let entries = [("plan", &b"the plan"[..]), ("images/init", b"an image")];
        signed(write(entries.into_iter()), &SEED).unwrap()
    }

    fn tampered(change: Damage) -> Vec<u8> {
        let tampering = Tampering {
            change,
            entry: "images/init".to_owned(),
            with: "plan".to_owned(),
        };
        tamper(&archive(), &tampering, &SEED).unwrap()
    }

    fn verdict(file: &[u8]) -> Result<&[u8], SignatureError> {
        let key = public_key(&SEED).unwrap();
        SignedArchive::check(file, &key).map(|archive| archive.tar())
    }

    #[test]
    fn damage_spoils_the_signature() {
        assert!(verdict(&archive()).is_ok());
        let error = |change| verdict(&tampered(change)).unwrap_err();
        for change in [
            Damage::FlippedBit,
            Damage::FlippedHeader,
            Damage::FlippedPadding,
            Damage::FlippedEnd,
            Damage::Prepended,
            Damage::OtherTrailer,
            Damage::Replaced,
        ] {
            assert_eq!(error(change), SignatureError::Damaged, "{change:?}");
        }
        assert_eq!(error(Damage::FlippedSignature), SignatureError::Mismatch);
        for change in [Damage::Unsigned, Damage::Appended, Damage::IsImage] {
            assert_eq!(error(change), SignatureError::Unsigned, "{change:?}");
        }
        assert!(matches!(
            error(Damage::Shortened),
            SignatureError::Truncated { .. }
        ));
        assert!(matches!(
            error(Damage::ForeignKey),
            SignatureError::ForeignKey { .. }
        ));
    }

    #[test]
    fn what_is_signed_again_has_other_entries() {
        let names = |change| {
            let file = tampered(change);
            let entries = read(verdict(&file).unwrap()).unwrap();
            let entries = entries.into_iter();
            let all: Vec<_> = entries.map(|entry| (entry.name, entry.contents)).collect();
            all
        };
        let plan = ("plan".to_owned(), b"the plan".to_vec());
        let replaced = ("images/init".to_owned(), b"the plan".to_vec());
        assert_eq!(names(Damage::ReplacedAndSigned), [plan.clone(), replaced]);
        assert_eq!(names(Damage::MissingAndSigned), [plan]);
    }
}
