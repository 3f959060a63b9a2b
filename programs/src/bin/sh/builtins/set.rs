//! `set` and `shift`: options and positional parameters.

use posix::prelude::*;

use super::{Answer, number, operands};
use crate::shell::Shell;
use crate::subshell::Quoted;

impl Shell {
    pub(super) fn set(&mut self, arguments: &[String]) -> Answer {
        if arguments.is_empty() {
            for (name, variable) in &self.variables {
                if let Some(value) = &variable.value {
                    println!("{name}={}", Quoted(value));
                }
            }
        }
        let mut rest = arguments;
        while let [first, others @ ..] = rest {
            let (is_on, letters) = match first.split_at_checked(1) {
                _ if first == "--" => {
                    self.arguments = others.to_vec();
                    return Ok(0);
                }
                Some(("-", letters)) => (true, letters),
                Some(("+", letters)) if !letters.is_empty() => (false, letters),
                _ => break,
            };
            rest = others;
            for letter in letters.chars() {
                rest = self.set_option(letter, is_on, rest)?;
            }
        }
        if !rest.is_empty() {
            self.arguments = rest.to_vec();
        }
        Ok(0)
    }

    /// Sets an option; what is left of the arguments.
    fn set_option<'a>(
        &mut self,
        letter: char,
        is_on: bool,
        rest: &'a [String],
    ) -> Result<&'a [String], String> {
        let sign = if is_on { '-' } else { '+' };
        if letter != 'o' {
            let is_known = self.options.set_letter(letter, is_on);
            return is_known
                .then_some(rest)
                .ok_or_else(|| format!("{sign}{letter}: not an option"));
        }
        let Some((name, rest)) = rest.split_first() else {
            self.print_options(is_on);
            return Ok(rest);
        };
        match self.options.set(name, is_on) {
            true => Ok(rest),
            false => Err(format!("{sign}o {name}: not an option")),
        }
    }

    /// Shows all options: to be read, or as commands that set them.
    fn print_options(&self, is_to_be_read: bool) {
        for (name, is_on) in self.options.all() {
            if is_to_be_read {
                println!("{name:<16}{}", if is_on { "on" } else { "off" });
            } else {
                println!("set {}o {name}", if is_on { '-' } else { '+' });
            }
        }
    }

    pub(super) fn shift(&mut self, arguments: &[String]) -> Answer {
        let count = match operands(arguments).first() {
            Some(text) => number(text)? as usize,
            None => 1,
        };
        if count > self.arguments.len() {
            return Err("there are not so many arguments".into());
        }
        self.arguments.drain(..count);
        Ok(0)
    }
}
