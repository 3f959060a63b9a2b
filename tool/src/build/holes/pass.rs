//! The compiler, run once more on a crate with options for a check only.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde::Deserialize;

use super::{Check, ExamineError, Refusal};

/// Options of a compile that decide where it writes and how it reports; those
/// that take their value from the next argument are marked.
const OUTPUT_OPTIONS: [(&str, bool); 6] = [
    ("--emit", false),
    ("--out-dir", true),
    ("-o", true),
    ("--error-format", false),
    ("--json", false),
    ("--diagnostic-width", false),
];

/// A compile that succeeded, to be repeated for a look at something else.
pub struct Compile {
    rustc: OsString,
    arguments: Vec<OsString>,
    /// Files of one pass; goes with it.
    scratch: tempfile::TempDir,
}

/// A message of the compiler.
#[derive(Deserialize)]
struct Message {
    message: String,
    level: String,
    spans: Vec<Span>,
}

/// A place in a message.
#[derive(Deserialize)]
struct Span {
    file_name: String,
    line_start: usize,
    is_primary: bool,
}

impl Compile {
    /// The compile with these arguments, without its outputs.
    pub fn new(rustc: &OsString, arguments: &[OsString]) -> Result<Self, ExamineError> {
        let scratch = tempfile::tempdir().map_err(file("make", Path::new("a temporary folder")))?;
        Ok(Self {
            rustc: rustc.clone(),
            arguments: without_outputs(arguments),
            scratch,
        })
    }

    /// Finds the line of a refusal that only knows its item: the first in the
    /// crate's files that names it as one.
    pub fn place(&self, refusal: &mut Refusal) {
        if refusal.file.is_some() {
            return;
        }
        let Some(root) = self.root() else { return };
        refusal.file = Some(root.display().to_string());
        let folder = root.parent().unwrap_or(Path::new("."));
        let mut files = vec![root.to_owned()];
        files.extend(rust_files(folder));
        let words = ["fn", "const", "static", "trait", "struct", "enum", "type"];
        for path in files {
            let text = fs::read_to_string(&path).unwrap_or_default();
            let is_item = |line: &str| {
                words.iter().any(|word| {
                    let name = line.split(&format!("{word} ")).nth(1).unwrap_or_default();
                    let rest = name.strip_prefix(refusal.item.as_str());
                    rest.is_some_and(|rest| {
                        !rest.starts_with(|next: char| next.is_alphanumeric() || next == '_')
                    })
                }) || line.trim_start().starts_with(&refusal.item)
            };
            if !refusal.item.is_empty()
                && let Some(line) = text.lines().position(is_item)
            {
                refusal.file = Some(path.display().to_string());
                refusal.line = line + 1;
                return;
            }
        }
    }

    /// The root source file.
    fn root(&self) -> Option<&Path> {
        let mut paths = self.arguments.iter().map(Path::new);
        paths.find(|path| path.extension().is_some_and(|kind| kind == "rs"))
    }

    /// Where a pass writes what it emits.
    fn output(&self) -> PathBuf {
        self.scratch.path().join("output")
    }

    /// Runs a pass: the compile with other options.
    fn run(&self, options: &[&str]) -> Result<Output, ExamineError> {
        Command::new(&self.rustc)
            .args(&self.arguments)
            .args(options)
            .args(["-Awarnings", "--error-format=json"])
            .env("RUSTC_BOOTSTRAP", "1")
            .output()
            .map_err(file("start", Path::new(&self.rustc)))
    }

    /// Runs a pass that must succeed; what it wrote to its standard output.
    fn succeed(&self, pass: &'static str, options: &[&str]) -> Result<Vec<u8>, ExamineError> {
        let output = self.run(options)?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let message = errors(&output.stderr)
            .first()
            .map_or_else(|| output.status.to_string(), |error| error.message.clone());
        Err(ExamineError::Pass { pass, message })
    }
}

/// Lets the next trait solver judge the crate.
pub fn next_solver(compile: &Compile) -> Result<Option<Refusal>, ExamineError> {
    let target = compile.output();
    let output = format!("--emit=metadata={}", target.display());
    let output = compile.run(&["-Znext-solver=globally", &output])?;
    if output.status.success() {
        return Ok(None);
    }
    let errors = errors(&output.stderr);
    let place = errors
        .iter()
        .flat_map(|error| error.spans.iter().map(move |span| (error, span)))
        .find(|(_, span)| span.is_primary);
    Ok(Some(match place {
        Some((error, span)) => Refusal {
            check: Check::Solver,
            item: String::new(),
            file: Some(span.file_name.clone()),
            line: span.line_start,
            reason: format!("the next trait solver says: {}", one_line(&error.message)),
        },
        None => Refusal {
            check: Check::Solver,
            item: String::new(),
            file: None,
            line: 1,
            reason: format!("the next trait solver fails: {}", output.status),
        },
    }))
}

/// A crate's MIR.
pub struct Mir {
    /// Of all bodies before optimization, with every region of their types.
    pub text: String,
    /// Of each body, as it was first built.
    pub built: Vec<String>,
    /// How many bodies are not among these: the compiler says nothing of a file that it
    /// could not make.
    pub unseen: usize,
}

/// The crate's MIR.
pub fn mir(compile: &Compile) -> Result<Mir, ExamineError> {
    let folder = compile.scratch.path().join("built");
    let dump = format!("-Zdump-mir-dir={}", folder.display());
    let text = compile.succeed(
        "showing MIR",
        &[
            "-Zunpretty=mir",
            "-Zmir-opt-level=0",
            "-Zverbose-internals",
            "-Zdump-mir=built",
            &dump,
        ],
    )?;
    let mut built = Vec::new();
    // A crate without a body makes no folder.
    for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.to_string_lossy().ends_with(".built.after.mir") {
            let text = fs::read(&path).map_err(file("read", &path))?;
            built.push(String::from_utf8_lossy(&text).into_owned());
        }
    }
    let text = String::from_utf8_lossy(&text).into_owned();
    let there = Bodies::shown(&text);
    let mut seen = Bodies::default();
    built.iter().for_each(|body| seen.add(&Bodies::shown(body)));
    let unseen = there.beyond(&seen);
    Ok(Mir {
        text,
        built,
        unseen,
    })
}

/// How many bodies there are that were built from source: without constants that were
/// taken out of others, and second versions of what runs at compile time too.
#[derive(Debug, Default, PartialEq, Eq)]
struct Bodies {
    functions: usize,
    /// Constants and statics with code: a number as such may have been built or not.
    constants: usize,
}

impl Bodies {
    /// Those that are shown in MIR.
    fn shown(mir: &str) -> Self {
        let mut bodies = Self::default();
        let mut is_version = false;
        for line in mir.lines() {
            let is_head = line.starts_with(|first: char| !matches!(first, ' ' | '}' | '/'));
            if line == "// MIR FOR CTFE" {
                is_version = true;
            } else if is_head && !is_allocation(line) {
                // No type is written with a bracket behind a name.
                let is_taken_out = line.starts_with("const ") && line.contains("::promoted[");
                let is_counted = !is_taken_out && !is_version;
                if line.starts_with("fn ") {
                    bodies.functions += usize::from(is_counted);
                } else if line.ends_with('{') {
                    bodies.constants += usize::from(is_counted);
                }
                is_version = false;
            }
        }
        bodies
    }

    fn add(&mut self, others: &Self) {
        self.functions += others.functions;
        self.constants += others.constants;
    }

    /// How many there are more than others of each kind.
    fn beyond(&self, others: &Self) -> usize {
        let functions = self.functions.saturating_sub(others.functions);
        functions + self.constants.saturating_sub(others.constants)
    }
}

/// Whether a line begins the contents of a constant, `alloc10 (size: …`.
fn is_allocation(line: &str) -> bool {
    let name = line.split(' ').next().unwrap_or(line);
    let number = name.strip_prefix("alloc").unwrap_or("none");
    !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// The crate's source with all macros expanded.
pub fn expanded(compile: &Compile) -> Result<String, ExamineError> {
    let text = compile.succeed("expanding macros", &["-Zunpretty=expanded"])?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// The arguments without those that say what is written where.
fn without_outputs(arguments: &[OsString]) -> Vec<OsString> {
    let mut kept = Vec::new();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match OUTPUT_OPTIONS
            .iter()
            .find(|(name, _)| is_option(argument, name))
        {
            Some((name, true)) if argument == OsStr::new(name) => {
                arguments.next();
            }
            Some(_) => {}
            None => kept.push(argument.clone()),
        }
    }
    kept
}

/// Whether an argument is the option, alone or with `=value`.
fn is_option(argument: &OsStr, name: &str) -> bool {
    argument
        .to_str()
        .and_then(|text| text.strip_prefix(name))
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
}

/// The Rust files in a folder and below.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            files.push(path);
        }
    }
    files
}

/// The errors among the compiler's messages.
fn errors(stderr: &[u8]) -> Vec<Message> {
    String::from_utf8_lossy(stderr)
        .lines()
        .filter_map(|line| serde_json::from_str::<Message>(line).ok())
        .filter(|message| message.level.starts_with("error"))
        .collect()
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// For `map_err`: a file out of reach.
fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ExamineError {
    let path = path.to_owned();
    move |source| ExamineError::File {
        action,
        path,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_counted() {
        let mir = "// WARNING\nconst K: usize = {\n    bb0: {\n    }\n}\n\n\
            const K::promoted[0]: u8 = {\n}\n\
            const <impl at a.rs:3:1: 3:7>::m::promoted[1]: u8 = {\n}\n\
            K::{constant#0}: usize = {\n}\n\
            fn g(_1: u8) -> u8 {\n}\n\n// MIR FOR CTFE\nfn g(_1: u8) -> u8 {\n}\n\
            const Z: u8 = const 9;\n\
            alloc10 (size: 1, align: 1) {\n    01 | .\n}\n\
            alloc::X::{constant#0}: usize = {\n}\n\
            static S: u8 = {\n}\n";
        let shown = Bodies::shown(mir);
        assert_eq!(
            shown,
            Bodies {
                functions: 1,
                constants: 4
            }
        );
        let mut others = Bodies::default();
        assert_eq!(shown.beyond(&others), 5);
        others.add(&shown);
        assert_eq!(shown.beyond(&others), 0);
    }
}
