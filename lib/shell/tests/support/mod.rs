//! An environment over maps and the host's file system, for tests.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use shell_language::{Environment, ExpandError, Parser, Program, Word, expand_all};

/// Answers from its fields; directories are those under `root`.
pub struct TestEnvironment {
    pub variables: BTreeMap<String, String>,
    pub arguments: Vec<String>,
    pub root: PathBuf,
    pub room: usize,
}

impl TestEnvironment {
    pub fn new(variables: &[(&str, &str)], arguments: &[&str]) -> Self {
        Self {
            variables: variables
                .iter()
                .map(|(name, value)| (name.to_string(), value.to_string()))
                .collect(),
            arguments: arguments.iter().map(ToString::to_string).collect(),
            root: PathBuf::from("/nonexistent"),
            room: 4 << 20,
        }
    }

    /// The fields `text` expands to as the arguments of a command.
    pub fn fields(&mut self, text: &str) -> Result<Vec<String>, ExpandError> {
        expand_all(&words(text), self)
    }
}

/// The words behind the first one of a simple command.
pub fn words(text: &str) -> Vec<Word> {
    let program = Parser::parse(&format!("echo {text}")).expect("test text is a program");
    let command = &program.items[0].list.first.commands[0];
    let shell_language::Command::Simple(simple) = command else {
        panic!("not a simple command: {text}");
    };
    simple.words[1..].to_vec()
}

impl Environment for TestEnvironment {
    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }

    fn set_variable(&mut self, name: &str, value: &str) -> Result<(), ExpandError> {
        self.variables.insert(name.to_string(), value.to_string());
        Ok(())
    }

    fn arguments(&self) -> Vec<String> {
        self.arguments.clone()
    }

    fn script_name(&self) -> String {
        "script".to_string()
    }

    fn status(&self) -> i32 {
        0
    }

    fn process_id(&self) -> u32 {
        42
    }

    fn last_background(&self) -> Option<u32> {
        None
    }

    fn room(&self) -> usize {
        self.room
    }

    fn read_dir(&mut self, path: &str, visit: &mut dyn FnMut(&str) -> bool) {
        for entry in fs::read_dir(self.root.join(path)).into_iter().flatten() {
            let name = entry.map(|entry| entry.file_name().into_string());
            if let Ok(Ok(name)) = name
                && !visit(&name)
            {
                return;
            }
        }
    }

    fn exists(&mut self, path: &str) -> bool {
        fs::symlink_metadata(self.root.join(path)).is_ok()
    }

    fn substitute(&mut self, program: &Program, limit: usize) -> Result<String, ExpandError> {
        let output = Command::new("/bin/sh")
            .args(["-c", &program.to_string(), "script"])
            .args(&self.arguments)
            .envs(&self.variables)
            .current_dir(&self.root)
            .output()
            .map_err(|_| ExpandError::Substitution)?;
        if output.stdout.len() > limit {
            return Err(ExpandError::TooLong);
        }
        String::from_utf8(output.stdout).map_err(|_| ExpandError::Substitution)
    }
}
