//! How a domain ends: one path for panics, exceptions, quotas and kills.
//!
//! [`begin`] marks the domain dying, quiesces its devices, writes the crash
//! record and disturbs the threads that execute in it; each thread leaves by
//! itself, at the end of the service or trampoline it is in. The reaper waits
//! until no thread's chain holds the domain and then reclaims what it had.

use alloc::collections::VecDeque;
use core::ptr;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use abi::death::DeathCause;
use abi::services::DeathNotice;
use abi::status::ServiceError;
use abi::thread::DomainSlot;

use crate::domain::{self, Domain};
use crate::interrupt::Interrupted;
use crate::record;
use crate::sync::{PreemptOff, SpinLock};
use crate::thread::{self, Thread, control};
use crate::{device, exchange, export, iommu, limits, machine, scan, scheduler, wait};

/// Addresses kept of a backtrace.
pub const BACKTRACE: usize = 24;

/// Deaths remembered for `domain_wait_death` of any domain.
const NOTICES: usize = 1024;

/// Nanoseconds after which the reaper looks again at threads that linger.
const LINGER_NS: u64 = 100_000;

/// Longest time after which it does so.
const MOST_LINGER_NS: u64 = 2_000_000;

/// What an exception handler saw.
#[derive(Clone, Copy, Debug)]
pub struct RawCrash {
    /// Why.
    pub cause: Option<DeathCause>,
    /// Address touched, for memory faults.
    pub address: usize,
    /// Return addresses, the faulting instruction first.
    pub backtrace: [usize; BACKTRACE],
    /// How many.
    pub depth: usize,
}

impl RawCrash {
    /// Nothing seen.
    pub const EMPTY: Self = Self {
        cause: None,
        address: 0,
        backtrace: [0; BACKTRACE],
        depth: 0,
    };

    /// Follows frame pointers within a stack.
    ///
    /// # Safety
    /// `stack` must be mapped memory that nobody changes meanwhile.
    #[must_use]
    pub unsafe fn walk(rip: usize, mut frame: usize, stack: &core::ops::Range<usize>) -> Self {
        let mut crash = Self::EMPTY;
        crash.backtrace[0] = rip;
        crash.depth = 1;
        while crash.depth < BACKTRACE
            && frame.is_multiple_of(8)
            && frame >= stack.start
            && frame + 16 <= stack.end
        {
            // SAFETY: two words at `frame` lie in the stack.
            let (next, address) =
                unsafe { (*(frame as *const usize), *((frame + 8) as *const usize)) };
            if address == 0 {
                break;
            }
            crash.backtrace[crash.depth] = address;
            crash.depth += 1;
            if next <= frame {
                break;
            }
            frame = next;
        }
        crash
    }
}

/// Domains that wait to be reclaimed.
static DYING: AtomicUsize = AtomicUsize::new(0);
/// Threads that have ended, linked by what links the ready ones.
static ENDED: SpinLock<Option<&'static Thread>> = SpinLock::new(None);
static NOTICED: AtomicU32 = AtomicU32::new(0);
static DEATHS: AtomicU32 = AtomicU32::new(0);
/// Notices of the last deaths: their slots may be in use again.
static RECENT: SpinLock<Recent> = SpinLock::new(Recent {
    deaths: 0,
    notices: VecDeque::new(),
});
static UNREPORTED: SpinLock<VecDeque<DeathNotice>> = SpinLock::new(VecDeque::new());

/// The last deaths.
struct Recent {
    /// Deaths since boot: the number of the newest notice.
    deaths: u64,
    notices: VecDeque<DeathNotice>,
}

impl Recent {
    fn push(&mut self, notice: DeathNotice) {
        self.deaths += 1;
        push_bounded(&mut self.notices, notice);
    }

    /// The notice after the `after`-th that is not forgotten, and its number.
    fn next(&self, after: u64) -> Option<(u64, DeathNotice)> {
        let oldest = self.deaths - self.notices.len() as u64 + 1;
        let number = oldest.max(after.saturating_add(1));
        let index = usize::try_from(number - oldest).ok()?;
        self.notices.get(index).map(|notice| (number, *notice))
    }
}

/// Makes room for the notices, since a death must not need memory.
pub(crate) fn init() {
    RECENT.lock().notices.reserve_exact(NOTICES);
    UNREPORTED.lock().reserve_exact(NOTICES);
}

/// Tells the reaper to look.
pub fn noticed() {
    NOTICED.fetch_add(1, Ordering::SeqCst);
    wait::wake(&NOTICED, u32::MAX);
}

/// Ends the domain whose code raised an exception: notes what is known and
/// makes the thread go on in [`struck`], above its dead frames.
///
/// # Safety
/// Called from an interrupt stack for a thread that executes in a domain.
pub(crate) unsafe fn strike(
    thread: &Thread,
    cause: DeathCause,
    address: usize,
    context: &mut Interrupted,
) {
    // SAFETY: the thread is interrupted, so its stack rests and its crash cell
    // is ours; a domain's code always runs below a continuation.
    unsafe {
        let crash = thread.crash.get();
        *crash = RawCrash::walk(context.rip, context.rbp, &thread.stack_range());
        (*crash).cause = Some(cause);
        (*crash).address = address;
        let continuation = (*control()).chain as usize;
        context.rsp = ((continuation - 256) & !15) - 8;
        context.rip = struck as *const () as usize;
    }
}

/// Runs on the stack just above the continuation of a struck thread.
extern "sysv64" fn struck() -> ! {
    let preempt = PreemptOff::new();
    // SAFETY: the cell is the running thread's own.
    let crash = unsafe { thread::current().crash.get().replace(RawCrash::EMPTY) };
    let cause = crash.cause.unwrap_or(DeathCause::Protection);
    begin(domain::current(), cause, Some((&crash, b"")));
    core::mem::forget(preempt);
    // SAFETY: the current domain is dying; nothing is held (the unwinder
    // clears the pre-emption count).
    unsafe { crate::crossing::unwind() }
}

/// Ends the current domain because it panicked.
pub fn panicked(message: &[u8]) -> ! {
    end_current(DeathCause::Panic, message)
}

/// Ends the current domain and leaves it.
pub fn end_current(cause: DeathCause, message: &[u8]) -> ! {
    // From here on the thread must not be brought out before the end has
    // properly begun; the unwinder clears the count.
    core::mem::forget(PreemptOff::new());
    let frame: usize;
    // SAFETY: reads the frame pointer, which the build keeps.
    unsafe { core::arch::asm!("mov {}, rbp", out(reg) frame, options(nomem, nostack)) };
    // SAFETY: the stack is this thread's own.
    let mut crash = unsafe {
        RawCrash::walk(
            end_current as *const () as usize,
            frame,
            &thread::current().stack_range(),
        )
    };
    crash.cause = Some(cause);
    let domain = domain::current();
    if domain.is_kernel() {
        crate::panic::fatal(format_args!("the kernel ended itself: {}", cause.name()));
    }
    begin(domain, cause, Some((&crash, message)));
    // SAFETY: the current domain is dying; services that end here hold nothing.
    unsafe { crate::crossing::unwind() }
}

/// Ends the current domain, which has too little stack left for the kernel to
/// work on: touches the guard below it, so that [`strike`] begins anew above.
#[cold]
pub fn overflow() -> ! {
    let guard = thread::current().stack_range().start.wrapping_sub(8);
    loop {
        // SAFETY: the guard is not mapped: nothing is written.
        unsafe { core::arch::asm!("mov byte ptr [{}], 0", in(reg) guard, options(nostack)) };
    }
}

/// Begins the end of a domain. Returns at once; later calls change nothing.
pub fn begin(domain: &'static Domain, cause: DeathCause, crash: Option<(&RawCrash, &[u8])>) {
    begin_of(domain, domain.id(), cause, crash);
}

/// Begins the end of the domain with this id, unless another is in its slot by now: who
/// ends it by its id holds nothing that keeps the slot.
pub fn begin_of(
    domain: &'static Domain,
    id: u64,
    cause: DeathCause,
    crash: Option<(&RawCrash, &[u8])>,
) {
    if domain.is_kernel() {
        return;
    }
    // Threads that leave the domain meanwhile wait until its devices are silent
    // (`crossing::wait_until_quiet`), so this one must get on.
    let preempt = PreemptOff::new();
    let is_its_own = crash.is_some_and(|(raw, _)| raw.depth != 0);
    let caller = if is_its_own { caller_of(id) } else { 0 };
    // Under the lock so that nobody sees it dying without a cause.
    let was_alive = domain.with(|body| {
        let was_alive = domain.set_dying(id);
        if was_alive {
            body.end = Some((cause, 0));
            body.caller = caller;
        }
        was_alive
    });
    if !was_alive {
        return;
    }
    let is_left_to_starter = is_left_to_the_starter(domain);
    if !is_left_to_starter {
        // Those that drive its devices stop before these do: none of them sees
        // its device being taken away and takes that for an answer.
        disturb_threads(domain);
    }
    device::quiesce(domain.id());
    let is_crash = !matches!(cause, DeathCause::Exit | DeathCause::StartFailed);
    // Who was inside is noted before they leave, and written down afterwards:
    // that takes long.
    let inside = if is_crash && !is_its_own {
        record::threads_inside(domain)
    } else {
        [const { None }; record::THREADS_SHOWN]
    };
    domain.set_quiet();
    drop(preempt);
    if is_crash {
        let sequence = record::write(domain, cause, crash, &inside);
        domain.with(|body| body.end = Some((cause, sequence)));
    }
    DYING.fetch_add(1, Ordering::SeqCst);
    domain.leave_to_reclaim();
    // Now and not when it is reclaimed: they may be what holds it.
    end_children(domain.id(), cause);
    if !is_left_to_starter {
        noticed();
    }
}

/// The domain whose thread ends the one with this id by what it executes there, unless
/// that is a fault made on purpose; 0: a thread of its own.
fn caller_of(id: u64) -> u64 {
    let thread = thread::current();
    match thread.is_faulty.swap(false, Ordering::Relaxed) || thread.home == id {
        true => 0,
        false => thread.home,
    }
}

/// Ends the domains that a domain has started, but for detached ones. Where that
/// one came to its proper end they do so, too.
fn end_children(parent: u64, cause: DeathCause) {
    let cause = match cause {
        DeathCause::Exit | DeathCause::StartFailed => DeathCause::Exit,
        _ => DeathCause::Killed,
    };
    for child in domain::living() {
        if child.with(|body| body.parent == parent && !body.detached) {
            begin(child, cause, None);
        }
    }
}

/// Whether a domain ends itself that no thread but the one that started it has
/// ever entered: that one reclaims it on its way back ([`end_started`]).
fn is_left_to_the_starter(domain: &'static Domain) -> bool {
    !domain.is_shared() && core::ptr::eq(domain, domain::current())
}

/// Ends a domain whose entry the current thread has just left, and reclaims it
/// if no thread holds it.
pub(crate) fn end_started(domain: &'static Domain, cause: DeathCause) {
    begin(domain, cause, None);
    reclaim_started(domain);
}

/// Reclaims a dying domain whose entry the current thread has just left. If
/// others have entered it, that may be left to the reaper.
pub(crate) fn reclaim_started(domain: &'static Domain) {
    if domain.is_shared() {
        if !try_reclaim(domain) {
            noticed();
        }
    } else if scan::is_held_here(domain) {
        noticed();
    } else if take_dying(domain) {
        reclaim(domain);
    }
}

/// Wakes every thread that executes in the domain, so that it leaves.
fn disturb_threads(domain: &'static Domain) {
    disturb_those(|slot| core::ptr::eq(slot, domain.slot()));
}

/// Wakes every thread that executes in a dying domain.
fn disturb_dying() {
    // SAFETY: slots are never freed.
    disturb_those(|slot| unsafe { (*slot).live.load(Ordering::Relaxed) == 0 });
}

fn disturb_those(is_meant: impl Fn(*const DomainSlot) -> bool) {
    thread::for_each(|thread| {
        // SAFETY: a racy look at a pointer; waking the wrong thread is harmless.
        if is_meant(unsafe { (*thread.control()).current }) {
            scheduler::wake(thread);
        }
    });
    crate::cpu::disturb_others();
}

/// Hands an ended thread to the reaper.
pub(crate) fn thread_ended(thread: &'static Thread) {
    {
        let mut ended = ENDED.lock();
        let next = ended.map_or(ptr::null_mut(), |next| ptr::from_ref(next).cast_mut());
        thread.next.store(next, Ordering::Relaxed);
        *ended = Some(thread);
    }
    noticed();
}

/// The janitor's life: sees that objects of which the last holder died are given back
/// to their owners, each on a thread of its owner's. Threads take memory to make, so it
/// is not the reaper that does it.
pub(crate) fn tidy() -> ! {
    loop {
        let seen = NOTICED.load(Ordering::SeqCst);
        while export::finish_forlorn() {}
        // The answer does not matter: the loop looks at everything anew.
        let _ = wait::wait(&NOTICED, seen, u64::MAX);
    }
}

/// The reaper's life.
pub(crate) extern "sysv64" fn reap(_: *mut ()) {
    loop {
        let seen = NOTICED.load(Ordering::SeqCst);
        free_threads();
        iommu::end_faulty();
        limits::take_census();
        let began_ns = machine::get().now_ns();
        let lingering = reclaim_dying();
        let deadline = if lingering {
            // Those that are to leave need the CPU more than the reaper.
            let now_ns = machine::get().now_ns();
            now_ns + (4 * (now_ns - began_ns)).clamp(LINGER_NS, MOST_LINGER_NS)
        } else {
            u64::MAX
        };
        // The answer does not matter: the loop looks at everything anew.
        let _ = wait::wait(&NOTICED, seen, deadline);
    }
}

fn free_threads() {
    let mut ended = ENDED.lock().take();
    while let Some(thread) = ended {
        // SAFETY: null or a thread that has ended and is freed here only.
        ended = unsafe { thread.next.load(Ordering::Relaxed).as_ref() };
        crate::sync::spin_until(|| !thread.is_claimed());
        // SAFETY: it ended, its stack is left, and the list was its last place.
        unsafe { thread::free(thread) };
    }
}

/// Reclaims the dying domains that no thread holds; whether some remain.
fn reclaim_dying() -> bool {
    if DYING.load(Ordering::SeqCst) == 0 {
        return false;
    }
    // One look at all threads for all domains: many may die at once.
    let looked = scan::look_around();
    let mut lingering = false;
    for domain in domain::living().filter(|domain| domain.waits_for_reclaim()) {
        if !domain.is_clear(looked) {
            lingering = true;
        } else if take_dying(domain) {
            reclaim(domain);
        }
    }
    if lingering {
        disturb_dying();
    }
    lingering
}

/// Reclaims a dying domain if no thread holds it; whether it is dead now.
fn try_reclaim(domain: &'static Domain) -> bool {
    if !domain.is_clear(scan::look_around()) {
        return false;
    }
    if take_dying(domain) {
        reclaim(domain);
    }
    true
}

fn take_dying(domain: &'static Domain) -> bool {
    let is_taken = domain.take_to_reclaim();
    if is_taken {
        DYING.fetch_sub(1, Ordering::SeqCst);
    }
    is_taken
}

/// Frees everything a domain had. No thread holds it.
fn reclaim(domain: &'static Domain) {
    let id = domain.id();
    let (cause, record, name) = domain.with(|body| {
        let (cause, record) = body.end.unwrap_or((DeathCause::Killed, 0));
        (cause, record, body.name)
    });
    limits::finish_log(domain);
    crate::boot::end_with(domain, cause);
    end_children(id, cause);
    device::release(id);
    crate::start::close_images_of(id);
    exchange::reclaim(id, &mut |proxy| {
        // SAFETY: the dead domain's proxy, reported once.
        unsafe { export::forsake(proxy) };
    });
    if export::has_forlorn() {
        // For the janitor, who may have looked too early.
        noticed();
    }
    let notice = DeathNotice {
        id,
        name,
        cause: cause as u32,
        exit_status: domain.with(|body| exit_status(body, id)),
        record,
        begun_ns: domain.died_ns(),
        caller: domain.with(|body| body.caller),
    };
    crate::famine::report(domain);
    domain.set_dead(notice);
    RECENT.lock().push(notice);
    push_bounded(&mut UNREPORTED.lock(), notice);
    DEATHS.fetch_add(1, Ordering::SeqCst);
    wait::wake(&DEATHS, u32::MAX);
}

/// What the domain with this id exited with; 0 unless it did.
fn exit_status(body: &domain::Body, id: u64) -> i32 {
    match body.last_exit {
        Some((last, status)) if last == id => status,
        _ => 0,
    }
}

fn push_bounded(notices: &mut VecDeque<DeathNotice>, notice: DeathNotice) {
    if notices.len() == NOTICES {
        notices.pop_front();
    }
    notices.push_back(notice);
}

/// Waits until a domain is dead and reclaimed; `id` 0: any, each once.
///
/// # Errors
/// `NotFound` when `id` never was a domain; those of [`wait::wait`].
pub fn wait_death(id: u64, deadline_ns: u64) -> Result<DeathNotice, ServiceError> {
    loop {
        let seen = DEATHS.load(Ordering::SeqCst);
        let notice = if id == 0 {
            UNREPORTED.lock().pop_front()
        } else {
            notice_of(id)?
        };
        if let Some(notice) = notice {
            return Ok(notice);
        }
        wait::wait(&DEATHS, seen, deadline_ns)?;
    }
}

/// Waits for a death after the `after`-th since boot: its number and notice. One
/// that is forgotten is passed over.
///
/// # Errors
/// Those of [`wait::wait`].
pub fn next_death(after: u64, deadline_ns: u64) -> Result<(u64, DeathNotice), ServiceError> {
    loop {
        let seen = DEATHS.load(Ordering::SeqCst);
        let next = RECENT.lock().next(after);
        if let Some(next) = next {
            return Ok(next);
        }
        wait::wait(&DEATHS, seen, deadline_ns)?;
    }
}

fn notice_of(id: u64) -> Result<Option<DeathNotice>, ServiceError> {
    let domain = domain::slot_of(id).ok_or(ServiceError::NotFound)?;
    if domain::find(id).is_some() {
        return Ok(None);
    }
    let recent = {
        let recent = RECENT.lock();
        let mut newest_first = recent.notices.iter().rev();
        newest_first.find(|one| one.id == id).copied()
    };
    if recent.is_some() {
        return Ok(recent);
    }
    let last = domain.with(|body| body.last);
    Ok(Some(last_notice(last, id)))
}

/// The notice of a domain whose slot has `last` as that of its last one. If that is
/// another, all that is known is that the domain is dead.
fn last_notice(last: Option<DeathNotice>, id: u64) -> DeathNotice {
    let forgotten = DeathNotice {
        id,
        name: abi::note::name("?"),
        cause: DeathCause::Exit as u32,
        exit_status: 0,
        record: 0,
        begun_ns: 0,
        caller: 0,
    };
    last.filter(|last| last.id == id).unwrap_or(forgotten)
}

/// Why the domain ended, as far as it is known now.
#[must_use]
pub fn cause_of(id: u64) -> Option<DeathCause> {
    let domain = domain::slot_of(id)?;
    domain.with(|body| match (domain.id() == id, body.end, body.last) {
        (true, Some((cause, _)), _) => Some(cause),
        (_, _, Some(last)) if last.id == id => DeathCause::from_number(last.cause),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(id: u64) -> DeathNotice {
        DeathNotice {
            id,
            name: abi::note::name("test"),
            cause: DeathCause::Exit as u32,
            exit_status: 0,
            record: 0,
            begun_ns: 0,
            caller: 0,
        }
    }

    #[test]
    fn a_forgotten_death_is_not_told_with_the_name_of_the_next_domain() {
        let last = DeathNotice {
            name: abi::note::name("successor"),
            exit_status: 7,
            record: 3,
            begun_ns: 9,
            ..notice(0x2_0005)
        };
        let words = |one: DeathNotice| {
            let name = record::name_text(&one.name) == "successor";
            (one.id, name, one.exit_status, one.record, one.begun_ns)
        };
        let known = last_notice(Some(last), last.id);
        assert_eq!(words(known), (last.id, true, 7, 3, 9));
        for of_slot in [Some(last), None] {
            let told = last_notice(of_slot, 0x1_0005);
            assert_eq!(words(told), (0x1_0005, false, 0, 0, 0));
        }
    }

    #[test]
    fn deaths_are_followed_by_their_numbers_and_forgotten_ones_passed_over() {
        let mut recent = Recent {
            deaths: 0,
            notices: VecDeque::new(),
        };
        assert!(recent.next(0).is_none());
        let all = NOTICES as u64 + 10;
        (1..=all).for_each(|number| recent.push(notice(100 + number)));
        let next = |after| recent.next(after).map(|(number, one)| (number, one.id));
        assert_eq!(next(0), Some((11, 111)));
        assert_eq!(next(11), Some((12, 112)));
        assert_eq!(next(all - 1), Some((all, 100 + all)));
        assert_eq!(next(all), None);
        assert_eq!(next(u64::MAX), None);
    }
}
