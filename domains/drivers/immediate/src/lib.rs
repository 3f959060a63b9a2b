//! Block devices whose storage answers at once, without a queue.
//!
//! [`Immediate`] makes a [`BlockDevice`] of any [`Storage`]: it checks ranges,
//! and carries out a batch while it is submitted. The drivers `ramdisk` and
//! `filedisk` are this and a storage each.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::collections::VecDeque;

use exchange::RpcResult;
use interfaces::block::{
    BlockBatch, BlockDevice, BlockError, BlockOperation, BlockRequest, BlockStatus, Geometry,
};
use runtime::sync::Mutex;

#[cfg(test)]
mod tests;

/// Bytes in a sector of every such device.
pub const SECTOR_BYTES: u32 = 512;
/// Most sectors in one request, 1 MiB.
const MAX_SECTORS: u32 = 2048;
/// Most finished requests that wait to be polled for.
const QUEUE_DEPTH: usize = 128;

/// Bytes that can be read and written where asked, at once.
///
/// Ranges are inside `bytes()`; the caller sees to that.
pub trait Storage: Send + Sync {
    /// Number of bytes, constant.
    fn bytes(&self) -> u64;
    /// Fills `into` from `offset` on.
    ///
    /// # Errors
    /// [`BlockError`].
    fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), BlockError>;
    /// Stores `from` at `offset`.
    ///
    /// # Errors
    /// [`BlockError`].
    fn write(&self, offset: u64, from: &[u8]) -> Result<(), BlockError>;
    /// Makes what was written durable.
    ///
    /// # Errors
    /// [`BlockError`].
    fn flush(&self) -> Result<(), BlockError>;
}

/// A block device of a storage.
#[derive(Debug)]
pub struct Immediate<S> {
    storage: S,
    is_read_only: bool,
    finished: Mutex<VecDeque<BlockRequest>>,
}

impl<S: Storage> Immediate<S> {
    /// The device; bytes past the last whole sector are left out.
    #[must_use]
    pub fn new(storage: S, is_read_only: bool) -> Self {
        Self {
            storage,
            is_read_only,
            finished: Mutex::new(VecDeque::with_capacity(QUEUE_DEPTH)),
        }
    }

    fn sectors(&self) -> u64 {
        self.storage.bytes() / u64::from(SECTOR_BYTES)
    }

    /// Offset of a range in bytes.
    fn check(&self, sector: u64, bytes: usize) -> Result<u64, BlockError> {
        if !bytes.is_multiple_of(SECTOR_BYTES as usize) {
            return Err(BlockError::BadLength);
        }
        let end = sector.checked_add((bytes / SECTOR_BYTES as usize) as u64);
        if end.is_none_or(|end| end > self.sectors()) {
            return Err(BlockError::OutOfRange);
        }
        Ok(sector * u64::from(SECTOR_BYTES))
    }

    fn fill(&self, sector: u64, into: &mut [u8]) -> Result<(), BlockError> {
        let offset = self.check(sector, into.len())?;
        self.storage.read(offset, into)
    }

    fn store(&self, sector: u64, from: &[u8]) -> Result<(), BlockError> {
        let offset = self.check(sector, from.len())?;
        if self.is_read_only {
            return Err(BlockError::ReadOnly);
        }
        self.storage.write(offset, from)
    }

    fn carry_out(&self, request: &mut BlockRequest) -> Result<(), BlockError> {
        let buffer = match (request.operation, request.buffer.as_deref_mut()) {
            (BlockOperation::Flush, _) => return self.storage.flush(),
            (_, None) => return Err(BlockError::BadLength),
            (_, Some(buffer)) => buffer,
        };
        if buffer.is_empty() || buffer.len() > (MAX_SECTORS * SECTOR_BYTES) as usize {
            return Err(BlockError::BadLength);
        }
        match request.operation {
            BlockOperation::Write => self.store(request.sector, buffer),
            BlockOperation::Read | BlockOperation::Flush => self.fill(request.sector, buffer),
        }
    }
}

impl<S: Storage> BlockDevice for Immediate<S> {
    fn geometry(&self) -> RpcResult<Geometry> {
        Ok(Geometry {
            sector_bytes: SECTOR_BYTES,
            max_sectors: MAX_SECTORS,
            sectors: self.sectors(),
            queue_depth: QUEUE_DEPTH as u32,
            read_only: self.is_read_only.into(),
        })
    }

    fn read(&self, sector: u64, into: &mut [u8]) -> RpcResult<Result<(), BlockError>> {
        Ok(self.fill(sector, into))
    }

    fn write(&self, sector: u64, from: &[u8]) -> RpcResult<Result<(), BlockError>> {
        Ok(self.store(sector, from))
    }

    fn flush(&self) -> RpcResult<Result<(), BlockError>> {
        Ok(self.storage.flush())
    }

    fn submit(&self, mut batch: BlockBatch) -> RpcResult<BlockBatch> {
        let mut finished = self.finished.lock();
        while finished.len() < QUEUE_DEPTH
            && let Some(mut request) = batch.pop_front()
        {
            match self.carry_out(&mut request) {
                Ok(()) => request.status = BlockStatus::Done,
                Err(error) => {
                    request.status = BlockStatus::Failed;
                    request.error = error;
                }
            }
            finished.push_back(request);
        }
        Ok(batch)
    }

    fn poll(&self, mut room: BlockBatch) -> RpcResult<BlockBatch> {
        let mut finished = self.finished.lock();
        while !room.is_full()
            && let Some(request) = finished.pop_front()
        {
            // There is room, as just seen.
            let _ = room.push_back(request);
        }
        Ok(room)
    }
}
