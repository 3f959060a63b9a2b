//! The editor: keys in, visible screen out.

use crate::support::{Terminal, Words};
use lineedit::{Editor, Event, History, NoCompletion};

/// Keys, the line with `|` where the cursor is.
#[test]
fn keys_edit_the_line() {
    let table: &[(&[u8], &str)] = &[
        (b"hello", "hello|"),
        (b"ab\x02c", "ac|b"),
        (b"ab\x1b[Dc", "ac|b"),
        (b"ab\x1bODc\x1b[Cd", "acbd|"),
        (b"abc\x01x", "x|abc"),
        (b"abc\x1b[Hx\x1b[Fy", "xabcy|"),
        (b"abc\x1b[1~x\x1b[4~y", "xabcy|"),
        (b"abc\x01\x06\x06x\x05y", "abxcy|"),
        (b"abc\x08\x7f", "a|"),
        (b"abc\x01\x04", "|bc"),
        (b"abc\x01\x1b[3~", "|bc"),
        (b"abc\x02\x02\x0b", "a|"),
        (b"abc\x02\x15", "|c"),
        (b"one two\x17x", "one x|"),
        (b"one-two/x\x17", "|"),
        (b"one-two/x\x1b\x7f", "one-two/|"),
        (b"one two\x1bb\x1bby", "y|one two"),
        (b"one two\x01\x1bf!", "one!| two"),
        (b"one two\x1b[1;5D.", "one .|two"),
        (b"one two\x01\x1b[1;5C.", "one.| two"),
        (b"one two\x01\x1bd", "| two"),
        (b"one two\x01\x1bd\x1bd\x05\x19", "one two|"),
        (b"one two\x17\x17\x19\x19", "one twoone two|"),
        (b"a\x17b\x17\x19", "b|"),
        (b"ab\x14", "ba|"),
        (b"abc\x02\x14", "acb|"),
        (b"a\x14", "a|"),
        (b"\x02\x08\x04", ""),
        ("日本語\x08\x02x".as_bytes(), "日x|本"),
        ("ae\u{301}b\x02\x08".as_bytes(), "a|b"),
        ("e\u{301}a\x14".as_bytes(), "ae\u{301}|"),
        ("\u{301}a".as_bytes(), "a|"),
        (b"\xffa\xc3b\xe6\x97c", "abc|"),
        (b"a\x1b[200~b\x1b[?1;2cc", "abc|"),
        (b"a\x1b\x1b[Db", "b|a"),
        (b"a\x1b[\x02b", "b|a"),
    ];
    for (keys, expected) in table {
        let mut terminal = Terminal::new(80, "$ ", &[]);
        terminal.keys(keys);
        if terminal.editor.line().is_empty() && expected.is_empty() {
            continue;
        }
        let (before, after) = terminal.editor.line().split_at(terminal.editor.cursor());
        let shown = format!("{before}|{after}");
        assert_eq!(&shown, expected, "{:?}", String::from_utf8_lossy(keys));
        assert_eq!(terminal.visible(), format!("$ {before}{after}").trim_end());
        let expected = crate::support::rendered(&format!("$ {before}"), 80).1;
        assert_eq!(terminal.cursor(), expected);
    }
}

#[test]
fn ends_of_lines_are_events() {
    let mut terminal = Terminal::new(20, "$ ", &[]);
    assert_eq!(terminal.keys(b"ls -l\x01\r"), Event::Line("ls -l".into()));
    assert_eq!(terminal.cursor(), (1, 0));
    terminal.begin("$ ");
    assert_eq!(
        terminal.keys(b"\n"),
        Event::Pending,
        "belongs to the return"
    );
    assert_eq!(terminal.keys(b"x\n"), Event::Line("x".into()));
    terminal.begin("$ ");
    assert_eq!(terminal.keys(b"gone\x02\x03"), Event::Interrupted);
    assert_eq!(terminal.visible(), "$ ls -l\n$ x\n$ gone^C");
    terminal.begin("$ ");
    assert_eq!(terminal.keys(b"\x04"), Event::EndOfInput);
    assert_eq!(terminal.cursor(), (4, 0));
}

#[test]
fn control_c_drops_the_line_in_every_state() {
    let mut terminal = Terminal::new(40, "$ ", &["echo one"]);
    let begun: [&[u8]; 7] = [
        b"",
        b"line",
        b"\x12one",
        b"a\x1b",
        b"a\x1bO",
        b"a\x1b[1;",
        b"a\xe2\x82",
    ];
    for keys in begun {
        assert_eq!(terminal.keys(keys), Event::Pending);
        assert_eq!(terminal.keys(b"\x03"), Event::Interrupted, "{keys:?}");
        assert_eq!(terminal.editor.line(), "", "{keys:?}");
        terminal.begin("$ ");
        assert_eq!(terminal.keys(b"on\r"), Event::Line("on".into()));
        terminal.begin("$ ");
    }
}

#[test]
fn long_lines_wrap() {
    let mut terminal = Terminal::new(10, "> ", &[]);
    terminal.keys(b"12345678");
    assert_eq!(terminal.cursor(), (1, 0));
    terminal.keys(b"9");
    assert_eq!(terminal.visible(), "> 12345678\n9");
    terminal.keys(b"\x01x");
    assert_eq!(terminal.editor.line(), "x123456789");
    assert_eq!(terminal.cursor(), (0, 3));
    assert_eq!(terminal.keys(b"\r"), Event::Line("x123456789".into()));
    assert_eq!(terminal.cursor(), (2, 0));
}

#[test]
fn a_full_row_is_followed_by_one_row() {
    let mut terminal = Terminal::new(10, "> ", &[]);
    terminal.keys(b"12345678\r");
    assert_eq!(terminal.cursor(), (2, 0));
    let mut terminal = Terminal::new(10, "0123456789", &[]);
    assert_eq!(terminal.cursor(), (1, 0));
    terminal.keys("日".as_bytes());
    assert_eq!(terminal.cursor(), (1, 2));
}

#[test]
fn prompts_may_have_colours_and_lines() {
    let mut terminal = Terminal::new(20, "/home\n\x1b[1;32m$\x1b[0m ", &[]);
    terminal.keys(b"ab\x02c");
    assert_eq!(terminal.visible(), "/home\n$ acb");
    assert_eq!(terminal.cursor(), (1, 4));
    terminal.keys(b"\x0c");
    assert_eq!(terminal.visible(), "/home\n$ acb");
    assert_eq!(terminal.cursor(), (1, 4));
}

#[test]
fn history_goes_up_and_down() {
    let mut terminal = Terminal::new(40, "$ ", &["first", "second", "second", " "]);
    terminal.keys(b"draft\x1b[A");
    assert_eq!(terminal.visible(), "$ second");
    terminal.keys(b"\x10");
    assert_eq!(terminal.visible(), "$ first");
    terminal.keys(b"\x10!");
    assert_eq!(terminal.visible(), "$ first!");
    terminal.keys(b"\x1b[B\x0e\x0e");
    assert_eq!(terminal.visible(), "$ draft");
}

#[test]
fn history_is_searched_backwards() {
    let history = ["make test", "make all", "ls", "cat test.c"];
    let mut terminal = Terminal::new(60, "$ ", &history);
    terminal.keys(b"old\x12test");
    assert_eq!(terminal.visible(), "(reverse-i-search)`test': cat test.c");
    terminal.keys(b"\x12");
    assert_eq!(terminal.visible(), "(reverse-i-search)`test': make test");
    terminal.keys(b"\x12");
    assert_eq!(
        terminal.visible(),
        "(failed reverse-i-search)`test': make test"
    );
    terminal.keys(b"\x07");
    assert_eq!(terminal.visible(), "$ old");
    assert_eq!(terminal.keys(b"\x12al\r"), Event::Line("make all".into()));
    terminal.begin("$ ");
    terminal.keys(b"\x12make\x7f\x7f\x05!");
    assert_eq!(terminal.editor.line(), "make all!");
    terminal.keys(b"\x10");
    assert_eq!(terminal.editor.line(), "make test");
}

#[test]
fn completion_inserts_and_lists() {
    let mut terminal = Terminal::new(30, "$ ", &[]);
    terminal.completer = Words(vec!["cargo ", "cat ", "category ", "échelle", "école"]);
    terminal.keys(b"ca\t");
    assert_eq!(terminal.editor.line(), "ca");
    terminal.keys(b"\t");
    assert_eq!(
        terminal.visible(),
        "$ ca\ncargo     cat       category\n$ ca"
    );
    terminal.keys(b"r\tx \xc3\xa9\t");
    assert_eq!(
        terminal.editor.line(),
        "cargo x éc",
        "part of a letter is none"
    );
    terminal.keys(b"o\t");
    assert_eq!(terminal.editor.line(), "cargo x école");
    terminal.keys(b"\x17q\t\t");
    assert_eq!(terminal.editor.line(), "cargo x q");
}

#[test]
fn width_can_change() {
    let mut terminal = Terminal::new(40, "$ ", &[]);
    terminal.keys(b"0123456789abcdef");
    let mut output = Vec::new();
    terminal.editor.set_width(10, &mut output);
    terminal.screen.process(&output);
    let mut narrow = vt100::Parser::new(5, 10, 0);
    output.clear();
    terminal.editor.feed(0x0c, &mut NoCompletion, &mut output);
    narrow.process(&output);
    assert_eq!(narrow.screen().contents(), "$ 0123456789abcdef");
    assert_eq!(narrow.screen().cursor_position(), (1, 8));
}

#[test]
fn typing_at_the_end_sends_little() {
    let mut terminal = Terminal::new(80, "$ ", &[]);
    terminal.keys(b"abc");
    let mut output = Vec::new();
    terminal.editor.feed(b'd', &mut NoCompletion, &mut output);
    assert_eq!(output, b"d");
    output.clear();
    terminal.editor.feed(0x02, &mut NoCompletion, &mut output);
    assert_eq!(output, b"\x1b[1D");
}

#[test]
fn a_pasted_line_costs_what_its_pieces_cost() {
    let mut editor = Editor::new(80, History::new(10));
    let mut output = Vec::new();
    editor.begin("$ ", &mut output);
    output.clear();
    let line = vec![b'x'; 100_000];
    for piece in line.chunks(4096) {
        let fed = editor.feed_all(piece, &mut NoCompletion, &mut output);
        assert_eq!(fed, (Event::Pending, piece.len()));
    }
    let fed = editor.feed_all(b"\rls\r", &mut NoCompletion, &mut output);
    assert_eq!(fed.1, 1, "nothing behind the line is taken");
    assert_eq!(fed.0, Event::Line("x".repeat(100_000)));
    // Each piece is drawn once, not the line once for each character.
    assert!(output.len() < 3 * line.len(), "{} bytes", output.len());
}

#[test]
fn lines_and_history_are_bounded() {
    let mut editor = Editor::new(80, History::new(1000));
    let mut output = Vec::new();
    editor.begin("$ ", &mut output);
    // Killed and yanked again, twice as much each time.
    let doubling = b"\x15\x19\x19".repeat(20);
    for keys in [&b"x".repeat(1000)[..], &doubling] {
        editor.feed_all(keys, &mut NoCompletion, &mut output);
        output.clear();
    }
    assert_eq!(editor.line().len(), 128 * 1024);
    for number in 0..100 {
        let line = format!("{number} {}", editor.line());
        editor.history_mut().add(&line);
    }
    let lines: Vec<&str> = editor.history().lines().collect();
    let bytes: usize = lines.iter().map(|line| line.len()).sum();
    assert!(bytes <= 1 << 20, "{bytes}");
    assert!(lines.len() > 5, "{}", lines.len());
    assert!(lines.last().unwrap().starts_with("99 "));
    editor.history_mut().add(&"y".repeat(2 << 20));
    assert_eq!(editor.history().lines().count(), 0);
}
