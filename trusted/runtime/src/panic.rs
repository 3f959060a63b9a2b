//! A panic ends the domain: message and place go to the kernel.

use core::fmt::{self, Write};
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Number of the thread that panics, and 1; 0: none does.
static PANICKING: AtomicUsize = AtomicUsize::new(0);

/// It panicked again while its message was written.
static IS_NESTED: AtomicBool = AtomicBool::new(false);

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let mut text = Text {
        bytes: [0; 512],
        length: 0,
    };
    let this = exchange::thread::number() as usize + 1;
    let first = PANICKING.compare_exchange(0, this, Ordering::Relaxed, Ordering::Relaxed);
    let is_nested = first == Err(this);
    // What is shown in a message is the domain's own code, and may panic, too; once
    // more, and it would do so for ever. A message longer than the buffer is cut;
    // `Text` never fails.
    let _ = match (
        is_nested,
        is_nested && IS_NESTED.swap(true, Ordering::Relaxed),
    ) {
        (false, _) => write!(text, "{}", info.message()),
        (true, false) => write!(text, "in a panic's message: {}", info.message()),
        (true, true) => text.write_str("again and again in a panic's message"),
    };
    if let Some(place) = info.location() {
        let _ = write!(text, ", at {}:{}", place.file(), place.line());
    }
    // SAFETY: a domain may end itself; the text lives for the call.
    unsafe { (exchange::thread::services().panic)(text.bytes.as_ptr(), text.length) }
}

/// Text of limited length that needs no heap.
struct Text {
    bytes: [u8; 512],
    length: usize,
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = &mut self.bytes[self.length..];
        let length = text.floor_char_boundary(room.len().min(text.len()));
        room[..length].copy_from_slice(&text.as_bytes()[..length]);
        self.length += length;
        Ok(())
    }
}
