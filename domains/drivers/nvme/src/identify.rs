//! What identify reports (NVMe 1.4, section 5.15.2), checked.

use crate::error::StartFailure;

/// Bytes identify returns.
pub const BYTES: usize = 4096;

/// The parts of the identify controller data (figure 247) the driver uses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ControllerData {
    /// Longest transfer in bytes (MDTS).
    pub max_transfer_bytes: usize,
    /// Whether finished writes may be lost until a flush (VWC).
    pub has_write_cache: bool,
    /// Model number, padded with spaces.
    pub model: [u8; 40],
}

impl ControllerData {
    /// Decodes the data; `page_bytes` is the controller's smallest page, the
    /// unit of MDTS.
    #[must_use]
    pub fn parse(data: &[u8; BYTES], page_bytes: usize) -> Self {
        let mut model = [0; 40];
        model.copy_from_slice(&data[24..64]);
        let max_transfer_bytes = match data[77] {
            0 => usize::MAX,
            power => page_bytes.checked_shl(power.into()).unwrap_or(usize::MAX),
        };
        Self {
            max_transfer_bytes: max_transfer_bytes.max(page_bytes),
            has_write_cache: data[525] & 1 != 0,
            model,
        }
    }
}

/// The parts of the identify namespace data (figure 245) the driver uses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NamespaceData {
    /// Sectors (NSZE).
    pub sectors: u64,
    /// Bytes in a sector, 512 or 4,096 (LBADS of the format in use).
    pub sector_bytes: u32,
    /// Writes are refused (NSATTR bit 0).
    pub is_read_only: bool,
}

impl NamespaceData {
    /// Decodes the data.
    ///
    /// # Errors
    /// An inactive namespace reads as zeros (5.15.2.1). A format with metadata
    /// or with other sectors cannot be used.
    pub fn parse(data: &[u8; BYTES]) -> Result<Self, StartFailure> {
        let mut sectors = [0; 8];
        sectors.copy_from_slice(&data[..8]);
        let sectors = u64::from_le_bytes(sectors);
        if sectors == 0 {
            return Err(StartFailure::NoNamespace);
        }
        let format = 128 + 4 * usize::from(data[26] & 0xF);
        let metadata_bytes = u16::from_le_bytes([data[format], data[format + 1]]);
        if metadata_bytes != 0 {
            return Err(StartFailure::Metadata(metadata_bytes));
        }
        let sector_bytes = match data[format + 2] {
            9 => 512,
            12 => 4096,
            power => return Err(StartFailure::SectorSize(power)),
        };
        Ok(Self {
            sectors,
            sector_bytes,
            is_read_only: data[99] & 1 != 0,
        })
    }
}
