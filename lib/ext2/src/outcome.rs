//! The result type of every operation, over a given store.

use crate::error::{Corruption, Error};
use crate::store::BlockStore;

pub(crate) type Outcome<T, S> = Result<T, Error<<S as BlockStore>::Error>>;

/// Turns "not found" into damage, where the image itself named the thing.
pub(crate) fn lost<E>(error: Error<E>, what: Corruption) -> Error<E> {
    match error {
        Error::NotFound => Error::Corrupt(what),
        other => other,
    }
}
