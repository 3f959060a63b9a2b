//! What the file system stands on: a store of sectors, and a clock.

/// An array of sectors.
///
/// Transfers are whole sectors: every buffer's length is a multiple of
/// [`sector_bytes`](BlockStore::sector_bytes). The file system batches
/// contiguous blocks, so that a call may be as long as a caller's whole buffer;
/// a store whose device has a limit splits the transfer itself.
pub trait BlockStore {
    /// Why a transfer failed.
    type Error;

    /// Bytes in a sector: a power of two, 512 to 4096, constant.
    fn sector_bytes(&self) -> u32;

    /// Number of sectors, constant.
    fn sector_count(&self) -> u64;

    /// Fills `into` from `first_sector` on.
    fn read(&mut self, first_sector: u64, into: &mut [u8]) -> Result<(), Self::Error>;

    /// Writes `from` to `first_sector` and on; durable after the next `flush`.
    fn write(&mut self, first_sector: u64, from: &[u8]) -> Result<(), Self::Error>;

    /// Returns when all earlier writes would survive a loss of power.
    fn flush(&mut self) -> Result<(), Self::Error>;
}

/// The source of time stamps.
pub trait Clock {
    /// Seconds since 1970-01-01 00:00 UTC.
    fn now_s(&self) -> i64;
}

impl<F: Fn() -> i64> Clock for F {
    fn now_s(&self) -> i64 {
        self()
    }
}
