//! `getopts`: one option after the other.

use posix::prelude::*;
use shell_language::is_name;

use super::Answer;
use crate::shell::Shell;

/// Where `getopts` is within an argument that has several letters.
#[derive(Clone, Debug, Default)]
pub struct Scan {
    /// Letters of the present argument that were handed out.
    letters: usize,
}

/// What was found.
struct Found {
    /// What the variable is set to.
    name: char,
    /// What `OPTARG` is set to.
    argument: Option<String>,
}

impl Shell {
    pub(super) fn getopts(&mut self, arguments: &[String]) -> Answer {
        let [letters, name, arguments @ ..] = arguments else {
            return Err("expected letters and a variable".into());
        };
        if !is_name(name) {
            return Err(format!("{name}: not a name"));
        }
        let own = self.arguments.clone();
        let arguments = if arguments.is_empty() {
            &own
        } else {
            arguments
        };
        let index = self.value("OPTIND").and_then(|text| text.parse().ok());
        let mut index: usize = index.unwrap_or(1).max(1);
        let mut scan = self.scan.clone();
        let found = self.next_option(letters, arguments, &mut index, &mut scan);
        let status = i32::from(found.is_none());
        let found = found.unwrap_or(Found {
            name: '?',
            argument: None,
        });
        match found.argument {
            Some(argument) => self.assign_own("OPTARG", &argument),
            None => drop(self.unset("OPTARG")),
        }
        self.assign_own("OPTIND", &index.to_string());
        // To set OPTIND means to begin anew, but not here.
        self.scan = scan;
        let assigned = self.assign(name, found.name.encode_utf8(&mut [0; 4]));
        assigned.map_err(|error| format!("{name}: {error}"))?;
        Ok(status)
    }

    fn next_option(
        &self,
        letters: &str,
        arguments: &[String],
        index: &mut usize,
        scan: &mut Scan,
    ) -> Option<Found> {
        let word = arguments.get(*index - 1)?;
        let given = word.strip_prefix('-').filter(|given| !given.is_empty())?;
        if given == "-" {
            *index += 1;
            return None;
        }
        let letter = given.chars().nth(scan.letters)?;
        scan.letters += 1;
        let rest: String = given.chars().skip(scan.letters).collect();
        let (is_silent, known) = match letters.strip_prefix(':') {
            Some(known) => (true, known),
            None => (false, letters),
        };
        let place = known.find(letter).filter(|_| letter != ':');
        let takes_argument =
            place.is_some_and(|at| known[at + letter.len_utf8()..].starts_with(':'));
        if rest.is_empty() || takes_argument {
            *index += 1;
            scan.letters = 0;
        }
        if place.is_none() {
            return Some(self.unknown(letter, is_silent));
        }
        if !takes_argument {
            return Some(Found {
                name: letter,
                argument: None,
            });
        }
        let argument = match rest.is_empty() {
            false => Some(rest),
            true => {
                *index += 1;
                arguments.get(*index - 2).cloned()
            }
        };
        Some(match argument {
            Some(_) => Found {
                name: letter,
                argument,
            },
            None => self.without_argument(letter, is_silent),
        })
    }

    fn unknown(&self, letter: char, is_silent: bool) -> Found {
        if !is_silent {
            self.complain(&format!("-{letter}: not an option"));
        }
        Found {
            name: '?',
            argument: is_silent.then(|| letter.to_string()),
        }
    }

    fn without_argument(&self, letter: char, is_silent: bool) -> Found {
        if !is_silent {
            self.complain(&format!("-{letter}: needs an argument"));
        }
        Found {
            name: if is_silent { ':' } else { '?' },
            argument: is_silent.then(|| letter.to_string()),
        }
    }
}
