//! Prints its arguments.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use posix::io;
use posix::prelude::*;

#[posix::main]
fn main() -> io::Result<()> {
    let mut arguments: Vec<String> = posix::env::args().skip(1).collect();
    let mut has_newline = true;
    let mut has_escapes = false;
    while let Some(letters) = arguments.first().and_then(|first| option_letters(first)) {
        has_newline &= !letters.contains('n');
        for letter in letters.chars().filter(|letter| *letter != 'n') {
            has_escapes = letter == 'e';
        }
        arguments.remove(0);
    }
    let mut text = arguments.join(" ");
    if has_escapes {
        let (unescaped, goes_on) = unescape(&text);
        text = unescaped;
        has_newline &= goes_on;
    }
    if has_newline {
        text.push('\n');
    }
    print!("{text}");
    Ok(())
}

/// The letters of an argument that consists of options only.
fn option_letters(argument: &str) -> Option<String> {
    let letters = argument.strip_prefix('-')?;
    let is_option = !letters.is_empty() && letters.chars().all(|letter| "neE".contains(letter));
    is_option.then(|| letters.into())
}

/// The text with its escapes replaced; false if `\\c` ended it.
fn unescape(text: &str) -> (String, bool) {
    let mut result = String::new();
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        if character != '\\' {
            result.push(character);
            continue;
        }
        match rest.next() {
            Some('n') => result.push('\n'),
            Some('t') => result.push('\t'),
            Some('r') => result.push('\r'),
            Some('a') => result.push('\x07'),
            Some('b') => result.push('\x08'),
            Some('e') => result.push('\x1b'),
            Some('f') => result.push('\x0c'),
            Some('v') => result.push('\x0b'),
            Some('\\') | None => result.push('\\'),
            Some('0') => {
                let digits: String = rest.clone().take(3).take_while(|d| d.is_digit(8)).collect();
                rest.by_ref().take(digits.len()).for_each(drop);
                let code = u32::from_str_radix(&digits, 8).unwrap_or(0);
                result.extend(char::from_u32(code & 0xff));
            }
            Some('c') => return (result, false),
            Some(other) => result.extend(['\\', other]),
        }
    }
    (result, true)
}
