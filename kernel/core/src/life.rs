//! A domain's life: whether a slot has one and which, and the table of slots.
//!
//! Who starts a domain, ends it, reclaims it and takes its slot next may be four
//! CPUs; crossings and look-ups read meanwhile, without a lock.
//!
//! **Invariant:** a domain is found and can be called from when it is complete, and
//! is called no more once it is dying.
//! **Invariant:** a slot is taken again when its domain is reclaimed and its starter
//! has let go of it.

use alloc::vec::Vec;

use abi::services::DomainState;
use abi::thread::{count_of, generation_of};

use crate::atomic::{AtomicBool, AtomicU64, Ordering, const_fn};
use crate::sync::SpinLock;
use crate::thread::DomainSlot;

/// Most domains at once.
pub const MAX_DOMAINS: usize = 16_384;

/// The words of a slot that are read without a lock. What crossings look at comes
/// first, so its address is the domain's.
#[repr(C)]
pub struct Life {
    slot: DomainSlot,
    /// Count and state in one word, so that who means one domain cannot end the
    /// next: see [`word`].
    state: AtomicU64,
    /// What [`DomainSlot::live`] is while the domain now in the slot lives.
    generation: AtomicU64,
    /// The slot is taken, and not reused before its starter has read how it ended.
    is_kept: AtomicBool,
    /// Its devices are silent; false only while it begins to die.
    is_quiet: AtomicBool,
}

impl Life {
    const_fn! {
        /// Of a slot in which `count` domains have been: none, or the kernel.
        pub fn new(index: u32, count: u32, state: DomainState) -> Self {
            Self {
                slot: DomainSlot {
                    live: AtomicU64::new(if count == 0 { 0 } else { generation_of(count, 0) }),
                    id: AtomicU64::new(id_of(index, count)),
                    index,
                    rights: abi::protection::rights_of(index),
                },
                state: AtomicU64::new(word(count, state)),
                generation: AtomicU64::new(generation_of(count, 0)),
                is_kept: AtomicBool::new(false),
                is_quiet: AtomicBool::new(true),
            }
        }
    }

    /// What crossings look at.
    pub const fn slot(&self) -> &DomainSlot {
        &self.slot
    }

    /// Owner id of the domain now in the slot.
    pub fn id(&self) -> u64 {
        self.slot.id.load(Ordering::Acquire)
    }

    /// Generation of the domain now in the slot.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Where in its life the domain is.
    pub fn state(&self) -> DomainState {
        match self.state.load(Ordering::Acquire) & STATE_MASK {
            1 => DomainState::Starting,
            2 => DomainState::Running,
            3 => DomainState::Dying,
            _ => DomainState::Dead,
        }
    }

    /// The domain that [`Table::take_slot`] was called for is complete: from here on
    /// it is found, called and ended.
    pub fn begin(&self) {
        self.slot.live.store(self.generation(), Ordering::Release);
        // Last: who finds it may end it at once, and that must not be undone.
        self.set(DomainState::Starting);
    }

    /// Its entry is about to be called.
    pub fn run(&self) {
        // Fails when it is dying.
        let count = count_of(self.generation());
        let _ = self.state.compare_exchange(
            word(count, DomainState::Starting),
            word(count, DomainState::Running),
            Ordering::AcqRel,
            Ordering::Acquire,
        );
    }

    /// Marks the domain with this id dying, so that new crossings fail; false if it was
    /// before, or the slot has another domain by now.
    pub fn end(&self, id: u64) -> bool {
        let Some(count) = count_of_id(id) else {
            return false;
        };
        let starting = word(count, DomainState::Starting);
        let running = word(count, DomainState::Running);
        let dying = word(count, DomainState::Dying);
        let to_dying = |state| (state == starting || state == running).then_some(dying);
        let before = self
            .state
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, to_dying);
        if before.is_ok() {
            // In this order: who sees that it is dying waits for its devices.
            self.is_quiet.store(false, Ordering::SeqCst);
            self.slot.live.store(0, Ordering::SeqCst);
        }
        before.is_ok()
    }

    /// Notes that its devices are silent.
    pub fn set_quiet(&self) {
        self.is_quiet.store(true, Ordering::Release);
    }

    /// Whether its devices are silent, once it is dying.
    pub fn is_quiet(&self) -> bool {
        self.is_quiet.load(Ordering::Acquire)
    }

    /// Everything it had is freed.
    pub fn set_dead(&self) {
        self.set(DomainState::Dead);
    }

    fn set(&self, state: DomainState) {
        let word = word(count_of(self.generation()), state);
        self.state.store(word, Ordering::Release);
    }

    /// Lets the slot be taken again once the domain is dead: its starter has learned
    /// what it wants to know.
    pub fn let_go(&self) {
        self.is_kept.store(false, Ordering::SeqCst);
    }

    /// A slot that has had as many domains as there are counts is not taken again: a
    /// proxy of the first would lead to the next.
    fn is_free(&self) -> bool {
        !self.is_kept.load(Ordering::SeqCst)
            && self.state() == DomainState::Dead
            && count_of(self.generation()) < u32::MAX
    }

    /// Takes a free slot. It stays dead, but has the id of its next domain, before
    /// that one is seen to be alive: see [`Table::find`].
    fn take(&self) {
        self.is_kept.store(true, Ordering::SeqCst);
        let count = count_of(self.generation()) + 1;
        let generation = generation_of(count, 0);
        self.generation.store(generation, Ordering::Release);
        let id = id_of(self.slot.index, count);
        self.slot.id.store(id, Ordering::Release);
    }

    /// Notes how high the domain stands that the slot has been taken for
    /// ([`abi::thread::HEIGHTS`]). Before anybody asks for its generation.
    pub fn set_height(&self, height: usize) {
        let count = count_of(self.generation());
        let generation = generation_of(count, height);
        self.generation.store(generation, Ordering::Release);
    }
}

/// The count in an owner id; `None`: there is no such domain.
fn count_of_id(id: u64) -> Option<u32> {
    u32::try_from(id >> 16).ok()
}

/// The bits of a [`word`] that are the state.
const STATE_MASK: u64 = 0xff;

/// Count and state of the domain in a slot.
const fn word(count: u32, state: DomainState) -> u64 {
    (count as u64) << 8 | state as u64
}

const fn id_of(index: u32, count: u32) -> u64 {
    (count as u64) << 16 | index as u64
}

/// All slots but the kernel's. They are added, and never removed.
pub struct Table<T: 'static> {
    slots: SpinLock<Vec<&'static T>>,
}

impl<T: AsRef<Life>> Table<T> {
    const_fn! {
        /// No slot.
        pub fn new() -> Self {
            Self {
                slots: SpinLock::new(Vec::new()),
            }
        }
    }

    /// A slot for a new domain, which nobody finds before [`Life::begin`]; `add` makes
    /// one with an index if none is free. `None`: no memory, or too many domains.
    pub fn take_slot(&self, add: impl FnOnce(u32) -> Option<&'static T>) -> Option<&'static T> {
        let mut slots = self.slots.lock();
        let free = slots.iter().find(|slot| slot.as_ref().is_free());
        let slot = match free {
            Some(&slot) => slot,
            None if slots.len() < MAX_DOMAINS => {
                slots.try_reserve(1).ok()?;
                let slot = add(u32::try_from(slots.len() + 1).ok()?)?;
                slots.push(slot);
                slot
            }
            None => return None,
        };
        slot.as_ref().take();
        Some(slot)
    }

    /// The domain with an owner id, unless it is dead.
    pub fn find(&self, id: u64) -> Option<&'static T> {
        let slot = self.slot_of(id)?;
        let life = slot.as_ref();
        // In this order: whoever sees that the slot's next domain is alive sees the
        // next id, too. Otherwise a reused slot would look like the old domain, and
        // who waits for that one's death would miss it.
        (life.state() != DomainState::Dead && life.id() == id).then_some(slot)
    }

    /// Whether the domain with an owner id can be called: neither dying nor dead.
    pub fn is_live(&self, id: u64) -> bool {
        // One word says whether the slot has a domain and which: of two, the second
        // may be read when the slot has its next domain.
        let count = count_of_id(id).filter(|count| *count != 0);
        let live = |slot: &T| count_of(slot.as_ref().slot.live.load(Ordering::SeqCst));
        let slot = self.slot_of(id);
        slot.is_some_and(|slot| Some(live(slot)) == count)
    }

    /// The slot an owner id belongs to, whoever is in it now.
    pub fn slot_of(&self, id: u64) -> Option<&'static T> {
        let index = usize::try_from(id & 0xffff).ok()?;
        self.slots.lock().get(index.checked_sub(1)?).copied()
    }

    /// Domains that are not dead, each as it is found: to look at all takes no memory,
    /// and what is done with one may take any time.
    pub fn living(&self) -> impl Iterator<Item = &'static T> {
        let slots = (0..).map_while(|index: usize| self.slots.lock().get(index).copied());
        slots.filter(|slot| slot.as_ref().state() != DomainState::Dead)
    }
}
