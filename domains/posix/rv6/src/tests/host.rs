//! Threads of the host in place of domains; a program is a function by name.

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use exchange::RpcResult;
use exchange::host as stand_in;
use interfaces::files::*;
use interfaces::process::*;

use super::files::MemoryFiles;
use super::shadow;
use crate::lanes::Call;
use crate::process::ProcessState;
use crate::rv6::Rv6;
use crate::starts::SpawnRequest;
use crate::sync::now_ns;
use crate::system::{DomainEnd, Ended, ImageHandle, ProgramStart, System};

/// Where the calls of tests are counted: they make one at a time.
pub const LANE: Lane = Lane(0);

/// A program: what it does with its process, and its exit status.
pub type Program = fn(&ProcessState) -> i32;

#[derive(Default)]
pub struct Host {
    programs: Mutex<HashMap<String, Program>>,
    pub console: Mutex<Vec<u8>>,
    pub errors: Mutex<Vec<u8>>,
    /// All that was typed since boot.
    pub typed: Mutex<Vec<u8>>,
    domains: Arc<Mutex<Domains>>,
    changed: Arc<Condvar>,
}

impl Host {
    /// Makes a function the program of that name.
    pub fn know(&self, name: &str, program: Program) {
        let mut programs = self.programs.lock().unwrap();
        programs.insert(name.into(), program);
    }
}

impl Host {
    /// Whether a domain was told to end.
    pub fn is_killed(&self, domain: u64) -> bool {
        let domains = self.domains.lock().unwrap();
        let started = domains.started.get(domain as usize - 1);
        started.is_some_and(|(_, is_killed)| is_killed.load(Ordering::SeqCst))
    }
}

impl System for Host {
    fn clock_ns(&self) -> u64 {
        now_ns()
    }

    fn wall_clock_ns(&self) -> u64 {
        1_700_000_000_000_000_000
    }

    fn random(&self, buffer: &mut [u8]) -> bool {
        buffer.fill(4);
        true
    }

    fn console_write(&self, text: &[u8]) {
        self.console.lock().unwrap().extend_from_slice(text);
    }

    fn console_write_error(&self, text: &[u8]) {
        self.errors.lock().unwrap().extend_from_slice(text);
    }

    fn console_read(&self, position: &mut u64, into: &mut [u8]) -> usize {
        let typed = self.typed.lock().unwrap();
        // What is behind was not taken yet, whoever read it before.
        let rest = &typed[*position as usize..];
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        count
    }

    fn log(&self, line: &str) {
        eprintln!("log: {line}");
    }

    fn spawn_thread(&self, _name: &str, work: Box<dyn FnOnce() + Send>) -> bool {
        thread::spawn(work);
        true
    }

    fn spawn_urgent(&self, name: &str, work: Box<dyn FnOnce() + Send>) -> bool {
        self.spawn_thread(name, work)
    }

    fn open_image(&self, bytes: &[u8]) -> Result<ImageHandle, String> {
        let name = String::from_utf8_lossy(&bytes[4..]).into_owned();
        match self.programs.lock().unwrap().get(&name) {
            Some(program) => Ok(Arc::new(*program)),
            None => Err("signature does not match".into()),
        }
    }

    fn start(
        &self,
        image: &ImageHandle,
        process: &Arc<ProcessState>,
        _: &ProgramStart,
    ) -> Result<u64, String> {
        let program: Program = *image.downcast_ref().unwrap();
        let is_killed = Arc::new(AtomicBool::new(false));
        let domain = {
            let mut domains = self.domains.lock().unwrap();
            let domain = domains.started.len() as u64 + 1;
            let name = process.domain_name().to_string();
            domains.started.push((name, is_killed.clone()));
            domain
        };
        let (ends, process) = (self.domains.clone(), process.clone());
        let changed = self.changed.clone();
        thread::spawn(move || {
            let status = program(&process);
            let ended = match is_killed.load(Ordering::SeqCst) {
                true => Ended::Died(crate::ends::cause::KILLED),
                false => Ended::Exited(status),
            };
            ends.lock().unwrap().ended.push((domain, ended));
            changed.notify_all();
        });
        Ok(domain)
    }

    fn next_end(&self, after: u64) -> DomainEnd {
        let mut domains = self.domains.lock().unwrap();
        loop {
            if let Some((domain, ended)) = domains.ended.get(after as usize) {
                return DomainEnd {
                    number: after + 1,
                    domain: *domain,
                    ended: ended.clone(),
                    began_ns: 0,
                    caller: 0,
                };
            }
            domains = self.changed.wait(domains).unwrap();
        }
    }

    fn end_of(&self, domain: u64) -> Option<Ended> {
        let domains = self.domains.lock().unwrap();
        let end = domains.ended.iter().find(|end| end.0 == domain);
        end.map(|end| end.1.clone())
    }

    fn adopt(&self, _: &Arc<ProcessState>) -> bool {
        true
    }

    fn domains(&self) -> Vec<(String, u64)> {
        let domains = self.domains.lock().unwrap();
        let names = domains.started.iter().map(|(name, _)| name.clone());
        names.zip(1..).collect()
    }

    fn dying_domains(&self) -> Vec<u64> {
        Vec::new()
    }

    fn kill(&self, domain: u64, _cause: u32) {
        let domains = self.domains.lock().unwrap();
        if let Some((_, is_killed)) = domains.started.get(domain as usize - 1) {
            is_killed.store(true, Ordering::SeqCst);
        }
    }
}

/// Programs that were started, and those that have ended.
#[derive(Default)]
struct Domains {
    /// The name of each and whether it is killed; its id is its place, from 1 on.
    started: Vec<(String, Arc<AtomicBool>)>,
    ended: Vec<(u64, Ended)>,
}

/// A system on which the test is the first process.
pub struct Fixture {
    pub host: Arc<Host>,
    pub files: Arc<MemoryFiles>,
    pub rv6: Arc<Rv6>,
    pub process: Arc<ProcessState>,
}

/// The file system, shared with the test.
pub struct Shared {
    pub files: Arc<MemoryFiles>,
    /// Whose use it is.
    pub life: Arc<Life>,
}

/// A life of Rv6, which may end while threads are at work in it.
#[derive(Default)]
pub struct Life {
    is_over: AtomicBool,
    /// Threads that change what outlives it.
    busy: AtomicUsize,
}

impl Life {
    /// Does what outlives this life, unless it is over: then the thread leaves, or
    /// does nothing more if nobody called it.
    pub fn act<T>(&self, act: impl FnOnce() -> T) -> T {
        self.busy.fetch_add(1, Ordering::SeqCst);
        if self.is_over.load(Ordering::SeqCst) {
            self.busy.fetch_sub(1, Ordering::SeqCst);
            stand_in::leave_if_dead();
            loop {
                thread::park_timeout(Duration::from_millis(1));
                stand_in::leave_if_dead();
            }
        }
        let answer = act();
        self.busy.fetch_sub(1, Ordering::SeqCst);
        answer
    }

    /// Ends it.
    pub fn end(&self) {
        self.is_over.store(true, Ordering::SeqCst);
    }

    /// Waits until what was begun before its end is done.
    pub fn wait(&self) {
        while self.busy.load(Ordering::SeqCst) > 0 {
            thread::yield_now();
        }
    }
}

/// The file system behind a domain that may die before and after each call.
pub struct Passing {
    pub files: Arc<MemoryFiles>,
    pub life: shadow::Life,
}

impl Fixture {
    pub fn new(is_interactive: bool) -> Self {
        let files = Arc::new(MemoryFiles::new());
        let shared = Box::new(Shared {
            files: files.clone(),
            life: Arc::default(),
        });
        Self::over(shared, files, is_interactive)
    }

    /// One whose file system, which is `files` in the end, is reached by `way`.
    pub fn over(
        way: Box<dyn FileSystem + Send + Sync>,
        files: Arc<MemoryFiles>,
        is_interactive: bool,
    ) -> Self {
        let host = Arc::new(Host::default());
        let rv6 = Arc::new(Rv6::new(host.clone(), way, None, is_interactive));
        let console = ProcessState::open_console(&rv6);
        let mut descriptors = crate::descriptors::Descriptors::new();
        for number in 0..2 {
            descriptors.set(number, console.clone()).unwrap();
        }
        descriptors.set(2, ProcessState::open_errors(&rv6)).unwrap();
        let root = crate::path::Resolver::new(rv6.disk()).unwrap().root();
        let directory = crate::process::WorkingDirectory::hold(rv6.disk(), root).unwrap();
        let make = |pid| {
            let name = "test.1".to_string();
            Arc::new(ProcessState::new(
                rv6.clone(),
                pid,
                name,
                descriptors,
                directory,
                b"test\0",
                true,
            ))
        };
        let process = rv6.table().add(None, make).unwrap();
        let watching = rv6.clone();
        thread::spawn(move || watching.watch_ends());
        Self {
            host,
            files,
            rv6,
            process,
        }
    }

    /// Types something at the console.
    pub fn types(&self, bytes: &[u8]) {
        let position = self.rv6.terminal().taken();
        self.rv6.take_input(position, bytes);
    }

    /// Puts a program on the disk.
    pub fn install(&self, path: &str, program: Program) {
        let name = path.rsplit('/').next().unwrap();
        self.host.know(name, program);
        self.write_file(path, format!("\x7fELF{name}").as_bytes(), 0o755);
    }

    pub fn write_file(&self, path: &str, contents: &[u8], mode: u32) {
        write_file(&self.process, path, contents, mode);
    }

    pub fn read_file(&self, path: &str) -> Result<Vec<u8>, Errno> {
        let descriptor = self
            .process
            .open(LANE, path.as_bytes(), OpenFlags(OpenFlags::READ), 0)
            .unwrap()?;
        let mut bytes = vec![0; 1 << 16];
        let count = self.process.read(LANE, descriptor, &mut bytes).unwrap();
        self.process.close(LANE, descriptor).unwrap().unwrap();
        bytes.truncate(count? as usize);
        Ok(bytes)
    }

    pub fn spawn(&self, path: &str, maps: &[(u32, u32)]) -> Result<u32, Errno> {
        let maps: Vec<DescriptorMap> = maps
            .iter()
            .map(|(parent, child)| DescriptorMap {
                parent: *parent,
                child: *child,
            })
            .collect();
        let request = SpawnRequest {
            path: path.as_bytes(),
            arguments: b"x\0",
            environment: b"",
            authority: Authority::Observe,
        };
        self.rv6
            .spawn(&Call::new(&self.process, LANE)?, &request, &maps)
    }

    pub fn wait(&self, pid: u32) -> Result<(u32, u32, u32), Errno> {
        self.process
            .wait(LANE, pid, 0)
            .unwrap()
            .map(|ended| (ended.pid, ended.status, ended.cause))
    }
}

/// Writes a file in the name of a process.
pub fn write_file(process: &ProcessState, path: &str, contents: &[u8], mode: u32) {
    let flags = OpenFlags(OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::TRUNCATE);
    let descriptor = process.open(LANE, path.as_bytes(), flags, mode);
    let descriptor = descriptor.unwrap().unwrap();
    let written = process.write(LANE, descriptor, contents).unwrap().unwrap();
    assert_eq!(written, contents.len() as u64);
    process.close(LANE, descriptor).unwrap().unwrap();
}

/// Waits until something is so.
pub fn eventually(mut holds: impl FnMut() -> bool) {
    for _ in 0..5_000 {
        if holds() {
            return;
        }
        thread::sleep(Duration::from_millis(1));
    }
    panic!("it did not become so in five seconds");
}

macro_rules! forward {
    ($($method:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        impl FileSystem for Shared {
            $(fn $method(&self, $($argument: $type),*) -> RpcResult<Result<$answer, FileError>> {
                self.life.act(|| self.files.$method($($argument),*))
            })*
        }

        impl FileSystem for Passing {
            $(fn $method(&self, $($argument: $type),*) -> RpcResult<Result<$answer, FileError>> {
                self.life.point();
                let answer = self.files.$method($($argument),*);
                self.life.point();
                answer
            })*
        }
    };
}

forward! {
    root() -> Inode;
    lookup(directory: Inode, name: &[u8]) -> Inode;
    attributes(inode: Inode) -> Attributes;
    read(inode: Inode, offset: u64, into: &mut [u8]) -> u64;
    write(inode: Inode, offset: u64, from: &[u8]) -> u64;
    append(inode: Inode, from: &[u8]) -> Appended;
    truncate(inode: Inode, size: u64) -> ();
    create(directory: Inode, name: &[u8], mode: u32) -> Inode;
    make_directory(directory: Inode, name: &[u8], mode: u32) -> Inode;
    unlink(directory: Inode, name: &[u8]) -> ();
    remove_directory(directory: Inode, name: &[u8]) -> ();
    link(inode: Inode, directory: Inode, name: &[u8]) -> ();
    symlink(directory: Inode, name: &[u8], target: &[u8]) -> Inode;
    read_link(inode: Inode, into: &mut [u8]) -> u64;
    rename(from: Inode, from_name: &[u8], to: Inode, to_name: &[u8]) -> ();
    set_mode(inode: Inode, mode: u32) -> ();
    set_times(inode: Inode, accessed_s: i64, modified_s: i64) -> ();
    read_directory(inode: Inode, cookie: u64, entries: &mut [DirectoryEntry]) -> u64;
    retain(inode: Inode) -> ();
    release(inode: Inode) -> ();
    retentions(inode: Inode) -> u64;
    sync_inode(inode: Inode) -> ();
    sync() -> ();
    finish() -> ();
    status() -> FileSystemStatus;
}
