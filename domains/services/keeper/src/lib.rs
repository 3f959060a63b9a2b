//! Keeps another domain's state across that one's death.
//!
//! The state lies in this domain's private heap, where nobody else can reach
//! it. It does not survive this domain's own death: then its holder, which has
//! the same state still, gives it to the successor anew. Only if both die within
//! that moment something is lost.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::boxed::Box;
use alloc::collections::BTreeMap;

use exchange::RpcResult;
use interfaces::keep::{KeepError, Keeper, Piece};
use runtime::sync::Mutex;

/// Bytes that a piece takes besides its own.
const OVERHEAD: u64 = 96;

#[derive(Debug)]
struct Kept {
    piece: Piece,
    bytes: Box<[u8]>,
}

/// Pieces by their keys.
#[derive(Debug, Default)]
struct Pieces {
    by_key: BTreeMap<u64, Kept>,
    /// Memory they take, in bytes.
    size: u64,
}

/// The object a keeper provides.
#[derive(Debug)]
pub struct Store {
    limit: u64,
    pieces: Mutex<Pieces>,
}

impl Store {
    /// Keeps at most so many bytes.
    #[must_use]
    pub fn new(limit: u64) -> Self {
        Self {
            limit,
            pieces: Mutex::new(Pieces::default()),
        }
    }

    fn check(&self, kept: u64, pieces: &[Piece], bytes: &[u8]) -> Result<(), KeepError> {
        let lengths = pieces.iter().map(|piece| u64::from(piece.length));
        if lengths.sum::<u64>() != bytes.len() as u64 {
            return Err(KeepError::Invalid);
        }
        let added = bytes.len() as u64 + pieces.len() as u64 * OVERHEAD;
        if kept.saturating_add(added) > self.limit {
            return Err(KeepError::Full);
        }
        Ok(())
    }
}

impl Pieces {
    fn drop_key(&mut self, key: u64) {
        if let Some(kept) = self.by_key.remove(&key) {
            self.size -= kept.bytes.len() as u64 + OVERHEAD;
        }
    }

    /// Keeps pieces whose bytes were seen to be as many.
    fn keep(&mut self, pieces: &[Piece], mut bytes: &[u8]) {
        for piece in pieces {
            let (own, rest) = bytes.split_at(piece.length as usize);
            bytes = rest;
            match self.by_key.get_mut(&piece.key) {
                Some(kept) if kept.bytes.len() == own.len() => {
                    kept.piece = *piece;
                    kept.bytes.copy_from_slice(own);
                }
                _ => {
                    self.drop_key(piece.key);
                    self.size += own.len() as u64 + OVERHEAD;
                    let kept = Kept {
                        piece: *piece,
                        bytes: own.into(),
                    };
                    self.by_key.insert(piece.key, kept);
                }
            }
        }
    }

    fn count(&self) -> u64 {
        self.by_key.len() as u64
    }
}

impl Keeper for Store {
    fn keep(
        &self,
        held: u64,
        dropped: &[u64],
        pieces: &[Piece],
        bytes: &[u8],
    ) -> RpcResult<Result<u64, KeepError>> {
        let mut kept = self.pieces.lock();
        if kept.count() != held {
            return Ok(Err(KeepError::Lost));
        }
        // What is replaced counts twice for the moment: pieces are few.
        if let Err(error) = self.check(kept.size, pieces, bytes) {
            return Ok(Err(error));
        }
        for key in dropped {
            kept.drop_key(*key);
        }
        kept.keep(pieces, bytes);
        Ok(Ok(kept.count()))
    }

    fn replace(&self, pieces: &[Piece], bytes: &[u8]) -> RpcResult<Result<u64, KeepError>> {
        if let Err(error) = self.check(0, pieces, bytes) {
            return Ok(Err(error));
        }
        let mut kept = self.pieces.lock();
        *kept = Pieces::default();
        kept.keep(pieces, bytes);
        Ok(Ok(kept.count()))
    }

    fn kept(&self, from: u64, pieces: &mut [Piece], bytes: &mut [u8]) -> RpcResult<u64> {
        let kept = self.pieces.lock();
        let mut used = 0;
        let mut count = 0;
        for (found, place) in kept.by_key.range(from..).zip(pieces) {
            let own: &[u8] = &found.1.bytes;
            let Some(room) = bytes.get_mut(used..used + own.len()) else {
                break;
            };
            room.copy_from_slice(own);
            *place = found.1.piece;
            used += own.len();
            count += 1;
        }
        Ok(count)
    }
}
