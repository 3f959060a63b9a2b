//! The line discipline: what a reader gets and what the terminal shows.

use lineedit::{Cooked, CookedEvent, Mode};

/// Types bytes; returns all events but `Pending`, and the screen.
fn type_bytes(tty: &mut Cooked, screen: &mut vt100::Parser, bytes: &[u8]) -> Vec<CookedEvent> {
    let mut events = Vec::new();
    for byte in bytes {
        let mut output = Vec::new();
        let event = tty.feed(*byte, &mut output);
        screen.process(&output);
        if event != CookedEvent::Pending {
            events.push(event);
        }
    }
    events
}

fn input(text: &str) -> CookedEvent {
    CookedEvent::Input(text.as_bytes().to_vec())
}

#[test]
fn lines_are_edited_and_echoed() {
    let table: &[(&str, Vec<CookedEvent>, &str)] = &[
        ("hello\r", vec![input("hello\n")], "hello"),
        ("a\nb\r", vec![input("a\n"), input("b\n")], "a\nb"),
        ("abc\x7f\x08d\r", vec![input("ad\n")], "ad"),
        ("\x7f\x7fa", vec![], "a"),
        ("one two\x15three\r", vec![input("three\n")], "three"),
        ("one two  \x17\r", vec![input("one \n")], "one"),
        ("日本\x7f!\r", vec![input("日!\n")], "日!"),
        ("e\u{301}x\x7f\x7fy\r", vec![input("y\n")], "y"),
        ("a\tb\x7f\x7fc\r", vec![input("ac\n")], "ac"),
        ("a\x01\x1bb\r", vec![input("a\x01\x1bb\n")], "a^A^[b"),
        ("a\x01\x7fb\r", vec![input("ab\n")], "ab"),
        (
            "a\x16\x03\x16\x7fb\r",
            vec![input("a\x03\x7fb\n")],
            "a^C^?b",
        ),
        ("\x04", vec![CookedEvent::EndOfFile], ""),
        ("ab\x04c\r", vec![input("ab"), input("c\n")], "abc"),
        (
            "ab\x03c\r",
            vec![CookedEvent::Interrupt, input("c\n")],
            "ab^C\nc",
        ),
        (
            "ab\x1cc\r",
            vec![CookedEvent::Quit, input("c\n")],
            "ab^\\\nc",
        ),
    ];
    for (keys, expected, shown) in table {
        let mut tty = Cooked::new(Mode::COOKED);
        let mut screen = vt100::Parser::new(5, 40, 0);
        let events = type_bytes(&mut tty, &mut screen, keys.as_bytes());
        assert_eq!(&events, expected, "{keys:?}");
        assert_eq!(crate::support::rows(&screen), *shown, "{keys:?}");
    }
}

#[test]
fn erasing_a_tab_respects_the_prompt() {
    let mut tty = Cooked::new(Mode::COOKED);
    let mut screen = vt100::Parser::new(5, 40, 0);
    let mut output = Vec::new();
    tty.write(b"line\nname: ", &mut output);
    assert_eq!(output, b"line\r\nname: ");
    screen.process(&output);
    let events = type_bytes(&mut tty, &mut screen, b"a\tb\x7f\x7fcd\x15x\r");
    assert_eq!(events, [input("x\n")]);
    assert_eq!(crate::support::rows(&screen), "line\nname: x");
}

#[test]
fn raw_bytes_pass() {
    let mut tty = Cooked::new(Mode::RAW);
    let mut output = Vec::new();
    for byte in [0x03, b'\r', 0x04, 0x7f, 0xff] {
        let event = tty.feed(byte, &mut output);
        assert_eq!(event, CookedEvent::Input(vec![byte]));
    }
    tty.write(b"a\n", &mut output);
    assert_eq!(output, b"a\n");
}

#[test]
fn without_echo_nothing_is_shown() {
    let mode = Mode {
        has_echo: false,
        ..Mode::COOKED
    };
    let mut tty = Cooked::new(mode);
    let mut screen = vt100::Parser::new(5, 40, 0);
    let events = type_bytes(&mut tty, &mut screen, b"secret\x7fT\r");
    assert_eq!(events, [input("secreT\n")]);
    assert_eq!(screen.screen().contents(), "");
}

#[test]
fn leaving_canonical_mode_delivers_what_was_typed() {
    let mut tty = Cooked::new(Mode::COOKED);
    let mut output = Vec::new();
    tty.feed(b'a', &mut output);
    assert_eq!(tty.set_mode(Mode::RAW), b"a");
    assert_eq!(tty.set_mode(Mode::COOKED), b"");
    assert_eq!(tty.mode(), Mode::COOKED);
}

#[test]
fn a_line_has_a_limit() {
    let mut tty = Cooked::new(Mode::COOKED);
    let mut output = Vec::new();
    for _ in 0..Cooked::LINE_LIMIT + 10 {
        tty.feed(b'a', &mut output);
    }
    assert_eq!(output.last(), Some(&0x07));
    let CookedEvent::Input(line) = tty.feed(b'\r', &mut output) else {
        panic!("no line");
    };
    assert_eq!(line.len(), Cooked::LINE_LIMIT);
    assert_eq!(line.last(), Some(&b'\n'));
}
