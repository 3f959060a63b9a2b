//! Prints numbers in sequence.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use posix::prelude::*;

const SWITCHES: Switches = Switches::new("ws:", "seq [-w] [-s SEPARATOR] [FIRST [STEP]] LAST")
    .stopping()
    .usage_status(1);

#[posix::main]
fn main() -> ExitCode {
    // Negative numbers look like options.
    let arguments: Vec<String> = posix::env::args().skip(1).collect();
    let is_plain = arguments
        .iter()
        .all(|argument| argument.parse::<i64>().is_ok());
    let options = if is_plain {
        None
    } else {
        Some(Options::parse(&SWITCHES))
    };
    let operands = options
        .as_ref()
        .map_or(&*arguments, |options| options.operands());
    let mut numbers = Vec::new();
    for operand in operands {
        match operand.parse::<i64>() {
            Ok(number) => numbers.push(number),
            Err(_) => {
                complain!("{operand}: not a whole number");
                return ExitCode::FAILURE;
            }
        }
    }
    let (first, step, last) = match *numbers {
        [last] => (1, 1, last),
        [first, last] => (first, 1, last),
        [first, step, last] if step != 0 => (first, step, last),
        _ => {
            eprintln!("usage: {}", SWITCHES.usage);
            return ExitCode::FAILURE;
        }
    };
    let is_padded = options.as_ref().is_some_and(|options| options.has('w'));
    let width = if is_padded {
        first.to_string().len().max(last.to_string().len())
    } else {
        0
    };
    let separator = options
        .as_ref()
        .and_then(|options| options.value('s'))
        .unwrap_or("\n");
    let mut number = first;
    let mut is_first = true;
    while if step > 0 {
        number <= last
    } else {
        number >= last
    } {
        if !is_first {
            print!("{separator}");
        }
        is_first = false;
        print!("{number:0width$}");
        let Some(next) = number.checked_add(step) else {
            break;
        };
        number = next;
    }
    if !is_first {
        println!();
    }
    ExitCode::SUCCESS
}
