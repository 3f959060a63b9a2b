//! Whatever is expanded or parsed, it comes to no more than it may.

#![forbid(unsafe_code)]

mod support;

use std::fs;

use shell_language::{
    Aliases, ExpandError, ParseError, Parser, Script, expand_declaration, expand_pattern,
    expand_to_string,
};
use support::{TestEnvironment, words};

const ROOM: usize = 10_000;

fn environment() -> TestEnvironment {
    let long = "x".repeat(ROOM * 2 / 3);
    let blanks = "a ".repeat(ROOM / 3);
    let variables = [("long", &*long), ("blanks", &*blanks), ("x", "x")];
    let mut environment = TestEnvironment::new(&variables, &[&long, "b"]);
    environment.room = ROOM;
    environment
}

#[test]
fn what_fits_is_expanded() {
    let mut environment = environment();
    assert_eq!(environment.fields("$long").unwrap()[0].len(), ROOM * 2 / 3);
    assert_eq!(environment.fields("\"$long$x\"").unwrap().len(), 1);
    assert_eq!(environment.fields("${#long}").unwrap(), ["6666"]);
}

#[test]
fn no_word_becomes_longer_than_it_may() {
    let mut environment = environment();
    environment.root = "/".into();
    for text in [
        "$long$long",
        "\"$long$long\"",
        "$long\"$long\"",
        "\"$@$@\"",
        "$*$*",
        "$1$1",
        "${unset:-$long$long}",
        "${long:+$long$long}",
        "${unset:=$long$long}",
        "${unset:?$long$long}",
        "$long${unset:=$long}",
        "${long#y}$long",
        "${long%y}$long",
        "$(printf %20000d 1)",
        "`printf %20000d 1`",
        "$long$(printf %5000d 1)",
        "$(( $long$long ))",
        "$long$(( $long ))",
        "x$(( $long + $(( $long )) ))",
    ] {
        let error = environment.fields(text).unwrap_err();
        assert_eq!(error, ExpandError::TooLong, "{text}");
        for word in &words(text) {
            // One of its own, so it is arithmetic that has no value.
            let value = expand_to_string(word, &mut environment);
            assert_eq!(value, Err(ExpandError::TooLong), "{text}");
        }
    }
    assert_eq!(environment.variables.get("unset"), None);
}

#[test]
fn a_value_that_grows_stops_growing() {
    let mut environment = environment();
    let doubled = &words("$x$x")[0];
    let mut turns = 0;
    let error = loop {
        match expand_to_string(doubled, &mut environment) {
            Ok(value) => environment.variables.insert("x".into(), value),
            Err(error) => break error,
        };
        turns += 1;
    };
    assert_eq!((turns, error), (13, ExpandError::TooLong));
}

#[test]
fn words_of_a_command_are_counted_together() {
    let mut environment = environment();
    assert!(environment.fields("$long x y z").is_ok());
    for text in ["$long $long", "$long x $1", "$blanks", "\"$@\" \"$@\""] {
        assert_eq!(
            environment.fields(text),
            Err(ExpandError::TooLong),
            "{text}"
        );
    }
    let declared = expand_declaration(&words("a=$long b=$long"), &mut environment);
    assert_eq!(declared, Err(ExpandError::TooLong));
}

#[test]
fn empty_words_are_not_free() {
    let mut environment = environment();
    let many = "\"\" ".repeat(ROOM / 20);
    assert_eq!(environment.fields(&many), Err(ExpandError::TooLong));
    environment.arguments = vec![String::new(); ROOM / 20];
    assert_eq!(environment.fields("\"$@\""), Err(ExpandError::TooLong));
    environment.variables.insert("IFS".into(), ":".into());
    let empty = ":".repeat(ROOM / 20);
    environment.variables.insert("empty".into(), empty);
    assert_eq!(environment.fields("$empty"), Err(ExpandError::TooLong));
}

#[test]
fn patterns_take_more_than_texts() {
    let mut environment = environment();
    let pattern = expand_pattern(&words("$long")[0], &mut environment);
    assert_eq!(pattern, Err(ExpandError::TooLong));
    for text in ["${x#$long}", "${x%%\"$long\"}", "${x##$long$long}"] {
        assert_eq!(
            environment.fields(text),
            Err(ExpandError::TooLong),
            "{text}"
        );
    }
}

#[test]
fn a_directory_has_more_names_than_a_word_may_become() {
    let mut environment = environment();
    environment.root = std::env::temp_dir().join(format!("shell-limits-{}", std::process::id()));
    for directory in ["a", "b", "c"] {
        let directory = environment.root.join(directory);
        fs::create_dir_all(&directory).unwrap();
        for number in 0..90 {
            fs::write(directory.join(format!("{number}-{}", "n".repeat(20))), "").unwrap();
        }
    }
    let fitting = environment.fields("a/*").map(|names| names.len());
    let other = environment.fields("*/nothing-of-this-name").unwrap();
    // None of them has a place but all do for a moment.
    let long = format!("*/*/{}", "n".repeat(ROOM / 90));
    let errors = ["*/*", "a/* b/*", "?/[0-9]*", &long].map(|text| environment.fields(text));
    // The pattern of a path longer than any.
    environment.room = 1 << 20;
    let pattern = format!("*{}", "n".repeat(100_000));
    let itself = environment.fields(&pattern).unwrap();
    fs::remove_dir_all(&environment.root).unwrap();
    assert_eq!(fitting, Ok(90));
    assert_eq!(other, ["*/nothing-of-this-name"]);
    assert!(
        errors
            .iter()
            .all(|error| *error == Err(ExpandError::TooLong))
    );
    assert_eq!(itself, [pattern]);
}

#[test]
fn errors_show_the_beginning_of_what_is_wrong() {
    let mut environment = environment();
    for text in [
        "$(( @$long ))",
        "$(( 1$long ))",
        "$(( long ))",
        "$(( 1 + \"$long\" ))",
    ] {
        let error = environment.fields(text).unwrap_err();
        assert!(error.to_string().len() < 400, "{text}: {error}");
    }
    let open = Parser::parse(&format!("cat <<{}\n", "x".repeat(ROOM))).unwrap_err();
    assert!(open.to_string().len() < 200, "{open}");
}

/// A list of so many commands as one command.
fn group(count: usize) -> String {
    format!("{{ {} }}", "a;".repeat(count))
}

#[test]
fn a_command_is_made_of_no_more_than_it_may() {
    let fitting = ParseError::SIZE_LIMIT as usize / 4;
    assert!(Parser::parse(&group(fitting)).is_ok());
    let many = ParseError::SIZE_LIMIT as usize;
    for text in [
        group(many),
        "a ".repeat(many),
        "\"\"".repeat(many),
        "a'b'".repeat(many),
        "$x".repeat(many),
        "<a ".repeat(many),
        "a|".repeat(many) + "b",
        "x=1 ".repeat(many),
        format!("echo $({})", "a;".repeat(many)),
        format!("echo \"$({})\"", "a;".repeat(many)),
        format!("echo `{}`", "a;".repeat(many)),
        format!("f() {}", group(many)),
        format!("cat <<E\n{}\nE\n", "$x".repeat(many)),
        format!("case x in {} b) ;; esac", "a|".repeat(many)),
        format!("for i in {}; do a; done", "a ".repeat(many)),
        "\n".repeat(many),
    ] {
        let error = Parser::parse(&text).unwrap_err();
        assert_eq!(error, ParseError::TooLong, "{}", &text[..20]);
    }
    let text = "#".repeat(ParseError::TEXT_LIMIT + 1);
    assert_eq!(Parser::parse(&text), Err(ParseError::TooLong));
}

#[test]
fn a_script_may_have_any_number_of_commands() {
    let count = ParseError::SIZE_LIMIT as usize;
    let text = "a\n".repeat(count);
    let mut script = Script::new(&text);
    let aliases = Aliases::default().into();
    let mut commands = 0;
    while script.next_command(&aliases).unwrap().is_some() {
        commands += 1;
    }
    assert_eq!(commands, count);
}

#[test]
fn aliases_that_multiply_come_to_an_end() {
    let mut aliases = Aliases::default();
    for number in 0..40 {
        let next = format!("a{}", number + 1);
        aliases.insert(format!("a{number}"), format!("{next} {next} "));
    }
    let mut script = Script::new("a0\n");
    let error = script.next_command(&aliases.into()).unwrap_err();
    assert_eq!(error, ParseError::TooLong);
}
