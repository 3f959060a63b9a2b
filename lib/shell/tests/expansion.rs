//! Expansion: a table against the host's shell, and what it cannot show.

#![forbid(unsafe_code)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use shell_language::{ArithmeticError, Environment, ExpandError, expand_pattern, expand_to_string};
use support::{TestEnvironment, words};

/// Words that every POSIX shell expands alike.
const PORTABLE: &[&str] = &[
    "a b c",
    "a\\ b 'c d' \"e f\"",
    "'' \"\" ''\"\"",
    "$x ${x} \"$x\"",
    "$unset x$unset \"$unset\"",
    "$spaces",
    "\"$spaces\"",
    "a${spaces}b",
    "$nl \"$nl\"",
    "${unset-default} ${unset:-a b} \"${unset:-a b}\"",
    "${empty-default} ${empty:-default}",
    "${x+set} ${x:+set} ${empty+set} ${empty:+set} ${unset+set}",
    "${unset:-'a b'} ${unset:-\"a b\"} ${unset:-\"$x y\"}",
    "${unset:-$spaces} \"${unset:-$spaces}\"",
    "${unset:-~/file} ${unset:-a\\}b} \"${unset:-a\\}b}\"",
    "${fresh=value} $fresh ${fresh:=other}",
    "${#x} ${#empty} ${#unset} ${#path}",
    "${path#*/} ${path##*/} ${path%/*} ${path%%/*}",
    "${path#/usr} ${path%.gz} ${path%.*} ${path%%.*}",
    "\"${path##*/}\" ${path#'*'} ${stars#'*'} ${stars#\\*}",
    "${stars%\"$star\"} \"${stars%$star}\"",
    "$1 $2 $3 ${1} ${10}",
    "$# ${#}",
    "$@",
    "$*",
    "\"$@\"",
    "\"$*\"",
    "a\"$@\"b",
    "a\"$*\"b",
    "x$@y",
    "\"${@}\" \"${*}\"",
    "$0 \"$0\"",
    "$?",
    "$(echo hello) \"$(echo a  b)\" $(echo a  b)",
    "`echo old` \"`echo old  style`\"",
    "`echo \\`echo nested\\`` $(echo $(echo nested))",
    "$(printf 'a\\n\\n\\n') x$(printf '\\n')y",
    "$(echo \")\") $(echo ')' # )\n)",
    "$(cat <<E\nhere $x\nE\n)",
    "$(if true; then echo yes; else echo no; fi)",
    "$(case b in (a) echo 1;; b|c) echo 2;; esac)",
    "$(for i in 1 2 3; do echo $i; done)",
    "$((1+2*3)) $(((1+2)*3)) $((7/2)) $((-7/2)) $((7%3)) $((-7%3))",
    "$((1<2)) $((2<=1)) $((3==3)) $((3!=3)) $((2>1)) $((2>=3))",
    "$((1&&0)) $((1||0)) $((!5)) $((~5)) $((5&3)) $((5|3)) $((5^3)) $((1<<4)) $((256>>2))",
    "$((number+1)) $(($number*2)) $((unset+1)) $((0x1f)) $((010))",
    "$((1?2:3)) $((0?2:0?4:5)) $((n=5)) $((n+=2)) $n",
    "$((2 - 3 - 4)) $((100/10/2)) $((1+(2*(3+4))))",
    "$(( $(echo 4) * ${#x} ))",
    "~ ~/file a~ '~' \\~ \"~\" ~/\"a b\"",
    "*",
    "*.txt *.none",
    "'*' \\* \"*\" \"*\".txt",
    "?.txt [ab].txt [!a].txt [a-b]*",
    "dir/* */*.c d*/s*/*.c",
    ".h* .hid*",
    "*/ d*/",
    "./*.txt",
    "$star \"$star\" ${unset:-*.txt}",
    "[*] [ []",
    "a#b #comment",
    "a\\\nb \"c\\\nd\"",
    "\"\\$x \\` \\\" \\\\ \\a\" '\\n'",
    "$ a$ \"$\" $/ a$b",
    "{a,b} a=b =",
    "x${empty}y \"\"$empty $empty\"\"",
    "${x}${x} $x$x \"$x\"'y'z",
    "é日本 ${#wide} ${wide#?}",
    "${unset:+\"a b\"} ${x:+\"a b\"} ${x:+a b}",
    "${x:+$@} \"${x:+$@}\"",
];

const VARIABLES: &[(&str, &str)] = &[
    ("x", "ex"),
    ("empty", ""),
    ("spaces", "  one  two "),
    ("nl", "a\nb"),
    ("path", "/usr/share/data.tar.gz"),
    ("star", "*"),
    ("stars", "*a*"),
    ("number", "41"),
    ("wide", "日本語"),
    ("HOME", "/home/me"),
];

fn test_directory(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&root);
    fs::create_dir_all(root.join("dir/sub")).expect("can make test directory");
    for file in [
        "a.txt",
        "b.txt",
        "c d.txt",
        ".hidden",
        "dir/m.c",
        "dir/sub/n.c",
    ] {
        fs::write(root.join(file), "").expect("can make test file");
    }
    root
}

/// What the host's shell makes of the words: each field in angle brackets.
///
/// `sh` may count bytes where this crate counts characters, so the locale is
/// one in which both agree on all but the length of wide text.
fn host_shell(text: &str, arguments: &[&str], variables: &[(&str, &str)], root: &Path) -> String {
    let output = Command::new("/bin/sh")
        .args(["-c", &format!("show() {{ printf '<%s>' \"$@\"; }}\nshow_all() {{ [ $# -eq 0 ] || show \"$@\"; }}\nshow_all {text}"), "script"])
        .args(arguments)
        .env_clear()
        .envs(variables.iter().copied())
        .env("PATH", "/usr/bin:/bin")
        .env("LC_ALL", "C.UTF-8")
        .current_dir(root)
        .output()
        .expect("/bin/sh runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "sh refuses {text}: {errors}");
    String::from_utf8(output.stdout).expect("sh writes UTF-8")
}

fn compare(text: &str, arguments: &[&str], variables: &[(&str, &str)], root: &Path) {
    let mut environment = TestEnvironment::new(variables, arguments);
    environment.root = root.to_path_buf();
    let ours: String = match environment.fields(text) {
        Ok(fields) => fields.iter().map(|field| format!("<{field}>")).collect(),
        Err(error) => panic!("{text}: {error}"),
    };
    assert_eq!(ours, host_shell(text, arguments, variables, root), "{text}");
}

#[test]
fn agrees_with_the_hosts_shell() {
    if !Path::new("/bin/sh").exists() {
        return;
    }
    let root = test_directory("agrees");
    for text in PORTABLE {
        // dash counts bytes: characters are checked in a test of their own.
        if text.contains("wide") {
            continue;
        }
        compare(text, &["one", "two words", ""], VARIABLES, &root);
    }
    for text in [
        "$@",
        "\"$@\"",
        "\"$*\"",
        "a\"$@\"",
        "$# ${1-none}",
        "\"\"$@",
    ] {
        compare(text, &[], VARIABLES, &root);
    }
}

#[test]
fn splits_at_ifs_as_the_hosts_shell() {
    if !Path::new("/bin/sh").exists() {
        return;
    }
    let root = test_directory("splits");
    let values = [
        "a:b", ":a::b:", " a : b ", "a b", "::", " ", "", ":", "a: :b", "a : : b",
    ];
    for separators in [":", " ", ": ", " :", "", ":,"] {
        for value in values {
            let variables = [("HOME", "/h"), ("value", value), ("separators", separators)];
            let mut environment = TestEnvironment::new(&variables, &[]);
            environment.root = root.clone();
            environment
                .variables
                .insert("IFS".to_string(), separators.to_string());
            let fields = environment
                .fields("$value x$value \"$value\"")
                .expect("expands");
            let ours: String = fields.iter().map(|field| format!("<{field}>")).collect();
            // An IFS from its environment is ignored by sh: assign it.
            let output = Command::new("/bin/sh")
                .arg("-c")
                .arg("show() { [ $# -eq 0 ] || printf '<%s>' \"$@\"; }; IFS=$separators; show $value x$value \"$value\"")
                .envs(variables)
                .output()
                .expect("/bin/sh runs");
            let theirs = String::from_utf8(output.stdout).expect("sh writes UTF-8");
            assert_eq!(ours, theirs, "IFS={separators:?} value={value:?}");
        }
    }
}

#[test]
fn joins_arguments_with_ifs() {
    let mut environment = TestEnvironment::new(&[("IFS", ":-")], &["a", "b c"]);
    assert_eq!(environment.fields("\"$*\""), Ok(vec!["a:b c".to_string()]));
    environment.variables.insert("IFS".into(), String::new());
    assert_eq!(environment.fields("\"$*\""), Ok(vec!["ab c".to_string()]));
}

#[test]
fn counts_characters_not_bytes() {
    let mut environment = TestEnvironment::new(&[("wide", "日本語")], &[]);
    let fields = environment.fields("${#wide} ${wide#?} ${wide%?}");
    assert_eq!(fields, Ok(vec!["3".into(), "本語".into(), "日本".into()]));
}

#[test]
fn strings_are_not_split() {
    let mut environment = TestEnvironment::new(&[("v", "a  b *"), ("HOME", "/h")], &["1", "2"]);
    let mut one = |text: &str| expand_to_string(&words(text)[0], &mut environment);
    assert_eq!(one("$v"), Ok("a  b *".to_string()));
    assert_eq!(one("~/x:~:a~"), Ok("/h/x:/h:a~".to_string()));
    assert_eq!(one("$@"), Ok("1 2".to_string()));
    assert_eq!(one("''"), Ok(String::new()));
}

#[test]
fn patterns_know_what_was_quoted() {
    let mut environment = TestEnvironment::new(&[("star", "*")], &[]);
    let mut matches = |pattern: &str, text: &str| {
        expand_pattern(&words(pattern)[0], &mut environment)
            .expect("expands")
            .matches(text)
    };
    assert!(matches("$star.c", "a.c"));
    assert!(!matches("\"$star\".c", "a.c"));
    assert!(matches("\"$star\".c", "*.c"));
    assert!(matches("[a-c]'?'", "b?"));
}

#[test]
fn failures_are_typed() {
    let mut environment = TestEnvironment::new(&[("word", "abc")], &[]);
    let unset = |name: &str, message: &str| ExpandError::Unset {
        name: name.to_string(),
        message: message.to_string(),
    };
    let table = [
        ("${nothing?}", unset("nothing", "")),
        ("${nothing:?is $word}", unset("nothing", "is abc")),
        (
            "${1:=x}",
            ExpandError::NotAssignable {
                name: "1".to_string(),
            },
        ),
        ("$((1/0))", ArithmeticError::DivisionByZero.into()),
        ("$((1%0))", ArithmeticError::DivisionByZero.into()),
        ("$((09))", ArithmeticError::BadNumber("09".into()).into()),
        (
            "$((9223372036854775808))",
            ArithmeticError::BadNumber("9223372036854775808".into()).into(),
        ),
        (
            "$((word))",
            ArithmeticError::NotANumber {
                name: "word".into(),
                value: "abc".into(),
            }
            .into(),
        ),
        (
            "$((1+))",
            ArithmeticError::Unexpected {
                found: String::new(),
                expected: "a number, name or `(`",
            }
            .into(),
        ),
        (
            "$((1 2))",
            ArithmeticError::Unexpected {
                found: "2".into(),
                expected: "an operator",
            }
            .into(),
        ),
    ];
    for (text, expected) in table {
        assert_eq!(environment.fields(text), Err(expected), "{text}");
    }
}

#[test]
fn skipped_arithmetic_has_no_effect() {
    let mut environment = TestEnvironment::new(&[("x", "1")], &[]);
    let fields = environment.fields("$((0 && (x=9))) $((1 || 1/0)) $((1 ? x : 1/0)) $x");
    assert_eq!(fields.map(|fields| fields.join(" ")), Ok("0 1 1 1".into()));
    let deep = format!("$(({}1))", "-".repeat(5000));
    assert_eq!(
        environment.fields(&deep),
        Err(ArithmeticError::TooDeep.into())
    );
    let fields = environment.fields("$((9223372036854775807+1)) $((-9223372036854775807-1))");
    let minimum = i64::MIN.to_string();
    assert_eq!(fields, Ok(vec![minimum.clone(), minimum.clone()]));
    environment.set_variable("x", &minimum).expect("settable");
    assert_eq!(environment.fields("$((x/-1))"), Ok(vec![minimum]));
}
