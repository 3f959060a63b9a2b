//! Waits.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use posix::prelude::*;
use posix::time::{self, Duration};

const SWITCHES: Switches = Switches::new("", "sleep SECONDS[s|m|h|d]...").usage_status(1);

#[posix::main]
fn main() -> ExitCode {
    let options = Options::parse(&SWITCHES);
    if options.operands().is_empty() {
        options.usage();
    }
    let mut total = Duration::ZERO;
    for operand in options.operands() {
        let Some(duration) = duration(operand) else {
            complain!("{operand}: not a duration");
            return ExitCode::FAILURE;
        };
        total = total.saturating_add(duration);
    }
    time::sleep(total);
    ExitCode::SUCCESS
}

fn duration(text: &str) -> Option<Duration> {
    let (number, unit_s) = match text.char_indices().next_back()? {
        (at, 's') => (&text[..at], 1.0),
        (at, 'm') => (&text[..at], 60.0),
        (at, 'h') => (&text[..at], 3_600.0),
        (at, 'd') => (&text[..at], 86_400.0),
        _ => (text, 1.0),
    };
    Duration::try_from_secs_f64(number.parse::<f64>().ok()? * unit_s).ok()
}
