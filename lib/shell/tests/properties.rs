//! Properties: no text panics the parser; printing and parsing are inverse.

#![forbid(unsafe_code)]

mod support;

use proptest::prelude::*;
use shell_language::{ParseError, Parser};
use support::{TestEnvironment, words};

/// Pieces that meet in many correct and incorrect ways.
const PIECES: &[&str] = &[
    "a", "b1", "x", "=", "A=1", " ", " ", "\n", ";", ";;", "&", "&&", "|", "||", "(", ")", "{",
    "}", "<", ">", ">>", "<<", "<<-", "<<E\n", "E\n", "2>&1", "1", "'", "'q'", "\"", "\"d\"", "\\",
    "\\\n", "$", "$x", "${", "${x:-", "${#", "$(", "$((", "))", "`", "#", "!", "~", "*", "[a]",
    "if ", " then ", " elif ", " else ", " fi", "while ", "until ", " do ", " done", "for ",
    " in ", "case ", " esac", "é", "日", "\t", "\r", "\u{0}",
];

fn soup() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(PIECES), 0..24).prop_map(|pieces| pieces.concat())
}

fn word() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        "[a-z*?~]{1,4}",
        "'[ a-z$\"#\\\\]{0,4}'",
        "\"[ a-z'#*]{0,4}\"",
        Just("\"\\$ \\\" \\\\ \\`\"".to_string()),
        Just("$x".to_string()),
        Just("\"$@\"".to_string()),
        Just("${10}".to_string()),
        Just("${#x}".to_string()),
        Just("\\ \\$\\'".to_string()),
        Just("$((1 + (x * 2)))".to_string()),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a}{b}")),
            inner.clone().prop_map(|word| format!("${{x:-{word}}}")),
            inner.clone().prop_map(|word| format!("\"${{x%{word}}}\"")),
            inner.clone().prop_map(|word| format!("$(echo {word})")),
            inner
                .clone()
                .prop_map(|word| format!("\"a $(b {word}) c\"")),
            inner.prop_map(|word| format!("$(( ${{#x}} + $(echo {word}) ))")),
        ]
    })
}

fn script() -> impl Strategy<Value = String> {
    let simple = (word(), word(), 0..7u8).prop_map(|(a, b, shape)| match shape {
        0 => format!("cmd {a} {b}"),
        1 => format!("V={a} cmd {b}"),
        2 => format!("cmd {a} >{b} 2>&1"),
        3 => format!("V={a}"),
        4 => format!("cmd {a} <in >>{b}"),
        5 => format!("! cmd {a} | other {b}"),
        _ => format!("cmd <<EOF {a}\n$x `y` \\$ \"\nEOF\n"),
    });
    simple.prop_recursive(4, 24, 3, |inner| {
        (inner.clone(), inner.clone(), inner, 0..12u8).prop_map(|(a, b, c, shape)| match shape {
            0 => format!("{a}\n{b}"),
            1 => format!("{{ {a}\n}} && {{ {b}\n}}"),
            2 => format!("{{ {a}\n}} || {{ {b}\n}} &"),
            3 => format!("({a}\n) | {{ {b}\n}} 2>log"),
            4 => format!("if {a}\nthen {b}\nelse {c}\nfi"),
            5 => format!("if {a}\nthen {b}\nelif {c}\nthen {a}\nfi >out"),
            6 => format!("while {a}\ndo {b}\ndone"),
            7 => format!("until {a}\ndo {b}\ndone <in"),
            8 => format!("for v in x $y \"z\"; do {a}\ndone"),
            9 => format!("case $x in (a|b*) {a}\n;; *) {b}\nesac"),
            10 => format!("f() {{ {a}\n}}\n{b}"),
            _ => format!("cmd $( {a}\n)"),
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_text_is_refused_or_parsed(text in any::<String>()) {
        let _ = Parser::parse(&text);
    }

    #[test]
    fn what_parses_prints_and_parses_alike(text in soup()) {
        if let Ok(program) = Parser::parse(&text) {
            let printed = program.to_string();
            prop_assert_eq!(Parser::parse(&printed), Ok(program), "printed as {:?}", printed);
        }
    }

    #[test]
    fn scripts_parse_print_and_parse_alike(text in script()) {
        match Parser::parse(&text) {
            Ok(program) => {
                let printed = program.to_string();
                prop_assert_eq!(Parser::parse(&printed), Ok(program), "printed as {:?}", printed);
            }
            Err(ParseError::TooDeep { .. }) => {}
            Err(error) => prop_assert!(false, "{text}: {error}"),
        }
    }

    /// After each line of a correct script the rest may still come.
    #[test]
    fn an_unfinished_script_is_never_refused(text in script()) {
        for (at, _) in text.match_indices('\n') {
            if let Err(error @ ParseError::Syntax { .. }) = Parser::parse(&text[..=at]) {
                prop_assert!(false, "{:?}: {error}", &text[..=at]);
            }
        }
    }

    #[test]
    fn quoting_keeps_any_text(text in "[^\u{0}]{0,20}") {
        let mut environment = TestEnvironment::new(&[], &[]);
        let quoted = format!("'{}'", text.replace('\'', r"'\''"));
        prop_assert_eq!(environment.fields(&quoted), Ok(vec![text.clone()]));
        let mut escaped = String::from("\"");
        for character in text.chars() {
            if "$`\"\\".contains(character) {
                escaped.push('\\');
            }
            escaped.push(character);
        }
        escaped.push('"');
        prop_assert_eq!(environment.fields(&escaped), Ok(vec![text]));
    }

    #[test]
    fn arithmetic_agrees_with_rust(a in -1000i64..1000, b in -1000i64..1000, c in 1i64..1000) {
        let mut environment = TestEnvironment::new(&[], &[]);
        for (name, value) in [("a", a), ("b", b), ("c", c)] {
            environment.variables.insert(name.into(), value.to_string());
        }
        let table = [
            ("a + b * c - a / c", a + b * c - a / c),
            ("(a + b) * (c - a) % c", (a + b) * (c - a) % c),
            ("a < b == b > a", i64::from((a < b) == (b > a))),
            ("a - b - c", a - b - c),
            ("a & b | c ^ a", (a & b) | (c ^ a)),
            ("- a + ~ b", -a + !b),
        ];
        for (text, expected) in table {
            let fields = environment.fields(&format!("$(({text}))"));
            prop_assert_eq!(fields, Ok(vec![expected.to_string()]), "{}", text);
        }
    }

    #[test]
    fn arithmetic_never_panics(text in "[-0-9a-z+*/%<>=!&|^?:() ~]{0,30}") {
        let words = words("$((1))");
        prop_assume!(text.matches('(').count() == text.matches(')').count());
        let mut environment = TestEnvironment::new(&[("a", "7")], &[]);
        environment.variables.insert("text".into(), text);
        prop_assert_eq!(words.len(), 1);
        let _ = environment.fields("$(($text))");
    }
}
