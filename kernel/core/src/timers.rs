//! The threads of one CPU that wait for a moment.
//!
//! A pairing heap, linked through the threads: who waits needs no memory for it.

use core::cell::UnsafeCell;
use core::ptr;

use crate::sync::SpinLock;
use crate::thread::Thread;

/// A thread's place among those that wait, which the lock guards.
#[derive(Debug)]
pub struct Place {
    deadline_ns: u64,
    is_waiting: bool,
    /// First of those that were found to be later than this one.
    child: *const Thread,
    /// The next such of who was found to be earlier.
    next: *const Thread,
    /// The one before that, or who was found to be earlier.
    previous: *const Thread,
}

impl Place {
    /// Not waiting.
    pub const fn new() -> Self {
        Self {
            deadline_ns: 0,
            is_waiting: false,
            child: ptr::null(),
            next: ptr::null(),
            previous: ptr::null(),
        }
    }
}

/// Threads by the moment they wait for.
pub struct Timers(SpinLock<Heap>);

struct Heap {
    root: *const Thread,
}

// SAFETY: threads are shared; their places are reached through the lock only.
unsafe impl Send for Heap {}

impl Timers {
    /// Nobody waits.
    pub const fn new() -> Self {
        Self(SpinLock::new(Heap { root: ptr::null() }))
    }

    /// Adds a thread, which waits for no other moment; it must call [`Self::remove`]
    /// before it ends.
    pub fn insert(&self, deadline_ns: u64, thread: &'static Thread) {
        self.0.lock().insert(deadline_ns, thread);
    }

    /// Removes a thread, whether or not its moment has come.
    pub fn remove(&self, thread: &'static Thread) {
        self.0.lock().remove(thread);
    }

    /// The first moment somebody waits for.
    pub fn first_ns(&self) -> u64 {
        let heap = self.0.lock();
        heap.first()
            .map_or(u64::MAX, |(deadline_ns, _)| deadline_ns)
    }

    /// Calls `wake` with every thread whose moment has come. The list is locked
    /// meanwhile, so none of them can end.
    pub fn expire(&self, now_ns: u64, wake: impl Fn(&'static Thread)) {
        let mut heap = self.0.lock();
        while let Some((deadline_ns, thread)) = heap.first() {
            if deadline_ns > now_ns {
                return;
            }
            heap.remove(thread);
            wake(thread);
        }
    }
}

/// A thread's place.
///
/// # Safety
/// The thread must be alive, the lock of its timers held, and no other reference to
/// its place in use.
unsafe fn place<'a>(thread: *const Thread) -> &'a mut Place {
    // SAFETY: the caller's contract.
    unsafe { &mut *UnsafeCell::raw_get(&raw const (*thread).timer) }
}

impl Heap {
    fn first(&self) -> Option<(u64, &'static Thread)> {
        // SAFETY: a thread that waits is alive; the lock is held.
        unsafe {
            self.root
                .as_ref()
                .map(|thread| (place(thread).deadline_ns, thread))
        }
    }

    fn insert(&mut self, deadline_ns: u64, thread: &'static Thread) {
        // SAFETY: the lock is held, and the thread waits nowhere else.
        unsafe {
            *place(thread) = Place {
                deadline_ns,
                is_waiting: true,
                ..Place::new()
            };
            self.root = meld(self.root, thread);
        }
    }

    fn remove(&mut self, thread: &'static Thread) {
        // SAFETY: the lock is held; what is linked waits here, hence is alive. No
        // reference to a place outlives its statement.
        unsafe {
            if !place(thread).is_waiting {
                return;
            }
            let children = combine(place(thread).child);
            if ptr::eq(self.root, thread) {
                self.root = children;
            } else {
                let (previous, next) = (place(thread).previous, place(thread).next);
                match ptr::eq(place(previous).child, thread) {
                    true => place(previous).child = next,
                    false => place(previous).next = next,
                }
                if !next.is_null() {
                    place(next).previous = previous;
                }
                self.root = meld(self.root, children);
            }
            *place(thread) = Place::new();
        }
    }
}

/// Makes one of two heaps: the later root becomes the first child of the earlier.
///
/// # Safety
/// Both are null or roots of separate heaps whose lock is held.
unsafe fn meld(one: *const Thread, other: *const Thread) -> *const Thread {
    if one.is_null() || other.is_null() {
        return if one.is_null() { other } else { one };
    }
    // SAFETY: the caller's contract; one place is used at a time.
    unsafe {
        let is_later = place(other).deadline_ns < place(one).deadline_ns;
        let (first, second) = if is_later { (other, one) } else { (one, other) };
        let child = place(first).child;
        place(second).next = child;
        place(second).previous = first;
        if !child.is_null() {
            place(child).previous = second;
        }
        place(first).child = second;
        first
    }
}

/// Makes one heap of siblings: two by two, then all, from the last on. That is what
/// keeps removals short on average (Fredman et al.: The pairing heap, 1986).
///
/// # Safety
/// `rest` is null or the first of a list of siblings, whose lock is held.
unsafe fn combine(mut rest: *const Thread) -> *const Thread {
    let mut pairs: *const Thread = ptr::null();
    let mut root: *const Thread = ptr::null();
    // SAFETY: the caller's contract; who is taken from the list is a root.
    unsafe {
        while !rest.is_null() {
            let one = detach(&mut rest);
            let other = detach(&mut rest);
            let pair = meld(one, other);
            place(pair).next = pairs;
            pairs = pair;
        }
        while !pairs.is_null() {
            root = meld(root, detach(&mut pairs));
        }
    }
    root
}

/// Takes the first of a list of siblings; null: it is empty.
///
/// # Safety
/// As for [`combine`].
unsafe fn detach(list: &mut *const Thread) -> *const Thread {
    let first = *list;
    if !first.is_null() {
        // SAFETY: the caller's contract.
        unsafe {
            *list = place(first).next;
            place(first).next = ptr::null();
            place(first).previous = ptr::null();
        }
    }
    first
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u64),
        Remove(prop::sample::Index),
        Expire(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..1000_u64).prop_map(Step::Insert),
            2 => any::<prop::sample::Index>().prop_map(Step::Remove),
            1 => (0..1000_u64).prop_map(Step::Expire),
        ]
    }

    proptest! {
        #[test]
        fn who_waits_is_woken_once_when_its_moment_has_come(
            steps in prop::collection::vec(step(), 0..200),
        ) {
            let timers = Timers::new();
            let mut made: Vec<&'static Thread> = Vec::new();
            let mut model = BTreeSet::new();
            for step in steps {
                match step {
                    Step::Insert(deadline_ns) => {
                        let thread = Thread::for_test(1);
                        timers.insert(deadline_ns, thread);
                        model.insert((deadline_ns, thread.number));
                        made.push(thread);
                    }
                    Step::Remove(which) if !made.is_empty() => {
                        let thread = made[which.index(made.len())];
                        // It may have been woken before.
                        timers.remove(thread);
                        model.retain(|(_, number)| *number != thread.number);
                    }
                    Step::Remove(_) => {}
                    Step::Expire(now_ns) => {
                        let woken = std::cell::RefCell::new(BTreeSet::new());
                        timers.expire(now_ns, |thread| {
                            assert!(woken.borrow_mut().insert(thread.number));
                        });
                        let due = model.iter().filter(|(deadline_ns, _)| *deadline_ns <= now_ns);
                        let due: BTreeSet<u32> = due.map(|(_, number)| *number).collect();
                        prop_assert_eq!(&*woken.borrow(), &due);
                        model.retain(|(deadline_ns, _)| *deadline_ns > now_ns);
                    }
                }
                let first_ns = model.first().map_or(u64::MAX, |(deadline_ns, _)| *deadline_ns);
                prop_assert_eq!(timers.first_ns(), first_ns);
            }
            for thread in made {
                // SAFETY: the timers that know the thread are not used any more.
                unsafe { Thread::free_for_test(thread) };
            }
        }
    }
}
