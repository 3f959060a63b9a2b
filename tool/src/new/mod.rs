//! `./redleaf new`: a driver, a service or a program that works and is tested.
//!
//! The templates are `tool/templates/`; `@name@`, `@ident@` and `@Type@` in them
//! become the name as it was given, as an identifier and as a type's name.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::build::{cargo, places, start_error};
use crate::cli::{NewKind, NewOptions};
use crate::error::ToolError;
use crate::tree::Tree;

#[cfg(test)]
mod tests;

/// Longest name in bytes: a domain's name has 31, and ` -shadow` may follow it.
const LONGEST_NAME: usize = 23;

/// Why nothing was made.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NewError {
    /// Not a name that files, crates and domains can have.
    #[error(
        "{0:?} is no name: expected a lower-case letter, then lower-case letters, digits and \
         single dashes, at most {LONGEST_NAME} of them, such as nvme or shadow-block"
    )]
    Name(String),
    /// Rust needs it.
    #[error("{0:?} is a word of Rust's: expected another name")]
    Keyword(String),
    /// Something has it already.
    #[error("the name is taken by {0}: expected another one")]
    Taken(String),
    /// A file to be extended is not as expected.
    #[error("{file} has no line {line:?} after which to add a line")]
    NoPlace {
        /// The file.
        file: &'static str,
        /// The line.
        line: &'static str,
    },
}

/// Words that no module or crate can be called.
const KEYWORDS: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "core",
    "crate", "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if",
    "impl", "in", "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub",
    "ref", "return", "self", "static", "std", "struct", "super", "test", "trait", "true", "try",
    "type", "typeof", "unsafe", "unsized", "use", "virtual", "where", "while", "yield", "alloc",
];

/// Where a name may be in use; `@name@` stands for it.
const TAKEN: &[&str] = &[
    "domains/drivers/@name@",
    "domains/posix/@name@",
    "domains/services/@name@",
    "interfaces/src/@ident@.rs",
    "kernel/@name@",
    "lib/@name@",
    "programs/src/bin/@name@",
    "programs/src/bin/@name@.rs",
    "systems/@name@.toml",
    "tests/domains/@name@",
    "trusted/@name@",
];

/// A template and where it goes.
struct Piece {
    path: &'static str,
    text: &'static str,
}

macro_rules! piece {
    ($template:literal => $path:literal) => {
        Piece {
            path: $path,
            text: include_str!(concat!("../../templates/", $template)),
        }
    };
}

const DRIVER: &[Piece] = &[
    piece!("driver/Cargo.toml.in" => "domains/drivers/@name@/Cargo.toml"),
    piece!("driver/lib.rs.in" => "domains/drivers/@name@/src/lib.rs"),
    piece!("driver/main.rs.in" => "domains/drivers/@name@/src/main.rs"),
    piece!("driver/system.toml.in" => "systems/@name@.toml"),
];

const SERVICE: &[Piece] = &[
    piece!("service/Cargo.toml.in" => "domains/services/@name@/Cargo.toml"),
    piece!("service/lib.rs.in" => "domains/services/@name@/src/lib.rs"),
    piece!("service/main.rs.in" => "domains/services/@name@/src/main.rs"),
    piece!("service/test.rs.in" => "domains/services/@name@/tests/calls.rs"),
    piece!("service/interface.rs.in" => "interfaces/src/@ident@.rs"),
    piece!("service/system.toml.in" => "systems/@name@.toml"),
];

const PROGRAM: &[Piece] = &[piece!("program/main.rs.in" => "programs/src/bin/@name@.rs")];

/// Appended to the table of scenarios for a program.
const SCENARIO: &str = include_str!("../../templates/program/scenario.toml.in");
const SCENARIOS: &str = "tests/scenarios.toml";
const WORKSPACE: &str = "Cargo.toml";
const INTERFACES: &str = "interfaces/src/lib.rs";

/// A checked name.
#[derive(Debug)]
struct Name(String);

impl Name {
    fn parse(text: &str) -> Result<Self, NewError> {
        let is_good = text.len() <= LONGEST_NAME
            && text.starts_with(|first: char| first.is_ascii_lowercase())
            && !text.ends_with('-')
            && !text.contains("--")
            && text
                .chars()
                .all(|each| each.is_ascii_lowercase() || each.is_ascii_digit() || each == '-');
        if !is_good {
            return Err(NewError::Name(text.to_owned()));
        }
        if KEYWORDS.contains(&text) {
            return Err(NewError::Keyword(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }

    fn ident(&self) -> String {
        self.0.replace('-', "_")
    }

    fn type_name(&self) -> String {
        let words = self.0.split('-');
        let capital = |word: &str| word[..1].to_ascii_uppercase() + &word[1..];
        words.map(capital).collect()
    }

    /// A template's text with this name in it.
    fn fill(&self, text: &str) -> String {
        text.replace("@name@", &self.0)
            .replace("@ident@", &self.ident())
            .replace("@Type@", &self.type_name())
    }
}

/// Carries out `./redleaf new`: makes all files or none.
///
/// # Errors
/// [`NewError`], [`ToolError::File`].
pub fn command(tree: &Tree, options: &NewOptions) -> Result<u8, ToolError> {
    let name = Name::parse(&options.name)?;
    let taken = TAKEN.iter().map(|place| name.fill(place));
    if let Some(place) = taken.into_iter().find(|place| tree.path(place).exists()) {
        return Err(NewError::Taken(place).into());
    }
    let files = plan(tree, options.kind, &name)?;
    places::check(tree.root())?;
    write_all(&files)?;
    format(&files);
    lock(tree)?;
    for (path, _) in &files {
        let shown = path.strip_prefix(tree.root()).unwrap_or(path);
        println!("{}", shown.display());
    }
    println!("{}", name.fill(next_steps(options.kind)));
    Ok(0)
}

const fn next_steps(kind: NewKind) -> &'static str {
    match kind {
        NewKind::Driver => {
            "
Next:
  cargo test -p @name@                               its own tests
  ./redleaf run --system @name@ --machine hosted     checks it as a block device
  docs/write-a-driver.md                             registers, interrupts, DMA"
        }
        NewKind::Service => {
            "
Next:
  cargo test -p @name@                               calls, and its death
  ./redleaf run --system @name@ --exec 'domains; crash @name@; domains'
  docs/write-a-driver.md                             what a domain may be granted"
        }
        NewKind::Program => {
            "
Next:
  ./redleaf run --exec 'seq 3 | @name@'
  ./redleaf test '@name@ numbers lines'              its scenario, on both machines
  docs/write-a-program.md                            files, processes, errors"
        }
    }
}

/// Every file to write, with its whole new text.
fn plan(tree: &Tree, kind: NewKind, name: &Name) -> Result<Vec<(PathBuf, String)>, ToolError> {
    let pieces = match kind {
        NewKind::Driver => DRIVER,
        NewKind::Service => SERVICE,
        NewKind::Program => PROGRAM,
    };
    let mut files: Vec<_> = pieces
        .iter()
        .map(|piece| (tree.path(&name.fill(piece.path)), name.fill(piece.text)))
        .collect();
    let read = |file: &'static str| {
        let path = tree.path(file);
        fs::read_to_string(&path).map_err(ToolError::file("read", &path))
    };
    let mut extend = |file, line, addition: &str| -> Result<(), ToolError> {
        let text = add_after(&read(file)?, file, line, &name.fill(addition))?;
        files.push((tree.path(file), text));
        Ok(())
    };
    match kind {
        NewKind::Driver => extend(WORKSPACE, "members = [", "    \"domains/drivers/@name@\",")?,
        NewKind::Service => {
            extend(WORKSPACE, "members = [", "    \"domains/services/@name@\",")?;
            extend(INTERFACES, "pub mod process;", "pub mod @ident@;")?;
        }
        NewKind::Program => {
            files.push((
                tree.path(SCENARIOS),
                read(SCENARIOS)? + &name.fill(SCENARIO),
            ));
        }
    }
    Ok(files)
}

/// `text` with a line added after the first line that is `line`.
fn add_after(
    text: &str,
    file: &'static str,
    line: &'static str,
    addition: &str,
) -> Result<String, NewError> {
    let mut out = String::new();
    let mut is_done = false;
    for each in text.lines() {
        out.push_str(each);
        out.push('\n');
        if !is_done && each == line {
            out.push_str(addition);
            out.push('\n');
            is_done = true;
        }
    }
    if is_done {
        Ok(out)
    } else {
        Err(NewError::NoPlace { file, line })
    }
}

/// Writes every file; if one fails, all are as they were before.
fn write_all(files: &[(PathBuf, String)]) -> Result<(), ToolError> {
    let mut before = Vec::new();
    for (path, text) in files {
        before.push((path, fs::read(path).ok()));
        let folder = path.parent().unwrap_or(path);
        let written = fs::create_dir_all(folder).and_then(|()| fs::write(path, text));
        if let Err(error) = written {
            undo(&before);
            return Err(ToolError::file("write", path)(error));
        }
    }
    Ok(())
}

/// Lets rustfmt put imports and modules in their order, which depends on the
/// name. Without rustfmt they work as they are, and `./redleaf check` says so.
fn format(files: &[(PathBuf, String)]) {
    let is_rust = |path: &&PathBuf| path.extension().is_some_and(|extension| extension == "rs");
    let sources = files.iter().map(|(path, _)| path).filter(is_rust);
    let _ = Command::new("rustfmt")
        .args(["--edition", "2024"])
        .args(sources)
        .stderr(Stdio::null())
        .status();
}

/// Adds a new package to `Cargo.lock`, which no build changes. Nothing is fetched, and
/// nothing of the tree is run.
fn lock(tree: &Tree) -> Result<(), ToolError> {
    Command::new(cargo())
        .args(["update", "--workspace", "--offline", "--quiet"])
        .current_dir(tree.root())
        .stdin(Stdio::null())
        .status()
        .map(drop)
        .map_err(start_error("cargo"))
}

/// Best effort: the failure that led here is what is reported.
fn undo(before: &[(&PathBuf, Option<Vec<u8>>)]) {
    for (path, bytes) in before {
        let _ = match bytes {
            Some(bytes) => fs::write(path, bytes),
            None => fs::remove_file(path),
        };
    }
}
