//! Programs: found along `PATH`, started with redirections and variables.

use posix::prelude::*;
use posix::process::{Command, Errno};
use posix::{env, fs, io};

use crate::redirect::Plan;
use crate::shell::Shell;

/// Status for a program that was not found.
const STATUS_NOT_FOUND: i32 = 127;

/// Status for a program that was found but cannot be started.
const STATUS_NOT_STARTED: i32 = 126;

/// Bytes of a file that tell a script from something else.
const PROBE_BYTES: usize = 4096;

impl Shell {
    /// Starts a program; its process number, or the status if there is none.
    pub fn start_program(
        &mut self,
        words: &[String],
        assignments: &[(String, String)],
        plan: &Plan,
    ) -> Result<u32, i32> {
        let name = &words[0];
        let found = match name.contains('/') {
            true => Some(name.clone()),
            false => self.find_program(name),
        };
        let Some(path) = found else {
            self.complain(&format!("{name}: command not found"));
            return Err(STATUS_NOT_FOUND);
        };
        let mut command = Command::new(&path).args(&words[1..]).called(name);
        for (variable, value) in assignments {
            command = command.env(variable, value);
        }
        for number in self.saved.kept() {
            command = command.descriptor(number, number);
        }
        for (child, _) in &plan.map {
            command = match plan.source(*child) {
                Some(source) => command.descriptor(source, *child),
                None => command.without_descriptor(*child),
            };
        }
        match command.spawn() {
            Err(error) if error.errno() == Some(Errno::ENOEXEC) && is_script(&path) => {
                self.start_script(&path, command)
            }
            other => self.started(name, other.map(|child| child.id())),
        }
    }

    fn start_script(&self, path: &str, command: Command) -> Result<u32, i32> {
        let command = command.interpreted_by("/bin/sh", path);
        self.started(path, command.spawn().map(|child| child.id()))
    }

    fn started(&self, name: &str, result: io::Result<u32>) -> Result<u32, i32> {
        result.map_err(|error| {
            let is_directory = fs::metadata(name).is_ok_and(|metadata| metadata.is_dir());
            match is_directory {
                true => self.complain(&format!("{name}: {}", io::Error::from(Errno::EISDIR))),
                false => self.complain(&format!("{name}: {error}")),
            }
            match error.kind() {
                io::ErrorKind::NotFound => STATUS_NOT_FOUND,
                _ => STATUS_NOT_STARTED,
            }
        })
    }

    /// The path of a program, looked for along the shell's `PATH`.
    pub fn find_program(&self, name: &str) -> Option<String> {
        if env::var("PATH").as_deref() != self.value("PATH") {
            env::set_var("PATH", self.value("PATH").unwrap_or(""));
        }
        posix::process::find_program(name)
    }
}

/// Whether a file that is no image is text.
fn is_script(path: &str) -> bool {
    let mut probe = [0; PROBE_BYTES];
    let read = fs::File::open(path).and_then(|mut file| file.read(&mut probe));
    read.is_ok_and(|count| !probe[..count].contains(&0) && !probe.starts_with(b"\x7fELF"))
}
