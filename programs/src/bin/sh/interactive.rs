//! The prompt: line editing, history, completion.

use lineedit::{Completer, Completion, Editor, Event, History};
use posix::prelude::*;
use posix::process::TerminalMode;
use posix::{env, fs, io, path, system};
use shell_language::{ParseError, Script};

use crate::builtins;
use crate::memory;
use crate::shell::{Flow, Shell};
use crate::trap;

/// Lines remembered.
const HISTORY_LINES: usize = 500;

/// Bytes of the longest file that history is read from.
const HISTORY_BYTES: usize = 1 << 20;

/// Names that are looked at to complete one.
const CANDIDATES: usize = 4096;

/// Name of the file that history is kept in, in the home directory.
const HISTORY_FILE: &str = ".sh_history";

/// Bytes read from the terminal at once.
const INPUT_BYTES: usize = 4096;

/// Reads and runs commands until the input ends; the last status.
pub fn run(shell: &mut Shell) -> i32 {
    shell.is_interactive = true;
    let width = shell.value("COLUMNS").and_then(|text| text.parse().ok());
    let mut reader = LineReader {
        editor: Editor::new(width.unwrap_or(80).max(20), History::new(HISTORY_LINES)),
        waiting: Vec::new(),
    };
    let history_path = path::join(shell.value("HOME").unwrap_or("/"), HISTORY_FILE);
    for line in read_history(&history_path).lines() {
        reader.editor.history_mut().add(line);
    }
    let mut text = String::new();
    loop {
        shell.reap();
        shell.history = reader.editor.history().lines().map(String::from).collect();
        let prompt = if text.is_empty() {
            prompt(shell)
        } else {
            "> ".into()
        };
        match reader.read(&prompt, shell) {
            Event::EndOfInput if text.is_empty() => break,
            Event::EndOfInput | Event::Interrupted => {
                text.clear();
                shell.status = 130;
                continue;
            }
            Event::Line(line) => {
                reader.editor.history_mut().add(&line);
                text.push_str(&line);
                text.push('\n');
            }
            Event::Pending => continue,
        }
        match Script::beginning(&text).next_command(&shell.aliases) {
            Err(ParseError::Incomplete { .. }) => continue,
            Err(error) => shell.refuse(&error),
            Ok(None) => {}
            Ok(Some(program)) => {
                let flow = shell.run_program(&program);
                let _ = io::stdout().flush();
                if flow == Flow::Exit {
                    break;
                }
                if flow == Flow::Interrupted {
                    shell.run_trap(trap::INTERRUPT);
                }
            }
        }
        text.clear();
    }
    let lines: Vec<&str> = reader.editor.history().lines().collect();
    // A disk that cannot be written loses the history, nothing else.
    let _ = fs::write(&history_path, lines.join("\n") + "\n");
    shell.status
}

/// What was entered before; nothing, if the file is too long or no text.
fn read_history(path: &str) -> String {
    let read =
        fs::File::open(path).and_then(|mut file| memory::read_to_end(&mut file, HISTORY_BYTES));
    read.ok()
        .and_then(|bytes| memory::text(bytes, HISTORY_BYTES))
        .unwrap_or_default()
}

/// `PS1`, or the working directory and a dollar sign.
fn prompt(shell: &Shell) -> String {
    if let Some(prompt) = shell.value("PS1") {
        return prompt.into();
    }
    format!("{} $ ", env::current_dir().unwrap_or_default())
}

struct LineReader {
    editor: Editor,
    /// Bytes typed ahead.
    waiting: Vec<u8>,
}

impl LineReader {
    fn read(&mut self, prompt: &str, shell: &Shell) -> Event {
        let _ = system().set_terminal_mode(0, TerminalMode::Raw);
        let event = self.edit(prompt, shell);
        let _ = system().set_terminal_mode(0, TerminalMode::Canonical);
        let _ = system().take_interrupt();
        event
    }

    fn edit(&mut self, prompt: &str, shell: &Shell) -> Event {
        let mut completer = Names { shell };
        let mut output = Vec::new();
        self.editor.begin(prompt, &mut output);
        loop {
            // What cannot be shown is typed blindly.
            let _ = io::stdout().write_all(&output);
            let _ = io::stdout().flush();
            output.clear();
            if self.waiting.is_empty() {
                // Rv6 gives no more than the line: what is behind it is for what runs.
                self.waiting.resize(INPUT_BYTES, 0);
                let count = io::stdin().read_unbuffered(&mut self.waiting).unwrap_or(0);
                self.waiting.truncate(count);
                if count == 0 {
                    return Event::EndOfInput;
                }
            }
            let fed = self
                .editor
                .feed_all(&self.waiting, &mut completer, &mut output);
            self.waiting.drain(..fed.1);
            if fed.0 != Event::Pending {
                let _ = io::stdout().write_all(&output);
                return fed.0;
            }
        }
    }
}

/// Completes commands and files.
struct Names<'a> {
    shell: &'a Shell,
}

impl Completer for Names<'_> {
    fn complete(&mut self, line: &str, cursor: usize) -> Completion {
        let before = &line[..cursor];
        let is_break = |character: char| " \t|&;()<>\"'`=".contains(character);
        let start = before.rfind(is_break).map_or(0, |at| at + 1);
        let word = &before[start..];
        let leading = before[..start].trim_end();
        let is_command = leading.is_empty() || leading.ends_with(['|', '&', ';', '(', '`']);
        let mut candidates = match is_command && !word.contains('/') {
            true => self.commands(word),
            false => files(word),
        };
        candidates.sort();
        candidates.dedup();
        Completion { start, candidates }
    }
}

impl Names<'_> {
    fn commands(&self, word: &str) -> Vec<String> {
        let mut names: Vec<String> = builtins::NAMES.iter().map(|name| (*name).into()).collect();
        names.extend(self.shell.functions.keys().cloned());
        for directory in self.shell.value("PATH").unwrap_or("/bin").split(':') {
            let Ok(entries) = fs::read_dir(directory) else {
                continue;
            };
            let entries = entries.filter_map(Result::ok);
            let found = entries.filter(|entry| entry.file_name().starts_with(word));
            let found = found.map(|entry| entry.file_name().into());
            names.extend(found.take(CANDIDATES.saturating_sub(names.len())));
        }
        names.retain(|name| name.starts_with(word));
        names.iter().map(|name| format!("{name} ")).collect()
    }
}

fn files(word: &str) -> Vec<String> {
    let (directory, prefix) = match word.rfind('/') {
        Some(slash) => (&word[..=slash], &word[slash + 1..]),
        None => ("", word),
    };
    let searched = if directory.is_empty() { "." } else { directory };
    let Ok(entries) = fs::read_dir(searched) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for entry in entries.filter_map(Result::ok) {
        let name = entry.file_name();
        if found.len() == CANDIDATES {
            break;
        }
        let is_hidden = name.starts_with('.') && !prefix.starts_with('.');
        if name.starts_with(prefix) && !is_hidden {
            let whole = format!("{directory}{name}");
            let is_directory = fs::metadata(&whole).is_ok_and(|found| found.is_dir());
            found.push(format!("{whole}{}", if is_directory { '/' } else { ' ' }));
        }
    }
    found
}
