//! A terminal for tests: an editor connected to a VT100 interpreter.

use lineedit::{Completer, Completion, Editor, Event, History};

pub const ROWS: u16 = 40;

pub struct Terminal {
    pub editor: Editor,
    pub screen: vt100::Parser,
    pub completer: Words,
}

/// Completes the word before the cursor from a list.
pub struct Words(pub Vec<&'static str>);

impl Completer for Words {
    fn complete(&mut self, line: &str, cursor: usize) -> Completion {
        let start = line[..cursor].rfind(' ').map_or(0, |blank| blank + 1);
        let candidates = self
            .0
            .iter()
            .filter(|word| word.starts_with(&line[start..cursor]));
        Completion {
            start,
            candidates: candidates.map(ToString::to_string).collect(),
        }
    }
}

impl Terminal {
    pub fn new(width: u16, prompt: &str, history: &[&str]) -> Self {
        let mut lines = History::default();
        history.iter().for_each(|line| lines.add(line));
        let mut terminal = Self {
            editor: Editor::new(usize::from(width), lines),
            screen: vt100::Parser::new(ROWS, width, 0),
            completer: Words(Vec::new()),
        };
        terminal.begin(prompt);
        terminal
    }

    pub fn begin(&mut self, prompt: &str) {
        let mut output = Vec::new();
        self.editor.begin(prompt, &mut output);
        self.screen.process(&output);
    }

    /// Types bytes; returns what the last of them led to.
    pub fn keys(&mut self, bytes: &[u8]) -> Event {
        let mut event = Event::Pending;
        for byte in bytes {
            let mut output = Vec::new();
            event = self.editor.feed(*byte, &mut self.completer, &mut output);
            self.screen.process(&output);
        }
        event
    }

    /// Everything visible, without blank rows at the end.
    pub fn visible(&self) -> String {
        rows(&self.screen)
    }

    pub fn cursor(&self) -> (u16, u16) {
        self.screen.screen().cursor_position()
    }
}

/// The rows of a screen, without the blanks at their ends.
pub fn rows(screen: &vt100::Parser) -> String {
    let (_, width) = screen.screen().size();
    let rows = screen.screen().rows(0, width);
    let rows: Vec<String> = rows.map(|row| row.trim_end().to_string()).collect();
    rows.join("\n").trim_end().to_string()
}

/// What a fresh terminal shows after the text, and where its cursor is: behind
/// a full row, at the beginning of the next.
pub fn rendered(text: &str, width: u16) -> (String, (u16, u16)) {
    let mut screen = vt100::Parser::new(ROWS, width, 0);
    screen.process(text.as_bytes());
    let (mut row, mut column) = screen.screen().cursor_position();
    if column >= width {
        (row, column) = (row + 1, 0);
    }
    (rows(&screen), (row, column))
}
