//! `$name` and `${…}`: the value of a parameter and what is done with it.

use alloc::format;
use alloc::string::{String, ToString};

use glob_match::Pattern;

use crate::atoms::{Atoms, Mark};
use crate::expand::{ExpandError, Expander, Tilde, expand_pattern};
use crate::fields::DEFAULT_SEPARATORS;
use crate::syntax::{Operation, Parameter, ParameterExpansion, Word};

impl Expander<'_> {
    pub(crate) fn parameter(
        &mut self,
        expansion: &ParameterExpansion,
        mark: Mark,
    ) -> Result<(), ExpandError> {
        let parameter = &expansion.parameter;
        self.refuse_unset(expansion)?;
        match &expansion.operation {
            Operation::Value => self.value(parameter, mark),
            Operation::Length => {
                let length = format!("{}", self.length(parameter));
                self.atoms.text(&length, mark)
            }
            Operation::Default { or_empty, word } => {
                if self.is_missing(parameter, *or_empty) {
                    return self.word(word, mark, Tilde::AtStart);
                }
                self.value(parameter, mark)
            }
            Operation::Alternative { or_empty, word } => {
                match self.is_missing(parameter, *or_empty) {
                    true => Ok(()),
                    false => self.word(word, mark, Tilde::AtStart),
                }
            }
            Operation::Assign { or_empty, word } => {
                if self.is_missing(parameter, *or_empty) {
                    self.assign(parameter, word, mark)?;
                }
                self.value(parameter, mark)
            }
            Operation::Require { or_empty, word } => {
                if self.is_missing(parameter, *or_empty) {
                    return Err(ExpandError::Unset {
                        name: written(parameter),
                        message: self.sub_text(word, mark)?,
                    });
                }
                self.value(parameter, mark)
            }
            Operation::RemovePrefix {
                is_longest,
                pattern,
            } => {
                let (value, pattern) = self.value_and_pattern(parameter, pattern)?;
                let removed = pattern.matching_prefix(&value, *is_longest).unwrap_or(0);
                self.atoms.text(&value[removed..], mark)
            }
            Operation::RemoveSuffix {
                is_longest,
                pattern,
            } => {
                let (value, pattern) = self.value_and_pattern(parameter, pattern)?;
                let kept = pattern.matching_suffix(&value, *is_longest);
                let kept = kept.unwrap_or(value.len());
                self.atoms.text(&value[..kept], mark)
            }
        }
    }

    /// Refuses a parameter that is not set and has no default, with `set -u`.
    fn refuse_unset(&self, expansion: &ParameterExpansion) -> Result<(), ExpandError> {
        let parameter = &expansion.parameter;
        let has_other = matches!(
            expansion.operation,
            Operation::Default { .. }
                | Operation::Alternative { .. }
                | Operation::Assign { .. }
                | Operation::Require { .. }
        );
        let is_list = matches!(parameter, Parameter::Arguments | Parameter::JoinedArguments);
        if has_other || is_list || !self.environment.refuses_unset() {
            return Ok(());
        }
        match self.lookup(parameter) {
            Some(_) => Ok(()),
            None => Err(ExpandError::Unset {
                name: written(parameter),
                message: String::new(),
            }),
        }
    }

    fn length(&self, parameter: &Parameter) -> usize {
        match parameter {
            Parameter::Arguments | Parameter::JoinedArguments => self.environment.arguments().len(),
            _ => self.lookup(parameter).unwrap_or_default().chars().count(),
        }
    }

    fn value(&mut self, parameter: &Parameter, mark: Mark) -> Result<(), ExpandError> {
        let is_separate = match parameter {
            Parameter::Arguments => true,
            Parameter::JoinedArguments => mark != Mark::Quoted && self.is_splitting,
            _ => false,
        };
        if !is_separate {
            let value = self.lookup(parameter).unwrap_or_default();
            return self.atoms.text(&value, mark);
        }
        for (index, argument) in self.environment.arguments().iter().enumerate() {
            if index > 0 {
                self.atoms.separate()?;
            }
            if mark == Mark::Quoted {
                self.atoms.presence()?;
            }
            self.atoms.text(argument, mark)?;
        }
        Ok(())
    }

    fn lookup(&self, parameter: &Parameter) -> Option<String> {
        let environment = &*self.environment;
        match parameter {
            Parameter::Variable(name) => environment.variable(name),
            Parameter::Positional(0) => Some(environment.script_name()),
            Parameter::Positional(index) => {
                let index = usize::try_from(*index).ok()?.checked_sub(1)?;
                environment.arguments().get(index).cloned()
            }
            Parameter::Arguments => joined(environment.arguments(), " "),
            Parameter::JoinedArguments => {
                let separators = environment.variable("IFS");
                let separators = separators.as_deref().unwrap_or(DEFAULT_SEPARATORS);
                let first = separators.chars().next().map(String::from);
                joined(environment.arguments(), &first.unwrap_or_default())
            }
            Parameter::ArgumentCount => Some(environment.arguments().len().to_string()),
            Parameter::Status => Some(environment.status().to_string()),
            Parameter::ProcessId => Some(environment.process_id().to_string()),
            Parameter::LastBackground => environment.last_background().map(|id| id.to_string()),
            Parameter::Options => Some(environment.options()),
        }
    }

    fn is_missing(&self, parameter: &Parameter, or_empty: bool) -> bool {
        match self.lookup(parameter) {
            None => true,
            Some(value) => or_empty && value.is_empty(),
        }
    }

    fn assign(
        &mut self,
        parameter: &Parameter,
        word: &Word,
        mark: Mark,
    ) -> Result<(), ExpandError> {
        let Parameter::Variable(name) = parameter else {
            return Err(ExpandError::NotAssignable {
                name: written(parameter),
            });
        };
        let value = self.sub_text(word, mark)?;
        self.environment.set_variable(name, &value)
    }

    /// Expands a word aside, as one string.
    fn sub_text(&mut self, word: &Word, mark: Mark) -> Result<String, ExpandError> {
        let mut expander = Expander {
            environment: &mut *self.environment,
            atoms: Atoms::new(self.atoms.room()),
            is_splitting: false,
        };
        expander.word(word, mark, Tilde::AtStart)?;
        Ok(expander.atoms.into_text())
    }

    fn value_and_pattern(
        &mut self,
        parameter: &Parameter,
        pattern: &Word,
    ) -> Result<(String, Pattern), ExpandError> {
        // First the pattern, which may want room for others like this one.
        let pattern = expand_pattern(pattern, &mut *self.environment)?;
        Ok((self.lookup(parameter).unwrap_or_default(), pattern))
    }
}

fn joined(arguments: alloc::vec::Vec<String>, separator: &str) -> Option<String> {
    (!arguments.is_empty()).then(|| arguments.join(separator))
}

/// The parameter as written behind `$`.
pub(crate) fn written(parameter: &Parameter) -> String {
    match parameter {
        Parameter::Variable(name) => name.clone(),
        Parameter::Positional(index) => index.to_string(),
        Parameter::Arguments => "@".to_string(),
        Parameter::JoinedArguments => "*".to_string(),
        Parameter::ArgumentCount => "#".to_string(),
        Parameter::Status => "?".to_string(),
        Parameter::ProcessId => "$".to_string(),
        Parameter::LastBackground => "!".to_string(),
        Parameter::Options => "-".to_string(),
    }
}
