//! Threads of this domain.

use alloc::boxed::Box;

use abi::status::{ServiceError, check};
use exchange::thread::services;

use crate::time::{Duration, Instant};

/// How urgently a thread runs, compared with others that are ready.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
#[repr(u32)]
pub enum Priority {
    /// Only when nothing else is ready.
    Idle = 0,
    /// The ordinary case.
    #[default]
    Normal = 1,
    /// Serves a device.
    High = 2,
}

/// A thread's number, unique since boot.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ThreadId(pub u64);

/// Bytes that may still be put onto the stack of this thread before calls of other
/// domains are refused for want of stack; 24 KiB and more behind that, calls of the
/// kernel end this domain.
#[must_use]
pub fn stack_left() -> usize {
    exchange::thread::stack_left()
}

/// Starts a thread that runs `code`. It ends when `code` returns.
///
/// # Errors
/// [`ServiceError::NoMemory`] when there is none for another stack.
pub fn spawn(
    name: &str,
    priority: Priority,
    code: impl FnOnce() + Send + 'static,
) -> Result<ThreadId, ServiceError> {
    spawn_with_stack(name, priority, 0, code)
}

/// As [`spawn`], with a stack of `stack_bytes`: at least 40 KiB, of which calls
/// of the kernel may use 24, and at most 16 MiB; 0 is the usual 256 KiB. All of
/// it is memory from the start, so a thread that does little can do with little. Calls
/// of other domains want 16 KiB more for each domain below another, at most 128: else
/// they end with [`exchange::RpcError::NoStack`].
///
/// # Errors
/// As [`spawn`].
pub fn spawn_with_stack(
    name: &str,
    priority: Priority,
    stack_bytes: usize,
    code: impl FnOnce() + Send + 'static,
) -> Result<ThreadId, ServiceError> {
    let code: Box<Code> = Box::new(Box::new(code));
    let argument = Box::into_raw(code);
    let name = abi::note::name(name);
    // SAFETY: every domain may start threads; `enter` takes this argument back,
    // once, on the new thread; the name lives for the call.
    let answer = unsafe {
        (services().thread_spawn)(
            enter,
            argument.cast(),
            &raw const name,
            priority as u32,
            stack_bytes,
        )
    };
    check(answer).map(ThreadId).inspect_err(|_| {
        // SAFETY: no thread was started, so the argument is still ours.
        drop(unsafe { Box::from_raw(argument) });
    })
}

type Code = Box<dyn FnOnce() + Send>;

/// First function of a new thread.
///
/// # Safety
/// `argument` is a `Box<Code>` given up for this thread.
unsafe extern "sysv64" fn enter(argument: *mut ()) {
    // SAFETY: the caller's promise.
    let code = unsafe { Box::from_raw(argument.cast::<Code>()) };
    code();
}

/// Ends this domain with an exit status, whatever its threads are doing.
pub fn exit(status: i32) -> ! {
    // SAFETY: a domain may end itself.
    (unsafe { services() }.exit)(status)
}

/// Binds the current thread to CPU `cpu`: it runs there and nowhere else.
///
/// # Errors
/// [`ServiceError::Invalid`] if there is no such CPU; [`ServiceError::Denied`] if the
/// thread is not this domain's but that of a caller, or of who starts it.
pub fn bind_to_cpu(cpu: u32) -> Result<(), ServiceError> {
    let mask = 1_u64.checked_shl(cpu).unwrap_or(0);
    // SAFETY: every domain may bind its threads.
    check((unsafe { services() }.thread_bind)(mask)).map(drop)
}

/// Number of the CPU this runs on. It may have changed on return, unless the
/// thread is bound to it.
#[must_use]
pub fn current_cpu() -> u32 {
    // SAFETY: every domain may ask.
    (unsafe { services() }.cpu_number)()
}

/// CPUs that run threads, numbered from 0.
#[must_use]
pub fn cpu_count() -> u32 {
    // SAFETY: every domain may ask.
    (unsafe { services() }.cpu_count)()
}

/// Lets another ready thread run.
pub fn yield_now() {
    // SAFETY: every domain may yield.
    (unsafe { services() }.thread_yield)();
}

/// Sleeps at least for `length`.
pub fn sleep(length: Duration) {
    sleep_until(Instant::now() + length);
}

/// Sleeps until the monotonic clock shows `deadline`.
pub fn sleep_until(deadline: Instant) {
    while Instant::now() < deadline {
        // SAFETY: every domain may sleep.
        let _early = (unsafe { services() }.sleep_until)(deadline.nanoseconds());
    }
}
