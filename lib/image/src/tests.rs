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
    assert_eq!(check(&file), ImageError::SignatureMismatch);
    assert_eq!(
        check(&file[1..]),
        ImageError::Truncated {
            expected: 10,
            found: 9
        }
    );
}

#[test]
fn another_key_is_refused() {
    let key = public_key(&[8; SEED_SIZE]).unwrap();
    let error = SignedImage::check(&signed(b"some bytes"), &key).unwrap_err();
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
