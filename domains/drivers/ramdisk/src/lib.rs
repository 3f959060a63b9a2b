//! Sparse memory: bytes that are zero, and take no room, until written.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::boxed::Box;
use alloc::vec::Vec;

use immediate::Storage;
use interfaces::block::BlockError;
use runtime::sync::Mutex;

/// Bytes that are allocated together.
const CHUNK_BYTES: usize = 64 * 1024;

/// Bytes in chunks, each allocated when it is first written to.
#[derive(Debug)]
pub struct Sparse {
    bytes: u64,
    chunks: Mutex<Vec<Option<Box<[u8]>>>>,
}

impl Sparse {
    /// `bytes` zeros. `None`: no memory for the table of chunks.
    #[must_use]
    pub fn new(bytes: u64) -> Option<Self> {
        let count = usize::try_from(bytes.div_ceil(CHUNK_BYTES as u64)).ok()?;
        let mut chunks = Vec::new();
        chunks.try_reserve_exact(count).ok()?;
        chunks.resize_with(count, || None);
        Some(Self {
            bytes,
            chunks: Mutex::new(chunks),
        })
    }
}

/// Splits `offset..offset + bytes` at chunk boundaries: chunk, offset in it,
/// and the range of the caller's bytes.
fn pieces(
    offset: u64,
    bytes: usize,
) -> impl Iterator<Item = (usize, usize, core::ops::Range<usize>)> {
    let mut done = 0;
    core::iter::from_fn(move || {
        if done == bytes {
            return None;
        }
        let at = offset + done as u64;
        let inside = (at % CHUNK_BYTES as u64) as usize;
        let length = (CHUNK_BYTES - inside).min(bytes - done);
        let range = done..done + length;
        done += length;
        Some(((at / CHUNK_BYTES as u64) as usize, inside, range))
    })
}

impl Storage for Sparse {
    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), BlockError> {
        let chunks = self.chunks.lock();
        for (chunk, inside, range) in pieces(offset, into.len()) {
            let length = range.len();
            match chunks.get(chunk) {
                Some(Some(chunk)) => into[range].copy_from_slice(&chunk[inside..inside + length]),
                Some(None) => into[range].fill(0),
                None => return Err(BlockError::OutOfRange),
            }
        }
        Ok(())
    }

    fn write(&self, offset: u64, from: &[u8]) -> Result<(), BlockError> {
        let mut chunks = self.chunks.lock();
        for (chunk, inside, range) in pieces(offset, from.len()) {
            let chunk = chunks.get_mut(chunk).ok_or(BlockError::OutOfRange)?;
            let chunk = match chunk {
                Some(chunk) => chunk,
                None => chunk.insert(empty_chunk().ok_or(BlockError::NoMemory)?),
            };
            chunk[inside..inside + range.len()].copy_from_slice(&from[range]);
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), BlockError> {
        Ok(())
    }
}

fn empty_chunk() -> Option<Box<[u8]>> {
    let mut chunk = Vec::new();
    chunk.try_reserve_exact(CHUNK_BYTES).ok()?;
    chunk.resize(CHUNK_BYTES, 0);
    Some(chunk.into_boxed_slice())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unwritten_bytes_are_zero_and_take_no_memory() {
        let disk = Sparse::new(1 << 34).expect("only the table is allocated");
        let mut buffer = [9; 512];
        assert_eq!(disk.read((1 << 34) - 512, &mut buffer), Ok(()));
        assert_eq!(buffer, [0; 512]);
        assert!(disk.chunks.lock().iter().all(Option::is_none));
    }

    #[test]
    fn writes_across_chunks_come_back() {
        let disk = Sparse::new(4 * CHUNK_BYTES as u64).expect("memory");
        let data: Vec<u8> = (0..2 * CHUNK_BYTES + 700)
            .map(|i| (i % 251) as u8)
            .collect();
        let offset = CHUNK_BYTES as u64 - 300;
        assert_eq!(disk.write(offset, &data), Ok(()));
        let mut back = alloc::vec![0; data.len()];
        assert_eq!(disk.read(offset, &mut back), Ok(()));
        assert_eq!(back, data);
        let mut before = [1; 300];
        assert_eq!(disk.read(offset - 300, &mut before), Ok(()));
        assert_eq!(before, [0; 300]);
    }

    #[test]
    fn outside_is_an_error_not_a_panic() {
        let disk = Sparse::new(512).expect("memory");
        let far = CHUNK_BYTES as u64;
        assert_eq!(disk.write(far, &[0; 512]), Err(BlockError::OutOfRange));
        assert_eq!(disk.read(far, &mut [0; 512]), Err(BlockError::OutOfRange));
    }
}
