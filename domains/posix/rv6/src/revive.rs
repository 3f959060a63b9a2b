//! A successor: from what is written down to the processes that run.
//!
//! Everything is read and checked first; what makes no sense is refused as a whole.
//! Then the state is made again, without what nobody refers to any more: what was
//! about to be closed when the predecessor died, and processes that never started.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use interfaces::files::{Appended, FileSystem, Inode};
use interfaces::keep::Keeper;

use crate::change;
use crate::descriptors::Descriptors;
use crate::disk::Disk;
use crate::errno::Errno;
use crate::journal::{Body, Change, Journal, Kept};
use crate::lanes::Lanes;
use crate::open_file::{Object, OpenFile};
use crate::path::{Node, Resolver};
use crate::pipe::Pipe;
use crate::process::{ProcessState, WorkingDirectory};
use crate::record::{
    self, Action, Intent, Kind, LastCall, OpenObject, OpenRecord, PipeRecord, ProcessRecord,
    SystemRecord, TerminalRecord,
};
use crate::rv6::{Rv6, Supervision};
use crate::system::System;

/// Why a successor does not go on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refused {
    /// The keeper does not answer.
    KeeperDead,
    /// A piece is not as it was written, or contradicts another one.
    Damaged(u64),
    /// There are processes, of which nothing is written down.
    Nothing,
    /// The file system does not do what it has to.
    Files(Errno),
}

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeeperDead => formatter.write_str("its keeper is dead"),
            Self::Damaged(key) => write!(formatter, "the kept piece {key:#x} makes no sense"),
            Self::Nothing => formatter.write_str("of its predecessor's processes nothing is kept"),
            Self::Files(errno) => write!(formatter, "the file system says {errno:?}"),
        }
    }
}

impl core::error::Error for Refused {}

impl From<Errno> for Refused {
    fn from(errno: Errno) -> Self {
        Self::Files(errno)
    }
}

impl Rv6 {
    /// A personality whose state is kept: the successor of one that died, with all
    /// its processes, or one without processes.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn resume(
        system: Arc<dyn System>,
        files: Box<dyn FileSystem + Send + Sync>,
        supervision: Option<Supervision>,
        keeper: Box<dyn Keeper + Send + Sync>,
        is_interactive: bool,
    ) -> Result<Arc<Self>, Refused> {
        let journal = match Journal::open(Arc::clone(&system), keeper) {
            Ok(Ok(journal)) => Arc::new(journal),
            Ok(Err(damaged)) => return Err(Refused::Damaged(damaged.0)),
            Err(_) => return Err(Refused::KeeperDead),
        };
        let kept = journal.kept();
        let found = (!kept.is_empty())
            .then(|| State::read(&kept))
            .transpose()
            .map_err(Refused::Damaged)?;
        if found.is_none() && has_processes(&*system) {
            return Err(Refused::Nothing);
        }
        let now_s = system.wall_clock_ns() / 1_000_000_000;
        let started_s = found.as_ref().map_or(now_s, |found| found.system.started_s);
        let rv6 = Arc::new(Self::with_journal(
            system,
            files,
            supervision,
            is_interactive,
            journal,
            started_s,
        ));
        match found {
            Some(found) => Revival::new(&rv6, found).run()?,
            None => rv6.keep(),
        }
        Ok(rv6)
    }
}

/// Whether there are domains that look like processes: `name.number`.
fn has_processes(system: &dyn System) -> bool {
    let names = system.domains().into_iter();
    names
        .filter_map(|(name, _)| name.rsplit('.').next()?.parse::<u32>().ok())
        .next()
        .is_some()
}

/// All that is written down, read and each piece checked by itself.
struct State {
    system: SystemRecord,
    last_pid: u32,
    processes: BTreeMap<u32, ProcessRecord>,
    directories: BTreeMap<u32, crate::path::Place>,
    descriptors: BTreeMap<u32, Vec<(u32, u64)>>,
    /// Of each process, its lanes.
    lanes: BTreeMap<u32, Vec<LastCall>>,
    files: BTreeMap<u64, OpenRecord>,
    offsets: BTreeMap<u64, u64>,
    pipes: BTreeMap<u64, PipeRecord>,
    chunks: BTreeMap<u64, BTreeMap<u64, Arc<[u8]>>>,
    held: BTreeSet<u64>,
    intent: Option<Intent>,
    terminal: Option<TerminalRecord>,
}

impl State {
    /// Reads everything; the key of what makes no sense, if something does not.
    fn read(kept: &Kept) -> Result<Self, u64> {
        let system_key = record::key(Kind::System, 0);
        let system = kept.get(&system_key).map(Body::bytes);
        let system = system.and_then(SystemRecord::decode).ok_or(system_key)?;
        let mut state = Self {
            system,
            last_pid: 0,
            processes: BTreeMap::new(),
            directories: BTreeMap::new(),
            descriptors: BTreeMap::new(),
            lanes: BTreeMap::new(),
            files: BTreeMap::new(),
            offsets: BTreeMap::new(),
            pipes: BTreeMap::new(),
            chunks: BTreeMap::new(),
            held: BTreeSet::new(),
            intent: None,
            terminal: None,
        };
        for (key, body) in kept {
            state.add(*key, body).ok_or(*key)?;
        }
        Ok(state)
    }

    /// Adds a piece, if it makes sense.
    fn add(&mut self, key: u64, body: &Body) -> Option<()> {
        let (kind, number) = record::split_key(key)?;
        let bytes = body.bytes();
        let pid = u32::try_from(number);
        match kind {
            Kind::System if number == 0 => {}
            Kind::System => self.last_pid = u32::try_from(record::decode_number(bytes)?).ok()?,
            Kind::Process => {
                let record = ProcessRecord::decode(bytes)?;
                self.processes.insert(pid.ok()?, record);
            }
            Kind::Directory => {
                let place = record::decode_place(bytes)?;
                self.directories.insert(pid.ok()?, place);
            }
            Kind::Descriptors => {
                let descriptors = record::decode_descriptors(bytes)?;
                self.descriptors.insert(pid.ok()?, descriptors);
            }
            Kind::LastCall => {
                let (pid, lane) = record::call_of(number)?;
                let lanes = self.lanes.entry(pid).or_default();
                if lanes.len() != lane {
                    return None;
                }
                lanes.push(LastCall::decode(bytes)?);
            }
            Kind::Open => {
                self.files.insert(number, OpenRecord::decode(bytes)?);
            }
            Kind::Offset => {
                self.offsets.insert(number, record::decode_number(bytes)?);
            }
            Kind::Pipe => {
                self.pipes.insert(number, PipeRecord::decode(bytes)?);
            }
            Kind::Chunk => {
                let (pipe, chunk) = record::chunk_of(number);
                let chunks = self.chunks.entry(pipe).or_default();
                chunks.insert(chunk, bytes.into());
            }
            Kind::Held => {
                self.held.insert(number);
            }
            Kind::Intent => self.intent = Some(Intent::decode(bytes)?),
            Kind::Terminal => self.terminal = Some(TerminalRecord::decode(bytes)?),
        }
        Some(())
    }

    /// What is known of a lane of a process, if there is the process.
    fn lane(&mut self, pid: u32, lane: usize) -> Option<&mut LastCall> {
        let lanes = self.lanes.get_mut(&pid)?;
        if lanes.len() <= lane {
            lanes.resize(lane + 1, LastCall::default());
        }
        lanes.get_mut(lane)
    }

    /// Open files that a process has.
    fn used_files(&self) -> BTreeSet<u64> {
        let all = self.descriptors.values().flatten();
        all.map(|(_, file)| *file).collect()
    }
}

/// Makes the state again.
struct Revival<'a> {
    rv6: &'a Arc<Rv6>,
    found: State,
    /// Pieces that differ from what is kept, and those that go.
    changed: BTreeMap<u64, Vec<u8>>,
    gone: Vec<u64>,
}

impl<'a> Revival<'a> {
    const fn new(rv6: &'a Arc<Rv6>, found: State) -> Self {
        Self {
            rv6,
            found,
            changed: BTreeMap::new(),
            gone: Vec::new(),
        }
    }

    fn run(mut self) -> Result<(), Refused> {
        self.find_started();
        self.settle_intent()?;
        let pipes = self.pipes()?;
        let files = self.files(&pipes)?;
        let processes = self.processes(&files)?;
        let rv6 = self.rv6;
        for inode in &self.found.held {
            rv6.disk().let_go(Inode(*inode));
        }
        if let Some(terminal) = self.found.terminal.take() {
            rv6.terminal().revive(terminal);
        }
        rv6.table().set_last(self.found.last_pid);
        rv6.restore(&self.found.system);
        rv6.journal().commit(|change| self.record(change));
        for process in processes {
            if !rv6.system().adopt(&process) {
                rv6.system().log("a process cannot be reached any more");
            }
        }
        rv6.end_again();
        rv6.deliver_interrupt();
        Ok(())
    }

    fn record(&self, change: &mut Change) {
        for (key, bytes) in &self.changed {
            change.put(*key, bytes);
        }
        for key in &self.gone {
            change.forget(*key);
        }
    }

    /// Settles the starts that were under way: a process has a domain, and is the
    /// answer to its parent's call, or never was.
    fn find_started(&mut self) {
        let starting = self.found.processes.iter();
        let starting = starting.filter(|(_, one)| one.domain == 0 && one.ended.is_none());
        let starting: Vec<u32> = starting.map(|(pid, _)| *pid).collect();
        if starting.is_empty() {
            return;
        }
        let domains: BTreeMap<String, u64> = self.rv6.system().domains().into_iter().collect();
        for pid in starting {
            let Some(process) = self.found.processes.get_mut(&pid) else {
                continue;
            };
            if let Some(domain) = domains.get(&process.name) {
                process.domain = *domain;
                let starter = (!process.is_adopted).then_some((process.parent, process.lane));
                let key = record::key(Kind::Process, pid.into());
                self.changed.insert(key, process.encode());
                if let Some((parent, lane)) = starter {
                    self.finish_call(parent, lane, [pid.into(), 0]);
                }
                continue;
            }
            self.forget(pid);
        }
    }

    /// Forgets a process that never was.
    fn forget(&mut self, pid: u32) {
        self.found.processes.remove(&pid);
        self.found.descriptors.remove(&pid);
        for kind in [Kind::Process, Kind::Directory, Kind::Descriptors] {
            self.gone.push(record::key(kind, pid.into()));
        }
        let lanes = self.found.lanes.remove(&pid).unwrap_or_default();
        let keys = (0..lanes.len()).map(|lane| record::call_key(pid, lane));
        self.gone.extend(keys);
    }

    /// Notes that a call of a process had come to its end.
    fn finish_call(&mut self, pid: u32, lane: usize, value: [u64; 2]) {
        if let Some(last) = self.found.lane(pid, lane) {
            *last = last.next(value);
        }
        self.change_calls(pid);
    }

    fn change_calls(&mut self, pid: u32) {
        for (lane, last) in self.found.lanes.get(&pid).into_iter().flatten().enumerate() {
            let key = record::call_key(pid, lane);
            self.changed.insert(key, last.encode().to_vec());
        }
    }

    /// Looks whether the change that was under way was made.
    fn settle_intent(&mut self) -> Result<(), Refused> {
        let Some(intent) = self.found.intent.take() else {
            return Ok(());
        };
        self.gone.push(record::key(Kind::Intent, 0));
        if !intent.action.was_made(self.rv6.disk())? {
            return Ok(());
        }
        match intent.action {
            Action::Create(..) => {
                if let Some(last) = self.found.lane(intent.pid, intent.lane) {
                    last.progress = 1;
                }
                self.change_calls(intent.pid);
            }
            Action::Append {
                file,
                inode,
                size,
                length,
            } => {
                let Appended { bytes, end } =
                    change::appended(self.rv6.disk(), inode, size, length)?;
                self.found.offsets.insert(file, end);
                let key = record::key(Kind::Offset, file);
                self.changed.insert(key, end.to_le_bytes().to_vec());
                self.finish_call(intent.pid, intent.lane, [bytes, 0]);
            }
            _ => self.finish_call(intent.pid, intent.lane, [0, 0]),
        }
        Ok(())
    }

    /// The pipes of which an end is open.
    fn pipes(&mut self) -> Result<BTreeMap<u64, Arc<Pipe>>, Refused> {
        let mut ends: BTreeMap<u64, (bool, bool)> = BTreeMap::new();
        for file in self.found.used_files() {
            match self.found.files.get(&file).map(|file| &file.object) {
                Some(OpenObject::PipeReader(pipe)) => ends.entry(*pipe).or_default().0 = true,
                Some(OpenObject::PipeWriter(pipe)) => ends.entry(*pipe).or_default().1 = true,
                _ => {}
            }
        }
        for pipe in self.found.pipes.keys() {
            if !ends.contains_key(pipe) {
                self.gone.push(record::key(Kind::Pipe, *pipe));
            }
        }
        for (pipe, chunks) in &mut self.found.chunks {
            if !ends.get(pipe).is_some_and(|ends| ends.0) {
                let keys = chunks.keys().map(|chunk| record::chunk_key(*pipe, *chunk));
                self.gone.extend(keys);
                chunks.clear();
            }
        }
        let mut pipes = BTreeMap::new();
        for (number, ends) in ends {
            let damaged = Refused::Damaged(record::key(Kind::Pipe, number));
            let revived = self.pipe(number, ends);
            pipes.insert(number, Arc::new(revived.ok_or(damaged)?));
        }
        Ok(pipes)
    }

    fn pipe(&mut self, number: u64, ends: (bool, bool)) -> Option<Pipe> {
        let mut record = *self.found.pipes.get(&number)?;
        let mut found = self.found.chunks.remove(&number).unwrap_or_default();
        if !ends.0 {
            // What nobody reads is not kept.
            record.skip = 0;
        }
        let mut chunks = Vec::new();
        let mut next = record.first;
        while let Some(bytes) = found.remove(&next) {
            chunks.push((next, bytes));
            next = record::next_chunk(next);
        }
        if !found.is_empty() {
            return None;
        }
        let journal = Arc::clone(self.rv6.journal());
        let counted = self.rv6.budget().pipes.take_another();
        Pipe::revived(number, journal, &record, chunks, ends, counted)
    }

    /// The open files that a process has.
    fn files(
        &mut self,
        pipes: &BTreeMap<u64, Arc<Pipe>>,
    ) -> Result<BTreeMap<u64, Arc<OpenFile>>, Refused> {
        let used = self.found.used_files();
        for file in self.found.files.keys().chain(self.found.offsets.keys()) {
            if !used.contains(file) {
                self.gone.push(record::key(Kind::Open, *file));
                self.gone.push(record::key(Kind::Offset, *file));
            }
        }
        let mut files = BTreeMap::new();
        for number in used {
            let damaged = Refused::Damaged(record::key(Kind::Open, number));
            let record = self.found.files.get(&number).ok_or(damaged)?;
            let file = OpenFile::revived(
                number,
                object(self.rv6.disk(), pipes, record)?,
                record.access,
                self.found.offsets.get(&number).copied().unwrap_or(0),
                Arc::clone(self.rv6.journal()),
                self.rv6.budget().files.take_another(),
            );
            files.insert(number, Arc::new(file));
        }
        Ok(files)
    }

    /// Puts the processes into the table; those that have not been seen to end.
    fn processes(
        &self,
        files: &BTreeMap<u64, Arc<OpenFile>>,
    ) -> Result<Vec<Arc<ProcessState>>, Refused> {
        let mut running = Vec::new();
        for (pid, record) in &self.found.processes {
            let process = Arc::new(self.process(*pid, record, files)?);
            if record.ended.is_none() {
                running.push(Arc::clone(&process));
            }
            self.rv6.table().revive(process, record);
        }
        Ok(running)
    }

    fn process(
        &self,
        pid: u32,
        record: &ProcessRecord,
        files: &BTreeMap<u64, Arc<OpenFile>>,
    ) -> Result<ProcessState, Refused> {
        let mut descriptors = Descriptors::new();
        for (descriptor, file) in self.found.descriptors.get(&pid).into_iter().flatten() {
            let key = record::key(Kind::Descriptors, pid.into());
            let file = files.get(file).ok_or(Refused::Damaged(key))?;
            let set = descriptors.set(*descriptor, Arc::clone(file));
            set.map_err(|_| Refused::Damaged(key))?;
        }
        let disk = self.rv6.disk();
        let directory = match self.found.directories.get(&pid) {
            Some(place) => WorkingDirectory::hold_again(disk, *place)?,
            // It has ended, and needs none.
            None if record.ended.is_some() => {
                WorkingDirectory::hold(disk, Resolver::new(disk)?.root())?
            }
            None => {
                let key = record::key(Kind::Directory, pid.into());
                return Err(Refused::Damaged(key));
            }
        };
        let lanes = self.found.lanes.get(&pid).cloned();
        let lanes = lanes.ok_or(Refused::Damaged(record::call_key(pid, 0)))?;
        Ok(ProcessState::revived(
            Arc::clone(self.rv6),
            pid,
            record,
            descriptors,
            directory,
            Lanes::revived(lanes),
        ))
    }
}

fn object(
    disk: &Arc<Disk>,
    pipes: &BTreeMap<u64, Arc<Pipe>>,
    record: &OpenRecord,
) -> Result<Object, Refused> {
    let pipe = |number: &u64| {
        let key = record::key(Kind::Pipe, *number);
        pipes.get(number).cloned().ok_or(Refused::Damaged(key))
    };
    Ok(match &record.object {
        OpenObject::File(inode) => Object::File(disk.hold_again(*inode)?),
        OpenObject::Directory(place) => match place.node {
            Node::Disk(inode) => Object::Directory(*place, Some(disk.hold_again(inode)?)),
            Node::Devices | Node::Device(_) => Object::Directory(*place, None),
        },
        OpenObject::Device(device) => Object::Device(*device),
        OpenObject::PipeReader(number) => Object::PipeReader(pipe(number)?),
        OpenObject::PipeWriter(number) => Object::PipeWriter(pipe(number)?),
    })
}
