//! Grammar: what parses to what, what is refused and where, what is unfinished.

#![forbid(unsafe_code)]

use shell_language::{Command, Compound, Expected, ParseError, Parser, RedirectionKind};

/// Text and how it is printed again; the second column shows the structure.
#[test]
fn prints_canonically() {
    let table = [
        ("", ""),
        ("# only a comment", ""),
        ("echo  a\tb # c", "echo a b\n"),
        ("a;b&c", "a\nb &\nc\n"),
        ("a && b || c\n", "a && b || c\n"),
        ("a &&\n\nb |\n c", "a && b | c\n"),
        ("! a | b", "! a | b\n"),
        ("A=1 B='x y' cmd C=3", "A=1 B='x y' cmd C=3\n"),
        ("A= cmd", "A= cmd\n"),
        (
            "cmd <in >out 2>>log 2>&1 >|force",
            "cmd 0<in 1>out 2>>log 2>&1 1>|force\n",
        ),
        ("2>x cmd", "cmd 2>x\n"),
        ("echo 2 >x", "echo 2 1>x\n"),
        ("cmd <&- <>both", "cmd 0<&- 0<>both\n"),
        ("(a; b) >x", "(\na\nb\n) 1>x\n"),
        ("{ a; }", "{\na\n}\n"),
        ("echo }", "echo }\n"),
        (
            "if a; then b; elif c; then d; else e; fi",
            "if\na\nthen\nb\nelif\nc\nthen\nd\nelse\ne\nfi\n",
        ),
        ("while a; do b; done | c", "while\na\ndo\nb\ndone | c\n"),
        ("until a\ndo\nb\ndone", "until\na\ndo\nb\ndone\n"),
        ("for x in a b; do c; done", "for x in a b\ndo\nc\ndone\n"),
        ("for x do c; done", "for x\ndo\nc\ndone\n"),
        ("for x; do c; done", "for x\ndo\nc\ndone\n"),
        ("for x in; do c; done", "for x in\ndo\nc\ndone\n"),
        (
            "case $x in a|b) c;; (d) ;; e) f; esac",
            "case ${x} in\n(a|b)\nc\n;;\n(d)\n;;\n(e)\nf\n;;\nesac\n",
        ),
        ("f() { a; }; f", "f() {\na\n}\nf\n"),
        ("echo if then fi", "echo if then fi\n"),
        ("\\if", "'i'f\n"),
        (
            "cat <<E | wc\n$x\nE\nnext",
            "cat 0<<EOF | wc\n${x}\nEOF\nnext\n",
        ),
        ("cat <<'E'\n$x\nEOF\nE", "cat 0<<'EOF_'\n$x\nEOF\nEOF_\n"),
        ("cat <<-E\n\t\ta\n\tE", "cat 0<<EOF\na\nEOF\n"),
        (
            "a <<A; b <<B\n1\nA\n2\nB",
            "a 0<<EOF\n1\nEOF\nb 0<<EOF\n2\nEOF\n",
        ),
        (
            "a <<'A' \"two\nlines\"\n1\nA",
            "a \"two\nlines\" 0<<'EOF'\n1\nEOF\n",
        ),
        ("echo $(a | b) `c`", "echo $(a | b) $(c)\n"),
        ("echo $( (a) )", "echo $( (\na\n)\n)\n"),
        ("echo ${x:-\"a b\"}", "echo ${x:-\"a b\"}\n"),
    ];
    for (text, expected) in table {
        match Parser::parse(text) {
            Ok(program) => assert_eq!(program.to_string(), expected, "{text}"),
            Err(error) => panic!("{text}: {error}"),
        }
    }
}

#[test]
fn unfinished_text_asks_for_more() {
    let table = [
        ("echo 'a", Expected::ClosingQuote('\'')),
        ("echo \"a", Expected::ClosingQuote('"')),
        ("echo `a", Expected::ClosingQuote('`')),
        ("echo $(a", Expected::Token(")")),
        ("echo ${a", Expected::Token("}")),
        ("echo ${a:-", Expected::Token("}")),
        ("echo $((1", Expected::Token("))")),
        ("echo \\", Expected::NextLine),
        ("echo a \\\n", Expected::NextLine),
        ("a &&", Expected::Command),
        ("a |\n", Expected::Command),
        ("!", Expected::Command),
        ("(a", Expected::Token(")")),
        ("{ a;", Expected::Token("}")),
        ("if a", Expected::Token("then")),
        ("if a; then b", Expected::Token("fi")),
        ("if", Expected::Command),
        ("while a; do", Expected::Command),
        ("for", Expected::Name),
        ("for x in a", Expected::Word),
        ("for x in a\n", Expected::Token("do")),
        ("case a in", Expected::Word),
        ("f()", Expected::FunctionBody),
        ("cat >", Expected::Word),
        ("cat <<E", Expected::HereDocumentEnd("E".into())),
        ("cat <<E\na\n", Expected::HereDocumentEnd("E".into())),
    ];
    for (text, expected) in table {
        assert_eq!(
            Parser::parse(text),
            Err(ParseError::Incomplete { expected }),
            "{text}"
        );
    }
}

#[test]
fn errors_name_place_and_cause() {
    let table = [
        (
            "echo )",
            "line 1, column 6: found `)`, expected the end of the command",
        ),
        ("a\n  ;b", "line 2, column 3: found `;`, expected a command"),
        (
            "a && && b",
            "line 1, column 6: found `&&`, expected a command",
        ),
        ("if a; fi", "line 1, column 7: found `fi`, expected `then`"),
        (
            "if then",
            "line 1, column 4: found `then`, expected a command",
        ),
        (
            "fi",
            "line 1, column 1: found `fi`, expected the end of the command",
        ),
        ("(a; }", "line 1, column 5: found `}`, expected `)`"),
        ("()", "line 1, column 2: found `)`, expected a command"),
        (
            "for 1 in a; do b; done",
            "line 1, column 5: found `1`, expected a variable's name",
        ),
        ("cat > | b", "line 1, column 7: found `|`, expected a word"),
        (
            "cat >\nb",
            "line 1, column 6: found end of line, expected a word",
        ),
        ("echo ${x y}", "line 1, column 9: found ' ', expected `}`"),
        (
            "echo ${}",
            "line 1, column 8: found '}', expected a parameter behind `${`",
        ),
        (
            "echo `a | | b`",
            "line 1, column 5: found `|`, expected a command",
        ),
        (
            "f() a",
            "line 1, column 5: found `a`, expected `{` or another compound command",
        ),
        (
            "日本 )",
            "line 1, column 4: found `)`, expected the end of the command",
        ),
        ("echo $(cat <<E)", "line 1, column 16: found"),
    ];
    for (text, expected) in table {
        match Parser::parse(text) {
            Err(error @ ParseError::Syntax { .. }) => {
                assert!(error.to_string().starts_with(expected), "{text}: {error}");
            }
            Err(ParseError::Incomplete { .. }) if expected.ends_with("found") => {}
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn depth_is_limited() {
    for (opening, closing) in [
        ("(", ")"),
        ("$(", ")"),
        ("${a:-", "}"),
        ("{ ", ";}"),
        ("! if ", ""),
        ("\"$(", ")\""),
    ] {
        let text = format!("echo; {}a{}", opening.repeat(5000), closing.repeat(5000));
        let result = Parser::parse(&text);
        assert!(
            matches!(result, Err(ParseError::TooDeep { .. })),
            "{opening}: {result:?}"
        );
    }
    let functions = format!("{} {{ a; }}", "f() ".repeat(5000));
    assert!(Parser::parse(&functions).is_err());
    let nested = format!("{}a{}", "(".repeat(15), ")".repeat(15));
    assert!(Parser::parse(&nested).is_ok());
}

#[test]
fn tree_of_a_here_document_in_a_loop() {
    let text = "while read x <<A; do cat; done <<B >out\nfirst\nA\nsecond\nB\n";
    let program = Parser::parse(text).expect("parses");
    let Command::Compound(Compound::Loop { condition, .. }, redirections) =
        &program.items[0].list.first.commands[0]
    else {
        panic!("not a loop");
    };
    let Command::Simple(read) = &condition.items[0].list.first.commands[0] else {
        panic!("not a simple command");
    };
    let body = |kind: &RedirectionKind| match kind {
        RedirectionKind::HereDocument(document) => document.body.to_string(),
        other => panic!("not a here-document: {other:?}"),
    };
    assert_eq!(body(&read.redirections[0].kind), "\"first\n\"");
    assert_eq!(body(&redirections[0].kind), "\"second\n\"");
    assert_eq!(redirections[1].descriptor, 1);
}
