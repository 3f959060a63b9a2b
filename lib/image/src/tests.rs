//! Signed images are accepted whole and refused in every other state.

extern crate std;

use std::vec::Vec;

use super::*;

const SEED: [u8; SEED_SIZE] = [7; SEED_SIZE];

fn signed(elf: &[u8]) -> Vec<u8> {
    let mut file = elf.to_vec();
    file.extend(trailer(elf, &SEED).unwrap());
    file
}

#[test]
fn a_signed_file_is_accepted() {
    let key = public_key(&SEED).unwrap();
    let file = signed(b"some bytes");
    assert_eq!(
        SignedImage::check(&file, &key).unwrap().elf(),
        b"some bytes"
    );
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
    let check = |file: &[u8]| SignedImage::check(file, &key).unwrap_err();
    assert_eq!(check(b""), ImageError::Unsigned);
    assert_eq!(check(b"some bytes"), ImageError::Unsigned);
    let mut file = signed(b"some bytes");
    file[0] ^= 1;
    assert_eq!(check(&file), ImageError::Damaged);
    assert_eq!(check(&[b"x", &file[..]].concat()), ImageError::Damaged);
    assert_eq!(
        check(&file[1..]),
        ImageError::Truncated {
            expected: 10,
            found: 9
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
    let check = |file: &[u8]| SignedImage::check(file, &key).unwrap_err();
    let file = signed(&elf(100));
    assert_eq!(check(&elf(100)), ImageError::Unsigned);
    assert_eq!(check(&elf(u64::MAX)), ImageError::Unsigned);
    let expected = file.len() as u64;
    for found in [64, 99, 101, expected - 1] {
        let truncated = ImageError::Truncated { expected, found };
        assert_eq!(check(&file[..usize::try_from(found).unwrap()]), truncated);
    }
    assert_eq!(check(&[&file[..], b"more"].concat()), ImageError::Damaged);
}

#[test]
fn another_key_is_refused_by_its_name() {
    let key = public_key(&[8; SEED_SIZE]).unwrap();
    let error = SignedImage::check(&signed(b"some bytes"), &key).unwrap_err();
    let id = |key: &PublicKey| KeyId(*key.as_bytes().first_chunk().unwrap());
    let (expected, found) = (id(&key), id(&public_key(&SEED).unwrap()));
    assert_eq!(error, ImageError::ForeignKey { expected, found });
    let text = std::format!("{error}");
    assert!(text.ends_with(&std::format!("key {found}, expected {expected}")));
}

#[test]
fn a_trailer_made_to_fit_without_the_key_is_a_forgery() {
    let key = public_key(&SEED).unwrap();
    let signature = TRAILER_SIZE - 8 - 64..TRAILER_SIZE - 8;
    let mut made_up = trailer(b"evil bytes", &SEED).unwrap();
    made_up[signature].fill(0);
    let file = [&b"evil bytes"[..], &made_up].concat();
    let error = SignedImage::check(&file, &key).unwrap_err();
    assert_eq!(error, ImageError::SignatureMismatch);
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
    assert_eq!(PublicKey::from_hex("12"), Err(ImageError::BadKey));
    assert_eq!(
        PublicKey::from_hex(&text.replace(char::is_numeric, "g")),
        Err(ImageError::BadKey)
    );
}
