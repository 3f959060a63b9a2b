//! The starts of processes: from a path to a domain in the table.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use interfaces::process::{ARG_MAX, Authority, DESCRIPTOR_MAX, DescriptorMap};

use crate::descriptors::Descriptors;
use crate::ends::{NO_DOMAIN, cause};
use crate::errno::{Errno, Outcome};
use crate::image::Refusal;
use crate::lanes::Call;
use crate::open_file::OpenFile;
use crate::path::{Place, Resolver};
use crate::process::{ProcessState, WorkingDirectory};
use crate::rv6::Rv6;
use crate::system::{Ended, ProgramStart};
use crate::table::JOB_MAX;

/// What [`Rv6::spawn`] starts.
pub struct SpawnRequest<'a> {
    /// The program's file.
    pub path: &'a [u8],
    /// Arguments, each ended by a zero byte.
    pub arguments: &'a [u8],
    /// Environment, each string ended by a zero byte.
    pub environment: &'a [u8],
    /// Whether it may administer the system.
    pub authority: Authority,
}

impl SpawnRequest<'_> {
    /// Bytes that the program would get.
    const fn size(&self) -> usize {
        self.arguments.len().saturating_add(self.environment.len())
    }
}

impl Rv6 {
    /// Starts the first process, with the root as its working directory and the
    /// console as its standard descriptors.
    ///
    /// # Errors
    /// Why its program cannot be started.
    pub fn start_first(self: &Arc<Self>, request: &SpawnRequest<'_>) -> Result<u32, Refusal> {
        let root = Resolver::new(self.disk())?.root();
        let console = ProcessState::open_console(self);
        let mut descriptors = Descriptors::new();
        descriptors.set(0, Arc::clone(&console))?;
        descriptors.set(1, console)?;
        descriptors.set(2, ProcessState::open_errors(self))?;
        self.start(None, root, descriptors, request)
    }

    /// Starts a program for `parent`; its process number.
    ///
    /// # Errors
    /// As `posix_spawn`.
    pub fn spawn(
        self: &Arc<Self>,
        call: &Call<'_>,
        request: &SpawnRequest<'_>,
        maps: &[DescriptorMap],
    ) -> Outcome<u32> {
        if maps.len() > DESCRIPTOR_MAX {
            return Err(Errno::EINVAL);
        }
        if request.size() > ARG_MAX {
            return Err(Errno::E2BIG);
        }
        let descriptors = call.descriptors().lock().inherit(maps)?;
        let errors = descriptors.get(2).ok();
        self.start(Some(call), call.place(), descriptors, request)
            .map_err(|refusal| {
                if let Some(message) = refusal.message {
                    let path = String::from_utf8_lossy(request.path);
                    self.complain(
                        call,
                        errors.as_deref(),
                        &format!("{path}: refused: {message}"),
                    );
                }
                refusal.errno
            })
    }

    /// Says in the log, and where the new process would write its errors, why
    /// there is none.
    fn complain(&self, call: &Call<'_>, errors: Option<&OpenFile>, line: &str) {
        self.system().log(line);
        if let Some(file) = errors {
            // Who closed its error output wants no message.
            let beside = call.uncounted();
            let _ = file.write(&beside, format!("rv6: {line}\n").as_bytes(), 0);
        }
    }

    fn start(
        self: &Arc<Self>,
        call: Option<&Call<'_>>,
        directory: Place,
        descriptors: Descriptors<OpenFile>,
        request: &SpawnRequest<'_>,
    ) -> Result<u32, Refusal> {
        let parent = call.map_or(0, |call| call.number());
        // The first process is the administrator's own.
        let parent_may = call.is_none_or(|call| call.may_administer());
        let may_administer = match request.authority {
            Authority::Observe => false,
            Authority::HandOn if !parent_may => return Err(Errno::EPERM.into()),
            Authority::HandOn | Authority::HandOnIfAny => parent_may,
        };
        if let Some(job) = self.table().end_full_job(parent) {
            let why = format!("has {JOB_MAX} processes");
            self.end_job(parent, job, &why, cause::PROCESS_LIMIT);
            return Err(Errno::EINTR.into());
        }
        let program = self.find_program(&directory, request.path)?;
        // Nobody takes two shares at once, so everybody gets one in the end.
        let _share = self.budget().starts.take(request.size())?;
        let start = program_start(&program.prefix, request)?;
        let directory = WorkingDirectory::hold(self.disk(), directory)?;
        let process = self.table().add(call, |pid| {
            let rv6 = Arc::clone(self);
            let name = domain_name(request.path, pid);
            Arc::new(ProcessState::new(
                rv6,
                pid,
                name,
                descriptors,
                directory,
                start.arguments(),
                may_administer,
            ))
        })?;
        let pid = process.number();
        if process.was_killed() {
            self.table().set_domain(&process, NO_DOMAIN, call);
            self.finish(&process, &Ended::Died(cause::KILLED));
            return Ok(pid);
        }
        match self.system().start(&program.image, &process, &start) {
            Ok(domain) => self.note_start(&process, domain, call),
            Err(reason) => {
                self.table().set_domain(&process, NO_DOMAIN, call);
                self.finish(&process, &Ended::NotStarted(reason));
            }
        }
        Ok(pid)
    }

    /// Notes that a process has its domain.
    fn note_start(&self, process: &Arc<ProcessState>, domain: u64, call: Option<&Call<'_>>) {
        self.table().set_domain(process, domain, call);
        if process.was_killed() {
            self.system().kill(domain, cause::KILLED);
        }
        // Its end may have been reported before it was known here.
        if let Some(ended) = self.system().end_of(domain) {
            self.finish(process, &ended);
        }
    }
}

/// The name of a process's domain: the last component of its program's path, cut to what
/// the kernel keeps of a name and without what no name has, and the process number.
fn domain_name(path: &[u8], pid: u32) -> String {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
    let shown = name.iter().map(|byte| match byte {
        b'-' | b'_' | b'.' => char::from(*byte),
        byte if byte.is_ascii_alphanumeric() => char::from(*byte),
        _ => '_',
    });
    let name: String = shown.take(PROGRAM_NAME_MAX).collect();
    format!("{name}.{pid}")
}

/// Bytes of a program's name in the name of its domain, which has at most 31.
const PROGRAM_NAME_MAX: usize = 16;

/// What a program gets: of a script, its interpreter's words replace the first argument.
fn program_start(prefix: &[Vec<u8>], request: &SpawnRequest<'_>) -> Outcome<ProgramStart> {
    let (arguments, environment) = (request.arguments, request.environment);
    if prefix.is_empty() {
        return ProgramStart::new(&[], arguments, environment);
    }
    let mut words = Vec::new();
    for word in prefix {
        words.extend_from_slice(word);
        words.push(0);
    }
    let first = arguments
        .iter()
        .position(|byte| *byte == 0)
        .map_or(arguments.len(), |at| at + 1);
    ProgramStart::new(&words, &arguments[first..], environment)
}
