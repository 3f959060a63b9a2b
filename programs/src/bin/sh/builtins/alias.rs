//! `alias` and `unalias`.

use alloc::sync::Arc;

use posix::prelude::*;

use super::{Answer, operands};
use crate::shell::Shell;
use crate::subshell::Quoted;

impl Shell {
    pub(super) fn alias(&mut self, arguments: &[String]) -> i32 {
        let arguments = operands(arguments);
        if arguments.is_empty() {
            for (name, value) in &*self.aliases {
                println!("{name}={}", Quoted(value));
            }
        }
        let mut status = 0;
        for argument in arguments {
            match argument.split_once('=') {
                Some((name, value)) if !name.is_empty() => {
                    if !self.may_grow() {
                        return self.status;
                    }
                    Arc::make_mut(&mut self.aliases).insert(name.into(), value.into());
                }
                _ => match self.aliases.get(argument) {
                    Some(value) => println!("{argument}={}", Quoted(value)),
                    None => {
                        self.complain(&format!("alias: {argument}: not found"));
                        status = 1;
                    }
                },
            }
        }
        status
    }

    pub(super) fn unalias(&mut self, arguments: &[String]) -> Answer {
        if arguments.first().is_some_and(|first| first == "-a") {
            Arc::make_mut(&mut self.aliases).clear();
            return Ok(0);
        }
        let names = operands(arguments);
        if names.is_empty() {
            return Err("expected -a or names".into());
        }
        let mut status = 0;
        for name in names {
            if Arc::make_mut(&mut self.aliases).remove(name).is_none() {
                self.complain(&format!("unalias: {name}: not found"));
                status = 1;
            }
        }
        Ok(status)
    }
}
