//! The symbols that compiled code refers to by name.

use core::ffi::c_int;

/// C's `memcpy`.
///
/// # Safety
/// See [`crate::copy`].
#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(destination: *mut u8, source: *const u8, length: usize) -> *mut u8 {
    // SAFETY: the caller's promise.
    unsafe { crate::copy(destination, source, length) };
    destination
}

/// C's `memmove`.
///
/// # Safety
/// See [`crate::copy`].
#[unsafe(no_mangle)]
unsafe extern "C" fn memmove(destination: *mut u8, source: *const u8, length: usize) -> *mut u8 {
    // SAFETY: the caller's promise.
    unsafe { crate::copy(destination, source, length) };
    destination
}

/// C's `memset`.
///
/// # Safety
/// See [`crate::fill`].
#[unsafe(no_mangle)]
unsafe extern "C" fn memset(destination: *mut u8, value: c_int, length: usize) -> *mut u8 {
    // SAFETY: the caller's promise. C converts the value to an unsigned char.
    unsafe { crate::fill(destination, value as u8, length) };
    destination
}

/// C's `memcmp`.
///
/// # Safety
/// See [`crate::compare`].
#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(left: *const u8, right: *const u8, length: usize) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { crate::compare(left, right, length) }
}

/// `memcmp` of which only zero or not is looked at.
///
/// # Safety
/// See [`crate::compare`].
#[unsafe(no_mangle)]
unsafe extern "C" fn bcmp(left: *const u8, right: *const u8, length: usize) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { crate::compare(left, right, length) }
}

/// Named by the unwind tables of prebuilt `core`; panics abort, so it never runs.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

/// Named by landing pads of prebuilt `core`; panics abort, so it never runs.
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() -> ! {
    loop {
        core::hint::spin_loop();
    }
}
