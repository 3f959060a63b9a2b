//! Numbers and strings of bytes, one behind the other.

use alloc::vec::Vec;

use interfaces::process::LANE_MAX;

/// Writes records.
#[derive(Debug, Default)]
pub struct Writer(pub(super) Vec<u8>);

impl Writer {
    pub(super) fn byte(mut self, value: u8) -> Self {
        self.0.push(value);
        self
    }

    pub(super) fn flag(self, value: bool) -> Self {
        self.byte(u8::from(value))
    }

    /// A lane's number, which is below [`LANE_MAX`].
    pub(super) fn lane(self, value: usize) -> Self {
        self.byte(u8::try_from(value).unwrap_or(u8::MAX))
    }

    pub(super) fn u32(mut self, value: u32) -> Self {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    pub(super) fn u64(mut self, value: u64) -> Self {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    pub(super) fn bytes(self, value: &[u8]) -> Self {
        let mut writer = self.u32(u32::try_from(value.len()).unwrap_or(u32::MAX));
        writer.0.extend_from_slice(value);
        writer
    }

    pub(super) fn optional(self, value: Option<u64>) -> Self {
        self.flag(value.is_some()).u64(value.unwrap_or(0))
    }
}

/// Reads records.
pub struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (own, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(own)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    pub(super) fn flag(&mut self) -> Option<bool> {
        match self.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    pub(super) fn lane(&mut self) -> Option<usize> {
        Some(usize::from(self.byte()?)).filter(|lane| *lane < LANE_MAX)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    pub(super) fn bytes(&mut self) -> Option<Vec<u8>> {
        let length = usize::try_from(self.u32()?).ok()?;
        Some(self.take(length)?.to_vec())
    }

    pub(super) fn optional(&mut self) -> Option<Option<u64>> {
        let is_some = self.flag()?;
        let value = self.u64()?;
        Some(is_some.then_some(value))
    }

    /// `value`, if nothing is left.
    pub(super) fn end<T>(&self, value: T) -> Option<T> {
        self.0.is_empty().then_some(value)
    }
}
