//! A panic ends the domain: message and place go to the kernel.

use core::fmt::{self, Write};
use core::panic::PanicInfo;

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let mut text = Text {
        bytes: [0; 512],
        length: 0,
    };
    // A message longer than the buffer is cut; `Text` never fails.
    let _ = write!(text, "{}", info.message());
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
