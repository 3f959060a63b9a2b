//! Signed images are accepted whole and refused in every other state.

extern crate std;

use std::vec::Vec;

use super::*;

const SEED: [u8; SEED_SIZE] = [7; SEED_SIZE];

const IDENTITY: Identity<'_> = Identity {
    role: 2,
    version: Version([1, 2, 3]),
    package: "package",
    name: "image",
};

fn signed(elf: &[u8]) -> Vec<u8> {
    let mut file = elf.to_vec();
    file.extend(image_trailer(elf, &IDENTITY, &SEED).unwrap());
    file
}

fn signed_archive(tar: &[u8]) -> Vec<u8> {
    let mut file = tar.to_vec();
    file.extend(archive_trailer(tar, &SEED).unwrap());
    file
}

/// What [`SignedImage::check`] says against the signature.
fn refusal(file: &[u8], key: &PublicKey) -> SignatureError {
    match SignedImage::check(file, key).unwrap_err() {
        ImageError::Signature(error) => error,
        error => panic!("{error}"),
    }
}

#[test]
fn a_signed_file_is_accepted() {
    let key = public_key(&SEED).unwrap();
    let file = signed(b"some bytes");
    let image = SignedImage::check(&file, &key).unwrap();
    assert_eq!(image.elf(), b"some bytes");
    assert_eq!(image.identity(), &IDENTITY);
}

#[test]
fn a_signed_archive_is_accepted_and_no_flipped_bit_of_it() {
    let key = public_key(&SEED).unwrap();
    let file = signed_archive(&[5; 64]);
    assert_eq!(SignedArchive::check(&file, &key).unwrap().tar(), [5; 64]);
    for bit in 0..8 * file.len() {
        let mut altered = file.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        assert!(SignedArchive::check(&altered, &key).is_err(), "{bit}");
    }
    for length in 0..file.len() {
        assert!(SignedArchive::check(&file[..length], &key).is_err());
    }
    let longer = [&file[..], &file[..]].concat();
    assert!(SignedArchive::check(&longer, &key).is_err());
}

#[test]
fn an_image_is_no_archive_and_an_archive_no_image() {
    let key = public_key(&SEED).unwrap();
    let error = SignedArchive::check(&signed(b"some bytes"), &key).unwrap_err();
    assert_eq!(error, SignatureError::OtherKind);
    let archive = signed_archive(&[5; 64]);
    assert_eq!(refusal(&archive, &key), SignatureError::OtherKind);
}

#[test]
fn names_that_would_be_read_otherwise_are_not_signed() {
    for name in ["", "a\0b", "a name of thirty-two bytes, or so"] {
        let identity = Identity { name, ..IDENTITY };
        let error = image_trailer(b"elf", &identity, &SEED).unwrap_err();
        assert_eq!(error, ImageError::BadIdentity, "{name:?}");
    }
}

#[test]
fn versions_are_read_and_compared_by_number() {
    let version = |text| Version::parse(text);
    assert_eq!(version("0.10.2"), Some(Version([0, 10, 2])));
    assert_eq!(version("1.2.3-alpha.1"), Some(Version([1, 2, 3])));
    assert!(version("0.10.0") > version("0.9.9"));
    for text in ["", "1.2", "1.2.3.4", "1.x.3", "99999999999.0.0"] {
        assert_eq!(version(text), None, "{text}");
    }
}

#[test]
fn a_check_is_broken_off_when_nobody_wants_it() {
    let key = public_key(&SEED).unwrap();
    let mut file = signed(&[7; 100_000]);
    let mut questions = 0;
    let mut check = |file: &[u8], most: usize| {
        questions = 0;
        let checked = SignedImage::check_while(file, &key, &mut || {
            questions += 1;
            questions <= most
        });
        (checked.is_ok(), checked.err(), questions)
    };
    let broken_off = Some(ImageError::Signature(SignatureError::BrokenOff));
    assert_eq!(check(&file, 7), (true, None, 7));
    assert_eq!(check(&file, 3), (false, broken_off, 4));
    // Looking for what is wrong takes as long again.
    file[0] ^= 1;
    let damaged = Some(ImageError::Signature(SignatureError::Damaged));
    assert_eq!(check(&file, 14), (false, damaged, 14));
    assert_eq!(check(&file, 9), (false, broken_off, 10));
}

#[test]
fn every_flipped_byte_is_noticed() {
    let key = public_key(&SEED).unwrap();
    let file = signed(b"some bytes");
    for position in 0..file.len() {
        let mut altered = file.clone();
        altered[position] ^= 1;
        assert!(SignedImage::check(&altered, &key).is_err(), "{position}");
    }
}

#[test]
fn an_unsigned_file_is_told_from_an_altered_one() {
    let key = public_key(&SEED).unwrap();
    let check = |file: &[u8]| refusal(file, &key);
    assert_eq!(check(b""), SignatureError::Unsigned);
    assert_eq!(check(b"some bytes"), SignatureError::Unsigned);
    let mut file = signed(b"some bytes");
    file[0] ^= 1;
    assert_eq!(check(&file), SignatureError::Damaged);
    assert_eq!(check(&[b"x", &file[..]].concat()), SignatureError::Damaged);
    assert_eq!(
        check(&file[1..]),
        SignatureError::Truncated {
            expected: 90,
            found: 89
        }
    );
}

#[test]
fn the_end_that_the_header_gives_tells_a_lost_end_from_a_strange_one() {
    let key = public_key(&SEED).unwrap();
    let elf = |end: u64| {
        let mut elf = std::vec![0; 100];
        elf[..4].copy_from_slice(b"\x7fELF");
        elf[0x28..0x30].copy_from_slice(&end.to_le_bytes());
        elf
    };
    let check = |file: &[u8]| refusal(file, &key);
    let file = signed(&elf(100));
    assert_eq!(check(&elf(100)), SignatureError::Unsigned);
    assert_eq!(check(&elf(u64::MAX)), SignatureError::Unsigned);
    let expected = file.len() as u64;
    for found in [64, 99, 101, expected - 1] {
        let truncated = SignatureError::Truncated { expected, found };
        assert_eq!(check(&file[..usize::try_from(found).unwrap()]), truncated);
    }
    assert_eq!(
        check(&[&file[..], b"more"].concat()),
        SignatureError::Damaged
    );
}

#[test]
fn another_key_is_refused_by_its_name() {
    let key = public_key(&[8; SEED_SIZE]).unwrap();
    let error = refusal(&signed(b"some bytes"), &key);
    let id = |key: &PublicKey| KeyId(*key.as_bytes().first_chunk().unwrap());
    let (expected, found) = (id(&key), id(&public_key(&SEED).unwrap()));
    assert_eq!(error, SignatureError::ForeignKey { expected, found });
    let text = std::format!("{error}");
    assert!(text.ends_with(&std::format!("key {found}, expected {expected}")));
}

#[test]
fn a_trailer_made_to_fit_without_the_key_is_a_forgery() {
    let key = public_key(&SEED).unwrap();
    let signature = IMAGE_TRAILER_SIZE - 8 - 64..IMAGE_TRAILER_SIZE - 8;
    let mut made_up = image_trailer(b"evil bytes", &IDENTITY, &SEED).unwrap();
    made_up[signature].fill(0);
    let file = [&b"evil bytes"[..], &made_up].concat();
    assert_eq!(refusal(&file, &key), SignatureError::Mismatch);
}

#[test]
fn keys_are_read_from_hexadecimal_digits() {
    let key = public_key(&SEED).unwrap();
    let text: std::string::String = key
        .as_bytes()
        .iter()
        .map(|byte| std::format!("{byte:02x}"))
        .collect();
    assert_eq!(PublicKey::from_hex(&text), Ok(key));
    assert_eq!(PublicKey::from_hex("12"), Err(SignatureError::BadKey));
    assert_eq!(
        PublicKey::from_hex(&text.replace(char::is_numeric, "g")),
        Err(SignatureError::BadKey)
    );
}
