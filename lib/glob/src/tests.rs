//! Known results, and every pattern against a slow but obvious matcher.

extern crate std;

use proptest::prelude::*;

use super::*;

#[test]
fn known_results() {
    let table: &[(&str, &str, bool)] = &[
        ("", "", true),
        ("", "a", false),
        ("*", "", true),
        ("*", "a/b", true),
        ("*.rs", "lib.rs", true),
        ("*.rs", "lib.rs.bak", false),
        ("a*b*c", "a-b-b-c", true),
        ("a*b*c", "a-b-b-d", false),
        ("?", "日", true),
        ("?", "", false),
        ("[abc]", "b", true),
        ("[!abc]", "b", false),
        ("[^abc]", "d", true),
        ("[a-c]", "b", true),
        ("[c-a]", "b", false),
        ("[]a]", "]", true),
        ("[!]a]", "]", false),
        ("[a-]", "-", true),
        ("[-a]", "-", true),
        ("[[:digit:]]x", "7x", true),
        ("[![:space:]]", " ", false),
        ("[[:nonsense:]]", ":]", true),
        ("[abc", "[abc", true),
        ("[", "[", true),
        (r"\*", "*", true),
        (r"\*", "x", false),
        (r"[\]]", "]", true),
        (r"a\", r"a\", true),
        ("{a,b}", "{a,b}", true),
    ];
    for &(pattern, text, expected) in table {
        assert_eq!(
            Pattern::parse(pattern).matches(text),
            expected,
            "{pattern} against {text}"
        );
    }
}

#[test]
fn prefix_and_suffix() {
    let pattern = Pattern::parse("*/");
    assert_eq!(pattern.matching_prefix("a/b/c", false), Some(2));
    assert_eq!(pattern.matching_prefix("a/b/c", true), Some(4));
    let pattern = Pattern::parse(".*");
    assert_eq!(pattern.matching_suffix("a.tar.gz", false), Some(5));
    assert_eq!(pattern.matching_suffix("a.tar.gz", true), Some(1));
    assert_eq!(pattern.matching_suffix("none", true), None);
}

#[test]
fn literal_patterns_are_recognised() {
    assert_eq!(Pattern::parse(r"a\*b").as_literal().as_deref(), Some("a*b"));
    assert_eq!(Pattern::parse("a*b").as_literal(), None);
    assert!(Pattern::parse(".*").starts_with_literal('.'));
    assert!(!Pattern::parse("?x").starts_with_literal('.'));
}

#[test]
fn hostile_pattern_stays_quick() {
    let pattern = Pattern::parse(&"*a".repeat(200));
    assert!(!pattern.matches(&"a".repeat(5000).replace("aa", "ab")[..380]));
    assert!(!pattern.matches(&("a".repeat(3000) + "b")));
}

/// The definition, word for word; exponential, so only for short input.
fn slow_matches(elements: &[Element], text: &str) -> bool {
    match elements.split_first() {
        None => text.is_empty(),
        Some((Element::AnySequence, rest)) => {
            boundaries(text).any(|at| slow_matches(rest, &text[at..]))
        }
        Some((single, rest)) => text
            .chars()
            .next()
            .is_some_and(|c| single.accepts(c) && slow_matches(rest, &text[c.len_utf8()..])),
    }
}

proptest! {
    #[test]
    fn agrees_with_the_definition(pattern in r"[ab*?\[\]!\-é]{0,8}", text in "[abé\\[\\]!-]{0,8}") {
        let pattern = Pattern::parse(&pattern);
        prop_assert_eq!(pattern.matches(&text), slow_matches(&pattern.elements, &text));
    }

    #[test]
    fn any_text_is_a_pattern(pattern in any::<String>(), text in any::<String>()) {
        let _ = Pattern::parse(&pattern).matches(&text);
    }

    #[test]
    fn quoted_text_matches_only_itself(text in any::<String>(), other in any::<String>()) {
        let quoted: Vec<_> = text.chars().map(PatternChar::quoted).collect();
        let pattern = Pattern::from_characters(&quoted);
        prop_assert!(pattern.matches(&text));
        prop_assert_eq!(pattern.matches(&other), text == other);
    }
}
