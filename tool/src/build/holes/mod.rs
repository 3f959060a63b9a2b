//! Refuses crates that use a known hole of the compiler.
//!
//! Safe Rust that rustc accepts can still transmute or outlive a borrow: some of
//! the compiler's soundness bugs are open for years. A crate of an untrusted room
//! is therefore looked at anew, by the compiler's own eyes, after it
//! compiled and before anything is linked with it:
//!
//! 1. [`pass::next_solver`]: it must also be accepted by the next trait solver;
//! 2. [`casts`]: its MIR has no cast to a higher-ranked function pointer through
//!    which a lifetime could leave;
//! 3. [`guards`]: no match guard changes what is matched behind the borrow
//!    checker's back;
//! 4. [`addresses`]: no pointer becomes a number;
//! 5. [`shapes`]: its source, macros expanded, has none of the shapes that the
//!    other known holes need.
//!
//! In the same text [`interfaces`] looks for interfaces that are defined where none
//! may be: nothing that a macro or module is called hides them there.
//!
//! The compiler wrapper calls [`examine`] with the arguments of the compile
//! itself, so a crate is seen with the very options and dependencies it has in
//! the image, and cargo does it again whenever it compiles the crate again.
//! `tests/holes` keeps the known exploits ([`crate::check`]).

mod addresses;
mod casts;
mod expansion;
mod guards;
mod interfaces;
mod pass;
mod shapes;

use std::collections::hash_map::DefaultHasher;
use std::ffi::OsString;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::io;
use std::path::PathBuf;

pub use pass::Compile;

/// Which of the checks refuses a crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// The next trait solver.
    Solver,
    /// Casts in MIR.
    Casts,
    /// Match guards in MIR.
    Guards,
    /// Addresses as numbers in MIR.
    Addresses,
    /// Shapes of the expanded source.
    Shapes,
}

impl Check {
    /// Its name in the head of a file of `tests/holes`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Solver => "solver",
            Self::Casts => "casts",
            Self::Guards => "guards",
            Self::Addresses => "addresses",
            Self::Shapes => "shapes",
        }
    }
}

/// Why a crate is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The check that refuses it.
    pub check: Check,
    /// The item it is in, or an empty text.
    pub item: String,
    /// The file, as the compiler names it, where the check knows it.
    pub file: Option<String>,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, and what is expected.
    pub reason: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.as_deref().unwrap_or("its source");
        write!(f, "{file}:{}: {}", self.line, self.reason)
    }
}

/// Why a crate could not be examined.
#[derive(Debug, thiserror::Error)]
pub enum ExamineError {
    /// A file or the compiler is out of reach.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A pass of the compiler failed that had succeeded without our options.
    #[error("{pass} fails where the compile itself does not: {message}")]
    Pass {
        /// The pass.
        pass: &'static str,
        /// The compiler's first error.
        message: String,
    },
    /// The expanded source is no Rust that the parser knows.
    #[error("cannot parse the expanded source: {0}")]
    Parse(String),
}

/// Examines a crate that `rustc` has accepted with `arguments`; all refusals, or
/// none if the crate may be linked.
///
/// # Errors
/// [`ExamineError`]: nothing is known of the crate, so it must not be linked.
pub fn examine(rustc: &OsString, arguments: &[OsString]) -> Result<Vec<Refusal>, ExamineError> {
    Ok(examine_and_expand(rustc, arguments)?.0)
}

/// The same, with the crate's expanded source.
fn examine_and_expand(
    rustc: &OsString,
    arguments: &[OsString],
) -> Result<(Vec<Refusal>, String), ExamineError> {
    let compile = Compile::new(rustc, arguments)?;
    let mut refusals = Vec::new();
    refusals.extend(pass::next_solver(&compile)?);
    let mir = pass::mir(&compile)?;
    refusals.extend(casts::find(&mir.text));
    refusals.extend(mir.built.iter().flat_map(|body| guards::find(body)));
    refusals.extend(mir.built.iter().flat_map(|body| addresses::find(body)));
    refusals.extend(guards::unseen(mir.unseen));
    let source = pass::expanded(&compile)?;
    refusals.extend(shapes::find(&source)?);
    for refusal in &mut refusals {
        compile.place(refusal);
    }
    Ok((refusals, source))
}

/// A number that changes with the rules: what was examined by others is to be
/// examined again.
pub fn rules() -> u64 {
    let mut hasher = DefaultHasher::new();
    [
        include_str!("addresses.rs"),
        include_str!("casts.rs"),
        include_str!("expansion.rs"),
        include_str!("guards.rs"),
        include_str!("interfaces.rs"),
        include_str!("mod.rs"),
        include_str!("pass.rs"),
        include_str!("shapes.rs"),
        include_str!("shapes/scope.rs"),
        include_str!("shapes/yields.rs"),
    ]
    .hash(&mut hasher);
    hasher.finish()
}

/// Lets the next solver alone judge a crate.
///
/// # Errors
/// [`ExamineError`] if it cannot be asked.
pub fn next_solver(
    rustc: &OsString,
    arguments: &[OsString],
) -> Result<Option<Refusal>, ExamineError> {
    pass::next_solver(&Compile::new(rustc, arguments)?)
}

/// Why a crate that `rustc` has accepted must not be linked, in one line.
pub fn verdict(rustc: &OsString, arguments: &[OsString], has_interfaces: bool) -> Option<String> {
    match examine_and_expand(rustc, arguments) {
        Ok((refusals, source)) => match refusals.first() {
            Some(refusal) => Some(refusal.to_string()),
            None if has_interfaces => None,
            None => interfaces::defined(&source).map(|name| {
                format!(
                    "it defines the interface {name}: expected all of them in the package interfaces"
                )
            }),
        },
        Err(error) => Some(error.to_string()),
    }
}
