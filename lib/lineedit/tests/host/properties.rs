//! Properties: any bytes are safe, and the screen always shows the line.

use crate::support::{Terminal, Words, rendered};
use lineedit::{Cooked, CookedEvent, Editor, Event, History, Mode, NoCompletion};
use proptest::prelude::*;

const KEYS: &[&str] = &[
    "a", "b", "_", " ", "word ", "é", "日", "本語", "e\u{301}", "\u{301}", "🦀", "\x1b[A",
    "\x1b[B", "\x1b[C", "\x1b[D", "\x1b[H", "\x1b[F", "\x1b[3~", "\x1bb", "\x1bf", "\x1bd",
    "\x1b\x7f", "\x01", "\x02", "\x04", "\x05", "\x06", "\x08", "\x0b", "\x0e", "\x10", "\x14",
    "\x15", "\x17", "\x19", "\t", "\x7f", "\x0c",
];

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Ctrl-D on an empty line ends it: then the next one begins.
fn type_key(terminal: &mut Terminal, key: &str, prompt: &str) {
    if terminal.keys(key.as_bytes()) != Event::Pending {
        terminal.keys(b"\x0c");
        terminal.screen.process(b"\x1b[H\x1b[2J");
        terminal.begin(prompt);
    }
}

proptest! {
    #![proptest_config(config(1500))]

    #[test]
    fn the_screen_shows_prompt_and_line(
        keys in prop::collection::vec(prop::sample::select(KEYS), 0..60),
        width in 4u16..30,
        prompt in prop::sample::select(vec!["", "$ ", "日> ", "\x1b[31mred\x1b[0m ", "two\nlines "]),
    ) {
        let mut terminal = Terminal::new(width, prompt, &["an older line", "日本", "newest"]);
        terminal.completer = Words(vec!["word"]);
        for key in keys {
            type_key(&mut terminal, key, prompt);
            let shown_prompt = prompt.replace('\n', "\r\n");
            let (before, after) = terminal.editor.line().split_at(terminal.editor.cursor());
            let (contents, _) = rendered(&format!("{shown_prompt}{before}{after}"), width);
            // The next character decides whether the cursor's row is full: a
            // wide one that does not fit is where it goes, not where it was.
            let (_, cursor) = rendered(&format!("{shown_prompt}{before}"), width);
            prop_assert_eq!(terminal.visible(), contents);
            prop_assert_eq!(terminal.cursor(), cursor);
        }
    }

    #[test]
    fn any_bytes_are_safe(bytes in prop::collection::vec(any::<u8>(), 0..200), width in 0usize..90) {
        let mut editor = Editor::new(width, History::new(3));
        let mut output = Vec::new();
        editor.begin("$ ", &mut output);
        for byte in bytes {
            match editor.feed(byte, &mut NoCompletion, &mut output) {
                Event::Pending => {}
                Event::Line(line) => {
                    prop_assert!(!line.contains(char::is_control));
                    editor.history_mut().add(&line);
                    editor.begin("$ ", &mut output);
                }
                _ => editor.begin("$ ", &mut output),
            }
            prop_assert!(editor.line().is_char_boundary(editor.cursor()));
        }
        prop_assert!(editor.history().lines().count() <= 3);
    }

    /// Motion and editing against the simplest possible model.
    #[test]
    fn the_line_agrees_with_a_model(keys in prop::collection::vec(0..9u8, 0..60)) {
        let mut terminal = Terminal::new(80, "", &[]);
        let mut model: Vec<char> = Vec::new();
        let mut cursor = 0usize;
        for (index, key) in keys.into_iter().enumerate() {
            let letter = char::from(b'a' + u8::try_from(index % 26).expect("below 26"));
            let text = letter.to_string();
            let bytes: &[u8] = match key {
                0 => { cursor = cursor.saturating_sub(1); b"\x02" }
                1 => { cursor = (cursor + 1).min(model.len()); b"\x06" }
                2 => { cursor = 0; b"\x01" }
                3 => { cursor = model.len(); b"\x05" }
                4 => { if cursor > 0 { cursor -= 1; model.remove(cursor); } b"\x7f" }
                5 => { if cursor < model.len() { model.remove(cursor); } b"\x1b[3~" }
                6 => { model.truncate(cursor); b"\x0b" }
                _ => { model.insert(cursor, letter); cursor += 1; text.as_bytes() }
            };
            terminal.keys(bytes);
            prop_assert_eq!(terminal.editor.line(), model.iter().collect::<String>());
            prop_assert_eq!(terminal.editor.cursor(), cursor);
        }
    }

    #[test]
    fn any_bytes_are_safe_for_the_discipline(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        is_canonical: bool,
        has_echo: bool,
        has_signals: bool,
    ) {
        let mode = Mode { is_canonical, has_echo, has_signals, ..Mode::COOKED };
        let mut tty = Cooked::new(mode);
        let mut output = Vec::new();
        for byte in bytes {
            if let CookedEvent::Input(input) = tty.feed(byte, &mut output) {
                prop_assert!(!input.is_empty());
            }
        }
    }

    /// After any editing, the row on the terminal is the line.
    #[test]
    fn the_terminal_shows_the_cooked_line(
        keys in prop::collection::vec(
            prop::sample::select(vec!["a", "b", " ", "é", "日", "\t", "\x01", "\x7f", "\x17", "\x15"]),
            0..20,
        ),
    ) {
        let mut tty = Cooked::new(Mode::COOKED);
        let mut screen = vt100::Parser::new(3, 250, 0);
        let mut output = Vec::new();
        tty.write(b"> ", &mut output);
        for key in keys.concat().bytes() {
            tty.feed(key, &mut output);
        }
        // A visible end, so that trailing blanks count.
        tty.feed(b'$', &mut output);
        screen.process(&output);
        let shown = crate::support::rows(&screen);
        let CookedEvent::Input(line) = tty.feed(b'\n', &mut output) else {
            return Err(TestCaseError::fail("no line"));
        };
        let line = String::from_utf8(line).expect("typed as UTF-8");
        let echoed = line.trim_end_matches('\n').replace('\x01', "^A");
        prop_assert_eq!(shown, rendered(&format!("> {echoed}"), 250).0);
    }
}
