//! Block devices: sectors read and written, directly or in batches.

use exchange::{RRefDeque, RRefSlice, RpcResult};
use macros::{Exchangeable, interface};

/// Most requests in one batch.
pub const BATCH: usize = 32;

/// What a block device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Exchangeable)]
#[repr(C)]
pub struct Geometry {
    /// Bytes in a sector, 512 or 4,096.
    pub sector_bytes: u32,
    /// Most sectors in one request.
    pub max_sectors: u32,
    /// Sectors on the device.
    pub sectors: u64,
    /// Most requests that can be under way at once.
    pub queue_depth: u32,
    /// 1 if writes are refused.
    pub read_only: u32,
}

/// Why a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Exchangeable)]
#[repr(u32)]
pub enum BlockError {
    /// The range leaves the device.
    OutOfRange = 1,
    /// The buffer is not a whole number of sectors, or too long.
    BadLength = 2,
    /// The medium could not be read or written.
    Media = 3,
    /// The device refuses writes.
    ReadOnly = 4,
    /// The device did not answer in time.
    TimedOut = 5,
    /// The device reported an internal or unknown error.
    Device = 6,
    /// No memory for the request.
    NoMemory = 7,
    /// The driver died at each of several attempts, or did not come back.
    /// Whether a write was carried out is unknown.
    DriverLost = 8,
}

/// What a request of a batch does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Exchangeable)]
#[repr(u32)]
pub enum BlockOperation {
    /// Fill the buffer from the device.
    Read = 0,
    /// Put the buffer on the device.
    Write = 1,
    /// Make everything written before durable; the buffer is unused.
    Flush = 2,
}

/// Where a request of a batch stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Exchangeable)]
#[repr(u32)]
pub enum BlockStatus {
    /// Not finished. From a poll: it has to be submitted again, see
    /// [`BlockRequest::is_lent`].
    Pending = 0,
    /// Finished; the data lies in the buffer or on the device.
    Done = 1,
    /// Failed; see the request's `error`.
    Failed = 2,
}

/// One asynchronous request. Its buffer moves to the driver and back, so the
/// device works on it in place.
#[derive(Debug, Exchangeable)]
#[repr(C)]
pub struct BlockRequest {
    /// Chosen by the submitter, returned unchanged.
    pub tag: u64,
    /// First sector.
    pub sector: u64,
    /// What to do.
    pub operation: BlockOperation,
    /// Where it stands.
    pub status: BlockStatus,
    /// Why it failed, when `status` is `Failed`.
    pub error: BlockError,
    /// 1: the buffer is only lent, by a submitter that can submit the request again.
    /// If who has it dies, the request comes back `Pending`, and without its buffer
    /// if the submitter has that. Else 0.
    pub is_lent: u32,
    /// Data, a whole number of sectors; `None` for a flush.
    pub buffer: Option<RRefSlice<u8>>,
}

/// A batch of requests.
pub type BlockBatch = RRefDeque<BlockRequest, BATCH>;

/// A device of numbered sectors.
///
/// Finished writes are durable only after a [`BlockDevice::flush`]. Behind a
/// shadow every call may take as long as the driver takes to restart.
///
/// The death of a shadow takes requests of batches with it; a client that wants to
/// outlive it has a shadow of its own, as a library (`shadow-block`).
#[interface]
pub trait BlockDevice {
    /// What the device is.
    #[repeatable]
    fn geometry(&self) -> RpcResult<Geometry>;

    /// Reads sectors from `sector` on until `into` is full; blocks.
    #[repeatable]
    fn read(&self, sector: u64, into: &mut [u8]) -> RpcResult<Result<(), BlockError>>;

    /// Writes `from` to the sectors from `sector` on; blocks.
    #[repeatable]
    fn write(&self, sector: u64, from: &[u8]) -> RpcResult<Result<(), BlockError>>;

    /// Makes every finished write durable; blocks.
    #[repeatable]
    fn flush(&self) -> RpcResult<Result<(), BlockError>>;

    /// Starts as many requests of the batch as the queue takes, in order, and
    /// returns the rest. Never blocks.
    fn submit(&self, batch: BlockBatch) -> RpcResult<BlockBatch>;

    /// Appends finished requests to `room` until it is full. Never blocks.
    fn poll(&self, room: BlockBatch) -> RpcResult<BlockBatch>;
}
