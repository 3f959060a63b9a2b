//! Programs: found along `PATH`, started with redirections and variables.

use posix::prelude::*;
use posix::process::{Authority, Command, Errno};
use posix::{env, fs, io, path, system};

use crate::redirect::Plan;
use crate::shell::Shell;

/// Status for a program that was not found.
const STATUS_NOT_FOUND: i32 = 127;

/// Status for a program that was found but cannot be started.
const STATUS_NOT_STARTED: i32 = 126;

/// Programs that do nothing but administer the system, or do that too.
const ADMINISTERING: [&str; 6] = ["campaign", "crash", "domains", "halt", "trace", "upgrade"];

/// Bytes of a file that tell a script from something else.
const PROBE_BYTES: usize = 4096;

impl Shell {
    /// Starts a program; its process number, or the status if there is none.
    pub fn start_program(&mut self, words: &[String], plan: &Plan) -> Result<u32, i32> {
        self.start_program_as(None, words, plan)
    }

    /// As [`Self::start_program`], with authority that the command line names.
    pub fn start_program_as(
        &mut self,
        authority: Option<Authority>,
        words: &[String],
        plan: &Plan,
    ) -> Result<u32, i32> {
        let name = &words[0];
        let found = match name.contains('/') {
            true => Some(name.clone()),
            false => self.find_program(name),
        };
        let Some(path) = found else {
            self.complain_by(plan, &format!("{name}: command not found"));
            return Err(STATUS_NOT_FOUND);
        };
        if self.is_too_much_to_pass(words) {
            return self.started(name, plan, Err(Errno::E2BIG.into()));
        }
        let authority = authority.unwrap_or_else(|| authority_of(&path));
        let mut command = Command::new(&path).args(&words[1..]).called(name);
        command = command.authority(authority);
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
                let command = command.interpreted_by("/bin/sh", &path);
                self.started(&path, plan, command.spawn().map(|child| child.id()))
            }
            other => self.started(name, plan, other.map(|child| child.id())),
        }
    }

    fn started(&self, name: &str, plan: &Plan, result: io::Result<u32>) -> Result<u32, i32> {
        result.map_err(|error| {
            let is_directory = fs::metadata(name).is_ok_and(|metadata| metadata.is_dir());
            match is_directory {
                true => {
                    let error = io::Error::from(Errno::EISDIR);
                    self.complain_by(plan, &format!("{name}: {error}"));
                }
                false => self.complain_by(plan, &format!("{name}: {error}")),
            }
            match error.kind() {
                io::ErrorKind::NotFound => STATUS_NOT_FOUND,
                _ => STATUS_NOT_STARTED,
            }
        })
    }

    /// Writes a message to where the program would have written it.
    fn complain_by(&self, plan: &Plan, message: &str) {
        let Some(descriptor) = plan.source(2) else {
            return;
        };
        let _ = io::stdout().flush();
        let shell = path::file_name(&self.script_name);
        // Where it cannot be written nobody would have read it.
        let _ = system().write(descriptor, format!("{shell}: {message}\n").as_bytes());
    }

    /// The path of a program, looked for along the shell's `PATH`.
    pub fn find_program(&self, name: &str) -> Option<String> {
        if env::var("PATH").as_deref() != self.value("PATH") {
            env::set_var("PATH", self.value("PATH").unwrap_or(""));
        }
        posix::process::find_program(name)
    }
}

/// The authority that a program gets from its name: who types one of those that
/// administer the system means that it should. All others observe, unless `admin` says so.
fn authority_of(path: &str) -> Authority {
    let name = path.strip_prefix("/bin/");
    match name.is_some_and(|name| ADMINISTERING.contains(&name)) {
        true => Authority::HandOnIfAny,
        false => Authority::Observe,
    }
}

/// Whether a file that is no image is text.
fn is_script(path: &str) -> bool {
    let mut probe = [0; PROBE_BYTES];
    let read = fs::File::open(path).and_then(|mut file| file.read(&mut probe));
    read.is_ok_and(|count| !probe[..count].contains(&0) && !probe.starts_with(b"\x7fELF"))
}
