//! Keys: decodes UTF-8 and the escape sequences terminals send.

/// One key press.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Character(char),
    /// Ctrl with this upper-case letter or punctuation.
    Control(char),
    /// Escape in front of this character.
    Alt(char),
    Enter,
    Tab,
    Backspace,
    AltBackspace,
    Delete,
    Left,
    Right,
    Up,
    Down,
    Home,
    End,
    WordLeft,
    WordRight,
}

/// Collects bytes until they make a key.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeyDecoder {
    state: State,
    /// A carriage return came last: a line feed behind it is no new line.
    is_after_return: bool,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Ground,
    Escape,
    /// Behind `ESC O`.
    SingleShift,
    /// Behind `ESC [`: the first and the latest number.
    Sequence {
        first: u16,
        latest: u16,
    },
    Utf8 {
        bytes: [u8; 4],
        length: usize,
        wanted: usize,
    },
}

impl KeyDecoder {
    /// The key this byte completes. Unknown sequences and bytes that are not
    /// UTF-8 give none.
    pub(crate) fn feed(&mut self, byte: u8) -> Option<Key> {
        let is_after_return = core::mem::take(&mut self.is_after_return);
        match core::mem::take(&mut self.state) {
            State::Ground if byte == b'\n' && is_after_return => None,
            State::Ground => self.ground(byte),
            State::Escape => self.escape(byte),
            State::SingleShift if byte.is_ascii_control() => self.ground(byte),
            State::SingleShift => Self::letter(byte, false),
            State::Sequence { first, latest } => self.sequence(byte, first, latest),
            State::Utf8 {
                bytes,
                length,
                wanted,
            } => self.utf8(byte, bytes, length, wanted),
        }
    }

    fn ground(&mut self, byte: u8) -> Option<Key> {
        let wanted = match byte {
            b'\r' => {
                self.is_after_return = true;
                return Some(Key::Enter);
            }
            b'\n' => return Some(Key::Enter),
            b'\t' => return Some(Key::Tab),
            0x08 | 0x7f => return Some(Key::Backspace),
            0x1b => {
                self.state = State::Escape;
                return None;
            }
            0..=0x1f => return Some(Key::Control(char::from(byte | 0x40))),
            0x20..=0x7e => return Some(Key::Character(char::from(byte))),
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => return None,
        };
        self.state = State::Utf8 {
            bytes: [byte, 0, 0, 0],
            length: 1,
            wanted,
        };
        None
    }

    fn utf8(&mut self, byte: u8, mut bytes: [u8; 4], length: usize, wanted: usize) -> Option<Key> {
        if byte & 0xc0 != 0x80 {
            // The character was cut short; this byte begins something new.
            return self.ground(byte);
        }
        bytes[length] = byte;
        let length = length + 1;
        if length < wanted {
            self.state = State::Utf8 {
                bytes,
                length,
                wanted,
            };
            return None;
        }
        let text = core::str::from_utf8(&bytes[..length]).ok()?;
        text.chars().next().map(Key::Character)
    }

    fn escape(&mut self, byte: u8) -> Option<Key> {
        match byte {
            b'[' => {
                self.state = State::Sequence {
                    first: 0,
                    latest: 0,
                };
                None
            }
            b'O' => {
                self.state = State::SingleShift;
                None
            }
            0x1b => {
                self.state = State::Escape;
                None
            }
            0x08 | 0x7f => Some(Key::AltBackspace),
            0x20..=0x7e => Some(Key::Alt(char::from(byte))),
            _ => self.ground(byte),
        }
    }

    fn sequence(&mut self, byte: u8, first: u16, latest: u16) -> Option<Key> {
        match byte {
            b'0'..=b'9' => {
                let latest = latest
                    .saturating_mul(10)
                    .saturating_add(u16::from(byte - b'0'));
                self.state = State::Sequence { first, latest };
                None
            }
            b';' => {
                self.state = State::Sequence {
                    first: if first == 0 { latest } else { first },
                    latest: 0,
                };
                None
            }
            0x20..=0x3f => {
                self.state = State::Sequence { first, latest };
                None
            }
            b'~' => match if first == 0 { latest } else { first } {
                1 | 7 => Some(Key::Home),
                4 | 8 => Some(Key::End),
                3 => Some(Key::Delete),
                _ => None,
            },
            // Modifiers 3 and 5 are Alt and Ctrl.
            0x40..=0x7e => Self::letter(byte, first != 0 && matches!(latest, 3 | 5)),
            _ => self.ground(byte),
        }
    }

    fn letter(byte: u8, is_modified: bool) -> Option<Key> {
        Some(match byte {
            b'A' => Key::Up,
            b'B' => Key::Down,
            b'C' if is_modified => Key::WordRight,
            b'D' if is_modified => Key::WordLeft,
            b'C' => Key::Right,
            b'D' => Key::Left,
            b'H' => Key::Home,
            b'F' => Key::End,
            b'M' => Key::Enter,
            _ => return None,
        })
    }
}
