//! What expansion asks of the running shell.

use posix::prelude::*;
use posix::{fs, io};
use shell_language::{Environment, ExpandError, Program};

use crate::shell::Shell;

impl Environment for Shell {
    fn variable(&self, name: &str) -> Option<String> {
        self.value(name).map(String::from)
    }

    fn set_variable(&mut self, name: &str, value: &str) -> Result<(), ExpandError> {
        if self.assign(name, value) {
            return Ok(());
        }
        Err(ExpandError::NotAssignable { name: name.into() })
    }

    fn arguments(&self) -> Vec<String> {
        self.arguments.clone()
    }

    fn script_name(&self) -> String {
        self.script_name.clone()
    }

    fn status(&self) -> i32 {
        self.status
    }

    fn process_id(&self) -> u32 {
        self.process_id
    }

    fn last_background(&self) -> Option<u32> {
        self.jobs.last()
    }

    fn options(&self) -> String {
        let mut letters = self.options.letters();
        if self.is_interactive {
            letters.push('i');
        }
        letters
    }

    fn refuses_unset(&self) -> bool {
        self.options.has("nounset")
    }

    fn expands_pathnames(&self) -> bool {
        !self.options.has("noglob")
    }

    fn read_dir(&mut self, path: &str) -> Option<Vec<String>> {
        let path = if path.is_empty() { "." } else { path };
        let entries = fs::read_dir(path).ok()?.filter_map(Result::ok);
        let mut names: Vec<String> = entries.map(|entry| entry.file_name().into()).collect();
        names.extend([".".into(), "..".into()]);
        Some(names)
    }

    fn exists(&mut self, path: &str) -> bool {
        fs::symlink_metadata(path).is_ok()
    }

    fn substitute(&mut self, program: &Program) -> Result<String, ExpandError> {
        self.output_of(program).map_err(|error| {
            self.complain(&error.to_string());
            ExpandError::Substitution
        })
    }
}

impl Shell {
    fn output_of(&mut self, program: &Program) -> io::Result<String> {
        let (mut reader, writer) = posix::process::pipe()?;
        // What tests this command does not test what it substitutes.
        let tested = core::mem::take(&mut self.tested_depth);
        let started = self.start_subshell(&program.to_string(), &[(1, writer.descriptor())]);
        self.tested_depth = tested;
        let pid = started?;
        drop(writer);
        let mut output = Vec::new();
        reader.read_to_end(&mut output)?;
        self.substitution_status = Some(self.wait_foreground(&[pid]));
        output.retain(|byte| *byte != 0);
        Ok(String::from_utf8_lossy(&output).into_owned())
    }
}
