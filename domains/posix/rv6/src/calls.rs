//! The system calls: the interface `Process`, each in a few lines.

use alloc::sync::Arc;

use exchange::{Proxy, RpcResult};
use interfaces::files::{Attributes, DirectoryEntry, FileSystemStatus};
use interfaces::process::{
    Authority, DescriptorMap, Errno, ExitStatus, FinishedCall, Lane, OpenFlags, PipeEnds, Process,
    ProcessInfo, TerminalMode, Whence,
};
use interfaces::supervisor::Supervisor;

use crate::errno::{Outcome, flatten};
use crate::lanes::Call;
use crate::open_file::{Access, Object, OpenFile};
use crate::path::Resolver;
use crate::pipe::Pipe;
use crate::process::{ProcessState, WorkingDirectory};
use crate::starts::SpawnRequest;

impl Process for ProcessState {
    fn pid(&self) -> RpcResult<u32> {
        Ok(self.number())
    }

    fn parent_pid(&self) -> RpcResult<u32> {
        Ok(self.rv6().table().parent_of(self.number()))
    }

    fn last_call(&self, lane: Lane) -> RpcResult<FinishedCall> {
        let last = self.lanes().last(lane);
        Ok(FinishedCall {
            number: last.number,
            value: last.value,
            progress: last.progress,
        })
    }

    fn open(
        &self,
        lane: Lane,
        path: &[u8],
        flags: OpenFlags,
        mode: u32,
    ) -> RpcResult<Outcome<u32>> {
        Ok(Call::new(self, lane).and_then(|call| call.open_path(path, flags.0, mode)))
    }

    fn close(&self, lane: Lane, descriptor: u32) -> RpcResult<Outcome<()>> {
        Ok(Call::new(self, lane).and_then(|call| call.close_descriptor(descriptor)))
    }

    fn read(&self, lane: Lane, descriptor: u32, into: &mut [u8]) -> RpcResult<Outcome<u64>> {
        Ok(Call::new(self, lane).and_then(|call| self.file(descriptor)?.read(&call, into)))
    }

    fn write(&self, lane: Lane, descriptor: u32, from: &[u8]) -> RpcResult<Outcome<u64>> {
        Process::go_on_writing(self, lane, descriptor, from, 0)
    }

    fn go_on_writing(
        &self,
        lane: Lane,
        descriptor: u32,
        from: &[u8],
        done: u64,
    ) -> RpcResult<Outcome<u64>> {
        let done = usize::try_from(done).unwrap_or(usize::MAX);
        Ok(Call::new(self, lane).and_then(|call| self.file(descriptor)?.write(&call, from, done)))
    }

    fn pread(&self, descriptor: u32, into: &mut [u8], offset: u64) -> RpcResult<Outcome<u64>> {
        Ok(self
            .file(descriptor)
            .and_then(|file| file.read_at(self, into, offset)))
    }

    fn pwrite(&self, descriptor: u32, from: &[u8], offset: u64) -> RpcResult<Outcome<u64>> {
        Ok(self
            .file(descriptor)
            .and_then(|file| file.write_at(self, from, offset)))
    }

    fn lseek(
        &self,
        lane: Lane,
        descriptor: u32,
        offset: i64,
        whence: Whence,
    ) -> RpcResult<Outcome<u64>> {
        Ok(Call::new(self, lane)
            .and_then(|call| self.file(descriptor)?.seek(&call, offset, whence)))
    }

    fn dup(&self, lane: Lane, descriptor: u32) -> RpcResult<Outcome<u32>> {
        Ok(Call::new(self, lane).and_then(|call| call.duplicate(descriptor)))
    }

    fn dup2(&self, lane: Lane, descriptor: u32, wanted: u32) -> RpcResult<Outcome<u32>> {
        Ok(Call::new(self, lane).and_then(|call| call.duplicate_to(descriptor, wanted)))
    }

    fn pipe(&self, lane: Lane) -> RpcResult<Outcome<PipeEnds>> {
        Ok(Call::new(self, lane).and_then(|call| call.make_pipe()))
    }

    fn fstat(&self, descriptor: u32) -> RpcResult<Outcome<Attributes>> {
        Ok(self.file(descriptor).and_then(|file| file.attributes(self)))
    }

    fn stat(&self, path: &[u8]) -> RpcResult<Outcome<Attributes>> {
        Ok(self.attributes_of(path, true))
    }

    fn lstat(&self, path: &[u8]) -> RpcResult<Outcome<Attributes>> {
        Ok(self.attributes_of(path, false))
    }

    fn ftruncate(&self, descriptor: u32, size: u64) -> RpcResult<Outcome<()>> {
        Ok(self.file(descriptor).and_then(|file| file.truncate(size)))
    }

    fn truncate(&self, path: &[u8], size: u64) -> RpcResult<Outcome<()>> {
        Ok(self.truncate_path(path, size))
    }

    fn fsync(&self, descriptor: u32) -> RpcResult<Outcome<()>> {
        Ok(self.file(descriptor).and_then(|file| file.sync()))
    }

    fn sync(&self) -> RpcResult<Outcome<()>> {
        Ok(flatten(self.rv6().disk().files().sync()))
    }

    fn read_directory(
        &self,
        lane: Lane,
        descriptor: u32,
        entries: &mut [DirectoryEntry],
    ) -> RpcResult<Outcome<u64>> {
        Ok(Call::new(self, lane)
            .and_then(|call| self.file(descriptor)?.read_directory(&call, entries)))
    }

    fn isatty(&self, descriptor: u32) -> RpcResult<Outcome<u32>> {
        let is_interactive = self.rv6().terminal().is_interactive();
        let file = self.file(descriptor);
        Ok(file.map(|file| u32::from(file.is_console() && is_interactive)))
    }

    fn set_terminal_mode(&self, descriptor: u32, mode: TerminalMode) -> RpcResult<Outcome<()>> {
        Ok(self
            .file(descriptor)
            .and_then(|file| match file.is_console() {
                true => self.rv6().terminal().set_mode(mode),
                false => Err(Errno::ENOTTY),
            }))
    }

    fn statfs(&self, path: &[u8]) -> RpcResult<Outcome<FileSystemStatus>> {
        let found = self.attributes_of(path, true);
        Ok(found.and_then(|_| flatten(self.rv6().disk().files().status())))
    }

    fn mkdir(&self, lane: Lane, path: &[u8], mode: u32) -> RpcResult<Outcome<()>> {
        Ok(Call::new(self, lane).and_then(|call| call.make_directory(path, mode)))
    }

    fn rmdir(&self, lane: Lane, path: &[u8]) -> RpcResult<Outcome<()>> {
        Ok(Call::new(self, lane).and_then(|call| call.remove_directory(path)))
    }

    fn unlink(&self, lane: Lane, path: &[u8]) -> RpcResult<Outcome<()>> {
        Ok(Call::new(self, lane).and_then(|call| call.unlink_path(path)))
    }

    fn link(&self, lane: Lane, path: &[u8], new_path: &[u8]) -> RpcResult<Outcome<()>> {
        Ok(Call::new(self, lane).and_then(|call| call.link_path(path, new_path)))
    }

    fn symlink(&self, lane: Lane, target: &[u8], path: &[u8]) -> RpcResult<Outcome<()>> {
        Ok(Call::new(self, lane).and_then(|call| call.make_symlink(target, path)))
    }

    fn readlink(&self, path: &[u8], into: &mut [u8]) -> RpcResult<Outcome<u64>> {
        Ok(self.link_target(path).map(|target| copy(&target, into)))
    }

    fn rename(&self, lane: Lane, path: &[u8], new_path: &[u8]) -> RpcResult<Outcome<()>> {
        Ok(Call::new(self, lane).and_then(|call| call.rename_path(path, new_path)))
    }

    fn chmod(&self, path: &[u8], mode: u32) -> RpcResult<Outcome<()>> {
        let files = self.rv6().disk().files();
        let inode = self.inode_of(path);
        Ok(inode.and_then(|inode| flatten(files.set_mode(inode, mode & 0o7777))))
    }

    fn utimes(&self, path: &[u8], accessed_s: i64, modified_s: i64) -> RpcResult<Outcome<()>> {
        let files = self.rv6().disk().files();
        let inode = self.inode_of(path);
        Ok(inode.and_then(|inode| flatten(files.set_times(inode, accessed_s, modified_s))))
    }

    fn chdir(&self, lane: Lane, path: &[u8]) -> RpcResult<Outcome<()>> {
        Ok(Call::new(self, lane).and_then(|call| call.change_directory(path)))
    }

    fn getcwd(&self, into: &mut [u8]) -> RpcResult<Outcome<u64>> {
        let path = self
            .rv6()
            .budget()
            .list()
            .and_then(|_share| Resolver::new(self.rv6().disk())?.path_of(&self.place()));
        Ok(path.and_then(|path| match path.len() > into.len() {
            true => Err(Errno::ERANGE),
            false => Ok(copy(&path, into)),
        }))
    }

    fn spawn(
        &self,
        lane: Lane,
        path: &[u8],
        arguments: &[u8],
        environment: &[u8],
        descriptors: &[DescriptorMap],
        authority: Authority,
    ) -> RpcResult<Outcome<u32>> {
        let request = SpawnRequest {
            path,
            arguments,
            environment,
            authority,
        };
        Ok(Call::new(self, lane).and_then(|call| self.rv6().spawn(&call, &request, descriptors)))
    }

    fn wait(&self, lane: Lane, pid: u32, no_hang: u32) -> RpcResult<Outcome<ExitStatus>> {
        Ok(Call::new(self, lane).and_then(|call| call.wait_for(pid, no_hang == 0)))
    }

    fn kill(&self, pid: u32) -> RpcResult<Outcome<()>> {
        Ok(self.rv6().kill(self, pid))
    }

    fn set_foreground(&self, pid: u32) -> RpcResult<Outcome<()>> {
        Ok(self.rv6().set_foreground(self, pid))
    }

    fn take_interrupt(&self, lane: Lane) -> RpcResult<Outcome<u32>> {
        Ok(Call::new(self, lane).map(|call| u32::from(self.rv6().take_interrupt(&call))))
    }

    fn processes(&self, list: &mut [ProcessInfo]) -> RpcResult<Outcome<u64>> {
        let share = self.rv6().budget().list();
        Ok(share.map(|_share| self.rv6().table().list(list)))
    }

    fn sleep_ns(&self, duration_ns: u64) -> RpcResult<Outcome<()>> {
        let deadline_ns = self.rv6().system().clock_ns().saturating_add(duration_ns);
        let _guard = self.blocked().enter(self.bed().clone());
        let is_over = self.bed().sleep_until(deadline_ns, self.blocked().flag());
        Ok(if is_over { Ok(()) } else { Err(Errno::EINTR) })
    }

    fn monotonic_ns(&self) -> RpcResult<u64> {
        Ok(self.rv6().system().clock_ns())
    }

    fn wall_clock_ns(&self) -> RpcResult<u64> {
        Ok(self.rv6().system().wall_clock_ns())
    }

    fn supervisor(&self) -> RpcResult<Outcome<Proxy<dyn Supervisor>>> {
        let supervisor = self.rv6().supervisor(self.may_administer());
        let supervisor = supervisor.ok_or(Errno::ENODEV);
        Ok(supervisor.and_then(|proxy| proxy.try_clone().map_err(|_| Errno::ENOMEM)))
    }
}

impl Call<'_> {
    fn close_descriptor(&self, descriptor: u32) -> Outcome<()> {
        let mut descriptors = self.descriptors().lock();
        let removed = descriptors.remove(descriptor)?;
        self.commit([0, 0], |change| {
            self.record_descriptors(&descriptors, change);
        });
        // The file's end may take long.
        drop(descriptors);
        drop(removed);
        Ok(())
    }

    fn duplicate(&self, descriptor: u32) -> Outcome<u32> {
        let mut descriptors = self.descriptors().lock();
        let file = descriptors.get(descriptor)?;
        let added = descriptors.add(file)?;
        self.commit([added.into(), 0], |change| {
            self.record_descriptors(&descriptors, change);
        });
        Ok(added)
    }

    fn duplicate_to(&self, descriptor: u32, wanted: u32) -> Outcome<u32> {
        let mut descriptors = self.descriptors().lock();
        let file = descriptors.get(descriptor)?;
        let before = descriptors.set(wanted, file)?;
        self.commit([wanted.into(), 0], |change| {
            self.record_descriptors(&descriptors, change);
        });
        drop(descriptors);
        drop(before);
        Ok(wanted)
    }

    fn wait_for(&self, pid: u32, is_waiting: bool) -> Outcome<ExitStatus> {
        let table = self.rv6().table();
        let _guard = self.blocked().enter(table.clone());
        let ended = table.wait(self, pid, is_waiting)?;
        Ok(ended.unwrap_or(ExitStatus {
            pid: 0,
            status: 0,
            cause: 0,
        }))
    }

    fn make_pipe(&self) -> Outcome<PipeEnds> {
        let journal = self.rv6().journal();
        let budget = self.rv6().budget();
        let (first, second) = (budget.files.take()?, budget.files.take()?);
        let pipe = Arc::new(Pipe::new(Arc::clone(journal), budget.pipes.take()?));
        let reads = Access {
            can_read: true,
            can_write: false,
            appends: false,
        };
        let writes = Access {
            can_read: false,
            can_write: true,
            appends: false,
        };
        let reader = Object::PipeReader(Arc::clone(&pipe));
        let reader = Arc::new(OpenFile::new(reader, reads, first));
        let writer = Object::PipeWriter(Arc::clone(&pipe));
        let writer = Arc::new(OpenFile::new(writer, writes, second));
        let mut descriptors = self.descriptors().lock();
        let read = descriptors.add(Arc::clone(&reader))?;
        match descriptors.add(Arc::clone(&writer)) {
            Ok(write) => {
                self.commit([read.into(), write.into()], |change| {
                    pipe.record(change);
                    reader.record(journal, change);
                    writer.record(journal, change);
                    self.record_descriptors(&descriptors, change);
                });
                Ok(PipeEnds { read, write })
            }
            Err(error) => {
                let reader = descriptors.remove(read);
                drop(descriptors);
                drop(reader);
                Err(error)
            }
        }
    }

    fn change_directory(&self, path: &[u8]) -> Outcome<()> {
        let (resolver, start) = self.resolver()?;
        let place = resolver.resolve(&start, path)?;
        self.set_directory(self, WorkingDirectory::hold(self.rv6().disk(), place)?);
        Ok(())
    }
}

/// Copies as much as fits; how many bytes.
fn copy(from: &[u8], into: &mut [u8]) -> u64 {
    let count = from.len().min(into.len());
    into[..count].copy_from_slice(&from[..count]);
    count as u64
}
