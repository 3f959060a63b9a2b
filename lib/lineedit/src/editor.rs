//! The editor: what each key does to the line.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use crate::buffer::Buffer;
use crate::completion::Completer;
use crate::history::History;
use crate::keys::{Key, KeyDecoder};
use crate::screen::{Frame, Screen, normalised_prompt};

/// What a byte led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The line is still being edited.
    Pending,
    /// Enter: the line, without its end. The next one starts with
    /// [`Editor::begin`].
    Line(String),
    /// Ctrl-D on an empty line.
    EndOfInput,
    /// Ctrl-C: the line was given up.
    Interrupted,
}

/// Edits one line after another.
#[derive(Clone, Debug)]
pub struct Editor {
    prompt: String,
    buffer: Buffer,
    history: History,
    /// Index of the history line shown; its length means the new line.
    position: usize,
    /// The new line, while a line of the history is shown.
    draft: String,
    search: Option<Search>,
    /// What was killed last, for Ctrl-Y.
    killed: String,
    previous: Previous,
    keys: KeyDecoder,
    screen: Screen,
}

/// Which kind of key came last: some do more when repeated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Previous {
    #[default]
    Other,
    Kill,
    Tab,
}

#[derive(Clone, Debug)]
struct Search {
    query: String,
    /// Index of the line and place in it.
    found: Option<(usize, usize)>,
    has_failed: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Backward,
    Forward,
}

impl Editor {
    /// An editor for a terminal `width` columns wide; 80 is usual.
    pub fn new(width: usize, history: History) -> Self {
        Self {
            prompt: String::new(),
            buffer: Buffer::default(),
            position: history.len(),
            history,
            draft: String::new(),
            search: None,
            killed: String::new(),
            previous: Previous::Other,
            keys: KeyDecoder::default(),
            screen: Screen::new(width),
        }
    }

    /// The lines entered so far. The editor adds none by itself.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// The history, to add an entered line.
    pub fn history_mut(&mut self) -> &mut History {
        &mut self.history
    }

    /// The line as it is now.
    pub fn line(&self) -> &str {
        self.buffer.text()
    }

    /// The cursor, in bytes of the line.
    pub fn cursor(&self) -> usize {
        self.buffer.cursor()
    }

    /// Begins an empty line; the terminal's cursor must be in column 0.
    pub fn begin(&mut self, prompt: &str, output: &mut Vec<u8>) {
        self.prompt = normalised_prompt(prompt);
        self.buffer.take();
        self.position = self.history.len();
        self.draft.clear();
        self.search = None;
        self.previous = Previous::Other;
        self.screen.forget();
        self.draw(output);
    }

    /// Follows a change of the terminal's width, at least 2.
    pub fn set_width(&mut self, width: usize, output: &mut Vec<u8>) {
        self.screen.set_width(width, output);
        self.draw(output);
    }

    /// Takes one byte from the keyboard; adds to `output` what the terminal
    /// has to be sent.
    pub fn feed(&mut self, byte: u8, completer: &mut dyn Completer, output: &mut Vec<u8>) -> Event {
        self.feed_all(&[byte], completer, output).0
    }

    /// Takes bytes from the keyboard up to what ends the line; what they led to, and
    /// how many were taken. The line is drawn once for all of them, so that what is
    /// pasted costs as much as it has pieces, not characters.
    pub fn feed_all(
        &mut self,
        bytes: &[u8],
        completer: &mut dyn Completer,
        output: &mut Vec<u8>,
    ) -> (Event, usize) {
        let mut is_drawn = true;
        for (index, byte) in bytes.iter().enumerate() {
            let Some(key) = self.keys.feed(*byte) else {
                continue;
            };
            // What is shown below the line, or instead of it, begins at its end.
            if !is_drawn && !matches!(key, Key::Character(_)) {
                self.draw(output);
            }
            is_drawn = false;
            if !self.search_key(key, output) {
                let event = self.key(key, completer, output);
                if event != Event::Pending {
                    return (event, index + 1);
                }
            }
        }
        if !is_drawn {
            self.draw(output);
        }
        (Event::Pending, bytes.len())
    }

    fn draw(&mut self, output: &mut Vec<u8>) {
        let frame = match &self.search {
            Some(search) => {
                let (index, cursor) = search.found.unwrap_or((usize::MAX, 0));
                let failed = if search.has_failed { "failed " } else { "" };
                Frame {
                    prompt: format!("({failed}reverse-i-search)`{}': ", search.query),
                    text: self.history.get(index).unwrap_or_default().into(),
                    cursor,
                }
            }
            None => Frame {
                prompt: self.prompt.clone(),
                text: self.buffer.text().into(),
                cursor: self.buffer.cursor(),
            },
        };
        self.screen.draw(frame, output);
    }

    fn key(&mut self, key: Key, completer: &mut dyn Completer, output: &mut Vec<u8>) -> Event {
        let previous = core::mem::take(&mut self.previous);
        match key {
            Key::Enter => return self.enter(output),
            Key::Control('C') => return self.interrupt(output),
            Key::Control('D') if self.buffer.text().is_empty() => {
                self.screen.leave(output);
                return Event::EndOfInput;
            }
            Key::Character(character) => self.buffer.insert(character.encode_utf8(&mut [0; 4])),
            Key::Backspace => self.delete(self.buffer.left()..self.buffer.cursor()),
            Key::Delete | Key::Control('D') => {
                self.delete(self.buffer.cursor()..self.buffer.right());
            }
            Key::Left | Key::Control('B') => self.buffer.move_to(self.buffer.left()),
            Key::Right | Key::Control('F') => self.buffer.move_to(self.buffer.right()),
            Key::Home | Key::Control('A') => self.buffer.move_to(0),
            Key::End | Key::Control('E') => self.buffer.move_to(self.buffer.text().len()),
            Key::WordLeft | Key::Alt('b') => self.buffer.move_to(self.buffer.word_left()),
            Key::WordRight | Key::Alt('f') => self.buffer.move_to(self.buffer.word_right()),
            Key::Up | Key::Control('P') => self.show_older(output),
            Key::Down | Key::Control('N') => self.show_newer(output),
            Key::Control('K') => self.kill_forward(self.buffer.text().len(), previous),
            Key::Alt('d') => self.kill_forward(self.buffer.word_right(), previous),
            Key::Control('U') => self.kill_backward(0, previous),
            Key::Control('W') => self.kill_backward(self.buffer.blank_word_left(), previous),
            Key::AltBackspace => self.kill_backward(self.buffer.word_left(), previous),
            Key::Control('Y') => self.buffer.insert(&self.killed),
            Key::Control('T') => {
                if !self.buffer.transpose() {
                    bell(output);
                }
            }
            Key::Control('L') => {
                output.extend_from_slice(b"\x1b[H\x1b[2J");
                self.screen.forget();
            }
            Key::Control('R') => {
                self.search = Some(Search {
                    query: String::new(),
                    found: None,
                    has_failed: false,
                });
            }
            Key::Tab => self.complete(completer, previous, output),
            Key::Control(_) | Key::Alt(_) => bell(output),
        }
        Event::Pending
    }

    fn enter(&mut self, output: &mut Vec<u8>) -> Event {
        self.draw(output);
        self.screen.leave(output);
        Event::Line(self.buffer.take())
    }

    fn interrupt(&mut self, output: &mut Vec<u8>) -> Event {
        self.buffer.move_to(self.buffer.text().len());
        self.draw(output);
        output.extend_from_slice(b"^C");
        self.screen.leave(output);
        self.buffer.take();
        Event::Interrupted
    }

    fn delete(&mut self, range: Range<usize>) {
        self.buffer.remove(range);
    }

    fn kill_forward(&mut self, end: usize, previous: Previous) {
        self.kill(self.buffer.cursor()..end, Direction::Forward, previous);
    }

    fn kill_backward(&mut self, start: usize, previous: Previous) {
        self.kill(start..self.buffer.cursor(), Direction::Backward, previous);
    }

    /// Kills without another key between them add up to one text.
    fn kill(&mut self, range: Range<usize>, direction: Direction, previous: Previous) {
        let removed = self.buffer.remove(range);
        if previous != Previous::Kill {
            self.killed.clear();
        }
        match direction {
            Direction::Forward => self.killed.push_str(&removed),
            Direction::Backward => self.killed.insert_str(0, &removed),
        }
        self.previous = Previous::Kill;
    }

    fn show_older(&mut self, output: &mut Vec<u8>) {
        if self.position == 0 {
            return bell(output);
        }
        if self.position >= self.history.len() {
            self.draft = self.buffer.text().into();
        }
        self.show(self.position.min(self.history.len()).saturating_sub(1));
    }

    fn show_newer(&mut self, output: &mut Vec<u8>) {
        if self.position >= self.history.len() {
            return bell(output);
        }
        self.show(self.position + 1);
    }

    fn show(&mut self, position: usize) {
        self.position = position;
        let line = self.history.get(position).unwrap_or(&self.draft);
        self.buffer.set(line);
    }

    fn complete(
        &mut self,
        completer: &mut dyn Completer,
        previous: Previous,
        output: &mut Vec<u8>,
    ) {
        let (line, cursor) = (self.buffer.text(), self.buffer.cursor());
        let completion = completer.complete(line, cursor);
        let start = completion.start;
        let prefix = completion.common_prefix();
        // A completer is foreign code: what it says about the line is checked.
        let Some(old) = line.get(start..cursor) else {
            return bell(output);
        };
        if prefix.len() > old.len() || (completion.candidates.len() == 1 && prefix != old) {
            self.buffer.replace_from(start, prefix);
            return;
        }
        if completion.candidates.len() > 1 && previous == Previous::Tab {
            self.screen.leave(output);
            let table = completion.table(self.screen.width());
            output.extend_from_slice(table.as_bytes());
            return;
        }
        bell(output);
        self.previous = Previous::Tab;
    }

    /// Handles a key during a search; false if there is none, or if the key
    /// ended it and still has to be obeyed.
    fn search_key(&mut self, key: Key, output: &mut Vec<u8>) -> bool {
        let Some(mut search) = self.search.take() else {
            return false;
        };
        let is_older_wanted = match key {
            Key::Character(character) => {
                if search.query.len() < Buffer::LIMIT {
                    search.query.push(character);
                }
                false
            }
            Key::Backspace => {
                search.query.pop();
                false
            }
            Key::Control('R') => true,
            Key::Control('G') => return true,
            _ => {
                self.accept(&search);
                return false;
            }
        };
        let before = match search.found {
            Some((index, _)) if is_older_wanted => index,
            _ => self.history.len(),
        };
        match self.history.search(&search.query, before) {
            Some(found) if !search.query.is_empty() => {
                search.found = Some(found);
                search.has_failed = false;
            }
            _ => {
                search.has_failed = !search.query.is_empty();
                if search.has_failed {
                    bell(output);
                } else {
                    search.found = None;
                }
            }
        }
        self.search = Some(search);
        true
    }

    fn accept(&mut self, search: &Search) {
        let Some((index, cursor)) = search.found else {
            return;
        };
        if self.position >= self.history.len() {
            self.draft = self.buffer.text().into();
        }
        self.show(index);
        // A line with control characters was not taken over as it is.
        if self.history.get(index) == Some(self.buffer.text()) {
            self.buffer.move_to(cursor);
        }
    }
}

fn bell(output: &mut Vec<u8>) {
    output.push(0x07);
}
