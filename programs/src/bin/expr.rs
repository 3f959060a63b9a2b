//! Evaluates expressions.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

#[path = "../pattern.rs"]
mod pattern;

use posix::prelude::*;
use regex_automata::nfa::thompson::pikevm::PikeVM;
use utility::expression::{self, Matcher, Wrong};

const SWITCHES: Switches = Switches::new("", "expr EXPRESSION").example("expr 6 '*' 7");

#[posix::main]
fn main() -> ExitCode {
    let words: Vec<String> = posix::env::args().skip(1).collect();
    let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
    if *words == ["--help"] {
        // Prints it, and ends.
        let _ = Options::parse(&SWITCHES);
    }
    if words.first() == Some(&"--") {
        words.remove(0);
    }
    match expression::evaluate(&words, &Basic) {
        Ok(value) => {
            println!("{value}");
            ExitCode::from(!expression::is_null(&value))
        }
        Err(wrong) => {
            complain!("{}", reason(&wrong));
            ExitCode::from(2)
        }
    }
}

const fn reason(wrong: &Wrong) -> &'static str {
    match wrong {
        Wrong::Syntax => "syntax error",
        Wrong::NotANumber => "not a whole number",
        Wrong::DivisionByZero => "division by zero",
        Wrong::Overflow => "the number is too large",
        Wrong::Pattern => "not a regular expression",
    }
}

/// Basic regular expressions.
struct Basic;

impl Matcher for Basic {
    fn match_start(&self, text: &str, pattern: &str) -> Option<String> {
        let has_group = pattern.contains(r"\(");
        let expression = pattern::from_basic(pattern);
        let pattern = PikeVM::builder()
            .syntax(pattern::syntax())
            .thompson(pattern::thompson())
            .build(&format!("^(?:{expression})"))
            .ok()?;
        let mut cache = pattern.create_cache();
        let mut found = pattern.create_captures();
        pattern.captures(&mut cache, text, &mut found);
        let part = |group| found.get_group(group).map(|span| text.get(span.range()));
        if has_group {
            return Some(part(1).flatten().unwrap_or_default().into());
        }
        Some(
            part(0)
                .flatten()
                .map_or(0, |whole| whole.chars().count())
                .to_string(),
        )
    }
}
