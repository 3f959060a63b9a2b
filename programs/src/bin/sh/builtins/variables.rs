//! `export`, `readonly`, `local`, `unset`.

use posix::prelude::*;
use shell_language::is_name;

use super::{Answer, operands};
use crate::shell::Shell;
use crate::subshell::Quoted;

impl Shell {
    pub(super) fn mark(&mut self, builtin: &str, arguments: &[String]) -> Answer {
        let is_export = builtin == "export";
        let is_listed = arguments.first().is_none_or(|first| first == "-p");
        if is_listed {
            self.print_marked(builtin, is_export);
            return Ok(0);
        }
        for argument in operands(arguments) {
            let name = self.declare(argument)?;
            if is_export {
                self.export(name);
            } else {
                self.variables.entry(name.into()).or_default().is_readonly = true;
            }
        }
        Ok(0)
    }

    /// Takes `NAME` or `NAME=value`, and assigns the latter; the name.
    fn declare<'a>(&mut self, argument: &'a str) -> Result<&'a str, String> {
        let (name, value) = match argument.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (argument, None),
        };
        if !is_name(name) {
            return Err(format!("{name}: not a name"));
        }
        let assigned = value.map_or(Ok(()), |value| self.assign(name, value));
        assigned.map_err(|error| format!("{name}: {error}"))?;
        Ok(name)
    }

    fn print_marked(&self, builtin: &str, is_export: bool) {
        for (name, variable) in &self.variables {
            let is_marked = match is_export {
                true => variable.is_exported,
                false => variable.is_readonly,
            };
            match &variable.value {
                _ if !is_marked => {}
                Some(value) => println!("{builtin} {name}={}", Quoted(value)),
                None => println!("{builtin} {name}"),
            }
        }
    }

    pub(super) fn local(&mut self, arguments: &[String]) -> Answer {
        if self.locals.is_empty() {
            return Err("not in a function".into());
        }
        for argument in operands(arguments) {
            let name = argument.split('=').next().unwrap_or_default();
            let hidden = self.hide(name);
            if let Some(frame) = self.locals.last_mut()
                && frame.iter().all(|(known, _)| known != name)
            {
                frame.push(hidden);
            }
            self.declare(argument)?;
        }
        Ok(0)
    }

    pub(super) fn unset_all(&mut self, arguments: &[String]) -> Answer {
        let (is_function, names) = match arguments {
            [option, rest @ ..] if option == "-f" => (true, rest),
            [option, rest @ ..] if option == "-v" => (false, rest),
            all => (false, all),
        };
        for name in operands(names) {
            if is_function {
                self.functions.remove(name);
            } else if !is_name(name) {
                return Err(format!("{name}: not a name"));
            } else if !self.unset(name) {
                return Err(format!("{name}: is read only"));
            }
        }
        Ok(0)
    }
}
