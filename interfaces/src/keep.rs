//! Keeping state for a domain that may die, so that its successor goes on.
//!
//! State is kept in pieces under keys, as data: whoever reads it back checks the
//! fingerprint it gave each piece, and what the piece says.

use exchange::RpcResult;
use macros::{Exchangeable, interface};

/// Head of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Exchangeable)]
#[repr(C)]
pub struct Piece {
    /// What it is kept under; the holder's choice.
    pub key: u64,
    /// Of its bytes, as the holder computed it.
    pub fingerprint: u64,
    /// What it is; the holder's choice.
    pub kind: u32,
    /// Its length in bytes.
    pub length: u32,
}

/// Why nothing of a change was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Exchangeable)]
#[repr(u32)]
pub enum KeepError {
    /// The change would take more memory than the keeper may use.
    Full = 1,
    /// The pieces' lengths do not add up to the bytes.
    Invalid = 2,
    /// Not so many pieces are kept: the keeper has been replaced, and knows
    /// nothing of what its predecessor kept.
    Lost = 3,
}

/// Keeps one domain's state.
#[interface]
pub trait Keeper {
    /// Forgets the pieces under the keys `dropped`, then keeps `pieces`, whose
    /// bytes follow each other in `bytes`, each instead of what was kept under
    /// its key. All of that is done, or nothing. `held` is how many pieces are
    /// kept as far as the caller knows. How many there are now.
    fn keep(
        &self,
        held: u64,
        dropped: &[u64],
        pieces: &[Piece],
        bytes: &[u8],
    ) -> RpcResult<Result<u64, KeepError>>;

    /// Keeps `pieces`, and nothing else any longer. How many there are now.
    fn replace(&self, pieces: &[Piece], bytes: &[u8]) -> RpcResult<Result<u64, KeepError>>;

    /// Copies the pieces with keys from `from` on, ascending, as many as fit
    /// whole into both; how many.
    fn kept(&self, from: u64, pieces: &mut [Piece], bytes: &mut [u8]) -> RpcResult<u64>;
}
