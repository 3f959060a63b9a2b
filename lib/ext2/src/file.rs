//! Reading and writing the contents of regular files.

use crate::cache::Content;
use crate::error::Error;
use crate::inode::Inode;
use crate::map::Run;
use crate::outcome::Outcome;
use crate::{BlockStore, Clock, Ext2, FileKind, InodeNumber};

/// From this many bytes of whole blocks on, a write goes straight to the store.
const DIRECT_WRITE_BYTES: usize = 16 * 1024;
/// How far a sequence of small reads looks ahead.
const READ_AHEAD_BYTES: u32 = 64 * 1024;
/// How many files may be read in sequence at once and be noticed.
const SEQUENCES: usize = 8;
/// A regular file of this size or more needs the large_file feature.
const LARGE_FILE_BYTES: u64 = 1 << 31;

/// The places where the last reads ended, to notice sequences.
#[derive(Default)]
pub(crate) struct Sequences {
    ends: [(InodeNumber, u64); SEQUENCES],
    next: usize,
}

impl Sequences {
    /// Notes a read; true if it continues an earlier one or starts a file.
    fn note(&mut self, inode: InodeNumber, offset: u64, end: u64) -> bool {
        if let Some(known) = self.ends.iter_mut().find(|known| known.0 == inode) {
            let continues = known.1 == offset;
            known.1 = end;
            return continues;
        }
        self.ends[self.next] = (inode, end);
        self.next = (self.next + 1) % SEQUENCES;
        offset == 0
    }
}

impl<S: BlockStore, C: Clock> Ext2<S, C> {
    /// Reads a regular file from `offset` on; returns how many bytes there
    /// were, fewer than asked for only at the end of the file.
    ///
    /// Whole contiguous blocks come from the store in one transfer, straight
    /// into `into`. The access time is not changed.
    pub fn read(&mut self, file: InodeNumber, offset: u64, into: &mut [u8]) -> Outcome<usize, S> {
        let inode = self.regular_file(file)?;
        let available = inode.size.saturating_sub(offset).min(into.len() as u64) as usize;
        let sequential = self.sequences.note(file, offset, offset + available as u64);
        self.read_blocks(&inode, offset, &mut into[..available], sequential)?;
        Ok(available)
    }

    /// Writes a regular file from `offset` on, extending it as needed; returns
    /// how many bytes were written, fewer than given only where space ran out
    /// (or the largest file size) part-way.
    pub fn write(&mut self, file: InodeNumber, offset: u64, from: &[u8]) -> Outcome<usize, S> {
        let mut inode = self.regular_file(file)?;
        if from.is_empty() {
            return Ok(0);
        }
        let room = self
            .max_file_bytes()
            .saturating_sub(offset)
            .min(from.len() as u64) as usize;
        if room == 0 {
            return Err(Error::FileTooLarge);
        }
        let (written, result) = self.modify(|fs| {
            if offset > inode.size {
                fs.zero_tail(&inode, inode.size)?;
            }
            let (written, result) = fs.write_blocks(&mut inode, offset, &from[..room]);
            if written > 0 {
                inode.mtime_s = fs.clock.now_s();
                inode.ctime_s = inode.mtime_s;
                fs.extend_to(&mut inode, offset + written as u64);
            }
            if result.is_err() {
                fs.drop_beyond_end(&mut inode)?;
            }
            fs.store_inode(&inode)?;
            match result {
                Err(error @ Error::Corrupt(_)) => Err(error),
                result => Ok((written, result)),
            }
        })?;
        match result {
            Err(Error::NoSpace | Error::FileTooLarge) if written > 0 => Ok(written),
            result => result.map(|()| written),
        }
    }

    /// Gives back what a write that failed had taken for more than it wrote.
    fn drop_beyond_end(&mut self, inode: &mut Inode) -> Outcome<(), S> {
        let block_bytes = u64::from(self.superblock.geometry.block_bytes);
        self.free_from(inode, inode.size.div_ceil(block_bytes))
    }

    /// Sets a file's size if that makes it larger.
    pub(crate) fn extend_to(&mut self, inode: &mut Inode, size: u64) {
        inode.size = inode.size.max(size);
        if inode.size >= LARGE_FILE_BYTES {
            self.superblock.note_large_file();
        }
    }

    /// Clears what lies behind `end` in its block, which growth would reveal.
    pub(crate) fn zero_tail(&mut self, inode: &Inode, end: u64) -> Outcome<(), S> {
        let block_bytes = u64::from(self.superblock.geometry.block_bytes);
        let within = (end % block_bytes) as usize;
        if within == 0 {
            return Ok(());
        }
        if let Run::Mapped { first, .. } = self.map(inode, end / block_bytes, 1)?
            && self.cache.get(first)?[within..]
                .iter()
                .any(|byte| *byte != 0)
        {
            self.cache.get_mut(first, Content::Data)?[within..].fill(0);
        }
        Ok(())
    }

    /// A regular file in use.
    pub(crate) fn regular_file(&mut self, number: InodeNumber) -> Outcome<Inode, S> {
        let inode = self.inode(number)?;
        match inode.kind() {
            Some(FileKind::Regular) => Ok(inode),
            Some(FileKind::Directory) => Err(Error::IsDirectory),
            _ => Err(Error::NotFile),
        }
    }

    /// Reads what lies inside the file's size.
    pub(crate) fn read_blocks(
        &mut self,
        inode: &Inode,
        offset: u64,
        into: &mut [u8],
        sequential: bool,
    ) -> Outcome<(), S> {
        let block_bytes = self.superblock.geometry.block_bytes;
        let mut done = 0;
        while done < into.len() {
            let position = offset + done as u64;
            let within = (position % u64::from(block_bytes)) as usize;
            let rest = &mut into[done..];
            let logical = position / u64::from(block_bytes);
            let wanted = blocks_spanned(within, rest.len(), block_bytes);
            let ahead = if sequential {
                wanted.max(READ_AHEAD_BYTES / block_bytes)
            } else {
                wanted
            };
            let length = match self.map(inode, logical, ahead)? {
                Run::Hole { count } => {
                    let length = rest.len().min(run_bytes(count, block_bytes) - within);
                    rest[..length].fill(0);
                    length
                }
                Run::Mapped { first, count } => {
                    self.read_mapped((first, count), within, rest, sequential)?
                }
            };
            done += length;
        }
        Ok(())
    }

    /// Reads the start of a run of blocks; returns how many bytes.
    fn read_mapped(
        &mut self,
        (first, count): (u32, u32),
        within: usize,
        into: &mut [u8],
        sequential: bool,
    ) -> Outcome<usize, S> {
        let block_bytes = self.superblock.geometry.block_bytes as usize;
        let whole = (into.len() / block_bytes).min(count as usize);
        let read_ahead = sequential && count as usize > whole;
        let is_long = whole * block_bytes >= READ_AHEAD_BYTES as usize;
        if within == 0 && whole > 1 && (is_long || !read_ahead) {
            self.cache
                .read_run(first, &mut into[..whole * block_bytes])?;
            return Ok(whole * block_bytes);
        }
        if read_ahead && !self.cache.is_cached(first) {
            self.cache.prefetch(first, count)?;
        }
        let length = into.len().min(block_bytes - within);
        into[..length].copy_from_slice(&self.cache.get(first)?[within..within + length]);
        Ok(length)
    }

    /// Writes and allocates; returns how far it came and how it ended.
    fn write_blocks(
        &mut self,
        inode: &mut Inode,
        offset: u64,
        from: &[u8],
    ) -> (usize, Outcome<(), S>) {
        let mut done = 0;
        while done < from.len() {
            match self.write_run(inode, offset + done as u64, &from[done..]) {
                Ok(length) => done += length,
                Err(error) => return (done, Err(error)),
            }
        }
        (done, Ok(()))
    }

    /// Writes the start of `from`, as far as one run of blocks goes.
    fn write_run(&mut self, inode: &mut Inode, offset: u64, from: &[u8]) -> Outcome<usize, S> {
        let block_bytes = self.superblock.geometry.block_bytes;
        let within = (offset % u64::from(block_bytes)) as usize;
        let logical = offset / u64::from(block_bytes);
        let wanted = blocks_spanned(within, from.len(), block_bytes);
        let (first, count, fresh) = self.map_or_allocate(inode, logical, wanted)?;
        let length = from.len().min(run_bytes(count, block_bytes) - within);
        let result = self.write_mapped(first, within, &from[..length], fresh);
        if result.is_err() && fresh {
            self.blank_fresh(first, count);
        }
        result.map(|()| length)
    }

    /// Writes into blocks from `first` on; `fresh` ones hold nothing to keep.
    fn write_mapped(
        &mut self,
        first: u32,
        within: usize,
        from: &[u8],
        fresh: bool,
    ) -> Outcome<(), S> {
        let block_bytes = self.superblock.geometry.block_bytes as usize;
        let (mut block, mut rest, mut within) = (first, from, within);
        while !rest.is_empty() {
            let whole = rest.len() / block_bytes * block_bytes;
            if within == 0 && whole >= DIRECT_WRITE_BYTES {
                self.cache.write_run(block, &rest[..whole])?;
                block += (whole / block_bytes) as u32;
                rest = &rest[whole..];
                continue;
            }
            let length = rest.len().min(block_bytes - within);
            let bytes = match fresh || length == block_bytes {
                true => self.cache.zeroed(block, Content::Data)?,
                false => self.cache.get_mut(block, Content::Data)?,
            };
            bytes[within..within + length].copy_from_slice(&rest[..length]);
            block += 1;
            rest = &rest[length..];
            within = 0;
        }
        Ok(())
    }

    /// After a failed write: freshly allocated blocks must not show what an
    /// earlier file left in them. Where even this fails, the image was marked.
    fn blank_fresh(&mut self, first: u32, count: u32) {
        for block in first..first + count {
            if self.cache.zeroed(block, Content::Data).is_err() {
                return;
            }
        }
    }
}

/// How many blocks `length` bytes touch from `within` the first one.
fn blocks_spanned(within: usize, length: usize, block_bytes: u32) -> u32 {
    let end = within.saturating_add(length);
    u32::try_from(end.div_ceil(block_bytes as usize)).unwrap_or(u32::MAX)
}

fn run_bytes(count: u32, block_bytes: u32) -> usize {
    (count as usize).saturating_mul(block_bytes as usize)
}
