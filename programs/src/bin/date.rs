//! Prints the date and time, UTC.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use posix::prelude::*;
use posix::time::{DateTime, since_epoch};

const SWITCHES: Switches =
    Switches::new("ud:", "date [-u] [-d @SECONDS] [+FORMAT]").usage_status(1);

#[posix::main]
fn main() -> ExitCode {
    let options = Options::parse(&SWITCHES);
    let seconds = match options
        .value('d')
        .map(|text| text.trim_start_matches('@').parse())
    {
        None => since_epoch().as_secs().cast_signed(),
        Some(Ok(seconds)) => seconds,
        Some(Err(_)) => {
            complain!("-d needs @ and seconds since 1970");
            return ExitCode::FAILURE;
        }
    };
    let format = match options.operands() {
        [] => "%a %b %e %H:%M:%S UTC %Y",
        [format] if format.starts_with('+') => &format[1..],
        _ => options.usage(),
    };
    println!("{}", text(format, seconds));
    ExitCode::SUCCESS
}

fn text(format: &str, seconds: i64) -> String {
    let date = DateTime::from_epoch_s(seconds);
    let mut text = String::new();
    let mut rest = format.chars();
    while let Some(character) = rest.next() {
        if character != '%' {
            text.push(character);
            continue;
        }
        let Some(letter) = rest.next() else {
            text.push('%');
            break;
        };
        match letter {
            'Y' => text.push_str(&format!("{}", date.year)),
            'm' => text.push_str(&format!("{:02}", date.month)),
            'd' => text.push_str(&format!("{:02}", date.day)),
            'e' => text.push_str(&format!("{:2}", date.day)),
            'H' => text.push_str(&format!("{:02}", date.hour)),
            'M' => text.push_str(&format!("{:02}", date.minute)),
            'S' => text.push_str(&format!("{:02}", date.second)),
            'j' => text.push_str(&format!("{:03}", date.year_day)),
            'a' => text.push_str(&date.weekday_name()[..3]),
            'A' => text.push_str(date.weekday_name()),
            'b' => text.push_str(&date.month_name()[..3]),
            'B' => text.push_str(date.month_name()),
            'F' => text.push_str(&self::text("%Y-%m-%d", seconds)),
            'T' => text.push_str(&self::text("%H:%M:%S", seconds)),
            's' => text.push_str(&seconds.to_string()),
            'Z' => text.push_str("UTC"),
            'n' => text.push('\n'),
            't' => text.push('\t'),
            '%' => text.push('%'),
            other => text.extend(['%', other]),
        }
    }
    text
}
