//! What C's start-up code, the compiler and `alloc` look for in a program.

use core::ffi::{CStr, c_char};
use core::fmt::{self, Write};

use kernel_core::boot;
use kernel_core::heap::KernelHeap;

use crate::arguments::ArgumentError;
use crate::start::{StartError, prepare};
use crate::system_call::{exit, write_all};

/// Exit status for a command line or file that is no good.
const STATUS_USAGE: i32 = 2;

/// The kernel core allocates once it knows the memory; this crate never does.
#[global_allocator]
static HEAP: KernelHeap = KernelHeap;

/// Where C's start-up code goes on.
#[unsafe(no_mangle)]
extern "C" fn main(count: i32, values: *const *const c_char) -> i32 {
    let arguments = (1..usize::try_from(count).unwrap_or(0)).map(|index| {
        // SAFETY: C promises `count` zero-terminated strings that stay for ever.
        unsafe { CStr::from_ptr(*values.add(index)) }
    });
    let (machine, info) = match prepare(arguments) {
        Ok(prepared) => prepared,
        Err(StartError::Argument(ArgumentError::Help)) => {
            write_all(1, crate::arguments::USAGE.as_bytes());
            return 0;
        }
        Err(error) => {
            // Writing to standard error does not fail.
            let _ = writeln!(StandardError, "kernel-hosted: {error}");
            return STATUS_USAGE;
        }
    };
    boot::start(machine, info)
}

struct StandardError;

impl Write for StandardError {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        write_all(2, text.as_bytes());
        Ok(())
    }
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    kernel_core::panic::report(info)
}

/// Named by the prebuilt `core`; never called, because panics abort.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

/// Named by the prebuilt `core`; never called, because panics abort.
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() -> ! {
    exit(125)
}
