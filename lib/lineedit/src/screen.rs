//! Drawing: turns one picture of the prompt and line into the next.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::width::{columns, is_combining};

/// What should be visible.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Prompt; may contain colour sequences, which take no column.
    pub(crate) prompt: String,
    pub(crate) text: String,
    /// In bytes of `text`.
    pub(crate) cursor: usize,
}

/// Row and column relative to where the prompt begins.
///
/// Invariant: `column < width`; behind the last column is the next row.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    row: usize,
    column: usize,
    /// The text filled the row above: the terminal itself waits at its end.
    is_wrapped: bool,
}

/// Remembers what the terminal shows.
#[derive(Clone, Debug)]
pub(crate) struct Screen {
    width: usize,
    /// `None`: the terminal's cursor is where a prompt may begin.
    shown: Option<Frame>,
    cursor: Place,
}

impl Screen {
    pub(crate) fn new(width: usize) -> Self {
        Self {
            width: width.max(2),
            shown: None,
            cursor: Place::default(),
        }
    }

    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Another width, with the prompt about to be drawn from its beginning.
    pub(crate) fn set_width(&mut self, width: usize, output: &mut Vec<u8>) {
        if self.shown.is_some() {
            self.move_cursor(Place::default(), output);
            output.extend_from_slice(b"\x1b[J");
            self.shown = None;
        }
        self.width = width.max(2);
    }

    /// The terminal's cursor is in column 0 of an empty row.
    pub(crate) fn forget(&mut self) {
        self.shown = None;
        self.cursor = Place::default();
    }

    /// Draws what differs from what is shown.
    pub(crate) fn draw(&mut self, frame: Frame, output: &mut Vec<u8>) {
        let same = match &self.shown {
            Some(shown) if shown.prompt == frame.prompt => {
                Some(common_length(&shown.text, &frame.text))
            }
            _ => None,
        };
        match same {
            None => {
                self.move_cursor(Place::default(), output);
                if self.shown.is_some() {
                    output.extend_from_slice(b"\x1b[J");
                }
                output.extend_from_slice(frame.prompt.as_bytes());
                self.cursor = self.place_behind(Place::default(), &frame.prompt);
                self.finish_row(output);
                self.write(&frame.text, output);
            }
            Some(same) => {
                let old_length = self.shown.as_ref().map_or(0, |shown| shown.text.len());
                if same < old_length || same < frame.text.len() {
                    let start = self.place_of(&frame, same);
                    self.move_cursor(start, output);
                    if same < old_length {
                        output.extend_from_slice(b"\x1b[J");
                    }
                    self.write(&frame.text[same..], output);
                }
            }
        }
        self.move_cursor(self.place_of(&frame, frame.cursor), output);
        self.shown = Some(frame);
    }

    /// Leaves the line as it is and goes to the row below it.
    pub(crate) fn leave(&mut self, output: &mut Vec<u8>) {
        if let Some(frame) = self.shown.take() {
            self.move_cursor(self.place_of(&frame, frame.text.len()), output);
        }
        output.extend_from_slice(b"\r\n");
        self.forget();
    }

    fn write(&mut self, text: &str, output: &mut Vec<u8>) {
        output.extend_from_slice(text.as_bytes());
        self.cursor = self.place_behind(self.cursor, text);
        self.finish_row(output);
    }

    /// A terminal waits behind the last column; makes it go to the next row.
    fn finish_row(&mut self, output: &mut Vec<u8>) {
        if core::mem::take(&mut self.cursor.is_wrapped) {
            // A blank and not a newline: the terminal still knows that both
            // rows are one line when it is copied or made wider.
            output.extend_from_slice(b" \r");
        }
    }

    fn place_of(&self, frame: &Frame, at: usize) -> Place {
        let prompt_end = self.place_behind(Place::default(), &frame.prompt);
        self.place_behind(prompt_end, &frame.text[..at])
    }

    fn place_behind(&self, mut place: Place, text: &str) -> Place {
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            match character {
                '\x1b' => skip_escape_sequence(&mut characters),
                '\n' => {
                    place = Place {
                        row: place.row + 1,
                        column: place.column,
                        is_wrapped: false,
                    };
                }
                '\r' => {
                    // Behind a full row, the terminal is still in that row.
                    place = Place {
                        row: place.row - usize::from(place.is_wrapped),
                        ..Place::default()
                    };
                }
                _ => {
                    let columns = columns(character);
                    if columns == 0 {
                        continue;
                    }
                    place.is_wrapped = false;
                    // A wide character does not fit in one last column.
                    if place.column + columns > self.width {
                        place.row += 1;
                        place.column = 0;
                    }
                    place.column += columns;
                    if place.column == self.width {
                        place.row += 1;
                        place.column = 0;
                        place.is_wrapped = true;
                    }
                }
            }
        }
        place
    }

    fn move_cursor(&mut self, target: Place, output: &mut Vec<u8>) {
        let from = self.cursor;
        if target.row < from.row {
            output.extend_from_slice(format!("\x1b[{}A", from.row - target.row).as_bytes());
        } else if target.row > from.row {
            output.extend_from_slice(format!("\x1b[{}B", target.row - from.row).as_bytes());
        }
        if target.column == 0 && from.column != 0 {
            output.push(b'\r');
        } else if target.column < from.column {
            output.extend_from_slice(format!("\x1b[{}D", from.column - target.column).as_bytes());
        } else if target.column > from.column {
            output.extend_from_slice(format!("\x1b[{}C", target.column - from.column).as_bytes());
        }
        self.cursor = Place {
            is_wrapped: false,
            ..target
        };
    }
}

/// Steps over the rest of `ESC [ … letter` or `ESC character`.
fn skip_escape_sequence(characters: &mut core::str::Chars<'_>) {
    if characters.next() == Some('[') {
        characters.find(|character| ('\x40'..='\x7e').contains(character));
    }
}

/// How much is equal, without cutting a character from its combining marks.
fn common_length(old: &str, new: &str) -> usize {
    let mut same = old
        .char_indices()
        .zip(new.chars())
        .find(|((_, one), two)| one != two)
        .map_or(old.len().min(new.len()), |((at, _), _)| at);
    let begins_with_mark = |text: &str| text.chars().next().is_some_and(is_combining);
    while same > 0 && (begins_with_mark(&old[same..]) || begins_with_mark(&new[same..])) {
        same = old[..same]
            .char_indices()
            .next_back()
            .map_or(0, |(at, _)| at);
    }
    same
}

/// A prompt may have several lines; each begins in the first column.
pub(crate) fn normalised_prompt(prompt: &str) -> String {
    if prompt.contains('\n') {
        prompt.replace("\r\n", "\n").replace('\n', "\r\n")
    } else {
        prompt.to_string()
    }
}
