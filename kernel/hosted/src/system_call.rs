//! System calls, made without libc and its `errno`.

use core::fmt;

/// An error number of Linux.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Errno(pub i32);

impl Errno {
    pub const INTERRUPTED: Self = Self(libc::EINTR);
    pub const AGAIN: Self = Self(libc::EAGAIN);
    pub const NO_MEMORY: Self = Self(libc::ENOMEM);

    /// What the last libc function that failed on this pthread left behind.
    pub fn last() -> Self {
        // SAFETY: it returns the address of this pthread's own variable.
        Self(unsafe { *libc::__errno_location() })
    }
}

/// In words, from libc: for start-up only.
impl fmt::Display for Errno {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: `strerror` answers a zero-terminated string for any number;
        // it is read before another call can change it.
        let text = unsafe { core::ffi::CStr::from_ptr(libc::strerror(self.0)) };
        formatter.write_str(text.to_str().unwrap_or("unknown error"))
    }
}

/// Makes a system call with up to six arguments.
///
/// # Safety
/// As the system call says; `arguments` it does not take are ignored.
pub unsafe fn system_call(number: i64, arguments: [usize; 6]) -> Result<usize, Errno> {
    let answer: isize;
    // SAFETY: the kernel clobbers rcx and r11 and answers in rax; the rest is
    // the caller's contract.
    unsafe {
        core::arch::asm!(
            "syscall",
            inlateout("rax") number as isize => answer,
            in("rdi") arguments[0],
            in("rsi") arguments[1],
            in("rdx") arguments[2],
            in("r10") arguments[3],
            in("r8") arguments[4],
            in("r9") arguments[5],
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    if (-4095..0).contains(&answer) {
        #[expect(clippy::cast_possible_truncation, reason = "between 1 and 4,095")]
        return Err(Errno(-answer as i32));
    }
    Ok(answer.cast_unsigned())
}

/// A file descriptor as an argument.
pub fn descriptor_argument(descriptor: i32) -> usize {
    descriptor as isize as usize
}

/// `write(2)` until all is written or an error says that nobody reads.
pub fn write_all(descriptor: i32, mut text: &[u8]) {
    while !text.is_empty() {
        let arguments = [
            descriptor_argument(descriptor),
            text.as_ptr() as usize,
            text.len(),
            0,
            0,
            0,
        ];
        // SAFETY: the kernel reads `text` only.
        match unsafe { system_call(libc::SYS_write, arguments) } {
            Ok(written) => text = text.get(written..).unwrap_or_default(),
            Err(Errno::INTERRUPTED) => {}
            Err(Errno::AGAIN) => wait_writable(descriptor),
            Err(_) => return,
        }
    }
}

/// Waits until a descriptor somebody set non-blocking takes more.
fn wait_writable(descriptor: i32) {
    let mut poll = libc::pollfd {
        fd: descriptor,
        events: libc::POLLOUT,
        revents: 0,
    };
    // A signal ends the wait early; the caller tries again anyway.
    // SAFETY: `poll` is one entry, which the kernel may write.
    let _ = unsafe {
        system_call(
            libc::SYS_poll,
            [&raw mut poll as usize, 1, usize::MAX, 0, 0, 0],
        )
    };
}

/// `exit_group(2)`: ends the process, all its pthreads, without any clean-up.
pub fn exit(status: i32) -> ! {
    loop {
        // SAFETY: it does not return.
        let _ = unsafe {
            system_call(
                libc::SYS_exit_group,
                [status as isize as usize, 0, 0, 0, 0, 0],
            )
        };
    }
}
