//! What expansion asks the running shell.

use alloc::string::String;
use alloc::vec::Vec;

use crate::expand::ExpandError;
use crate::syntax::Program;

/// The shell's side of an expansion.
pub trait Environment {
    /// The value of a variable; `None` if it is not set.
    fn variable(&self, name: &str) -> Option<String>;

    /// Sets a variable, for `${name=word}` and `$((name = 1))`.
    ///
    /// # Errors
    ///
    /// [`ExpandError::NotAssignable`] if the variable may not change.
    fn set_variable(&mut self, name: &str, value: &str) -> Result<(), ExpandError>;

    /// `$1`, `$2`, …, without `$0`.
    fn arguments(&self) -> Vec<String>;

    /// `$0`.
    fn script_name(&self) -> String;

    /// `$?`.
    fn status(&self) -> i32;

    /// `$$`.
    fn process_id(&self) -> u32;

    /// `$!`; `None` before the first background command.
    fn last_background(&self) -> Option<u32>;

    /// `$-`: the options in force, as letters.
    fn options(&self) -> String {
        String::new()
    }

    /// Whether a parameter that is not set is an error, as with `set -u`.
    fn refuses_unset(&self) -> bool {
        false
    }

    /// Whether patterns are replaced by pathnames; not with `set -f`.
    fn expands_pathnames(&self) -> bool {
        true
    }

    /// Where `~user` is; for plain `~`, `HOME` is asked instead.
    fn home_of(&self, _user: &str) -> Option<String> {
        None
    }

    /// Bytes that the words of a command may come to. It is asked before they are
    /// expanded; meanwhile they take up to eight times that.
    fn room(&self) -> usize {
        4 << 20
    }

    /// Hands `visit` each name in a directory, until it has enough and answers with
    /// false; none if it cannot be read.
    ///
    /// Names `.` and `..` may be among them. An empty path is the working
    /// directory.
    fn read_dir(&mut self, path: &str, visit: &mut dyn FnMut(&str) -> bool);

    /// Whether there is something at `path`.
    fn exists(&mut self, path: &str) -> bool;

    /// Runs a program and returns what it wrote to its standard output, which may be
    /// `limit` bytes.
    ///
    /// # Errors
    ///
    /// [`ExpandError::Substitution`] if it could not be started,
    /// [`ExpandError::TooLong`] if it wrote more.
    fn substitute(&mut self, program: &Program, limit: usize) -> Result<String, ExpandError>;
}
