//! What must outlive Rv6, given to a keeper before a system call is answered.
//!
//! State is kept in pieces, each under a key ([`crate::record`] says what is in
//! them). A system call commits what it changed as one [`Change`], of which the
//! keeper takes all or nothing; so a successor finds the state of before the call
//! or of after it. What nobody can reach any more is forgotten with the next
//! change: a successor that finds it drops it.
//!
//! A mirror of all pieces stays here, for a keeper that has died and forgotten
//! them: its successor is told everything.
//!
//! **Invariant:** an object's lock is held while what changed in it is committed,
//! so changes of one object reach the keeper in their order. The journal's own
//! lock is the innermost.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use exchange::RpcResult;
use interfaces::keep::{KeepError, Keeper, Piece};
use twox_hash::XxHash3_64;

use crate::sync::Mutex;
use crate::system::System;
use crate::wake::{Bed, NEVER};

/// Keepers that one change is told to.
const ATTEMPTS: u32 = 5;

/// Longest wait for the successor of a keeper, and the time between two looks.
const PATIENCE_NS: u64 = 5_000_000_000;
const LOOK_NS: u64 = 1_000_000;

/// After how long a keeper that had no room is tried again.
const RETRY_NS: u64 = 100_000_000;

/// Pieces and bytes that are read back at once.
const PIECES_AT_ONCE: usize = 64;
const BYTES_AT_ONCE: usize = 256 << 10;

const NO_PIECE: Piece = Piece {
    key: 0,
    fingerprint: 0,
    kind: 0,
    length: 0,
};

/// Bytes of a piece that need no memory of their own.
const SMALL: usize = 40;

/// What a piece says.
#[derive(Clone, Debug)]
pub enum Body {
    /// A few bytes, as many as the number says.
    Small(u8, [u8; SMALL]),
    /// Many, perhaps shared with who uses them.
    Long(Arc<[u8]>),
}

impl Body {
    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Small(length, bytes) => bytes.get(..usize::from(*length)).unwrap_or(bytes),
            Self::Long(bytes) => bytes,
        }
    }
}

impl From<&[u8]> for Body {
    fn from(bytes: &[u8]) -> Self {
        let mut small = [0; SMALL];
        match (small.get_mut(..bytes.len()), u8::try_from(bytes.len())) {
            (Some(room), Ok(length)) => {
                room.copy_from_slice(bytes);
                Self::Small(length, small)
            }
            _ => Self::Long(bytes.into()),
        }
    }
}

/// What one system call changed.
#[derive(Debug, Default)]
pub struct Change {
    dropped: Vec<u64>,
    pieces: Vec<(u64, Body)>,
}

impl Change {
    /// Keeps `bytes` under `key`, instead of what was kept there.
    pub fn put(&mut self, key: u64, bytes: &[u8]) {
        self.pieces.push((key, Body::from(bytes)));
    }

    /// As [`Self::put`], without a copy here.
    pub fn share(&mut self, key: u64, bytes: &Arc<[u8]>) {
        self.pieces.push((key, Body::Long(Arc::clone(bytes))));
    }

    /// Forgets what is kept under `key`.
    pub fn forget(&mut self, key: u64) {
        self.dropped.push(key);
    }
}

/// What was read back, by key.
pub type Kept = BTreeMap<u64, Body>;

/// A piece is not as it was given to the keeper.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Damaged(pub u64);

impl fmt::Display for Damaged {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the kept piece {:#x} is damaged", self.0)
    }
}

/// Of a piece's bytes and its key.
fn fingerprint(key: u64, bytes: &[u8]) -> u64 {
    XxHash3_64::oneshot_with_seed(key, bytes)
}

/// Gives changes to a keeper, if there is one.
pub struct Journal {
    system: Arc<dyn System>,
    inner: Option<Mutex<Inner>>,
}

struct Inner {
    keeper: Box<dyn Keeper + Send + Sync>,
    /// All that is kept, or would be.
    mirror: Kept,
    /// To be forgotten with the next change.
    idle: BTreeSet<u64>,
    /// The keeper has to be told everything.
    is_behind: bool,
    /// That it is has been logged, and when it was last tried.
    failed_ns: Option<u64>,
    change: Change,
    heads: Vec<Piece>,
    bytes: Vec<u8>,
}

impl Journal {
    /// A journal that keeps nothing.
    #[must_use]
    pub fn none(system: Arc<dyn System>) -> Self {
        Self {
            system,
            inner: None,
        }
    }

    /// A journal, and what a predecessor left in the keeper.
    ///
    /// # Errors
    /// [`Damaged`]; `DomainDead` of the keeper's.
    pub fn open(
        system: Arc<dyn System>,
        keeper: Box<dyn Keeper + Send + Sync>,
    ) -> RpcResult<Result<Self, Damaged>> {
        let mirror = match read_back(&*keeper)? {
            Ok(mirror) => mirror,
            Err(damaged) => return Ok(Err(damaged)),
        };
        let inner = Inner {
            keeper,
            is_behind: mirror.is_empty(),
            mirror,
            idle: BTreeSet::new(),
            failed_ns: None,
            change: Change::default(),
            heads: Vec::new(),
            bytes: Vec::new(),
        };
        Ok(Ok(Self {
            system,
            inner: Some(Mutex::new(inner)),
        }))
    }

    /// Whether changes are kept at all.
    #[must_use]
    pub const fn is_kept(&self) -> bool {
        self.inner.is_some()
    }

    /// What is kept now.
    #[must_use]
    pub fn kept(&self) -> Kept {
        let inner = self.inner.as_ref();
        inner.map_or_else(Kept::new, |inner| inner.lock().mirror.clone())
    }

    /// Whether something is kept under `key`.
    #[must_use]
    pub fn has(&self, key: u64) -> bool {
        let inner = self.inner.as_ref();
        inner.is_some_and(|inner| inner.lock().mirror.contains_key(&key))
    }

    /// Keeps what `fill` says was changed, before anybody sees the answer.
    pub fn commit(&self, fill: impl FnOnce(&mut Change)) {
        let Some(inner) = &self.inner else { return };
        let mut inner = inner.lock();
        inner.change.dropped.clear();
        inner.change.pieces.clear();
        fill(&mut inner.change);
        inner.commit(&*self.system);
    }

    /// Forgets what is kept under `key`, with the next change.
    pub fn forget(&self, key: u64) {
        let Some(inner) = &self.inner else { return };
        inner.lock().idle.insert(key);
    }

    /// Looks whether the keeper has died, and tells its successor everything.
    pub fn look(&self) {
        self.commit(|_| {});
    }
}

impl Inner {
    fn commit(&mut self, system: &dyn System) {
        // A keeper counts its pieces before the change.
        let held = self.mirror.len() as u64;
        self.apply();
        if let Some(failed_ns) = self.failed_ns
            && system.clock_ns() < failed_ns + RETRY_NS
        {
            return;
        }
        let patience_ns = system.clock_ns().saturating_add(PATIENCE_NS);
        for _ in 0..ATTEMPTS {
            match self.hand_over(held) {
                Ok(Ok(_)) => return self.succeed(system),
                Ok(Err(KeepError::Lost)) => self.is_behind = true,
                Ok(Err(error)) => {
                    return self.fail(system, format_args!("its keeper says {error:?}"));
                }
                Err(_) => {
                    self.is_behind = true;
                    if !self.wait(system, patience_ns) {
                        break;
                    }
                }
            }
        }
        self.fail(system, format_args!("its keepers die"));
    }

    /// Makes the change in the mirror.
    fn apply(&mut self) {
        let Change { dropped, pieces } = &mut self.change;
        for (key, _) in &*pieces {
            self.idle.remove(key);
        }
        dropped.extend(core::mem::take(&mut self.idle));
        dropped.retain(|key| self.mirror.remove(key).is_some());
        for (key, body) in pieces {
            self.mirror.insert(*key, body.clone());
        }
    }

    fn hand_over(&mut self, held: u64) -> RpcResult<Result<u64, KeepError>> {
        self.heads.clear();
        self.bytes.clear();
        let mut add = |key: u64, body: &Body| {
            let bytes = body.bytes();
            self.heads.push(Piece {
                key,
                fingerprint: fingerprint(key, bytes),
                kind: u32::from(key.to_be_bytes()[0]),
                length: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
            });
            self.bytes.extend_from_slice(bytes);
        };
        if self.is_behind {
            self.mirror.iter().for_each(|(key, body)| add(*key, body));
            return self.keeper.replace(&self.heads, &self.bytes);
        }
        let Change { dropped, pieces } = &self.change;
        pieces.iter().for_each(|(key, body)| add(*key, body));
        self.keeper.keep(held, dropped, &self.heads, &self.bytes)
    }

    /// Waits until the keeper answers; false: not in time.
    fn wait(&self, system: &dyn System, deadline_ns: u64) -> bool {
        let bed = Bed::default();
        while system.clock_ns() < deadline_ns {
            if self.keeper.kept(0, &mut [], &mut []).is_ok() {
                return true;
            }
            bed.sleep_until(system.clock_ns() + LOOK_NS, &NEVER);
        }
        false
    }

    fn succeed(&mut self, system: &dyn System) {
        self.is_behind = false;
        if self.failed_ns.take().is_some() {
            system.log("rv6: its state is kept again");
        }
    }

    /// Rv6 works on, but its death would end everything. What was kept is out of
    /// date from now on, hence worse than nothing.
    fn fail(&mut self, system: &dyn System, why: fmt::Arguments<'_>) {
        self.is_behind = true;
        // A keeper that is dead has nothing.
        let _ = self.keeper.replace(&[], &[]);
        if self.failed_ns.replace(system.clock_ns()).is_none() {
            system.log(&format!("rv6: its state is kept nowhere: {why}"));
        }
    }
}

fn read_back(keeper: &dyn Keeper) -> RpcResult<Result<Kept, Damaged>> {
    let mut all = Kept::new();
    let mut heads = [NO_PIECE; PIECES_AT_ONCE];
    let mut bytes = vec![0; BYTES_AT_ONCE];
    let mut from = 0;
    loop {
        let count = usize::try_from(keeper.kept(from, &mut heads, &mut bytes)?).unwrap_or(0);
        let mut rest = &bytes[..];
        let mut last = None;
        for head in heads.iter().take(count) {
            let Some((own, behind)) = rest.split_at_checked(head.length as usize) else {
                return Ok(Err(Damaged(head.key)));
            };
            rest = behind;
            if head.key < from || fingerprint(head.key, own) != head.fingerprint {
                return Ok(Err(Damaged(head.key)));
            }
            all.insert(head.key, Body::from(own));
            last = Some(head.key);
        }
        match last {
            Some(last) if last < u64::MAX => from = last + 1,
            _ => return Ok(Ok(all)),
        }
    }
}
