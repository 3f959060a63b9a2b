//! The options of `set`: letters, names and which are in force.

use posix::prelude::*;

/// Letter and name of each option; the letter is `-` where there is only a name.
const ALL: [(char, &str); 9] = [
    ('a', "allexport"),
    ('C', "noclobber"),
    ('e', "errexit"),
    ('f', "noglob"),
    ('n', "noexec"),
    ('u', "nounset"),
    ('v', "verbose"),
    ('x', "xtrace"),
    ('-', "pipefail"),
];

/// Options by their letters, `p` for `pipefail`.
#[derive(Clone, Debug, Default)]
pub struct OptionSet {
    in_force: [bool; ALL.len()],
}

impl OptionSet {
    /// Whether an option with this name is in force.
    pub fn has(&self, name: &str) -> bool {
        index_of(name).is_some_and(|index| self.in_force[index])
    }

    /// Sets an option by its name; false if there is none.
    pub fn set(&mut self, name: &str, is_on: bool) -> bool {
        let index = index_of(name);
        if let Some(index) = index {
            self.in_force[index] = is_on;
        }
        index.is_some()
    }

    /// Sets an option by its letter; false if there is none.
    pub fn set_letter(&mut self, letter: char, is_on: bool) -> bool {
        let found = ALL
            .iter()
            .find(|(known, _)| *known == letter && letter != '-');
        found.is_some_and(|(_, name)| self.set(name, is_on))
    }

    /// The letters of those in force.
    pub fn letters(&self) -> String {
        self.names_in_force()
            .filter_map(|(letter, _)| (letter != '-').then_some(letter))
            .collect()
    }

    /// Those in force, by letter and name.
    pub fn names_in_force(&self) -> impl Iterator<Item = (char, &'static str)> + '_ {
        let pairs = ALL.iter().zip(self.in_force);
        pairs.filter_map(|(option, is_on)| is_on.then_some(*option))
    }

    /// All of them, with whether they are in force.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, bool)> + '_ {
        ALL.iter().map(|(_, name)| *name).zip(self.in_force)
    }
}

fn index_of(name: &str) -> Option<usize> {
    ALL.iter().position(|(_, known)| *known == name)
}
