//! Finished operations in a keeper's hands, and a mount resumed from there.

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use exchange::{Incarnation, Proxy, RpcResult};
use ext2::{BlockStore, Change, Clock, Ext2, Piece, PieceKind};
use interfaces::keep::{self, KeepError, Keeper};
use runtime::time::{Duration, Instant};
use runtime::{ServiceError, log};
use twox_hash::XxHash3_64;

/// Longest wait for a dead keeper's successor.
const PATIENCE: Duration = Duration::from_secs(5);
/// Keepers that one operation is told to.
const ATTEMPTS: u32 = 5;
/// Pieces and bytes that are read back at once.
const PIECES_AT_ONCE: usize = 64;
const BYTES_AT_ONCE: usize = 256 << 10;

const NO_PIECE: keep::Piece = keep::Piece {
    key: 0,
    fingerprint: 0,
    kind: 0,
    length: 0,
};

/// A piece that was read back, and its bytes.
pub type Kept = (Piece, Vec<u8>);

/// A piece is not as it was given to the keeper.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Damaged(pub u64);

impl fmt::Display for Damaged {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the kept piece {:#x} is damaged", self.0)
    }
}

/// Reads everything back that a keeper has; empty for a first mount.
///
/// # Errors
/// [`Damaged`]; `DomainDead`.
pub fn read_back(keeper: &Proxy<dyn Keeper>) -> RpcResult<Result<Vec<Kept>, Damaged>> {
    let mut all = Vec::new();
    let mut heads = [NO_PIECE; PIECES_AT_ONCE];
    let mut bytes = vec![0; BYTES_AT_ONCE];
    let mut from = 0;
    loop {
        let count = keeper.kept(from, &mut heads, &mut bytes)? as usize;
        let mut rest = &bytes[..];
        for head in heads.iter().take(count) {
            let Some((own, behind)) = rest.split_at_checked(head.length as usize) else {
                return Ok(Err(Damaged(head.key)));
            };
            rest = behind;
            match check(head, own) {
                Some(piece) => all.push((piece, own.to_vec())),
                None => return Ok(Err(Damaged(head.key))),
            }
        }
        match heads.iter().take(count).next_back() {
            Some(last) if last.key < u64::MAX => from = last.key + 1,
            _ => return Ok(Ok(all)),
        }
    }
}

fn check(head: &keep::Piece, bytes: &[u8]) -> Option<Piece> {
    let kind = PieceKind::from_number(head.kind)?;
    let length = bytes.len();
    let piece = Piece {
        key: head.key,
        kind,
        length,
    };
    (fingerprint(&piece, bytes) == head.fingerprint).then_some(piece)
}

/// Of a piece's bytes, its key and its kind.
fn fingerprint(piece: &Piece, bytes: &[u8]) -> u64 {
    XxHash3_64::oneshot_with_seed(piece.key ^ (piece.kind as u64) << 32, bytes)
}

/// What a mount gives to its keeper.
#[derive(Debug)]
pub struct Keeping {
    keeper: Proxy<dyn Keeper>,
    change: Change,
    heads: Vec<keep::Piece>,
    /// Pieces that are kept.
    held: u64,
    /// The keeper has to be told everything.
    is_behind: bool,
    /// That it is has been logged.
    is_reported: bool,
}

impl Keeping {
    /// For a mount whose keeper has `held` pieces, to be gone on from; 0: it has
    /// none of this mount's.
    #[must_use]
    pub const fn new(keeper: Proxy<dyn Keeper>, held: u64) -> Self {
        Self {
            keeper,
            change: Change {
                dropped: Vec::new(),
                pieces: Vec::new(),
                bytes: Vec::new(),
            },
            heads: Vec::new(),
            held,
            is_behind: held == 0,
            is_reported: false,
        }
    }

    /// The keeper has died: its successor has to be told everything.
    pub const fn set_behind(&mut self) {
        self.is_behind = true;
    }

    /// Gives the keeper what the operation has changed that has just finished.
    /// Waits for the keeper's successor if it must.
    pub fn after_operation<S, C>(&mut self, mounted: &mut Ext2<S, C>)
    where
        S: BlockStore<Error: fmt::Display>,
        C: Clock,
    {
        for _ in 0..ATTEMPTS {
            if self.is_behind {
                mounted.keep_changes();
            }
            if let Err(error) = mounted.finish_operation(&mut self.change) {
                return self.fail(format_args!("{error}"));
            }
            if self.change.is_empty() {
                return;
            }
            let seen = Proxy::incarnation(&self.keeper);
            match self.hand_over() {
                Ok(Ok(held)) => return self.succeed(held),
                Ok(Err(KeepError::Full)) if !self.is_behind => {
                    // What is on the disk need not be kept. On the way there a
                    // death is a loss of power.
                    self.fail(format_args!("its keeper has no room"));
                    if let Err(error) = mounted.sync() {
                        return self.fail(format_args!("{error}"));
                    }
                }
                Ok(Err(KeepError::Lost)) => self.is_behind = true,
                Ok(Err(error)) => return self.fail(format_args!("{error:?}")),
                Err(_) => {
                    self.is_behind = true;
                    if let Err(error) = self.wait_for_successor(seen) {
                        return self.fail(format_args!("its keeper is lost: {error:?}"));
                    }
                }
            }
        }
        self.fail(format_args!("its keepers die"));
    }

    fn hand_over(&mut self) -> RpcResult<Result<u64, KeepError>> {
        let Change {
            dropped,
            pieces,
            bytes,
        } = &self.change;
        self.heads.clear();
        let mut rest = &bytes[..];
        for piece in pieces {
            let (own, behind) = rest.split_at(piece.length);
            rest = behind;
            self.heads.push(keep::Piece {
                key: piece.key,
                fingerprint: fingerprint(piece, own),
                kind: piece.kind as u32,
                length: piece.length as u32,
            });
        }
        if self.is_behind {
            self.keeper.replace(&self.heads, bytes)
        } else {
            self.keeper.keep(self.held, dropped, &self.heads, bytes)
        }
    }

    fn wait_for_successor(&self, dead: Incarnation) -> Result<(), ServiceError> {
        let deadline = Instant::now() + PATIENCE;
        Proxy::wait_for_successor(&self.keeper, dead, deadline.nanoseconds()).map(|_| ())
    }

    fn succeed(&mut self, held: u64) {
        self.held = held;
        self.is_behind = false;
        if core::mem::take(&mut self.is_reported) {
            log::info!("ext2fs: changes are kept again");
        }
    }

    /// The file system works on, but would lose what it has not written back.
    /// What was kept is out of date from now on, hence worse than nothing.
    fn fail(&mut self, why: fmt::Arguments<'_>) {
        self.is_behind = true;
        // A keeper that is dead has nothing.
        let _ = self.keeper.replace(&[], &[]);
        if !core::mem::replace(&mut self.is_reported, true) {
            log::error!("ext2fs: changes since the last write-back are kept nowhere: {why}");
        }
    }
}
