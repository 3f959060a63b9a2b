//! Redirections: for a program as a list, for a builtin in place and undone.

use posix::fs::{File, OpenOptions};
use posix::prelude::*;
use posix::process::Errno;
use posix::{io, process, system};
use shell_language::{Redirection, RedirectionKind, Word, expand_to_string};

use crate::shell::Shell;

/// First number for descriptors the shell puts aside; scripts use lower ones.
const FIRST_SAVED: u32 = 64;

/// Numbers of descriptors that a script may redirect.
const SCRIPT_MAX: u32 = 32;

/// Status of a program whose output nobody reads: 128 and SIGPIPE.
const STATUS_PIPE: i32 = 141;

/// Which descriptors are put aside.
#[derive(Debug, Default)]
pub struct Saved {
    /// How many are.
    count: u32,
    /// Above 2, those `exec` has opened for good.
    kept: Vec<u32>,
}

impl Saved {
    /// Descriptors above 2 that programs get as well.
    pub fn kept(&self) -> Vec<u32> {
        self.kept.clone()
    }
}

/// Redirections done in place, to be undone.
#[must_use]
pub struct Undo {
    /// Descriptor and where its former meaning is; `None`: it had none.
    steps: Vec<(u32, Option<u32>)>,
}

/// Where a redirection leads.
enum Target {
    /// An open file.
    File(File),
    /// Another descriptor.
    Copy(u32),
    /// Nowhere.
    Closed,
}

/// Descriptors for a program to be started.
#[derive(Default)]
pub struct Plan {
    /// Descriptor of the program, and of the shell; `None`: closed.
    pub map: Vec<(u32, Option<u32>)>,
    /// Keeps what was opened until the program has it.
    pub opened: Vec<File>,
}

impl Plan {
    /// What a descriptor of the program is to be in the shell.
    pub fn source(&self, descriptor: u32) -> Option<u32> {
        let found = self
            .map
            .iter()
            .rev()
            .find(|(child, _)| *child == descriptor);
        found.map_or(Some(descriptor), |(_, source)| *source)
    }
}

impl Shell {
    /// Adds redirections to a program's plan; false, and a message, if one
    /// cannot be done.
    pub fn plan(&mut self, redirections: &[Redirection], plan: &mut Plan) -> bool {
        for redirection in redirections {
            let source = match self.target(&redirection.kind) {
                None => return false,
                Some(Target::Closed) => None,
                Some(Target::Copy(other)) => match plan.source(other) {
                    Some(source) => Some(source),
                    None => return self.refuse_descriptor(other),
                },
                Some(Target::File(file)) => {
                    let number = file.descriptor();
                    plan.opened.push(file);
                    Some(number)
                }
            };
            plan.map.push((redirection.descriptor, source));
        }
        true
    }

    /// Redirects the shell's own descriptors; `None`, and a message, if one
    /// cannot be done.
    pub fn redirect(&mut self, redirections: &[Redirection]) -> Option<Undo> {
        let mut undo = Undo { steps: Vec::new() };
        for redirection in redirections {
            if !self.redirect_one(redirection, &mut undo) {
                self.undo(undo);
                return None;
            }
        }
        Some(undo)
    }

    fn redirect_one(&mut self, redirection: &Redirection, undo: &mut Undo) -> bool {
        let descriptor = redirection.descriptor;
        if descriptor >= SCRIPT_MAX {
            return self.refuse_descriptor(descriptor);
        }
        // What was printed so far goes where output went so far.
        self.flush();
        let aside = FIRST_SAVED + self.saved.count;
        let is_open = matches!(system().dup2(descriptor, aside), Ok(Ok(_)));
        let _ = system().close(descriptor);
        self.saved.count += 1;
        undo.steps.push((descriptor, is_open.then_some(aside)));
        let source = |number| {
            if number == descriptor && is_open {
                aside
            } else {
                number
            }
        };
        match self.target(&redirection.kind) {
            None => false,
            Some(Target::Closed) => true,
            Some(Target::Copy(other)) => match system().dup2(source(other), descriptor) {
                Ok(Ok(_)) => true,
                _ => self.refuse_descriptor(other),
            },
            Some(Target::File(file)) if file.descriptor() == descriptor => {
                let _ = file.into_descriptor();
                true
            }
            Some(Target::File(file)) => {
                matches!(system().dup2(file.descriptor(), descriptor), Ok(Ok(_)))
            }
        }
    }

    /// Gives the shell's descriptors their former meaning.
    pub fn undo(&mut self, undo: Undo) {
        if !undo.steps.is_empty() {
            self.flush();
        }
        for (descriptor, aside) in undo.steps.into_iter().rev() {
            self.saved.count -= 1;
            match aside {
                Some(aside) => {
                    let _ = system().dup2(aside, descriptor);
                    let _ = system().close(aside);
                }
                None => drop(system().close(descriptor)),
            }
        }
    }

    /// Writes what builtins have printed. If nobody reads it, the shell ends.
    pub fn flush(&mut self) {
        if let Err(error) = io::stdout().flush() {
            if error.kind() == io::ErrorKind::BrokenPipe {
                process::exit(STATUS_PIPE);
            }
            self.complain(&format!("write error: {error}"));
            self.status = 1;
        }
    }

    /// Leaves the shell's descriptors as they are now, for `exec`.
    pub fn keep(&mut self, undo: Undo) {
        for (descriptor, aside) in undo.steps {
            self.saved.count -= 1;
            if let Some(aside) = aside {
                let _ = system().close(aside);
            }
            if descriptor > 2 && !self.saved.kept.contains(&descriptor) {
                self.saved.kept.push(descriptor);
            }
            if !matches!(system().fstat(descriptor), Ok(Ok(_))) {
                self.saved.kept.retain(|kept| *kept != descriptor);
            }
        }
    }

    fn target(&mut self, kind: &RedirectionKind) -> Option<Target> {
        let options = OpenOptions::new();
        match kind {
            RedirectionKind::Input(word) => self.open(word, options.read(true)),
            RedirectionKind::Output(word) if self.options.has("noclobber") => self.open_new(word),
            RedirectionKind::Output(word) | RedirectionKind::Clobber(word) => {
                self.open(word, options.write(true).create(true).truncate(true))
            }
            RedirectionKind::Append(word) => self.open(word, options.append(true).create(true)),
            RedirectionKind::ReadWrite(word) => {
                self.open(word, options.read(true).write(true).create(true))
            }
            RedirectionKind::DuplicateInput(word) | RedirectionKind::DuplicateOutput(word) => {
                let text = self.word(word)?;
                match (&*text, text.parse()) {
                    ("-", _) => Some(Target::Closed),
                    (_, Ok(number)) => Some(Target::Copy(number)),
                    _ => {
                        self.complain(&format!("{text}: not a descriptor"));
                        None
                    }
                }
            }
            RedirectionKind::HereDocument(document) => {
                let text = self.word(&document.body)?;
                match self.here_document(&text) {
                    Ok(file) => Some(Target::File(file)),
                    Err(error) => {
                        self.complain(&format!("here-document: {error}"));
                        None
                    }
                }
            }
        }
    }

    fn open(&mut self, word: &Word, options: OpenOptions) -> Option<Target> {
        let path = self.word(word)?;
        match options.open(&path) {
            Ok(file) => Some(Target::File(file)),
            Err(error) => {
                self.complain(&format!("{path}: {error}"));
                None
            }
        }
    }

    /// As [`Self::open`] for writing, but no regular file that exists.
    fn open_new(&mut self, word: &Word) -> Option<Target> {
        let path = self.word(word)?;
        let options = OpenOptions::new().write(true);
        let is_regular = posix::fs::metadata(&path).is_ok_and(|found| found.is_file());
        let opened = match posix::fs::exists(&path) && !is_regular {
            true => options.open(&path),
            false => options.create_new(true).open(&path),
        };
        match opened {
            Ok(file) => Some(Target::File(file)),
            Err(error) => {
                self.complain(&format!("{path}: {error}"));
                None
            }
        }
    }

    fn word(&mut self, word: &Word) -> Option<String> {
        match expand_to_string(word, self) {
            Ok(text) => Some(text),
            Err(error) => {
                self.complain(&error.to_string());
                None
            }
        }
    }

    /// A file with this text: a pipe if it fits in one, else a file that has
    /// lost its name.
    fn here_document(&self, text: &str) -> io::Result<File> {
        const PIPE_BYTES: usize = 65_536;
        if text.len() <= PIPE_BYTES {
            let (reader, mut writer) = process::pipe()?;
            writer.write_all(text.as_bytes())?;
            return Ok(reader);
        }
        let path = format!("/tmp/.sh-here-{}", process::id());
        let created = posix::fs::write(&path, text);
        let file = created.and_then(|()| File::open(&path));
        let removed = posix::fs::remove_file(&path);
        file.and_then(|file| removed.map(|()| file))
    }

    fn refuse_descriptor(&self, number: u32) -> bool {
        let error = io::Error::from(Errno::EBADF);
        self.complain(&format!("{number}: {error}"));
        false
    }
}
