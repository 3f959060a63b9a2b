//! A CPU: a pthread with its interrupt stack, timer and idle wait.

use core::ffi::c_void;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU32, AtomicU64, Ordering};

use abi::PAGE_SIZE;
use abi::thread::ThreadControl;

use crate::clock;
use crate::signal;
use crate::system_call::{Errno, system_call};

/// Most CPUs.
pub const MAX_CPUS: usize = 64;

/// Bytes of interrupt stack beside what the signal frame takes.
const INTERRUPT_STACK: usize = 64 * 1024;

/// `AT_HWCAP2`: the instruction `wrgsbase` may be used.
const HWCAP2_FSGSBASE: u64 = 1 << 1;

/// `arch_prctl`: sets the base of gs.
const ARCH_SET_GS: usize = 0x1001;

/// Never, as a deadline.
const NEVER: u64 = u64::MAX;

static CPUS: [Cpu; MAX_CPUS] = [const { Cpu::new() }; MAX_CPUS];

/// Whether `wrgsbase` is to be used.
static HAS_FSGSBASE: AtomicBool = AtomicBool::new(false);

/// Whether deadlines are noticed only when threads change and in idle waits, so
/// that nothing is pre-empted (option `no_timer`, for debuggers and valgrind).
static NO_TIMER: AtomicBool = AtomicBool::new(false);

// The pthread's CPU, in its thread-local storage; null on other pthreads.
// Written by hand because `core` has no thread-local variables.
core::arch::global_asm!(
    ".pushsection .tbss.redleaf_cpu, \"awT\", @nobits",
    ".balign 8",
    ".globl redleaf_cpu",
    ".type redleaf_cpu, @object",
    ".size redleaf_cpu, 8",
    "redleaf_cpu: .zero 8",
    ".popsection",
);

/// A CPU of the machine.
#[derive(Debug)]
pub struct Cpu {
    /// Number of its pthread, 0 until it runs.
    thread: AtomicI32,
    /// Idle thread to begin with; null until the kernel core starts the CPU.
    first: AtomicPtr<ThreadControl>,
    /// Non-zero when `first` is set: what the pthread waits on.
    is_started: AtomicU32,
    /// Its POSIX timer.
    timer: AtomicI32,
    /// When the kernel core wants [`kernel_core::interrupt::Event::Timer`].
    wanted_ns: AtomicU64,
    /// What the POSIX timer is set to, at most `wanted_ns` while that is set.
    armed_ns: AtomicU64,
    /// gs holds a thread control block.
    has_thread: AtomicBool,
    /// Signals are not blocked in thread context.
    is_open: AtomicBool,
}

/// Chooses what all CPUs use, before the first one is made.
pub fn configure(no_timer: bool) {
    // SAFETY: it only looks up the auxiliary vector.
    let capabilities = unsafe { libc::getauxval(libc::AT_HWCAP2) };
    let has_fsgsbase = capabilities & HWCAP2_FSGSBASE != 0;
    HAS_FSGSBASE.store(has_fsgsbase, Ordering::Relaxed);
    NO_TIMER.store(no_timer, Ordering::Relaxed);
}

/// The CPU whose pthread this is.
pub fn current() -> Option<&'static Cpu> {
    let cpu: *const Cpu;
    // SAFETY: fs belongs to the pthread and the variable is in its storage.
    unsafe {
        core::arch::asm!(
            "mov {}, qword ptr fs:[redleaf_cpu@tpoff]",
            out(reg) cpu,
            options(nostack, preserves_flags, readonly),
        );
        cpu.as_ref()
    }
}

/// Makes this pthread CPU `index`. Its signals stay blocked for now.
pub fn adopt_pthread(index: usize) -> Result<&'static Cpu, Errno> {
    let cpu = &CPUS[index];
    signal::block();
    install_interrupt_stack()?;
    // SAFETY: it answers the number of the pthread, nothing else.
    let thread = unsafe { libc::gettid() };
    cpu.create_timer(thread)?;
    // SAFETY: fs belongs to the pthread and the variable is in its storage.
    unsafe {
        core::arch::asm!(
            "mov qword ptr fs:[redleaf_cpu@tpoff], {}",
            in(reg) core::ptr::from_ref(cpu),
            options(nostack, preserves_flags),
        );
    }
    cpu.thread.store(thread, Ordering::Release);
    Ok(cpu)
}

/// Makes a pthread for CPU `index`, which waits to be [`start`]ed. At start-up.
pub fn spawn(index: usize) -> Result<(), Errno> {
    let mut pthread: libc::pthread_t = 0;
    // SAFETY: the function takes a number; nothing is shared on its stack.
    let error = unsafe {
        libc::pthread_create(
            &raw mut pthread,
            core::ptr::null(),
            run,
            index as *mut c_void,
        )
    };
    if error != 0 {
        return Err(Errno(error));
    }
    Ok(())
}

/// Lets the pthread of CPU `index` go on as the idle thread `idle`. False if
/// there is no such pthread.
pub fn start(index: usize, idle: *const ThreadControl) -> bool {
    let Some(cpu) = CPUS.get(index) else {
        return false;
    };
    cpu.first.store(idle.cast_mut(), Ordering::Release);
    cpu.is_started.store(1, Ordering::Release);
    let arguments = [
        cpu.is_started.as_ptr() as usize,
        libc::FUTEX_WAKE as usize,
        1,
        0,
        0,
        0,
    ];
    // SAFETY: the word lives for ever.
    unsafe { system_call(libc::SYS_futex, arguments) }.is_ok()
}

/// The life of another CPU's pthread.
extern "C" fn run(index: *mut c_void) -> *mut c_void {
    let Ok(cpu) = adopt_pthread(index as usize) else {
        // The kernel core goes on without a CPU that does not come.
        return core::ptr::null_mut();
    };
    let idle = cpu.wait_for_start();
    // SAFETY: the kernel core passed the block of this CPU's idle thread, which
    // lives for ever.
    unsafe { cpu.load_thread(idle) };
    kernel_core::boot::run_secondary()
}

/// Sends `signal` to CPU `index`, if it runs.
pub fn send(index: usize, signal: i32) {
    if let Some(cpu) = CPUS.get(index) {
        cpu.send(signal);
    }
}

impl Cpu {
    const fn new() -> Self {
        Self {
            thread: AtomicI32::new(0),
            first: AtomicPtr::new(core::ptr::null_mut()),
            is_started: AtomicU32::new(0),
            timer: AtomicI32::new(0),
            wanted_ns: AtomicU64::new(NEVER),
            armed_ns: AtomicU64::new(NEVER),
            has_thread: AtomicBool::new(false),
            is_open: AtomicBool::new(false),
        }
    }

    /// Waits until the kernel core starts the CPU; the idle thread to be.
    fn wait_for_start(&self) -> *const ThreadControl {
        while self.is_started.load(Ordering::Acquire) == 0 {
            let word = self.is_started.as_ptr() as usize;
            let arguments = [word, libc::FUTEX_WAIT as usize, 0, 0, 0, 0];
            // SAFETY: the word lives for ever; there is no time-out.
            let _ = unsafe { system_call(libc::SYS_futex, arguments) };
        }
        self.first.load(Ordering::Acquire)
    }

    /// Whether gs holds a thread control block.
    pub fn has_thread(&self) -> bool {
        self.has_thread.load(Ordering::Relaxed)
    }

    /// Makes `gs:0` the thread's control block.
    ///
    /// # Safety
    /// The block must live until another one is loaded; this is the CPU's own
    /// pthread.
    pub unsafe fn load_thread(&self, thread: *const ThreadControl) {
        if HAS_FSGSBASE.load(Ordering::Relaxed) {
            // SAFETY: Linux allows it, and nothing but the kernel core uses gs.
            unsafe {
                core::arch::asm!("wrgsbase {}", in(reg) thread, options(nostack, preserves_flags));
            }
        } else {
            let arguments = [ARCH_SET_GS, thread as usize, 0, 0, 0, 0];
            // SAFETY: nothing but the kernel core uses gs. It cannot fail for
            // an address of user space.
            let _ = unsafe { system_call(libc::SYS_arch_prctl, arguments) };
        }
        if !self.has_thread() {
            self.has_thread.store(true, Ordering::Relaxed);
        }
        if NO_TIMER.load(Ordering::Relaxed) {
            self.notice_deadline();
        }
    }

    /// Asks for a timer event at `deadline_ns`, on the CPU's own pthread.
    ///
    /// A timer that is set to an earlier moment is left alone: it is set again
    /// when it fires ([`Cpu::timer_fired`]). So a deadline that moves on with
    /// every switch of threads costs no system call.
    pub fn set_timer(&self, deadline_ns: u64) {
        self.wanted_ns.store(deadline_ns, Ordering::Relaxed);
        self.open();
        if NO_TIMER.load(Ordering::Relaxed) {
            self.notice_deadline();
        } else if deadline_ns < self.armed_ns.load(Ordering::Relaxed) {
            self.arm(deadline_ns);
        }
    }

    /// Whether the timer event is due, in the handler of the timer's signal.
    pub fn timer_fired(&self) -> bool {
        self.armed_ns.store(NEVER, Ordering::Relaxed);
        let wanted_ns = self.wanted_ns.load(Ordering::Relaxed);
        if clock::now_ns() >= wanted_ns {
            self.wanted_ns.store(NEVER, Ordering::Relaxed);
            return true;
        }
        if wanted_ns != NEVER && !NO_TIMER.load(Ordering::Relaxed) {
            self.arm(wanted_ns);
        }
        false
    }

    /// Waits for a signal unless `work_pending()`, on the CPU's own pthread.
    pub fn idle(&self, work_pending: &dyn Fn() -> bool) {
        if work_pending() {
            return;
        }
        signal::block();
        // What arrives from here on stays pending until the wait opens the mask.
        if !work_pending() {
            if NO_TIMER.load(Ordering::Relaxed) {
                self.wait_without_timer();
            } else {
                signal::wait(None);
            }
        }
        self.is_open.store(true, Ordering::Relaxed);
        signal::unblock();
    }

    /// Waits until a signal arrives or the timer event is due.
    fn wait_without_timer(&self) {
        let wanted_ns = self.wanted_ns.load(Ordering::Relaxed);
        if wanted_ns == NEVER {
            signal::wait(None);
            return;
        }
        signal::wait(Some(wanted_ns.saturating_sub(clock::now_ns())));
        self.notice_deadline();
    }

    /// Raises the timer event by hand, if it is due.
    fn notice_deadline(&self) {
        if clock::now_ns() >= self.wanted_ns.load(Ordering::Relaxed) {
            self.send(signal::TIMER);
        }
    }

    /// Lets signals in for the first time, when the kernel core is up.
    fn open(&self) {
        if !self.is_open.load(Ordering::Relaxed) {
            self.is_open.store(true, Ordering::Relaxed);
            signal::unblock();
        }
    }

    fn send(&self, signal: i32) {
        let thread = self.thread.load(Ordering::Acquire);
        if thread == 0 {
            return;
        }
        // SAFETY: it answers a number, nothing else.
        let process = unsafe { libc::getpid() };
        let arguments = [
            process.cast_unsigned() as usize,
            thread.cast_unsigned() as usize,
            signal.cast_unsigned() as usize,
            0,
            0,
            0,
        ];
        // SAFETY: the pthread has a handler for it.
        let _ = unsafe { system_call(libc::SYS_tgkill, arguments) };
    }

    fn create_timer(&self, thread: i32) -> Result<(), Errno> {
        // SAFETY: all-zero bytes are a `sigevent`.
        let mut event: libc::sigevent = unsafe { core::mem::zeroed() };
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = signal::TIMER;
        event.sigev_notify_thread_id = thread;
        let mut timer: i32 = 0;
        let arguments = [
            libc::CLOCK_MONOTONIC as usize,
            &raw mut event as usize,
            &raw mut timer as usize,
            0,
            0,
            0,
        ];
        // SAFETY: Linux reads the event and writes the timer's number.
        unsafe { system_call(libc::SYS_timer_create, arguments) }?;
        self.timer.store(timer, Ordering::Relaxed);
        Ok(())
    }

    fn arm(&self, deadline_ns: u64) {
        self.armed_ns.store(deadline_ns, Ordering::Relaxed);
        let setting = libc::itimerspec {
            it_interval: clock::timespec(0),
            it_value: clock::host_time(deadline_ns),
        };
        let arguments = [
            self.timer.load(Ordering::Relaxed).cast_unsigned() as usize,
            libc::TIMER_ABSTIME as usize,
            &raw const setting as usize,
            0,
            0,
            0,
        ];
        // SAFETY: Linux reads the setting; the timer is this CPU's.
        let _ = unsafe { system_call(libc::SYS_timer_settime, arguments) };
    }
}

/// Gives this pthread a stack for signal handlers, with a guard page below.
fn install_interrupt_stack() -> Result<(), Errno> {
    // SAFETY: it only looks up the auxiliary vector.
    let frame = unsafe { libc::getauxval(libc::AT_MINSIGSTKSZ) } as usize;
    let bytes = INTERRUPT_STACK + frame.max(4096).next_multiple_of(PAGE_SIZE);
    // SAFETY: fresh private memory at an address of the system's choice; its
    // first page becomes the guard.
    let guard = unsafe {
        libc::mmap(
            core::ptr::null_mut(),
            PAGE_SIZE + bytes,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    if guard == libc::MAP_FAILED {
        return Err(Errno::last());
    }
    let stack = libc::stack_t {
        ss_sp: guard.wrapping_byte_add(PAGE_SIZE),
        ss_flags: 0,
        ss_size: bytes,
    };
    // SAFETY: the memory was made just now for this purpose and stays for ever.
    let failed = unsafe {
        libc::mprotect(guard, PAGE_SIZE, libc::PROT_NONE) != 0
            || libc::sigaltstack(&raw const stack, core::ptr::null_mut()) != 0
    };
    if failed {
        return Err(Errno::last());
    }
    Ok(())
}
