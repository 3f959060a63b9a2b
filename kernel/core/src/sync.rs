//! What keeps CPUs and threads out of each other's way.

pub use crate::spin_lock::{SpinGuard, SpinLock};

/// While it lives the current thread is neither pre-empted nor unwound.
///
/// Guards nest. When the last one goes, work that interrupts left behind is
/// done, which may switch to another thread.
#[derive(Debug)]
pub struct PreemptOff(());

impl PreemptOff {
    /// Turns pre-emption off.
    #[inline]
    #[must_use]
    pub fn new() -> Self {
        #[cfg(not(test))]
        // SAFETY: gs points to the thread's own control block from boot on.
        unsafe {
            core::arch::asm!("inc dword ptr gs:[{off}]", off = const abi::thread::offset::PREEMPT_OFF);
        }
        Self(())
    }
}

impl PreemptOff {
    /// Takes over a count that the thread's control block already has.
    pub(crate) const fn adopt() -> Self {
        Self(())
    }
}

impl Default for PreemptOff {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for PreemptOff {
    #[inline]
    fn drop(&mut self) {
        #[cfg(not(test))]
        {
            let control = crate::thread::control();
            // SAFETY: the control block is the running thread's own.
            let idle = unsafe {
                core::arch::asm!("dec dword ptr gs:[{off}]", off = const abi::thread::offset::PREEMPT_OFF);
                (*control).preempt_off == 0
                    && (*control)
                        .work_pending
                        .load(core::sync::atomic::Ordering::Relaxed)
                        != 0
            };
            if idle {
                crate::scheduler::deferred_work();
            }
        }
    }
}

/// Times a condition is looked at before the machine is asked to relax.
const SPINS: u32 = 100;

/// Waits, without giving the CPU to another thread, until `is_done`.
///
/// For what another CPU is about to do and needs nothing of this one for.
#[inline]
pub fn spin_until(is_done: impl Fn() -> bool) {
    let mut spins = 0;
    while !is_done() {
        spins += 1;
        if spins < SPINS {
            core::hint::spin_loop();
        } else {
            relax();
            spins = 0;
        }
    }
}

#[cold]
fn relax() {
    #[cfg(test)]
    std::thread::yield_now();
    #[cfg(not(test))]
    crate::machine::get().relax();
}
