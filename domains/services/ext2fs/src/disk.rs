//! A block device as the ext2 library wants it.

use core::fmt;

use exchange::RpcError;
use ext2::BlockStore;
use interfaces::block::{BlockDevice, BlockError, Geometry};

/// Why a transfer failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DiskError {
    /// The device said so.
    Block(BlockError),
    /// Its driver is dead, or could not be called.
    Driver(RpcError),
}

impl fmt::Display for DiskError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Block(error) => write!(formatter, "the block device reports {error:?}"),
            Self::Driver(error) => write!(formatter, "block device: {error}"),
        }
    }
}

impl core::error::Error for DiskError {}

/// A block device with what is known of it.
#[derive(Debug)]
pub struct Disk<D> {
    device: D,
    geometry: Geometry,
}

impl<D: BlockDevice> Disk<D> {
    /// Asks the device what it is.
    ///
    /// # Errors
    /// [`DiskError::Driver`].
    pub fn new(device: D) -> Result<Self, DiskError> {
        let geometry = device.geometry().map_err(DiskError::Driver)?;
        Ok(Self { device, geometry })
    }

    /// Whether the device refuses writes.
    #[must_use]
    pub const fn is_read_only(&self) -> bool {
        self.geometry.read_only != 0
    }

    /// Longest transfer in bytes.
    fn piece_bytes(&self) -> usize {
        let sectors = self.geometry.max_sectors.max(1) as usize;
        sectors.saturating_mul(self.geometry.sector_bytes as usize)
    }

    fn sectors_in(&self, bytes: usize) -> u64 {
        (bytes / self.geometry.sector_bytes as usize) as u64
    }
}

impl<D: BlockDevice> BlockStore for Disk<D> {
    type Error = DiskError;

    fn sector_bytes(&self) -> u32 {
        self.geometry.sector_bytes
    }

    fn sector_count(&self) -> u64 {
        self.geometry.sectors
    }

    fn read(&mut self, mut sector: u64, into: &mut [u8]) -> Result<(), DiskError> {
        for piece in into.chunks_mut(self.piece_bytes()) {
            finish(self.device.read(sector, piece))?;
            sector += self.sectors_in(piece.len());
        }
        Ok(())
    }

    fn write(&mut self, mut sector: u64, from: &[u8]) -> Result<(), DiskError> {
        for piece in from.chunks(self.piece_bytes()) {
            finish(self.device.write(sector, piece))?;
            sector += self.sectors_in(piece.len());
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), DiskError> {
        finish(self.device.flush())
    }
}

fn finish(answer: Result<Result<(), BlockError>, RpcError>) -> Result<(), DiskError> {
    answer.map_err(DiskError::Driver)?.map_err(DiskError::Block)
}
