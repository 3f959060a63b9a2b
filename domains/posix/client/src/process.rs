//! Starting and ending programs, as `std::process`.

use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

pub use interfaces::process::{
    ARG_MAX, Authority, Errno, ExitStatus as RawStatus, Process, TerminalMode,
};
use interfaces::process::{DescriptorMap, ProcessInfo as RawInfo};

use crate::fs::File;
use crate::system::{check, system};
use crate::{complain, env, fs, io};

/// Status of a program that is killed.
const STATUS_KILLED: u8 = 137;

/// Status of a program whose output nobody reads any more: 128 and SIGPIPE.
const STATUS_PIPE: u8 = 141;

/// What `main` may return.
pub trait Termination {
    /// The exit status.
    fn status(self) -> i32;
}

/// The exit status of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExitCode(u8);

impl ExitCode {
    /// All went well.
    pub const SUCCESS: Self = Self(0);
    /// Something failed.
    pub const FAILURE: Self = Self(1);
}

impl From<u8> for ExitCode {
    fn from(status: u8) -> Self {
        Self(status)
    }
}

impl From<bool> for ExitCode {
    fn from(has_succeeded: bool) -> Self {
        if has_succeeded {
            Self::SUCCESS
        } else {
            Self::FAILURE
        }
    }
}

impl Termination for ExitCode {
    fn status(self) -> i32 {
        i32::from(self.0)
    }
}

impl Termination for () {
    fn status(self) -> i32 {
        0
    }
}

impl Termination for io::Result<()> {
    fn status(self) -> i32 {
        match self {
            Ok(()) => 0,
            Err(error) => {
                complain!("{error}");
                1
            }
        }
    }
}

impl Termination for io::Result<ExitCode> {
    fn status(self) -> i32 {
        match self {
            Ok(code) => code.status(),
            Err(error) => {
                complain!("{error}");
                1
            }
        }
    }
}

/// Ends the program, after writing what is left of its output.
pub fn exit(status: i32) -> ! {
    if let Err(error) = io::flush_stdout() {
        end_for_output(&error);
    }
    io::give_back_stdin();
    end(status)
}

/// Ends the program because its output cannot be written.
pub(crate) fn end_for_output(error: &io::Error) -> ! {
    if error.kind() == io::ErrorKind::BrokenPipe {
        end(i32::from(STATUS_PIPE));
    }
    complain!("write error: {error}");
    end(1)
}

/// Ends the program because somebody killed it.
pub(crate) fn end_killed() -> ! {
    end(i32::from(STATUS_KILLED))
}

fn end(status: i32) -> ! {
    runtime::exit(status & 0xff)
}

/// This process's number.
#[must_use]
pub fn id() -> u32 {
    system().pid().unwrap_or(0)
}

/// The number of the process that started this one.
#[must_use]
pub fn parent_id() -> u32 {
    system().parent_pid().unwrap_or(0)
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExitStatus {
    raw: RawStatus,
}

impl ExitStatus {
    /// Whether it exited with status 0.
    #[must_use]
    pub const fn success(&self) -> bool {
        self.raw.status == 0 && self.raw.cause == 0
    }

    /// The status as a shell shows it, also for a death.
    #[must_use]
    pub fn code(&self) -> i32 {
        i32::try_from(self.raw.status & 0xff).unwrap_or(0)
    }

    /// The number of the death's cause; 0: it exited by itself.
    #[must_use]
    pub const fn cause(&self) -> u32 {
        self.raw.cause
    }

    /// What killed it, in words.
    #[must_use]
    pub const fn cause_text(&self) -> Option<&'static str> {
        Some(match self.raw.cause {
            0 => return None,
            1 => "panic",
            2 => "page fault",
            3 => "stack overflow",
            4 => "invalid opcode",
            5 => "divide error",
            6 => "protection fault",
            7 => "memory quota exceeded",
            8 => "watchdog expired",
            9 => "killed",
            10 => "start failed",
            11 => "exchange quota exceeded",
            12 => "thread limit exceeded",
            13 => "handle limit exceeded",
            14 => "log flood",
            15 => "CPU share exceeded",
            16 => "process limit exceeded",
            17 => "protection key",
            18 => "device fault",
            19 => "others died of its calls",
            _ => "died",
        })
    }

    /// The process it was.
    #[must_use]
    pub const fn pid(&self) -> u32 {
        self.raw.pid
    }
}

/// A started program.
#[derive(Clone, Copy, Debug)]
pub struct Child {
    pid: u32,
}

impl Child {
    /// Its process number.
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.pid
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// As `waitpid`.
    pub fn wait(&self) -> io::Result<ExitStatus> {
        wait(self.pid)
    }

    /// Looks whether it has ended.
    ///
    /// # Errors
    /// As `waitpid`.
    pub fn try_wait(&self) -> io::Result<Option<ExitStatus>> {
        let raw = check(system().wait(self.pid, 1))?;
        Ok((raw.pid != 0).then_some(ExitStatus { raw }))
    }

    /// Ends it.
    ///
    /// # Errors
    /// As `kill`.
    pub fn kill(&self) -> io::Result<()> {
        kill(self.pid)
    }
}

/// Waits for a child's end; any child's, if `pid` is 0.
///
/// # Errors
/// As `waitpid`.
pub fn wait(pid: u32) -> io::Result<ExitStatus> {
    check(system().wait(pid, 0)).map(|raw| ExitStatus { raw })
}

/// Looks whether a child has ended; any, if `pid` is 0.
///
/// # Errors
/// As `waitpid`.
pub fn try_wait(pid: u32) -> io::Result<Option<ExitStatus>> {
    Child { pid }.try_wait()
}

/// Ends a process.
///
/// # Errors
/// As `kill`.
pub fn kill(pid: u32) -> io::Result<()> {
    check(system().kill(pid))
}

/// A program to be started.
#[derive(Clone, Debug)]
pub struct Command {
    path: String,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    descriptors: Vec<DescriptorMap>,
    authority: Authority,
}

impl Command {
    /// The program of that name, with this one's environment and standard
    /// descriptors. A name without a slash is looked for along `PATH`.
    #[must_use]
    pub fn new(program: &str) -> Self {
        let descriptors = (0..3).map(|number| DescriptorMap {
            parent: number,
            child: number,
        });
        Self {
            path: program.into(),
            arguments: vec![program.into()],
            environment: env::vars().collect(),
            descriptors: descriptors.collect(),
            authority: Authority::Observe,
        }
    }

    /// Says whether it may administer the system, which it may not otherwise.
    #[must_use]
    pub const fn authority(mut self, authority: Authority) -> Self {
        self.authority = authority;
        self
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: &str) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl ToString>) -> Self {
        self.arguments
            .extend(arguments.into_iter().map(|argument| argument.to_string()));
        self
    }

    /// Sets what it sees as its own name.
    #[must_use]
    pub fn called(mut self, name: &str) -> Self {
        self.arguments[0] = name.into();
        self
    }

    /// Starts `interpreter` with the path and arguments of this program.
    #[must_use]
    pub fn interpreted_by(mut self, interpreter: &str, path: &str) -> Self {
        self.arguments[0] = path.into();
        self.arguments.insert(0, interpreter.into());
        self.path = interpreter.into();
        self
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.retain(|(key, _)| key != name);
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Starts with an empty environment.
    #[must_use]
    pub fn env_clear(mut self) -> Self {
        self.environment.clear();
        self
    }

    /// Gives it this program's descriptor `parent` as its `child`.
    #[must_use]
    pub fn descriptor(mut self, parent: u32, child: u32) -> Self {
        self.descriptors.retain(|map| map.child != child);
        self.descriptors.push(DescriptorMap { parent, child });
        self
    }

    /// Does not give it descriptor `child`.
    #[must_use]
    pub fn without_descriptor(mut self, child: u32) -> Self {
        self.descriptors.retain(|map| map.child != child);
        self
    }

    /// Starts it.
    ///
    /// # Errors
    /// As `posix_spawn`.
    pub fn spawn(&self) -> io::Result<Child> {
        // What this program printed before stands before what that one prints.
        io::flush_stdout()?;
        let path = match self.path.contains('/') {
            true => self.path.clone(),
            false => find_program(&self.path).ok_or(Errno::ENOENT)?,
        };
        let mut arguments = Vec::new();
        for argument in &self.arguments {
            push_string(&mut arguments, &[argument])?;
        }
        let mut environment = Vec::new();
        for (name, value) in &self.environment {
            push_string(&mut environment, &[name, "=", value])?;
        }
        let path = path.as_bytes();
        let (descriptors, authority) = (&self.descriptors, self.authority);
        let started = system().spawn(path, &arguments, &environment, descriptors, authority);
        let pid = check(started)?;
        Ok(Child { pid })
    }

    /// Starts it and waits for its end.
    ///
    /// # Errors
    /// As `posix_spawn`.
    pub fn status(&self) -> io::Result<ExitStatus> {
        self.spawn()?.wait()
    }

    /// Starts it, and collects its output until it ends.
    ///
    /// # Errors
    /// As `pipe`, `posix_spawn`, `read`.
    pub fn output(&self) -> io::Result<(ExitStatus, Vec<u8>)> {
        let (mut reader, writer) = pipe()?;
        let child = self.clone().descriptor(writer.descriptor(), 1).spawn()?;
        drop(writer);
        let mut output = Vec::new();
        io::Read::read_to_end(&mut reader, &mut output)?;
        Ok((child.wait()?, output))
    }
}

fn push_string(bytes: &mut Vec<u8>, parts: &[&str]) -> io::Result<()> {
    for part in parts {
        if part.contains('\0') {
            return Err(Errno::EINVAL.into());
        }
        bytes.extend_from_slice(part.as_bytes());
    }
    bytes.push(0);
    Ok(())
}

/// The path of a program, looked for along `PATH`.
#[must_use]
pub fn find_program(name: &str) -> Option<String> {
    let path = env::var("PATH").unwrap_or_else(|| "/bin".into());
    path.split(':').find_map(|directory| {
        let directory = if directory.is_empty() { "." } else { directory };
        let candidate = crate::path::join(directory, name);
        let found = fs::metadata(&candidate).ok()?;
        (found.is_file() && found.attributes().mode & 0o111 != 0).then_some(candidate)
    })
}

/// A pipe: what is written to the second file can be read from the first.
///
/// # Errors
/// As `pipe`.
pub fn pipe() -> io::Result<(File, File)> {
    let ends = check(system().pipe())?;
    Ok((
        File::from_descriptor(ends.read),
        File::from_descriptor(ends.write),
    ))
}

/// A process as `ps` shows it.
#[derive(Clone, Debug)]
pub struct ProcessInfo {
    /// Its number.
    pub pid: u32,
    /// Number of the one that started it.
    pub parent: u32,
    /// It has ended and was not waited for.
    pub has_ended: bool,
    /// Descriptors it has open.
    pub descriptors: u32,
    /// Its domain.
    pub domain: u64,
    /// When it started, nanoseconds since boot.
    pub started_ns: u64,
    /// Start of its command line.
    pub command: String,
}

/// All processes.
///
/// # Errors
/// As Rv6.
pub fn processes() -> io::Result<Vec<ProcessInfo>> {
    const EMPTY: RawInfo = RawInfo {
        pid: 0,
        parent: 0,
        state: 0,
        descriptors: 0,
        domain: 0,
        started_ns: 0,
        command_length: 0,
        command: [0; 60],
    };
    let mut list = vec![EMPTY; 64];
    loop {
        let count = usize::try_from(check(system().processes(&mut list))?).unwrap_or(0);
        if count <= list.len() {
            list.truncate(count);
            break;
        }
        list.resize(count + 8, EMPTY);
    }
    Ok(list.iter().map(ProcessInfo::new).collect())
}

impl ProcessInfo {
    fn new(raw: &RawInfo) -> Self {
        let length = (raw.command_length as usize).min(raw.command.len());
        Self {
            pid: raw.pid,
            parent: raw.parent,
            has_ended: raw.state == 2,
            descriptors: raw.descriptors,
            domain: raw.domain,
            started_ns: raw.started_ns,
            command: String::from_utf8_lossy(&raw.command[..length]).into_owned(),
        }
    }
}
