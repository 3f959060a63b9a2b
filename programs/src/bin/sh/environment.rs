//! What expansion asks of the running shell.

use posix::prelude::*;
use posix::process::Errno;
use posix::{fs, io};
use shell_language::{Environment, ExpandError, Program};

use crate::memory;
use crate::shell::{AssignError, Shell};

impl Environment for Shell {
    fn variable(&self, name: &str) -> Option<String> {
        self.value(name).map(String::from)
    }

    fn set_variable(&mut self, name: &str, value: &str) -> Result<(), ExpandError> {
        self.assign(name, value).map_err(|error| match error {
            AssignError::ReadOnly => ExpandError::NotAssignable { name: name.into() },
            AssignError::NoRoom => ExpandError::TooLong,
        })
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

    fn room(&self) -> usize {
        memory::room()
    }

    fn read_dir(&mut self, path: &str, visit: &mut dyn FnMut(&str) -> bool) {
        let path = if path.is_empty() { "." } else { path };
        let entries = fs::read_dir(path).into_iter().flatten();
        for entry in entries.filter_map(Result::ok) {
            if !visit(entry.file_name()) {
                return;
            }
        }
    }

    fn exists(&mut self, path: &str) -> bool {
        fs::symlink_metadata(path).is_ok()
    }

    fn substitute(&mut self, program: &Program, limit: usize) -> Result<String, ExpandError> {
        match self.output_of(program, limit) {
            Ok(output) => memory::text(output, limit).ok_or(ExpandError::TooLong),
            // What it printed, or what it was to get of the shell.
            Err(error) if matches!(error.errno(), Some(Errno::EFBIG | Errno::E2BIG)) => {
                Err(ExpandError::TooLong)
            }
            Err(error) => {
                self.complain(&error.to_string());
                Err(ExpandError::Substitution)
            }
        }
    }
}

impl Shell {
    fn output_of(&mut self, program: &Program, limit: usize) -> io::Result<Vec<u8>> {
        let (mut reader, writer) = posix::process::pipe()?;
        // What tests this command does not test what it substitutes.
        let tested = core::mem::take(&mut self.tested_depth);
        let started = self.start_subshell(&program.to_string(), &[(1, writer.descriptor())]);
        self.tested_depth = tested;
        let pid = started?;
        drop(writer);
        let output = memory::read_to_end(&mut reader, limit);
        drop(reader);
        if output.is_err() {
            // Nobody reads what it prints; but it may not print what it does.
            let _ = posix::process::kill(pid);
        }
        self.substitution_status = Some(self.wait_foreground(&[pid]));
        let mut output = output?;
        output.retain(|byte| *byte != 0);
        Ok(output)
    }
}
